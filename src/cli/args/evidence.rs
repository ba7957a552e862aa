//! The words of the verbs that read what has happened.

use super::values::{region, role, timestamp};
use crate::identity::{AccessKeyId, AccountId, UserName};
use crate::suggest::LeftOutSource;
use clap::Args;
use jiff::Timestamp;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::cli) struct FindingsArgs {
    /// Findings that were exported, or an event that carries one
    #[arg(value_name = "FILE", conflicts_with_all = ["access_key", "user", "regions"])]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Ask GuardDuty for the findings about this access key
    #[arg(long, value_name = "ID", conflicts_with = "user")]
    pub(in crate::cli) access_key: Option<AccessKeyId>,
    /// Ask GuardDuty for the findings about this user
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: Option<UserName>,
    /// Ask in these Regions only [default: every enabled one]
    #[arg(long, value_name = "REGION", value_delimiter = ',', value_parser = region)]
    pub(in crate::cli) regions: Vec<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TraceArgs {
    /// Leaked access key, AKIA or ASIA (repeatable)
    #[arg(long = "access-key", value_name = "ID", required_unless_present = "users")]
    pub(in crate::cli) keys: Vec<AccessKeyId>,
    /// User all of whose keys are taken for leaked (repeatable)
    #[arg(long = "user", value_name = "NAME")]
    pub(in crate::cli) users: Vec<UserName>,
    /// Account of the users, where several have one of that name
    #[arg(long, value_name = "ID", requires = "users")]
    pub(in crate::cli) account_id: Option<AccountId>,
    /// CloudTrail files: a file, a folder, or s3://BUCKET/PREFIX (repeatable)
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(in crate::cli) logs: Vec<String>,
    /// Ask CloudTrail's history of the last 90 days, for what the keys did and what was made with them
    #[arg(long)]
    pub(in crate::cli) lookup: bool,
    /// Keep what is looked up in this folder, and go on from what is there
    #[arg(long, value_name = "DIR", requires = "lookup")]
    pub(in crate::cli) keep: Option<PathBuf>,
    /// Look up in these Regions only [default: every enabled one]
    #[arg(long, value_name = "REGION", value_delimiter = ',', value_parser = region, requires = "lookup")]
    pub(in crate::cli) regions: Vec<String>,
    /// Time of the exposure: what the leaked keys did before is their owner's
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    pub(in crate::cli) since: Option<Timestamp>,
    /// The moment at which a credential can act or not [default: now]
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    pub(in crate::cli) at: Option<Timestamp>,
    /// Write the trace to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Draw the credentials and when they were used
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) svg: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SuggestPolicyArgs {
    /// User that the policy is for
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: UserName,
    /// CloudTrail files: a file, a folder, or s3://BUCKET/PREFIX (repeatable)
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(in crate::cli) logs: Vec<String>,
    /// Ask CloudTrail's history of the last 90 days, which has no data events
    #[arg(long)]
    pub(in crate::cli) lookup: bool,
    /// Ask IAM when the user's permissions were last used
    #[arg(long)]
    pub(in crate::cli) advisor: bool,
    /// Keep what is looked up in this folder, and go on from what is there
    #[arg(long, value_name = "DIR", requires = "lookup")]
    pub(in crate::cli) keep: Option<PathBuf>,
    /// Look up in these Regions only [default: every enabled one]
    #[arg(long, value_name = "REGION", value_delimiter = ',', value_parser = region, requires = "lookup")]
    pub(in crate::cli) regions: Vec<String>,
    /// Leave out what the lineage of this trace did, and what came from its addresses
    #[arg(long, value_name = "TRACE.json")]
    pub(in crate::cli) trace: Option<PathBuf>,
    /// Time of the exposure: sources first seen after it are left out [default: the trace's, or that of
    /// the user's record]
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    pub(in crate::cli) since: Option<Timestamp>,
    /// Leave out what came from this address, network or service (repeatable)
    #[arg(long, value_name = "IP|CIDR|NAME")]
    pub(in crate::cli) exclude_source: Vec<LeftOutSource>,
    /// Have Access Analyzer look at the policy, too
    #[arg(long)]
    pub(in crate::cli) validate: bool,
    /// Write the policy alone to this file, as `aws iam put-user-policy` takes it
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// Only this user (repeatable)
    #[arg(long = "user", value_name = "NAME")]
    pub(in crate::cli) users: Vec<UserName>,
    /// Only this role (repeatable)
    #[arg(long = "role", value_name = "NAME", value_parser = role)]
    pub(in crate::cli) roles: Vec<UserName>,
    /// What the credentials were used for, as `trace --out` has written it
    #[arg(long, value_name = "TRACE.json")]
    pub(in crate::cli) trace: Option<PathBuf>,
    /// Write the report to this file: a page (.html), Markdown (.md) or JSON (.json)
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Read nothing but the record
    #[arg(long)]
    pub(in crate::cli) offline: bool,
}
