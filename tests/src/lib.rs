//! What the tests at the boundary share.

pub mod browser;
