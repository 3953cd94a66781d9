//! What the page and the programs that it starts have in common.

pub mod messages;
pub mod socket;
pub mod switchboard;
