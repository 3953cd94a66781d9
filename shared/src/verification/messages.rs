//! What the page and its verifier say to each other.
//!
//! The verifier is a WebAssembly program of its own in a web worker: it holds the model. A message is one
//! JSON text: [`Asked`] to the verifier, [`Said`] from it. Only a file that the user picked is posted as it
//! is, before the [`Asked::Load`] that names it.

use super::{Claims, Outcome};
use crate::event::{ErrorBody, ModelCard, TokenPiece};
use serde::{Deserialize, Serialize};

/// How a worker is asked for the file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerAccess {
    /// Its origin, as in `http://127.0.0.1:7468`; empty for that of the page.
    pub origin: String,
    /// The `Authorization` header: `Bearer TOKEN`, or `Share SECRET` for whoever has a link.
    pub authorization: String,
}

/// What the page asks. Work has a number, which its answers carry; new work ends that before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Get a model, unless it is there.
    Load {
        /// Number of the work.
        work: u64,
        /// Which model, by its hash.
        model: ModelCard,
        /// The worker that may have its file; without one no worker is asked.
        worker: Option<WorkerAccess>,
        /// Take the file that was posted, and nothing else.
        picked: bool,
    },
    /// Compute the claims again, suffix by suffix, as far as they are there.
    Verify {
        /// Number of the work.
        work: u64,
        /// The claims; round trips are tried on all their suffixes.
        claims: Box<Claims>,
        /// The suffixes to compute again, by their indices in the run.
        indices: Vec<usize>,
    },
    /// Score any prefix on a suffix, then write on.
    Try {
        /// Number of the work.
        work: u64,
        /// The prefix as text; empty is none.
        prefix: String,
        /// The claims, with the suffix alone.
        claims: Box<Claims>,
    },
    /// Stop what is under way.
    Cancel {},
}

/// Where a model came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// It was kept in the browser.
    Browser,
    /// The worker sent it.
    Worker,
    /// It lies beside the page.
    Folder,
    /// The user picked it.
    Picked,
}

impl Source {
    /// As part of a sentence: "the model came …".
    pub fn phrase(self) -> &'static str {
        match self {
            Source::Browser => "out of this browser's storage",
            Source::Worker => "from the worker",
            Source::Folder => "from the folder of this page",
            Source::Picked => "from the file that you picked",
        }
    }
}

/// What the verifier says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It has started and listens; nothing that is sent before this is heard.
    Ready {},
    /// It could not start, or it stopped for good.
    Stopped {
        /// Why, for a person.
        reason: String,
    },
    /// The model is on its way.
    Loading {
        /// Number of the work.
        work: u64,
        /// Where from.
        source: Source,
        /// Bytes that are there.
        bytes: u64,
        /// Bytes in all; 0 where that is unknown.
        total_bytes: u64,
    },
    /// All bytes are there and have the right hash; the weights are being unpacked.
    Unpacking {
        /// Number of the work.
        work: u64,
    },
    /// The model is there.
    Loaded {
        /// Number of the work.
        work: u64,
        /// Where it came from.
        source: Source,
        /// Whether the browser keeps it for the next time.
        kept: bool,
        /// How long it took, in seconds.
        seconds: f64,
        /// Memory of the program, in bytes.
        memory_bytes: u64,
    },
    /// What the recording says of its prefixes and texts.
    CheckedTexts {
        /// Number of the work.
        work: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// A suffix was computed again.
    Checked {
        /// Number of the work.
        work: u64,
        /// Which suffix, by its index in the run.
        index: usize,
        /// What came of it.
        outcome: Outcome,
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// A prefix was scored.
    Tried {
        /// Number of the work.
        work: u64,
        /// Its tokens.
        tokens: Vec<TokenPiece>,
        /// Weighted cross-entropy of the reference completion, in nats a token.
        ce: f64,
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// The completion has grown by a token.
    Written {
        /// Number of the work.
        work: u64,
        /// All of it.
        text: String,
        /// Its tokens.
        tokens: usize,
        /// Tokens a second, the first left out.
        tokens_per_second: f64,
    },
    /// The work is done.
    Done {
        /// Number of the work.
        work: u64,
    },
    /// The work was cancelled.
    Cancelled {
        /// Number of the work.
        work: u64,
    },
    /// The work failed.
    Failed {
        /// Number of the work.
        work: u64,
        /// Why.
        error: ErrorBody,
    },
}
