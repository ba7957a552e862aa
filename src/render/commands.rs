//! The steps of a plan as AWS CLI commands: a POSIX shell script, whole or line by line.
//!
//! Every word that goes into it is either of a known harmless alphabet or a quoted document; a step whose
//! names are of neither is left out and said so (D2.14).

use super::{is_aws_endpoint, words};
use crate::plan::{Action, Kind, Plan, PrincipalKind, PrincipalPlan, Step};
use crate::policy::{AFTER_APPLY, FENCE_TIME, PolicyDocument};
use crate::resource::Resource;
use crate::text::{shell, shown};
use std::fmt::Write;

/// The script.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let mut script = Script { text: String::new(), aws: aws(plan), fence: false };
    script.header(plan);
    let mut wave = 0;
    let mut open: Option<usize> = None;
    for (principal, step) in plan.steps() {
        let one = plan.principals.iter().position(|one| one.id == principal.id).unwrap_or_default();
        if step.wave != wave {
            script.close(&mut open);
            wave = step.wave;
            script.line(&format!("\n# wave {wave}"));
            let awaits = plan.steps().iter().any(|(_, s)| s.wave == wave && s.awaits_fence_time());
            if awaits {
                script.fence_time(plan.fence_margin_s);
            }
        }
        if open != Some(one) {
            script.close(&mut open);
            let id = shell(principal.id.as_str());
            script.line(&format!("if [ \"${}_{}\" = {id} ]; then", principal.kind, one + 1));
            open = Some(one);
        }
        script.step(principal, step);
    }
    script.close(&mut open);
    script.look(plan);
    script.text
}

/// The words that every command begins with.
fn aws(plan: &Plan) -> String {
    let region = match plan.partition.as_str() {
        "aws-cn" => " --region cn-north-1",
        "aws-us-gov" => " --region us-gov-west-1",
        _ => "",
    };
    if is_aws_endpoint(&plan.endpoint) {
        format!("aws{region} iam")
    } else {
        format!("aws{region} --endpoint-url {} iam", shell(&shown(&plan.endpoint)))
    }
}

struct Script {
    text: String,
    aws: String,
    /// Whether the fence's time was taken already.
    fence: bool,
}

impl Script {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A comment of harmless characters only: an interactive zsh takes comments for commands.
    fn comment(&mut self, indent: &str, text: &str) {
        let harmless = |c: char| c.is_ascii_alphanumeric() || " _+=,.@:/%-".contains(c);
        let text = shown(text).replace(['`', '\'', '"'], "");
        let clean: String = text.chars().map(|c| if harmless(c) { c } else { ' ' }).collect();
        let words: Vec<&str> = clean.split_whitespace().collect();
        self.line(&format!("{indent}# {}", words.join(" ")));
    }

    fn header(&mut self, plan: &Plan) {
        self.line("#!/bin/sh");
        let what = match plan.kind {
            Kind::Contain => "plan",
            Kind::Release => "release",
            Kind::Recover => "recovery",
        };
        let users = words::users(plan);
        self.comment("", &format!("ringfence {what}: {users}, account {}", plan.account_id));
        self.comment("", &words::summary(plan));
        for line in [
            "These commands do the same steps by hand. They do not look for drift, and write no state:",
            "ringfence will not know of them. Review them, save them to a file, and run it with sh,",
            "with credentials of the account in the environment. A command that fails does not stop the next.",
        ] {
            self.comment("", line);
        }
        self.line("AWS_PAGER=; export AWS_PAGER");
        self.line("");
        for kind in PrincipalKind::ALL {
            if plan.principals.iter().any(|one| one.kind == kind) {
                let must =
                    "must still be the one that was planned for, by its ID and not its name.";
                self.comment("", &format!("The {kind} {must}"));
            }
        }
        for (index, principal) in plan.principals.iter().enumerate() {
            let n = index + 1;
            let (kind, name) = (principal.kind, argument(principal.name.as_str()));
            let id = match kind {
                PrincipalKind::User => "User.UserId",
                PrincipalKind::Role => "Role.RoleId",
            };
            let get =
                format!("{} get-{kind} --{kind}-name{name} --query {id} --output text", self.aws);
            self.line(&format!("{kind}_{n}=$({get})"));
            let id = shell(principal.id.as_str());
            self.line(&format!(
                "[ \"${kind}_{n}\" = {id} ] || echo '{kind} {} is not the one planned for: left out' >&2",
                principal.name
            ));
        }
    }

