//! What the tests at the boundary share.

pub mod browser;
pub mod program;
pub mod small_run;
