//! The AWS SDK, and nothing else that knows it: reading into snapshots, and one action as one call.

mod advisor;
mod call;
mod caller;
mod check;
mod connect;
mod details;
mod document;
mod endpoint;
pub(crate) mod failure;
mod findings;
mod history;
mod listings;
mod meter;
mod owner;
mod page;
mod read;
mod roles;
mod secrets;
mod session;
mod words;

pub use advisor::{Analyzer, advice, managed_policy};
pub use call::{Reply, call};
pub use check::{authenticates, probe};
pub use findings::{About, Asked, Detectors};
pub use history::{History, Page, Query, Refused};
pub use read::{calling, principal_id, read, read_known};
pub use secrets::{Found, NewKey, create, holds, is_secret_name, look, put, stored_key};

use crate::identity::{AccessKeyId, Caller, UserName, Who};
use crate::plan::ReadCost;
use crate::snapshot::Snapshot;
use aws_sdk_iam::config::retry::RetryPartition;
use jiff::Timestamp;
use meter::Meter;

/// How to reach AWS, from the command line.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The profile of the shared configuration.
    pub profile: Option<String>,
    /// The Region.
    pub region: Option<String>,
    /// The endpoint of every service, in place of AWS's own.
    pub endpoint_url: Option<String>,
}

/// The connection to IAM and STS.
#[derive(Clone, Debug)]
pub struct Aws {
    iam: aws_sdk_iam::Client,
    sts: aws_sdk_sts::Client,
    meter: Meter,
    /// What the clients of other services are made of.
    sdk: aws_config::SdkConfig,
    /// The profile that was named, for the words of an error.
    profile: Option<String>,
}

impl Aws {
    /// Takes credentials, Region and endpoint from the settings and, as the AWS CLI does, from the
    /// environment and the shared configuration. Nothing is sent yet.
    pub async fn connect(settings: &Settings) -> Self {
        let mut aws = Self::from_config(&connect::load(settings).await);
        aws.profile.clone_from(&settings.profile);
        aws
    }

    /// Uses a configuration as it is, with its HTTP client.
    #[must_use]
    pub fn from_config(config: &aws_config::SdkConfig) -> Self {
        let meter = Meter::default();
        // The SDK keeps its quota of retries for the whole process, so that one run would decide
        // whether the next one in it may still retry: each connection has a quota of its own.
        let quota = RetryPartition::custom("ringfence").build();
        let iam = aws_sdk_iam::config::Builder::from(config)
            .retry_partition(quota.clone())
            .interceptor(meter.of_iam());
        let sts = aws_sdk_sts::config::Builder::from(config)
            .retry_partition(quota)
            .interceptor(meter.of_sts());
        Self {
            iam: aws_sdk_iam::Client::from_conf(iam.build()),
            sts: aws_sdk_sts::Client::from_conf(sts.build()),
            meter,
            sdk: config.clone(),
            profile: None,
        }
    }

    /// The Region that services of a Region are asked in.
    #[must_use]
    pub fn region(&self) -> &str {
        self.sdk.region().map_or("us-east-1", |region| region.as_ref())
    }

    /// The latest Date that a reply carried.
    #[must_use]
    pub fn service_time(&self) -> Option<Timestamp> {
        self.meter.latest_date()
    }
}

/// The configuration that IAM's clients are made of, for another service's.
#[cfg(feature = "s3")]
pub(crate) async fn sdk_config(settings: &Settings) -> aws_config::SdkConfig {
    connect::load(settings).await
}

/// Whether a URL leads to an endpoint of AWS's own.
#[cfg(feature = "s3")]
pub(crate) fn own_endpoint(url: &str) -> bool {
    endpoint::Endpoint::of(url).is_some_and(|endpoint| endpoint.is_under_aws())
}

/// What to read.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Users, by name.
    pub users: Vec<UserName>,
    /// Roles, by name.
    pub roles: Vec<UserName>,
    /// Users and roles that are listed as gone where they are not there.
    pub traced: Vec<Who>,
    /// Leaked keys, whose owner is to be found (F21) and read.
    pub keys: Vec<AccessKeyId>,
    /// Whether the documents of attached policies and the policies of groups are wanted.
    pub full: bool,
    /// Customer-managed policies to look for by ARN, each for the principal whose snapshot shall show it.
    pub managed: Vec<(Who, String)>,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Who read.
    pub caller: Caller,
    /// One for each distinct user and role, by kind and name.
    pub snapshots: Vec<Snapshot>,
    /// The owner of each key that was given, in the order given.
    pub owners: Vec<(AccessKeyId, UserName)>,
    /// The users and roles that do not exist, where [`read_known`] was asked.
    pub gone: Vec<Who>,
    /// What it took.
    pub cost: ReadCost,
    /// The latest Date among the replies.
    pub service_time: Timestamp,
    /// Where IAM answered from, such as `https://iam.amazonaws.com`.
    pub endpoint: String,
    /// Whether that is AWS itself.
    pub endpoint_is_aws: bool,
}
