//! A policy document: read once, with IAM's refusals, and asked often.

use super::condition::{Condition, Operator};
use super::json::Node;
use super::pattern::{Colons, Template, action_matches};
use super::principal::{Named, Principals, Reach};
use super::{Request, Source};
use std::fmt;

/// What a document is for, which decides what it must and must not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A policy of a user, group or role, a boundary or a session policy: no principals.
    Identity,
    /// The trust policy of a role: principals, and no resources.
    Trust,
    /// The policy of another resource, such as a bucket: principals and resources.
    Resource,
}

/// A policy document that IAM would store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    kind: Kind,
    statements: Vec<Statement>,
}

/// Why IAM would refuse a document, as MalformedPolicyDocument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What AWS says.
    pub message: String,
    /// What AWS leaves to guess.
    pub detail: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    deny: bool,
    principals: Option<Principals>,
    /// In lower case.
    actions: Listed<String>,
    /// None in trust policies: the role is the resource.
    resources: Option<Listed<Template>>,
    conditions: Vec<Condition>,
}

/// An element, or its `Not…` twin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed<T> {
    except: bool,
    items: Vec<T>,
}

impl<T> Listed<T> {
    fn covers(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.except != self.items.iter().any(fits)
    }
}

impl Malformed {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), detail: None }
    }

    fn syntax(detail: impl Into<String>) -> Self {
        Self { message: "Syntax errors in policy.".into(), detail: Some(detail.into()) }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Malformed {}

impl Policy {
    /// Reads a document, with the refusals of IAM's own parser.
    ///
    /// Versions 2008-10-17 and 2012-10-17 are read, and none means the older one.
    ///
    /// # Errors
    /// What IAM answers as MalformedPolicyDocument.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, Malformed> {
        let node: Node =
            serde_json::from_str(text).map_err(|error| Malformed::syntax(error.to_string()))?;
        let fields = node.fields().ok_or_else(|| Malformed::syntax("no JSON object"))?;
        let mut variables = false;
        let mut statements: Option<&[Node]> = None;
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("Version", Node::Text(version)) => match version.as_str() {
                    "2012-10-17" => variables = true,
                    "2008-10-17" => {}
                    _ => return Err(Malformed::syntax(format!("unknown version `{version}`"))),
                },
                ("Id", Node::Text(_)) => {}
                ("Statement", Node::Object(_) | Node::List(_)) => statements = Some(value.items()),
                _ => return Err(Malformed::syntax(format!("`{name}` does not belong here"))),
            }
        }
        let statements = statements.filter(|statements| !statements.is_empty());
        let statements = statements.ok_or_else(|| Malformed::syntax("no statement"))?;
        unique_sids(statements)?;
        let read = |node| Statement::parse(node, kind, variables);
        Ok(Self { kind, statements: statements.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// What the document is for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The ARNs and unique IDs that the document names as principals, other than accounts. IAM
    /// refuses a trust policy that names a user or role that does not exist.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        let principals =
            self.statements.iter().filter_map(|statement| statement.principals.as_ref());
        principals.flat_map(|principals| &principals.named).filter_map(|named| match named {
            Named::Arn(arn) => Some(arn.as_str()),
            _ => None,
        })
    }

    /// How AWS calls this document when a resource's policies decide.
    pub(super) fn source(&self) -> Source {
        if self.kind == Kind::Trust { Source::Trust } else { Source::Resource }
    }

    /// Whether a statement allows the request, whoever asks.
    #[must_use]
    pub fn allows(&self, request: &Request<'_>) -> bool {
        self.applying(request, false).next().is_some()
    }

    /// Whether a statement denies the request, whoever asks.
    #[must_use]
    pub fn denies(&self, request: &Request<'_>) -> bool {
        self.applying(request, true).next().is_some()
    }

    /// How closely the statements that allow the request name the caller, if any does.
    pub(super) fn grants(&self, request: &Request<'_>) -> Option<Reach> {
        self.applying(request, false)
            .filter_map(|statement| statement.principals.as_ref()?.allowed(request.principal))
            .max()
    }

    /// Whether a statement denies the request to the caller; `bounded` when it has a boundary.
    pub(super) fn denies_principal(&self, request: &Request<'_>, bounded: bool) -> bool {
        self.applying(request, true).any(|statement| {
            let principals = statement.principals.as_ref();
            principals.is_some_and(|principals| principals.denied(request.principal, bounded))
        })
    }

    fn applying(&self, request: &Request<'_>, deny: bool) -> impl Iterator<Item = &Statement> {
        let statements = self.statements.iter();
        statements.filter(move |statement| statement.deny == deny && statement.applies(request))
    }
}

