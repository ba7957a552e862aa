//! CloudTrail's history of management events, as LookupEvents gives it (F14), and the Regions that
//! have to be asked.

use super::failure::{Failure, Kind};
use super::{Settings, connect, words};
use crate::error::Error;
use aws_config::{Region, SdkConfig};
use aws_sdk_account::types::RegionOptStatus;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use std::collections::BTreeMap;

const LIST_REGIONS: &str = "account:ListRegions";
const LOOK_UP: &str = "cloudtrail:LookupEvents";

/// What events are looked up by: one attribute a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Query {
    /// The access key that signed.
    AccessKey(String),
    /// The user's name, or that of a session.
    UserName(String),
}

impl Query {
    /// What it asks for.
    #[must_use]
    pub fn value(&self) -> &str {
        match self {
            Self::AccessKey(value) | Self::UserName(value) => value,
        }
    }

    const fn key(&self) -> LookupAttributeKey {
        match self {
            Self::AccessKey(_) => LookupAttributeKey::AccessKeyId,
            Self::UserName(_) => LookupAttributeKey::Username,
        }
    }
}

/// A page of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The events as CloudTrail writes them, JSON, the newest first.
    pub events: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// Why a page was not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The caller lacks the permission, in this Region at least.
    Denied(String),
    /// Too many calls, also after the SDK's own repeats.
    Throttled(String),
    /// The token of the page is not taken any more.
    BadToken,
    /// Anything else, in the service's words.
    Failed(String),
}

/// The connection to CloudTrail in every Region.
#[derive(Debug)]
pub struct History {
    config: SdkConfig,
    clients: BTreeMap<String, aws_sdk_cloudtrail::Client>,
}

impl History {
    /// Connects as [`super::Aws::connect`] does. Nothing is sent yet.
    pub async fn connect(settings: &Settings) -> Self {
        Self::from_config(&connect::load(settings).await)
    }

    /// Uses a configuration as it is.
    #[must_use]
    pub fn from_config(config: &SdkConfig) -> Self {
        Self { config: config.clone(), clients: BTreeMap::new() }
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
        regions(&self.config).await
    }

    /// Gets ready to ask in these Regions.
    pub fn ask_in(&mut self, regions: &[String]) {
        for region in regions {
            let config = aws_sdk_cloudtrail::config::Builder::from(&self.config)
                .region(Region::new(region.clone()));
            let client = aws_sdk_cloudtrail::Client::from_conf(config.build());
            self.clients.insert(region.clone(), client);
        }
    }

    /// One page: at most fifty events.
    ///
    /// # Errors
    /// What the service said against it.
    pub async fn page(
        &self,
        region: &str,
        query: &Query,
        window: (Timestamp, Timestamp),
        next: Option<&str>,
    ) -> Result<Page, Refused> {
        let client = self.clients.get(region);
        let client = client.ok_or_else(|| Refused::Failed(format!("{region} is not asked")))?;
        let attribute = LookupAttribute::builder()
            .attribute_key(query.key())
            .attribute_value(query.value())
            .build()
            .map_err(|error| Refused::Failed(error.to_string()))?;
        let request = client
            .lookup_events()
            .lookup_attributes(attribute)
            .start_time(DateTime::from_secs(window.0.as_second()))
            .end_time(DateTime::from_secs(window.1.as_second()))
            .set_next_token(next.map(str::to_owned));
        let reply = Box::pin(request.send()).await.map_err(|error| {
            let bad = error
                .as_service_error()
                .is_some_and(|error| error.is_invalid_next_token_exception());
            if bad { Refused::BadToken } else { refused(&Failure::of(LOOK_UP, &error)) }
        })?;
        let events = reply.events().iter().filter_map(|event| event.cloud_trail_event());
        Ok(Page {
            events: events.map(str::to_owned).collect(),
            next: reply.next_token().map(str::to_owned),
        })
    }
}

fn refused(failure: &Failure) -> Refused {
    let text = failure.text.clone();
    match failure.kind {
        Kind::Denied => Refused::Denied(text),
        Kind::Throttled => Refused::Throttled(text),
        _ => Refused::Failed(text),
    }
}

/// The Regions that are enabled for the account of a configuration.
pub(super) async fn regions(config: &SdkConfig) -> Result<Vec<String>, Error> {
    // One control plane; a configuration without a Region is none that it can be asked with.
    let own = config.region().cloned().unwrap_or_else(|| Region::from_static("us-east-1"));
    let config = aws_sdk_account::config::Builder::from(config).region(own);
    let client = aws_sdk_account::Client::from_conf(config.build());
    let mut pages = client
        .list_regions()
        .region_opt_status_contains(RegionOptStatus::Enabled)
        .region_opt_status_contains(RegionOptStatus::EnabledByDefault)
        .into_paginator()
        .send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            let failure = Failure::of(LIST_REGIONS, &error);
            words::elsewhere(
                "the Regions of the account could not be listed",
                &failure,
                "--regions us-east-1,eu-west-1 asks there and in no other",
            )
        })?;
        names.extend(page.regions().iter().filter_map(|one| one.region_name()).map(str::to_owned));
    }
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Err(Error::failed("the account has no enabled Region")
            .hint("--regions us-east-1,eu-west-1 asks there"));
    }
    Ok(names)
}
