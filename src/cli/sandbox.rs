//! `ringfence sandbox`

use super::args::SandboxArgs;
use super::session::{read_file, write_private};
use super::terminal::Terminal;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::sandbox::scenario::{ADMIN, Scenario};
use crate::sandbox::serve::Door;
use crate::sandbox::{Credentials, Sandbox, World, delivered};
use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

pub(super) async fn run(terminal: &Terminal, args: &SandboxArgs) -> Result<Exit> {
    let context = Context::system();
    let clock = move || context.now();
    let sandbox = match &args.load {
        None => Sandbox::new(clock),
        Some(path) => Sandbox::load(&text(path)?, clock)?,
    };
    sandbox.edit(World::keep_trail);
    if let Some(path) = &args.findings {
        let findings = raw_findings(path)?;
        sandbox.edit(|world| world.findings.extend(findings));
    }
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
    let mut delivery = Delivery { to: args.trail.as_deref(), next: 0 };
    delivery.of(&sandbox)?;
    terminal.print(&greeting(door.port(), about.as_deref(), &kept));
    tokio::select! {
        () = door.serve(&sandbox) => {}
        () = asked_to_end() => {}
        failed = delivery.for_ever(&sandbox) => return failed.map(|()| Exit::Done),
    }
    delivery.of(&sandbox)?;
    if let Some(path) = &args.save {
        write_private(path, sandbox.save().as_bytes())?;
        terminal.note(&format!("Saved {}", path.display()));
    }
    Ok(Exit::Done)
}

/// The events, written to a folder as they come.
struct Delivery<'a> {
    to: Option<&'a Path>,
    next: u64,
}

impl Delivery<'_> {
    async fn for_ever(&mut self, sandbox: &Sandbox) -> Result<()> {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.of(sandbox)?;
        }
    }

    fn of(&mut self, sandbox: &Sandbox) -> Result<()> {
        let Some(folder) = self.to else { return Ok(()) };
        let (events, next) = sandbox.edit(|world| world.recorded(self.next));
        for (path, text) in delivered(&events) {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(|error| {
                    Error::failed(format!("`{}` could not be made", parent.display()))
                        .because(error)
                        .hint("--trail DIR takes a folder that can be written")
                })?;
            }
            write_private(&path, text.as_bytes())?;
        }
        self.next = next;
        Ok(())
    }
}

/// Findings as the API gives them: its reply, a list, or one.
fn raw_findings(path: &Path) -> Result<Vec<serde_json::Value>> {
    let value: serde_json::Value = serde_json::from_str(&text(path)?).map_err(|error| {
        Error::failed(format!("`{}` is no JSON", path.display())).because(error)
    })?;
    let inside = value.get("findings").or_else(|| value.get("Findings")).unwrap_or(&value);
    let all = inside.as_array().cloned().unwrap_or_else(|| vec![inside.clone()]);
    if all.iter().any(|one| one.get("id").is_none_or(|id| !id.is_string())) {
        return Err(Error::failed(format!("`{}` holds no findings of GuardDuty", path.display()))
            .because("each has an `id` and a `type`, in names that begin small"));
    }
    Ok(all)
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
