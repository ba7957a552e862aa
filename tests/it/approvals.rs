//! Approvals with the real binary and the real `ssh-keygen`, both ways (D5).

use crate::support::{Ran, World};
use insta::assert_snapshot;
use std::fs;
use std::process::{Command, Output, Stdio};

/// The kinds of keys, as `ssh-keygen -t` and `-b` name them.
const KINDS: [(&str, &str); 6] = [
    ("ed25519", "256"),
    ("ecdsa", "256"),
    ("ecdsa", "384"),
    ("ecdsa", "521"),
    ("rsa", "2048"),
    ("rsa", "3072"),
];

/// A user to contain, a saved plan, and a store that asks for approvals.
struct Desk {
    world: World,
}

impl Desk {
    fn new(policy: &str) -> Self {
        let world = World::ministack();
        let leaked = world.victim("deploy-bot");
        fs::create_dir(world.path("state")).unwrap();
        if !policy.is_empty() {
            world.write("state/policy.toml", policy);
        }
        world.ringfence(&["plan", "--access-key", &leaked.id, "--out", "plan.json"]).exits(0);
        Self { world }
    }

    fn keygen(&self, arguments: &[&str], input: &[u8]) -> Output {
        use std::io::Write;
        let mut child = Command::new("ssh-keygen")
            .args(arguments)
            .current_dir(self.world.path("."))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("these tests need ssh-keygen: install OpenSSH's client");
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn keygen_ok(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.keygen(arguments, input);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "ssh-keygen {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A new key of a person, without a passphrase; its public half.
    fn key(&self, person: &str, kind: (&str, &str)) -> String {
        let file = format!("key-{person}");
        let _ = fs::remove_file(self.world.path(&file));
        self.keygen_ok(
            &["-q", "-t", kind.0, "-b", kind.1, "-N", "", "-C", person, "-f", &file],
            b"",
        );
        let public = fs::read_to_string(self.world.path(&format!("{file}.pub"))).unwrap();
        public.trim().to_owned()
    }

    /// A new key of a person who may sign, under options.
    fn signer(&self, person: &str, options: &str) -> String {
        let public = self.key(person, KINDS[0]);
        self.allow(&format!("{person} {options}{public}\n"));
        public
    }

    fn allow(&self, line: &str) {
        let path = self.world.path("state/allowed_signers");
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, before + line).unwrap();
    }

    fn approve(&self, person: &str) -> Ran {
        self.world.ringfence(&[
            "approve",
            "plan.json",
            "--identity",
            &format!("key-{person}"),
            "--auto-approve",
        ])
    }

    /// What is said on a terminal where somebody types a passphrase.
    fn asked(&self, key: &str, passphrase: &str) -> String {
        let approve = ["approve", "plan.json", "--identity", key, "--auto-approve"];
        self.world.on_a_terminal(&approve, &format!("{passphrase}\n")).out.clone()
    }

    /// `ssh-keygen -Y sign`, under a name of one's own.
    fn sign(&self, person: &str, namespace: &str, file: &str, to: &str) {
        let key = format!("key-{person}");
        self.keygen_ok(&["-q", "-Y", "sign", "-n", namespace, "-f", &key, file], b"");
        fs::rename(self.world.path(&format!("{file}.sig")), self.world.path(to)).unwrap();
    }

    fn apply(&self) -> Ran {
        self.world.ringfence(&["apply", "plan.json", "--auto-approve"])
    }

    /// Refused with exit 4, nothing written anywhere; what was said, with keys' fingerprints made equal.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        redacted(&self.world.refused(4, arguments))
    }

    /// The one run that there is.
    fn run(&self) -> String {
        let runs = self.world.record().into_keys().find_map(|path| {
            let folder =
                path.ends_with("journal.jsonl").then(|| path.parent().unwrap().to_owned())?;
            Some(folder.file_name().unwrap().to_str().unwrap().to_owned())
        });
        runs.unwrap()
    }
}

/// With fingerprints and times made equal.
fn redacted(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("SHA256:") {
        let (before, after) = rest.split_at(at + "SHA256:".len());
        out.push_str(before);
        out.push('…');
        rest =
            after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/'));
    }
    out.push_str(rest);
    out
}

