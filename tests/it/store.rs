//! The stores: one contract that a folder and a bucket both keep, and what only one of them can do.

mod contract;
mod ground;
