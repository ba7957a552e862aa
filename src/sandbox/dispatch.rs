//! From a request to its action, and from what that gives to a reply.

use super::act::{Act, Done};
use super::auth::{self, Caller};
use super::fault::Fault;
use super::params::Params;
use super::signature::Claim;
use super::world::World;
use super::xml::Xml;
use super::{Call, Request, Response, iam, json, page, s3, sts, trail};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// No request of IAM or STS is nearly as large.
const LARGEST_BODY: usize = 1 << 20;
/// Beyond these the signing code has limits of its own.
const LONGEST_PATH: usize = 4_096;
const LONGEST_QUERY: usize = 16_384;
const MOST_HEADERS: usize = 200;

/// What an action does.
pub(super) type Run = fn(&mut Act<'_>) -> Done;

/// The actions of one noun.
pub(super) type Table = &'static [(&'static str, Run)];

/// A service of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// IAM.
    Iam,
    /// STS.
    Sts,
    /// S3, as little of it as it takes to be denied something.
    S3,
    /// CloudTrail's history of events.
    CloudTrail,
    /// The account's own settings.
    Account,
    /// GuardDuty's findings.
    GuardDuty,
    /// Secrets Manager.
    Secrets,
    /// Access Analyzer's opinion of a policy.
    AccessAnalyzer,
}

impl Service {
    /// Every one.
    pub(super) const ALL: [Self; 8] = [
        Self::Iam,
        Self::Sts,
        Self::S3,
        Self::CloudTrail,
        Self::Account,
        Self::GuardDuty,
        Self::Secrets,
        Self::AccessAnalyzer,
    ];

    /// Its name in policies and in the scope of a signature.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::S3 => "s3",
            Self::CloudTrail => "cloudtrail",
            Self::Account => "account",
            Self::GuardDuty => "guardduty",
            Self::Secrets => "secretsmanager",
            Self::AccessAnalyzer => "access-analyzer",
        }
    }

    /// Whether it speaks JSON.
    const fn is_json(self) -> bool {
        !matches!(self, Self::Iam | Self::Sts | Self::S3)
    }

    const fn space(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            _ => "http://s3.amazonaws.com/doc/2006-03-01/",
        }
    }

    const fn version(self) -> &'static str {
        match self {
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
            _ => "2006-03-01",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    fn find(self, action: &str) -> Option<(&'static str, Run)> {
        let tables: &[Table] = match self {
            Self::Iam => iam::TABLES,
            Self::Sts => sts::TABLES,
            _ => &[],
        };
        tables.iter().flat_map(|table| table.iter()).find(|(name, _)| *name == action).copied()
    }
}

/// The actions that the sandbox serves, in a policy's words.
#[must_use]
pub fn actions() -> Vec<String> {
    let of = |service: &str, tables: &[Table]| -> Vec<String> {
        let names = tables.iter().flat_map(|table| table.iter());
        names.map(|(name, _)| format!("{service}:{name}")).collect()
    };
    let mut all = of("iam", iam::TABLES);
    all.extend(of("sts", sts::TABLES));
    all.extend(s3::ACTIONS.iter().map(|name| format!("s3:{name}")));
    all.extend(json::ACTIONS.map(str::to_owned));
    all.sort();
    all
}

/// What is known about a call so far, for the record and for the form of its reply.
struct Known {
    service: Service,
    action: String,
    key: Option<String>,
    principal: Option<String>,
    region: String,
    /// Who called with what, where it is recorded.
    call: Option<(Caller, Params, Option<serde_json::Value>)>,
}

impl Known {
    /// Somebody is believed: what follows is recorded, where the world has a trail.
    fn believed(
        &mut self,
        world: &World,
        caller: &Caller,
        params: &Params,
        asked: Option<serde_json::Value>,
    ) {
        self.principal = Some(caller.arn.clone());
        if world.trail.is_some() {
            self.call = Some((caller.clone(), params.clone(), asked));
        }
    }
}

