//! The story, all five phases of it: a leaked key, what it has minted, its containment, a new key with no more
//! rights than it needs, the release, and the report.

use super::stage::{SINCE, Stage};
use crate::aws::{Targets, read};
use crate::cli::session::{read_file, write_private};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::identity::{PrincipalKind, UserName};
use crate::sandbox::{Answer, Credentials, Player, Secret, SecretVersion};
use crate::snapshot::{Entity, Observed, Snapshot};
use crate::text::shown;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

/// For so long there is a record of what production does.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

const USER: &str = "deploy-bot";
const WORK: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","sts:AssumeRole"],"Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
const SECRET: &str = "prod/deploy-bot";
const ROLE: &str = "arn:aws:iam::123456789012:role/release";

/// Where production and the attacker call from.
const WORKLOAD: (&str, &str) = ("10.0.3.7", "aws-sdk-java/2.21.1");
const ATTACKER: (&str, &str) = ("198.51.100.7", "aws-cli/2.31.0");

/// Everybody who holds credentials.
struct Cast {
    leaked: Player,
    second: Player,
    token: Player,
    role: Player,
    /// When the key came into wrong hands.
    since: Timestamp,
}

/// The user and the role as they are read.
struct Looked {
    user: Snapshot,
    role: Snapshot,
}

pub(super) async fn tell(stage: &Stage<'_>, keep: Option<&Path>) -> Result<()> {
    stage.say(
        "A drill: a leaked access key, from the first alarm to the report. Everything\n\
         happens in a sandbox inside this program: an IAM of its own that checks\n\
         signatures and policies. Nothing in it is AWS, and nothing can reach AWS.",
    );
    let (leaked, second) = production(stage)?;
    let before = look(stage).await?;
    let cast = leak(stage, leaked, second)?;
    trace(stage, &cast).await?;
    contain(stage, &cast).await?;
    check(stage, &cast)?;
    let new = recover(stage, &cast).await?;
    release(stage, &cast, &new).await?;
    compare(stage, &before, &look(stage).await?)?;
    report(stage, keep).await
}

fn player(stage: &Stage<'_>, answer: &Answer) -> Result<Player> {
    let credentials: Credentials = answer.credentials().ok_or_else(|| {
        Error::failed("the drill did not go as it should").because("no credentials came back")
    })?;
    Ok(Player::new(stage.sandbox.clone(), credentials))
}

/// The user as production has it.
fn production(stage: &Stage<'_>) -> Result<(Player, Player)> {
    let admin = Player::new(stage.sandbox.clone(), stage.sandbox.admin());
    let user = ("UserName", USER);
    let must = |answer: Answer| {
        if answer.is_ok() {
            Ok(answer)
        } else {
            Err(Error::failed("the drill could not be set up").because(answer.body))
        }
    };
    must(admin.call("iam:CreateUser", &[user]))?;
    let policy = [user, ("PolicyName", "work"), ("PolicyDocument", WORK)];
    must(admin.call("iam:PutUserPolicy", &policy))?;
    must(admin.call("iam:CreateLoginProfile", &[user, ("Password", "Correct-Horse-7")]))?;
    let role = [("RoleName", "release"), ("AssumeRolePolicyDocument", TRUST)];
    must(admin.call("iam:CreateRole", &role))?;
    let policy = [("RoleName", "release"), ("PolicyName", "work"), ("PolicyDocument", WORK)];
    must(admin.call("iam:PutRolePolicy", &policy))?;
    let leaked = player(stage, &must(admin.call("iam:CreateAccessKey", &[user]))?)?;
    let second = player(stage, &must(admin.call("iam:CreateAccessKey", &[user]))?)?;
    // Production has been running for a while, with both keys.
    let (leaked, second) =
        (leaked.from(WORKLOAD.0, WORKLOAD.1), second.from("10.0.3.9", "Boto3/1.40"));
    store(stage, leaked.credentials());
    stage.wait(SINCE.saturating_sub(WEEK));
    for _ in 0..7 {
        must(leaked.list_buckets())?;
        must(leaked.list_buckets())?;
        must(second.list_buckets())?;
        stage.wait(SignedDuration::from_hours(24));
    }
    Ok((leaked, second))
}

/// The secret that the workload reads its key from.
fn store(stage: &Stage<'_>, key: &Credentials) {
    let text = serde_json::json!({
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "DATABASE": "orders",
    });
    let now = stage.sandbox.now();
    let version = SecretVersion {
        id: "00000000-0000-4000-8000-000000000001".to_owned(),
        text: text.to_string(),
        stages: vec!["AWSCURRENT".to_owned()],
        created: now,
    };
    let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/deploy-bot-Ab12Cd";
    let secret = Secret {
        arn: arn.to_owned(),
        name: SECRET.to_owned(),
        created: now,
        deleted: None,
        versions: vec![version],
    };
    stage.sandbox.edit(|world| world.secrets.push(secret));
}