impl Statement {
    fn applies(&self, request: &Request<'_>) -> bool {
        let Request { action, resource, context, .. } = *request;
        let action = action.to_lowercase();
        self.actions.covers(|pattern| action_matches(pattern, &action))
            && self.resources.as_ref().is_none_or(|resources| {
                resources.covers(|pattern| pattern.matches(resource, context, Colons::Resource))
            })
            && self.conditions.iter().all(|condition| condition.holds(context))
    }

    fn parse(node: &Node, kind: Kind, variables: bool) -> Result<Self, Malformed> {
        let fields = node.fields().ok_or_else(|| Malformed::syntax("a statement is no object"))?;
        known_elements(fields)?;
        let deny = match field(fields, "Effect").and_then(Node::text) {
            Some("Allow") => false,
            Some("Deny") => true,
            _ => return Err(Malformed::syntax("Effect is neither Allow nor Deny")),
        };
        let principals = principals(fields, kind)?;
        let actions = actions(fields, kind)?;
        let resources = resources(fields, kind, variables)?;
        let conditions = match field(fields, "Condition") {
            Some(node) => conditions(node, variables)?,
            None => Vec::new(),
        };
        Ok(Self { deny, principals, actions, resources, conditions })
    }
}

const ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

fn known_elements(fields: &[(String, Node)]) -> Result<(), Malformed> {
    match fields.iter().find(|(name, _)| !ELEMENTS.contains(&name.as_str())) {
        Some((name, _)) => Err(Malformed::syntax(format!("unknown element `{name}`"))),
        None => Ok(()),
    }
}

fn field<'a>(fields: &'a [(String, Node)], name: &str) -> Option<&'a Node> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// An element or its `Not…` twin, never both.
fn twin<'a>(
    fields: &'a [(String, Node)],
    name: &str,
) -> Result<Option<(bool, &'a Node)>, Malformed> {
    let negated = format!("Not{name}");
    match (field(fields, name), field(fields, &negated)) {
        (Some(_), Some(_)) => Err(Malformed::syntax(format!("both {name} and {negated}"))),
        (Some(node), None) => Ok(Some((false, node))),
        (None, Some(node)) => Ok(Some((true, node))),
        (None, None) => Ok(None),
    }
}

fn unique_sids(statements: &[Node]) -> Result<(), Malformed> {
    let mut known = Vec::new();
    for statement in statements {
        let Some(sid) = statement.fields().and_then(|fields| field(fields, "Sid")) else {
            continue;
        };
        let sid = sid.text().ok_or_else(|| Malformed::syntax("Sid is no string"))?;
        if !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Malformed {
                message: "Statement IDs (SID) must be alpha-numeric. Check that your input \
                          satisfies the regular expression [0-9A-Za-z]*"
                    .into(),
                detail: Some(format!("`{sid}`")),
            });
        }
        if !sid.is_empty() && known.contains(&sid) {
            return Err(Malformed::new("Statement IDs (SID) in a single policy must be unique."));
        }
        known.push(sid);
    }
    Ok(())
}

fn principals(fields: &[(String, Node)], kind: Kind) -> Result<Option<Principals>, Malformed> {
    let (except, node) = match (twin(fields, "Principal")?, kind) {
        (None, Kind::Identity) => return Ok(None),
        (Some(_), Kind::Identity) => {
            return Err(Malformed::new("Policy document should not specify a principal."));
        }
        (None, _) => return Err(Malformed::new("Missing required field Principal")),
        (Some(found), _) => found,
    };
    let named = match node {
        Node::Text(text) if text == "*" => vec![Named::Everyone],
        Node::Object(kinds) => {
            let lists = kinds.iter().map(|(kind, list)| entries(kind, list));
            lists.collect::<Result<Vec<_>, _>>()?.concat()
        }
        _ => return Err(Malformed::syntax("Principal is neither `*` nor an object")),
    };
    if named.is_empty() {
        return Err(Malformed::syntax("Principal names nobody"));
    }
    Ok(Some(Principals { except, named }))
}

