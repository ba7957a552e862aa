//! The actions that IAM knows, the resources they are about, and which of them a CloudTrail event is: out of a
//! published data set, `data/README.md`.

use std::collections::BTreeMap;

const DATA: &str = include_str!("data/actions.txt");

/// Every service of the data set.
#[derive(Debug, Default)]
pub struct Catalog {
    services: BTreeMap<&'static str, Service>,
    sources: BTreeMap<&'static str, &'static str>,
}

/// A service, as policies know it.
#[derive(Debug, Default)]
pub struct Service {
    /// The prefix of its actions.
    pub prefix: &'static str,
    types: Vec<Template>,
    /// By the name in lower case: IAM does not tell letter cases apart.
    actions: BTreeMap<String, Action>,
    events: BTreeMap<&'static str, Vec<&'static str>>,
    names: BTreeMap<&'static str, Vec<(&'static str, Vec<&'static str>)>>,
}

/// An action.
#[derive(Debug)]
pub struct Action {
    /// Its name without the service, in the data set's letter case.
    pub name: String,
    /// The types of its resources by their places, and whether each is required.
    pub types: Vec<(usize, bool)>,
    /// Whether whoever calls it passes a role along.
    pub passes_role: bool,
}

/// The form of an ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<Part>);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text as it stands.
    Text(String),
    /// `Partition`, `Region`, `Account`, or what the service calls the resource.
    Variable(String),
}

/// What an event's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// The actions that it takes, as `(service, name in lower case)`.
    Actions(Vec<(&'static str, String)>),
    /// No permission is needed for it.
    None,
    /// The data set does not have it.
    Unknown,
}

impl Catalog {
    /// Reads the data set, which takes some milliseconds.
    #[must_use]
    pub fn new() -> Self {
        let mut catalog = Self::default();
        let mut service = Service::default();
        let mut before = String::new();
        for line in DATA.lines().filter(|line| !line.starts_with('#')) {
            if let Some(prefix) = line.strip_prefix("S ") {
                let done =
                    std::mem::replace(&mut service, Service { prefix, ..Service::default() });
                catalog.services.insert(done.prefix, done);
                catalog.sources.entry(prefix).or_insert(prefix);
                before.clear();
            } else if let Some(source) = line.strip_prefix("C ") {
                catalog.sources.insert(source, service.prefix);
            } else {
                service.line(line, &mut before);
            }
        }
        catalog.services.insert(service.prefix, service);
        catalog.services.remove("");
        catalog
    }

    /// The service of a prefix, such as `cloudwatch`.
    #[must_use]
    pub fn service(&self, prefix: &str) -> Option<&Service> {
        self.services.get(prefix)
    }

    /// The service of an event source, such as `monitoring.amazonaws.com`.
    #[must_use]
    pub fn of_source(&self, source: &str) -> Option<&Service> {
        let short = source.strip_suffix(".amazonaws.com").unwrap_or(source);
        self.service(self.sources.get(short)?)
    }

    /// An action by its service and its name in any letter case.
    #[must_use]
    pub fn action(&self, prefix: &str, name: &str) -> Option<&Action> {
        self.service(prefix)?.actions.get(&name.to_ascii_lowercase())
    }

    /// Every service.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// Every action, as `service:Name`.
    pub fn actions(&self) -> impl Iterator<Item = (&'static str, &Action)> {
        let all = self.services.values();
        all.flat_map(|service| service.actions.values().map(|action| (service.prefix, action)))
    }

    /// How many actions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.services.values().map(|service| service.actions.len()).sum()
    }

    /// Whether there are none, which the tests deny.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }
}

impl Service {
    fn line(&mut self, line: &'static str, before: &mut String) {
        let mut words = line.split(' ');
        match words.next() {
            Some("T") => {
                let template = line.get(2..).unwrap_or_default();
                self.types.push(Template::parse(template, self.prefix));
            }
            Some("E") => {
                if let Some(event) = words.next() {
                    self.events.insert(event, words.filter(|word| *word != "-").collect());
                }
            }
            Some("N") => {
                if let Some(action) = words.next() {
                    let pairs = words.filter_map(|word| word.split_once('<'));
                    let named =
                        pairs.map(|(variable, names)| (variable, names.split(',').collect()));
                    self.names.insert(action, named.collect());
                }
            }
            Some(code) => self.coded(code, words.next().unwrap_or_default(), before),
            None => {}
        }
    }

