//! Every kind of credential before and after a key-off, a fence and a hold: F1 to F6 and F10.

use super::*;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}"#;
const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";

/// An attacker with everything that a leaked key can be turned into, and a second key.
struct Leaked {
    stage: Stage,
    key: Player,
    second: Player,
    gst: Player,
    gft: Player,
    bare_gft: Player,
    role: Player,
}

fn leaked() -> Leaked {
    let stage = Stage::new();
    let key = stage.user("bot");
    let second = stage.key("bot");
    stage.ok("iam:CreateRole", &[("RoleName", "deploy"), ("AssumeRolePolicyDocument", TRUST)]);
    let all = [("RoleName", "deploy"), ("PolicyName", "all"), ("PolicyDocument", ALLOW_ALL)];
    stage.ok("iam:PutRolePolicy", &all);
    let gst = stage.mint(&key, "sts:GetSessionToken", &[("DurationSeconds", "129600")]);
    let gft = [("Name", "fed"), ("Policy", ALLOW_ALL), ("DurationSeconds", "129600")];
    let gft = stage.mint(&key, "sts:GetFederationToken", &gft);
    let bare_gft = stage.mint(&key, "sts:GetFederationToken", &[("Name", "bare")]);
    let role = [("RoleArn", ROLE), ("RoleSessionName", "attack")];
    let role = stage.mint(&gst, "sts:AssumeRole", &role);
    stage.wait(60);
    Leaked { stage, key, second, gst, gft, bare_gft, role }
}

impl Leaked {
    /// Which of key, second key, GST, GFT, GFT without a session policy and role session can act.
    fn alive(&self) -> [bool; 6] {
        [&self.key, &self.second, &self.gst, &self.gft, &self.bare_gft, &self.role].map(alive)
    }

    fn key_off(&self) {
        let id = &self.key.credentials().access_key_id;
        let off = [("UserName", "bot"), ("AccessKeyId", id.as_str()), ("Status", "Inactive")];
        self.stage.ok("iam:UpdateAccessKey", &off);
    }

    fn fence(&self) {
        let now = self.stage.sandbox.now();
        let fence = crate::policy::fence(crate::policy::FenceTime::At(now)).minified();
        self.stage.put("bot", "fence", &fence);
    }
}

#[test]
fn before_anything_all_of_them_act() {
    // A federated session without a session policy may nothing (F3).
    assert_eq!(leaked().alive(), [true, true, true, true, false, true]);
}

#[test]
fn a_key_off_leaves_what_the_key_minted() {
    let leaked = leaked();
    leaked.key_off();
    assert_eq!(leaked.alive(), [false, true, true, true, false, true]);
    let refused = leaked.key.call("sts:GetCallerIdentity", &[]);
    assert_eq!((refused.status, refused.code()), (403, "InvalidClientTokenId"));
    assert!(leaked.gst.call("sts:GetCallerIdentity", &[]).is_ok());
}

#[test]
fn a_fence_cuts_the_user_s_sessions_and_no_long_term_key_and_no_role_session() {
    let leaked = leaked();
    leaked.key_off();
    leaked.fence();
    assert_eq!(leaked.alive(), [false, true, false, false, false, true]);
    // A session made after the fence is not its business.
    leaked.stage.wait(1);
    let young = leaked.stage.mint(&leaked.second, "sts:GetSessionToken", &[]);
    assert!(alive(&young));
    let denied = leaked.gst.list_buckets();
    assert!(denied.body.contains("with an explicit deny in an identity-based policy"));
}

#[test]
fn a_fence_is_strict_at_its_very_second() {
    let leaked = leaked();
    leaked.fence();
    // Issued in the second of the fence: not less than it (F7).
    let same = leaked.stage.mint(&leaked.second, "sts:GetSessionToken", &[]);
    assert!(alive(&same));
    assert!(!alive(&leaked.gst));
}

#[test]
fn a_hold_stops_the_user_but_not_minting_nor_its_roles() {
    let leaked = leaked();
    leaked.stage.put("bot", "hold", DENY_ALL);
    assert_eq!(leaked.alive(), [false, false, false, false, false, true]);
    // F6: neither can be denied.
    assert!(leaked.key.call("sts:GetCallerIdentity", &[]).is_ok());
    let useless = leaked.stage.mint(&leaked.key, "sts:GetSessionToken", &[]);
    assert!(!alive(&useless));
    let role = [("RoleArn", ROLE), ("RoleSessionName", "again")];
    assert_eq!(leaked.gst.call("sts:AssumeRole", &role).code(), "AccessDenied");
    // Lifted, the token works.
    leaked.stage.ok("iam:DeleteUserPolicy", &[("UserName", "bot"), ("PolicyName", "hold")]);
    assert!(alive(&useless));
}