fn entries(kind: &str, list: &Node) -> Result<Vec<Named>, Malformed> {
    let texts = list.texts().ok_or_else(|| Malformed::syntax("a principal is no string"))?;
    let invalid =
        |text: &str| Malformed::new(format!("Invalid principal in policy: \"{kind}\":\"{text}\""));
    let read = |text: &str| match kind {
        "AWS" => Named::aws(text).ok_or_else(|| invalid(text)),
        "Service" => Ok(Named::Service(text.to_owned())),
        "Federated" => Ok(Named::Federated(text.to_owned())),
        "CanonicalUser" => Ok(Named::CanonicalUser),
        _ => Err(invalid(text)),
    };
    texts.into_iter().map(read).collect()
}

fn actions(fields: &[(String, Node)], kind: Kind) -> Result<Listed<String>, Malformed> {
    let missing = || Malformed::new("Policy statement must contain actions.");
    let (except, node) = twin(fields, "Action")?.ok_or_else(missing)?;
    let texts = node.texts().ok_or_else(|| Malformed::syntax("an action is no string"))?;
    if texts.is_empty() {
        return Err(missing());
    }
    for text in &texts {
        check_action(text)?;
        if kind == Kind::Trust && !text.to_lowercase().starts_with("sts:") {
            return Err(Malformed::new(
                "AssumeRole policy may only specify STS AssumeRole actions.",
            ));
        }
    }
    Ok(Listed { except, items: texts.into_iter().map(str::to_lowercase).collect() })
}

fn check_action(action: &str) -> Result<(), Malformed> {
    let (vendor, name) = match action.split_once(':') {
        Some(parts) => parts,
        None if action == "*" => return Ok(()),
        None => {
            return Err(Malformed::new(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ));
        }
    };
    if name.contains(':') {
        return Err(Malformed::new("Actions/Condition can contain only one colon."));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if vendor != "*" && !vendor.bytes().all(plain) {
        return Err(Malformed::new(format!("Vendor {vendor} is not valid")));
    }
    Ok(())
}

fn resources(
    fields: &[(String, Node)],
    kind: Kind,
    variables: bool,
) -> Result<Option<Listed<Template>>, Malformed> {
    let missing = || Malformed::new("Policy statement must contain resources.");
    let (except, node) = match (twin(fields, "Resource")?, kind) {
        (None, Kind::Trust) => return Ok(None),
        (Some(_), Kind::Trust) => return Err(Malformed::new("Has prohibited field Resource")),
        (found, _) => found.ok_or_else(missing)?,
    };
    let texts = node.texts().ok_or_else(|| Malformed::syntax("a resource is no string"))?;
    if texts.is_empty() {
        return Err(missing());
    }
    for text in &texts {
        check_resource(text)?;
    }
    let items = texts.into_iter().map(|text| Template::parse(text, variables)).collect();
    Ok(Some(Listed { except, items }))
}

fn check_resource(resource: &str) -> Result<(), Malformed> {
    if resource == "*" {
        return Ok(());
    }
    let mut fields = resource.splitn(3, ':');
    let (Some("arn"), Some(partition)) = (fields.next(), fields.next()) else {
        return Err(Malformed::new(format!("Resource {resource} must be in ARN format or \"*\".")));
    };
    let rest = fields.next();
    // F23, and the partitions that few ever see.
    if partition != "*" && partition != "aws" && !partition.starts_with("aws-") {
        return Err(Malformed::new(format!(
            "Partition \"{partition}\" is not valid for resource \"{resource}\"."
        )));
    }
    match rest {
        Some(rest) if !rest.starts_with(':') => Ok(()),
        _ => Err(Malformed::new(
            "Resource vendor must be fully qualified and cannot contain regexes.",
        )),
    }
}

fn conditions(node: &Node, variables: bool) -> Result<Vec<Condition>, Malformed> {
    let shape = || Malformed::syntax("Condition is no object of operators and keys");
    let mut conditions = Vec::new();
    for (name, keys) in node.fields().ok_or_else(shape)? {
        let operator = Operator::parse(name)
            .ok_or_else(|| Malformed::syntax(format!("unknown condition operator `{name}`")))?;
        for (key, values) in keys.fields().ok_or_else(shape)? {
            let values = values.scalars().ok_or_else(shape)?;
            if let Some(value) = values.iter().find(|value| !operator.takes(value)) {
                return Err(Malformed {
                    message: "The policy failed legacy parsing".into(),
                    detail: Some(format!("`{value}` is no date")),
                });
            }
            let variables = variables && operator.knows_variables();
            let values = values.into_iter().map(|text| Template::parse(text, variables));
            conditions.push(Condition::new(operator, key, values.collect()));
        }
    }
    Ok(conditions)
}
