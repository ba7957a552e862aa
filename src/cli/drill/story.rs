//! The story: a leaked key, what it has minted, its containment and its release.

use super::stage::{SINCE, Stage};
use crate::aws::{Targets, read};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::identity::UserName;
use crate::sandbox::{Answer, Credentials, Player};
use crate::snapshot::{Entity, Observed, Snapshot};
use jiff::SignedDuration;

const USER: &str = "deploy-bot";
const WORK: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","sts:AssumeRole"],"Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
const ROLE: &str = "arn:aws:iam::123456789012:role/release";

/// Everybody who holds credentials.
struct Cast {
    leaked: Player,
    second: Player,
    token: Player,
    role: Player,
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
    // Production has been running for a while.
    stage.wait(SINCE);
    must(second.list_buckets())?;
    Ok((leaked, second))
}

fn leak(stage: &Stage<'_>, leaked: Player, second: Player) -> Result<Cast> {
    stage.phase("1. The leak")?;
    stage.say(
        "User deploy-bot has two access keys and a console password. The first key is in\n\
         a public repository. Whoever found it mints a token that lives for 36 hours,\n\
         and assumes a role:\n",
    );
    let lifetime = [("DurationSeconds", "129600")];
    let answer = leaked.call("sts:GetSessionToken", &lifetime);
    let line = "sts get-session-token --duration-seconds 129600";
    let token = player(stage, &stage.aws("the attacker", line, answer)?)?;
    let session = [("RoleArn", ROLE), ("RoleSessionName", "nightly")];
    let answer = token.call("sts:AssumeRole", &session);
    let line = "sts assume-role --role-name release …";
    let role = player(stage, &stage.aws("the attacker, with that token", line, answer)?)?;
    stage.say("\nWho can list the buckets of the account now:");
    stage.can_act("the leaked key", &leaked, true, "the attacker")?;
    stage.can_act("its 36-hour token", &token, true, "the attacker")?;
    stage.can_act("the role's session", &role, true, "the attacker")?;
    stage.can_act("the second key", &second, true, "production")?;
    stage.wait(SignedDuration::from_mins(20));
    Ok(Cast { leaked, second, token, role })
}

async fn contain(stage: &Stage<'_>, cast: &Cast) -> Result<()> {
    let key = &cast.leaked.credentials().access_key_id;
    stage.phase("2. The plan: what would change, and what would stay open")?;
    stage.say("The alarm names the key and nothing else. The plan changes nothing yet.");
    stage.ringfence(&format!("plan --access-key {key} --out plan.json"), Exit::Done).await?;
    stage.phase("3. The apply: exactly that plan")?;
    stage.ringfence("apply plan.json --auto-approve", Exit::Done).await
}

fn check(stage: &Stage<'_>, cast: &Cast) -> Result<()> {
    stage.phase("4. Is the attacker out?")?;
    stage.say("Who can list the buckets of the account now:");
    stage.can_act("the leaked key", &cast.leaked, false, "")?;
    stage.can_act("its 36-hour token", &cast.token, false, "")?;
    stage.can_act("the second key", &cast.second, true, "production goes on")?;
    stage.can_act("the role's session", &cast.role, true, "! still open")?;
    stage.say(
        "\nThe role's session goes on: a deny on the user does not touch it. It ends when\n\
         it expires, or when the role itself is fenced. The plan said so under Left live.",
    );
    stage.wait(SignedDuration::from_mins(10));
    Ok(())
}

async fn too_early(stage: &Stage<'_>) -> Result<()> {
    stage.phase("5. Ten minutes later: status, and a rollback that would be too early")?;
    stage.ringfence("status", Exit::Done).await?;
    stage.ringfence(&format!("rollback --user {USER}"), Exit::Done).await
}

async fn release(stage: &Stage<'_>, cast: &Cast) -> Result<()> {
    stage.wait(SignedDuration::from_hours(37));
    stage.phase("6. 37 hours later: every token the key could have minted has expired")?;
    stage.can_act("its 36-hour token", &cast.token, false, "")?;
    stage.can_act("the role's session", &cast.role, false, "")?;
    stage.ringfence(&format!("rollback --user {USER} --out release.json"), Exit::Done).await?;
    stage.ringfence("apply release.json --auto-approve", Exit::Done).await?;
    stage.ringfence("status", Exit::Done).await?;
    stage.say("");
    stage.can_act("the leaked key", &cast.leaked, false, "")?;
    stage.can_act("the second key", &cast.second, true, "production")
}

async fn look(stage: &Stage<'_>) -> Result<Snapshot> {
    let user: UserName =
        USER.parse().map_err(|error| Error::failed("no user name").because(error))?;
    let targets = Targets { users: vec![user], ..Targets::default() };
    let reading = read(&stage.connection(), &targets).await?;
    reading
        .snapshots
        .into_iter()
        .next()
        .ok_or_else(|| Error::failed("the user of the drill is gone"))
}

/// Everything about the user that is not a time of reading or of use, as lines.
fn lines(snapshot: &Snapshot) -> String {
    let mut snapshot = snapshot.clone();
    if let Entity::User(user) = &mut snapshot.entity {
        snapshot.read_at = user.created_at;
        user.password_last_used = None;
    }
    if let Observed::Read(keys) = &mut snapshot.access_keys {
        for key in keys {
            key.last_used = Observed::Read(None);
        }
    }
    // Serialising to memory fails only for maps with keys that are no text; there are none here.
    serde_json::to_string_pretty(&snapshot).unwrap_or_default()
}

fn compare(stage: &Stage<'_>, before: &Snapshot, after: &Snapshot) -> Result<()> {
    stage.phase("7. Before and after")?;
    let (before, after) = (lines(before), lines(after));
    let diff = similar::TextDiff::from_lines(&before, &after);
    let changed: Vec<String> = diff
        .unified_diff()
        .context_radius(1)
        .iter_hunks()
        .flat_map(|hunk| hunk.to_string().lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    stage.say("All there is about the user, read before the leak and now, differs in this:\n");
    for line in &changed {
        stage.say(&format!("  {line}"));
    }
    let removed = changed.iter().filter(|line| line.starts_with('-')).count();
    let added = changed.iter().filter(|line| line.starts_with('+')).count();
    if (removed, added) != (1, 1) {
        return Err(Error::failed("the drill did not go as it should")
            .because("more than the key has changed"));
    }
    stage.say(
        "\nThe leaked key stays off, because it was named. Everything else is as it was.\n\
         To try this by hand, with the AWS CLI beside it: ringfence sandbox",
    );
    Ok(())
}
