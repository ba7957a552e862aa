//! The policy simulator, on what is stored (F29).

use crate::sandbox::account::fold;
use crate::sandbox::act::{Act, Done, documents, managed, no_group, no_role, no_user};
use crate::sandbox::dispatch::Table;
use crate::sandbox::evaluate::{
    self, Context, Decision, Kind, Policies, Policy, Principal, Source,
};
use crate::sandbox::fault::Fault;
use crate::sandbox::page::Page;
use crate::sandbox::xml::Xml;

pub(super) const ACTIONS: Table =
    &[("SimulatePrincipalPolicy", principal), ("SimulateCustomPolicy", custom)];

/// What is simulated.
struct Subject {
    arn: String,
    identity: Vec<Policy>,
    boundary: Option<Policy>,
    context: Context,
}

/// One result: the action, the resource, and what was decided.
type Verdict = (String, String, Decision);

fn principal(act: &mut Act<'_>) -> Done {
    let arn = act.params.arn("PolicySourceArn")?;
    act.allow(arn)?;
    let mut subject = of_arn(act, arn)?;
    subject.identity.extend(given(act, "PolicyInputList")?);
    if let Some(boundary) = given(act, "PermissionsBoundaryPolicyInputList")?.into_iter().next() {
        subject.boundary = Some(boundary);
    }
    results(act, subject)
}

fn custom(act: &mut Act<'_>) -> Done {
    act.allow("*")?;
    let identity = given(act, "PolicyInputList")?;
    let boundary = given(act, "PermissionsBoundaryPolicyInputList")?.into_iter().next();
    let arn = act.iam_arn("user/simulated");
    results(act, Subject { arn, identity, boundary, context: Context::new() })
}

fn of_arn(act: &Act<'_>, arn: &str) -> Result<Subject, Fault> {
    let account = act.account()?;
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let (kind, rest) = resource.split_once('/').unwrap_or_default();
    let name = rest.rsplit('/').next().unwrap_or_default();
    let mut context = Context::new();
    let (permissions, groups) = match kind {
        "user" => {
            let user = account.user(name).ok_or_else(|| no_user(name))?;
            context.set("aws:username", &user.name);
            context.set("aws:userid", &user.id);
            let groups = account.groups_of(user).map(|group| &group.permissions).collect();
            (&user.permissions, groups)
        }
        "role" => {
            let role = account.roles.get(&fold(name)).ok_or_else(|| no_role(name))?;
            (&role.permissions, Vec::new())
        }
        "group" => {
            let group = account.groups.get(&fold(name)).ok_or_else(|| no_group(name))?;
            (&group.permissions, Vec::new())
        }
        _ => {
            return Err(Fault::input(format!(
                "Invalid Entity Arn: {arn} does not clearly define entity type and name."
            )));
        }
    };
    let all = std::iter::once(permissions).chain(groups);
    let identity = all.flat_map(|held| documents(account, held)).collect();
    let boundary = permissions.boundary.as_ref().and_then(|arn| managed(account, arn));
    Ok(Subject { arn: arn.to_owned(), identity, boundary, context })
}

fn given(act: &Act<'_>, name: &str) -> Result<Vec<Policy>, Fault> {
    let read =
        |text: &str| Policy::parse(text, Kind::Identity).map_err(|why| Fault::input(why.message));
    act.params.list(name).into_iter().map(read).collect()
}

fn results(act: &Act<'_>, mut subject: Subject) -> Done {
    let names = act.params.list("ActionNames");
    if names.is_empty() {
        return Err(crate::sandbox::rules::null("ActionNames"));
    }
    let mut resources = act.params.list("ResourceArns");
    if resources.is_empty() {
        resources.push("*");
    }
    let entries = act.params.fields("ContextEntries", "ContextKeyName");
    let given = entries.into_iter().map(|(index, key)| {
        let values = act.params.list(&format!("ContextEntries.member.{index}.ContextKeyValues"));
        (key.to_owned(), values.into_iter().map(str::to_owned).collect())
    });
    let mut context: Vec<(String, Vec<String>)> = given.collect();
    for key in ["aws:username", "aws:userid"] {
        if !context.iter().any(|(known, _)| known.eq_ignore_ascii_case(key)) {
            context.push((key.to_owned(), subject.context.get(key).to_vec()));
        }
    }
    subject.context = context.into_iter().collect();
    let pairs = names.iter().flat_map(|name| resources.iter().map(move |arn| (*name, *arn)));
    let verdicts: Vec<Verdict> = pairs
        .map(|(action, resource)| {
            (action.to_owned(), resource.to_owned(), decide(&subject, action, resource))
        })
        .collect();
    let page =
        Page::of(act.params, verdicts, |(action, resource, _)| format!("{action} {resource}"))?;
    let mut xml = Xml::new();
    xml.list("EvaluationResults", &page.items, |xml, verdict| write(xml, &subject, verdict));
    page.end(&mut xml);
    Ok(Some(xml))
}

fn decide(subject: &Subject, action: &str, resource: &str) -> Decision {
    let policies = Policies {
        identity: subject.identity.iter().collect(),
        boundary: subject.boundary.as_ref(),
        session: None,
        resource: None,
    };
    let principal = Principal::User { arn: &subject.arn };
    let context = &subject.context;
    evaluate::decide(&policies, &evaluate::Request { principal, action, resource, context })
}

fn write(xml: &mut Xml, subject: &Subject, (action, resource, decision): &Verdict) {
    xml.text("EvalActionName", action).text("EvalResourceName", resource);
    xml.text("EvalDecision", decision.simulated());
    xml.texts("MatchedStatements", [""; 0]).texts("MissingContextValues", [""; 0]);
    if subject.boundary.is_some() {
        let bounded = matches!(
            decision,
            Decision::ImplicitlyDenied(Source::Boundary)
                | Decision::ExplicitlyDenied(Source::Boundary)
        );
        xml.within("PermissionsBoundaryDecisionDetail", |xml| {
            xml.value("AllowedByPermissionsBoundary", !bounded);
        });
    }
}
