//! From a leaked key to the user that owns it (F21).

use super::details::use_of;
use super::failure::Failure;
use super::session::Session;
use super::words;
use crate::error::Result;
use crate::identity::{AccessKeyId, Caller, UserName};
use crate::snapshot::{LastUsed, Observed};

/// A key's owner, and its last recorded use, which the same reply holds.
#[derive(Clone, Debug)]
pub(super) struct KeyUse {
    /// The key.
    pub(super) key: AccessKeyId,
    /// The user that it belongs to.
    pub(super) owner: UserName,
    /// Its last recorded use.
    pub(super) last_used: Observed<Option<LastUsed>>,
}

/// What a look-up of a key found.
pub(super) enum Found {
    /// A user's key.
    Key(KeyUse),
    /// A key of root, which is no user.
    Root,
    /// No key of this account; the account it is of, where STS knows.
    Stranger(Failure, Option<String>),
}

/// Looks a key up. Only a failure that is not about this key is an error.
pub(super) async fn find(s: &Session<'_>, key: &AccessKeyId) -> Result<Found> {
    const ACTION: &str = "iam:GetAccessKeyLastUsed";
    let send = s.iam.get_access_key_last_used().access_key_id(key.as_str()).send();
    let reply = match s.ask(ACTION, 1, send).await {
        Ok(reply) => reply,
        Err(failure) if failure.is_local() => {
            // AWS answers AccessDenied, not NoSuchEntity, for a key of another account.
            return Ok(Found::Stranger(failure, account_of(s, key).await));
        }
        Err(failure) => return Err(s.fatal(&failure)),
    };
    let last_used = Observed::Read(use_of(&reply));
    match reply.user_name.as_deref() {
        None | Some("" | "<root_account>" | "root") => Ok(Found::Root),
        Some(name) => match name.parse() {
            Ok(owner) => Ok(Found::Key(KeyUse { key: key.clone(), owner, last_used })),
            Err(malformed) => {
                Err(words::senseless(ACTION, &format!("the user name `{name}`: {malformed}")))
            }
        },
    }
}

/// The account of any key; whatever fails here leaves it unknown.
async fn account_of(s: &Session<'_>, key: &AccessKeyId) -> Option<String> {
    let send = s.sts.get_access_key_info().access_key_id(key.as_str()).send();
    s.ask("sts:GetAccessKeyInfo", 2, send).await.ok()?.account
}

impl Found {
    /// The key, if it is a user's.
    pub(super) const fn known(&self) -> Option<&KeyUse> {
        match self {
            Self::Key(found) => Some(found),
            _ => None,
        }
    }

    /// The key's owner, or why there is none.
    pub(super) fn owner(self, key: &AccessKeyId, caller: &Caller) -> Result<KeyUse> {
        match self {
            Self::Key(found) => Ok(found),
            Self::Root => Err(words::root_key(key)),
            Self::Stranger(_, Some(account)) if account != caller.account.as_str() => {
                Err(words::foreign_key(key, &account, caller))
            }
            Self::Stranger(failure, _) => Err(words::unknown_key(key, &failure, caller)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::failure::Kind;

    fn why(found: Found) -> String {
        let caller = Caller {
            account: "111111111111".parse().unwrap(),
            arn: "arn:aws:iam::111111111111:user/responder".parse().unwrap(),
            id: "AIDA".to_owned(),
        };
        let key = "AKIA3EXAMPLE4LEAKED1".parse().unwrap();
        found.owner(&key, &caller).unwrap_err().to_string()
    }

    fn stranger(kind: Kind, account: Option<&str>) -> Found {
        let failure = Failure { action: "iam:GetAccessKeyLastUsed", kind, text: "said".to_owned() };
        Found::Stranger(failure, account.map(str::to_owned))
    }

    #[test]
    fn a_key_without_an_owner_here_says_why() {
        let foreign = why(stranger(Kind::Denied, Some("222222222222")));
        assert!(foreign.contains("account 222222222222, the caller is in 111111111111"));
        let denied = why(stranger(Kind::Denied, Some("111111111111")));
        assert!(denied.contains("`iam:GetAccessKeyLastUsed` is missing"));
        let unknown = why(stranger(Kind::NotFound, None));
        assert!(unknown.contains("there is no access key"));
        assert!(why(Found::Root).contains("delete its access keys"));
    }
}
