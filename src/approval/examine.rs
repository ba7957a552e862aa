//! Everything that stands between a plan and its apply: guardrails, and the approvals that all sources ask for.

use super::{Case, InForce, Requirement, SignatureFile, Signers, Source, Verdict, effect, judge};
use crate::config::Rules;
use crate::error::{Error, Result};
use crate::guardrail::{self, Finding, Outcome};
use crate::identity::Arn;
use crate::plan::Plan;
use crate::state::State;
use crate::text::shown;
use jiff::Timestamp;
use serde::Serialize;

/// The files of a store that rule over it (D5): its `policy.toml` and its `allowed_signers`.
#[derive(Clone, Debug, Default)]
pub struct TrustRoot {
    rules: Option<Rules>,
    signers: Option<Signers>,
}

/// What this machine's configuration asks for besides. It can only be stricter.
#[derive(Clone, Debug, Default)]
pub struct Local {
    /// What approvals have to fulfil.
    pub requirement: Requirement,
    /// Where a key has to stand as well.
    pub signers: Option<Signers>,
}

impl TrustRoot {
    /// Reads the files, each with the name that an error calls it.
    ///
    /// # Errors
    /// If one is malformed: rules that cannot be read are not taken for none.
    pub fn parse(policy: Option<(&str, &[u8])>, signers: Option<(&str, &[u8])>) -> Result<Self> {
        Ok(Self {
            rules: policy.map(|(name, bytes)| Rules::parse(bytes, name)).transpose()?,
            signers: signers.map(|(name, bytes)| Signers::parse(bytes, name)).transpose()?,
        })
    }

    /// Whether the store has rules or signers of its own.
    #[must_use]
    pub const fn is_there(&self) -> bool {
        self.rules.is_some() || self.signers.is_some()
    }

    /// Whether `--break-glass` is allowed.
    #[must_use]
    pub fn allows_break_glass(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.break_glass)
    }

    /// The requirement of the store and of this machine, to stand in a plan.
    #[must_use]
    pub fn in_force(&self, local: &Local) -> Option<InForce> {
        let rules = self.rules.as_ref();
        let requirement = rules.map_or_else(Requirement::default, |rules| rules.approval.clone());
        let requirement = self.with_its_people(requirement.and(&local.requirement));
        let policy = rules.map(|rules| ("policy.toml", &rules.sha256));
        let signers = self.signers.as_ref().map(|signers| ("allowed_signers", &signers.sha256));
        let sources: Vec<Source> = [policy, signers]
            .into_iter()
            .flatten()
            .map(|(file, sha256)| Source { file: file.to_owned(), sha256: sha256.clone() })
            .collect();
        (!requirement.is_empty() || !sources.is_empty()).then_some(InForce { requirement, sources })
    }

    /// Who is who is said by the store, where it has rules: elsewhere callers may be added to a person that it
    /// names, and no person.
    fn with_its_people(&self, mut requirement: Requirement) -> Requirement {
        if let Some(rules) = &self.rules {
            requirement.people.retain(|person, _| rules.approval.people.contains_key(person));
        }
        requirement
    }

    /// Whose keys count: where the store asks for approvals, nobody's that it does not name itself.
    fn signers(&self, local: &Local) -> Vec<Signers> {
        let asks = self.rules.as_ref().is_some_and(|rules| {
            let rule = |one: &guardrail::Guardrail| matches!(one.outcome, Outcome::Approvals(_));
            rules.approval.asks() || rules.guardrails.iter().any(rule)
        });
        if asks && self.signers.is_none() {
            return Vec::new();
        }
        self.signers.iter().chain(&local.signers).cloned().collect()
    }

    fn guardrails(&self) -> &[guardrail::Guardrail] {
        self.rules.as_ref().map_or(&[], |rules| &rules.guardrails)
    }
}

/// A plan, and what is known when it is examined.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The bytes of its file.
    pub bytes: &'a [u8],
    /// The records of its principals, in their order.
    pub states: &'a [Option<State>],
    /// The signatures that lie beside it.
    pub signatures: &'a [SignatureFile],
    /// Who applies; `None` while nobody does.
    pub caller: Option<&'a Arn>,
    /// Now, by the service's clock where it is known.
    pub now: Timestamp,
}