#[test]
fn both_ways_with_every_kind_of_key() {
    let desk = Desk::new("[approval]\nrequired = 6\n");
    let plan = fs::read(desk.world.path("plan.json")).unwrap();
    for (n, kind) in KINDS.into_iter().enumerate() {
        let person = format!("p{n}");
        let public = desk.key(&person, kind);
        desk.allow(&format!("{person} {public}\n"));
        desk.approve(&person).ok();
        let ours = format!("plan.json.{person}.sig");
        // Ours for ssh-keygen.
        let said = desk.keygen_ok(
            &[
                "-Y",
                "verify",
                "-f",
                "state/allowed_signers",
                "-I",
                &person,
                "-n",
                "ringfence-plan",
                "-s",
                &ours,
            ],
            &plan,
        );
        assert!(
            said.starts_with(&format!("Good \"ringfence-plan\" signature for {person}")),
            "{said}"
        );
        let found = desk
            .keygen_ok(&["-Y", "find-principals", "-s", &ours, "-f", "state/allowed_signers"], b"");
        assert_eq!(found.trim(), person);
        // The fingerprint that ssh-keygen prints is the one that ringfence prints.
        let listed = desk.keygen_ok(&["-l", "-f", &format!("key-{person}.pub")], b"");
        let fingerprint = listed.split_whitespace().nth(1).unwrap();
        let shown = desk.world.ringfence(&["show", "plan.json"]).ok().out.clone();
        assert!(shown.contains(fingerprint), "{shown}");
        // And ssh-keygen's for us.
        fs::remove_file(desk.world.path(&ours)).unwrap();
        desk.sign(&person, "ringfence-plan", "plan.json", &ours);
    }
    let applied = desk.apply().ok();
    assert!(applied.out.contains("Approved by p0 (SHA256:"), "{}", applied.out);
    let history = desk.world.ringfence(&["state", "history", "deploy-bot"]).ok();
    assert_eq!(history.out.matches("verified at").count(), 6, "{}", history.out);
    let run = desk.run();
    let shown = desk.world.ringfence(&["show", &run]).ok();
    assert_eq!(
        shown.out.split_whitespace().filter(|word| *word == "(verified").count(),
        6,
        "{}",
        shown.out
    );
}

#[test]
fn an_ecdsa_key_whose_number_is_short_signs_as_well() {
    let desk = Desk::new("");
    // Of P-521 every second key is short: all but one run in 4,096 meets one.
    for n in 0..12 {
        let person = format!("p{n}");
        desk.key(&person, ("ecdsa", "521"));
        desk.approve(&person).ok();
    }
    for n in 0..6 {
        let key = format!("key-locked-{n}");
        let make =
            ["-q", "-t", "ecdsa", "-b", "521", "-N", "correct horse", "-C", &key, "-f", &key];
        desk.keygen_ok(&make, b"");
        let said = desk.asked(&key, "correct horse");
        assert!(said.contains("Signed plan.json"), "{said}");
    }
}

#[test]
fn an_encrypted_key_asks_for_its_passphrase() {
    let desk = Desk::new("");
    let keys = [("ed25519", "256"), ("ecdsa", "256"), ("rsa", "2048")];
    for (kind, bits) in keys {
        let key = format!("key-{kind}");
        let make = ["-q", "-t", kind, "-b", bits, "-N", "correct horse", "-C", kind, "-f", &key];
        desk.keygen_ok(&make, b"");
        let wrong = desk.asked(&key, "battery staple");
        let passphrase = format!("error: the passphrase of `{key}` is another");
        assert!(wrong.contains(&passphrase), "{wrong}");
        assert!(!desk.world.path(&format!("plan.json.{kind}.sig")).exists());
        let said = desk.asked(&key, "correct horse");
        assert!(said.contains(&format!("Passphrase of {key}: ")), "{said}");
        assert!(said.contains("Signed plan.json"), "{said}");
        assert!(desk.world.path(&format!("plan.json.{kind}.sig")).exists());
    }
}

