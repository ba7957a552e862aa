//! Roles, against an IAM that enforces: the real program, and the credentials that an attacker holds (F12).

use super::place::{Place, ringfence};
use crate::support::{ALLOW_ALL, Credentials, Ran};
use jiff::SignedDuration;
use ringfence::sandbox::{ADMINISTRATOR, Account};
use serde_json::Value;

const ACCOUNT: &str = "123456789012";
const USER: &str = "deploy-bot";
const ANYBODY: &str = r#"{"AWS":"arn:aws:iam::123456789012:root"}"#;
/// Past every fence of the margin that the configuration asks for.
const PAST_FENCE: SignedDuration = SignedDuration::from_secs(62);
/// Past the longest life of a session, and the skew.
const UNTIL_LIFT: SignedDuration = SignedDuration::from_hours(37);

struct Stage {
    place: Place,
    leaked: Credentials,
}

impl Stage {
    fn new() -> Self {
        let place = Place::new();
        place.make("iam:CreateUser", &[("UserName", USER)]);
        put_all(&place, "iam:PutUserPolicy", "UserName", USER);
        let leaked = place.make("iam:CreateAccessKey", &[("UserName", USER)]).credentials();
        place.make("iam:CreateAccessKey", &[("UserName", USER)]);
        let stage = Self { place, leaked };
        stage.role("ci-deploy", ANYBODY);
        stage.role("next", ANYBODY);
        stage
    }

    fn role(&self, name: &str, principal: &str) {
        self.role_under("/", name, principal);
    }

