//! What every verb needs: configuration, store, connection, clock.

use super::args::{Format, Global};
use super::terminal::Terminal;
use crate::aws::{Aws, Reading, Settings};
use crate::config::Config;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::identity::{PrincipalId, PrincipalKind, Who};
use crate::plan::Plan;
use crate::state::State;
#[cfg(feature = "s3")]
use crate::store::S3Store;
use crate::store::{Key, Location, Owner, Store};
use crate::text::shown;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The configuration file that is read where none is named.
const CONFIG: &str = "ringfence.toml";

/// No file that ringfence reads is nearly as large.
const LARGEST_FILE: u64 = 64 << 20;

pub(super) struct Session<'a> {
    pub(super) terminal: &'a Terminal,
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) context: Context,
    pub(super) format: Format,
    pub(super) incident: Option<String>,
    pub(super) lock_timeout: Duration,
    settings: Settings,
    sdk: Option<aws_config::SdkConfig>,
}

/// What a command finds around it: the machine's, or what a rehearsal sets up in its place.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// Local time and randomness.
    pub(super) context: Context,
    /// The connection to use whatever the flags and the environment say.
    pub(super) sdk: Option<aws_config::SdkConfig>,
}

impl Surroundings {
    pub(super) fn of_this_machine() -> Self {
        Self { context: Context::system(), sdk: None }
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(
        global: &Global,
        terminal: &'a Terminal,
        surroundings: &Surroundings,
    ) -> Result<Self> {
        // A rehearsal is the same wherever it is run: it reads no configuration that it is not given.
        let config = match (&global.config, &surroundings.sdk) {
            (None, Some(_)) => Config::default(),
            (named, _) => config(named.as_deref())?,
        };
        let location = global.state.clone().or_else(|| config.location.clone());
        let location = location.unwrap_or_else(|| "state".to_owned());
        let settings = Settings {
            profile: global.profile.clone(),
            region: global.region.clone(),
            endpoint_url: global.endpoint_url.clone(),
        };
        Ok(Self {
            terminal,
            store: store(&location, &settings, surroundings.sdk.as_ref())?,
            config,
            context: surroundings.context.clone(),
            sdk: surroundings.sdk.clone(),
            format: global.format,
            incident: global.incident.clone(),
            lock_timeout: global.lock_timeout,
            settings,
        })
    }

    /// How a bucket is reached that is no store.
    pub(super) fn access(&self) -> crate::logs::Access {
        crate::logs::Access { settings: self.settings.clone(), sdk: self.sdk.clone() }
    }

    pub(super) async fn aws(&self) -> Aws {
        match &self.sdk {
            Some(sdk) => Aws::from_config(sdk),
            None => Aws::connect(&self.settings).await,
        }
    }

    /// How to reach AWS.
    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The connection that a rehearsal sets up.
    pub(super) const fn sdk(&self) -> Option<&aws_config::SdkConfig> {
        self.sdk.as_ref()
    }

    /// Prints what was read or made, in the form asked for.
    pub(super) fn print(&self, text: &str, json: &[u8], markdown: impl FnOnce() -> String) {
        match self.format {
            Format::Json => self.terminal.print_bytes(json),
            Format::Markdown => self.terminal.print(&markdown()),
            Format::Text | Format::Commands => self.terminal.print(text),
        }
    }

    /// `--format commands` belongs to `show`; said before anything is read.
    pub(super) fn refuse_commands(&self) -> Result<()> {
        if self.format == Format::Commands {
            return Err(Error::new(
                crate::exit::Exit::Usage,
                "`--format commands` goes with `show` only",
            )
            .hint("ringfence plan … --out FILE, then ringfence show FILE --format commands"));
        }
        Ok(())
    }

    /// Who runs this, on which machine: for the lock file.
    pub(super) fn owner(&self) -> Owner {
        #[allow(
            clippy::disallowed_methods,
            reason = "the person's name stands in the lock for others to read"
        )]
        let who = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
        Owner {
            run: None,
            who,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pid: std::process::id(),
            since: self.context.now(),
        }
    }

    /// The state of a principal that was read, if its record is of the same endpoint (D2.15).
    pub(super) async fn state_of(
        &self,
        reading: &Reading,
        kind: PrincipalKind,
        id: &PrincipalId,
    ) -> Result<Option<State>> {
        let key = Key { account: reading.caller.account.clone(), kind, id: id.clone() };
        let Some(state) = self.store.load(&key).await? else { return Ok(None) };
        if state.endpoint != reading.endpoint {
            return Err(Error::stale(format!(
                "the state of {} was written for another endpoint",
                state.principal.who()
            ))
            .because(format!(
                "the state is of {}, now {}",
                shown(&state.endpoint),
                shown(&reading.endpoint)
            ))
            .hint("--state DIR keeps the records of a test endpoint apart"));
        }
        self.store.verify(&key, &state).await?;
        Ok(Some(state))
    }

    /// The one state of a user or role, by name or unique ID.
    pub(super) async fn find(&self, user: &str) -> Result<(Key, State)> {
        let found = self.store.find(user).await?;
        self.only(found, user, None)
    }

    /// The one state of a user, or of a role, by name or unique ID.
    pub(super) async fn find_who(&self, who: &Who) -> Result<(Key, State)> {
        let mut found = self.store.find(who.name().as_str()).await?;
        found.retain(|(key, _)| key.kind == who.kind());
        // Whoever was deleted and made again has two: a name stands for who bears it now (F27).
        let accounts: BTreeSet<_> = found.iter().map(|(key, _)| key.account.clone()).collect();
        if found.len() > 1 && accounts.len() == 1 {
            let others = found.split_off(1);
            let others: Vec<&str> = others.iter().map(|(key, _)| key.id.as_str()).collect();
            let taken = found.first().map(|(key, _)| key.id.as_str()).unwrap_or_default();
            self.terminal.note(&format!(
                "{who} was made more than once: {taken} is meant, whose run is the latest, and not {}",
                others.join(", ")
            ));
        }
        self.only(found, who.name().as_str(), Some(who.kind()))
    }

    fn only(
        &self,
        mut found: Vec<(Key, State)>,
        user: &str,
        kind: Option<PrincipalKind>,
    ) -> Result<(Key, State)> {
        if found.len() > 1 {
            let mut error =
                Error::failed(format!("there are {} states for `{}`", found.len(), shown(user)));
            for (key, _) in &found {
                error = error.detail(format!("{} {} in account {}", key.kind, key.id, key.account));
            }
            return Err(error.hint("name the one meant by its ID, or keep accounts in folders of their own: --state DIR"));
        }
        found.pop().ok_or_else(|| {
            Error::failed(format!(
                "there is no state for {} `{}` in `{}`",
                kind.map_or("user or role", PrincipalKind::word),
                shown(user),
                shown(&self.store.location())
            ))
            .hint("ringfence state list shows whose there are; --state names another place")
        })
    }
}

