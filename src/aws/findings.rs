//! GuardDuty's findings about a key or a user, from the detectors of every Region asked.

use super::failure::Failure;
use super::{Settings, connect, history};
use crate::error::Error;
use crate::finding::{Finding, Named};
use aws_config::{Region, SdkConfig};
use aws_sdk_guardduty::Client;
use aws_sdk_guardduty::types::{self, Condition, FindingCriteria};
use futures_util::future::join_all;
use jiff::Timestamp;

/// GetFindings takes as many.
const AT_ONCE: usize = 50;

/// Whom findings are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// An access key.
    AccessKey(String),
    /// A user, by name.
    User(String),
}

/// What the detectors had.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The findings.
    pub findings: Vec<Finding>,
    /// How many detectors were asked.
    pub detectors: usize,
    /// Where it could not be asked, and why.
    pub unread: Vec<(String, String)>,
}

/// The connection to GuardDuty.
#[derive(Debug)]
pub struct Detectors {
    config: SdkConfig,
}

impl Detectors {
    /// Connects as [`super::Aws::connect`] does. Nothing is sent yet.
    pub async fn connect(settings: &Settings) -> Self {
        Self::from_config(&connect::load(settings).await)
    }

    /// Uses a configuration as it is.
    #[must_use]
    pub fn from_config(config: &SdkConfig) -> Self {
        Self { config: config.clone() }
    }

    /// Where it asks, if that is not AWS itself.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.config.endpoint_url()
    }

    /// The Regions that are enabled for the account.
    ///
    /// # Errors
    /// If they cannot be listed; the error names the action and the flag that does without.
    pub async fn regions(&self) -> Result<Vec<String>, Error> {
        history::regions(&self.config).await
    }

    /// Asks every detector in these Regions. One that does not answer is listed as unread.
    pub async fn ask(&self, regions: &[String], about: &About) -> Asked {
        let each = regions.iter().map(|region| self.ask_in(region, about));
        let mut all = Asked::default();
        for (region, answer) in regions.iter().zip(join_all(each).await) {
            match answer {
                Ok((detectors, findings)) => {
                    all.detectors += detectors;
                    all.findings.extend(findings);
                }
                Err(failure) => {
                    let why = format!("{}: {}", failure.action, failure.text);
                    all.unread.push((region.clone(), why));
                }
            }
        }
        all.findings.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
        all
    }

    async fn ask_in(&self, region: &str, about: &About) -> Result<(usize, Vec<Finding>), Failure> {
        let config = aws_sdk_guardduty::config::Builder::from(&self.config)
            .region(Region::new(region.to_owned()));
        let client = Client::from_conf(config.build());
        let mut detectors = Vec::new();
        let mut pages = client.list_detectors().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Failure::of("guardduty:ListDetectors", &error))?;
            detectors.extend(page.detector_ids().iter().cloned());
        }
        let mut findings = Vec::new();
        for detector in &detectors {
            let ids = ids(&client, detector, about).await?;
            for some in ids.chunks(AT_ONCE) {
                let request = client
                    .get_findings()
                    .detector_id(detector)
                    .set_finding_ids(Some(some.to_vec()));
                let reply = Box::pin(request.send())
                    .await
                    .map_err(|error| Failure::of("guardduty:GetFindings", &error))?;
                findings.extend(reply.findings().iter().filter_map(taken));
            }
        }
        Ok((detectors.len(), findings))
    }
}

async fn ids(client: &Client, detector: &str, about: &About) -> Result<Vec<String>, Failure> {
    let (path, value) = match about {
        About::AccessKey(key) => ("resource.accessKeyDetails.accessKeyId", key),
        About::User(name) => ("resource.accessKeyDetails.userName", name),
    };
    let criteria = FindingCriteria::builder()
        .criterion(path, Condition::builder().equals(value).build())
        .build();
    let mut pages = client
        .list_findings()
        .detector_id(detector)
        .finding_criteria(criteria)
        .into_paginator()
        .send();
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Failure::of("guardduty:ListFindings", &error))?;
        ids.extend(page.finding_ids().iter().cloned());
    }
    Ok(ids)
}

/// A finding as the SDK gives it; `None` where it lacks what makes it one.
fn taken(finding: &types::Finding) -> Option<Finding> {
    let service = finding.service();
    let call = service.and_then(|service| service.action()?.aws_api_call_action());
    let details = finding.resource().and_then(|resource| resource.access_key_details());
    let time = |text: Option<&str>| text.and_then(|text| text.parse::<Timestamp>().ok());
    let sample = service
        .and_then(|service| service.additional_info()?.value())
        .and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok())
        .is_some_and(|value| value.get("sample") == Some(&serde_json::Value::Bool(true)));
    Some(Finding {
        id: finding.id()?.to_owned(),
        kind: finding.r#type()?.to_owned(),
        severity: finding.severity(),
        title: finding.title().unwrap_or_default().to_owned(),
        account_id: finding.account_id().map(str::to_owned),
        region: finding.region().map(str::to_owned),
        credentials: details
            .map(|details| Named {
                access_key_id: details.access_key_id().map(str::to_owned),
                principal_id: details.principal_id().map(str::to_owned),
                user_name: details.user_name().map(str::to_owned),
                user_type: details.user_type().map(str::to_owned),
            })
            .into_iter()
            .collect(),
        first_seen: time(service.and_then(|service| service.event_first_seen()))
            .or_else(|| time(finding.created_at())),
        last_seen: time(service.and_then(|service| service.event_last_seen()))
            .or_else(|| time(finding.updated_at())),
        count: service.and_then(|s| s.count()).and_then(|n| u64::try_from(n).ok()),
        call: call.and_then(|call| {
            let api = call.api()?;
            Some(call.service_name().map_or_else(|| api.to_owned(), |name| format!("{name} {api}")))
        }),
        source_ip: call
            .and_then(|call| call.remote_ip_details()?.ip_address_v4())
            .map(str::to_owned),
        sample,
        archived: service.and_then(|service| service.archived()).unwrap_or(false),
    })
}
