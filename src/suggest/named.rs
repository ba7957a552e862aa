//! Which resources an event names, as the ARNs that its actions are judged by.

use super::catalog::{Action, Catalog, Mapped, Part, Service, Template, is_place};
use super::target::{Target, escaped};
use crate::trail::Event;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// An action as `(service, name in lower case)`.
pub(super) type ActionId = (&'static str, String);

/// What an event took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Actions, each on some resources.
    Needs(BTreeMap<ActionId, BTreeSet<Target>>),
    /// Nothing that a policy could grant.
    Nothing,
    /// Something that the data set does not have.
    Unmapped,
}

/// An event asks about so many things at the most.
const MOST: usize = 400;

/// What an event tells: its parameters wherever they stand, and the ARNs that it lists.
struct Facts {
    values: Vec<(String, String)>,
    listed: Vec<String>,
    /// The caller's ARN, which has the path that a name lacks.
    caller: String,
    partition: String,
    region: String,
    account: String,
}

/// Reads an event.
pub(super) fn taken(catalog: &Catalog, event: &Event<'_>) -> Taken {
    // A sign-in asks for no permission, and what a service does is nobody's call.
    let is_call = !matches!(&*event.kind, "AwsConsoleSignIn" | "AwsServiceEvent");
    if !is_call || event.service() == "signin" {
        return Taken::Nothing;
    }
    let Some(service) = catalog.of_source(&event.source) else { return Taken::Unmapped };
    let actions = match service.mapped(&event.name) {
        Mapped::Unknown => return Taken::Unmapped,
        Mapped::None => return Taken::Nothing,
        Mapped::Actions(actions) => actions,
    };
    let facts = Facts::of(event);
    let mut needs: BTreeMap<ActionId, BTreeSet<Target>> = BTreeMap::new();
    let copies = event.name.contains("Copy") && service.prefix == "s3";
    for (prefix, name) in with_companions(service, &facts, actions) {
        let Some(of) = catalog.service(prefix) else { continue };
        let Some(action) = catalog.action(prefix, &name) else { continue };
        let source = copies && action.name.starts_with("Get");
        let targets = match facts.copied().filter(|_| source) {
            Some(copied) => targets(of, action, &copied),
            None if source => BTreeSet::from([Target::Unnamed]),
            None => targets(of, action, &facts),
        };
        if action.passes_role {
            let roles = facts.roles();
            if !roles.is_empty() {
                needs.entry(("iam", "passrole".to_owned())).or_default().extend(roles);
            }
        }
        needs.entry((prefix, name)).or_default().extend(targets);
    }
    Taken::Needs(needs)
}

/// The actions of an event, with those that its parameters bring along.
fn with_companions(service: &Service, facts: &Facts, mut actions: Vec<ActionId>) -> Vec<ActionId> {
    let main = actions.first().map(|(_, name)| name.clone()).unwrap_or_default();
    let mut add = |name: &str| actions.push((service.prefix, name.to_owned()));
    match (service.prefix, main.as_str()) {
        ("s3", "putobject") => {
            if facts.has("x-amz-acl") {
                add("putobjectacl");
            }
            if facts.has("x-amz-tagging") {
                add("putobjecttagging");
            }
        }
        ("s3", "getobject") if facts.has("versionid") => add("getobjectversion"),
        ("s3", "deleteobject") if facts.has("versionid") => add("deleteobjectversion"),
        ("ec2", _) if facts.has("tagspecificationset") => add("createtags"),
        _ => {}
    }
    actions
}

/// What one action was used on.
fn targets(service: &Service, action: &Action, facts: &Facts) -> BTreeSet<Target> {
    if action.types.is_empty() {
        return BTreeSet::from([Target::NoResource]);
    }
    let filled: Vec<(bool, Filled)> = action
        .types
        .iter()
        .filter_map(|(place, required)| {
            let form = service.template(*place)?;
            Some((*required, facts.fill(service, action, *place, form)))
        })
        .collect();
    let mut found = BTreeSet::new();
    if filled.iter().any(|(required, _)| *required) {
        // All required types are judged, and any other that the call touches.
        if filled.iter().all(|(required, filled)| !*required || filled.named.is_empty()) {
            return BTreeSet::from([Target::Unnamed]);
        }
        for (_, one) in filled {
            found.extend(if one.named.is_empty() { vec![one.open] } else { one.named });
        }
    } else {
        found.extend(filled.into_iter().flat_map(|(_, one)| one.named));
        if found.is_empty() {
            found.insert(Target::Unnamed);
        }
    }
    found
}

