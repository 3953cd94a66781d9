//! What the tests at the boundary share.

pub mod browser;
pub mod command;
pub mod client;
pub mod program;
pub mod script;
pub mod small_run;
pub mod worker;