/// The store at a location, as it was typed.
fn store(
    location: &str,
    settings: &Settings,
    sdk: Option<&aws_config::SdkConfig>,
) -> Result<Store> {
    match Location::parse(location)? {
        Location::Directory(path) if path.exists() && !path.is_dir() => Err(Error::failed(
            format!("`{}` is a file, and no folder for the state", shown(location)),
        )
        .hint("name a folder: --state DIR")),
        Location::Directory(path) => Ok(Store::local(&path)),
        #[cfg(feature = "s3")]
        Location::Bucket(place) => Ok(Store::S3(match sdk {
            Some(sdk) => S3Store::from_config(place, sdk),
            None => S3Store::connect(place, settings),
        })),
        #[cfg(not(feature = "s3"))]
        Location::Bucket(_) => {
            let _ = (settings, sdk);
            Err(Error::failed(format!("`{}` is in S3", shown(location)))
                .because("this ringfence was built without the feature `s3`")
                .hint("--state DIR"))
        }
    }
}

fn config(named: Option<&Path>) -> Result<Config> {
    let path = named.unwrap_or(Path::new(CONFIG));
    if named.is_none() && !path.exists() {
        return Ok(Config::default());
    }
    let bytes = read_file(path)?;
    let name = name_of(path);
    let text = String::from_utf8(bytes).map_err(|error| {
        Error::failed(format!("`{name}` is no UTF-8 text"))
            .because(error.utf8_error())
            .hint("it is a TOML file, such as examples/ringfence.toml")
    })?;
    Config::parse(&text, &name).map_err(|error| match error.hints() {
        [] => error.hint("examples/ringfence.toml shows every section, rule and value"),
        _ => error,
    })
}

/// A path as an error shows it (D2.14).
pub(super) fn name_of(path: &Path) -> String {
    shown(&path.display().to_string()).into_owned()
}

/// Reads a file once, whole.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        Error::failed(format!("`{}` could not be read", name_of(path)))
            .because(error)
            .hint("give the path of a file that this account of the machine may read")
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Error::failed(format!(
            "`{}` is larger than any file of ringfence's",
            name_of(path)
        ))
        .because(format!("more than {} MiB", LARGEST_FILE >> 20))
        .hint("give the path of another file"));
    }
    Ok(bytes)
}

/// Writes a plan where the person said.
pub(super) fn write_plan(path: &Path, plan: &Plan) -> Result<()> {
    write_private(path, &plan.bytes())
}

/// Writes a file that only its owner can read (D2.11), whole or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    // A rename would put a file in the place of a device, for everybody on the machine.
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(Error::failed(format!("`{}` is no regular file", name_of(path)))
            .hint("give the path of a file: --out FILE"));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        // Whatever is left of it is of no use; that it may not be there is fine.
        let _ = std::fs::remove_file(&beside);
        Error::failed(format!("`{}` could not be written", name_of(path)))
            .because(error)
            .hint("give a path in a folder that is there and can be written: --out FILE")
    })
}