#[test]
fn the_attached_deny_and_the_boundary_hold_too() {
    let leaked = leaked();
    let arn = "arn:aws:iam::aws:policy/AWSDenyAll";
    leaked.stage.ok("iam:AttachUserPolicy", &[("UserName", "bot"), ("PolicyArn", arn)]);
    assert_eq!(leaked.alive(), [false, false, false, false, false, true]);
    leaked.stage.ok("iam:DetachUserPolicy", &[("UserName", "bot"), ("PolicyArn", arn)]);
    assert_eq!(leaked.alive(), [true, true, true, true, false, true]);
    let bound = [("UserName", "bot"), ("PermissionsBoundary", arn)];
    leaked.stage.ok("iam:PutUserPermissionsBoundary", &bound);
    assert_eq!(leaked.alive(), [false, false, false, false, false, true]);
    let denied = leaked.key.list_buckets();
    assert!(denied.body.contains("explicit deny in a permissions boundary"), "{}", denied.body);
}

#[test]
fn a_role_has_a_fence_of_its_own() {
    let leaked = leaked();
    let now = leaked.stage.sandbox.now();
    let fence = crate::policy::fence(crate::policy::FenceTime::At(now)).minified();
    let all = [("RoleName", "deploy"), ("PolicyName", "fence"), ("PolicyDocument", fence.as_str())];
    leaked.stage.ok("iam:PutRolePolicy", &all);
    assert_eq!(leaked.alive(), [true, true, true, true, false, false]);
}

#[test]
fn deleting_the_user_ends_its_sessions() {
    let leaked = leaked();
    let empty = leaked
        .stage
        .sandbox
        .edit(|world| world.account_mut("123456789012").unwrap().users.remove("bot").is_some());
    assert!(empty);
    for player in [&leaked.key, &leaked.gst, &leaked.gft] {
        assert_eq!(player.call("sts:GetCallerIdentity", &[]).code(), "InvalidClientTokenId");
    }
    assert!(alive(&leaked.role));
    // Another user of the name is another principal (F27).
    leaked.stage.user("bot");
    assert_eq!(leaked.gst.call("sts:GetCallerIdentity", &[]).code(), "InvalidClientTokenId");
}

#[test]
fn sessions_end_by_the_clock() {
    let leaked = leaked();
    leaked.stage.wait(3_600 - 61);
    assert!(alive(&leaked.role));
    leaked.stage.wait(1);
    let ended = leaked.role.call("sts:GetCallerIdentity", &[]);
    assert_eq!((ended.status, ended.code()), (403, "ExpiredToken"));
    leaked.stage.wait(129_600 - 3_601);
    assert!(alive(&leaked.gst));
    leaked.stage.wait(1);
    assert_eq!(leaked.gst.call("sts:GetCallerIdentity", &[]).code(), "ExpiredToken");
    assert!(alive(&leaked.key));
}

#[test]
fn lifetimes_have_their_limits() {
    let leaked = leaked();
    for (seconds, code) in
        [("899", "ValidationError"), ("900", "ok"), ("129600", "ok"), ("129601", "ValidationError")]
    {
        let answer = leaked.key.call("sts:GetSessionToken", &[("DurationSeconds", seconds)]);
        assert_eq!(answer.code(), code, "{seconds}");
    }
    let ask = |player: &Player, seconds: &str| {
        let all = [("RoleArn", ROLE), ("RoleSessionName", "long"), ("DurationSeconds", seconds)];
        player.call("sts:AssumeRole", &all).code().to_owned()
    };
    assert_eq!(ask(&leaked.key, "3601"), "ValidationError");
    let longer = [("RoleName", "deploy"), ("MaxSessionDuration", "43200")];
    leaked.stage.ok("iam:UpdateRole", &longer);
    assert_eq!(ask(&leaked.key, "43200"), "ok");
    // Chained, an hour is the most.
    assert_eq!(ask(&leaked.role, "3601"), "ValidationError");
    assert_eq!(ask(&leaked.role, "3600"), "ok");
}

