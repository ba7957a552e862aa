//! The words of the command line.

mod evidence;
mod values;

pub(super) use evidence::{FindingsArgs, ReportArgs, SuggestPolicyArgs, TraceArgs};
pub(super) use values::SessionOf;

use crate::identity::{AccessKeyId, UserName, Who};
use crate::plan::Fields;
use crate::resource::Resource;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::Duration;
use values::{duration, fields, incident, probe, profile, reason, role, timestamp};

/// Contain compromised AWS IAM users and roles: plan, apply, status, rollback.
#[derive(Debug, Parser)]
#[command(name = "ringfence", version, max_term_width = 100, disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(super) struct Global {
    /// Profile of the shared AWS configuration
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// AWS Region
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) region: Option<String>,
    /// Endpoint in place of AWS's own
    #[arg(long, global = true, value_name = "URL")]
    pub(super) endpoint_url: Option<String>,
    /// Configuration file [default: ringfence.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where the states are: a folder, or s3://BUCKET/PREFIX [default: state]
    #[arg(long, global = true, value_name = "LOCATION")]
    pub(super) state: Option<String>,
    /// How long to wait for another run's lock
    #[arg(long, global = true, value_name = "D", default_value = "0s", value_parser = duration)]
    pub(super) lock_timeout: Duration,
    /// Incident that a plan or a trace belongs to; `report`, `status` and `state list` are of it alone
    #[arg(long, global = true, value_name = "ID", value_parser = incident)]
    pub(super) incident: Option<String>,
    /// Form of the output
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// No colour, as with NO_COLOR
    #[arg(long, global = true)]
    pub(super) no_color: bool,
    /// Never ask: what needs an answer fails
    #[arg(long, global = true)]
    pub(super) no_input: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a person
    Text,
    /// For a program
    Json,
    /// For a pull request
    Markdown,
    /// AWS CLI commands that do the same (`show` only)
    Commands,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Read, compare, and show what would change; nothing is changed
    Plan(PlanArgs),
    /// Show a plan, a state file or a run again, offline
    Show(ShowArgs),
    /// Sign a plan, so that it may be applied where approvals are required
    Approve(ApproveArgs),
    /// Run the store's rules over a plan, and judge its approvals; nothing but files is read
    Check(CheckArgs),
    /// Apply a saved plan, or plan and apply in one go
    Apply(ApplyArgs),
    /// Finish a run that was cut off
    Resume(ResumeArgs),
    /// Compare reality with the state; nothing is changed
    Status(StatusArgs),
    /// Plan the release of a contained user or role
    Rollback(RollbackArgs),
    /// Plan a new key for the workload of a contained user, and no more rights than it needs
    Recover(RecoverArgs),
    /// Read GuardDuty's findings, and how a containment starts from them
    Findings(FindingsArgs),
    /// Find in CloudTrail what a leaked key was used for; nothing is changed
    Trace(TraceArgs),
    /// Write a policy from what a user's credentials were really used for; nothing is changed
    SuggestPolicy(SuggestPolicyArgs),
    /// Tell an incident: what happened, what was contained, who did it, what is still open
    Report(ReportArgs),
    /// Look after the state files
    State(StateArgs),
    /// A whole incident, rehearsed in a sandbox: nothing in it can reach AWS
    #[cfg(feature = "sandbox")]
    Drill(DrillArgs),
    /// An IAM of its own on a loopback port, for the AWS CLI, boto3 and ringfence
    #[cfg(feature = "sandbox")]
    Sandbox(SandboxArgs),
    /// Print a completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Clone, Debug, Default, Args)]
pub(super) struct Targets {
    /// User to contain (repeatable)
    #[arg(long = "user", value_name = "NAME")]
    pub(super) users: Vec<UserName>,
    /// Role to contain (repeatable)
    #[arg(long = "role", value_name = "NAME", value_parser = role)]
    pub(super) roles: Vec<UserName>,
    /// Leaked access key; its owner is found (repeatable)
    #[arg(long = "access-key", value_name = "ID")]
    pub(super) keys: Vec<AccessKeyId>,
    /// File with one leaked access key a line
    #[arg(long, value_name = "FILE")]
    pub(super) access_keys_from: Option<PathBuf>,
    /// Users and roles that a trace has found, with what is compromised of them
    #[arg(long, value_name = "TRACE.json")]
    pub(super) from: Option<PathBuf>,
    /// A finding of GuardDuty: its keys, users and roles, and the time it was first seen
    #[arg(long, value_name = "FILE")]
    pub(super) finding: Option<PathBuf>,
    /// CloudTrail files (a file, a folder, s3://BUCKET/PREFIX), or `lookup` for the history of the
    /// last week: each step says what real use it would have stopped (repeatable)
    #[arg(long, value_name = "PATH|lookup")]
    pub(super) usage: Vec<String>,
    /// Narrow a role's fence to its sessions of this name (repeatable)
    #[arg(long = "session", value_name = "ROLE/SESSION")]
    pub(super) sessions: Vec<SessionOf>,
    /// Narrow every role's fence to the sessions that the trace has seen
    #[arg(long, requires = "from")]
    pub(super) only_traced_sessions: bool,
    /// Contain roles that services assume too, which cuts their workloads
    #[arg(long)]
    pub(super) cut_workloads: bool,
    /// Declared contained state: revoke, quarantine, lockdown, or one from the configuration
    #[arg(long, value_name = "NAME")]
    pub(super) posture: Option<String>,
    /// Time of the exposure, such as 2026-11-21T01:40Z: whatever is younger is suspect
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    pub(super) since: Option<Timestamp>,
    /// What apply does when reality has moved since the plan
    #[arg(long, value_enum)]
    pub(super) on_drift: Option<OnDrift>,
    /// How long apply watches them after the last wave, and asserts again what is undone
    /// [default: 30s]; for a saved plan it can only be shortened
    #[arg(long, value_name = "D", value_parser = duration)]
    pub(super) settle: Option<Duration>,
    /// Read the documents of attached policies and groups too
    #[arg(long)]
    pub(super) full: bool,
    /// Refuse if anything could not be read
    #[arg(long)]
    pub(super) strict: bool,
    /// Contain users of `guard.protected_users` and roles of `guard.protected_roles` too
    #[arg(long)]
    pub(super) override_protection: bool,
}

