//! `ringfence recover`

use super::args::{OnDrift, RecoverArgs};
use super::plan::{context, deliver, fresh_lineage, with_managed};
use super::session::{Session, name_of, read_file};
use super::suggest_policy::present;
use crate::aws::{self, Aws, Targets};
use crate::credentials_file;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::plan::Fields;
use crate::policy::PolicyDocument;
use crate::recover::{Place, Request, recover};
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::text::{shell, shown};
use std::path::{Path, PathBuf};

pub(super) async fn run(session: &Session<'_>, args: &RecoverArgs) -> Result<Exit> {
    session.refuse_commands()?;
    let aws = session.aws().await;
    let wants_key = args.secret.is_some() || args.to_profile.is_some() || args.secret_to_stdout;
    if !wants_key && args.delete_key.is_none() && args.policy.is_none() {
        return Err(Error::new(Exit::Usage, "nothing was asked for")
            .hint("where the new key goes: --secret ID, --to-profile NAME, --secret-to-stdout")
            .hint("or what changes without one: --delete-key ID, --policy FILE"));
    }
    let policy = args.policy.as_deref().map(policy).transpose()?;
    let targets = Targets { users: vec![args.user.clone()], ..Targets::default() };
    let reading = aws::read(&aws, &targets).await?;
    let Some(snapshot) = reading.snapshots.first() else {
        return Err(Error::failed(format!("user `{}` could not be read", args.user)));
    };
    let state = session.state_of(&reading, snapshot.who().kind(), snapshot.id()).await?;
    if let Some(run) = state.as_ref().and_then(|state| state.open_run()) {
        return Err(Error::stale(format!("run {} of {} was cut off", run.id, snapshot.who()))
            .hint(format!("ringfence resume {} ends it first", snapshot.who().flag())));
    }
    let snapshot = with_managed(&aws, snapshot, state.as_ref()).await?;
    let remark = match &policy {
        Some(policy) => remark(&aws, &snapshot, state.as_ref(), policy).await?,
        None => None,
    };
    let request = Request {
        to: place(&aws, args).await?,
        delete_key: args.delete_key.clone(),
        policy,
        remark,
        probes: args.probe.clone(),
        override_containment: args.override_containment,
    };
    let lineage = fresh_lineage(session, &snapshot)?;
    let posture = session.config.posture("revoke")?;
    let context = context(session, &reading, OnDrift::Refuse);
    let plan = recover(snapshot, state.as_ref(), &posture, lineage, &request, &context)?;
    let plan = session.requiring(plan).await?;
    deliver(session, &plan, args.out.as_deref(), args.detailed_exitcode).await
}

/// Where the key goes, as it is found there.
async fn place(aws: &Aws, args: &RecoverArgs) -> Result<Option<Place>> {
    if let Some(id) = &args.secret {
        return secret(aws, id, args).await.map(Some);
    }
    if let Some(profile) = &args.to_profile {
        let file = args.credentials_file.clone().map_or_else(credentials, Ok)?;
        let file = std::path::absolute(&file).unwrap_or(file);
        let holds = credentials_file::key_of(&file, profile)?;
        let Some(file) = file.to_str() else {
            return Err(Error::failed(format!("`{}` is no UTF-8 text", name_of(&file)))
                .hint("--credentials-file names another one"));
        };
        return Ok(Some(Place::Profile { file: file.to_owned(), profile: profile.clone(), holds }));
    }
    Ok(args.secret_to_stdout.then_some(Place::Stdout))
}

