//! What can go wrong with the log. These messages are for whoever runs the worker: they name files.

use std::path::PathBuf;

/// Why the log could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory or a file in it cannot be created or locked.
    #[error("the data directory cannot be used: {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another worker has it.
    #[error(
        "another worker is using the data directory {}; stop it, or give this one another directory with --data-dir",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file is not a log of ours.
    #[error("{} is not a Steerage log: {reason}; move the file away to begin a new log", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// The file is from a version that does more than this one.
    #[error(
        "{} was written by a newer Steerage (log format {found}, this version knows up to {known}); \
         use the newer version, or another directory with --data-dir",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: usize,
        /// The newest format known here.
        known: usize,
    },
    /// SQLite refused: disk full, no permission, a damaged page.
    #[error("the log cannot be read or written: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row makes no sense.
    #[error("the log is damaged: {0}")]
    Damaged(String),
    /// A log is longer than anybody would read.
    #[error("the log of {run} has more than {max_bytes} bytes")]
    TooLong {
        /// The run.
        run: String,
        /// What is read at most.
        max_bytes: usize,
    },
    /// A log that was to be taken in is not one that can be.
    #[error("the session cannot be taken in: {0}")]
    NotImportable(String),
    /// A job reported events for an attempt that is over.
    #[error("run {run} is not being worked on as epoch {epoch}")]
    NotRunning {
        /// The run.
        run: String,
        /// The attempt.
        epoch: u32,
    },
    /// The thread of the log could not be started.
    #[error("the log's thread cannot be started: {0}")]
    Thread(std::io::Error),
    /// The worker is shutting down.
    #[error("the log is closed")]
    Closed,
}
