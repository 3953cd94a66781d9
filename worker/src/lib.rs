//! The worker: finds steering prefixes on this machine, and serves them to browsers.

pub mod backend;
pub mod bench;
pub mod catalogue;
pub mod checkpoint;
pub mod cli;
pub mod contest;
pub mod control;
pub mod device;
pub mod forest;
pub mod job;
pub mod journal;
pub mod loaded;
pub mod memory;
pub mod models;
pub mod objective;
pub mod planner;
pub mod sae;
pub mod server;
pub mod sessions;
pub mod stages;
pub mod store;
pub mod sweep;
pub mod tables;
pub mod teachers;
