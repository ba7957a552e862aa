//! The embedded sandbox, from outside: the drill, the port, scenarios, and what others say of the
//! same calls.

mod apply;
mod attacks;
mod crash;
mod dialogue;
mod differential;
mod drill;
mod dumps;
mod findings;
mod late_key;
mod outrun;
mod place;
mod plans;
mod port;
mod pull_request;
mod recover;
mod rego;
mod releases;
mod reports;
mod roles;
mod rules;
mod scenarios;
mod scene;
mod schemas;
mod settle;
mod several;
mod standings;
mod suggest;
mod traced;
mod watch;
mod wire;