    fn close(&mut self, open: &mut Option<usize>) {
        if open.take().is_some() {
            self.line("fi");
        }
    }

    /// Takes the fence's time from the local clock, since the CLI does not show the service's.
    fn fence_time(&mut self, margin_s: u32) {
        if self.fence {
            return;
        }
        self.fence = true;
        let s = u64::from(margin_s) + 1;
        for line in [
            format!("The fence: the clock of this machine, now that the keys are off, and {s} s. ringfence takes"),
            "the clock of AWS instead, so see that this one is right. A clock that is behind lets sessions".to_owned(),
            "through. The fence does not count while a key that was to be turned off is Active.".to_owned(),
        ] {
            self.comment("", &line);
        }
        let form = "+%Y-%m-%dT%H:%M:%SZ";
        self.line(&format!("fence_s=$(( $(date +%s) + {s} ))"));
        self.line(&format!(
            "fence=$(date -u -d \"@$fence_s\" {form} 2>/dev/null || date -u -r \"$fence_s\" {form})"
        ));
    }

    fn step(&mut self, principal: &PrincipalPlan, step: &Step) {
        let name = shown(&step.resource.to_string()).into_owned();
        // What narrows rights waits for a key that no script makes.
        let makes_key = principal.steps.iter().any(|one| one.resource == Resource::NewAccessKey);
        let waits = makes_key && !matches!(step.resource, Resource::AccessKey(_));
        let call = step.call(principal.kind).filter(|_| !waits);
        let Some(words) = call.and_then(|call| command(principal.name.as_str(), &call)) else {
            let why = if step.resource.is_of_new_key() {
                "a script would show the secret of the key that it makes, ringfence apply does not"
            } else if waits {
                "it waits for the new key"
            } else {
                "its name or document is no word for a shell"
            };
            let left_out = format!("step {} left out, {why}: {name}", step.id);
            self.comment("  ", &left_out);
            self.line("  :");
            return;
        };
        let mut about = format!("step {}, {name}", step.id);
        if !step.reason.is_empty() {
            let _ = write!(about, ": {}", step.reason);
        }
        if !step.reversible {
            about.push_str(", cannot be undone");
        }
        self.comment("  ", &about);
        // A fence without a time would be a policy that denies nothing.
        let guard = if step.awaits_fence_time() { "[ -n \"$fence\" ] && " } else { "" };
        let aws = self.aws.clone();
        self.line(&format!("  {guard}{aws} {words}"));
    }

    fn look(&mut self, plan: &Plan) {
        self.line("");
        self.comment("", "Look at what is stored now. AWS enforces it within seconds, and allows itself minutes.");
        for principal in &plan.principals {
            let name = argument(principal.name.as_str());
            let lists: &[&str] = match principal.kind {
                PrincipalKind::User => {
                    &["list-access-keys", "list-user-policies", "list-attached-user-policies"]
                }
                PrincipalKind::Role => &["list-role-policies", "list-attached-role-policies"],
            };
            for list in lists {
                let (aws, kind) = (self.aws.clone(), principal.kind);
                self.line(&format!("{aws} {list} --{kind}-name{name} --output text"));
            }
        }
    }
}

/// A value after its option. One that begins like an option, or like an expansion of zsh, is bound to it.
fn argument(value: &str) -> String {
    if value.starts_with(['-', '=']) { format!("='{value}'") } else { format!(" {}", shell(value)) }
}

/// A name, ID or ARN of AWS's own alphabet; nothing else reaches the shell.
fn word(value: &str) -> Option<String> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-:/".contains(&b);
    (!value.is_empty() && value.bytes().all(known)).then(|| argument(value))
}