    fn role_under(&self, path: &str, name: &str, principal: &str) {
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}]}}"#
        );
        let with = [("RoleName", name), ("Path", path), ("AssumeRolePolicyDocument", &trust)];
        self.place.make("iam:CreateRole", &with);
        put_all(&self.place, "iam:PutRolePolicy", "RoleName", name);
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_as(&self.place.admin(), arguments)
    }

    fn run_as(&self, who: &Credentials, arguments: &[&str]) -> Ran {
        ringfence(self.place.directory.path(), &self.place.url(), who, arguments)
    }

    /// Plans to this file, and applies it.
    #[track_caller]
    fn contain(&self, arguments: &[&str]) -> Ran {
        let planned = self.run(&[&["plan", "--out", "plan.json"], arguments].concat()).exits(0);
        self.run(&["apply", "plan.json", "--auto-approve"]).exits(0);
        planned
    }

    #[track_caller]
    fn release(&self, role: &str, more: &[&str]) {
        let plan = ["rollback", "--role", role, "--out", "release.json"];
        self.run(&[&plan, more].concat()).exits(0);
        self.run(&["apply", "release.json", "--auto-approve"]).exits(0);
    }

    #[track_caller]
    fn assume(&self, by: &Credentials, role: &str, session: &str) -> Credentials {
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
        let with = [("RoleArn", arn.as_str()), ("RoleSessionName", session)];
        let reply = self.place.wire().call(by, "sts:AssumeRole", &with);
        assert_eq!(reply.code(), "ok", "{}", reply.body);
        reply.credentials()
    }

    fn can_act(&self, who: &Credentials) -> bool {
        let code = self.place.wire().call(who, "iam:ListUsers", &[]).code().to_owned();
        assert!(matches!(code.as_str(), "ok" | "AccessDenied" | "InvalidClientTokenId"), "{code}");
        code == "ok"
    }

    /// Somebody else says who may assume a role.
    fn trust(&self, name: &str, principal: &str) {
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}]}}"#
        );
        let with = [("RoleName", name), ("PolicyDocument", trust.as_str())];
        self.place.make("iam:UpdateAssumeRolePolicy", &with);
    }

    /// The name of the fence that stands in a role.
    fn fence(&self, role: &str) -> String {
        let inline = &self.account().roles[role].permissions.inline;
        inline.keys().find(|name| name.starts_with("RingfenceFence-")).unwrap().clone()
    }

    /// Somebody else takes a policy of the role away.
    fn take_away(&self, role: &str, policy: &str) {
        let with = [("RoleName", role), ("PolicyName", policy)];
        self.place.make("iam:DeleteRolePolicy", &with);
    }

    /// The account as it is stored, without what uses leave behind.
    fn account(&self) -> Account {
        let mut account = self.place.sandbox.edit(|world| world.account(ACCOUNT).unwrap().clone());
        for user in account.users.values_mut() {
            user.keys.iter_mut().for_each(|key| key.last_used = None);
        }
        account.roles.values_mut().for_each(|role| role.last_used = None);
        assert!(account.user_mut(ADMINISTRATOR).is_some());
        account
    }

    fn plan(&self) -> Value {
        let text = std::fs::read_to_string(self.place.directory.path().join("plan.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.place.directory.path().join(name), text).unwrap();
    }

    /// The state of a role or user, as it is stored.
    fn state(&self, id: &str) -> Value {
        let ran = self.run(&["state", "show", id, "--format", "json"]).exits(0);
        serde_json::from_str(&ran.out).unwrap()
    }

    /// What was refused, without anything being written.
    #[track_caller]
    fn refused(&self, code: i32, arguments: &[&str]) -> String {
        let before = self.account();
        let ran = self.run(arguments).exits(code);
        assert_eq!(self.account(), before);
        ran.err
    }
}

fn put_all(place: &Place, action: &str, of: &str, name: &str) {
    place.make(action, &[(of, name), ("PolicyName", "work"), ("PolicyDocument", ALLOW_ALL)]);
}

#[test]
fn older_sessions_of_a_fenced_role_are_dead_and_so_is_what_they_have_assumed() {
    let stage = Stage::new();
    let before = stage.account();
    let stolen = stage.assume(&stage.leaked, "ci-deploy", "mallory");
    let chained = stage.assume(&stolen, "next", "mallory-2");
    assert!(stage.can_act(&stolen) && stage.can_act(&chained));

    stage.contain(&["--role", "ci-deploy", "--role", "next"]);
    assert!(!stage.can_act(&stolen) && !stage.can_act(&chained));
    assert!(stage.can_act(&stage.leaked), "the user is no part of the plan");
    // The fence lies ahead, so that what is assumed within the margin is denied as well (F8).
    assert!(!stage.can_act(&stage.assume(&stage.leaked, "ci-deploy", "early")));
    stage.place.clock.forward(PAST_FENCE);
    let fresh = stage.assume(&stage.leaked, "ci-deploy", "fresh");
    assert!(stage.can_act(&fresh) && !stage.can_act(&stolen) && !stage.can_act(&chained));
    let status = stage.run(&["status", "--role", "ci-deploy"]).exits(0);
    assert!(
        status.out.contains("role ci-deploy") && status.out.contains("contained"),
        "{}",
        status.out
    );

    // Before its time the fence stays, and afterwards everything is as it was.
    stage.release("next", &[]);
    assert!(!stage.can_act(&chained));
    stage.place.clock.forward(UNTIL_LIFT);
    stage.release("ci-deploy", &[]);
    stage.release("next", &[]);
    assert_eq!(stage.account(), before);
    let listed = stage.run(&["state", "list"]).exits(0);
    assert!(listed.out.contains("role ci-deploy  released"), "{}", listed.out);
}

#[test]
fn a_user_and_the_roles_it_reached_are_contained_in_one_run_keys_first() {
    let stage = Stage::new();
    let stolen = stage.assume(&stage.leaked, "ci-deploy", "mallory");
    let key = stage.leaked.id.clone();
    stage.contain(&["--access-key", &key, "--role", "ci-deploy"]);
    assert!(!stage.can_act(&stolen) && !stage.can_act(&stage.leaked));
    let plan = stage.plan();
    let waves = |n: usize| -> Vec<(u64, String)> {
        let steps = plan["principals"][n]["steps"].as_array().unwrap().iter();
        steps
            .map(|step| {
                let resource = step["resource"].as_str().unwrap();
                (step["wave"].as_u64().unwrap(), resource.split('/').next().unwrap().to_owned())
            })
            .collect()
    };
    assert_eq!(plan["principals"][1]["type"], "role");
    assert_eq!(waves(0), [(1, "access_key".to_owned()), (2, "inline_policy".to_owned())]);
    assert_eq!(waves(1), [(2, "role_policy".to_owned())]);
    // The role's fence counts from the key-off of the user, too.
    let journal = |name: &str, kind: &str| -> Vec<Value> {
        let id = plan["principals"].as_array().unwrap().iter().find(|one| one["name"] == name);
        let id = id.unwrap()["id"].as_str().unwrap();
        let runs = stage.place.directory.path().join(format!("state/{ACCOUNT}/{kind}/{id}/runs"));
        let run = std::fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
        let text = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let find = |entries: &[Value], event: &str| -> Value {
        entries.iter().map(|entry| &entry["event"]).find(|e| e["type"] == event).unwrap().clone()
    };
    let off = find(&journal(USER, "user"), "outcome");
    let fence = find(&journal("ci-deploy", "role"), "fence_time");
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time(&fence["key_off_at"]) >= time(&off["service_date"]), "{fence} {off}");
    let ahead = time(&fence["fence_time"]).duration_since(time(&fence["key_off_at"]));
    assert_eq!(ahead.as_secs(), 61);
}

#[test]
fn a_fence_can_be_narrowed_to_sessions() {
    let stage = Stage::new();
    let before = stage.account();
    let stolen = stage.assume(&stage.leaked, "ci-deploy", "mallory");
    let build = stage.assume(&stage.leaked, "ci-deploy", "build-7");
    let planned = stage.contain(&["--role", "ci-deploy", "--session", "ci-deploy/mallory"]);
    let said = planned.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("ends the sessions named mallory issued until then; others go on"),
        "{said}"
    );
    assert!(said.contains("whoever may assume the role may choose one"), "{said}");
    assert!(!stage.can_act(&stolen) && stage.can_act(&build));
    stage.run(&["status"]).exits(0);

    // Another session is added, and none is taken out again (D5).
    stage.contain(&["--role", "ci-deploy", "--session", "ci-deploy/build-7"]);
    assert!(!stage.can_act(&stolen) && !stage.can_act(&build));
    let other = stage.assume(&stage.leaked, "ci-deploy", "build-8");
    assert!(stage.can_act(&other));
    stage.contain(&["--role", "ci-deploy"]);
    assert!(!stage.can_act(&other));
    let again =
        stage.run(&["plan", "--role", "ci-deploy", "--session", "ci-deploy/mallory"]).exits(0);
    assert!(again.out.contains("No changes"), "{}", again.out);
    stage.release("ci-deploy", &["--lift-fence-now"]);
    assert_eq!(stage.account(), before);

    let hold = ["plan", "--role", "next", "--session", "next/mallory", "--posture", "lockdown"];
    let refused = stage.refused(64, &hold);
    assert!(refused.contains("denies everything to every session of role `next`"), "{refused}");
    let stray = stage.refused(64, &["plan", "--role", "next", "--session", "ci-deploy/mallory"]);
    assert!(stray.contains("is of a role that is not named"), "{stray}");
    let odd = stage.refused(64, &["plan", "--role", "next", "--session", "next/a*b"]);
    assert!(odd.contains("expected a session name"), "{odd}");
}

