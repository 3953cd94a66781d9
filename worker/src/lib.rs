//! The worker: finds steering prefixes on this machine, and serves them to browsers.