    /// An action, told by how much of its name is that of the one before.
    fn coded(&mut self, code: &str, marks: &str, before: &mut String) {
        let rest = code.trim_start_matches(|c: char| c.is_ascii_digit());
        let kept = code.len().saturating_sub(rest.len());
        let same: usize = code.get(..kept).and_then(|n| n.parse().ok()).unwrap_or_default();
        before.truncate(same);
        before.push_str(rest);
        let marks = || marks.split(',').filter(|mark| !mark.is_empty());
        let types = marks().filter_map(|mark| {
            let place = mark.strip_suffix('!');
            Some((place.unwrap_or(mark).parse().ok()?, place.is_some()))
        });
        let action = Action {
            name: before.clone(),
            types: types.collect(),
            passes_role: marks().any(|mark| mark == "P"),
        };
        self.actions.insert(before.to_ascii_lowercase(), action);
    }

    /// Which actions an event of this service is.
    #[must_use]
    pub fn mapped(&self, event: &str) -> Mapped {
        let plain = versionless(event);
        for name in [event, plain] {
            if let Some(actions) = self.events.get(name) {
                return match actions.as_slice() {
                    [] => Mapped::None,
                    some => Mapped::Actions(some.iter().filter_map(|text| split(text)).collect()),
                };
            }
            let lower = name.to_ascii_lowercase();
            if self.actions.contains_key(&lower) {
                return Mapped::Actions(vec![(self.prefix, lower)]);
            }
        }
        match verb(plain).filter(|_| self.prefix == "apigateway") {
            Some(verb) => Mapped::Actions(vec![(self.prefix, verb.to_owned())]),
            None => Mapped::Unknown,
        }
    }

    /// Its actions by their names in lower case.
    pub fn actions(&self) -> impl Iterator<Item = (&str, &Action)> {
        self.actions.iter().map(|(name, action)| (name.as_str(), action))
    }

    /// The names of its actions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.actions.values().map(|action| action.name.as_str())
    }

    /// The form of a type's ARN.
    #[must_use]
    pub fn template(&self, place: usize) -> Option<&Template> {
        self.types.get(place)
    }

    /// The type that an ARN is of: the one whose form says the most of it.
    #[must_use]
    pub fn type_of(&self, arn: &str) -> Option<usize> {
        let fitting = self.types.iter().enumerate().filter(|(_, form)| form.matches(arn));
        fitting
            .max_by_key(|(place, form)| (form.said(), usize::MAX - place))
            .map(|(place, _)| place)
    }

    /// Whether an ARN can be of a type: none says more of it than that type's form.
    #[must_use]
    pub fn is_of(&self, place: usize, arn: &str) -> bool {
        let said = |place| self.types.get(place).map(Template::said);
        self.type_of(arn).is_none_or(|found| said(found) <= said(place))
    }

    /// The names under which an event tells a variable of a template, in lower case.
    #[must_use]
    pub fn told_as(&self, action: &str, variable: &str) -> Vec<String> {
        let listed = [action, "*"].into_iter().filter_map(|key| self.names.get(key)).flatten();
        let named = listed.filter(|(of, _)| *of == variable).flat_map(|(_, names)| names);
        let mut all: Vec<String> = named.map(|name| name.to_ascii_lowercase()).collect();
        let own = variable.to_ascii_lowercase();
        all.push(format!("{own}s"));
        all.push(own);
        all
    }
}

fn split(text: &'static str) -> Option<(&'static str, String)> {
    let (prefix, name) = text.split_once(':')?;
    Some((prefix, name.to_ascii_lowercase()))
}

/// An event's name without the version of the API that Lambda and CloudFront put behind it:
/// `Invoke20150331`, `UpdateFunctionCode20150331v2`, `CreateDistribution2020_05_31`.
fn versionless(event: &str) -> &str {
    let digits = |c: char| c.is_ascii_digit();
    let cut = match event.rsplit_once('v') {
        Some((before, n)) if !n.is_empty() && n.chars().all(digits) => before,
        _ => event,
    };
    let plain = cut.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    let version = cut.strip_prefix(plain).unwrap_or_default();
    match version.chars().filter(|c| digits(*c)).count() {
        8 => plain,
        _ => event,
    }
}

/// API Gateway's actions are the methods of HTTP.
fn verb(event: &str) -> Option<&'static str> {
    const VERBS: [(&str, &str); 10] = [
        ("Get", "get"),
        ("Create", "post"),
        ("Import", "post"),
        ("Generate", "post"),
        ("Test", "post"),
        ("Update", "patch"),
        ("Put", "put"),
        ("Tag", "put"),
        ("Delete", "delete"),
        ("Flush", "delete"),
    ];
    VERBS.iter().find(|(begins, _)| event.starts_with(begins)).map(|(_, verb)| *verb)
}

