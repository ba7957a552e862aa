//! `ringfence sandbox` on its port: for the AWS CLI, for boto3, and for whoever sends rubbish.

use super::place::{RINGFENCE, command, emulators, ran, ringfence};
use super::wire::{Wire, break_off, exchange};
use crate::support::{ALLOW_ALL, Credentials, Ran};
use jiff::Timestamp;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// A `ringfence sandbox` that runs.
struct Open {
    child: Child,
    out: BufReader<ChildStdout>,
    port: u16,
    admin: Credentials,
    first_line: String,
}

impl Open {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(RINGFENCE)
            .env_clear()
            .current_dir(folder)
            .args(["sandbox", "--port", "0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut lines: Vec<String> = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "it ended: {lines:?}");
            let last = line.starts_with("export AWS_ACCESS_KEY_ID=");
            lines.push(line);
            if last {
                break;
            }
        }
        let text = lines.concat();
        let value = |name: &str| -> String {
            let (_, rest) =
                text.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("no {name}: {text}"));
            rest.split_whitespace().next().unwrap().to_owned()
        };
        let port = value("AWS_ENDPOINT_URL").rsplit(':').next().unwrap().parse().unwrap();
        let admin = Credentials::new(&value("AWS_ACCESS_KEY_ID"), &value("AWS_SECRET_ACCESS_KEY"));
        Self { child, out, port, admin, first_line: lines[0].clone() }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn wire(&self) -> Wire {
        Wire { port: self.port, now: Timestamp::now() }
    }

    /// Asks it to end, and waits until it has.
    fn end(mut self) -> Ran {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ran { command: "ringfence sandbox".to_owned(), code, out, err }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // It has ended already where a test got to the end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_says_what_it_is_and_only_this_machine_can_reach_it() {
    let folder = TempDir::new().unwrap();
    let open = Open::start(folder.path(), &[]);
    assert!(
        open.first_line.starts_with("# A sandbox of ringfence on 127.0.0.1:"),
        "{}",
        open.first_line
    );
    assert!(open.first_line.contains("nothing in it is AWS"), "{}", open.first_line);
    let port = format!(":{:04X}", open.port);
    let listening = |file: &str| -> Vec<String> {
        let text = fs::read_to_string(file).unwrap_or_default();
        let rows = text.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row[3] == "0A" && row[1].ends_with(&port))
            .map(|row| row[1].to_owned())
            .collect()
    };
    // 127.0.0.1, as the kernel writes it.
    assert_eq!(listening("/proc/net/tcp"), [format!("0100007F{port}")]);
    assert_eq!(listening("/proc/net/tcp6"), [""; 0]);
    let ran = open.end().exits(0);
    assert_eq!((ran.err.as_str(), fs::read_dir(folder.path()).unwrap().count()), ("", 0));
}

#[test]
fn a_port_that_is_taken_is_an_error_with_a_way_out() {
    let folder = TempDir::new().unwrap();
    let open = Open::start(folder.path(), &[]);
    let port = open.port.to_string();
    let mut again = Command::new(RINGFENCE);
    again.env_clear().current_dir(folder.path()).args(["sandbox", "--port", &port]);
    let refused = ran(&mut again).exits(1);
    assert!(
        refused.err.contains("could not be taken") && refused.err.contains("hint: "),
        "{}",
        refused.err
    );
}

/// The attacker, with a client that nobody here wrote: prints what each call comes to.
const ATTACKER: &str = r#"
import boto3, json, os, sys
from botocore.config import Config
from botocore.exceptions import ClientError
once = Config(retries={"total_max_attempts": 1})
def client(service, held):
    return boto3.client(service, config=once, aws_access_key_id=held["AccessKeyId"],
        aws_secret_access_key=held["SecretAccessKey"], aws_session_token=held.get("SessionToken"))
def tried(call):
    try:
        call()
        return "ok"
    except ClientError as error:
        return error.response["Error"]["Code"]
