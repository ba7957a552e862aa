//! `ringfence sandbox`

use super::args::SandboxArgs;
use super::session::{read_file, write_private};
use super::terminal::Terminal;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::sandbox::scenario::{ADMIN, Scenario};
use crate::sandbox::serve::Door;
use crate::sandbox::{Credentials, Sandbox};
use std::collections::BTreeMap;
use std::path::Path;

pub(super) async fn run(terminal: &Terminal, args: &SandboxArgs) -> Result<Exit> {
    let context = Context::system();
    let clock = move || context.now();
    let sandbox = match &args.load {
        None => Sandbox::new(clock),
        Some(path) => Sandbox::load(&text(path)?, clock)?,
    };
    let mut kept = BTreeMap::from([(ADMIN.to_owned(), sandbox.admin())]);
    let mut about = None;
    if let Some(path) = &args.scenario {
        let scenario = Scenario::parse(&text(path)?, &path.display().to_string())?;
        kept = scenario.play(&sandbox)?;
        about = Some(scenario.about);
    }
    let door = Door::open(args.port).await.map_err(|error| {
        Error::failed(format!("port {} of this machine could not be taken", args.port))
            .because(error)
            .hint("--port 0 takes a free one")
    })?;
    terminal.print(&greeting(door.port(), about.as_deref(), &kept));
    tokio::select! {
        () = door.serve(&sandbox) => {}
        () = asked_to_end() => {}
    }
    if let Some(path) = &args.save {
        write_private(path, sandbox.save().as_bytes())?;
        terminal.note(&format!("Saved {}", path.display()));
    }
    Ok(Exit::Done)
}

fn text(path: &Path) -> Result<String> {
    String::from_utf8(read_file(path)?)
        .map_err(|error| Error::failed(format!("`{}` is no text", path.display())).because(error))
}

async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// What to paste into another terminal.
fn greeting(port: u16, about: Option<&str>, kept: &BTreeMap<String, Credentials>) -> String {
    let mut lines = vec![format!(
        "# A sandbox of ringfence on 127.0.0.1:{port}: an IAM of its own, nothing in it is AWS."
    )];
    if let Some(about) = about {
        lines.push(format!("# {}", crate::text::shown(about)));
    }
    lines.push(
        "# Paste this into another terminal to be its administrator; Ctrl-C here ends it."
            .to_owned(),
    );
    lines.push("unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN".to_owned());
    lines.push(format!("export AWS_ENDPOINT_URL=http://127.0.0.1:{port} NO_PROXY=127.0.0.1"));
    lines.push(
        "export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true"
            .to_owned(),
    );
    if let Some(admin) = kept.get(ADMIN) {
        lines.push(format!("export {}", variables(admin)));
    }
    for (name, credentials) in kept.iter().filter(|(name, _)| *name != ADMIN) {
        lines.push(format!("# {}:", crate::text::shown(name)));
        lines.push(format!("#   {}", variables(credentials)));
    }
    lines.join("\n")
}

fn variables(credentials: &Credentials) -> String {
    let mut text = format!(
        "AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}",
        credentials.access_key_id, credentials.secret_access_key
    );
    if let Some(token) = &credentials.session_token {
        text.push_str(&format!(" AWS_SESSION_TOKEN={token}"));
    }
    text
}
