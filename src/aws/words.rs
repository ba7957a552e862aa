//! The errors that a person gets to read: what, why, and which command helps.

use super::endpoint::Endpoint;
use super::failure::{Failure, Kind, NO_URL};
use super::meter::Meter;
use crate::error::Error;
use crate::identity::{AccessKeyId, Caller, PrincipalKind, UserName, Who};
use crate::text::shown;

/// Where the permissions that reading needs are written down.
const POLICY: &str = "examples/responder-policy.json grants what ringfence needs";

/// A call failed, and there is nothing to go on with.
pub(super) fn failed(failure: &Failure, meter: &Meter, profile: Option<&str>) -> Error {
    let Failure { action, kind, text } = failure;
    if let Some(url) = text.strip_prefix(NO_URL) {
        return Error::failed(format!("`{url}` is no endpoint URL")).hint(
            "write it with its scheme, such as https://iam.amazonaws.com or http://127.0.0.1:4566",
        );
    }
    let endpoint = if action.starts_with("sts:") { meter.sts() } else { meter.iam() };
    let endpoint = endpoint.as_ref().map_or("the endpoint", Endpoint::as_str);
    let error = match kind {
        Kind::NoCredentials => return no_credentials(text, profile),
        Kind::Expired => Error::failed("the AWS session has expired")
            .hint("log in again with `aws login` or `aws sso login`, or renew the token"),
        Kind::BadCredentials => Error::failed(format!(
            "`{endpoint}` does not accept the credentials"
        ))
        .hint(
            "see which ones are used: aws sts get-caller-identity; another profile: --profile NAME",
        ),
        Kind::Unsent => Error::failed(format!("`{endpoint}` cannot be reached"))
            .hint("check --endpoint-url, AWS_ENDPOINT_URL, the proxy and the network"),
        Kind::Lost | Kind::Garbled => {
            Error::failed(format!("`{action}` got no usable answer from `{endpoint}`"))
                .hint("try again; if it stays so, check --endpoint-url and the network")
        }
        Kind::Throttled => Error::failed(format!("`{action}` is throttled by the service"))
            .hint("wait a minute and try again; the attacker may be causing it"),
        Kind::Denied => return denied("what was asked for", failure),
        Kind::NotFound | Kind::Unimplemented | Kind::Refused | Kind::Senseless => {
            Error::failed(format!("`{action}` failed at `{endpoint}`"))
        }
    };
    error.because(text)
}

fn no_credentials(text: &str, profile: Option<&str>) -> Error {
    const PROFILES: &str = "list the profiles: aws configure list-profiles";
    const LOGIN: &str =
        "log in with `aws login` or `aws sso login`, or name a profile: --profile NAME";
    let unknown =
        text.split_once("profile `").and_then(|(_, rest)| rest.split_once("` was not defined"));
    if let Some((name, _)) = unknown {
        return Error::failed(format!("there is no profile `{name}`"))
            .because("the shared AWS configuration does not define it")
            .hint(PROFILES);
    }
    let unnamed = profile.is_some() && text == "the credential provider was not enabled";
    let cause = if unnamed { "the shared AWS configuration names none for it" } else { text };
    match profile {
        Some(name) => Error::failed(format!("profile `{}` gives no AWS credentials", shown(name)))
            .hint(PROFILES),
        None => Error::failed("no AWS credentials were found"),
    }
    .because(cause)
    .hint(LOGIN)
}

/// A read without which there is nothing to plan was denied.
pub(super) fn denied(what: &str, failure: &Failure) -> Error {
    Error::failed(format!("may not read {what}: `{}` is missing", failure.action))
        .because(&failure.text)
        .hint(POLICY)
}

/// A service besides IAM and STS did not answer; `instead` is what does without.
pub(super) fn elsewhere(what: &str, failure: &Failure, instead: &str) -> Error {
    let Failure { action, kind, text } = failure;
    if *kind == Kind::NoCredentials {
        return no_credentials(text, None);
    }
    let error = match kind {
        Kind::Denied => Error::failed(format!("{what}: `{action}` is missing")).hint(POLICY),
        Kind::Throttled => Error::failed(format!("{what}: `{action}` is throttled"))
            .hint("wait a minute and try again"),
        Kind::Expired => Error::failed(format!("{what}: the AWS session has expired"))
            .hint("log in again with `aws login` or `aws sso login`, or renew the token"),
        Kind::BadCredentials => Error::failed(format!("{what}: the credentials are not accepted"))
            .hint("see which ones are used: aws sts get-caller-identity; another profile: --profile NAME"),
        _ => Error::failed(format!("{what}: `{action}` got no usable answer"))
            .hint("check --endpoint-url, AWS_ENDPOINT_URL, the proxy and the network"),
    };
    error.because(text).hint(instead)
}

