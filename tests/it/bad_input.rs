//! What must be refused: with the right exit status, a line that says what, why and what to do, and
//! nothing written, neither to IAM nor to the state.

use crate::support::{ALLOW_ALL, Credentials, Fault, Invocation, Kind, World};
use insta::assert_snapshot;
use jiff::SignedDuration;
use std::fs;
use std::sync::mpsc;

/// A long-term key that no account has.
const NOBODYS_KEY: &str = "AKIA3EXAMPLE4LEAKED1";

/// Runs what is no command: exit 64, and not one call. Returns what was said, without the usage.
#[track_caller]
fn usage(world: &World, arguments: &[&str]) -> String {
    world.proxy.take_calls();
    let ran = world.ringfence(arguments).exits(64);
    assert!(world.proxy.calls().is_empty(), "it was tried all the same");
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!ran.err.contains(control), "not escaped: {:?}", ran.err);
    let lines: Vec<&str> = ran.err.lines().take_while(|line| !line.is_empty()).collect();
    lines.join("\n")
}

#[test]
fn whom_to_contain() {
    let world = World::ministack();
    world.admin.role("Deployer");

    assert_snapshot!(world.refused(1, &["plan", "--user", "nobody"]), @"
    error: there is no user `nobody` in account 123456789012
    hint: list the users: aws iam list-users
    ");
    assert_snapshot!(world.refused(1, &["plan", "--user", "Deployer"]), @"
    error: `Deployer` is a role, not a user
    hint: name it as what it is: --role Deployer
    ");
    assert_snapshot!(world.refused(1, &["plan", "--user", "root"]), @"
    error: `root` is no IAM user
      cause: no policy of the account contains root
    hint: sign in as root, delete its access keys, change the password, check the MFA devices and the recovery address, end what the key started
    ");
    assert_snapshot!(world.refused(1, &["plan", "--access-key", "ASIA3EXAMPLE4SESSION"]), @"
    error: access key `ASIA3EXAMPLE4SESSION` is temporary
      cause: it is a session's key: it has no status to change and no owner to look up
    hint: find the long-term key that made it: ringfence trace --access-key ASIA3EXAMPLE4SESSION --logs PATH
    hint: then contain what it has found: ringfence plan --from TRACE.json
    ");
    // ministack works an account out from a key that it does not know, so it is another's.
    assert_snapshot!(world.refused(1, &["plan", "--access-key", NOBODYS_KEY]), @"
    error: access key `AKIA3EXAMPLE4LEAKED1` belongs to account 766048500425, the caller is in 123456789012
    hint: use credentials of that account: --profile NAME
    ");
    // Neither emulator lets root have a key: this is how AWS answers for one.
    let roots = "<GetAccessKeyLastUsedResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetAccessKeyLastUsedResult>\
         <AccessKeyLastUsed><Region>us-east-1</Region><ServiceName>iam</ServiceName></AccessKeyLastUsed>\
         <UserName>&lt;root_account&gt;</UserName></GetAccessKeyLastUsedResult></GetAccessKeyLastUsedResponse>";
    world.proxy.next(1, "GetAccessKeyLastUsed", Fault::Answer(200, roots.to_owned()));
    assert_snapshot!(world.refused(1, &["plan", "--access-key", NOBODYS_KEY]), @"
    error: access key `AKIA3EXAMPLE4LEAKED1` belongs to root, not to a user
      cause: no policy of the account contains root
    hint: sign in as root, delete its access keys, change the password, check the MFA devices and the recovery address, end what the key started
    ");
    assert_snapshot!(world.refused(64, &["plan"]), @"
    error: nobody was named
    hint: --user NAME, --role NAME, --access-key ID, --access-keys-from FILE
    hint: or what is known already: --from TRACE.json, --finding FILE
    ");
    assert_snapshot!(world.refused(64, &["apply"]), @"
    error: nobody was named
    hint: --user NAME, --role NAME, --access-key ID, --access-keys-from FILE
    hint: or what is known already: --from TRACE.json, --finding FILE
    ");
    assert_snapshot!(world.refused(64, &["apply", "--again"]), @"
    error: `--again` needs to know for whom
    hint: --user NAME, or --role NAME
    ");
    assert_snapshot!(world.refused(1, &["status", "--user", "nobody"]), @"
    error: there is no state for user `nobody` in `state`
    hint: ringfence state list shows whose there are; --state names another place
    ");
    assert_snapshot!(world.refused(1, &["rollback", "--user", "nobody"]), @"
    error: there is no state for user `nobody` in `state`
    hint: ringfence state list shows whose there are; --state names another place
    ");
    assert_snapshot!(world.refused(1, &["apply", "--again", "--user", "nobody"]), @"
    error: there is no state for user `nobody` in `state`
    hint: ringfence state list shows whose there are; --state names another place
    ");
    assert_snapshot!(world.refused(1, &["state", "show", "nobody"]), @"
    error: there is no state for user or role `nobody` in `state`
    hint: ringfence state list shows whose there are; --state names another place
    ");
    assert_snapshot!(world.refused(1, &["show", "20260101T000000Z-00000000"]), @"
    error: `20260101T000000Z-LINEAGE8` is neither a file nor a run
    hint: ringfence state history USER lists the runs there are
    ");

    world.write("keys", "# from the scanner\nAKIA3EXAMPLE4LEAKED1\n\n  not a key \n");
    assert_snapshot!(world.refused(1, &["plan", "--access-keys-from", "keys"]), @"
    error: `not a key` is no access key ID (`keys`, line 4)
      cause: expected an access key ID of 16 to 128 letters and digits
    hint: one ID a line; lines that begin with # are left out
    ");
    world.write("keys", "# nothing here\n");
    assert_snapshot!(world.refused(1, &["plan", "--access-keys-from", "keys"]), @"
    error: `keys` names no access key
    hint: one ID a line; lines that begin with # are left out
    ");
    world.write("keys", [0xff, 0xfe, 0x00, 0x1b, b'[', b'2', b'J', b'\n']);
    assert_snapshot!(world.refused(1, &["plan", "--access-keys-from", "keys"]), @r"
    error: `��\0\u{1b}[2J` is no access key ID (`keys`, line 1)
      cause: expected an access key ID of 16 to 128 letters and digits
    hint: one ID a line; lines that begin with # are left out
    ");
    assert_snapshot!(world.refused(1, &["plan", "--access-keys-from", "no-such-file"]), @"
    error: `no-such-file` could not be read
      cause: No such file or directory (os error 2)
    hint: give the path of a file that this account of the machine may read
    ");
}

#[test]
fn a_key_that_nobody_has() {
    let world = World::moto();
    assert_snapshot!(world.refused(1, &["plan", "--access-key", NOBODYS_KEY]), @"
    error: there is no access key `AKIA3EXAMPLE4LEAKED1` in account 123456789012
      cause: NoSuchEntity: The Access Key with id AKIA3EXAMPLE4LEAKED1 cannot be found
    hint: check the ID; it may have been deleted: leave it out, or name its user: --user NAME
    ");
}

#[test]
fn names_on_the_command_line() {
    let world = World::ministack();
    let long = "a".repeat(129);
    assert_snapshot!(usage(&world, &["plan", "--user", ""]), @"error: invalid value '' for '--user <NAME>': expected a name of 1 to 128 letters, digits or any of _+=,.@-");
    assert_snapshot!(usage(&world, &["plan", "--user", "../../etc/passwd"]), @"error: invalid value '../../etc/passwd' for '--user <NAME>': expected a name of 1 to 128 letters, digits or any of _+=,.@-");
    assert_snapshot!(usage(&world, &["plan", "--user", "a\u{1b}[2J\nb"]), @r"
    error: invalid value 'a\u{1b}[2J
    b' for '--user <NAME>': expected a name of 1 to 128 letters, digits or any of _+=,.@-
    ");
    assert_snapshot!(usage(&world, &["plan", "--user", &long]), @"error: invalid value 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' for '--user <NAME>': expected a name of 1 to 128 letters, digits or any of _+=,.@-");
    let arn = "arn:aws:iam::999999999999:role/team/ci";
    for verb in ["plan", "status", "rollback"] {
        let said = usage(&world, &[verb, "--role", arn]);
        let wanted =
            "the name alone is wanted: --role ci, with credentials of account 999999999999";
        assert!(said.contains(wanted), "{said}");
    }
    let said = usage(&world, &["plan", "--role", &"a".repeat(65)]);
    assert!(said.contains("expected a role name of 1 to 64 letters"), "{said}");
    assert_snapshot!(usage(&world, &["plan", "--access-key", "AKIA3EX"]), @"error: invalid value 'AKIA3EX' for '--access-key <ID>': expected an access key ID of 16 to 128 letters and digits");
    assert_snapshot!(usage(&world, &["plan", "--access-key", "AKIA3EXAMPLE4LEAK/1"]), @"error: invalid value 'AKIA3EXAMPLE4LEAK/1' for '--access-key <ID>': expected an access key ID of 16 to 128 letters and digits");
    assert_snapshot!(usage(&world, &["rollback", "--user", "a", "--take", "access_key/../x"]), @"error: invalid value 'access_key/../x' for '--take <RESOURCE>': `access_key/../x` is no resource: expected KIND/ID, such as access_key/AKIA… or inline_policy/NAME");
    assert_snapshot!(usage(&world, &["rollback", "--user", "a", "--reactivate-key", "x\u{202e}y"]), @r"error: invalid value 'x\u{202e}y' for '--reactivate-key <ID>': expected an access key ID of 16 to 128 letters and digits");
    assert_snapshot!(usage(&world, &["plan", "--user", "a", "--since", "yesterday"]), @"error: invalid value 'yesterday' for '--since <TIME>': expected a time with its zone, such as 2026-11-21T01:40Z");
    assert_snapshot!(usage(&world, &["plan", "--user", "a", "--incident", "a\u{7}b"]), @r"error: invalid value 'a\u{7}b' for '--incident <ID>': expected 1 to 128 letters, digits or any of . _ : / -");
    assert_snapshot!(usage(&world, &["plan", "--user", "a", "--format", "yaml"]), @"
    error: invalid value 'yaml' for '--format <FORMAT>'
      [possible values: text, json, markdown, commands]
    ");
    assert_snapshot!(usage(&world, &["plan", "--user", "a", "--lock-timeout", "soon"]), @"error: invalid value 'soon' for '--lock-timeout <D>': expected a duration, such as 30s or 5m");
    assert_snapshot!(usage(&world, &["contain", "--user", "a"]), @"error: unrecognized subcommand 'contain'");
    assert_snapshot!(usage(&world, &["apply", "plan.json", "--user", "a"]), @"error: the argument '[FILE]' cannot be used with '--user <NAME>'");
    assert_snapshot!(world.refused(64, &["plan", "--user", "a", "--since", "2999-01-01T00:00Z"]), @"
    error: `--since 2999-01-01T00:00:00Z` lies ahead
    hint: it is the time of the exposure, in UTC unless it says otherwise
    ");
    assert_snapshot!(world.refused(64, &["plan", "--user", "a", "--format", "commands"]), @"
    error: `--format commands` goes with `show` only
    hint: ringfence plan … --out FILE, then ringfence show FILE --format commands
    ");

    // The longest name there can be is a name like any other.
    let longest = "x".repeat(128);
    assert_snapshot!(world.refused(1, &["plan", "--user", &longest]), @"
    error: there is no user `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` in account 123456789012
    hint: list the users: aws iam list-users
    ");
    // What looks like a path is none: neither `show` nor `state` leaves its folder.
    assert_snapshot!(world.refused(1, &["show", "../../../etc/\u{1b}[2Jshadow"]), @r"
    error: `../../../etc/\u{1b}[2Jshadow` is neither a file nor a run
    hint: ringfence state history USER lists the runs there are
    ");
    assert_snapshot!(world.refused(1, &["state", "show", "../../etc/\u{1b}[2Jpasswd"]), @r"
    error: there is no state for user or role `../../etc/\u{1b}[2Jpasswd` in `state`
    hint: ringfence state list shows whose there are; --state names another place
    ");
    assert_snapshot!(world.refused(1, &["plan", "--user", "a", "--posture", "\u{1b}[2Jrevoke"]), @r"
    error: there is no posture `\u{1b}[2Jrevoke`
      cause: known are lockdown, quarantine or revoke
    hint: a posture of your own stands in ringfence.toml as [posture.NAME]
    ");
}

#[test]
fn who_calls() {
    let mut world = World::ministack();
    let victim = world.victim("deploy-bot");
    let plan = ["plan", "--user", "deploy-bot"];
    let with = |world: &World, code, change: &dyn Fn(Invocation<'_>) -> Invocation<'_>| {
        world.refuses(code, change(world.command(&plan)))
    };

    assert_snapshot!(with(&world, 1, &|c| c.without_credentials()), @"
    error: no AWS credentials were found
      cause: no credentials in the environment, the shared configuration or the machine
    hint: log in with `aws login` or `aws sso login`, or name a profile: --profile NAME
    ");
    world.write("config", "[profile empty]\nregion = us-east-1\n");
    let config = world.path("config");
    assert_snapshot!(world.refused(1, &["plan", "--user", "deploy-bot", "--profile", "nobody's"]), @"
    error: profile `nobody's` gives no AWS credentials
      cause: the shared AWS configuration names none for it
    hint: list the profiles: aws configure list-profiles
    hint: log in with `aws login` or `aws sso login`, or name a profile: --profile NAME
    ");
    let empty = world
        .command(&["plan", "--user", "deploy-bot", "--profile", "empty"])
        .without_credentials();
    assert_snapshot!(world.refuses(1, empty.env("AWS_CONFIG_FILE", &config)), @"
    error: profile `empty` gives no AWS credentials
      cause: the shared AWS configuration names none for it
    hint: list the profiles: aws configure list-profiles
    hint: log in with `aws login` or `aws sso login`, or name a profile: --profile NAME
    ");

    let wrong = Credentials { secret: "wrong".to_owned(), ..world.responder.clone() };
    assert_snapshot!(with(&world, 1, &|c| c.credentials(&wrong)), @"
    error: `http://127.0.0.1:PORT` does not accept the credentials
      cause: SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.
    hint: see which ones are used: aws sts get-caller-identity; another profile: --profile NAME
    ");
    assert_snapshot!(with(&world, 1, &|c| c.credentials(&Credentials::new(NOBODYS_KEY, "secret"))), @"
    error: `http://127.0.0.1:PORT` does not accept the credentials
      cause: InvalidClientTokenId: The security token included in the request is invalid.
    hint: see which ones are used: aws sts get-caller-identity; another profile: --profile NAME
    ");
    let session = world.client(&world.responder).token(900);
    assert_eq!(world.command(&plan).credentials(&session).run().code, 0);
    world.emulator.clock.forward(SignedDuration::from_secs(901));
    assert_snapshot!(with(&world, 1, &|c| c.credentials(&session)), @"
    error: the AWS session has expired
      cause: ExpiredToken: The security token included in the request is expired
    hint: log in again with `aws login` or `aws sso login`, or renew the token
    ");

    // The target itself, a session of it, and a federated user, whose parent nobody sees.
    assert_snapshot!(with(&world, 4, &|c| c.credentials(&victim)), @"
    error: the caller is `deploy-bot` itself
      cause: containing it would take the caller's own access away
    hint: call as a role or another user: --profile NAME
    ");
    let session = world.client(&victim).token(900);
    assert_snapshot!(with(&world, 4, &|c| c.credentials(&session)), @"
    error: the caller is `deploy-bot` itself
      cause: containing it would take the caller's own access away
    hint: call as a role or another user: --profile NAME
    ");
    let federated = world.client(&world.responder).federated("pat");
    assert_snapshot!(with(&world, 4, &|c| c.credentials(&federated)), @"
    error: the caller is the federated user `pat`
      cause: the user behind a federated session cannot be seen, and may be the target
    hint: call as a role or a user: --profile NAME
    ");
    // Nor can it apply, or release, what another has planned.
    world
        .ringfence(&["plan", "--user", "deploy-bot", "--posture", "lockdown", "--out", "plan.json"])
        .ok();
    let apply = ["apply", "plan.json", "--auto-approve"];
    assert_snapshot!(world.refuses(4, world.command(&apply).credentials(&victim)), @"
    error: the caller is `deploy-bot` itself
      cause: containing it would take the caller's own access away
    hint: call as a role or another user: --profile NAME
    ");
    assert_snapshot!(world.refuses(4, world.command(&apply).credentials(&federated)), @"
    error: the caller is the federated user `pat`
      cause: the user behind a federated session cannot be seen, and may be the target
    hint: call as a role or a user: --profile NAME
    ");

    // Nobody there, somebody else there, and an address that is none.
    assert_snapshot!(world.refused(1, &["plan", "--user", "deploy-bot", "--endpoint-url", "nonsense"]), @"
    error: `nonsense` is no endpoint URL
    hint: write it with its scheme, such as https://iam.amazonaws.com or http://127.0.0.1:4566
    ");
    world
        .proxy
        .always("GetCallerIdentity", Fault::Answer(404, "<html>Not Found</html>".to_owned()));
    let said = world.ringfence(&plan).exits(1).err;
    assert_snapshot!(world.redact(&said), @"
    error: `sts:GetCallerIdentity` failed at `http://127.0.0.1:PORT`
      cause: HTTP 404 with a body that is no answer of this service
    ");
    world.proxy.heal();
    world.emulator.kill();
    let url = world.emulator.url();
    let said = world.refuses(1, world.command(&plan).endpoint(&url));
    assert_snapshot!(said.replace(&url, "http://127.0.0.1:GONE"), @"
    error: `http://127.0.0.1:GONE` cannot be reached
      cause: tcp connect error: Connection refused (os error 111)
    hint: check --endpoint-url, AWS_ENDPOINT_URL, the proxy and the network
    ");
}

#[test]
fn permissions_that_are_missing() {
    let world = World::ministack();
    let victim = world.victim("deploy-bot");
    let user = ["plan", "--user", "deploy-bot"];
    let key = ["plan", "--access-key", &victim.id];

    // Somebody who may do nothing at all, for real.
    world.admin.make(world.admin.iam.create_user().user_name("intern").send());
    let intern = world.admin.key("intern");
    assert_snapshot!(world.refuses(1, world.command(&user).credentials(&intern)), @"
    error: may not read user `deploy-bot`: `iam:GetUser` is missing
      cause: AccessDenied: User: arn:aws:iam::123456789012:user/intern is not authorized to perform: iam:GetUser because no identity-based policy allows the iam:GetUser action
    hint: examples/responder-policy.json grants what ringfence needs
    ");
    assert_snapshot!(world.refuses(1, world.command(&key).credentials(&intern)), @"
    error: may not read the owner of access key `KEY-OF-DEPLOY-BOT___`: `iam:GetAccessKeyLastUsed` is missing
      cause: AccessDenied: User: arn:aws:iam::123456789012:user/intern is not authorized to perform: iam:GetAccessKeyLastUsed because no identity-based policy allows the iam:GetAccessKeyLastUsed action
    hint: examples/responder-policy.json grants what ringfence needs
    hint: or name the user: --user NAME
    ");

    // One permission is missing, in the words of AWS.
    for (action, arguments) in
        [("GetUser", user), ("GetAccessKeyLastUsed", key), ("ListAccessKeys", user)]
    {
        world.proxy.always(action, Fault::Deny);
        let said = world.refused(1, &arguments);
        world.proxy.heal();
        match action {
            "GetUser" => insta::allow_duplicates!(assert_snapshot!(said, @"
            error: may not read user `deploy-bot`: `iam:GetUser` is missing
              cause: AccessDenied: User: arn:aws:iam::123456789012:user/responder is not authorized to perform: iam:GetUser on resource: user deploy-bot because no identity-based policy allows the iam:GetUser action
            hint: examples/responder-policy.json grants what ringfence needs
            ")),
            "GetAccessKeyLastUsed" => insta::allow_duplicates!(assert_snapshot!(said, @"
            error: may not read the owner of access key `KEY-OF-DEPLOY-BOT___`: `iam:GetAccessKeyLastUsed` is missing
              cause: AccessDenied: User: arn:aws:iam::123456789012:user/responder is not authorized to perform: iam:GetAccessKeyLastUsed on resource: user because no identity-based policy allows the iam:GetAccessKeyLastUsed action
            hint: examples/responder-policy.json grants what ringfence needs
            hint: or name the user: --user NAME
            ")),
            _ => insta::allow_duplicates!(assert_snapshot!(said, @"
            error: the access keys of `deploy-bot` cannot be listed: `iam:ListAccessKeys` is missing
              cause: AccessDenied: User: arn:aws:iam::123456789012:user/responder is not authorized to perform: iam:ListAccessKeys on resource: user deploy-bot because no identity-based policy allows the iam:ListAccessKeys action
            hint: examples/responder-policy.json grants what ringfence needs
            hint: or name the leaked key: --access-key ID
            ")),
        }
    }

    // With the key named the listing is not needed: what is not read is said, and the key goes off.
    for action in [
        "ListAccessKeys",
        "ListUserPolicies",
        "GetLoginProfile",
        "ListGroupsForUser",
        "GetAccountSummary",
    ] {
        world.proxy.always(action, Fault::Deny);
    }
    let plan = world.ringfence(&key).ok();
    for missing in [
        "iam:ListAccessKeys",
        "iam:ListUserPolicies",
        "iam:GetLoginProfile",
        "iam:ListGroupsForUser",
    ] {
        assert!(plan.out.contains(missing), "{missing}:\n{}", plan.out);
    }
    let strict = ["plan", "--access-key", &victim.id, "--strict"];
    assert_snapshot!(world.refused(4, &strict), @"
    error: access keys of user `deploy-bot` could not be read
      cause: iam:ListAccessKeys: AccessDenied: User: arn:aws:iam::123456789012:user/responder is not authorized to perform: iam:ListAccessKeys on resource: user deploy-bot because no identity-based policy allows the iam:ListAccessKeys action
    hint: grant the action (examples/responder-policy.json has them all), or leave --strict out
    ");
    // What was done cannot be read back, so nothing is claimed, and it is not complete.
    let ran = world.ringfence(&["apply", "--access-key", &victim.id, "--auto-approve"]).exits(6);
    let (_, ending) = ran.out.split_once("Reality is as planned").unwrap();
    assert_snapshot!(world.redact(ending), @"
     (12 calls, 1 round trip)

      wave 1  access_key/KEY-OF-DEPLOY-BOT___       Inactive        03:10:00Z N.N s
      wave 2  inline_policy/RingfenceFence-LINEAGE8 fence 03:25:01Z 03:10:00Z N.N s
    2 calls were accepted: nothing was read back.
    NOT complete:
      ! access keys could not be read (iam:ListAccessKeys)
      ! access_key/KEY-OF-DEPLOY-BOT___ could not be read
      ! inline_policy/RingfenceFence-LINEAGE8 could not be read
          ringfence apply --again --user deploy-bot
    The fence may be lifted after 2024-11-22T15:30:01Z.
    Run 20241121T031000Z-LINEAGE8, serial 2,
    journal head SHA256
    ");
    assert_eq!(world.facts("deploy-bot")[&format!("access_key/{}", victim.id)], "Inactive");
}

#[test]
fn files_that_are_wrong() {
    let world = World::ministack();
    world.victim("deploy-bot");
    let plan = ["plan", "--user", "deploy-bot"];

    for (text, n) in [
        ("[state\nlocation = 1\n", 0),
        ("[guard]\nprotected = [\"a\"]\n", 1),
        ("[posture.mine]\nextends = \"revoke\"\nacess_keys = \"all\"\n", 2),
        ("[posture.mine]\nextends = \"revoke\"\naccess_keys = \"some\"\n", 3),
        ("[posture.mine]\nextends = \"revoke\"\nfence_margin = \"29s\"\n", 4),
        ("[posture.mine]\nextends = \"revok\"\n", 5),
        ("[approval]\nrequired = \"two\"\n", 6),
        ("[posture.\"\\u001b[2J\"]\nextends = \"revoke\"\ngroups = \"\\u0007\"\n", 7),
    ] {
        world.write("ringfence.toml", text);
        let said = world.refused(1, &plan);
        assert!(
            world.proxy.calls().is_empty(),
            "nobody is asked before the configuration is understood"
        );
        match n {
            0 => assert_snapshot!(said, @"
            error: the TOML is malformed (`ringfence.toml`, line 1)
              cause: unclosed table, expected `]`
            hint: examples/ringfence.toml shows every section, rule and value
            "),
            1 => assert_snapshot!(said, @"
            error: `protected` is unknown here: expected protected_users or protected_roles (`ringfence.toml`, line 2)
            hint: examples/ringfence.toml shows every section, rule and value
            "),
            2 => assert_snapshot!(said, @"
            error: `acess_keys` is no rule of a posture: expected access_keys, sessions, permissions, login_profile, ssh_keys, signing_certificates, service_credentials, groups, permissions_boundary or fence_margin (`ringfence.toml`, line 3)
            hint: examples/ringfence.toml shows every section, rule and value
            "),
            3 => assert_snapshot!(said, @"
            error: `some` is no value of `access_keys`: expected keep, named or all (`ringfence.toml`, line 3)
            hint: examples/ringfence.toml shows every section, rule and value
            "),
            4 => assert_snapshot!(said, @"
            error: `29s` is no `fence_margin`: expected a duration of at least 30s, such as 90s or 5m (`ringfence.toml`, line 3)
            hint: examples/ringfence.toml shows every section, rule and value
            "),
            5 => assert_snapshot!(said, @"
            error: `revok` is no built-in posture (`ringfence.toml`, line 2)
            hint: expected revoke, quarantine or lockdown
            "),
            6 => assert_snapshot!(said, @"
            error: a number from 0 to 99 was expected (`ringfence.toml`, line 2)
            hint: examples/ringfence.toml shows every section, rule and value
            "),
            _ => assert_snapshot!(said, @r"
            error: `\u{7}` is no value of `groups`: expected keep or remove (`ringfence.toml`, line 3)
            hint: examples/ringfence.toml shows every section, rule and value
            "),
        }
    }
    world.write("ringfence.toml", [b'[', 0xff, b']']);
    assert_snapshot!(world.refused(1, &plan), @"
    error: `ringfence.toml` is no UTF-8 text
      cause: invalid utf-8 sequence of 1 bytes from index 1
    hint: it is a TOML file, such as examples/ringfence.toml
    ");
    fs::remove_file(world.path("ringfence.toml")).unwrap();
    assert_snapshot!(world.refused(1, &["plan", "--user", "deploy-bot", "--config", "mine.toml"]), @"
    error: `mine.toml` could not be read
      cause: No such file or directory (os error 2)
    hint: give the path of a file that this account of the machine may read
    ");
    assert_snapshot!(world.refused(1, &["plan", "--user", "deploy-bot", "--posture", "revok"]), @"
    error: there is no posture `revok`
      cause: known are lockdown, quarantine or revoke
    hint: a posture of your own stands in ringfence.toml as [posture.NAME]
    ");

    // A plan is applied as it was approved, or not at all.
    world.ringfence(&["plan", "--user", "deploy-bot", "--out", "plan.json"]).ok();
    let good = world.read("plan.json");
    let apply = ["apply", "plan.json", "--auto-approve"];
    let edited = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        world.write("plan.json", good.replacen(from, to, 1));
        let said = world.refused(1, &apply);
        assert_eq!(
            world.refused(1, &["show", "plan.json"]),
            said,
            "and it is not shown as if it were one either"
        );
        said
    };
    assert_snapshot!(edited("\"Inactive\"", "\"Active\""), @"
    error: `plan.json` was edited after it was planned
      cause: its content does not match its own digest
    hint: make a new one: ringfence plan --out FILE
    ");
    assert_snapshot!(edited("deploy-bot", "responder"), @"
    error: `plan.json` was edited after it was planned
      cause: its content does not match its own digest
    hint: make a new one: ringfence plan --out FILE
    ");
    assert_snapshot!(edited("{\n", "{ \n"), @"
    error: `plan.json` was edited after it was planned
      cause: its content does not match its own digest
    hint: make a new one: ringfence plan --out FILE
    ");
    assert_snapshot!(edited("\"format_version\": 1", "\"format_version\": 2"), @"
    error: `plan.json` has plan format 2, this program knows up to 1
    hint: use the ringfence that wrote it, or plan again with this one
    ");
    assert_snapshot!(edited("\"format_version\": 1", "\"format_version\": -1"), @"
    error: `plan.json` is no plan
      cause: line 2, column 22: invalid value: integer `-1`, expected u32
    hint: make a new one: ringfence plan --out FILE
    ");
    assert_snapshot!(edited("\"kind\": \"contain\"", "\"kind\": \"destroy\""), @"
    error: `plan.json` is no plan
      cause: line 4, column 19: unknown variant `destroy`, expected one of `contain`, `release`, `recover`
    hint: make a new one: ringfence plan --out FILE
    ");
    assert_snapshot!(edited("{\n", "\u{feff}{\n"), @"
    error: `plan.json` is no plan
      cause: it begins with a byte-order mark
    hint: make a new one: ringfence plan --out FILE
    ");
    assert_snapshot!(edited("\"kind\": \"contain\"", "\"kind\": \"con\0tain\""), @"
    error: `plan.json` is no plan
      cause: line 4: a NUL
    hint: make a new one: ringfence plan --out FILE
    ");
    assert_snapshot!(edited("\"kind\":", "\"kind\": \"release\",\n  \"kind\":"), @"
    error: `plan.json` is no plan
      cause: line 5, column 8: key `kind` stands there twice
    hint: make a new one: ringfence plan --out FILE
    ");
    // Of the two statements that a policy's document would hold, readers take one or the other.
    assert_snapshot!(edited("\"Effect\":", "\"Effect\": \"Allow\", \"Effect\":"), @"
    error: `plan.json` is no plan
      cause: line 98, column 45: key `Effect` stands there twice
    hint: make a new one: ringfence plan --out FILE
    ");
    assert_snapshot!(edited("\"format_version\": 1", "\"format_version\": 1e999"), @"
    error: `plan.json` is no plan
      cause: line 2, column 25: number out of range
    hint: make a new one: ringfence plan --out FILE
    ");
    assert_snapshot!(edited("\"format_version\": 1", "\"format_version\": 100000000000000000000"), @"
    error: `plan.json` is no plan
      cause: line 2, column 41: invalid type: floating point `1e+20`, expected u32
    hint: make a new one: ringfence plan --out FILE
    ");
    let deep = format!("\"kind\": {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_snapshot!(edited("\"kind\": \"contain\"", &deep), @"
    error: `plan.json` is no plan
      cause: line 4, column 137: recursion limit exceeded
    hint: make a new one: ringfence plan --out FILE
    ");
    for cut in [0, 1, good.len() / 2, good.len() - 1] {
        world.write("plan.json", &good[..cut]);
        let said = world.refused(1, &apply);
        assert!(said.starts_with("error: `plan.json` "), "cut at {cut}: {said}");
        if cut == good.len() / 2 {
            assert_snapshot!(said.replace(|c: char| c.is_ascii_digit(), "9"), @"
            error: `plan.json` is no plan
              cause: line 99, column 99: EOF while parsing a string
            hint: make a new one: ringfence plan --out FILE
            ");
        }
    }
    world.write("plan.json", "# no plan\n\u{1b}[2J");
    assert_snapshot!(world.refused(1, &apply), @"
    error: `plan.json` is no plan
      cause: line 1, column 1: expected value
    hint: make a new one: ringfence plan --out FILE
    ");
    fs::remove_file(world.path("plan.json")).unwrap();
    assert_snapshot!(world.refused(1, &apply), @"
    error: `plan.json` could not be read
      cause: No such file or directory (os error 2)
    hint: give the path of a file that this account of the machine may read
    ");
    fs::create_dir(world.path("plan.json")).unwrap();
    assert_snapshot!(world.refused(1, &apply), @"
    error: `plan.json` could not be read
      cause: Is a directory (os error 21)
    hint: give the path of a file that this account of the machine may read
    ");
    assert_snapshot!(world.refused(1, &["plan", "--user", "deploy-bot", "--out", "no/such/folder/plan.json"]), @"
    error: `no/such/folder/plan.json` could not be written
      cause: No such file or directory (os error 2)
    hint: give a path in a folder that is there and can be written: --out FILE
    ");
}

#[test]
fn plans_out_of_place() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    let apply = ["apply", "plan.json", "--auto-approve"];
    let plan = ["plan", "--access-key", &leaked.id, "--out", "plan.json"];
    world.ringfence(&plan).ok();

    // Another endpoint: the same emulator by another address.
    let direct = world.emulator.url();
    let said = world.refuses(3, world.command(&apply).endpoint(&direct));
    assert_snapshot!(said.replace(&direct, "http://127.0.0.1:OTHER"), @"
    error: the plan was made on another endpoint
      cause: planned on http://127.0.0.1:PORT, now http://127.0.0.1:OTHER
    hint: set the same endpoint, or plan again on this one
    ");
    // Another account.
    let elsewhere = World::with(Kind::Ministack, &[("MINISTACK_ACCOUNT_ID", "210987654321")]);
    elsewhere.write("plan.json", world.read("plan.json"));
    assert_snapshot!(elsewhere.refused(3, &apply), @"
    error: the plan is for account 123456789012, the caller is in 210987654321
    hint: use credentials of that account: --profile NAME
    ");
    let said = elsewhere.refused(3, &["state", "import", "plan.json"]);
    assert_snapshot!(world.redact(&said), @"
    error: the plan is of another account or endpoint
      cause: planned for 123456789012 on http://127.0.0.1:PORT, now 210987654321 on http://127.0.0.1:PORT
    hint: import it with credentials of that account, on that endpoint
    ");

    // Reality has moved: a new key, which may be the thief's.
    let newer = world.admin.second_key("deploy-bot");
    world.alias(&newer.id, "NEWER-KEY");
    assert_snapshot!(world.refused(3, &apply), @"
    error: the plan no longer matches user `deploy-bot`
      access_key/NEWER-KEY___________  planned absent, now Active (created 03:10:00Z)
      a new plan would not be the same:
        access_key/NEWER-KEY___________  would stay live
      nothing was changed
    hint: someone acts while you read; to contain what is there now, whatever moved:
          ringfence apply --user deploy-bot --access-key KEY-OF-DEPLOY-BOT___ --access-key NEWER-KEY___________ --auto-approve
    ");
    world.admin.delete_key("deploy-bot", &newer.id);
    // A policy that bears the planned name, and is not ours (F16).
    let fence = world.fence_of("plan.json");
    world.admin.put_policy("deploy-bot", &fence, ALLOW_ALL);
    assert_snapshot!(world.refused(3, &apply), @"
    error: the plan no longer matches user `deploy-bot`
      inline_policy/RingfenceFence-LINEAGE8  planned absent, now another document
      a new plan would not be the same:
        attached_policy/arn:aws:iam::123456789012:policy/RingfenceFence-LINEAGE8  would be changed as well
        managed_policy/arn:aws:iam::123456789012:policy/RingfenceFence-LINEAGE8  would be changed as well
        inline_policy/RingfenceFence-LINEAGE8  would not be changed
      nothing was changed
    hint: someone acts while you read; to contain what is there now, whatever moved:
          ringfence apply --user deploy-bot --access-key KEY-OF-DEPLOY-BOT___ --auto-approve
    ");
    world.admin.delete_policy("deploy-bot", &fence);

    // Applied, and applied again.
    world.ringfence(&apply).ok();
    assert_snapshot!(world.refused(3, &apply), @"
    error: this plan was applied before, at 2024-11-21T03:10:00Z
      cause: run 20241121T031000Z-LINEAGE8 of user `deploy-bot`
    hint: ringfence status --user deploy-bot tells what holds now
    ");
    // A plan from before that.
    world
        .ringfence(&[
            "plan",
            "--user",
            "deploy-bot",
            "--posture",
            "quarantine",
            "--out",
            "old.json",
        ])
        .ok();
    world
        .ringfence(&["apply", "--user", "deploy-bot", "--posture", "lockdown", "--auto-approve"])
        .exits(0);
    assert_snapshot!(world.refused(3, &["apply", "old.json", "--auto-approve"]), @"
    error: the plan for user `deploy-bot` is stale
      cause: it was made from serial 2, the state is at 4
      a new plan would be the same but for its times
    hint: plan again: something was applied since
    ");
    // The state is of this endpoint, and no other.
    let said = world.refuses(3, world.command(&["plan", "--user", "deploy-bot"]).endpoint(&direct));
    assert_snapshot!(said.replace(&direct, "http://127.0.0.1:OTHER"), @"
    error: the state of user `deploy-bot` was written for another endpoint
      cause: the state is of http://127.0.0.1:PORT, now http://127.0.0.1:OTHER
    hint: --state DIR keeps the records of a test endpoint apart
    ");
    assert_snapshot!(world.refused(3, &["state", "import", "plan.json"]), @"
    error: user `deploy-bot` has a state already, serial 4
    hint: ringfence state rm ID-OF-DEPLOY-BOT_____ moves it aside first
    ");

    // Deleted, and made again under the same name: another principal.
    let victim = world.victim("ci-runner");
    world.ringfence(&["plan", "--access-key", &victim.id, "--out", "plan.json"]).ok();
    world.admin.delete_user("ci-runner");
    assert_snapshot!(world.refused(3, &apply), @r#"
    error: user `ci-runner` is not there any more
      cause: it was deleted or renamed since the plan
    hint: aws iam list-users --query "Users[?UserId=='ID-OF-CI-RUNNER______']" finds it under a new name
    "#);
    world.alias(&world.admin.user("ci-runner"), "ANOTHER-ID");
    assert_snapshot!(world.refused(3, &apply), @"
    error: user `ci-runner` is another principal than the one planned for
      cause: planned for ID-OF-CI-RUNNER______, the name now belongs to ANOTHER-ID___________
      the user was deleted and made again under the same name
    hint: plan for whoever bears the name now: ringfence plan --user ci-runner
    ");
}

#[test]
fn a_state_that_cannot_be_written() {
    let world = World::ministack();
    world.victim("deploy-bot");
    let apply = |state: &str| {
        world.refused(1, &["apply", "--user", "deploy-bot", "--auto-approve", "--state", state])
    };
    let before = world.facts("deploy-bot");

    world.write("file", "in the way\n");
    assert_snapshot!(apply("file"), @"
    error: `file` is a file, and no folder for the state
    hint: name a folder: --state DIR
    ");
    fs::create_dir_all(world.path("deep/123456789012")).unwrap();
    world.write("deep/123456789012/user", "in the way\n");
    assert_snapshot!(apply("deep"), @"
    error: cannot read `deep/123456789012/user/ID-OF-DEPLOY-BOT_____/state.json`
      cause: Not a directory (os error 20)
    hint: make it readable for this account of the machine, or name another store: --state DIR
    ");
    let id = &before["id"];
    fs::create_dir_all(world.path("linked/123456789012/user")).unwrap();
    std::os::unix::fs::symlink("/tmp", world.path("linked/123456789012/user").join(id)).unwrap();
    assert_snapshot!(apply("linked"), @"
    error: `linked/123456789012/user/ID-OF-DEPLOY-BOT_____` is a symbolic link
      cause: the store follows none below its location, so that no record is pointed elsewhere
    hint: put what it points to in its place, or name that place: --state DIR
    ");
    assert_snapshot!(apply("gs://bucket/prefix"), @"
    error: `gs://bucket/prefix` is no place for the state
      cause: states are kept in a folder or in S3, and not in `gs`
    hint: --state DIR, or --state s3://BUCKET/PREFIX
    ");
    assert_snapshot!(apply("/proc/nowhere"), @"
    error: cannot make the directory `/proc/nowhere`
      cause: No such file or directory (os error 2)
    hint: a store elsewhere works now: --state DIR
    ");

    // Rules that cannot be read are not taken for none.
    fs::create_dir(world.path("ruled")).unwrap();
    world.write("ruled/policy.toml", "required = 2\n");
    assert_snapshot!(world.refused(4, &["apply", "--user", "deploy-bot", "--auto-approve", "--state", "ruled"]), @r#"
    error: `required` is unknown here: expected approval or rule (`ruled/policy.toml`, line 1)
    hint: what stands in a policy.toml: README, "Approvals"
    "#);

    assert_eq!(world.facts("deploy-bot"), before);
}

#[test]
fn nobody_there_to_answer() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    world.ringfence(&["plan", "--access-key", &leaked.id, "--out", "plan.json"]).ok();
    assert_snapshot!(world.refused(1, &["apply", "plan.json"]), @"
    error: this needs a `yes`, and nobody is there to answer
      cause: standard input is no terminal, or --no-input was given
    hint: --auto-approve goes on without asking
    ");
    assert_eq!(world.proxy.calls().len(), 0, "what cannot be approved need not be read");
    assert_snapshot!(world.refused(1, &["apply", "plan.json", "--no-input"]), @"
    error: this needs a `yes`, and nobody is there to answer
      cause: standard input is no terminal, or --no-input was given
    hint: --auto-approve goes on without asking
    ");
    assert_snapshot!(world.refused(1, &["apply", "--access-key", &leaked.id]), @"
    error: this needs a `yes`, and nobody is there to answer
      cause: standard input is no terminal, or --no-input was given
    hint: --auto-approve goes on without asking
    ");
    world.ringfence(&["apply", "plan.json", "--auto-approve"]).ok();
    assert_snapshot!(world.refused(1, &["state", "rm", "deploy-bot"]), @"
    error: this needs a `yes`, and nobody is there to answer
      cause: standard input is no terminal, or --no-input was given
    hint: --auto-approve goes on without asking
    ");
}

#[test]
fn two_runs_at_once() {
    let world = World::ministack();
    let leaked = world.victim("deploy-bot");
    world.ringfence(&["plan", "--access-key", &leaked.id, "--out", "plan.json"]).ok();

    // The first run stops in its first write until the second has been refused.
    let (reached, has_reached) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    world.proxy.before("UpdateAccessKey", move |_| {
        reached.send(()).unwrap();
        may_go_on.recv().unwrap();
    });
    let first = world.command(&["apply", "plan.json", "--auto-approve"]).start();
    has_reached.recv().unwrap();

    let held_by = |said: &str| {
        let said = said.replace(&format!("process {}", first.id()), "process PID");
        let said = said.replace(&format!(" on {} (", world.host()), " on HOST (");
        let (before, since) = said.split_once("since ").expect("it says since when");
        let (since, after) = since.split_at("2026-11-21T03:10:00Z".len());
        assert!(since.parse::<jiff::Timestamp>().is_ok(), "{said}");
        format!("{before}since THEN{after}")
    };
    for second in [
        &["apply", "plan.json", "--auto-approve"][..],
        &["apply", "--user", "deploy-bot", "--auto-approve"],
    ] {
        let before = world.record();
        let ran = world.ringfence(second).exits(5);
        assert_eq!(world.record(), before);
        let said = held_by(&world.redact(&ran.err));
        insta::allow_duplicates!(assert_snapshot!(said, @"
        error: the state of user `deploy-bot` is locked
          cause: responder on HOST (process PID) has held it since THEN, run 20241121T031000Z-LINEAGE8
        hint: wait for it: --lock-timeout 5m
        hint: see whether its process still lives: ringfence state unlock deploy-bot
        "));
    }
    let ran = world.ringfence(&["state", "unlock", "deploy-bot"]).exits(5);
    assert_snapshot!(held_by(&world.redact(&ran.err)), @"
    error: the state of user `deploy-bot` is locked
      cause: responder on HOST (process PID) has held it since THEN, run 20241121T031000Z-LINEAGE8
      the operating system releases it when process PID ends
    hint: wait for it: --lock-timeout 5m
    hint: see whether its process still lives: ringfence state unlock deploy-bot
    ");
    let ran = world.ringfence(&["state", "rm", "deploy-bot", "--auto-approve"]).exits(5);
    assert_snapshot!(held_by(&world.redact(&ran.err)), @"
    error: the state of user `deploy-bot` is locked
      cause: responder on HOST (process PID) has held it since THEN, run 20241121T031000Z-LINEAGE8
    hint: wait for it: --lock-timeout 5m
    hint: see whether its process still lives: ringfence state unlock deploy-bot
    ");
    // Reading needs no lock.
    world.ringfence(&["state", "show", "deploy-bot"]).ok();
    assert_eq!(world.proxy.writes(), ["UpdateAccessKey"]);

    go_on.send(()).unwrap();
    first.wait().ok();
    assert_eq!(world.proxy.writes(), ["UpdateAccessKey", "PutUserPolicy"]);
    let ran = world.ringfence(&["state", "unlock", "deploy-bot"]).ok();
    assert_snapshot!(ran.out, @"User `deploy-bot` is not locked.");
}

/// What an attacker may have named. The emulators take any name; AWS takes such a thing in documents
/// and tags only.
const HOSTILE: [&str; 6] = [
    "../../../../etc/cron.d/x",
    "a\u{1b}[2J\u{1b}]0;owned\u{7}",
    "line\nbreak\rreturn",
    "\u{202e}gnp.exe",
    "$(touch owned); `touch owned` 'quoted' \"twice\"",
    "%00%2e%2e%2f",
];

fn hostile(kind: Kind) {
    let world = World::new(kind);
    let iam = &world.admin.iam;
    // 64 characters are the most for a user of AWS; a look-up takes 128.
    let user = "u".repeat(128);
    let leaked = world.victim(&user);
    // Its documents say such things, and its policies have harmless names.
    let reader = world.victim("reader");
    let (mut taken, mut refused) = (0, 0);
    for (name, n) in HOSTILE.into_iter().chain([user.as_str()]).zip(0..) {
        let statement =
            serde_json::json!({"Sid": name, "Effect": "Allow", "Action": name, "Resource": name});
        let document =
            serde_json::json!({"Version": "2012-10-17", "Id": name, "Statement": [statement]})
                .to_string();
        let put =
            iam.put_user_policy().user_name(&user).policy_name(name).policy_document(&document);
        let harmless = iam
            .put_user_policy()
            .user_name("reader")
            .policy_name(format!("p{n}"))
            .policy_document(&document);
        let made = iam.create_group().group_name(name);
        let joined = iam.add_user_to_group().group_name(name).user_name(&user);
        let ask = &world.admin;
        let answers = [
            ask.ask(put.send()).is_ok(),
            ask.ask(harmless.send()).is_ok(),
            ask.ask(made.send()).is_ok(),
            ask.ask(joined.send()).is_ok(),
        ];
        taken += answers.iter().filter(|&&answer| answer).count();
        refused += answers.iter().filter(|&&answer| !answer).count();
    }
    println!("{kind} took {taken} such names and documents, and refused {refused}");
    // ministack sends names as they are, so that an answer with a control character is no XML: it is
    // not read, nothing of it is claimed, and the containment goes on.
    let unread = kind == Kind::Ministack;
    let clean = |arguments: &[&str], code: i32| {
        let ran = world.ringfence(arguments).exits(code);
        // In JSON only control characters are escaped: the rest is data for a program.
        let turns =
            |c: char| ('\u{202a}'..='\u{202e}').contains(&c) && !arguments.contains(&"json");
        let risky = |c: char| (c.is_control() && c != '\n') || turns(c);
        assert!(
            !ran.out.contains(risky) && !ran.err.contains(risky),
            "not escaped:\n{:?}\n{:?}",
            ran.out,
            ran.err
        );
        ran
    };
    for (user, key, unread) in [(user.as_str(), &leaked.id, unread), ("reader", &reader.id, false)]
    {
        let plan = ["plan", "--access-key", key, "--posture", "lockdown", "--full"];
        for form in ["text", "markdown", "json"] {
            clean(&[&plan[..], &["--format", form]].concat(), 0);
        }
        clean(&[&plan[..], &["--out", "plan.json"]].concat(), 0);
        clean(&["show", "plan.json", "--format", "commands"], 0);
        clean(&["apply", "plan.json", "--auto-approve"], if unread { 6 } else { 0 });
        clean(&["status", "--user", user], if unread { 2 } else { 0 });
        clean(&["state", "show", user], 0);
        clean(&["rollback", "--user", user, "--lift-fence-now"], 0);
    }
    // No name became a path: everything lies where the user's unique ID says.
    let folders =
        [&user, "reader"].map(|user| format!("state/123456789012/user/{}/", world.admin.id(user)));
    for path in world.record().into_keys() {
        let path = path.strip_prefix(world.dir()).unwrap().display().to_string();
        assert!(
            path == "plan.json"
                || path == "ringfence.toml"
                || folders.iter().any(|folder| path.starts_with(folder)),
            "{path}"
        );
    }
}

#[test]
fn names_that_others_chose_on_ministack() {
    hostile(Kind::Ministack);
}

#[test]
fn names_that_others_chose_on_moto() {
    hostile(Kind::Moto);
}