async fn secret(aws: &Aws, id: &str, args: &RecoverArgs) -> Result<Place> {
    let given = args.secret_fields.clone();
    if !id.starts_with("arn:") && !aws::is_secret_name(id) {
        return Err(Error::new(Exit::Usage, format!("`{}` is no name of a secret", shown(id)))
            .because("it takes 1 to 512 letters, digits, and the characters /_+=.@-")
            .hint("aws secretsmanager list-secrets shows which there are"));
    }
    let Some(found) = aws::look(aws, id).await? else {
        if !args.create_secret {
            return Err(Error::failed(format!("there is no secret `{}`", shown(id)))
                .because("Secrets Manager has none of that name in this account and Region")
                .hint("--create-secret makes it; --region names the Region that it is in"));
        }
        if id.starts_with("arn:") {
            return Err(Error::new(Exit::Usage, "a secret that is to be made has no ARN yet")
                .hint("give its name: --secret NAME --create-secret"));
        }
        return Ok(Place::NewSecret {
            name: id.to_owned(),
            region: aws.region().to_owned(),
            fields: given.unwrap_or_default(),
        });
    };
    let names = || found.names.iter().map(String::as_str);
    let Some(fields) = given.or_else(|| Fields::found_in(names())) else {
        let all: Vec<_> = names().map(shown).collect();
        return Err(Error::failed(format!("which fields of secret `{}` take the key?", shown(id)))
            .because(match all.as_slice() {
                [] => "it has no fields".to_owned(),
                some => format!("it has {}", some.join(", ")),
            })
            .hint(format!(
                "--secret-fields ID,SECRET, such as {}",
                shell("AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY")
            )));
    };
    let holds = found.keys.iter().find(|(name, _)| *name == fields.access_key_id);
    Ok(Place::Secret {
        holds: holds.map(|(_, key)| key.clone()),
        arn: found.arn,
        version: found.version,
        fields,
    })
}

/// The credentials file that the AWS CLI uses.
fn credentials() -> Result<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "the AWS CLI finds the file in the same way")]
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(file) = var("AWS_SHARED_CREDENTIALS_FILE") {
        return Ok(PathBuf::from(file));
    }
    let home = var("HOME").ok_or_else(|| {
        Error::failed("where the credentials file is, is not known")
            .because("neither HOME nor AWS_SHARED_CREDENTIALS_FILE is set")
            .hint("--credentials-file FILE")
    })?;
    Ok(Path::new(&home).join(".aws").join("credentials"))
}

/// What a policy allows that today's do not, in a line.
async fn remark(
    aws: &Aws,
    snapshot: &Snapshot,
    state: Option<&State>,
    policy: &PolicyDocument,
) -> Result<Option<String>> {
    let targets =
        Targets { users: vec![snapshot.name().clone()], full: true, ..Targets::default() };
    let reading = aws::read(aws, &targets).await?;
    let Some(full) = reading.snapshots.iter().find(|one| one.id() == snapshot.id()) else {
        return Ok(None);
    };
    let present = present(aws, full, state).await?;
    Ok(present.remark(policy))
}

/// The policy of a file, which has to grant something.
fn policy(path: &Path) -> Result<PolicyDocument> {
    let name = name_of(path);
    let flawed = |why: &str| {
        Error::failed(format!("`{name}` is no policy"))
            .because(why)
            .hint("ringfence suggest-policy … --out FILE writes one")
    };
    let text = String::from_utf8(read_file(path)?).map_err(|_| flawed("it is no UTF-8 text"))?;
    let document = PolicyDocument::parse(&text);
    let statements = match document.value().get("Statement") {
        Some(serde_json::Value::Array(all)) => all.iter().collect(),
        Some(one @ serde_json::Value::Object(_)) => vec![one],
        _ => Vec::new(),
    };
    if statements.is_empty() {
        return Err(flawed("it has no statement"));
    }
    let is = |one: &&serde_json::Value, wanted: &str| {
        one.get("Effect").and_then(serde_json::Value::as_str) == Some(wanted)
    };
    if !statements.iter().all(|one| is(one, "Allow") || is(one, "Deny")) {
        return Err(flawed("a statement has neither `Allow` nor `Deny` as its effect"));
    }
    if !statements.iter().any(|one| is(one, "Allow")) {
        return Err(flawed("it allows nothing"));
    }
    if statements.iter().any(|one| one.get("Principal").is_some()) {
        return Err(flawed("a policy of a user names no principal"));
    }
    if document.awaits_fence_time() {
        return Err(flawed("a value in it is only known after apply"));
    }
    Ok(document)
}