/// The CLI's words for a call.
fn command(name: &str, call: &Action) -> Option<String> {
    let principal = word(name)?;
    let on = |verb: &str| format!("{verb} --user-name{principal}");
    let on_role = |verb: &str| format!("{verb} --role-name{principal}");
    Some(match call {
        Action::UpdateAccessKey { id, status } => {
            format!("{} --access-key-id{} --status {status}", on("update-access-key"), word(id)?)
        }
        Action::UpdateSshPublicKey { id, status } => {
            format!(
                "{} --ssh-public-key-id{} --status {status}",
                on("update-ssh-public-key"),
                word(id)?
            )
        }
        Action::UpdateSigningCertificate { id, status } => {
            format!(
                "{} --certificate-id{} --status {status}",
                on("update-signing-certificate"),
                word(id)?
            )
        }
        Action::UpdateServiceSpecificCredential { id, status } => format!(
            "{} --service-specific-credential-id{} --status {status}",
            on("update-service-specific-credential"),
            word(id)?
        ),
        Action::PutUserPolicy { name, document } => format!(
            "{} --policy-name{} --policy-document {}",
            on("put-user-policy"),
            word(name)?,
            quoted(document)?
        ),
        Action::DeleteUserPolicy { name } => {
            format!("{} --policy-name{}", on("delete-user-policy"), word(name)?)
        }
        Action::AttachUserPolicy { arn } => {
            format!("{} --policy-arn{}", on("attach-user-policy"), word(arn)?)
        }
        Action::DetachUserPolicy { arn } => {
            format!("{} --policy-arn{}", on("detach-user-policy"), word(arn)?)
        }
        Action::CreatePolicy { arn, name, document } => format!(
            "create-policy --policy-name{}{} --policy-document {}",
            word(name)?,
            path(arn)?,
            quoted(document)?
        ),
        Action::DeletePolicy { arn } => format!("delete-policy --policy-arn{}", word(arn)?),
        Action::PutUserPermissionsBoundary { arn } => {
            format!("{} --permissions-boundary{}", on("put-user-permissions-boundary"), word(arn)?)
        }
        Action::DeleteUserPermissionsBoundary => on("delete-user-permissions-boundary"),
        Action::DeleteLoginProfile => on("delete-login-profile"),
        Action::AddUserToGroup { group } => {
            format!("{} --group-name{}", on("add-user-to-group"), word(group)?)
        }
        Action::RemoveUserFromGroup { group } => {
            format!("{} --group-name{}", on("remove-user-from-group"), word(group)?)
        }
        Action::DeleteAccessKey { id } => {
            format!("{} --access-key-id{}", on("delete-access-key"), word(id)?)
        }
        // The secret of a new key is in its answer, which no script should print.
        Action::CreateAccessKey
        | Action::CreateSecret { .. }
        | Action::PutSecretValue { .. }
        | Action::WriteProfile { .. } => return None,
        Action::PutRolePolicy { name, document } => format!(
            "{} --policy-name{} --policy-document {}",
            on_role("put-role-policy"),
            word(name)?,
            quoted(document)?
        ),
        Action::DeleteRolePolicy { name } => {
            format!("{} --policy-name{}", on_role("delete-role-policy"), word(name)?)
        }
        Action::AttachRolePolicy { arn } => {
            format!("{} --policy-arn{}", on_role("attach-role-policy"), word(arn)?)
        }
        Action::DetachRolePolicy { arn } => {
            format!("{} --policy-arn{}", on_role("detach-role-policy"), word(arn)?)
        }
        Action::PutRolePermissionsBoundary { arn } => format!(
            "{} --permissions-boundary{}",
            on_role("put-role-permissions-boundary"),
            word(arn)?
        ),
        Action::DeleteRolePermissionsBoundary => on_role("delete-role-permissions-boundary"),
    })
}

/// The path of a policy, out of its ARN; nothing for the root path.
fn path(arn: &str) -> Option<String> {
    let (_, rest) = arn.split_once(":policy/")?;
    match rest.rsplit_once('/') {
        None => Some(String::new()),
        Some((path, _)) => Some(format!(" --path{}", word(&format!("/{path}/"))?)),
    }
}