#[test]
fn what_temporary_credentials_cannot_call() {
    let leaked = leaked();
    let code = |player: &Player, action: &str, with: &[(&str, &str)]| {
        player.call(action, with).code().to_owned()
    };
    let role = [("RoleArn", ROLE), ("RoleSessionName", "attack")];
    let key = [("AccessKeyId", "AKIAIOSFODNN7EXAMPLE")];
    for player in [&leaked.gst, &leaked.gft] {
        assert_eq!(code(player, "iam:ListUsers", &[]), "InvalidClientTokenId");
        assert_eq!(code(player, "sts:GetSessionToken", &[]), "AccessDenied");
        assert_eq!(code(player, "sts:GetFederationToken", &[("Name", "fed")]), "AccessDenied");
        assert_eq!(code(player, "sts:GetAccessKeyInfo", &key), "AccessDenied");
        assert_eq!(code(player, "sts:GetCallerIdentity", &[]), "ok");
    }
    assert_eq!(code(&leaked.gst, "sts:AssumeRole", &role), "ok");
    assert_eq!(code(&leaked.gft, "sts:AssumeRole", &role), "AccessDenied");
    assert_eq!(code(&leaked.role, "iam:ListUsers", &[]), "ok");
    assert_eq!(code(&leaked.role, "sts:GetSessionToken", &[]), "AccessDenied");
}

#[test]
fn with_mfa_a_session_can_call_iam() {
    let leaked = leaked();
    leaked.stage.ok("iam:CreateVirtualMFADevice", &[("VirtualMFADeviceName", "phone")]);
    let serial = "arn:aws:iam::123456789012:mfa/phone";
    let mut enable = vec![("UserName", "bot"), ("SerialNumber", serial)];
    enable.extend([("AuthenticationCode1", "123456"), ("AuthenticationCode2", "654321")]);
    leaked.stage.ok("iam:EnableMFADevice", &enable);
    let shown = [("SerialNumber", serial), ("TokenCode", "111111")];
    let session = leaked.stage.mint(&leaked.key, "sts:GetSessionToken", &shown);
    assert!(session.call("iam:ListUsers", &[]).is_ok());
    let wrong = [("SerialNumber", serial), ("TokenCode", "000000")];
    assert_eq!(leaked.key.call("sts:GetSessionToken", &wrong).code(), "AccessDenied");
    let mfa = r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"false"}}}}"#;
    leaked.stage.put("bot", "mfa", mfa);
    // Absent for a long-term key, false for a session without.
    assert_eq!([&leaked.key, &leaked.gst, &session].map(alive), [true, false, true]);
}

#[test]
fn callers_are_told_who_they_are() {
    let leaked = leaked();
    let arn =
        |player: &Player| ok(player, "sts:GetCallerIdentity", &[]).text("Arn").unwrap().to_owned();
    assert_eq!(arn(&leaked.key), "arn:aws:iam::123456789012:user/bot");
    assert_eq!(arn(&leaked.gst), "arn:aws:iam::123456789012:user/bot");
    assert_eq!(arn(&leaked.gft), "arn:aws:sts::123456789012:federated-user/fed");
    assert_eq!(arn(&leaked.role), "arn:aws:sts::123456789012:assumed-role/deploy/attack");
}

#[test]
fn a_condition_on_the_user_misses_its_federated_sessions() {
    let leaked = leaked();
    let document = |key: &str, value: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"StringEquals":{{"{key}":"{value}"}}}}}}}}"#
        )
    };
    for (key, value) in
        [("aws:PrincipalArn", "arn:aws:iam::123456789012:user/bot"), ("aws:username", "bot")]
    {
        leaked.stage.put("bot", "by-name", &document(key, value));
        assert_eq!(leaked.alive(), [false, false, false, true, false, true], "{key}");
    }
    leaked.stage.put("bot", "by-name", r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Null":{"aws:TokenIssueTime":"false"}}}}"#);
    assert_eq!(leaked.alive(), [true, true, false, false, false, true]);
    leaked.stage.put("bot", "by-name", r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThanIfExists":{"aws:TokenIssueTime":"2100-01-01T00:00:00Z"}}}}"#);
    assert_eq!(leaked.alive(), [false, false, false, false, false, true]);
}
