//! ringfence contains a compromised AWS IAM user: it plans, applies, checks and rolls back.
//!
//! Pure modules decide: [`identity`], [`snapshot`], [`resource`], [`policy`], [`posture`], [`planner`],
//! [`release`], [`renewal`], [`trail`], [`trust`], [`trace`], [`traced`], [`impact`], [`suggest`], [`evaluate`], [`approval`], [`guardrail`], [`finding`], [`drift`], [`standing`], [`record`], [`journal`], and what they speak of: [`plan`],
//! [`state`], [`lineage`], [`config`]. They know no clock, environment, files or SDK, and build without
//! default features. [`view`] and [`render`] say it. Effect modules act: `aws`, `execute`, `store`, `cli`;
//! `sandbox` is an IAM to act on that is not AWS.

pub mod approval;
pub mod config;
pub mod drift;
pub mod error;
pub mod evaluate;
pub mod exit;
pub mod finding;
pub mod guardrail;
pub mod identity;
pub mod impact;
pub mod incident;
pub mod journal;
pub mod lineage;
pub mod pattern;
pub mod plan;
pub mod planner;
pub mod policy;
pub mod posture;
pub mod record;
pub mod recover;
pub mod release;
pub mod renewal;
pub mod report;
pub mod resource;
#[cfg(test)]
mod schema;
pub mod settle;
pub mod snapshot;
pub mod standing;
pub mod state;
pub mod suggest;
pub mod text;
pub mod trace;
pub mod traced;
pub mod trail;
pub mod trust;
pub mod view;

pub mod render;

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
pub mod cli;
#[cfg(feature = "aws")]
pub mod context;
#[cfg(feature = "aws")]
pub mod credentials_file;
#[cfg(feature = "aws")]
pub mod execute;
#[cfg(feature = "aws")]
pub mod history;
#[cfg(feature = "aws")]
pub mod logs;
#[cfg(feature = "sandbox")]
pub mod sandbox;
#[cfg(feature = "aws")]
pub mod store;