#[test]
fn lockdown_stops_new_sessions_of_a_role_as_well() {
    let stage = Stage::new();
    let before = stage.account();
    let stolen = stage.assume(&stage.leaked, "ci-deploy", "mallory");
    stage.contain(&["--role", "ci-deploy", "--posture", "lockdown"]);
    stage.place.clock.forward(PAST_FENCE);
    let fresh = stage.assume(&stage.leaked, "ci-deploy", "fresh");
    assert!(!stage.can_act(&stolen) && !stage.can_act(&fresh));
    // One level down the fence stays, and new sessions can act.
    stage.release("ci-deploy", &["--to", "revoke"]);
    assert!(!stage.can_act(&stolen) && stage.can_act(&fresh));
    stage.run(&["status"]).exits(0);
    stage.place.clock.forward(UNTIL_LIFT);
    stage.release("ci-deploy", &[]);
    assert_eq!(stage.account(), before);

    let managed = "[limits]\nsettle = \"0s\"\n[posture.managed]\nextends = \"revoke\"\npermissions = \"deny-managed\"\n";
    stage.write("ringfence.toml", managed);
    let fresh = stage.assume(&stage.leaked, "ci-deploy", "fresh");
    assert!(stage.can_act(&fresh));
    stage.contain(&["--role", "ci-deploy", "--posture", "managed"]);
    assert_eq!(stage.plan()["principals"][0]["steps"].as_array().unwrap().len(), 1);
    assert!(!stage.can_act(&fresh));
}

#[test]
fn what_others_take_away_from_a_role_is_told_and_written_again() {
    let stage = Stage::new();
    let stolen = stage.assume(&stage.leaked, "ci-deploy", "mallory");
    stage.contain(&["--role", "ci-deploy"]);
    let plan = stage.plan();
    let resource = plan["principals"][0]["steps"][0]["resource"].as_str().unwrap();
    let name = resource.strip_prefix("role_policy/ci-deploy/").unwrap();
    let lineage = plan["principals"][0]["lineage"].as_str().unwrap();
    assert_eq!(name, format!("RingfenceFence-{}", &lineage[..8]));
    stage.take_away("ci-deploy", name);
    assert!(stage.can_act(&stolen));
    let status = stage.run(&["status"]).exits(2);
    assert!(status.out.contains(&format!("{resource} is gone")), "{}", status.out);
    assert!(status.out.contains("ringfence apply --again --role ci-deploy"), "{}", status.out);
    stage.run(&["apply", "--again", "--role", "ci-deploy", "--auto-approve"]).exits(0);
    assert!(!stage.can_act(&stolen));
    stage.run(&["status"]).exits(0);

    // Its trust is read, told, and never changed.
    let open = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/deploy-bot"},"Action":"sts:AssumeRole"}]}"#;
    let with = [("RoleName", "ci-deploy"), ("PolicyDocument", open)];
    stage.place.make("iam:UpdateAssumeRolePolicy", &with);
    let release = stage.run(&["rollback", "--role", "ci-deploy"]).exits(0);
    assert!(release.out.contains("trust_policy"), "{}", release.out);
    stage.release("ci-deploy", &["--lift-fence-now"]);
    let trust = stage.account().roles["ci-deploy"].trust.clone();
    assert_eq!(trust, open);
}

/// Whoever has to be stopped could assume the roles that are named with it (F12): they are one plan.
#[test]
fn a_role_that_is_asserted_again_is_fenced_past_the_users_of_the_same_command() {
    let stage = Stage::new();
    stage.contain(&["--user", "deploy-bot", "--role", "ci-deploy"]);
    let again = |more: &[&str]| {
        let named = ["apply", "--again", "--user", "deploy-bot", "--role", "ci-deploy"];
        stage.run(&[&named, more, &["--auto-approve"]].concat())
    };
    let fence = || stage.account().roles["ci-deploy"].permissions.inline.clone();
    let first = fence();
    again(&[]).exits(0);
    assert_eq!(fence(), first, "nobody was stopped, and nothing is cut");
    stage.place.clock.forward(PAST_FENCE);
    let key = stage.leaked.id.as_str();
    let on = [("UserName", USER), ("AccessKeyId", key), ("Status", "Active")];
    stage.place.make("iam:UpdateAccessKey", &on);
    let session = stage.assume(&stage.leaked, "ci-deploy", "mallory");
    again(&[]).exits(0);
    assert_ne!(fence(), first);
    stage.place.clock.forward(PAST_FENCE);
    assert!(!stage.can_act(&session));
    stage.run(&["status"]).exits(0);

    stage.contain(&["--user", "deploy-bot", "--posture", "quarantine"]);
    let named = ["apply", "--again", "--user", "deploy-bot", "--role", "ci-deploy"];
    let refused = stage.refused(64, &named);
    for said in [
        "user `deploy-bot` and role `ci-deploy` are contained by different postures",
        "user `deploy-bot` is contained by `quarantine`",
        "role `ci-deploy` is contained by `revoke`",
    ] {
        assert!(refused.contains(said), "{refused}");
    }
    assert!(refused.contains("ringfence apply --user deploy-bot --role ci-deploy"), "{refused}");
    stage.run(&["apply", "--user", "deploy-bot", "--role", "ci-deploy", "--auto-approve"]).exits(0);
}

