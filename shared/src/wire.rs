//! Messages between client and worker: JSON text frames over one WebSocket.
//!
//! `docs/protocol.md` shows each message with an example that a test parses.

use crate::catalogue::Catalogue;
use crate::event::{ErrorBody, Stamped};
use crate::recording::Part;
use crate::settings::Settings;
use crate::spec::RunSpec;
use serde::{Deserialize, Serialize};

/// Version of these messages; both sides must have the same.
pub const PROTOCOL: u32 = 1;

/// Longest message that a client may send, in bytes.
pub const MAX_CLIENT_MESSAGE_BYTES: usize = 64 * 1024;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// First message, within 5 seconds: who is there.
    Hello {
        /// [`PROTOCOL`] of the client.
        protocol: u32,
        /// What proves that the client may talk.
        credential: Credential,
    },
    /// Does something, once: a repeat with the same id gets the stored reply.
    Command {
        /// A UUID that the client made.
        id: String,
        /// What to do.
        command: Command,
    },
    /// Replays a run's log after a place, then goes on live.
    Subscribe {
        /// The run.
        run: String,
        /// The epoch that `after_seq` counts in; 0 or an earlier epoch replays all.
        epoch: u32,
        /// The last event that the client has.
        after_seq: u64,
        /// Whether several events may come in one message, [`ServerMessage::Batch`]: a browser takes longer to
        /// hand over a message than the page to apply one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        batches: bool,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// The run.
        run: String,
    },
}

/// What proves that a client may talk.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// The worker's token.
    Token(String),
    /// The code in the fragment of the launch address; the welcome brings the token.
    Code(String),
    /// The secret of a share: shows that share and nothing else, and takes no commands.
    Share(String),
}

/// Credentials never show in a log.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credential::Token(_) => "Token(…)",
            Credential::Code(_) => "Code(…)",
            Credential::Share(_) => "Share(…)",
        })
    }
}

/// What a client may ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Queues a run.
    StartRun {
        /// What to do.
        spec: Box<RunSpec>,
    },
    /// Stops a run, queued or running; the best prefix so far stands.
    CancelRun {
        /// The run.
        run: String,
    },
    /// Starts an interrupted, failed or cancelled run again, as its next epoch. What was computed of an interrupted one
    /// is not computed again.
    RestartRun {
        /// The run.
        run: String,
    },
    /// Lets a running run stand still; it keeps the worker.
    PauseRun {
        /// The run.
        run: String,
    },
    /// Lets a paused run go on.
    ResumeRun {
        /// The run.
        run: String,
    },
    /// Ends the search of a running or paused run; the verdict is on the best prefix so far.
    FinishRun {
        /// The run.
        run: String,
    },
    /// Names and tags a run in the list; what is left out is taken away. [`crate::labels`] has the bounds.
    LabelRun {
        /// The run.
        run: String,
        /// Its title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Its tags.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tags: Vec<String>,
    },
    /// Takes a run that is over out of the list.
    DeleteRun {
        /// The run.
        run: String,
    },
    /// Makes a link to a run that is over: an immutable snapshot of it, for whoever has the secret.
    CreateShare {
        /// The run.
        run: String,
        /// SHA-256 of the secret, in hex: the secret itself stays with the client.
        share: String,
        /// How long the link is good, in seconds; [`crate::share::LIFETIME_SECS`].
        lifetime_secs: u64,
        /// What the snapshot leaves out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<Part>,
        /// The view that it opens with: the query of a page's address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        view: Option<String>,
    },
    /// Ends a link at once, also for those who have it open.
    RevokeShare {
        /// SHA-256 of its secret, in hex.
        share: String,
    },
    /// Puts a deleted run back as it was.
    RestoreRun {
        /// The run.
        run: String,
    },
}

/// What the worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The client may talk.
    Welcome {
        /// [`PROTOCOL`] of the worker.
        protocol: u32,
        /// Version of the worker.
        version: String,
        /// The token, where the client came with a code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// Where its runs compute, where it says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceCard>,
        /// What the worker can do.
        catalogue: Box<Catalogue>,
        /// All runs, newest first.
        runs: Vec<RunSummary>,
    },
    /// The answer to a hello with the secret of a share: the socket stays open for as long as the share does.
    Shared {
        /// When it ends, in milliseconds since the Unix epoch.
        expires_unix_ms: u64,
    },
    /// The answer to a command.
    Reply {
        /// The command's id.
        id: String,
        /// What came of it.
        outcome: Outcome,
    },
    /// A run is new or changed its state.
    RunChanged {
        /// The run.
        run: RunSummary,
    },
    /// A run was deleted; a subscription to it has ended. A client that knows no such run need not care.
    RunDeleted {
        /// The run.
        run: String,
    },
    /// One event of a subscribed run.
    Event {
        /// The event.
        stamped: Box<Stamped>,
    },
    /// Several events of a run, in order, for a client that asked for batches.
    Batch {
        /// The events; there is one at least.
        events: Vec<Stamped>,
    },
    /// The replay of a subscription is complete; what follows is live.
    CaughtUp {
        /// The run.
        run: String,
        /// Epoch of the last event sent.
        epoch: u32,
        /// Its place in the log.
        seq: u64,
    },
    /// Something about the last message was wrong. The connection stays open unless it was the hello.
    Error {
        /// The run that it was about, where it was about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
        /// What.
        error: ErrorBody,
    },
}

/// Where a worker's runs compute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCard {
    /// The device: `cpu`, `cuda:N` or `metal`.
    pub name: String,
    /// Why it did not answer when the worker started; runs would fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done {
        /// The run that it was about.
        run: String,
    },
    /// It was refused; nothing changed.
    Refused {
        /// Every reason.
        errors: Vec<ErrorBody>,
    },
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub run: String,
    /// Its current attempt.
    pub epoch: u32,
    /// Where it stands.
    pub state: RunPhase,
    /// Place in the queue, from 1, while queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<usize>,
    /// Preset that it began as.
    pub preset: String,
    /// Model.
    pub model: String,
    /// Reference prefix.
    pub teacher: String,
    /// Seed.
    pub seed: u64,
    /// When it was accepted, in milliseconds since the Unix epoch.
    pub created_unix_ms: u64,
    /// Gap closed on the test suffixes, once finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_closed_test: Option<f64>,
    /// Text of the found prefix, once finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_text: Option<String>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What people filed it under, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Settings that differ from what a spec may leave out, see [`crate::settings`].
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    /// Waits for the worker.
    #[default]
    Queued,
    /// Is worked on.
    Running,
    /// Stands still until it is resumed, and keeps the worker.
    Paused,
    /// Ended with a result.
    Finished,
    /// Stopped by the user.
    Cancelled,
    /// Ended with an error.
    Failed,
    /// The worker stopped while it ran.
    Interrupted,
}

impl RunPhase {
    /// The name on screen and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            RunPhase::Queued => "queued",
            RunPhase::Running => "running",
            RunPhase::Paused => "paused",
            RunPhase::Finished => "finished",
            RunPhase::Cancelled => "cancelled",
            RunPhase::Failed => "failed",
            RunPhase::Interrupted => "interrupted",
        }
    }

    /// Whether nothing more will happen unless someone starts it again.
    pub fn is_over(self) -> bool {
        !matches!(self, RunPhase::Queued | RunPhase::Running | RunPhase::Paused)
    }
}
