//! GetSessionToken and GetFederationToken, and credentials in general.

use super::{packed, session_policies};
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::fault::Fault;
use crate::sandbox::policy_store::Tag;
use crate::sandbox::session::{Session, SessionKind};
use crate::sandbox::xml::Xml;
use jiff::{SignedDuration, Timestamp};

pub(super) const ACTIONS: Table =
    &[("GetFederationToken", federation_token), ("GetSessionToken", session_token)];

/// The code of an MFA device that is always wrong. The others are taken as right: the sandbox knows
/// no time-based codes.
const WRONG_CODE: &str = "000000";
const DAY_AND_A_HALF: i64 = 129_600;
const TWELVE_HOURS: i64 = 43_200;

/// What a new session is made from.
pub(super) struct Mint {
    pub(super) account: String,
    pub(super) kind: SessionKind,
    pub(super) seconds: i64,
    pub(super) mfa: Option<Timestamp>,
    pub(super) policies: Vec<String>,
    pub(super) policy_arns: Vec<String>,
    pub(super) tags: Vec<Tag>,
}

/// No policy can deny it, not even while everything else is denied (F6).
fn session_token(act: &mut Act<'_>) -> Done {
    let seconds = act.params.number("DurationSeconds", 900, DAY_AND_A_HALF)?;
    let mfa = shown_mfa(act, "GetSessionToken")?;
    let session = mint(
        act,
        Mint {
            account: act.caller.account.clone(),
            kind: SessionKind::User { user: act.caller.entity_id.clone() },
            seconds: seconds.unwrap_or(TWELVE_HOURS),
            mfa,
            policies: Vec::new(),
            policy_arns: Vec::new(),
            tags: Vec::new(),
        },
    );
    let mut xml = Xml::new();
    credentials(&mut xml, &session);
    Ok(Some(xml))
}

fn federation_token(act: &mut Act<'_>) -> Done {
    let name = act.params.text("Name", 2, 32)?;
    let name = crate::sandbox::rules::name("Name", name, 32)?.to_owned();
    let seconds = act.params.number("DurationSeconds", 900, DAY_AND_A_HALF)?;
    let (policies, policy_arns) = session_policies(act.params, 2_048)?;
    let tags = act.params.tags()?;
    let (partition, account) = (&act.world.partition, &act.caller.account);
    let arn = format!("arn:{partition}:sts::{account}:federated-user/{name}");
    act.allow(&arn)?;
    let size = packed(&policies, &tags);
    let user = act.caller.entity_id.clone();
    let session = mint(
        act,
        Mint {
            account: act.caller.account.clone(),
            kind: SessionKind::Federated { user, name: name.clone() },
            seconds: seconds.unwrap_or(TWELVE_HOURS),
            mfa: None,
            policies,
            policy_arns,
            tags,
        },
    );
    let mut xml = Xml::new();
    credentials(&mut xml, &session);
    xml.within("FederatedUser", |xml| {
        xml.text("FederatedUserId", format!("{}:{name}", session.account)).text("Arn", &arn);
    });
    xml.value("PackedPolicySize", size);
    Ok(Some(xml))
}

/// Makes a session, issued this second (F7).
pub(super) fn mint(act: &mut Act<'_>, from: Mint) -> Session {
    let issued = act.now;
    let ids = &mut act.world.ids;
    let session = Session {
        access_key_id: ids.key("ASIA", &from.account),
        secret: ids.secret(40),
        token: format!("IQoJb3JpZ2luX2Vj{}", ids.secret(240)),
        account: from.account,
        kind: from.kind,
        issued,
        expires: issued
            .saturating_add(SignedDuration::from_secs(from.seconds))
            .unwrap_or(Timestamp::MAX),
        mfa: from.mfa,
        policies: from.policies,
        policy_arns: from.policy_arns,
        tags: from.tags,
        minted_with: act.caller.key.clone(),
    };
    act.world.add_session(session.clone(), act.now);
    session
}

/// Writes the credentials of a session.
pub(super) fn credentials(xml: &mut Xml, session: &Session) {
    xml.within("Credentials", |xml| {
        xml.text("AccessKeyId", &session.access_key_id);
        xml.text("SecretAccessKey", &session.secret);
        xml.text("SessionToken", &session.token);
        xml.time("Expiration", session.expires);
    });
}

/// When MFA was shown, if the request shows it: a device of the calling user, and a code.
pub(super) fn shown_mfa(act: &Act<'_>, call: &str) -> Result<Option<Timestamp>, Fault> {
    let serial = act.params.maybe_text("SerialNumber", 9, 256)?;
    let code = act.params.maybe_text("TokenCode", 6, 6)?;
    let (serial, code) = match (serial, code) {
        (None, None) => return Ok(None),
        (Some(serial), Some(code)) => (serial, code),
        _ => {
            let message = "MultiFactorAuthentication failed, must provide both \
                           MFA serial number and one time pass code.";
            return Err(Fault::denied(message));
        }
    };
    let account = act.account()?;
    let user = act.caller.user(account);
    let known = user.is_some_and(|user| account.mfa_of(user).any(|device| device.serial == serial));
    let digits = code.bytes().all(|byte| byte.is_ascii_digit());
    if !known || !digits || code == WRONG_CODE {
        return Err(Fault::denied(format!(
            "{call} call failed, unable to validate MFA code.  Please verify your MFA serial \
             number is valid and associated with this user."
        )));
    }
    Ok(Some(act.now))
}