#[test]
fn a_trust_policy_that_was_changed_is_told_until_it_is_as_it_was() {
    let stage = Stage::new();
    let (ours, service) =
        (stage.account().roles["ci-deploy"].trust.clone(), r#"{"Service":"ec2.amazonaws.com"}"#);
    stage.contain(&["--role", "ci-deploy", "--role", "next"]);
    let status = stage.run(&["status"]).exits(0);
    assert!(!status.out.contains("trust_policy"), "{}", status.out);
    let told = |role: &str, said: &str| {
        let shown = stage.run(&["status", "--role", role]).exits(0);
        let words = shown.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&format!("trust_policy {said}")), "{}", shown.out);
        let json = stage.run(&["status", "--role", role, "--format", "json"]).exits(0);
        let json: Value = serde_json::from_str(&json.out).unwrap();
        let one = &json["principals"][0];
        assert_eq!(
            (&one["standing"], &one["findings"][0]["resource"]),
            (&"contained".into(), &"trust_policy".into())
        );
        assert_eq!(one["findings"][0]["what"], said);
    };
    // The plan is of both, and each is told of its own.
    stage.trust("next", r#""*""#);
    told("next", "was changed: now names anybody, and no longer arn:aws:iam::123456789012:root");
    stage.trust("ci-deploy", service);
    let said =
        "was changed: now names ec2.amazonaws.com, and no longer arn:aws:iam::123456789012:root";
    told("ci-deploy", said);
    // To assert it again is to agree to nothing else, and a service that was let in since stops nobody (D2.3).
    let fence = stage.fence("ci-deploy");
    stage.take_away("ci-deploy", &fence);
    stage.run(&["apply", "--again", "--role", "ci-deploy", "--auto-approve"]).exits(0);
    told("ci-deploy", said);
    let with = [("RoleName", "ci-deploy"), ("PolicyDocument", ours.as_str())];
    stage.place.make("iam:UpdateAssumeRolePolicy", &with);
    let status = stage.run(&["status", "--role", "ci-deploy"]).exits(0);
    assert!(!status.out.contains("trust_policy"), "{}", status.out);
}