held = json.load(open("held.json"))
if "token" not in held:
    sts = client("sts", held["leaked"])
    keep = lambda c: {k: c[k] for k in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
    held["token"] = keep(sts.get_session_token(DurationSeconds=129600)["Credentials"])
    held["federated"] = keep(sts.get_federation_token(Name="ops", Policy=json.dumps({"Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))["Credentials"])
    json.dump(held, open("held.json", "w"))
for name in ("leaked", "second", "token", "federated"):
    print(name, tried(client("s3", held[name]).list_buckets),
        tried(client("iam", held[name]).list_users), tried(client("sts", held[name]).get_caller_identity))
"#;

#[test]
fn the_aws_cli_and_boto3_go_through_an_incident() {
    let folder = TempDir::new().unwrap();
    let open = Open::start(folder.path(), &[]);
    let cli = |arguments: &[&str]| -> serde_json::Value {
        let mut command =
            command(emulators().join("cli/aws"), folder.path(), &open.url(), &open.admin);
        let ran = ran(command.args(["--output", "json"]).args(arguments)).exits(0);
        serde_json::from_str(&ran.out).unwrap_or_default()
    };
    cli(&["iam", "create-user", "--user-name", "deploy-bot"]);
    let policy = ["--policy-name", "work", "--policy-document", ALLOW_ALL];
    cli(&[&["iam", "put-user-policy", "--user-name", "deploy-bot"], &policy[..]].concat());
    let mut held = serde_json::Map::new();
    for name in ["leaked", "second"] {
        let key = cli(&["iam", "create-access-key", "--user-name", "deploy-bot"]);
        held.insert(name.to_owned(), key["AccessKey"].clone());
    }
    let leaked = held["leaked"]["AccessKeyId"].as_str().unwrap().to_owned();
    fs::write(folder.path().join("held.json"), serde_json::to_vec(&held).unwrap()).unwrap();
    let attacker = || {
        let python = emulators().join("bin/python");
        let nobody = Credentials::new("", "");
        ran(command(python, folder.path(), &open.url(), &nobody).args(["-c", ATTACKER]))
            .exits(0)
            .out
    };
    // F10: neither session may call IAM.
    let before = "leaked ok ok ok\nsecond ok ok ok\n\
                  token ok InvalidClientTokenId ok\nfederated ok InvalidClientTokenId ok\n";
    assert_eq!(attacker(), before);
    let run = |arguments: &[&str]| {
        ringfence(folder.path(), &open.url(), &open.admin, arguments).exits(0);
    };
    run(&["plan", "--access-key", &leaked, "--out", "plan.json"]);
    run(&["apply", "plan.json", "--auto-approve"]);
    // F3, F6: the sessions can say who they are, and no more; production goes on.
    assert_eq!(
        attacker(),
        "leaked InvalidAccessKeyId InvalidClientTokenId InvalidClientTokenId\nsecond ok ok ok\n\
         token AccessDenied InvalidClientTokenId ok\nfederated AccessDenied InvalidClientTokenId ok\n"
    );
    let keys = cli(&["iam", "list-access-keys", "--user-name", "deploy-bot"]);
    let off = keys["AccessKeyMetadata"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["AccessKeyId"] == *leaked);
    assert_eq!(off.unwrap()["Status"], "Inactive");
    run(&["status"]);
    run(&[
        "rollback",
        "--user",
        "deploy-bot",
        "--lift-fence-now",
        "--reactivate-key",
        &leaked,
        "--out",
        "release.json",
    ]);
    run(&["apply", "release.json", "--auto-approve"]);
    assert_eq!(attacker(), before);
    let policies = cli(&["iam", "list-user-policies", "--user-name", "deploy-bot"]);
    assert_eq!(policies["PolicyNames"], serde_json::json!(["work"]));
    open.end().exits(0);
}

#[test]
fn what_is_saved_can_be_loaded() {
    let folder = TempDir::new().unwrap();
    let open = Open::start(folder.path(), &["--save", "world.json"]);
    let wire = open.wire();
    let create = [("UserName", "deploy-bot"), ("Path", "/x/")];
    assert_eq!(wire.call(&open.admin, "iam:CreateUser", &create).code(), "ok");
    let policy =
        [("UserName", "deploy-bot"), ("PolicyName", "work"), ("PolicyDocument", ALLOW_ALL)];
    assert_eq!(wire.call(&open.admin, "iam:PutUserPolicy", &policy).code(), "ok");
    let key = wire.call(&open.admin, "iam:CreateAccessKey", &create[..1]).credentials();
    let token = wire.call(&key, "sts:GetSessionToken", &[]).credentials();
    let look = |open: &Open| {
        let reply = open.wire().call(&open.admin, "iam:GetUser", &create[..1]);
        reply.text("User").unwrap_or_else(|| panic!("{reply:?}")).to_owned()
    };
    let (before, admin) = (look(&open), open.admin.clone());
    open.end().exits(0);
    let mode = fs::metadata(folder.path().join("world.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it has secrets in it");

    let open = Open::start(folder.path(), &["--load", "world.json"]);
    assert_eq!((look(&open), &open.admin), (before, &admin));
    assert_eq!(open.wire().list_buckets(&key).code(), "ok");
    assert_eq!(open.wire().list_buckets(&token).code(), "ok");
    open.end().exits(0);

    for (text, said) in [("{}", "no saved sandbox"), ("rubbish", "no saved sandbox")] {
        fs::write(folder.path().join("wrong.json"), text).unwrap();
        let mut load = Command::new(RINGFENCE);
        load.env_clear().current_dir(folder.path()).args([
            "sandbox",
            "--port",
            "0",
            "--load",
            "wrong.json",
        ]);
        let refused = ran(&mut load).exits(1);
        assert!(refused.err.contains(said), "{}", refused.err);
    }
}

#[test]
fn it_survives_rubbish() {
    let folder = TempDir::new().unwrap();
    let mut open = Open::start(folder.path(), &[]);
    let (wire, admin, port) = (open.wire(), open.admin.clone(), open.port);
    let good = wire.signed(&admin, "iam", "POST", b"Action=ListUsers&Version=2010-05-08");
    assert_eq!(exchange(port, &good).code(), "ok");

    // Cut at every point: never an answer that says that it was done.
    for end in (0..good.len()).step_by(7) {
        let reply = break_off(port, &good[..end]);
        assert_ne!(reply.status, 200, "cut at {end}: {}", reply.body);
        assert!(!reply.body.contains("<Users>"), "cut at {end}");
    }
    // Larger than anything IAM takes.
    let large =
        [b"Action=ListUsers&Version=2010-05-08&X=".as_slice(), &vec![b'a'; 2 << 20]].concat();
    let refused = exchange(port, &wire.signed(&admin, "iam", "POST", &large));
    assert!(matches!(refused.status, 0 | 413), "{refused:?}");
    let lying = String::from_utf8(good.clone())
        .unwrap()
        .replace("content-length: 35", "content-length: 99999999999999999999999");
    assert_ne!(break_off(port, lying.as_bytes()).status, 200);

    // Signed wrongly: another secret, another body, a cut signature, an old one.
    let wrong = Credentials::new(&admin.id, "not the secret");
    assert_eq!(wire.call(&wrong, "iam:ListUsers", &[]).code(), "SignatureDoesNotMatch");
    let changed =
        String::from_utf8(good.clone()).unwrap().replace("Action=ListUsers", "Action=ListRoles");
    assert_eq!(exchange(port, changed.as_bytes()).code(), "SignatureDoesNotMatch");
    let text = String::from_utf8(good.clone()).unwrap();
    let (before, after) = text.split_once("Signature=").unwrap();
    let cut = format!("{before}Signature={}", &after[60..]);
    assert!(matches!(exchange(port, cut.as_bytes()).status, 400 | 403));
    let old = Wire { port, now: Timestamp::now() - jiff::SignedDuration::from_mins(16) };
    assert_eq!(old.call(&admin, "iam:ListUsers", &[]).code(), "SignatureDoesNotMatch");
    let nobody = Credentials::new("AKIAAAAAAAAAAAAAAAAA", "x");
    assert_eq!(wire.call(&nobody, "iam:ListUsers", &[]).code(), "InvalidClientTokenId");
    let plain = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 35\r\nConnection: close\r\n\r\nAction=ListUsers&Version=2010-05-08"
    );
    assert_eq!(exchange(port, plain.as_bytes()).code(), "MissingAuthenticationToken");

    // No such action, none at all, names that are not names.
    for body in [
        &b"Action=MakeCoffee&Version=2010-05-08"[..],
        b"Version=2010-05-08",
        b"Action=ListUsers",
        b"Action=%00%ff&Version=%f0%9f",
        b"Action=GetUser&Version=2010-05-08&UserName=%3Cscript%3E%26%00",
        b"Action=TagUser&Version=2010-05-08&UserName=x&Tags.member.99999999999.Key=x",
        b"{\"Action\":\"ListUsers\"}",
        b"&&&===%%%",
    ] {
        let reply = exchange(port, &wire.signed(&admin, "iam", "POST", body));
        let asked = String::from_utf8_lossy(body);
        assert!(
            (400..500).contains(&reply.status) || asked == "Action=ListUsers",
            "{asked}: {reply:?}"
        );
        assert!(!reply.body.contains("<script>"), "{asked}: {reply:?}");
    }
    // Another content type: the body is no form then, so no action is asked for.
    let typed = String::from_utf8(good.clone()).unwrap().replace("x-www-form-urlencoded", "json");
    assert!((400..500).contains(&exchange(port, typed.as_bytes()).status));

    // Bytes of no protocol, the same at every run.
    let mut state: u64 = 0x5eed;
    for length in (1..2_000).step_by(37) {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .take(length)
        .collect();
        assert_ne!(break_off(port, &bytes).status, 200);
        // The same, after a head that is right.
        let mut flipped = good.clone();
        let at = length % flipped.len();
        flipped[at] = bytes[0];
        // It may fall on what is not signed; whatever it is answered, the end of the test shows
        // that nothing came of it.
        let _ = break_off(port, &flipped);
    }
    // After all that it does what it did.
    assert_eq!(exchange(port, &good).code(), "ok");
    assert!(open.child.try_wait().unwrap().is_none(), "it ended");
    let ran = open.end().exits(0);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}
