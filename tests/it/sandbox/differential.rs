//! The same random calls to the sandbox and to moto: code, shape and values of the answers have to be
//! the same, IDs and times aside, but for what [`KNOWN`] lists with its reason.

use super::place::Place;
use super::wire::{Reply, Wire, exchange};
use crate::support::{Credentials, Emulator, Kind};
use percent_encoding::percent_decode_str;
use ringfence::sandbox::ADMINISTRATOR;
use std::collections::{BTreeMap, BTreeSet};

/// How many calls a sequence has, and how many sequences are sent.
const CALLS: usize = 200;
const SEEDS: &[u64] = &[1, 2, 3];

/// Where moto is known to answer otherwise: the action (`*` for any), what differs, and why the
/// sandbox is right. What differs is an element's name, or `code OURS THEIRS`.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "CreatePolicy",
        "PermissionsBoundaryUsageCount",
        "a member of the model's Policy, which moto leaves out",
    ),
    (
        "GetPolicy",
        "PermissionsBoundaryUsageCount",
        "a member of the model's Policy, which moto leaves out",
    ),
    (
        "GetPolicy",
        "Tags",
        "without tags moto has an empty list and the sandbox none: the same to a client",
    ),
    (
        "CreatePolicyVersion",
        "Document",
        "the document is returned by GetPolicyVersion, and not by CreatePolicyVersion (model)",
    ),
    (
        "ListPolicyVersions",
        "Document",
        "the document is returned by GetPolicyVersion, and not by ListPolicyVersions (model)",
    ),
    (
        "CreateRole",
        "RoleLastUsed",
        "moto has it, empty, in a role that is new: it is GetRole's (model)",
    ),
    ("ListAccessKeys", "IsTruncated", "F18: a list says whether it is whole; moto leaves it out"),
    (
        "ListPolicyVersions",
        "IsTruncated",
        "F18: a list says whether it is whole; moto leaves it out",
    ),
    (
        "ListSSHPublicKeys",
        "IsTruncated",
        "F18: a list says whether it is whole; moto leaves it out",
    ),
    ("GetGroup", "IsTruncated", "F18: a list says whether it is whole; moto leaves it out"),
    (
        "ListAccessKeys",
        "UserName",
        "AWS's example of the answer names the user before the list too; moto does not",
    ),
    (
        "DeleteGroup",
        "code DeleteConflict ok",
        "AWS: the group must not contain any users; moto deletes it with its members",
    ),
    (
        "DeleteUser",
        "code DeleteConflict ok",
        "AWS: keys, passwords, SSH keys and memberships must go first; moto knows of policies only",
    ),
    (
        "TagUser",
        "code ValidationError ok",
        "the model's pattern for a tag's value has no `&`; moto takes it",
    ),
    (
        "UploadSSHPublicKey",
        "Fingerprint",
        "AWS: an MD5 of the key with colons; moto hashes the whole line, without colons",
    ),
];

const DOCUMENTS: &[&str] = &[
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#,
    r#"{"Version":"2012-10-17","Statement":[{"Sid":"No","Effect":"Deny","Action":["iam:*","sts:*"],"Resource":"*"}]}"#,
    r#"{ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*" } }"#,
];
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;
const SSH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl nobody";
const USERS: &[&str] = &["ada", "bob", "cyd", "Dan@example.com"];
const GROUPS: &[&str] = &["ops", "dev"];
const ROLES: &[&str] = &["build", "release"];
const POLICIES: &[&str] = &["read", "write", "admin"];
const PATHS: &[&str] = &["/", "/team/", "/a/b/"];

/// Numbers that are the same for a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn of<'t>(&mut self, words: &[&'t str]) -> &'t str {
        words[self.below(words.len())]
    }
}

/// A value of a parameter: the same for both, or an ID that each has its own of.
#[derive(Clone, Debug)]
enum Value {
    Same(String),
    Own([String; 2]),
}

