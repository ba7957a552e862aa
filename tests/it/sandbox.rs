//! The embedded sandbox, from outside: the drill, the port, scenarios, and what others say of the
//! same calls.

mod attacks;
mod crash;
mod differential;
mod drill;
mod dumps;
mod place;
mod port;
mod scenarios;
mod settle;
mod watch;
mod wire;
