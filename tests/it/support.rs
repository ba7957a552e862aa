//! What the end-to-end tests share: emulators with a clock of their own, a proxy that fails on
//! demand, and the program in a clean room.

mod aws;
mod emulator;
mod golden;
mod program;
mod proxy;
mod redact;
pub mod schema;
mod world;

pub use aws::{ALLOW_ALL, Answer, Aws, Credentials, Facts};
pub use emulator::{Clock, Emulator, Kind};
pub use golden::golden;
pub use program::{Invocation, Ran, Running, tree};
pub use proxy::{Call, Fault, Proxy};
pub use world::World;
