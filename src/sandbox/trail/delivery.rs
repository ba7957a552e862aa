//! Events as CloudTrail delivers them to a bucket: files of `Records`, in folders by account, Region
//! and day.

use super::Recorded;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The files that these events are delivered in: a path below the bucket, and its text.
#[must_use]
pub fn delivered(events: &[Recorded]) -> Vec<(String, String)> {
    let mut files: BTreeMap<(&str, &str, String), Vec<&Value>> = BTreeMap::new();
    for one in events {
        let day = one.time.strftime("%Y/%m/%d").to_string();
        files.entry((&one.account, &one.region, day)).or_default().push(&one.event);
    }
    let file = |((account, region, day), events): ((&str, &str, String), Vec<&Value>)| {
        let text = json!({ "Records": events }).to_string();
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let stamp = events.last().and_then(|event| event.get("eventTime")).and_then(Value::as_str);
        let stamp: String = stamp
            .unwrap_or_default()
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == 'T')
            .take("20260101T0000".len())
            .collect();
        let name = format!("{account}_CloudTrail_{region}_{stamp}Z_{hash}.json");
        (format!("AWSLogs/{account}/CloudTrail/{region}/{day}/{name}"), text)
    };
    files.into_iter().map(file).collect()
}
