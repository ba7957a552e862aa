//! The story: a leaked key, what it has minted, its containment and its release.

use super::stage::{SINCE, Stage};
use crate::aws::{Targets, read};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::identity::{PrincipalKind, UserName};
use crate::sandbox::{Answer, Credentials, Player};
use crate::snapshot::{Entity, Observed, Snapshot};
use jiff::{SignedDuration, Timestamp};

/// For so long there is a record of what production does.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

const USER: &str = "deploy-bot";
const WORK: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","sts:AssumeRole"],"Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
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

pub(super) async fn tell(stage: &Stage<'_>) -> Result<()> {
    stage.say(
        "A drill: a leaked access key, from the first alarm to the release. Everything\n\
         happens in a sandbox inside this program: an IAM of its own that checks\n\
         signatures and policies. Nothing in it is AWS, and nothing can reach AWS.",
    );
    let (leaked, second) = production(stage)?;
    let before = look(stage).await?;
    let cast = leak(stage, leaked, second)?;
    trace(stage, &cast).await?;
    contain(stage, &cast).await?;
    check(stage, &cast)?;
    too_early(stage).await?;
    release(stage, &cast).await?;
    compare(stage, &before, &look(stage).await?)
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
    stage.wait(SINCE.saturating_sub(WEEK));
    for _ in 0..7 {
        must(leaked.list_buckets())?;
        must(leaked.list_buckets())?;
        must(second.list_buckets())?;
        stage.wait(SignedDuration::from_hours(24));
    }
    Ok((leaked, second))
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

async fn too_early(stage: &Stage<'_>) -> Result<()> {
    stage.phase("6. Ten minutes later: status, and a rollback that would be too early")?;
    stage.ringfence("status", Exit::Done).await?;
    stage.ringfence(&format!("rollback --user {USER}"), Exit::Done).await
}

async fn release(stage: &Stage<'_>, cast: &Cast) -> Result<()> {
    stage.wait(SignedDuration::from_hours(37));
    stage.phase("7. 37 hours later: every token the key could have minted has expired")?;
    stage.can_act("its 36-hour token", &cast.token, false, "")?;
    stage.can_act("the role's session", &cast.role, false, "")?;
    stage.ringfence(&format!("rollback --user {USER} --out release.json"), Exit::Done).await?;
    stage.ringfence("apply release.json --auto-approve", Exit::Done).await?;
    stage.ringfence("rollback --role release --out role.json", Exit::Done).await?;
    stage.ringfence("apply role.json --auto-approve", Exit::Done).await?;
    stage.ringfence("status", Exit::Done).await?;
    stage.say("");
    stage.can_act("the leaked key", &cast.leaked, false, "")?;
    stage.can_act("the second key", &cast.second, true, "production")
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
    stage.phase("8. Before and after")?;
    let changed = differing(&before.user, &after.user);
    stage.say("All there is about the user, read before the leak and now, differs in this:\n");
    for line in &changed {
        stage.say(&format!("  {line}"));
    }
    let removed = changed.iter().filter(|line| line.starts_with('-')).count();
    let added = changed.iter().filter(|line| line.starts_with('+')).count();
    let more = differing(&before.role, &after.role);
    if (removed, added) != (1, 1) || !more.is_empty() {
        return Err(Error::failed("the drill did not go as it should")
            .because("more than the key has changed"));
    }
    stage.say(
        "\nThe leaked key stays off, because the trace began with it. Everything else is as\n\
         it was, the role included.\n\
         To try this by hand, with the AWS CLI beside it: ringfence sandbox",
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
