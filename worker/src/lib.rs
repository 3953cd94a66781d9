//! The worker: finds steering prefixes on this machine, and serves them to browsers.

pub mod server;
pub mod sessions;
pub mod store;