#[test]
fn an_encrypted_key_needs_somebody_to_ask() {
    let desk = Desk::new("");
    desk.keygen_ok(&["-q", "-t", "ed25519", "-N", "correct horse", "-f", "key-locked"], b"");
    let refused = desk.world.ringfence(&[
        "approve",
        "plan.json",
        "--identity",
        "key-locked",
        "--auto-approve",
    ]);
    assert_snapshot!(refused.exits(1).err, @"
    error: this needs a passphrase, and nobody is there to give it
      cause: standard input is no terminal, or --no-input was given
    hint: a key in an agent or on a token signs too: ssh-keygen -Y sign -n ringfence-plan -f key-locked FILE
    ");
    assert!(!desk.world.path("plan.json.sig").exists());
}

#[test]
fn what_is_refused() {
    let desk = Desk::new("[approval]\nrequired = 2\n");
    let at = |name: &str| desk.world.path(name);
    assert_snapshot!(desk.refused(&["apply", "plan.json", "--auto-approve"]), @"
    error: `plan.json` has 0 of 2 approvals it needs
      cause: every plan asks for 2
      nothing was changed
    hint: ringfence approve plan.json --identity KEY
    ");
    desk.signer("alice", "");
    desk.signer("bob", "namespaces=\"git\" ");
    desk.signer("carol", "valid-before=\"20200101\" ");
    desk.signer("dave", "valid-after=\"20990101\" ");
    desk.key("eve", KINDS[0]);
    for person in ["alice", "bob", "carol", "dave", "eve"] {
        desk.sign(person, "ringfence-plan", "plan.json", &format!("plan.json.{person}.sig"));
    }
    assert_snapshot!(desk.refused(&["apply", "plan.json", "--auto-approve"]), @"
    error: `plan.json` has 1 of 2 approvals it needs
      cause: every plan asks for 2
      approved by alice  SHA256:…
      plan.json.bob.sig  SHA256:…
        its key is for the namespaces git, and not for ringfence-plan (`state/allowed_signers`, line 2)
      plan.json.carol.sig  SHA256:…
        its key expired at 2020-01-01T00:00:00Z (`state/allowed_signers`, line 3)
      plan.json.dave.sig  SHA256:…
        its key is not valid before 2099-01-01T00:00:00Z (`state/allowed_signers`, line 4)
      plan.json.eve.sig  SHA256:…
        its key is not in `state/allowed_signers`
      nothing was changed
    hint: ringfence approve plan.json --identity KEY
    ");
    for person in ["bob", "carol", "dave", "eve"] {
        fs::remove_file(at(&format!("plan.json.{person}.sig"))).unwrap();
    }
    // The same person twice, other bytes, another namespace, and what is no signature at all.
    desk.sign("alice", "ringfence-plan", "plan.json", "plan.json.again.sig");
    desk.world.write("other.json", "{}");
    desk.sign("alice", "ringfence-plan", "other.json", "plan.json.other.sig");
    desk.sign("alice", "git", "plan.json", "plan.json.git.sig");
    desk.world.write("plan.json.rubbish.sig", "-----BEGIN SSH SIGNATURE-----\n");
    assert_snapshot!(desk.refused(&["apply", "plan.json", "--auto-approve"]), @"
    error: `plan.json` has 1 of 2 approvals it needs
      cause: every plan asks for 2
      approved by alice  SHA256:…
      plan.json.alice.sig  SHA256:…
        alice has approved already, and counts once
      plan.json.git.sig  SHA256:…
        it was made for the namespace `git`, and not for `ringfence-plan`
      plan.json.other.sig  SHA256:…
        it is not over the bytes of this plan
      plan.json.rubbish.sig  no key
        it is no OpenSSH signature: PEM error in pre-encapsulation boundary
      nothing was changed
    hint: ringfence approve plan.json --identity KEY
    ");
    // Without a file there is nothing that could be signed.
    assert_snapshot!(desk.refused(&["apply", "--user", "deploy-bot", "--auto-approve"]), @"
    error: a plan that needs approvals is applied from its file
      cause: every plan asks for 2 approvals
      nothing was changed
    hint: the same flags with `ringfence plan`, and --out plan.json
    hint: ringfence approve plan.json --identity KEY
    hint: ringfence apply plan.json
    ");
    // Not without the store's leave.
    assert_snapshot!(desk.refused(&["apply", "plan.json", "--auto-approve", "--break-glass", "it burns"]), @"
    error: `--break-glass` is not allowed here
      cause: only the store's policy.toml can allow it: [approval] break_glass = true
      nothing was changed
    hint: have the plan approved: ringfence approve FILE --identity KEY
    ");
    // A broken line is no reason to take the others.
    desk.allow("mallory\n");
    assert_snapshot!(desk.refused(&["apply", "plan.json", "--auto-approve"]), @"
    error: `state/allowed_signers` has a broken line 5
      cause: there is no key
    hint: each line is: PRINCIPALS [OPTIONS] KEYTYPE KEY, as in ssh-keygen(1)
    ");
}

#[test]
fn whoever_applies_and_a_plan_that_is_too_old() {
    let desk = Desk::new(
        "[approval]\nrequired = 1\nseparate_applier = true\n[approval.people]\nalice = \"*\"\nbob = \"arn:aws:iam::*:user/bob\"\n",
    );
    desk.signer("alice", "");
    desk.approve("alice").ok();
    assert_snapshot!(desk.refused(&["apply", "plan.json", "--auto-approve"]), @"
    error: `plan.json` has 0 of 1 approval it needs
      cause: every plan asks for 1
      plan.json.alice.sig  SHA256:…
        alice is arn:aws:iam::123456789012:user/responder, who applies it
      nothing was changed
    hint: ringfence approve plan.json --identity KEY
    ");
    desk.signer("bob", "");
    desk.approve("bob").ok();
    desk.world.write("strict.toml", "[approval]\nmax_age = \"1s\"\n");
    desk.world.emulator.clock.forward(jiff::SignedDuration::from_secs(5));
    let old = desk.refused(&["apply", "plan.json", "--auto-approve", "--config", "strict.toml"]);
    assert!(old.contains("`plan.json` is too old to be applied"), "{old}");
    assert!(desk.apply().ok().out.contains("Approved by bob (SHA256:"));
}

#[test]
fn break_glass_is_told_ever_after() {
    let desk = Desk::new("[approval]\nrequired = 2\nbreak_glass = true\n");
    let applied = desk.world.ringfence(&[
        "apply",
        "plan.json",
        "--auto-approve",
        "--break-glass",
        "nobody else is awake",
    ]);
    let reason = "without the approvals that it needs: nobody else is awake";
    let words: Vec<&str> = applied.out.split_whitespace().collect();
    assert!(words.join(" ").contains(reason), "{}{}", applied.out, applied.err);
    let run = desk.run();
    for arguments in
        [&["state", "history", "deploy-bot"][..], &["state", "show", "deploy-bot"], &["show", &run]]
    {
        let told = desk.world.ringfence(arguments).ok();
        let words: Vec<&str> = told.out.split_whitespace().collect();
        assert!(words.join(" ").contains(reason), "{arguments:?}: {}", told.out);
    }
    let json = desk.world.json(&["show", &run, "--format", "json"]);
    let begun = json["journals"].as_object().unwrap().values().next().unwrap();
    assert_eq!(begun[0]["event"]["break_glass"], "nobody else is awake");
    let shown = desk.world.ringfence(&["show", &run, "--format", "markdown"]).ok();
    assert!(shown.out.contains(reason), "{}", shown.out);
    for arguments in [&["status"][..], &["state", "list"]] {
        let told = desk.world.ringfence(arguments).ok();
        assert!(told.out.contains("break-glass"), "{}", told.out);
    }
}

#[test]
fn rules_deny_warn_and_ask_for_more() {
    let rules = |then: &str| {
        format!(
            "[[rule]]\nname = \"deployers\"\n{then}\nmessage = \"ask the platform team\"\n[rule.when]\nuser = \"DEPLOY-*\"\neffect = \"deactivate\"\n"
        )
    };
    let desk = Desk::new(&rules("then = \"warn\""));
    let warned = desk.world.ringfence(&["plan", "--user", "deploy-bot"]).exits(0);
    assert!(
        warned.err.contains("warning: rule `deployers`: ask the platform team"),
        "{}",
        warned.err
    );
    desk.world.write("state/policy.toml", rules("approvals = 1"));
    let asked = desk.refused(&["apply", "plan.json", "--auto-approve"]);
    assert!(asked.contains("rule `deployers` (ask the platform team) asks for 1"), "{asked}");
    desk.world.write("state/policy.toml", rules("then = \"deny\""));
    assert_snapshot!(desk.refused(&["apply", "plan.json", "--auto-approve"]), @"
    error: rule `deployers` denies this plan
      cause: ask the platform team
      step 1 of user `deploy-bot`: access_key/KEY-OF-DEPLOY-BOT___
      nothing was changed
    hint: the rules are the store's: its policy.toml says what each of them is about
    ");
    desk.key("alice", KINDS[0]);
    let denied = desk.world.ringfence(&[
        "approve",
        "plan.json",
        "--identity",
        "key-alice",
        "--auto-approve",
    ]);
    assert!(denied.exits(4).err.contains("rule `deployers` denies this plan"));
    let planned = desk.world.ringfence(&["plan", "--user", "deploy-bot", "--out", "again.json"]);
    planned.exits(4);
    assert!(!desk.world.path("again.json").exists());
    let checked = desk.world.ringfence(&["check", "plan.json"]).exits(4).out.clone();
    let checked = checked.replace(&desk.world.sha256sum("plan.json"), "DIGEST");
    assert_snapshot!(desk.world.redact(&checked), @"
    Plan plan.json
         sha256 DIGEST

    ! rule `deployers` denies it: ask the platform team
        step 1 of user deploy-bot, access_key/KEY-OF-DEPLOY-BOT___

    It needs no approval.
    ");
    let json =
        desk.world.ringfence(&["check", "plan.json", "--format", "json"]).exits(4).out.clone();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["allowed"], false);
    assert_eq!(json["findings"][0]["rule"], "deployers");
    assert_eq!(json["steps"][0]["effects"][0], "deactivate");
    assert!(json["plan"]["principals"].is_array());
}

#[test]
fn a_thousand_edits_of_a_signed_plan_are_refused() {
    let desk = Desk::new("[approval]\nrequired = 1\n");
    desk.signer("alice", "");
    desk.approve("alice").ok();
    let plan = fs::read(desk.world.path("plan.json")).unwrap();
    let mut drawn: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut draw = |below: usize| {
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        usize::try_from(drawn % below as u64).unwrap()
    };
    // On a connection of its own each time: the emulator closes one that was idle for that long.
    let facts = || desk.world.client(&desk.world.responder).facts("deploy-bot");
    let before = facts();
    desk.world.proxy.take_calls();
    for _ in 0..1_000 {
        let mut edited = plan.clone();
        let at = draw(plan.len());
        edited[at] ^= u8::try_from(1 + draw(255)).unwrap();
        fs::write(desk.world.path("plan.json"), &edited).unwrap();
        let ran = desk.apply();
        assert!(matches!(ran.code, 1 | 4), "byte {at}: {}", ran.err);
        assert!(ran.out.is_empty(), "byte {at}: {}", ran.out);
    }
    assert!(desk.world.proxy.calls().is_empty());
    assert_eq!(facts(), before);
    fs::write(desk.world.path("plan.json"), &plan).unwrap();
    desk.apply().ok();
}

/// A plan with a word changed, and its digest made anew: as anybody can who writes its file.
fn forged(desk: &Desk, from: &str, to: &str) {
    let text = desk.world.read("plan.json");
    assert!(text.contains(from), "{from}");
    resealed(desk, serde_json::from_str(&text.replacen(from, to, 1)).unwrap());
}

/// The same with what the boundary becomes.
fn boundary_forged(desk: &Desk, arn: &str) {
    let mut plan: serde_json::Value = serde_json::from_str(&desk.world.read("plan.json")).unwrap();
    let steps = plan["principals"][0]["steps"].as_array_mut().unwrap();
    let step = steps.iter_mut().find(|step| step["resource"] == "permissions_boundary").unwrap();
    assert!(step["after"]["policy_arn"].is_string(), "{step}");
    step["after"]["policy_arn"] = arn.into();
    resealed(desk, plan);
}

fn resealed(desk: &Desk, mut plan: serde_json::Value) {
    plan["content_sha256"] = "".into();
    let bytes = |plan: &serde_json::Value| format!("{plan:#}\n");
    let digest = ringfence::plan::sha256(bytes(&plan).as_bytes());
    plan["content_sha256"] = digest.into();
    desk.world.write("plan.json", bytes(&plan));
}

#[test]
fn a_plan_whose_words_are_not_its_deeds_is_refused() {
    let desk = Desk::new("[approval]\ndelete = 2\n");
    desk.world.write(
        "ringfence.toml",
        "[posture.departed]\nextends = \"revoke\"\nlogin_profile = \"delete\"\n",
    );
    let password = [
        "iam",
        "create-login-profile",
        "--user-name",
        "deploy-bot",
        "--password",
        "Correct-horse-7",
    ];
    desk.world.aws(&desk.world.responder, &password).ok();
    let plan = ["plan", "--user", "deploy-bot", "--posture", "departed", "--out", "plan.json"];
    desk.world.ringfence(&plan).exits(0);
    forged(&desk, "\"reversible\": false", "\"reversible\": true");
    let said = desk.world.refused(1, &["apply", "plan.json", "--auto-approve"]);
    assert!(said.contains("is no plan that this program would make"), "{said}");
}

/// The times of denies are ringfence's own: one that is long ago denies nothing.
#[test]
fn a_fence_of_a_time_that_nobody_fixed_is_refused() {
    let desk = Desk::new("");
    let text = desk.world.read("plan.json");
    let at = text.find("\"$after_apply\"").unwrap();
    let open = text[..at].rfind('{').unwrap();
    let close = at + text[at..].find('}').unwrap() + 1;
    forged(&desk, &text[open..close], "\"2000-01-01T00:00:00Z\"");
    let said = desk.world.refused(3, &["apply", "plan.json", "--auto-approve"]);
    assert!(said.contains("is not by its record"), "{said}");
}

/// A boundary is the posture's in a containment, and what was there before in a release: nobody else's.
#[test]
fn a_boundary_that_nobody_asked_for_is_refused() {
    let desk = Desk::new("");
    let policy = |name: &str, effect: &str| {
        let statement = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Action":"*","Resource":"*"}}]}}"#
        );
        desk.world.admin.policy(name, &statement)
    };
    let (nothing, before, other) =
        (policy("nothing", "Deny"), policy("before", "Allow"), policy("other", "Allow"));
    desk.world.write(
        "ringfence.toml",
        format!(
            "[limits]\nsettle = \"0s\"\n[posture.bounded]\nextends = \"revoke\"\npermissions_boundary = \"{nothing}\"\n"
        ),
    );
    let put = [
        "iam",
        "put-user-permissions-boundary",
        "--user-name",
        "deploy-bot",
        "--permissions-boundary",
        &before,
    ];
    desk.world.aws(&desk.world.responder, &put).ok();
    let plan = ["plan", "--user", "deploy-bot", "--posture", "bounded", "--out", "plan.json"];
    let refused = || {
        let said = desk.world.refused(3, &["apply", "plan.json", "--auto-approve"]);
        assert!(said.contains("is not by its record"), "{said}");
    };
    desk.world.ringfence(&plan).exits(0);
    boundary_forged(&desk, &other);
    refused();
    desk.world.ringfence(&plan).exits(0);
    desk.apply().ok();
    let rollback = ["rollback", "--user", "deploy-bot", "--lift-fence-now", "--out", "plan.json"];
    desk.world.ringfence(&rollback).exits(0);
    boundary_forged(&desk, &other);
    refused();
    desk.world.ringfence(&rollback).exits(0);
    desk.apply().ok();
}

/// What contains now is for whoever may: where approvals are needed, it goes by a file.
#[test]
fn what_a_stale_plan_hints_at_can_be_done() {
    let desk = Desk::new("");
    let plan = ["plan", "--user", "deploy-bot", "--out", "plan.json"];
    let stale = || {
        desk.world.ringfence(&plan).exits(0);
        let _ = fs::remove_file(desk.world.path("plan.json.alice.sig"));
        desk.approve("alice").ok();
        let key = desk.world.admin.key("deploy-bot");
        let said = desk.world.refused(3, &["apply", "plan.json", "--auto-approve"]);
        (said, key.id)
    };
    desk.signer("alice", "");
    // No key was named, so that all are meant: to name the new one would leave the others.
    let (said, new) = stale();
    assert!(said.contains("ringfence apply --user deploy-bot --auto-approve"), "{said}");
    assert!(!said.contains("--access-key"), "{said}");
    desk.world.admin.delete_key("deploy-bot", &new);
    desk.world.write("state/policy.toml", "[approval]\nrequired = 1\n");
    let (said, _) = stale();
    assert!(!said.contains("ringfence apply --user"), "{said}");
    for command in [
        "ringfence plan --user deploy-bot --on-drift tighten --out contain.json",
        "ringfence apply contain.json",
    ] {
        assert!(said.contains(command), "{said}");
    }
}

#[test]
fn rules_are_held_against_what_was_read_just_now() {
    let desk = Desk::new(
        "[[rule]]\nname = \"production\"\nthen = \"deny\"\nmessage = \"it is production\"\n\
         [rule.when]\nuser_tag = { env = \"prod*\" }\n",
    );
    let tag =
        ["iam", "tag-user", "--user-name", "deploy-bot", "--tags", "Key=env,Value=production"];
    desk.world.aws(&desk.world.responder, &tag).ok();
    let said = desk.world.refused(4, &["apply", "plan.json", "--auto-approve"]);
    assert!(said.starts_with("error: rule `production` denies this plan"), "{said}");
}

#[test]
fn the_store_says_who_is_who() {
    let desk = Desk::new(
        "[approval]\nrequired = 1\nseparate_applier = true\n[approval.people]\nalice = [\"arn:x\"]\n",
    );
    desk.signer("bob", "");
    desk.approve("bob").ok();
    let apply = ["apply", "plan.json", "--auto-approve"];
    let before = desk.world.refused(4, &apply);
    assert!(before.contains("[approval.people] does not name bob"), "{before}");
    desk.world.write("ringfence.toml", "[approval.people]\nbob = [\"arn:nobody\"]\n");
    assert_eq!(desk.world.refused(4, &apply), before);
    // Nor does a configuration bring signers to a store that asks for approvals and names none.
    let signers = desk.world.read("state/allowed_signers");
    fs::remove_file(desk.world.path("state/allowed_signers")).unwrap();
    desk.world.write("mine", signers);
    desk.world.write("state/policy.toml", "[approval]\nrequired = 1\n");
    desk.world.write("ringfence.toml", "[approval]\nallowed_signers = \"mine\"\n");
    let said = desk.world.refused(4, &apply);
    assert!(said.contains("there is no allowed_signers"), "{said}");
}

#[test]
fn names_that_look_alike_are_no_two_people() {
    let desk = Desk::new("[approval]\nrequired = 2\n");
    let (one, two) = (desk.key("a1", KINDS[0]), desk.key("a2", KINDS[0]));
    for person in ["a1", "a2"] {
        desk.sign(person, "ringfence-plan", "plan.json", &format!("plan.json.{person}.sig"));
    }
    let apply = ["apply", "plan.json", "--auto-approve"];
    for odd in ["\u{feff}alice", "\"alice \"", "al\u{ad}ice", "\"al\0ice\""] {
        desk.world.write("state/allowed_signers", format!("{odd} {one}\nalice {two}\n"));
        let said = desk.world.refused(4, &apply);
        assert!(said.starts_with("error: `state/allowed_signers` has a broken line 1"), "{said}");
    }
    desk.world.write("state/allowed_signers", format!("alice {one}\nAlice {two}\n"));
    let said = desk.world.refused(4, &apply);
    assert!(said.contains("has approved already, and counts once"), "{said}");
}

#[test]
fn what_is_no_file_beside_a_plan_blocks_no_signature() {
    let desk = Desk::new("[approval]\nrequired = 1\n");
    desk.signer("alice", "");
    fs::create_dir(desk.world.path("plan.json.0.sig")).unwrap();
    std::os::unix::fs::symlink("nowhere", desk.world.path("plan.json.1.sig")).unwrap();
    let fifo = Command::new("mkfifo").arg(desk.world.path("plan.json.2.sig")).status().unwrap();
    assert!(fifo.success());
    let planned = desk.world.ringfence(&["show", "plan.json"]).ok();
    assert!(
        planned.out.contains("Next: ringfence approve plan.json --identity KEY"),
        "{}",
        planned.out
    );
    desk.approve("alice").ok();
    let applied = desk.apply().ok();
    assert!(applied.out.contains("Approved by alice"), "{}", applied.out);
}

#[test]
fn keys_that_cannot_sign_are_said_to_be_none() {
    let desk = Desk::new("");
    desk.key("alice", KINDS[0]);
    let approve = |key: &str| {
        desk.world.refused(1, &["approve", "plan.json", "--identity", key, "--auto-approve"])
    };
    assert_snapshot!(approve("key-alice.pub"), @"
    error: `key-alice.pub` is a public key
      cause: a private key signs
    hint: --identity key-alice
    hint: a key in an agent or on a token signs too: ssh-keygen -Y sign -n ringfence-plan -f key-alice.pub FILE
    ");
    desk.key("bob", ("rsa", "1024"));
    assert_snapshot!(approve("key-bob"), @"
    error: the plan could not be signed
      cause: an RSA key of 1024 bits is too short: 2048 at least
    hint: ssh-keygen -t ed25519 makes one that will do
    ");
}

#[test]
fn a_signature_that_apply_will_not_find_is_said_to_be_one() {
    let desk = Desk::new("");
    desk.key("alice", KINDS[0]);
    let approve = ["approve", "plan.json", "--identity", "key-alice", "--auto-approve", "--out"];
    let elsewhere = desk.world.ringfence(&[&approve[..], &["alice.sig"]].concat()).exits(0);
    assert!(elsewhere.err.contains("warning: apply finds only plan.json.sig"), "{}", elsewhere.err);
    let beside = desk.world.ringfence(&[&approve[..], &["plan.json.alice.sig"]].concat()).exits(0);
    assert!(!beside.err.contains("warning"), "{}", beside.err);
}

#[test]
fn the_record_of_an_approval_is_verified_and_not_believed() {
    let desk = Desk::new("[approval]\nrequired = 1\nbreak_glass = true\n");
    desk.signer("alice", "");
    desk.approve("alice").ok();
    desk.apply().ok();
    let verify = ["state", "history", "deploy-bot", "--verify"];
    let good = desk.world.ringfence(&verify).ok();
    assert!(good.out.contains("Every approval is a good signature"), "{}", good.out);
    let id = desk.world.admin.id("deploy-bot");
    let state = format!("state/123456789012/user/{id}/state.json");
    let whole = desk.world.read(&state);
    for (from, to) in [
        ("\"person\": \"alice\"", "\"person\": \"carol\""),
        (
            "\"applied_by\": \"arn:aws:iam::123456789012:user/responder\"",
            "\"applied_by\": \"arn:aws:iam::123456789012:user/eve\"",
        ),
        (
            "\"applied_by\": \"arn:aws:iam::123456789012:user/responder\"",
            "\"applied_by\": \"arn:aws:iam::123456789012:user/responder\", \"break_glass\": \"none awake\"",
        ),
    ] {
        assert!(whole.contains(from), "{whole}");
        desk.world.write(&state, whole.replacen(from, to, 1));
        let said = desk.world.refused(1, &verify);
        assert!(said.contains("contradicts itself"), "{said}");
    }
    desk.world.write(&state, whole);
    desk.world.ringfence(&verify).ok();
    let run = desk.run();
    let shown = desk.world.ringfence(&["show", &run, "--format", "markdown"]).ok();
    assert!(shown.out.contains("Approved by alice with"), "{}", shown.out);
}