/// A type of resource with what an event says of it.
struct Filled {
    /// The resources that are named.
    named: Vec<Target>,
    /// Any of this type, as far as the event says where.
    open: Target,
}

impl Facts {
    fn of(event: &Event<'_>) -> Self {
        let mut facts = Self {
            values: Vec::new(),
            listed: Vec::new(),
            caller: String::new(),
            partition: "aws".to_owned(),
            region: event.region.clone().into_owned(),
            account: event.recipient.clone().into_owned(),
        };
        if let Some(identity) = &event.identity {
            facts.caller = identity.arn.clone().into_owned();
            if let Some(partition) = identity.arn.split(':').nth(1).filter(|text| !text.is_empty())
            {
                facts.partition = partition.to_owned();
            }
            if facts.account.is_empty() {
                facts.account = identity.account.clone().into_owned();
            }
        }
        let read = |raw: Option<&str>| {
            raw.and_then(|raw| serde_json::from_str::<Value>(raw).ok()).unwrap_or(Value::Null)
        };
        facts.take("", &read(event.request), 0);
        for entry in read(event.resources).as_array().into_iter().flatten().take(MOST) {
            let arn = entry.get("ARN").or_else(|| entry.get("arn")).and_then(Value::as_str);
            facts.listed.extend(arn.filter(|arn| is_arn(arn)).map(str::to_owned));
        }
        facts
    }

    fn take(&mut self, key: &str, value: &Value, depth: usize) {
        if self.values.len() >= MOST || depth > 12 {
            return;
        }
        match value {
            Value::Object(fields) => {
                // Which tags, or which context, is nothing that an ARN is made of.
                let apart = ["tags", "tagset", "encryptioncontext"];
                for (name, inner) in fields {
                    let name = name.to_ascii_lowercase();
                    if !apart.contains(&name.as_str()) {
                        self.take(&name, inner, depth + 1);
                    }
                    if name == "tagspecificationset" {
                        self.values.push((name, String::new()));
                    }
                }
            }
            Value::Array(items) => {
                items.iter().for_each(|inner| self.take(key, inner, depth + 1));
            }
            Value::String(text) if !text.is_empty() && text.len() <= 2_048 => {
                self.values.push((key.to_owned(), text.clone()));
            }
            Value::Number(number) => self.values.push((key.to_owned(), number.to_string())),
            _ => {}
        }
    }

    fn has(&self, key: &str) -> bool {
        self.values.iter().any(|(name, _)| name == key)
    }

    /// What an object is copied from.
    fn copied(&self) -> Option<Self> {
        let (_, from) = self.values.iter().find(|(name, _)| name == "x-amz-copy-source")?;
        let plain = from.trim_start_matches('/');
        let plain = plain.split_once("?versionId=").map_or(plain, |(before, _)| before);
        let (bucket, key) =
            decoded(plain).split_once('/').map(|(b, k)| (b.to_owned(), k.to_owned()))?;
        let values = vec![("bucketname".to_owned(), bucket), ("key".to_owned(), key)];
        Some(Self {
            values,
            listed: Vec::new(),
            caller: self.caller.clone(),
            partition: self.partition.clone(),
            region: self.region.clone(),
            account: self.account.clone(),
        })
    }

    /// The roles that are passed along.
    fn roles(&self) -> BTreeSet<Target> {
        let is_role = |text: &&String| {
            let mut fields = text.splitn(6, ':');
            fields.next() == Some("arn")
                && fields.nth(1) == Some("iam")
                && fields.nth(2).is_some_and(|resource| resource.starts_with("role/"))
        };
        let arns = self.values.iter().map(|(_, value)| value).filter(is_role);
        arns.filter_map(|arn| {
            let (head, name) = arn.split_once("role/")?;
            Some(Target::named(&format!("{head}role/"), name, false))
        })
        .collect()
    }

