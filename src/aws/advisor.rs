//! What IAM and Access Analyzer know by themselves: when permissions were last used, and what a policy is worth.

use super::failure::Failure;
use super::session::Session;
use super::{Aws, Settings, connect, details};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::policy::PolicyDocument;
use crate::snapshot::AttachedPolicy;
use crate::suggest::{Advice, Check, Level, ServiceUse, Validation};
use aws_config::SdkConfig;
use aws_sdk_accessanalyzer::types::{PolicyType, ValidatePolicyFinding, ValidatePolicyFindingType};
use aws_sdk_iam::operation::get_service_last_accessed_details::GetServiceLastAccessedDetailsOutput;
use aws_sdk_iam::types::{AccessAdvisorUsageGranularityType, JobStatusType, ServiceLastAccessed};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use std::time::Duration;

const GENERATE: &str = "iam:GenerateServiceLastAccessedDetails";
const GET: &str = "iam:GetServiceLastAccessedDetails";
const VALIDATE: &str = "access-analyzer:ValidatePolicy";

/// A report is made in some seconds; it is asked for once a second, and given up after as many times.
const ASKED: u32 = 120;

/// A page of a report, or of findings.
const PAGE: i32 = 100;

/// When a user's permissions were last used, by service, and by action where IAM tracks that.
///
/// # Errors
/// In words, if it cannot be read.
pub async fn advice(aws: &Aws, arn: &str, context: &Context) -> Result<Advice, String> {
    let said = |failure: &Failure| format!("{}: {}", failure.action, failure.text);
    let s = Session::new(aws);
    let request = s
        .iam
        .generate_service_last_accessed_details()
        .arn(arn)
        .granularity(AccessAdvisorUsageGranularityType::ActionLevel);
    let begun = s.ask(GENERATE, 1, request.send()).await.map_err(|failure| said(&failure))?;
    let job = begun.job_id().ok_or_else(|| format!("{GENERATE}: it names no job"))?.to_owned();
    let mut advice = Advice::default();
    let (mut marker, mut waited) = (None, 0);
    loop {
        let request = s
            .iam
            .get_service_last_accessed_details()
            .job_id(&job)
            .max_items(PAGE)
            .set_marker(marker.clone());
        let page = s.ask(GET, 2, request.send()).await.map_err(|failure| said(&failure))?;
        match page.job_status() {
            JobStatusType::Completed => {}
            JobStatusType::InProgress if waited < ASKED => {
                waited += 1;
                context.sleep(Duration::from_secs(1)).await;
                continue;
            }
            JobStatusType::InProgress => return Err(format!("{GET}: the report is not finished")),
            _ => return Err(format!("{GET}: {}", why(&page))),
        }
        advice.services.extend(page.services_last_accessed().iter().map(service));
        let next = page.marker().map(str::to_owned).filter(|_| page.is_truncated());
        if next.is_none() {
            return Ok(advice);
        }
        if next == marker {
            return Err(format!("{GET}: it says that more follows, and not where"));
        }
        marker = next;
    }
}

fn why(page: &GetServiceLastAccessedDetailsOutput) -> String {
    let message = page.error().map(|error| error.message());
    message.unwrap_or("the report could not be made").to_owned()
}

fn service(one: &ServiceLastAccessed) -> ServiceUse {
    let tracked = one.tracked_actions_last_accessed().iter();
    ServiceUse {
        service: one.service_namespace().to_owned(),
        last: one.last_authenticated().and_then(time),
        actions: tracked
            .filter_map(|action| {
                let at = action.last_accessed_time().and_then(time);
                Some((action.action_name()?.to_owned(), at))
            })
            .collect(),
    }
}

fn time(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(at.secs()).ok()
}

/// A managed policy with its default version's document; `None` if there is none.
///
/// # Errors
/// If nothing can be asked at all.
pub async fn managed_policy(aws: &Aws, arn: &str) -> Result<Option<AttachedPolicy>, Error> {
    details::managed(&Session::new(aws), arn, 1).await
}

/// The connection to Access Analyzer.
#[derive(Debug)]
pub struct Analyzer {
    client: aws_sdk_accessanalyzer::Client,
}

impl Analyzer {
    /// Connects as [`super::Aws::connect`] does. Nothing is sent yet.
    pub async fn connect(settings: &Settings) -> Self {
        Self::from_config(&connect::load(settings).await)
    }

    /// Uses a configuration as it is.
    #[must_use]
    pub fn from_config(config: &SdkConfig) -> Self {
        Self { client: aws_sdk_accessanalyzer::Client::new(config) }
    }

    /// What it finds in policies for a user. That it could not be asked is said, and no error (D2.12).
    pub async fn validate(&self, documents: &[PolicyDocument]) -> Validation {
        let mut findings = Vec::new();
        for document in documents {
            match self.one(document).await {
                Ok(found) => findings.extend(found),
                Err(failure) => {
                    let why = format!("{}: {}", failure.action, failure.text);
                    return Validation { findings, unread: Some(why) };
                }
            }
        }
        findings.sort();
        findings.dedup();
        Validation { findings, unread: None }
    }

    async fn one(&self, document: &PolicyDocument) -> Result<Vec<Check>, Failure> {
        let mut found = Vec::new();
        let mut pages = self
            .client
            .validate_policy()
            .policy_document(document.minified())
            .policy_type(PolicyType::IdentityPolicy)
            .max_results(PAGE)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Failure::of(VALIDATE, &error))?;
            found.extend(page.findings().iter().map(check));
        }
        Ok(found)
    }
}

fn check(finding: &ValidatePolicyFinding) -> Check {
    Check {
        level: match finding.finding_type() {
            ValidatePolicyFindingType::Error => Level::Error,
            ValidatePolicyFindingType::SecurityWarning => Level::SecurityWarning,
            ValidatePolicyFindingType::Suggestion => Level::Suggestion,
            // What is not known yet weighs no less than a warning.
            _ => Level::Warning,
        },
        code: finding.issue_code().to_owned(),
        what: finding.finding_details().to_owned(),
    }
}