/// The key that the secret holds now.
fn stored(stage: &Stage<'_>) -> Result<Player> {
    let text = stage.sandbox.edit(|world| {
        let versions = world.secrets.iter().flat_map(|secret| &secret.versions);
        versions.last().map(|version| version.text.clone()).unwrap_or_default()
    });
    let holds: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let field = |name: &str| holds.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let (Some(access_key_id), Some(secret_access_key)) =
        (field("AWS_ACCESS_KEY_ID"), field("AWS_SECRET_ACCESS_KEY"))
    else {
        return Err(
            Error::failed("the drill did not go as it should").because("the secret holds no key")
        );
    };
    let key = Credentials { access_key_id, secret_access_key, session_token: None };
    Ok(Player::new(stage.sandbox.clone(), key).from(WORKLOAD.0, WORKLOAD.1))
}

fn leak(stage: &Stage<'_>, leaked: Player, second: Player) -> Result<Cast> {
    stage.phase("1. The leak")?;
    stage.say(
        "User deploy-bot has two access keys and a console password. The first key is in\n\
         a public repository. Whoever found it mints a token that lives for 36 hours,\n\
         and assumes a role:\n",
    );
    let since = stage.sandbox.now();
    let leaked = leaked.from(ATTACKER.0, ATTACKER.1);
    let lifetime = [("DurationSeconds", "129600")];
    let answer = leaked.call("sts:GetSessionToken", &lifetime);
    let line = "sts get-session-token --duration-seconds 129600";
    let token = player(stage, &stage.aws("the attacker", line, answer)?)?;
    let token = token.from(ATTACKER.0, ATTACKER.1);
    let session = [("RoleArn", ROLE), ("RoleSessionName", "nightly")];
    let answer = token.call("sts:AssumeRole", &session);
    let line = "sts assume-role --role-name release …";
    let role = player(stage, &stage.aws("the attacker, with that token", line, answer)?)?;
    let role = role.from(ATTACKER.0, ATTACKER.1);
    stage.say("\nWho can list the buckets of the account now:");
    stage.can_act("the leaked key", &leaked, true, "the attacker")?;
    stage.can_act("its 36-hour token", &token, true, "the attacker")?;
    stage.can_act("the role's session", &role, true, "the attacker")?;
    stage.can_act("the second key", &second, true, "production")?;
    stage.wait(SignedDuration::from_mins(20));
    Ok(Cast { leaked, second, token, role, since })
}

async fn trace(stage: &Stage<'_>, cast: &Cast) -> Result<()> {
    let key = &cast.leaked.credentials().access_key_id;
    stage.phase("2. The trace: what was made with the key, and what it did")?;
    stage.say(
        "The alarm names the key and nothing else. CloudTrail knows more: it is asked for\n\
         the key, then for what was made with it, in every Region.",
    );
    let line = format!("trace --access-key {key} --since {} --lookup --out trace.json", cast.since);
    stage.ringfence(&line, Exit::Done).await
}

async fn contain(stage: &Stage<'_>, cast: &Cast) -> Result<()> {
    stage.phase("3. The plan: what would change, whom it hits, and what stays open")?;
    let line =
        format!("plan --from trace.json --since {} --usage lookup --out plan.json", cast.since);
    stage.ringfence(&line, Exit::Done).await?;
    stage.phase("4. The apply: exactly that plan")?;
    stage.ringfence("apply plan.json --auto-approve", Exit::Done).await
}

fn check(stage: &Stage<'_>, cast: &Cast) -> Result<()> {
    stage.phase("5. Is the attacker out?")?;
    stage.say("Who can list the buckets of the account now:");
    stage.can_act("the leaked key", &cast.leaked, false, "")?;
    stage.can_act("its 36-hour token", &cast.token, false, "")?;
    stage.can_act("the role's session", &cast.role, false, "")?;
    stage.can_act("the second key", &cast.second, true, "production goes on")?;
    stage.say(
        "\nA deny on the user alone would not have touched the role's session: the trace\n\
         has found the role, and the plan has fenced it too.",
    );
    stage.wait(SignedDuration::from_mins(10));
    Ok(())
}

/// A new key for the workload, with the rights that it has used.
async fn recover(stage: &Stage<'_>, cast: &Cast) -> Result<Player> {
    let key = &cast.leaked.credentials().access_key_id;
    stage.phase("6. What the workload needs: a policy from what it has really used")?;
    let line = format!(
        "suggest-policy --user {USER} --lookup --trace trace.json --since {} --out least.json",
        cast.since
    );
    stage.ringfence(&line, Exit::Done).await?;
    stage.phase("7. The recovery: a new key in the workload's secret, and no more rights")?;
    stage.say("The user has two keys, the most there may be. The leaked one makes room.\n");
    let line = format!(
        "recover --user {USER} --secret {SECRET} --delete-key {key} --policy least.json \
         --probe s3:ListAllMyBuckets --out recover.json"
    );
    stage.ringfence(&line, Exit::Done).await?;
    stage.ringfence("apply recover.json --auto-approve", Exit::Done).await?;
    let new = stored(stage)?;
    stage.say("\nWho can list the buckets of the account now:");
    stage.can_act("the leaked key", &cast.leaked, false, "")?;
    stage.can_act("its 36-hour token", &cast.token, false, "")?;
    stage.can_act("the role's session", &cast.role, false, "")?;
    stage.can_act("the new key", &new, true, "production, from the secret")?;
    let session = [("RoleArn", ROLE), ("RoleSessionName", "nightly")];
    let answer = new.call("sts:AssumeRole", &session);
    if answer.is_ok() {
        return Err(Error::failed("the drill did not go as it should")
            .because("the new key may do what production never did"));
    }
    stage.say("And who can assume the role, which production never did:");
    stage.say(&format!("    {:22} denied   {}", "the new key", answer.code()));
    Ok(new)
}