impl Template {
    fn parse(text: &str, prefix: &str) -> Self {
        let whole = match text.strip_prefix('~') {
            Some(rest) => format!("arn:${{Partition}}:{prefix}:${{Region}}:${{Account}}:{rest}"),
            None => text.to_owned(),
        };
        let mut parts = Vec::new();
        let mut rest = whole.as_str();
        while let Some((before, name, after)) =
            rest.split_once("${").and_then(|(before, opened)| {
                opened.split_once('}').map(|(n, after)| (before, n, after))
            })
        {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Self(parts)
    }

    /// Whether an ARN is of this form.
    #[must_use]
    pub fn matches(&self, arn: &str) -> bool {
        let pattern: String = self
            .0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Variable(_) => "*",
            })
            .collect();
        crate::pattern::matches(&pattern, arn)
    }

    /// How many characters the form itself says.
    fn said(&self) -> usize {
        let texts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Variable(_) => 0,
        });
        texts.sum()
    }

    /// The variables that are the resource's own.
    pub fn own(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(name) if !is_place(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// Whether a variable says where a resource is, and not which.
#[must_use]
pub(super) fn is_place(variable: &str) -> bool {
    matches!(variable, "Partition" | "Region" | "Account")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(catalog: &Catalog, source: &str, event: &str) -> String {
        let service = catalog.of_source(&format!("{source}.amazonaws.com"));
        match service.map(|service| service.mapped(event)) {
            None => "no service".to_owned(),
            Some(Mapped::None) => "none".to_owned(),
            Some(Mapped::Unknown) => "unknown".to_owned(),
            Some(Mapped::Actions(all)) => {
                let told = |(prefix, name): &(&str, String)| {
                    format!("{prefix}:{}", catalog.action(prefix, name).unwrap().name)
                };
                all.iter().map(told).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn events_are_mapped_to_actions_also_where_their_names_differ() {
        let catalog = Catalog::new();
        for (source, event, expected) in [
            ("s3", "GetObject", "s3:GetObject"),
            ("s3", "ListObjects", "s3:ListBucket"),
            ("s3", "ListBuckets", "s3:ListAllMyBuckets"),
            ("s3", "HeadBucket", "s3:ListBucket"),
            ("s3", "HeadObject", "s3:GetObject"),
            ("s3", "CompleteMultipartUpload", "s3:PutObject"),
            ("s3", "DeleteObjects", "s3:DeleteObject"),
            ("s3", "CopyObject", "s3:PutObject s3:GetObject"),
            ("s3", "GetBucketLocation", "s3:GetBucketLocation"),
            ("lambda", "Invoke", "lambda:InvokeFunction"),
            ("lambda", "Invoke20150331", "lambda:InvokeFunction"),
            ("lambda", "ListFunctions20150331", "lambda:ListFunctions"),
            ("lambda", "UpdateFunctionCode20150331v2", "lambda:UpdateFunctionCode"),
            ("cloudfront", "CreateDistribution2020_05_31", "cloudfront:CreateDistribution"),
            ("monitoring", "PutMetricData", "cloudwatch:PutMetricData"),
            ("email", "SendEmail", "ses:SendEmail"),
            ("tagging", "GetResources", "tag:GetResources"),
            ("logs", "PutLogEvents", "logs:PutLogEvents"),
            ("apigateway", "UpdateRestApi", "apigateway:PATCH"),
            ("bedrock", "Converse", "bedrock:InvokeModel"),
            ("sts", "GetCallerIdentity", "none"),
            ("sts", "AssumeRole", "sts:AssumeRole"),
            ("amazonmq", "ListBrokers", "mq:ListBrokers"),
            ("dynamodb", "GetItem", "dynamodb:GetItem"),
            ("ec2", "RunInstances", "ec2:RunInstances"),
            ("iam", "NoSuchThing", "unknown"),
            ("nowhere", "GetThing", "no service"),
        ] {
            assert_eq!(mapped(&catalog, source, event), expected, "{source} {event}");
        }
    }

    #[test]
    fn the_data_set_is_whole() {
        let catalog = Catalog::new();
        assert!(catalog.len() > 20_000 && !catalog.is_empty());
        for (prefix, action) in catalog.actions() {
            let service = catalog.service(prefix).unwrap();
            assert!(action.types.iter().all(|(place, _)| service.template(*place).is_some()));
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            assert!(action.name.bytes().all(plain), "{}", action.name);
        }
        for service in catalog.services.values() {
            for (event, actions) in &service.events {
                for action in actions {
                    let (prefix, name) = action.split_once(':').unwrap();
                    assert!(catalog.action(prefix, name).is_some(), "{event}: {action}");
                }
            }
        }
    }

    #[test]
    fn an_arn_is_of_the_type_that_says_the_most_of_it() {
        let catalog = Catalog::new();
        let s3 = catalog.service("s3").unwrap();
        let form = |arn| s3.template(s3.type_of(arn).unwrap()).unwrap().own().collect::<Vec<_>>();
        assert_eq!(form("arn:aws:s3:::bucket"), ["BucketName"]);
        assert_eq!(form("arn:aws:s3:::bucket/a/b"), ["BucketName", "ObjectName"]);
        assert_eq!(s3.type_of("arn:aws:sqs:eu-west-1:123456789012:queue"), None);
    }
}
