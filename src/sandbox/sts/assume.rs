//! AssumeRole: what the role's trust and the caller's own policies say together.

use super::mint::{Mint, credentials, mint, shown_mfa};
use super::{packed, session_policies};
use crate::sandbox::account::fold;
use crate::sandbox::act::{Act, Done};
use crate::sandbox::dispatch::Table;
use crate::sandbox::evaluate::{self, Kind, Policy};
use crate::sandbox::fault::Fault;
use crate::sandbox::role::Role;
use crate::sandbox::session::SessionKind;
use crate::sandbox::xml::Xml;
use crate::sandbox::{context, rules};

pub(super) const ACTIONS: Table = &[("AssumeRole", assume_role)];

const HOUR: i64 = 3_600;

/// What a request asks for, besides the role.
struct Asked {
    session: String,
    seconds: i64,
    external: Option<String>,
    source: Option<String>,
}

fn assume_role(act: &mut Act<'_>) -> Done {
    let arn = act.params.arn("RoleArn")?.to_owned();
    let asked = asked(act)?;
    let (policies, policy_arns) = session_policies(act.params, 2_048)?;
    let tags = act.params.tags()?;
    let (account, role) = find(act, &arn).ok_or_else(|| refused(act, &arn))?;
    let mfa = shown_mfa(act, "AssumeRole")?;
    authorize(act, &account, &role, &asked, mfa.is_some())?;
    lasting(act, &asked, &role)?;
    let size = packed(&policies, &tags);
    let source = asked.source.clone();
    let kind = SessionKind::Role {
        role: role.id.clone(),
        name: asked.session.clone(),
        source: source.clone(),
    };
    let seconds = asked.seconds;
    let session = mint(act, Mint { account, kind, seconds, mfa, policies, policy_arns, tags });
    let mut xml = Xml::new();
    credentials(&mut xml, &session);
    xml.within("AssumedRoleUser", |xml| {
        xml.text("AssumedRoleId", format!("{}:{}", role.id, asked.session));
        let (partition, account) = (&act.world.partition, &session.account);
        xml.text(
            "Arn",
            format!("arn:{partition}:sts::{account}:assumed-role/{}/{}", role.name, asked.session),
        );
    });
    xml.value("PackedPolicySize", size);
    xml.maybe("SourceIdentity", source);
    Ok(Some(xml))
}

fn asked(act: &Act<'_>) -> Result<Asked, Fault> {
    let session = act.params.text("RoleSessionName", 2, 64)?;
    let session = rules::name("RoleSessionName", session, 64)?.to_owned();
    let seconds = act.params.number("DurationSeconds", 900, 43_200)?.unwrap_or(HOUR);
    let external = act.params.maybe_text("ExternalId", 2, 1_224)?.map(str::to_owned);
    let source = act.params.maybe_text("SourceIdentity", 2, 64)?.map(str::to_owned);
    Ok(Asked { session, seconds, external, source })
}

/// The role of an ARN, in whatever account, as it is enforced.
fn find(act: &Act<'_>, arn: &str) -> Option<(String, Role)> {
    let id = arn.split(':').nth(4)?;
    let account = act.world.enforced(id, act.clock)?;
    let partition = &act.world.partition;
    let role = account.roles.values().find(|role| fold(&role.arn(partition, id)) == fold(arn))?;
    Some((id.to_owned(), role.clone()))
}

fn authorize(
    act: &Act<'_>,
    account: &str,
    role: &Role,
    asked: &Asked,
    mfa: bool,
) -> Result<(), Fault> {
    let arn = role.arn(&act.world.partition, account);
    let mut context = act.context(&[]);
    context.set("sts:RoleSessionName", &asked.session);
    context.set("aws:ResourceAccount", account);
    if let Some(external) = &asked.external {
        context.set("sts:ExternalId", external);
    }
    if let Some(source) = &asked.source {
        context.set("sts:SourceIdentity", source);
    }
    if mfa {
        // A user's own call has the key only when it shows MFA with it.
        context.set("aws:MultiFactorAuthPresent", "true");
        context.set("aws:MultiFactorAuthAge", "0");
    }
    context::tagged(&mut context, "aws:ResourceTag", &role.tags);
    context::tagged(&mut context, "iam:ResourceTag", &role.tags);
    context::tagged(&mut context, "aws:RequestTag", &act.params.tags()?);
    let Ok(trust) = Policy::parse(&role.trust, Kind::Trust) else {
        return Err(refused(act, &arn));
    };
    let held = act.held();
    let request = evaluate::Request {
        principal: act.caller.principal(),
        action: "sts:AssumeRole",
        resource: &arn,
        context: &context,
    };
    match evaluate::decide(&held.lend(Some(&trust)), &request) {
        evaluate::Decision::ImplicitlyDenied(_) => Err(refused(act, &arn)),
        decision => act.denied(decision, &arn),
    }
}

/// AWS does not say whether the role is there, or which side did not allow it.
fn refused(act: &Act<'_>, arn: &str) -> Fault {
    Fault::denied(format!(
        "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
        act.caller.arn
    ))
}

fn lasting(act: &Act<'_>, asked: &Asked, role: &Role) -> Result<(), Fault> {
    if act.caller.is_role() && asked.seconds > HOUR {
        return Err(Fault::invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by \
             role chaining",
        ));
    }
    if asked.seconds > role.max_session {
        return Err(Fault::invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(())
}
