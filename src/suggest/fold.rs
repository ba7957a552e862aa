//! Many resources of one kind to few patterns: nobody wants an ARN for each object that was read.

use super::target::{Target, escaped};
use std::collections::{BTreeMap, BTreeSet};

/// As many in one place are named one by one.
const NAMED: usize = 2;

/// Into as many folders of a bucket a workload's objects are told apart.
const FOLDERS: usize = 5;

/// Folds what lies in one place, as objects do in a bucket; what stands alone is kept by name.
#[must_use]
pub(super) fn folded(targets: BTreeSet<Target>) -> BTreeSet<Target> {
    let mut out = BTreeSet::new();
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for target in targets {
        match target {
            Target::Named { head, tail, nested: true } => {
                places.entry(head).or_default().insert(tail);
            }
            other => {
                out.insert(other);
            }
        }
    }
    for (head, tails) in places {
        out.extend(patterns(&tails).into_iter().map(|(text, open)| match open {
            true => Target::Pattern(format!("{}{}*", escaped(&head), escaped(&text))),
            false => Target::Named { head: head.clone(), tail: text, nested: true },
        }));
    }
    out
}

/// Names, or what they have in common and that more may follow.
fn patterns(tails: &BTreeSet<String>) -> Vec<(String, bool)> {
    if tails.len() <= NAMED {
        return tails.iter().map(|tail| (tail.clone(), false)).collect();
    }
    let common = common_folder(tails);
    if !common.is_empty() {
        return vec![(common, true)];
    }
    let mut folders: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for tail in tails {
        let folder = tail.split_once('/').map_or(tail.as_str(), |(folder, _)| folder);
        folders.entry(folder).or_default().insert(tail.clone());
    }
    if folders.len() > FOLDERS {
        return vec![(String::new(), true)];
    }
    folders
        .into_values()
        .flat_map(|inside| match inside.len() {
            0..=NAMED => inside.into_iter().map(|tail| (tail, false)).collect(),
            _ => vec![(common_folder(&inside), true)],
        })
        .collect()
}

/// What all begin with, up to its last `/`.
fn common_folder(tails: &BTreeSet<String>) -> String {
    // In a sorted set the first and the last have the least in common.
    let (Some(first), Some(last)) = (tails.first(), tails.last()) else { return String::new() };
    let same = first.chars().zip(last.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a);
    let common: String = same.collect();
    common.rsplit_once('/').map_or_else(String::new, |(folder, _)| format!("{folder}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(keys: &[&str]) -> Vec<String> {
        let target = |key: &&str| Target::named("arn:aws:s3:::b/", key, true);
        let all = folded(keys.iter().map(target).collect());
        all.iter().map(|target| target.element().replace("arn:aws:s3:::b/", "")).collect()
    }

    #[test]
    fn objects_become_their_folder_and_few_stay_by_name() {
        assert_eq!(fold(&["a"]), ["a"]);
        assert_eq!(fold(&["exports/1", "exports/2", "exports/3"]), ["exports/*"]);
        assert_eq!(fold(&["x/1", "x/2", "x/3", "config.json"]), ["config.json", "x/*"]);
        assert_eq!(fold(&["a", "b", "c", "d", "e", "f"]), ["*"]);
        assert_eq!(fold(&["d/a*/1", "d/a*/2", "d/a*/3"]), ["d/a${*}/*"]);
    }

    #[test]
    fn what_lies_in_nothing_is_kept_by_name() {
        let table = |name: &str| Target::named("arn:aws:dynamodb:r:1:table/", name, false);
        let tables: BTreeSet<Target> = ["a", "b", "c", "d"].map(table).into();
        assert_eq!(folded(tables.clone()), tables);
    }
}
