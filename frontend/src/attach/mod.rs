//! Whether this page can attach to another worker: what is checked, what was found, and what mends it.
//!
//! No sockets here: [`crate::probe`] asks, and the answers are judged by these functions.

mod address;
mod judge;

pub use address::{DEFAULT_PORT, Target, checked_port, credential, parse_address, serve_command, tunnel_command};
pub use judge::{Answer, Hello, judge_health, judge_hello, no_token};

/// What is checked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The address can be one of a worker.
    Address,
    /// A worker answers there.
    Reachable,
    /// It lets pages of this origin in.
    Origin,
    /// It speaks the page's version of the protocol.
    Protocol,
    /// It accepts the token.
    Token,
    /// It has a model on its disk.
    Models,
    /// The device that its runs compute on answers.
    Device,
}

impl Check {
    /// All of them, in order.
    pub const ALL: [Check; 7] =
        [Check::Address, Check::Reachable, Check::Origin, Check::Protocol, Check::Token, Check::Models, Check::Device];

    /// Name on screen.
    pub fn title(self) -> &'static str {
        match self {
            Check::Address => "Address well formed",
            Check::Reachable => "Worker reachable",
            Check::Origin => "This page's origin allowed",
            Check::Protocol => "Protocol version",
            Check::Token => "Token accepted",
            Check::Models => "Models",
            Check::Device => "Device",
        }
    }

    /// Name for tests.
    pub fn name(self) -> &'static str {
        match self {
            Check::Address => "address",
            Check::Reachable => "reachable",
            Check::Origin => "origin",
            Check::Protocol => "protocol",
            Check::Token => "token",
            Check::Models => "models",
            Check::Device => "device",
        }
    }

    /// Whether there is no attaching without it.
    pub fn is_needed(self) -> bool {
        !matches!(self, Check::Models | Check::Device)
    }
}

/// What is wrong, and what mends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
    /// A command to copy, where one mends it.
    pub command: Option<String>,
}

impl Problem {
    fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Problem { what: what.into(), fix: fix.into(), command: None }
    }

    fn with_command(self, command: impl Into<String>) -> Self {
        Problem { command: Some(command.into()), ..self }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Found {
    /// An earlier one comes first.
    #[default]
    Waiting,
    /// It is being asked.
    Asking,
    /// It is fine, and this is how.
    Passed(String),
    /// It is not.
    Failed(Problem),
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// What all checks found, by their place in [`Check::ALL`].
pub type Report = [Found; Check::ALL.len()];

/// Puts what was found into a report.
pub fn note(report: &mut Report, found: impl IntoIterator<Item = (Check, Found)>) {
    for (check, found) in found {
        report[check as usize] = found;
    }
}

/// Whether nothing that is needed is missing.
pub fn may_attach(report: &Report) -> bool {
    Check::ALL.iter().all(|&check| !check.is_needed() || matches!(report[check as usize], Found::Passed(_)))
}