/// Users and roles that have a state.
pub(super) fn whos(users: &[UserName], roles: &[UserName]) -> Vec<Who> {
    let users = users.iter().cloned().map(Who::User);
    users.chain(roles.iter().cloned().map(Who::Role)).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnDrift {
    /// Stop before the first write
    Refuse,
    /// Go on with what still applies
    Tighten,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) targets: Targets,
    /// Write the plan to this file
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// End with 2 if there is something to change
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// A plan's file, a state file, or the ID of a run
    #[arg(value_name = "FILE|RUN")]
    pub(super) what: String,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// The saved plan
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Private key in OpenSSH's format
    #[arg(long, value_name = "KEY")]
    pub(super) identity: PathBuf,
    /// Where to write the signature [default: FILE.NAME.sig, by the key's comment]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub(super) auto_approve: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The saved plan
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Refuse, too, where an approval is missing
    #[arg(long)]
    pub(super) approved: bool,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// The saved plan
    #[arg(value_name = "FILE", conflicts_with_all = ["users", "roles", "keys", "access_keys_from", "from", "finding", "usage", "sessions", "only_traced_sessions", "cut_workloads", "posture", "since", "on_drift", "again", "full", "strict", "override_protection"])]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) targets: Targets,
    /// Assert again what the state records, for the users and roles named
    #[arg(long, conflicts_with_all = ["keys", "access_keys_from", "from", "finding", "usage", "sessions", "posture", "since"])]
    pub(super) again: bool,
    /// Do not ask
    #[arg(long)]
    pub(super) auto_approve: bool,
    /// Apply without the approvals that are required, and record why; the store's policy.toml has to allow it
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub(super) break_glass: Option<String>,
    /// Let a plan of recovery that asks for it show the secret of the new key
    #[arg(long, requires = "file")]
    pub(super) secret_to_stdout: bool,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// Only the runs of this user (repeatable)
    #[arg(long = "user", value_name = "NAME")]
    pub(super) users: Vec<UserName>,
    /// Only the runs of this role (repeatable)
    #[arg(long = "role", value_name = "NAME", value_parser = role)]
    pub(super) roles: Vec<UserName>,
    /// A shorter watch after the last wave than the plan asks for
    #[arg(long, value_name = "D", value_parser = duration)]
    pub(super) settle: Option<Duration>,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Only this user (repeatable)
    #[arg(long = "user", value_name = "NAME")]
    pub(super) users: Vec<UserName>,
    /// Only this role (repeatable)
    #[arg(long = "role", value_name = "NAME", value_parser = role)]
    pub(super) roles: Vec<UserName>,
    /// Look again every so often until interrupted, and say what changes
    #[arg(long, value_name = "D", value_parser = duration)]
    pub(super) watch: Option<Duration>,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// User to release
    #[arg(long, value_name = "NAME", required_unless_present = "role")]
    pub(super) user: Option<UserName>,
    /// Role to release
    #[arg(long, value_name = "NAME", conflicts_with = "user", value_parser = role)]
    pub(super) role: Option<UserName>,
    /// Credential that acts again all the same, such as ssh_key/ID (repeatable)
    #[arg(long, value_name = "KIND/ID")]
    pub(super) reactivate: Vec<Resource>,
    /// Access key that acts again all the same (repeatable)
    #[arg(long, value_name = "ID")]
    pub(super) reactivate_key: Vec<AccessKeyId>,
    /// Lift the denies before the sessions they stop have expired
    #[arg(long)]
    pub(super) lift_fence_now: bool,
    /// Lift a hold or give rights back though some of the user's credentials could not be listed
    #[arg(long)]
    pub(super) accept_unread: bool,
    /// Step down to this posture instead of releasing
    #[arg(long, value_name = "POSTURE")]
    pub(super) to: Option<String>,
    /// Restore this resource although others changed it (repeatable)
    #[arg(long, value_name = "RESOURCE")]
    pub(super) take: Vec<Resource>,
    /// Give this resource up to whoever changed it (repeatable)
    #[arg(long, value_name = "RESOURCE")]
    pub(super) leave: Vec<Resource>,
    /// Give the rights back that a recovery has taken away
    #[arg(long)]
    pub(super) undo_recovery: bool,
    /// Write the plan to this file
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// End with 2 if there is something to change
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub(super) struct RecoverArgs {
    /// User whose workload gets a new key
    #[arg(long, value_name = "NAME")]
    pub(super) user: UserName,
    /// Put the key into this secret of AWS Secrets Manager, as a new version
    #[arg(long, value_name = "ID", group = "place")]
    pub(super) secret: Option<String>,
    /// Make the secret if it is not there
    #[arg(long, requires = "secret")]
    pub(super) create_secret: bool,
    /// Fields of the secret that take the key [default: the ones in use, or AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY]
    #[arg(long, value_name = "ID,SECRET", requires = "secret", value_parser = fields)]
    pub(super) secret_fields: Option<Fields>,
    /// Put the key into this profile of the AWS credentials file
    #[arg(long, value_name = "PROFILE", group = "place", value_parser = profile)]
    pub(super) to_profile: Option<String>,
    /// Credentials file [default: as the AWS CLI has it]
    #[arg(long, value_name = "FILE", requires = "to_profile")]
    pub(super) credentials_file: Option<PathBuf>,
    /// Show the key's secret on standard output, once, when it is made
    #[arg(long, group = "place")]
    pub(super) secret_to_stdout: bool,
    /// Delete this key of the user, which has to be off: it cannot be undone
    #[arg(long, value_name = "ID")]
    pub(super) delete_key: Option<AccessKeyId>,
    /// Let the user do what this policy allows, and nothing else
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// Action that the user has to be allowed, such as s3:ListAllMyBuckets (repeatable)
    #[arg(long, value_name = "SERVICE:ACTION", value_parser = probe, requires = "place")]
    pub(super) probe: Vec<String>,
    /// Make a key for a user that is not contained
    #[arg(long = "override")]
    pub(super) override_containment: bool,
    /// Write the plan to this file
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// End with 2 if there is something to change
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub(super) struct StateArgs {
    #[command(subcommand)]
    pub(super) verb: StateVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum StateVerb {
    /// List the states, and the incidents that only a trace or a plan knows of
    List {
        /// Traces and plans [default: those of the working directory]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show the state of a user or role
    Show {
        /// The user's or role's name, or the unique ID
        user: String,
    },
    /// List the runs of a user or role
    History {
        /// The user's or role's name, or the unique ID
        user: String,
        /// Check every journal's chain of hashes
        #[arg(long)]
        verify: bool,
    },
    /// Forget the state of a user or role; its files are moved aside, IAM is not touched
    Rm {
        /// The user's or role's name, or the unique ID
        user: String,
        /// Do not ask
        #[arg(long)]
        auto_approve: bool,
    },
    /// Clear the lock of a run that died, or say who holds it
    Unlock {
        /// The user's or role's name, or the unique ID
        user: String,
        /// Break a lock in a bucket without asking
        #[arg(long)]
        auto_approve: bool,
    },
    /// Copy the state of a user or role, plans and journals from the store to a folder
    Pull {
        /// The user's or role's name, or the unique ID
        user: String,
        /// Where to
        #[arg(long, value_name = "DIR", default_value = "ringfence-pulled")]
        out: PathBuf,
    },
    /// Take states, plans and journals from a folder to the store
    Push {
        /// A folder of states: a copy, or the one that an apply has named
        #[arg(value_name = "DIR")]
        from: PathBuf,
        /// Only this user or role, by name or unique ID (repeatable)
        #[arg(long = "user", value_name = "NAME")]
        users: Vec<String>,
    },
    /// Rebuild a lost state from a run's plan and what can be read back
    Import {
        /// The plan that was applied
        plan: PathBuf,
    },
}

#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub(super) struct DrillArgs {
    /// Wait for Enter before each phase
    #[arg(long, conflicts_with = "fast")]
    pub(super) step: bool,
    /// Do not pause
    #[arg(long)]
    pub(super) fast: bool,
    /// Keep the report that it ends with
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,
}

#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 4570)]
    pub(super) port: u16,
    /// What has happened in it before it opens, in TOML
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Begin with what an earlier sandbox has saved
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    pub(super) load: Option<PathBuf>,
    /// Save everything in it to this file at the end, secrets too
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
    /// Deliver what CloudTrail would record to this folder, second by second, as CloudTrail does to a bucket
    #[arg(long, value_name = "DIR")]
    pub(super) trail: Option<PathBuf>,
    /// Findings that its GuardDuty has, as the API gives them
    #[arg(long, value_name = "FILE")]
    pub(super) findings: Option<PathBuf>,
}
