//! From a request to its action, and from what that gives to a reply.

use super::act::{Act, Done};
use super::auth::{self, Caller};
use super::fault::Fault;
use super::params::Params;
use super::signature::Claim;
use super::world::World;
use super::xml::Xml;
use super::{Call, Request, Response, iam, page, s3, sts};
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
}

impl Service {
    /// Its name in policies and in the scope of a signature.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::S3 => "s3",
        }
    }

    const fn space(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::S3 => "http://s3.amazonaws.com/doc/2006-03-01/",
        }
    }

    const fn version(self) -> &'static str {
        match self {
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
            Self::S3 => "2006-03-01",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Iam, Self::Sts, Self::S3].into_iter().find(|service| service.name() == name)
    }

    fn find(self, action: &str) -> Option<(&'static str, Run)> {
        let tables: &[Table] = match self {
            Self::Iam => iam::TABLES,
            Self::Sts => sts::TABLES,
            Self::S3 => &[],
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
    all.sort();
    all
}

/// What is known about a call so far, for the record and for the form of its reply.
struct Known {
    service: Service,
    action: String,
    key: Option<String>,
    principal: Option<String>,
}

/// Answers a request.
pub(super) fn answer(world: &mut World, request: &Request, clock: Timestamp) -> Response {
    let id = world.ids.request();
    let now = crate::text::whole_seconds(clock);
    let mut known =
        Known { service: Service::Iam, action: String::new(), key: None, principal: None };
    let (status, body, outcome) = match serve(world, request, clock, now, &mut known) {
        Ok(Served::Reply(result)) => (200, reply(&known, result, &id), "ok".to_owned()),
        Ok(Served::S3(status, body)) => (status, body, "ok".to_owned()),
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
        _ => ("text/xml", "x-amzn-RequestId"),
    };
    let headers = [(name, id.as_str()), ("Content-Type", kind), ("Date", &date)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Response { status, headers, body }
}

enum Served {
    Reply(Option<Xml>),
    S3(u16, Vec<u8>),
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
                format!("The sandbox has iam, sts and s3, not {service}"),
            )
        })?;
    }
    let service = known.service;
    if service == Service::S3 {
        known.action = format!("s3:{}", s3::name(request));
        let caller = auth::authenticate(world, request, claim.as_ref(), service, clock)?;
        known.principal = Some(caller.arn.clone());
        let act = act(world, &caller, &params, service, "", claim.as_ref(), clock, now);
        return s3::serve(act, request).map(|(status, body)| Served::S3(status, body));
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
    known.principal = Some(caller.arn.clone());
    may_call(&caller, service, action)?;
    let before = if is_read(action) { None } else { world.before(&caller.account) };
    let mut act = act(world, &caller, &params, service, action, claim.as_ref(), clock, now);
    let done = run(&mut act);
    if let Some(before) = before {
        world.changed(&caller.account, before, clock);
    }
    done.map(Served::Reply)
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

fn reply(known: &Known, result: Option<Xml>, id: &str) -> Vec<u8> {
    let mut xml = Xml::new();
    let name = &known.action;
    xml.root(&format!("{name}Response"), known.service.space(), |xml| {
        if let Some(result) = result {
            xml.within(&format!("{name}Result"), |xml| {
                xml.raw(&result.into_bytes());
            });
        }
        xml.within("ResponseMetadata", |xml| {
            xml.text("RequestId", id);
        });
    });
    xml.into_bytes()
}

fn error(service: Service, fault: &Fault, id: &str) -> Vec<u8> {
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
