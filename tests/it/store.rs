//! The stores: one contract that a folder and a bucket both keep, and what only one of them can do.

mod binary;
mod broken;
mod contract;
mod disk;
mod faults;
mod ground;
mod permissions;
mod race;
mod spool;
mod transfer;