/// Answers a request.
pub(super) fn answer(world: &mut World, request: &Request, clock: Timestamp) -> Response {
    let id = world.ids.request();
    let now = crate::text::whole_seconds(clock);
    let mut known = Known {
        service: Service::Iam,
        action: String::new(),
        key: None,
        principal: None,
        region: "us-east-1".to_owned(),
        call: None,
    };
    let served = serve(world, request, clock, now, &mut known);
    record(world, request, &known, &id, now, &served);
    let (status, body, outcome) = match served {
        Ok(Served::Reply(result)) => (200, reply(&known, result, &id), "ok".to_owned()),
        Ok(Served::S3(status, body)) => (status, body, "ok".to_owned()),
        Ok(Served::Json(body)) => (200, body.to_string().into_bytes(), "ok".to_owned()),
        Err(fault) => (fault.status, error(known.service, &fault, &id), fault.code.to_owned()),
    };
    let action = match known.action.split_once(':') {
        None => format!("{}:{}", known.service.name(), known.action),
        Some(_) => known.action,
    };
    let (access_key_id, principal) = (known.key, known.principal);
    world.remember(Call { time: now, access_key_id, principal, action, outcome });
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
    let (kind, name) = match known.service {
        Service::S3 => ("application/xml", "x-amz-request-id"),
        service if service.is_json() => ("application/json", "x-amzn-RequestId"),
        _ => ("text/xml", "x-amzn-RequestId"),
    };
    let headers = [(name, id.as_str()), ("Content-Type", kind), ("Date", &date)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Response { status, headers, body }
}

enum Served {
    Reply(Option<Vec<u8>>),
    S3(u16, Vec<u8>),
    Json(serde_json::Value),
}

/// Leaves the event of a call by somebody who was believed.
fn record(
    world: &mut World,
    request: &Request,
    known: &Known,
    request_id: &str,
    now: Timestamp,
    served: &Result<Served, Fault>,
) {
    let Some((caller, params, asked)) = &known.call else { return };
    let answer = match served {
        Ok(Served::Reply(result)) => Ok(result.as_deref()),
        Ok(_) => Ok(None),
        Err(fault) => Err(fault),
    };
    let action = known.action.split_once(':').map_or(known.action.as_str(), |(_, name)| name);
    let source = request.header(trail::SOURCE_HEADER).and_then(|list| list.split(',').next());
    let ended = trail::Ended {
        caller,
        service: known.service,
        action,
        region: &known.region,
        params,
        asked: asked.clone(),
        source: source.map_or("127.0.0.1", str::trim),
        agent: request.header("user-agent").unwrap_or_default(),
        request_id,
        now,
        answer,
    };
    trail::record(world, &ended);
}

fn serve(
    world: &mut World,
    request: &Request,
    clock: Timestamp,
    now: Timestamp,
    known: &mut Known,
) -> Result<Served, Fault> {
    within_bounds(request)?;
    let params = Params::read(&request.query, form(request));
    let params = params.in_short_pages(request.header(page::SHORT));
    known.action = params.get("Action").unwrap_or_default().chars().take(100).collect();
    known.service = by_host_or_action(request, &known.action);
    let claim = Claim::read(request)?;
    if let Some(claim) = &claim {
        known.key = Some(claim.key.chars().take(128).collect());
        known.service = Service::of_name(&claim.service).ok_or_else(|| {
            let service = claim.service.escape_default();
            Fault::new(
                400,
                "InvalidAction",
                format!(
                    "The sandbox has iam, sts, and a little of s3, cloudtrail, account, \
                     guardduty, secretsmanager and access-analyzer, not {service}"
                ),
            )
        })?;
        known.region = claim.region.chars().take(64).collect();
    }
    let service = known.service;
    if service == Service::S3 {
        known.action = format!("s3:{}", s3::name(request));
        let caller = auth::authenticate(world, request, claim.as_ref(), service, clock)?;
        known.believed(world, &caller, &params, Some(s3::parameters(request)));
        let act = act(world, &caller, &params, service, "", claim.as_ref(), clock, now);
        return s3::serve(act, request).map(|(status, body)| Served::S3(status, body));
    }
    if service.is_json() {
        let action = json::name(service, request);
        known.action = format!("{}:{action}", service.name());
        let caller = auth::authenticate(world, request, claim.as_ref(), service, clock)?;
        let asked = json::asked(request)?;
        known.believed(world, &caller, &params, Some(json::recorded(service, &asked)));
        let mut act = act(world, &caller, &params, service, action, claim.as_ref(), clock, now);
        return json::serve(&mut act, request, &asked).map(Served::Json);
    }
    if service == Service::Iam {
        // One control plane, whatever Region a client signs for (F23).
        known.region = "us-east-1".to_owned();
    }
    if params.get("Action").is_none() {
        let message = "The request is missing an action or a required parameter.";
        return Err(Fault::new(400, "MissingAction", message));
    }
    let version = params.get("Version").unwrap_or(service.version());
    let served = service.find(&known.action).filter(|_| version == service.version());
    let Some((action, run)) = served else {
        let (action, version) = (&known.action, version.escape_default());
        let message = format!("Could not find operation {action} for version {version}");
        return Err(Fault::new(400, "InvalidAction", message));
    };
    let caller = auth::authenticate(world, request, claim.as_ref(), service, clock)?;
    known.believed(world, &caller, &params, None);
    may_call(&caller, service, action)?;
    let before = if is_read(action) { None } else { world.before(&caller.account) };
    let mut act = act(world, &caller, &params, service, action, claim.as_ref(), clock, now);
    let done = run(&mut act);
    if let Some(before) = before {
        world.changed(&caller.account, before, clock);
    }
    done.map(|result| Served::Reply(result.map(Xml::into_bytes)))
}

#[expect(clippy::too_many_arguments, reason = "it only names the fields")]
fn act<'a>(
    world: &'a mut World,
    caller: &'a Caller,
    params: &'a Params,
    service: Service,
    action: &'static str,
    claim: Option<&'a Claim>,
    clock: Timestamp,
    now: Timestamp,
) -> Act<'a> {
    let region = claim.map_or("us-east-1", |claim| claim.region.as_str());
    // IAM has one control plane, whatever Region a client signs for (F23).
    let region = if service == Service::Iam { "us-east-1" } else { region };
    Act { world, caller, params, service, action, region, clock, now }
}