#[test]
fn workloads_that_nobody_agreed_to_cut_are_not_cut_by_asserting_again() {
    let stage = Stage::new();
    let (ec2, lambda) =
        (r#"{"Service":"ec2.amazonaws.com"}"#, r#"{"Service":"lambda.amazonaws.com"}"#);
    let again = |role: &'static str| ["apply", "--again", "--role", role, "--auto-approve"];
    stage.role("web", ec2);
    stage.role("jobs", lambda);
    stage.contain(&["--role", "web", "--session", "web/mallory"]);
    stage.contain(&["--role", "jobs", "--cut-workloads"]);
    for role in ["web", "jobs"] {
        let fence = stage.fence(role);
        stage.take_away(role, &fence);
    }
    stage.run(&again("jobs")).exits(0);
    stage.trust("web", lambda);
    let refused = stage.refused(4, &again("web"));
    assert!(refused.contains("role `web` is assumed by lambda.amazonaws.com"), "{refused}");
    assert!(refused.contains("ringfence apply --again --role web --cut-workloads"), "{refused}");
    // Agreed to for the one is not agreed to for the other: together it is for all or for none.
    let both = ["apply", "--again", "--role", "jobs", "--role", "web", "--auto-approve"];
    let refused = stage.refused(4, &both);
    assert!(refused.contains("is assumed by lambda.amazonaws.com"), "{refused}");
    stage.run(&[&again("web")[..], &["--cut-workloads"]].concat()).exits(0);
    // Who has agreed once has agreed.
    for roles in [&again("web")[..], &both] {
        let fence = stage.fence("web");
        stage.take_away("web", &fence);
        stage.run(roles).exits(0);
    }
    stage.run(&["status"]).exits(0);
}

#[test]
fn a_state_whose_sessions_are_not_its_fences_is_refused() {
    let stage = Stage::new();
    stage.contain(&["--role", "ci-deploy", "--session", "ci-deploy/mallory"]);
    stage.run(&["state", "history", "ci-deploy", "--verify"]).exits(0);
    let id = stage.account().roles["ci-deploy"].id.clone();
    let file = format!("state/{ACCOUNT}/role/{id}/state.json");
    let mut state = stage.state(&id);
    for (sessions, named) in
        [(serde_json::json!(["good"]), "good"), (serde_json::json!([]), "all sessions")]
    {
        state["sessions"] = sessions;
        stage.write(&file, &state.to_string());
        for arguments in [
            &["apply", "--again", "--role", "ci-deploy", "--auto-approve"][..],
            &["rollback", "--role", "ci-deploy"],
            &["status", "--role", "ci-deploy"],
            &["state", "history", "ci-deploy", "--verify"],
        ] {
            let refused = stage.refused(1, arguments);
            assert!(
                refused.contains("the state of role `ci-deploy` contradicts itself"),
                "{refused}"
            );
            let why = format!("its `sessions` are {named}, its fence is for mallory");
            assert!(refused.contains(&why), "{refused}");
        }
    }
    state["sessions"] = serde_json::json!(["mallory"]);
    stage.write(&file, &state.to_string());
    stage.run(&["state", "history", "ci-deploy", "--verify"]).exits(0);
}

#[test]
fn a_fence_that_could_not_be_widened_is_no_contradiction() {
    let stage = Stage::new();
    stage.contain(&["--role", "ci-deploy", "--session", "ci-deploy/mallory"]);
    let filler = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::{}/*"}}]}}"#,
        "a".repeat(9_700)
    );
    let role = ("RoleName", "ci-deploy");
    stage
        .place
        .make("iam:PutRolePolicy", &[role, ("PolicyName", "big"), ("PolicyDocument", &filler)]);
    let bound = ("PermissionsBoundary", "arn:aws:iam::aws:policy/AdministratorAccess");
    stage.place.make("iam:PutRolePermissionsBoundary", &[role, bound]);
    for n in 0..10 {
        let name = format!("work-{n}");
        let with = [("PolicyName", name.as_str()), ("PolicyDocument", ALLOW_ALL)];
        stage.place.make("iam:CreatePolicy", &with);
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy/{name}");
        stage.place.make("iam:AttachRolePolicy", &[role, ("PolicyArn", &arn)]);
    }
    let names = ["a", "b", "c"].map(|letter| format!("ci-deploy/{}", letter.repeat(60)));
    let mut plan = vec!["plan", "--role", "ci-deploy", "--out", "plan.json"];
    plan.extend(names.iter().flat_map(|name| ["--session", name]));
    let shown = stage.run(&plan).exits(0);
    let said = shown.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("a fence for every session takes fewer characters"), "{said}");
    stage.run(&["apply", "plan.json", "--auto-approve"]).exits(6);
    stage.run(&["state", "history", "ci-deploy", "--verify"]).exits(0);
    let status = stage.run(&["status", "--role", "ci-deploy"]);
    assert!(!status.err.contains("contradicts itself"), "{}", status.err);
}

#[test]
fn a_plan_for_a_role_that_has_moved_is_refused() {
    let stage = Stage::new();
    stage.run(&["plan", "--role", "ci-deploy", "--out", "plan.json"]).exits(0);
    let with = [("RoleName", "ci-deploy"), ("PolicyName", "more"), ("PolicyDocument", ALLOW_ALL)];
    stage.place.make("iam:PutRolePolicy", &with);
    let refused = stage.refused(3, &["apply", "plan.json", "--auto-approve"]);
    assert!(refused.contains("role_policy/ci-deploy/more"), "{refused}");
    assert!(refused.contains("ringfence apply --role ci-deploy --auto-approve"), "{refused}");
    stage.run(&["plan", "--role", "ci-deploy", "--out", "plan.json"]).exits(0);
    for policy in ["work", "more"] {
        stage.take_away("ci-deploy", policy);
    }
    stage.place.make("iam:DeleteRole", &[("RoleName", "ci-deploy")]);
    let gone = stage.refused(3, &["apply", "plan.json", "--auto-approve"]);
    assert!(gone.contains("role `ci-deploy` is not there any more"), "{gone}");
    stage.role("ci-deploy", ANYBODY);
    let other = stage.refused(3, &["apply", "plan.json", "--auto-approve"]);
    assert!(other.contains("is another principal than the one planned for"), "{other}");
}

#[test]
fn a_user_and_a_role_of_one_name_are_two() {
    let stage = Stage::new();
    stage.role(USER, ANYBODY);
    let stolen = stage.assume(&stage.leaked, USER, "mallory");
    stage.contain(&["--role", USER]);
    assert!(!stage.can_act(&stolen) && stage.can_act(&stage.leaked));
    stage.contain(&["--user", USER]);
    assert!(!stage.can_act(&stage.leaked));
    let both = stage.refused(1, &["state", "show", USER]);
    assert!(both.contains("there are 2 states for `deploy-bot`"), "{both}");
    let status = stage.run(&["status", "--role", USER]).exits(0);
    assert!(
        status.out.contains("role deploy-bot") && !status.out.contains("AKIA"),
        "{}",
        status.out
    );
    stage.release(USER, &["--lift-fence-now"]);
    let id = stage.account().users["deploy-bot"].id.clone();
    assert_eq!(stage.state(&id)["principal"]["type"], "user");
    assert_eq!(stage.state(&id)["released_at"], Value::Null);
}

#[test]
fn a_fence_that_does_not_fit_into_a_role_is_put_where_it_does() {
    for (attached, place) in [(0, "attached_policy"), (10, "permissions_boundary")] {
        let stage = Stage::new();
        let before = |stage: &Stage| stage.account();
        let filler = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::{}/*"}}]}}"#,
            "a".repeat(9_950)
        );
        let with = [("RoleName", "ci-deploy"), ("PolicyName", "big"), ("PolicyDocument", &filler)];
        stage.place.make("iam:PutRolePolicy", &with);
        for n in 0..attached {
            let name = format!("work-{n}");
            let with = [("PolicyName", name.as_str()), ("PolicyDocument", ALLOW_ALL)];
            stage.place.make("iam:CreatePolicy", &with);
            let arn = format!("arn:aws:iam::{ACCOUNT}:policy/{name}");
            stage
                .place
                .make("iam:AttachRolePolicy", &[("RoleName", "ci-deploy"), ("PolicyArn", &arn)]);
        }
        let was = before(&stage);
        let stolen = stage.assume(&stage.leaked, "ci-deploy", "mallory");
        stage.contain(&["--role", "ci-deploy"]);
        let steps = stage.plan()["principals"][0]["steps"].clone();
        let last =
            steps.as_array().unwrap().last().unwrap()["resource"].as_str().unwrap().to_owned();
        assert!(last.starts_with(place), "{last}");
        assert!(!stage.can_act(&stolen), "{place}");
        stage.place.clock.forward(PAST_FENCE);
        assert!(stage.can_act(&stage.assume(&stage.leaked, "ci-deploy", "fresh")), "{place}");
        stage.run(&["status"]).exits(0);
        stage.release("ci-deploy", &["--lift-fence-now"]);
        assert_eq!(before(&stage), was, "{place}");
    }
}

#[test]
fn a_role_that_nobody_should_fence_is_refused() {
    let stage = Stage::new();
    let service = r#"{"Service":"ec2.amazonaws.com"}"#;
    stage.role_under("/aws-service-role/ec2.amazonaws.com/", "AWSServiceRoleForEC2", service);
    stage.role_under("/aws-reserved/sso.amazonaws.com/", "AWSReservedSSO_Admin_0", ANYBODY);
    stage.role("web", service);
    stage.place.make("iam:CreateInstanceProfile", &[("InstanceProfileName", "web-1")]);
    let with = [("InstanceProfileName", "web-1"), ("RoleName", "web")];
    stage.place.make("iam:AddRoleToInstanceProfile", &with);
    stage.role("jobs", r#"{"Service":["lambda.amazonaws.com","ecs-tasks.amazonaws.com"]}"#);
    insta::assert_snapshot!(stage.refused(4, &["plan", "--role", "AWSServiceRoleForEC2"]), @"
    error: role `AWSServiceRoleForEC2` is linked to a service
      cause: only the service can change such a role, so no fence can be written into it
    hint: look at who calls as it in CloudTrail: aws cloudtrail lookup-events --lookup-attributes AttributeKey=ResourceName,AttributeValue=AWSServiceRoleForEC2
    ");
    insta::assert_snapshot!(stage.refused(4, &["plan", "--role", "AWSReservedSSO_Admin_0"]), @"
    error: role `AWSReservedSSO_Admin_0` belongs to IAM Identity Center
      cause: only Identity Center can change the roles of its permission sets
    hint: end the person's sessions there, and take the permission set away: aws sso-admin list-account-assignments
    ");
    insta::assert_snapshot!(stage.refused(4, &["plan", "--role", "web"]), @"
    error: role `web` is assumed by ec2.amazonaws.com
      cause: a deny on it stops their workloads until their credentials are issued anew
      instance profile web-1
      no recorded use
    hint: ringfence plan --role web --cut-workloads cuts them
    hint: ringfence plan --role web --session web/NAME fences one session only
    ");
    insta::assert_snapshot!(stage.refused(4, &["plan", "--role", "jobs", "--session", "jobs/mallory"]), @"
    error: role `jobs` is assumed by lambda.amazonaws.com
      cause: a deny on it stops their workloads until their credentials are issued anew
      no recorded use
    hint: ringfence plan --role jobs --cut-workloads cuts them
    ");
    insta::assert_snapshot!(stage.refused(1, &["plan", "--role", USER]), @"
    error: `deploy-bot` is a user, not a role
    hint: name it as what it is: --user deploy-bot
    ");
    insta::assert_snapshot!(stage.refused(1, &["plan", "--user", "web"]), @"
    error: `web` is a role, not a user
    hint: name it as what it is: --role web
    ");
    insta::assert_snapshot!(stage.refused(1, &["plan", "--role", "nowhere"]), @"
    error: there is no role `nowhere` in account 123456789012
    hint: list the roles: aws iam list-roles
    ");
    let own = stage.assume(&stage.leaked, "ci-deploy", "responder");
    let refused = stage.run_as(&own, &["plan", "--role", "ci-deploy"]).exits(4);
    insta::assert_snapshot!(refused.err, @"
    error: the caller is a session of `ci-deploy` itself
      cause: containing it would take the caller's own access away
    hint: call as a role or another user: --profile NAME
    ");
    stage.run_as(&own, &["plan", "--role", "next"]).exits(0);
    stage.write(
        "ringfence.toml",
        "[limits]\nsettle = \"0s\"\n[guard]\nprotected_roles = [\"CI-Deploy\"]\n",
    );
    insta::assert_snapshot!(stage.refused(4, &["plan", "--role", "ci-deploy"]), @"
    error: role `ci-deploy` is protected by `guard.protected_roles`
    hint: ringfence plan --role ci-deploy --override-protection contains it all the same
    ");
    stage.run(&["plan", "--role", "ci-deploy", "--override-protection"]).exits(0);

    // An instance's session has the form of its ID, so that a person's can be told from it.
    stage.run(&["plan", "--role", "web", "--session", "web/mallory"]).exits(0);
    stage.refused(4, &["plan", "--role", "web", "--session", "web/i-0123456789abcdef0"]);
    let cut = stage.contain(&["--role", "web", "--cut-workloads"]);
    insta::assert_snapshot!(masked(&cut.out), @r#"
    Account  123456789012 · role web (AROA…) · posture revoke
    Caller   arn:aws:iam::123456789012:user/responder
    Read
    Endpoint

    ringfence will:

      + role_policy/web/RingfenceFence-LINEAGE_                               wave 1
          + {
          +   "Version": "2012-10-17",
          +   "Statement": [
          +     {
          +       "Effect": "Deny",
          +       "Action": "*",
          +       "Resource": "*",
          +       "Condition": {
          +         "DateLessThan": {
          +           "aws:TokenIssueTime": (known after apply: apply + 61 s)
          +         }
          +       }
          +     }
          +   ]
          + }
          ends every session of this role issued until then, legitimate ones too

    ! cuts the workloads of ec2.amazonaws.com (instance profile web-1; no recorded
      use) until their credentials are issued anew: EC2 within about 6 h, or when
      the instance profile is associated again; other services when their task or
      function starts anew

    Left live:
        new sessions of it          issued after the fence, to whom its trust policy
                                    names: ec2.amazonaws.com
        roles it may have assumed   but for those of this plan: its AssumeRole
                                    events in CloudTrail name them

    Plan: 1 to create, 0 to change, 0 to remove. Everything can be undone.
    Saved
    sha256
    Next: ringfence apply plan.json
    "#);
}

/// A plan's text without what differs at every run.
fn masked(text: &str) -> String {
    let hex = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let line = |line: &str| {
        let mut line = line.to_owned();
        if line.starts_with("Read ") || line.starts_with("Endpoint ") || line.starts_with("Saved ")
        {
            line = line.split_whitespace().next().unwrap().to_owned();
        }
        if let Some(at) = line.find("RingfenceFence-") {
            line.replace_range(at + 15..at + 23, "LINEAGE_");
        }
        if let Some(at) = line.find("AROA") {
            let end =
                line[at..].find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(line.len() - at);
            line.replace_range(at..at + end, "AROA…");
        }
        if line.split_whitespace().any(hex) { "sha256".to_owned() } else { line }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn credential(id: &str, kind: &str, parent: Option<&str>, principal: &str) -> Value {
    serde_json::json!({
        "id": id, "kind": kind, "parent": parent, "via": null, "issued_at": null,
        "expires_at": null, "expiry": "unknown", "principal": format!("arn:aws:{principal}"),
        "account_id": ACCOUNT, "session_name": null, "event_id": null, "uses": null,
        "uses_succeeded": null, "first_used": null, "last_used": null, "source_ips": [], "sources": [],
        "user_agents": [], "ended_at": null, "live": null,
    })
}

fn role_session(id: &str, parent: &str, name: &str) -> Value {
    let arn = format!("sts::{ACCOUNT}:assumed-role/ci-deploy/{name}");
    let mut session = credential(id, "role_session", Some(parent), &arn);
    session["session_name"] = name.into();
    session
}

fn trace_of(key: &str, targets: Value, credentials: Vec<Value>) -> Value {
    serde_json::json!({
        "format_version": 1, "ringfence_version": "0.1.0",
        "start": {
            "access_keys": [key], "users": [], "account_id": null, "since": null,
            "at": "2026-11-21T03:00:00Z",
        },
        "events_read": 9, "events_unique": 9, "events_of_lineage": 4, "window": null,
        "files_read": 1, "unread": [], "credentials": credentials, "activity": [],
        "persistence": [], "suspects": [], "unknown": [], "targets": targets,
    })
}

#[test]
fn what_a_trace_has_found_is_contained_together() {
    let stage = Stage::new();
    stage.place.make("iam:CreateUser", &[("UserName", "backdoor")]);
    let made = stage.place.make("iam:CreateAccessKey", &[("UserName", "backdoor")]).credentials();
    put_all(&stage.place, "iam:PutUserPolicy", "UserName", "backdoor");
    stage.role_under("/aws-service-role/x.amazonaws.com/", "linked", ANYBODY);
    let stolen = stage.assume(&stage.leaked, "ci-deploy", "mallory");
    let build = stage.assume(&stage.leaked, "ci-deploy", "build-7");
    let trace = trace_of(
        &stage.leaked.id,
        serde_json::json!([
            {"type": "user", "name": USER, "account_id": ACCOUNT, "why": "owns the key"},
            {"type": "role", "name": "ci-deploy", "account_id": ACCOUNT, "why": "assumed"},
            {"type": "role", "name": "far", "account_id": "210987654321", "why": "assumed"},
            {"type": "role", "name": "linked", "account_id": ACCOUNT, "why": "assumed"},
            {"type": "user", "name": "gone", "account_id": ACCOUNT, "why": "made"},
        ]),
        vec![
            credential(
                &stage.leaked.id,
                "access_key",
                None,
                &format!("iam::{ACCOUNT}:user/{USER}"),
            ),
            role_session(&stolen.id, &stage.leaked.id, "mallory"),
            credential(
                &made.id,
                "access_key",
                Some(&stolen.id),
                &format!("iam::{ACCOUNT}:user/backdoor"),
            ),
        ],
    );
    stage.write("trace.json", &trace.to_string());
    let planned = stage.contain(&["--from", "trace.json", "--only-traced-sessions"]);
    let plan = stage.plan();
    let named: Vec<&str> = plan["principals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(named.len(), 3, "{named:?}");
    let of = |name: &str| {
        plan["principals"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == name)
            .unwrap()
            .clone()
    };
    let compromised = |name: &str| of(name)["compromised"].clone();
    assert_eq!(
        compromised("backdoor"),
        serde_json::json!([{"resource": format!("access_key/{}", made.id), "why": "traced"}])
    );
    assert_eq!(
        compromised("ci-deploy"),
        serde_json::json!([{"resource": format!("session/{}", stolen.id), "why": "traced"}])
    );
    assert_eq!(of("ci-deploy")["sessions"], serde_json::json!(["mallory"]));
    let open: Vec<&str> = plan["trace"]["left_open"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    assert_eq!(open, ["role `far`", "role `linked`", "user `gone`"]);
    let digest = ringfence::plan::sha256(trace.to_string().as_bytes());
    assert_eq!(plan["trace"]["sha256"], digest);
    for said in ["Traced, and not in this plan:", &format!("of {}", stage.leaked.id), &digest] {
        assert!(planned.out.contains(said), "{said}\n{}", planned.out);
    }
    assert!(!stage.can_act(&stolen) && !stage.can_act(&made) && !stage.can_act(&stage.leaked));
    assert!(stage.can_act(&build), "its session was not traced");
    stage.run(&["status"]).exits(0);
    let again = stage.run(&["plan", "--from", "trace.json", "--only-traced-sessions"]).exits(0);
    assert!(again.out.contains("No changes"), "{}", again.out);
    // A session that was found later may have been issued after the fence, so that the fence moves.
    let mut later = trace;
    let session = role_session(&build.id, &stage.leaked.id, "build-7");
    later["credentials"].as_array_mut().unwrap().push(session);
    stage.write("trace.json", &later.to_string());
    stage.contain(&["--from", "trace.json", "--only-traced-sessions"]);
    assert!(!stage.can_act(&build));
    stage.run(&["status"]).exits(0);

    let bad = stage.refused(1, &["plan", "--from", "plan.json"]);
    assert!(bad.contains("`plan.json` is no trace"), "{bad}");
    let target = serde_json::json!([{"type": "role", "name": "far", "account_id": "210987654321", "why": "x"}]);
    stage.write("far.json", &trace_of(&stage.leaked.id, target, Vec::new()).to_string());
    insta::assert_snapshot!(stage.refused(1, &["plan", "--from", "far.json"]), @"
    error: nobody that the trace names can be contained from here
      role `far`: it is in account 210987654321, the caller is in 123456789012
    hint: use credentials of the account that they are in: --profile NAME
    ");
}

#[test]
fn a_roles_plan_can_be_shown_as_commands_and_in_markdown() {
    let stage = Stage::new();
    let before = stage.account();
    stage
        .run(&["plan", "--role", "ci-deploy", "--posture", "lockdown", "--out", "plan.json"])
        .exits(0);
    let script = stage.run(&["show", "plan.json", "--format", "commands"]).exits(0).out;
    for part in [
        "iam get-role --role-name ci-deploy --query Role.RoleId",
        "iam put-role-policy --role-name ci-deploy --policy-name RingfenceHold-",
        "iam attach-role-policy --role-name ci-deploy --policy-arn arn:aws:iam::aws:policy/AWSDenyAll",
    ] {
        assert!(script.contains(part), "{part}\n{script}");
    }
    assert!(!script.contains("user-name"), "{script}");
    let markdown = stage.run(&["show", "plan.json", "--format", "markdown"]).exits(0).out;
    assert!(markdown.contains("ringfence:plan role=ci-deploy account=123456789012"), "{markdown}");
    stage.run(&["apply", "plan.json", "--auto-approve"]).exits(0);
    // A state that was lost is rebuilt from the plan and what can be read back.
    let id = stage.account().roles["ci-deploy"].id.clone();
    stage.run(&["state", "rm", &id, "--auto-approve"]).exits(0);
    stage.run(&["state", "import", "plan.json"]).exits(0);
    assert_eq!(stage.state(&id)["principal"]["type"], "role");
    stage.run(&["status", "--role", "ci-deploy"]).exits(0);
    stage.release("ci-deploy", &["--lift-fence-now"]);
    assert_eq!(stage.account(), before);
}
