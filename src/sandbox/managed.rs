//! The managed policies of AWS that containment meets, with their real documents.

use super::policy_store::{Managed, Version};
use super::{account::fold, ids};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::sync::OnceLock;

#[derive(Deserialize)]
struct Entry {
    name: String,
    path: String,
    default: String,
    versions: Vec<EntryVersion>,
}

#[derive(Deserialize)]
struct EntryVersion {
    id: String,
    document: Value,
}

/// All of them, in the partition `aws`.
#[must_use]
pub(super) fn all() -> &'static [Managed] {
    static ALL: OnceLock<Vec<Managed>> = OnceLock::new();
    ALL.get_or_init(|| {
        let entries: Vec<Entry> =
            serde_json::from_str(include_str!("managed.json")).unwrap_or_default();
        entries.iter().map(Managed::from).collect()
    })
}

/// One of them by ARN, in the partition that the ARN names (F23).
#[must_use]
pub(super) fn find(arn: &str) -> Option<Managed> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(':')?;
    let wanted = fold(&format!("arn:aws:{rest}"));
    let mut found = all().iter().find(|policy| fold(&policy.arn) == wanted)?.clone();
    found.arn = format!("arn:{partition}:{}", found.arn.strip_prefix("arn:aws:")?);
    Some(found)
}

/// Whether an ARN is of a policy of AWS's.
#[must_use]
pub(super) fn is_of_aws(arn: &str) -> bool {
    arn.contains(":iam::aws:policy/")
}

fn number(id: &str) -> u32 {
    id.strip_prefix('v').and_then(|digits| digits.parse().ok()).unwrap_or(1)
}

impl From<&Entry> for Managed {
    fn from(entry: &Entry) -> Self {
        let arn = format!("arn:aws:iam::aws:policy{}{}", entry.path, entry.name);
        // When they were made is not among the facts that were kept.
        let created = Timestamp::UNIX_EPOCH;
        let version = |version: &EntryVersion| Version {
            number: number(&version.id),
            document: version.document.to_string(),
            created,
        };
        let versions: Vec<Version> = entry.versions.iter().map(version).collect();
        Self {
            id: ids::from_text("ANPA", &arn),
            next: versions.last().map_or(1, |last| last.number.saturating_add(1)),
            default: number(&entry.default),
            name: entry.name.clone(),
            path: entry.path.clone(),
            arn,
            created,
            updated: created,
            description: None,
            tags: Vec::new(),
            versions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::tests::fixture;
    use serde_json::Value;

    #[test]
    fn what_containment_meets_is_there() {
        for name in ["AWSDenyAll", "AWSCompromisedKeyQuarantineV3", "AdministratorAccess"] {
            let found = find(&format!("arn:aws-cn:iam::aws:policy/{name}")).unwrap();
            assert_eq!(found.arn, format!("arn:aws-cn:iam::aws:policy/{name}"));
            assert!(found.document().unwrap().contains("Statement"));
        }
        assert_eq!(find("arn:aws:iam::aws:policy/Nothing"), None);
    }

    #[test]
    fn the_documents_are_the_real_ones() {
        let Some(history) = fixture("managed-policies/history_selected.json") else { return };
        let Some(latest) = fixture("managed-policies/latest.jsonl") else { return };
        let history: Value = serde_json::from_str(&history).unwrap();
        let latest: Vec<Value> =
            latest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for policy in all() {
            for version in &policy.versions {
                let ours: Value = serde_json::from_str(&version.document).unwrap();
                let id = format!("v{}", version.number);
                let known = &history[&policy.name]["versions"][&id]["document"];
                let newest = latest.iter().find(|entry| entry["name"] == policy.name.as_str());
                let newest = newest.filter(|entry| entry["versionId"] == id.as_str());
                let theirs = newest.map_or(known, |entry| &entry["document"]);
                assert_eq!(&ours, theirs, "{} {id}", policy.name);
            }
            if let Some(newest) = latest.iter().find(|entry| entry["name"] == policy.name.as_str())
            {
                assert_eq!(newest["versionId"], format!("v{}", policy.default), "{}", policy.name);
            }
        }
    }
}