fn is_read(action: &str) -> bool {
    ["Get", "List", "Simulate"].iter().any(|verb| action.starts_with(verb))
}

fn within_bounds(request: &Request) -> Result<(), Fault> {
    let too_large = |what: &str| {
        Err(Fault::new(
            413,
            "RequestEntityTooLarge",
            format!("The {what} of the request is too large"),
        ))
    };
    if request.body.len() > LARGEST_BODY {
        return too_large("body");
    }
    if request.path.len() > LONGEST_PATH || request.query.len() > LONGEST_QUERY {
        return too_large("address");
    }
    if request.headers.len() > MOST_HEADERS {
        return too_large("header");
    }
    Ok(())
}

/// The body, if it is a form.
fn form(request: &Request) -> &[u8] {
    let kind = request.header("content-type").unwrap_or("application/x-www-form-urlencoded");
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") { &request.body } else { &[] }
}

/// The service of a request that is not signed.
fn by_host_or_action(request: &Request, action: &str) -> Service {
    let host = request.header("host").unwrap_or(&request.host);
    let mut labels = host.split('.');
    if let Some(service) = labels.find_map(Service::of_name) {
        return service;
    }
    if action.is_empty() || Service::Sts.find(action).is_none() {
        Service::Iam
    } else {
        Service::Sts
    }
}

/// What temporary credentials cannot call at all (F10).
fn may_call(caller: &Caller, service: Service, action: &str) -> Result<(), Fault> {
    if caller.session.is_none() {
        return Ok(());
    }
    if service == Service::Iam {
        let barred =
            caller.is_federated() || (caller.is_session_of_user() && caller.mfa().is_none());
        return if barred { Err(Fault::unknown_key()) } else { Ok(()) };
    }
    if matches!(action, "GetSessionToken" | "GetFederationToken") {
        return Err(Fault::denied(format!("Cannot call {action} with session credentials")));
    }
    let barred = match action {
        "GetCallerIdentity" => false,
        "AssumeRole" => caller.is_federated(),
        _ => !caller.is_role(),
    };
    if barred {
        let arn = &caller.arn;
        return Err(Fault::denied(format!(
            "User: {arn} is not authorized to perform: sts:{action}"
        )));
    }
    Ok(())
}

fn reply(known: &Known, result: Option<Vec<u8>>, id: &str) -> Vec<u8> {
    let mut xml = Xml::new();
    let name = &known.action;
    xml.root(&format!("{name}Response"), known.service.space(), |xml| {
        if let Some(result) = result {
            xml.within(&format!("{name}Result"), |xml| {
                xml.raw(&result);
            });
        }
        xml.within("ResponseMetadata", |xml| {
            xml.text("RequestId", id);
        });
    });
    xml.into_bytes()
}

fn error(service: Service, fault: &Fault, id: &str) -> Vec<u8> {
    if service.is_json() {
        let code = if fault.code == "AccessDenied" { "AccessDeniedException" } else { fault.code };
        let body = serde_json::json!({ "__type": code, "message": fault.message });
        return body.to_string().into_bytes();
    }
    let mut xml = Xml::new();
    if service == Service::S3 {
        xml.within("Error", |xml| {
            xml.text("Code", fault.code).text("Message", &fault.message).text("RequestId", id);
        });
        return xml.into_bytes();
    }
    xml.root("ErrorResponse", service.space(), |xml| {
        xml.within("Error", |xml| {
            xml.text("Type", fault.side()).text("Code", fault.code).text("Message", &fault.message);
        });
        xml.text("RequestId", id);
    });
    xml.into_bytes()
}
