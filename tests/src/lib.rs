//! What the tests at the boundary share.

pub mod accessibility;
pub mod browser;
pub mod client;
pub mod command;
pub mod program;
pub mod recorded;
pub mod script;
pub mod search;
pub mod small_run;
pub mod static_site;
pub mod verification;
pub mod whole_run;
pub mod worker;