struct Planned {
    action: &'static str,
    with: Vec<(&'static str, Value)>,
}

/// IDs that an earlier call gave: whose, and what each calls it.
#[derive(Default)]
struct Ids {
    keys: Vec<(String, [String; 2])>,
    ssh: Vec<(String, [String; 2])>,
}

fn planned(dice: &mut Dice, ids: &Ids) -> Planned {
    let same = |text: &str| Value::Same(text.to_owned());
    let user = dice.of(USERS);
    let group = dice.of(GROUPS);
    let role = dice.of(ROLES);
    let policy = dice.of(POLICIES);
    let document = dice.of(DOCUMENTS);
    let arn = format!("arn:aws:iam::123456789012:policy/{policy}");
    let status = dice.of(&["Active", "Inactive"]);
    let version = dice.of(&["v1", "v2", "v3"]);
    let pick = |dice: &mut Dice, known: &[(String, [String; 2])]| {
        if known.is_empty() || dice.below(8) == 0 {
            return (user.to_owned(), Value::Same("NOSUCHIDNOSUCHIDNOSUCHID".to_owned()));
        }
        let (owner, ids) = &known[dice.below(known.len())];
        (owner.clone(), Value::Own(ids.clone()))
    };
    let (key_owner, key) = pick(dice, &ids.keys);
    let (ssh_owner, ssh) = pick(dice, &ids.ssh);
    let u = ("UserName", same(user));
    let g = ("GroupName", same(group));
    let r = ("RoleName", same(role));
    let p = ("PolicyName", same(policy));
    let d = ("PolicyDocument", same(document));
    let a = ("PolicyArn", same(&arn));
    let path = ("Path", same(dice.of(PATHS)));
    let tag_key = dice.of(&["team", "Cost Centre", "x"]);
    let tag_value = dice.of(&["", "red & blue", "42"]);
    let key_status = ("Status", same(status));
    let (action, with): (&str, Vec<(&str, Value)>) = match dice.below(54) {
        0..=3 => ("CreateUser", vec![u, path]),
        4 => ("DeleteUser", vec![u]),
        5 | 6 => ("GetUser", vec![u]),
        7 => ("ListUsers", vec![]),
        8 | 9 => ("CreateGroup", vec![g]),
        10 => ("DeleteGroup", vec![g]),
        11 => ("GetGroup", vec![g]),
        12 | 13 => ("AddUserToGroup", vec![g, u]),
        14 => ("RemoveUserFromGroup", vec![g, u]),
        15 => ("ListGroupsForUser", vec![u]),
        16 | 17 => ("PutUserPolicy", vec![u, p, d]),
        18 => ("GetUserPolicy", vec![u, p]),
        19 => ("DeleteUserPolicy", vec![u, p]),
        20 => ("ListUserPolicies", vec![u]),
        21 | 22 => ("CreatePolicy", vec![p, d]),
        23 => ("GetPolicy", vec![a]),
        24 | 25 => ("AttachUserPolicy", vec![u, a]),
        26 => ("DetachUserPolicy", vec![u, a]),
        27 => ("ListAttachedUserPolicies", vec![u]),
        28 | 29 => {
            ("CreatePolicyVersion", vec![a, d, ("SetAsDefault", same(dice.of(&["true", "false"])))])
        }
        30 => ("ListPolicyVersions", vec![a]),
        31 => ("GetPolicyVersion", vec![a, ("VersionId", same(version))]),
        32 => ("DeletePolicyVersion", vec![a, ("VersionId", same(version))]),
        33 => ("SetDefaultPolicyVersion", vec![a, ("VersionId", same(version))]),
        34 | 35 => ("CreateAccessKey", vec![u]),
        36 => ("ListAccessKeys", vec![u]),
        37 => (
            "UpdateAccessKey",
            vec![("UserName", same(&key_owner)), ("AccessKeyId", key), key_status],
        ),
        38 => ("DeleteAccessKey", vec![("UserName", same(&key_owner)), ("AccessKeyId", key)]),
        39 => ("CreateLoginProfile", vec![u, ("Password", same("Correct-Horse-9-Battery"))]),
        40 => ("GetLoginProfile", vec![u]),
        41 => ("DeleteLoginProfile", vec![u]),
        42 => (
            "TagUser",
            vec![u, ("Tags.member.1.Key", same(tag_key)), ("Tags.member.1.Value", same(tag_value))],
        ),
        43 => ("UntagUser", vec![u, ("TagKeys.member.1", same(tag_key))]),
        44 => ("ListUserTags", vec![u]),
        45 => ("CreateRole", vec![r, ("AssumeRolePolicyDocument", same(TRUST))]),
        46 => ("GetRole", vec![r]),
        47 => ("PutRolePolicy", vec![r, p, d]),
        48 => ("ListRolePolicies", vec![r]),
        49 => ("DeleteRole", vec![r]),
        50 => ("UploadSSHPublicKey", vec![u, ("SSHPublicKeyBody", same(SSH_KEY))]),
        51 => ("ListSSHPublicKeys", vec![u]),
        52 => (
            "UpdateSSHPublicKey",
            vec![("UserName", same(&ssh_owner)), ("SSHPublicKeyId", ssh), key_status],
        ),
        _ => ("DeleteSSHPublicKey", vec![("UserName", same(&ssh_owner)), ("SSHPublicKeyId", ssh)]),
    };
    Planned { action, with }
}

/// The leaves of an answer, in their order within each list, sorted where IAM promises no order: the
/// path, and the value where it can be the same.
fn leaves(reply: &Reply) -> Vec<(String, String)> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(&reply.body);
    let (mut path, mut text, mut found) = (Vec::<String>::new(), String::new(), Vec::new());
    let mut leaf = false;
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {}", reply.body)) {
            Event::Start(start) => {
                path.push(String::from_utf8(start.local_name().as_ref().to_vec()).unwrap());
                text.clear();
                leaf = true;
            }
            Event::Empty(empty) => {
                let name = String::from_utf8(empty.local_name().as_ref().to_vec()).unwrap();
                found.push((format!("{}/{name}", path.join("/")), String::new()));
                leaf = false;
            }
            Event::Text(piece) => text.push_str(&piece.decode().unwrap()),
            Event::GeneralRef(name) => text.push_str(match &*name.decode().unwrap() {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" | "#34" => "\"",
                "apos" | "#39" => "'",
                "#xA" | "#10" => "\n",
                other => panic!("&{other};"),
            }),
            Event::End(_) => {
                if leaf {
                    found.push((path.join("/"), plain(path.last().unwrap(), text.trim())));
                }
                leaf = false;
                path.pop();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    found.retain(|(path, _)| !path.contains("ResponseMetadata"));
    found
}

/// A value without what each makes up.
fn plain(name: &str, text: &str) -> String {
    match name {
        "UserId" | "GroupId" | "RoleId" | "PolicyId" | "AccessKeyId" | "SecretAccessKey"
        | "SSHPublicKeyId" => "an ID".to_owned(),
        "CreateDate" | "UpdateDate" | "UploadDate" => "a time".to_owned(),
        "PolicyDocument" | "Document" | "AssumeRolePolicyDocument" => {
            let text = percent_decode_str(text).decode_utf8_lossy().into_owned();
            serde_json::from_str::<serde_json::Value>(&text).map_or(text, |value| value.to_string())
        }
        _ => text.to_owned(),
    }
}

/// What differs between two answers.
fn differences(ours: &Reply, theirs: &Reply) -> BTreeSet<String> {
    if ours.code() != theirs.code() {
        return BTreeSet::from([format!("code {} {}", ours.code(), theirs.code())]);
    }
    if ours.status != theirs.status {
        return BTreeSet::from([format!("status {} {}", ours.status, theirs.status)]);
    }
    if ours.status != 200 {
        // The code is the contract; the words are nobody's.
        return BTreeSet::new();
    }
    let (ours, theirs) = (leaves(ours), leaves(theirs));
    let only = |a: &[(String, String)], b: &[(String, String)]| -> Vec<String> {
        let mut rest = b.to_vec();
        let mut left = Vec::new();
        for leaf in a {
            match rest.iter().position(|other| other == leaf) {
                Some(at) => drop(rest.remove(at)),
                None => left.push(leaf.0.rsplit('/').next().unwrap().to_owned()),
            }
        }
        left
    };
    only(&ours, &theirs).into_iter().chain(only(&theirs, &ours)).collect()
}

fn reason(action: &str, difference: &str) -> Option<usize> {
    KNOWN.iter().position(|(of, what, _)| (*of == action || *of == "*") && *what == difference)
}

/// The two, empty, and what they have called things so far.
struct Pair {
    place: Place,
    wires: [Wire; 2],
    callers: [Credentials; 2],
    ids: Ids,
}

impl Pair {
    /// Both from the beginning.
    fn new(moto: &Emulator) -> Self {
        exchange(moto.port, b"POST /moto-api/reset HTTP/1.1\r\nHost: moto\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let place = Place::new();
        let wires = [place.wire(), Wire { port: moto.port, now: moto.clock.now() }];
        let callers = [place.admin(), Credentials::root()];
        // The sandbox begins with its administrator, so moto is given one of that name too.
        let made = wires[1].call(&callers[1], "iam:CreateUser", &[("UserName", ADMINISTRATOR)]);
        assert_eq!(made.code(), "ok", "{}", made.body);
        Self { place, wires, callers, ids: Ids::default() }
    }

    fn ask(&mut self, call: &Planned) -> [Reply; 2] {
        self.wires[0].now = self.place.clock.now();
        let replies = [0, 1].map(|side| {
            let with: Vec<(&str, &str)> = call
                .with
                .iter()
                .map(|(name, value)| match value {
                    Value::Same(text) => (*name, text.as_str()),
                    Value::Own(ids) => (*name, ids[side].as_str()),
                })
                .collect();
            self.wires[side].call(&self.callers[side], &format!("iam:{}", call.action), &with)
        });
        let user = call.with.iter().find_map(|(name, value)| match value {
            Value::Same(text) if *name == "UserName" => Some(text.clone()),
            _ => None,
        });
        let pair =
            |element| replies.each_ref().map(|reply| reply.text(element).unwrap().to_owned());
        if let (Some(user), true) = (user, replies.iter().all(|reply| reply.code() == "ok")) {
            match call.action {
                "CreateAccessKey" => self.ids.keys.push((user, pair("AccessKeyId"))),
                "UploadSSHPublicKey" => self.ids.ssh.push((user, pair("SSHPublicKeyId"))),
                _ => {}
            }
        }
        replies
    }
}

#[test]
fn two_hundred_random_calls_are_answered_as_moto_answers_them() {
    let moto = Emulator::start(Kind::Moto, &[]);
    let (mut met, mut unknown, mut codes) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    for seed in SEEDS {
        let mut dice = Dice(*seed);
        let mut pair = Pair::new(&moto);
        for number in 0..CALLS {
            let call = planned(&mut dice, &pair.ids);
            let [ours, theirs] = pair.ask(&call);
            codes.insert(format!("{} {}", call.action, ours.code()));
            for difference in differences(&ours, &theirs) {
                // One has done what the other has not: from here on they are two different accounts.
                if difference.starts_with("code ") {
                    pair = Pair::new(&moto);
                }
                match reason(call.action, &difference) {
                    Some(known) => drop(met.insert(known)),
                    None => {
                        let what = format!("{}: {difference}", call.action);
                        let seen = format!(
                            "seed {seed}, call {number}: {:?}\n{}\n{}",
                            call.with, ours.body, theirs.body
                        );
                        unknown.entry(what).or_insert(seen);
                    }
                }
            }
        }
    }
    let unknown: Vec<String> =
        unknown.iter().map(|(what, seen)| format!("{what}\n{seen}\n")).collect();
    assert!(unknown.is_empty(), "not in the table:\n{}", unknown.join("\n"));
    for (index, (action, what, why)) in KNOWN.iter().enumerate() {
        assert!(met.contains(&index), "{action}: {what} ({why}) is in the table, and was not met");
        println!("{action}: {what}: {why}");
    }
    // A sequence in which nothing comes about would show nothing.
    assert!(codes.iter().filter(|code| code.ends_with(" ok")).count() >= 40, "{codes:?}");
    assert!(codes.iter().filter(|code| !code.ends_with(" ok")).count() >= 20, "{codes:?}");
}