    fn fill(&self, service: &Service, action: &Action, place: usize, form: &Template) -> Filled {
        let open = Target::Pattern(self.built(service.prefix, form, &BTreeMap::new()).1);
        let of_type = |arn: &&String| service.type_of(arn) == Some(place);
        let mut arns: Vec<&String> = self.listed.iter().filter(of_type).collect();
        if arns.is_empty() {
            arns = self.values.iter().map(|(_, value)| value).filter(of_type).collect();
        }
        if !arns.is_empty() {
            let named =
                arns.into_iter().flat_map(|arn| varied(service.prefix, form, arn, &self.caller));
            return Filled { named: named.collect(), open };
        }
        let own: Vec<&str> = form.own().collect();
        let mut values: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for variable in &own {
            let told = self.told(service, action, variable);
            if !told.is_empty() {
                values.insert(variable, told);
            }
        }
        // Without the first there is nothing to hold on to: any bucket has an object of that name.
        let first = own.first().is_some_and(|variable| values.contains_key(variable));
        if !first {
            return Filled { named: Vec::new(), open };
        }
        let mut named = Vec::new();
        for chosen in product(&own, &values) {
            let (whole, text) = self.built(service.prefix, form, &chosen);
            match whole {
                Some(arn) => named.extend(varied(service.prefix, form, &arn, &self.caller)),
                None => named.push(Target::Pattern(text)),
            }
        }
        Filled { named, open }
    }

    /// What the parameters say of a variable, without what cannot be a part of an ARN.
    fn told(&self, service: &Service, action: &Action, variable: &str) -> Vec<String> {
        let names = service.told_as(&action.name, variable);
        let mut found = Vec::new();
        for name in &names {
            let of = self.values.iter().filter(|(key, _)| key == name);
            found.extend(of.filter_map(|(_, value)| plain(service.prefix, variable, value)));
            if !found.is_empty() {
                break;
            }
        }
        if found.is_empty() && service.prefix == "sqs" {
            let urls = self.values.iter().filter(|(key, _)| key == "queueurl");
            found.extend(urls.filter_map(|(_, url)| url.rsplit('/').next().map(str::to_owned)));
        }
        found.sort();
        found.dedup();
        found.truncate(MOST);
        found
    }

    /// An ARN, if all of it is known; and as a policy writes it, with wildcards for what is not.
    fn built(
        &self,
        prefix: &str,
        form: &Template,
        values: &BTreeMap<&str, String>,
    ) -> (Option<String>, String) {
        let (mut whole, mut text) = (Some(String::new()), String::new());
        for part in &form.0 {
            let value = match part {
                Part::Text(text) => Some(text.clone()),
                Part::Variable(name) if is_place(name) => self.place(prefix, name),
                Part::Variable(name) => values.get(name.as_str()).cloned(),
            };
            match value {
                Some(value) => {
                    text.push_str(&escaped(&value));
                    if let Some(whole) = &mut whole {
                        whole.push_str(&value);
                    }
                }
                None => {
                    text.push('*');
                    whole = None;
                }
            }
        }
        (whole, text)
    }

    fn place(&self, prefix: &str, name: &str) -> Option<String> {
        let known = match name {
            "Partition" => &self.partition,
            "Region" => &self.region,
            // The IDs of EC2 are nobody else's, and a subnet or an image may be another account's.
            _ if prefix == "ec2" => return None,
            _ => {
                let registry = self
                    .values
                    .iter()
                    .find(|(key, value)| key == "registryid" && value.len() == 12);
                let url = self.values.iter().find(|(key, _)| prefix == "sqs" && key == "queueurl");
                let of_url =
                    url.and_then(|(_, url)| url.rsplit('/').nth(1)).filter(|id| id.len() == 12);
                if let Some(id) = registry.map(|(_, id)| id.as_str()).or(of_url) {
                    return Some(id.to_owned());
                }
                &self.account
            }
        };
        (!known.is_empty()).then(|| known.clone())
    }
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.split(':').count() >= 6
}

