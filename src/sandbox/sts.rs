//! STS: who calls, and temporary credentials.

mod assume;
mod mint;

use super::act::{Act, Done};
use super::dispatch::Table;
use super::fault::Fault;
use super::ids;
use super::params::Params;
use super::policy_store::Tag;
use super::xml::Xml;

/// The actions of STS.
pub(super) const TABLES: &[Table] = &[
    &[("GetAccessKeyInfo", key_info), ("GetCallerIdentity", identity)],
    assume::ACTIONS,
    mint::ACTIONS,
];

/// No policy can deny it (F6).
fn identity(act: &mut Act<'_>) -> Done {
    let mut xml = Xml::new();
    xml.text("UserId", &act.caller.id);
    xml.text("Account", &act.caller.account);
    xml.text("Arn", &act.caller.arn);
    Ok(Some(xml))
}

/// The account of a key, be it there or not: AWS reads it out of the ID.
fn key_info(act: &mut Act<'_>) -> Done {
    let key = act.params.id("AccessKeyId", 16)?;
    act.allow("*")?;
    let session = act.world.session(key).map(|session| session.account.clone());
    let mut accounts = act.world.account_ids();
    let owner = accounts.find(|id| act.world.account(id).is_some_and(|a| a.key(key).is_some()));
    let of_id =
        || ids::account_of_key(key).filter(|_| key.starts_with("AKIA") || key.starts_with("ASIA"));
    let account = session.or_else(|| owner.map(str::to_owned)).or_else(of_id);
    let mut xml = Xml::new();
    xml.text("Account", account.ok_or_else(|| Fault::invalid("Invalid Access Key ID"))?);
    Ok(Some(xml))
}

/// The session policies that a request passes: documents, and ARNs of managed ones.
fn session_policies(params: &Params, longest: usize) -> Result<(Vec<String>, Vec<String>), Fault> {
    use super::evaluate::{Kind, Policy};
    let mut documents = Vec::new();
    if let Some(text) = params.maybe_text("Policy", 1, longest)? {
        Policy::parse(text, Kind::Identity).map_err(|why| Fault::malformed(why.message))?;
        documents.push(text.to_owned());
    }
    let arns: Vec<String> =
        params.fields("PolicyArns", "arn").into_iter().map(|(_, arn)| arn.to_owned()).collect();
    if arns.len() > 10 {
        return Err(Fault::invalid("A session takes at most 10 managed session policies."));
    }
    Ok((documents, arns))
}

/// How much of the room for session policies and tags they take, in percent.
fn packed(documents: &[String], tags: &[Tag]) -> usize {
    let tags: usize = tags.iter().map(|tag| tag.key.len().saturating_add(tag.value.len())).sum();
    let documents: usize = documents.iter().map(String::len).sum();
    documents.saturating_add(tags).saturating_mul(100).div_ceil(2_048).min(100)
}
