//! Whom a role's trust policy lets assume it, and what has become of that since the role was contained.

use crate::policy::PolicyDocument;
use crate::posture::one_of;
use crate::resource::Resource;
use crate::snapshot::Snapshot;
use crate::text::shown;
use crate::view::Finding;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// The word for a principal that everybody fits.
const ANYBODY: &str = "anybody";

/// The services that a trust policy lets assume the role, sorted.
#[must_use]
pub fn services(trust: &PolicyDocument) -> Vec<String> {
    principals(trust, "Service").into_iter().collect()
}

/// Whom a trust policy lets assume the role, in a line: `ec2.amazonaws.com, arn:aws:iam::123456789012:root`.
#[must_use]
pub fn trusted(trust: &PolicyDocument) -> String {
    in_a_line(&everyone(trust))
}

/// What somebody has done to a role's trust policy since an earlier look at it. A fence stands all the same; but
/// whoever is let in by it can have new sessions that the fence does not stop (F12).
#[must_use]
pub fn changed(before: &Snapshot, now: &Snapshot) -> Option<Finding> {
    let (before, now) = (before.role()?.trust.read()?, now.role()?.trust.read()?);
    if before == now {
        return None;
    }
    let (then, names) = (everyone(before), everyone(now));
    let only = |of: &BTreeSet<String>, other: &BTreeSet<String>| of - other;
    let (new, gone) = (only(&names, &then), only(&then, &names));
    let mut what = vec!["was changed:".to_owned()];
    match (new.is_empty(), gone.is_empty()) {
        (true, true) => what.push("names whom it named, on other terms".to_owned()),
        (false, true) => what.push(format!("now names {}", in_a_line(&new))),
        (true, false) => what.push(format!("no longer names {}", in_a_line(&gone))),
        (false, false) => {
            what.push(format!("now names {}, and no longer {}", in_a_line(&new), in_a_line(&gone)))
        }
    }
    Some(Finding { resource: Some(Resource::TrustPolicy), what: what.join(" ") })
}

/// The first few, and how many more there are.
fn in_a_line(names: &BTreeSet<String>) -> String {
    let all: Vec<_> = names.iter().map(|name| shown(name)).collect();
    let all: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
    match all.as_slice() {
        [] => "nobody".to_owned(),
        few if few.len() <= 4 => one_of(few).replace(" or ", " and "),
        [first, second, third, rest @ ..] => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        _ => String::new(),
    }
}

fn everyone(trust: &PolicyDocument) -> BTreeSet<String> {
    ["AWS", "Service", "Federated"].iter().flat_map(|kind| principals(trust, kind)).collect()
}

fn principals(trust: &PolicyDocument, kind: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let word = |name: &str| if name == "*" { ANYBODY.to_owned() } else { name.to_owned() };
    for statement in listed(trust.value().get("Statement")) {
        if statement.get("Effect").and_then(Json::as_str) != Some("Allow") {
            continue;
        }
        if let Some(Json::String(anybody)) = statement.get("Principal")
            && kind == "AWS"
        {
            found.insert(word(anybody));
        }
        let named = statement.get("Principal").and_then(|principal| principal.get(kind));
        found.extend(listed(named).filter_map(Json::as_str).map(word));
        // Everybody but those it names.
        if statement.get("NotPrincipal").is_some() {
            found.insert(ANYBODY.to_owned());
        }
    }
    found
}

/// The items of a list, or the one item that stands in its place.
fn listed(value: Option<&Json>) -> impl Iterator<Item = &Json> {
    let (list, one) = match value {
        Some(Json::Array(items)) => (items.as_slice(), None),
        one => (&[][..], one),
    };
    list.iter().chain(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(statement: &str) -> PolicyDocument {
        PolicyDocument::parse(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#))
    }

    #[test]
    fn the_services_of_a_trust_policy_are_found_in_every_form() {
        let one = r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#;
        assert_eq!(services(&trust(one)), ["ec2.amazonaws.com"]);
        let two = r#"[{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","ecs-tasks.amazonaws.com"]}},
                      {"Effect":"Deny","Principal":{"Service":"ec2.amazonaws.com"}}]"#;
        assert_eq!(services(&trust(two)), ["ecs-tasks.amazonaws.com", "lambda.amazonaws.com"]);
        let people = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"}}"#;
        assert!(services(&trust(people)).is_empty());
        assert_eq!(trusted(&trust(people)), "arn:aws:iam::123456789012:root");
        assert_eq!(
            services(&trust(r#"{"Effect":"Allow","NotPrincipal":{"AWS":"x"}}"#)),
            ["anybody"]
        );
        for anybody in [r#""*""#, r#"{"AWS":"*"}"#, r#"{"AWS":["*"]}"#] {
            let statement = format!(r#"{{"Effect":"Allow","Principal":{anybody}}}"#);
            assert_eq!(trusted(&trust(&statement)), "anybody");
        }
        assert_eq!(trusted(&trust("[]")), "nobody");
        assert!(services(&PolicyDocument::parse("not json")).is_empty());
    }
}