async fn release(stage: &Stage<'_>, cast: &Cast, new: &Player) -> Result<()> {
    stage.phase("8. Ten minutes later: a rollback that would be too early")?;
    stage.ringfence("status", Exit::Done).await?;
    stage.ringfence(&format!("rollback --user {USER}"), Exit::Done).await?;
    stage.wait(SignedDuration::from_hours(37));
    stage.phase("9. 37 hours later: every token the key could have minted has expired")?;
    stage.can_act("its 36-hour token", &cast.token, false, "")?;
    stage.can_act("the role's session", &cast.role, false, "")?;
    stage.ringfence(&format!("rollback --user {USER} --out release.json"), Exit::Done).await?;
    stage.ringfence("apply release.json --auto-approve", Exit::Done).await?;
    stage.ringfence("rollback --role release --out role.json", Exit::Done).await?;
    stage.ringfence("apply role.json --auto-approve", Exit::Done).await?;
    stage.ringfence("status", Exit::Done).await?;
    stage.say("");
    stage.can_act("the leaked key", &cast.leaked, false, "")?;
    stage.can_act("the second key", &cast.second, true, "production")?;
    stage.can_act("the new key", new, true, "production")
}

/// The page that a reviewer reads.
async fn report(stage: &Stage<'_>, keep: Option<&Path>) -> Result<()> {
    stage.phase("11. The report: what happened, who did what, and what is still open")?;
    let line = format!("report --user {USER} --role release --trace trace.json --out report.html");
    stage.ringfence(&line, Exit::Done).await?;
    if let Some(keep) = keep {
        write_private(keep, &read_file(Path::new("report.html"))?)?;
    }
    let place = match keep {
        Some(keep) => format!("It is kept as {}.", shown(&keep.display().to_string())),
        None => "It goes with the drill: ringfence drill --report FILE.html keeps it.".to_owned(),
    };
    stage.say(&format!(
        "{place}\nTo try this by hand, with the AWS CLI beside it: ringfence sandbox"
    ));
    Ok(())
}

async fn look(stage: &Stage<'_>) -> Result<Looked> {
    let name = |text: &str| {
        text.parse::<UserName>().map_err(|error| Error::failed("no name").because(error))
    };
    let targets =
        Targets { users: vec![name(USER)?], roles: vec![name("release")?], ..Targets::default() };
    let reading = read(&stage.connection(), &targets).await?;
    let one = |kind: PrincipalKind| {
        let found = reading.snapshots.iter().find(|snapshot| snapshot.who().kind() == kind);
        found.cloned().ok_or_else(|| Error::failed(format!("the {kind} of the drill is gone")))
    };
    Ok(Looked { user: one(PrincipalKind::User)?, role: one(PrincipalKind::Role)? })
}

/// Everything about a principal that is not a time of reading or of use, as lines.
fn lines(snapshot: &Snapshot) -> String {
    let mut snapshot = snapshot.clone();
    snapshot.read_at = Timestamp::UNIX_EPOCH;
    match &mut snapshot.entity {
        Entity::User(user) => user.password_last_used = None,
        Entity::Role(role) => role.last_used = None,
    }
    if let Observed::Read(keys) = &mut snapshot.access_keys {
        for key in keys {
            key.last_used = Observed::Read(None);
        }
    }
    // Serialising to memory fails only for maps with keys that are no text; there are none here.
    serde_json::to_string_pretty(&snapshot).unwrap_or_default()
}

fn compare(stage: &Stage<'_>, before: &Looked, after: &Looked) -> Result<()> {
    stage.phase("10. Before and after")?;
    stage.say("All there is about the user, read before the leak and now, differs in this:\n");
    for line in differing(&before.user, &after.user) {
        stage.say(&format!("  {line}"));
    }
    let rest = |snapshot: &Snapshot| Snapshot {
        access_keys: Observed::Read(Vec::new()),
        inline_policies: Observed::Read(Vec::new()),
        ..snapshot.clone()
    };
    let more = differing(&rest(&before.user), &rest(&after.user));
    if !more.is_empty() || !differing(&before.role, &after.role).is_empty() {
        return Err(Error::failed("the drill did not go as it should")
            .because("more has changed than the key and what it may do"));
    }
    stage.say(
        "\nThe leaked key is gone, since the new one needed its place; what the user may do\n\
         is what it did. Everything else is as it was, the role included.",
    );
    Ok(())
}

fn differing(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let (before, after) = (lines(before), lines(after));
    similar::TextDiff::from_lines(&before, &after)
        .unified_diff()
        .context_radius(1)
        .iter_hunks()
        .flat_map(|hunk| hunk.to_string().lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}