/// What stands for and against a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// The guardrails that it meets.
    pub findings: Vec<Finding>,
    /// What became of its approvals.
    pub verdict: Verdict,
}

/// Examines a plan by the store's files, this machine's configuration, and the requirement that it carries:
/// the strictest of the three counts.
#[must_use]
pub fn examine(subject: &Subject<'_>, trust: &TrustRoot, local: &Local) -> Examination {
    let Subject { plan, states, now, .. } = *subject;
    let findings = guardrail::check(trust.guardrails(), plan, states, now);
    let mut requirement = trust.in_force(local).map(|force| force.requirement).unwrap_or_default();
    if let Some(planned) = &plan.approval {
        requirement = trust.with_its_people(requirement.and(&planned.requirement));
    }
    let effects = effect::of_plan(plan, states, now);
    let signers = trust.signers(local);
    let mut verdict = judge(&Case {
        plan: subject.bytes,
        created_at: plan.created_at,
        effects: &effects,
        requirement: &requirement,
        signatures: subject.signatures,
        signers: &signers,
        caller: subject.caller,
        now,
    });
    if let Some((number, finding)) = guardrail::approvals(&findings)
        && number > verdict.needed
    {
        verdict.needed = number;
        verdict.because = format!("rule `{}` ({})", shown(&finding.rule), shown(&finding.message));
    }
    Examination { findings, verdict }
}

impl Examination {
    /// The refusal of a rule that denies the plan.
    #[must_use]
    pub fn denial(&self) -> Option<Error> {
        let denies: Vec<&Finding> =
            self.findings.iter().filter(|finding| finding.outcome == Outcome::Deny).collect();
        let first = denies.first()?;
        let mut error = Error::forbidden(format!("rule `{}` denies this plan", shown(&first.rule)))
            .because(shown(&first.message));
        for finding in &denies {
            let rule = if finding.rule == first.rule {
                String::new()
            } else {
                format!("  rule `{}`: {}", shown(&finding.rule), shown(&finding.message))
            };
            error = error.detail(format!(
                "step {} of {}: {}{rule}",
                finding.step,
                finding.who,
                shown(&finding.resource.to_string())
            ));
        }
        Some(
            error
                .detail("nothing was changed")
                .hint("the rules are the store's: its policy.toml says what each of them is about"),
        )
    }

    /// Whether the plan may be applied, with the reason given for going without approvals, if one is.
    ///
    /// # Errors
    /// The refusal, exit status 4. `name` is what the plan's file is called; `None` for a plan without one.
    pub fn allow(
        &self,
        name: Option<&str>,
        break_glass: Option<&str>,
        trust: &TrustRoot,
    ) -> Result<()> {
        if let Some(denial) = self.denial() {
            return Err(denial);
        }
        if break_glass.is_some() && !trust.allows_break_glass() {
            return Err(Error::forbidden("`--break-glass` is not allowed here")
                .because("only the store's policy.toml can allow it: [approval] break_glass = true")
                .detail("nothing was changed")
                .hint("have the plan approved: ringfence approve FILE --identity KEY"));
        }
        if break_glass.is_some() || self.verdict.is_met() {
            return Ok(());
        }
        Err(match name {
            Some(name) => self.verdict.refusal(name),
            None => Some(self.without_file()),
        }
        .unwrap_or_else(|| Error::forbidden("the plan is not approved")))
    }

    /// A plan that is made and applied in one go has nothing that could be signed.
    fn without_file(&self) -> Error {
        let Verdict { needed, because, .. } = &self.verdict;
        Error::forbidden("a plan that needs approvals is applied from its file")
            .because(format!(
                "{because} asks for {}",
                crate::text::count(*needed as usize, "approval", "approvals")
            ))
            .detail("nothing was changed")
            .hint("the same flags with `ringfence plan`, and --out plan.json")
            .hint("ringfence approve plan.json --identity KEY")
            .hint("ringfence apply plan.json")
    }

    /// What the person is told though nothing stands against the plan.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let warns = self.findings.iter().filter(|finding| finding.outcome == Outcome::Warn);
        warns
            .map(|finding| {
                format!(
                    "rule `{}`: {} ({}, {})",
                    shown(&finding.rule),
                    shown(&finding.message),
                    finding.who,
                    shown(&finding.resource.to_string())
                )
            })
            .collect()
    }
}