/// A parameter as an ARN has it; nothing where it is no part of one.
fn plain(prefix: &str, variable: &str, value: &str) -> Option<String> {
    if value.starts_with("arn:") {
        return None;
    }
    let value = match (prefix, variable) {
        // A key is judged by its own ARN, whatever alias it was called by.
        ("kms", _) if value.starts_with("alias/") => return None,
        ("ssm", "ParameterNameWithoutLeadingSlash") => value.trim_start_matches('/'),
        ("route53", "Id") => value.rsplit('/').next().unwrap_or(value),
        // `ACCOUNT:function:NAME:QUALIFIER` is a name for it, too.
        ("lambda", "FunctionName") => {
            let name = value.split_once(":function:").map_or(value, |(_, name)| name);
            name.split(':').next().unwrap_or(name)
        }
        _ => value,
    };
    (!value.is_empty()).then(|| value.to_owned())
}

/// Every choice of values, one for each variable that has some.
fn product<'a>(
    own: &[&'a str],
    values: &BTreeMap<&'a str, Vec<String>>,
) -> Vec<BTreeMap<&'a str, String>> {
    let mut all = vec![BTreeMap::new()];
    for variable in own {
        let Some(some) = values.get(variable) else { continue };
        if all.len().saturating_mul(some.len()) > MOST {
            break;
        }
        let chosen = |before: &BTreeMap<&'a str, String>, value: &String| {
            let mut one = before.clone();
            one.insert(variable, value.clone());
            one
        };
        all = all.iter().flat_map(|one| some.iter().map(move |value| chosen(one, value))).collect();
    }
    all
}

/// An ARN, and the other forms in which the service judges by it.
fn varied(prefix: &str, form: &Template, arn: &str, caller: &str) -> Vec<Target> {
    let own: Vec<&str> = form.own().collect();
    let (head, tail) = cut(form, arn);
    let exact = Target::named(&head, &tail, own.len() > 1);
    let with = |more: &str| Target::Pattern(format!("{}{more}", escaped(arn)));
    match (prefix, own.as_slice()) {
        // A log group's ARN ends in `:*` where its streams are meant.
        ("logs", ["LogGroupName"]) => vec![exact, with(":*")],
        // A version or an alias of it.
        ("lambda", ["FunctionName"]) => vec![exact, with(":*")],
        // Secrets Manager puts six characters of its own behind a secret's name.
        ("secretsmanager", ["SecretId"]) if !has_suffix(&tail) => vec![with("-??????")],
        // Whoever asks for itself is known with its path.
        ("iam", ["UserNameWithPath"]) if is_caller(caller, &tail) => {
            let (head, tail) = cut(form, caller);
            vec![Target::named(&head, &tail, false)]
        }
        // Events have the name alone, and the ARN the path before it.
        ("iam", [variable]) if variable.ends_with("WithPath") && !tail.contains('/') => {
            let deeper = format!("{}*/{}", escaped(&head), escaped(&tail));
            vec![exact, Target::Pattern(deeper)]
        }
        _ => vec![exact],
    }
}

/// Whether a name is that of the user who calls.
fn is_caller(caller: &str, name: &str) -> bool {
    caller.contains(":iam::")
        && caller.contains(":user/")
        && caller.rsplit('/').next() == Some(name)
}

fn has_suffix(name: &str) -> bool {
    let suffix = name.rsplit_once('-').map(|(_, suffix)| suffix);
    suffix.is_some_and(|text| text.len() == 6 && text.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// An ARN in two: up to its last part that the service names, and that part.
fn cut(form: &Template, arn: &str) -> (String, String) {
    const OWN: char = '\0';
    let shape: String = form
        .0
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Variable(name) if is_place(name) => "x".to_owned(),
            Part::Variable(_) => OWN.to_string(),
        })
        .collect();
    // What the service names begins behind the fifth colon.
    let shape = shape.splitn(6, ':').nth(5).unwrap_or_default();
    let before = shape.rsplit_once(OWN).map_or("", |(before, _)| before);
    let separator = before.rsplit(OWN).next().unwrap_or_default();
    let mut fields = arn.splitn(6, ':');
    let places: Vec<&str> = fields.by_ref().take(5).collect();
    let resource = fields.next().unwrap_or_default();
    let start = format!("{}:", places.join(":"));
    match resource.split_once(separator) {
        Some((front, back)) => (format!("{start}{front}{separator}"), back.to_owned()),
        None => (start, resource.to_owned()),
    }
}

/// Percent-decoding, of what S3 wants encoded in a header.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| *byte == b'%') {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