/// A document as one word of the shell, with the fence's time left to the shell where only it knows.
fn quoted(document: &PolicyDocument) -> Option<String> {
    if !document.value().is_object() {
        return None;
    }
    let json = ascii(&document.minified());
    if !document.awaits_fence_time() {
        return Some(shell(&json).into_owned());
    }
    // Inside a JSON string the quotes would be escaped, so only a placeholder looks like this.
    let placeholder = format!("{{\"{AFTER_APPLY}\":\"{FENCE_TIME}\"}}");
    let parts: Vec<String> = json
        .split(&placeholder)
        .map(|part| part.replace('\\', "\\\\").replace('%', "%%"))
        .collect();
    let times = " \"$fence\"".repeat(parts.len().saturating_sub(1));
    Some(format!("\"$(printf {}{times})\"", shell(&parts.join("\"%s\""))))
}

/// The same JSON in ASCII: outside of it there is text only, where an escape means the same.
fn ascii(json: &str) -> String {
    json.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii() && !c.is_ascii_control() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;
    use crate::resource::{Resource, Value};
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    fn sh(arguments: &[&str], script: &str) -> String {
        let mut child = Command::new("sh")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the script calls, one argument a line, with an `aws` that answers with the user's ID.
    fn calls(script: &str) -> String {
        let aws = "aws() { case \"$*\" in *get-user\\ *) echo AIDA3EXAMPLEDEPLOYBT;; \
                   *) for a in \"$@\"; do printf '<%s>' \"$a\"; done; echo;; esac; }\n";
        sh(&["-s"], &format!("{aws}{script}"))
    }

    #[test]
    fn the_plan_of_the_screens() {
        let script = plan(&sample::revoke());
        sh(&["-n"], &script);
        insta::assert_snapshot!(script, @r#"
        #!/bin/sh
        # ringfence plan: user deploy-bot, account 123456789012
        # Plan: 1 to create, 1 to change, 0 to remove. Everything can be undone.
        # These commands do the same steps by hand. They do not look for drift, and write no state:
        # ringfence will not know of them. Review them, save them to a file, and run it with sh,
        # with credentials of the account in the environment. A command that fails does not stop the next.
        AWS_PAGER=; export AWS_PAGER

        # The user must still be the one that was planned for, by its ID and not its name.
        user_1=$(aws iam get-user --user-name deploy-bot --query User.UserId --output text)
        [ "$user_1" = AIDA3EXAMPLEDEPLOYBT ] || echo 'user deploy-bot is not the one planned for: left out' >&2

        # wave 1
        if [ "$user_1" = AIDA3EXAMPLEDEPLOYBT ]; then
          # step 1, access_key/AKIA3EXAMPLE4LEAKED1
          aws iam update-access-key --user-name deploy-bot --access-key-id AKIA3EXAMPLE4LEAKED1 --status Inactive
        fi

        # wave 2
        # The fence: the clock of this machine, now that the keys are off, and 61 s. ringfence takes
        # the clock of AWS instead, so see that this one is right. A clock that is behind lets sessions
        # through. The fence does not count while a key that was to be turned off is Active.
        fence_s=$(( $(date +%s) + 61 ))
        fence=$(date -u -d "@$fence_s" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -r "$fence_s" +%Y-%m-%dT%H:%M:%SZ)
        if [ "$user_1" = AIDA3EXAMPLEDEPLOYBT ]; then
          # step 2, inline_policy/RingfenceFence-7c41e09a: ends every session of this user issued until then, legitimate ones too
          [ -n "$fence" ] && aws iam put-user-policy --user-name deploy-bot --policy-name RingfenceFence-7c41e09a --policy-document "$(printf '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"%s"}}}]}' "$fence")"
        fi

        # Look at what is stored now. AWS enforces it within seconds, and allows itself minutes.
        aws iam list-access-keys --user-name deploy-bot --output text
        aws iam list-user-policies --user-name deploy-bot --output text
        aws iam list-attached-user-policies --user-name deploy-bot --output text
        "#);
        let calls = calls(&script);
        let put = calls.lines().find(|line| line.contains("put-user-policy")).unwrap();
        let time = put.split("TokenIssueTime\":\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(time.len(), "2026-11-21T03:13:42Z".len(), "{time}");
        assert!(time.parse::<jiff::Timestamp>().is_ok());
        let document = put.rsplit_once('<').unwrap().1.trim_end_matches('>');
        assert!(PolicyDocument::parse(document).fence_time().is_some(), "{document}");
    }

    #[test]
    fn several_users_in_the_order_of_waves() {
        let script = plan(&sample::lockdown());
        sh(&["-n"], &script);
        let steps: Vec<&str> = script
            .lines()
            .filter(|line| line.starts_with("  ") || line.starts_with("if "))
            .collect();
        insta::assert_snapshot!(steps.join("\n"), @r#"
        if [ "$user_1" = AIDA3EXAMPLEDEPLOYBT ]; then
          # step 1, inline_policy/RingfenceHold-7c41e09a
          aws --endpoint-url http://127.0.0.1:4566 iam put-user-policy --user-name deploy-bot --policy-name RingfenceHold-7c41e09a --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'
          # step 2, attached_policy/arn:aws:iam::aws:policy/AWSDenyAll
          aws --endpoint-url http://127.0.0.1:4566 iam attach-user-policy --user-name deploy-bot --policy-arn arn:aws:iam::aws:policy/AWSDenyAll
        if [ "$user_2" = AIDA3EXAMPLECIRUNNER ]; then
          # step 3, attached_policy/arn:aws:iam::aws:policy/AWSDenyAll
          aws --endpoint-url http://127.0.0.1:4566 iam attach-user-policy --user-name ci-runner --policy-arn arn:aws:iam::aws:policy/AWSDenyAll
        if [ "$user_1" = AIDA3EXAMPLEDEPLOYBT ]; then
          # step 4, access_key/AKIA3EXAMPLE4LEAKED1
          aws --endpoint-url http://127.0.0.1:4566 iam update-access-key --user-name deploy-bot --access-key-id AKIA3EXAMPLE4LEAKED1 --status Inactive
          # step 5, access_key/AKIA3EXAMPLE5SECOND2
          aws --endpoint-url http://127.0.0.1:4566 iam update-access-key --user-name deploy-bot --access-key-id AKIA3EXAMPLE5SECOND2 --status Inactive
        if [ "$user_2" = AIDA3EXAMPLECIRUNNER ]; then
          # step 7, login_profile: posture asks for it, cannot be undone
          aws --endpoint-url http://127.0.0.1:4566 iam delete-login-profile --user-name ci-runner
        if [ "$user_1" = AIDA3EXAMPLEDEPLOYBT ]; then
          # step 8, inline_policy/RingfenceFence-7c41e09a: ends every session of this user issued until then, legitimate ones too
          [ -n "$fence" ] && aws --endpoint-url http://127.0.0.1:4566 iam put-user-policy --user-name deploy-bot --policy-name RingfenceFence-7c41e09a --policy-document "$(printf '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"%s"}}}]}' "$fence")"
        "#);
        // The second user answers with another ID here, so that its steps are left out.
        let calls = calls(&script);
        assert!(calls.contains("<attach-user-policy><--user-name><deploy-bot>"), "{calls}");
        assert!(!calls.contains("<attach-user-policy><--user-name><ci-runner>"), "{calls}");
    }

    #[test]
    fn every_call_is_a_command() {
        let [id, name, arn] =
            ["APKAEXAMPLE", "-n+=,.@", "arn:aws:iam::123456789012:policy/a/b/Fence"]
                .map(str::to_owned);
        let status = crate::snapshot::Status::Inactive;
        let document = PolicyDocument::parse(
            r#"{"Statement":[{"Sid":"it's %s \\ ü \u007f"}],"T":{"$after_apply":"fence_time"}}"#,
        );
        let all = [
            Action::UpdateAccessKey { id: id.clone(), status },
            Action::UpdateSshPublicKey { id: id.clone(), status },
            Action::UpdateSigningCertificate { id: id.clone(), status },
            Action::UpdateServiceSpecificCredential { id, status },
            Action::PutUserPolicy { name: name.clone(), document: document.clone() },
            Action::DeleteUserPolicy { name: name.clone() },
            Action::AttachUserPolicy { arn: arn.clone() },
            Action::DetachUserPolicy { arn: arn.clone() },
            Action::CreatePolicy { arn: arn.clone(), name: "Fence".into(), document },
            Action::DeletePolicy { arn: arn.clone() },
            Action::PutUserPermissionsBoundary { arn },
            Action::DeleteUserPermissionsBoundary,
            Action::DeleteLoginProfile,
            Action::AddUserToGroup { group: name.clone() },
            Action::RemoveUserFromGroup { group: name },
        ];
        let lines: Vec<String> = all
            .iter()
            .map(|call| format!("aws iam {}\n", command("deploy-bot", call).unwrap()))
            .collect();
        let called = calls(&format!("fence=2026-11-21T03:13:42Z\n{}", lines.concat()));
        insta::assert_snapshot!(called, @r#"
        <iam><update-access-key><--user-name><deploy-bot><--access-key-id><APKAEXAMPLE><--status><Inactive>
        <iam><update-ssh-public-key><--user-name><deploy-bot><--ssh-public-key-id><APKAEXAMPLE><--status><Inactive>
        <iam><update-signing-certificate><--user-name><deploy-bot><--certificate-id><APKAEXAMPLE><--status><Inactive>
        <iam><update-service-specific-credential><--user-name><deploy-bot><--service-specific-credential-id><APKAEXAMPLE><--status><Inactive>
        <iam><put-user-policy><--user-name><deploy-bot><--policy-name=-n+=,.@><--policy-document><{"Statement":[{"Sid":"it's %s \\ \u00fc \u007f"}],"T":"2026-11-21T03:13:42Z"}>
        <iam><delete-user-policy><--user-name><deploy-bot><--policy-name=-n+=,.@>
        <iam><attach-user-policy><--user-name><deploy-bot><--policy-arn><arn:aws:iam::123456789012:policy/a/b/Fence>
        <iam><detach-user-policy><--user-name><deploy-bot><--policy-arn><arn:aws:iam::123456789012:policy/a/b/Fence>
        <iam><create-policy><--policy-name><Fence><--path></a/b/><--policy-document><{"Statement":[{"Sid":"it's %s \\ \u00fc \u007f"}],"T":"2026-11-21T03:13:42Z"}>
        <iam><delete-policy><--policy-arn><arn:aws:iam::123456789012:policy/a/b/Fence>
        <iam><put-user-permissions-boundary><--user-name><deploy-bot><--permissions-boundary><arn:aws:iam::123456789012:policy/a/b/Fence>
        <iam><delete-user-permissions-boundary><--user-name><deploy-bot>
        <iam><delete-login-profile><--user-name><deploy-bot>
        <iam><add-user-to-group><--user-name><deploy-bot><--group-name=-n+=,.@>
        <iam><remove-user-from-group><--user-name><deploy-bot><--group-name=-n+=,.@>
        "#);
    }

    #[test]
    fn what_is_no_word_is_left_out() {
        let mut model = sample::revoke();
        let one = &mut model.principals[0];
        one.steps[0].reason = "x'; rm -rf $(pwd) `id` \n\u{202e}".into();
        one.steps[1].resource = Resource::InlinePolicy("a'; touch x; '".into());
        let mut text = one.steps[1].clone();
        text.id = 3;
        text.resource = Resource::InlinePolicy("fine".into());
        text.after = Some(Value::Document(PolicyDocument::parse("file:///etc/passwd")));
        one.steps.push(text);
        let script = plan(&model);
        sh(&["-n"], &script);
        let steps: Vec<&str> = script.lines().filter(|line| line.starts_with("  ")).collect();
        insta::assert_snapshot!(steps.join("\n"), @"
        # step 1, access_key/AKIA3EXAMPLE4LEAKED1: x rm -rf pwd id u a u 202e
        aws iam update-access-key --user-name deploy-bot --access-key-id AKIA3EXAMPLE4LEAKED1 --status Inactive
        # step 2 left out, its name or document is no word for a shell: inline_policy/a touch x
        :
        # step 3 left out, its name or document is no word for a shell: inline_policy/fine
        :
        ");
    }
}