/// The keys could not be listed, and none was named (D2.12).
pub(super) fn keys_unread(user: &UserName, missing: &crate::snapshot::Missing) -> Error {
    Error::failed(format!(
        "the access keys of `{user}` cannot be listed: `{}` is missing",
        missing.action
    ))
    .because(&missing.because)
    .hint(POLICY)
    .hint("or name the leaked key: --access-key ID")
}

/// The service answered, and not as its protocol says.
pub(super) fn senseless(action: &str, what: &str) -> Error {
    Error::failed(format!("the answer to `{action}` makes no sense")).because(shown(what))
}

/// One of IAM and STS is AWS, the other is not (D2.15): then the caller says nothing about the account read.
pub(super) fn two_places(meter: &Meter) -> Option<Error> {
    let (iam, sts) = (meter.iam()?, meter.sts()?);
    (iam.is_aws() != sts.is_aws()).then(|| {
        Error::stale("sts and iam answer from different places")
            .detail(format!("iam: {}", shown(iam.as_str())))
            .detail(format!("sts: {}", shown(sts.as_str())))
            .hint("name one endpoint for both: --endpoint-url URL, or unset AWS_ENDPOINT_URL_IAM and AWS_ENDPOINT_URL_STS")
    })
}

/// No reply carried a Date.
pub(super) fn no_date() -> Error {
    Error::failed("the service does not say what time it is")
        .because("no reply carried a Date header, and fences are set by the service's clock")
        .hint("check --endpoint-url: AWS always sends one, a proxy may take it away")
}

/// The principal read is of another account than the caller.
pub(super) fn two_accounts(who: &Who, account: &str, caller: &Caller) -> Error {
    Error::stale(format!(
        "{who} is in account `{}`, the caller in {}",
        shown(account),
        caller.account
    ))
    .because("sts and iam speak of different accounts")
    .hint("name one endpoint for both: --endpoint-url URL")
}

/// There is no such user or role; `other` tells that there is one of the other kind.
pub(super) fn nobody(who: &Who, other: bool, caller: &Caller) -> Error {
    let (kind, name) = (who.kind(), who.name());
    if other {
        let is = match kind {
            PrincipalKind::User => PrincipalKind::Role,
            PrincipalKind::Role => PrincipalKind::User,
        };
        return Error::failed(format!("`{name}` is a {is}, not a {kind}"))
            .hint(format!("name it as what it is: {}", Who::of(is, name.clone()).flag()));
    }
    if kind == PrincipalKind::User && name.same_user("root") {
        return Error::failed("`root` is no IAM user").because(ROOT).hint(ROOT_HINT);
    }
    Error::failed(format!("there is no {who} in account {}", caller.account))
        .hint(format!("list the {kind}s: aws iam list-{kind}s"))
}

const ROOT: &str = "no policy of the account contains root";
const ROOT_HINT: &str = "sign in as root, delete its access keys, change the password, \
    check the MFA devices and the recovery address, end what the key started";

/// Root's key was given.
pub(super) fn root_key(key: &AccessKeyId) -> Error {
    Error::failed(format!("access key `{key}` belongs to root, not to a user"))
        .because(ROOT)
        .hint(ROOT_HINT)
}

/// A session's key was given.
pub(super) fn temporary_key(key: &AccessKeyId) -> Error {
    Error::failed(format!("access key `{key}` is temporary"))
        .because("it is a session's key: it has no status to change and no owner to look up")
        .hint(format!(
            "find the long-term key that made it: ringfence trace --access-key {key} --logs PATH"
        ))
        .hint("then contain what it has found: ringfence plan --from TRACE.json")
}

/// A key of another account was given.
pub(super) fn foreign_key(key: &AccessKeyId, account: &str, caller: &Caller) -> Error {
    Error::failed(format!(
        "access key `{key}` belongs to account {}, the caller is in {}",
        shown(account),
        caller.account
    ))
    .hint("use credentials of that account: --profile NAME")
}

/// A key that the account does not have, or that may not be looked up.
pub(super) fn unknown_key(key: &AccessKeyId, failure: &Failure, caller: &Caller) -> Error {
    if failure.kind == Kind::NotFound {
        return Error::failed(format!(
            "there is no access key `{key}` in account {}",
            caller.account
        ))
        .because(&failure.text)
        .hint(
            "check the ID; it may have been deleted: leave it out, or name its user: --user NAME",
        );
    }
    denied(&format!("the owner of access key `{key}`"), failure)
        .hint("or name the user: --user NAME")
}
