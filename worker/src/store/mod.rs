//! The append-only log of everything that happened, in one SQLite file.
//!
//! - A change of state and the event that tells of it are one transaction.
//! - Nobody learns of either before it is on disk: [`Board`] changes after the commit, on the thread
//!   that committed, and everything that clients are sent is read from the board or from the log.
//! - So a client that reads slowly needs no queue of its own: the log is the queue, and the client's
//!   place in it is a cursor.
//!
//! All writes go through one thread, all reads of events through another, so that a long replay
//! delays no commit and neither blocks the async threads.

mod board;
mod directory;
mod error;
mod folder;
mod logs;
mod page;
mod row;
mod schema;
mod shares;
#[cfg(test)]
mod tests;
mod thread;
mod transaction;

pub use board::{Board, News, Wish, Wishes};
pub use directory::DataDirectory;
pub use error::StoreError;
pub use folder::{Imported, LogFolder};
pub use logs::StoredLog;
pub use page::{Cursor, LoggedEvent, PAGE_BYTES, PAGE_EVENTS, Page};
pub use shares::NewShare;
pub use transaction::{DELETED_KEPT_DAYS, NewEvent, Transaction};

use board::Shared;
use rusqlite::Connection;
use shared::spec::RunSpec;
use shared::wire::{Outcome, RunPhase};
use std::sync::Arc;
use thread::DatabaseThread;
use tokio::sync::watch;

/// Name of the database in the data directory.
const FILE_NAME: &str = "log.sqlite3";

/// The log; clones share it.
#[derive(Clone)]
pub struct Store {
    writer: Arc<DatabaseThread<Writer>>,
    reader: Arc<DatabaseThread<Connection>>,
    shared: Arc<Shared>,
}

/// What the writing thread owns.
struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    /// Held as long as anything may be written.
    _directory: DataDirectory,
}

/// A run that is to be worked on.
#[derive(Debug)]
pub struct Task {
    /// The run.
    pub run: String,
    /// The attempt.
    pub epoch: u32,
    /// What to do, as JSON.
    pub spec_json: String,
}

impl Store {
    /// Opens the log of a data directory, or begins one. Runs that were being worked on when the
    /// last worker ended become interrupted; what was deleted long ago is purged.
    ///
    /// Takes a moment and blocks: call it before serving.
    pub fn open(directory: DataDirectory) -> Result<Store, StoreError> {
        let path = directory.path().join(FILE_NAME);
        let shared = Arc::new(Shared::default());
        let connection = schema::open(&path)?;
        let mut writer = Writer { connection, shared: Arc::clone(&shared), _directory: directory };
        writer.write(|transaction| transaction.purge_deleted())?;
        writer.load_board()?;
        writer.write(|transaction| transaction.interrupt_running())?;
        writer.write(|transaction| transaction.forget_old_commands())?;
        let reader = schema::open_for_reading(&path)?;
        Ok(Store {
            writer: Arc::new(DatabaseThread::start("log-writer", writer)?),
            reader: Arc::new(DatabaseThread::start("log-reader", reader)?),
            shared,
        })
    }

    /// Looks at the runs as they are now.
    pub fn board<R>(&self, look: impl FnOnce(&Board) -> R) -> R {
        look(&self.shared.board())
    }

    /// Ticks after every commit that changed the board.
    pub fn ticks(&self) -> watch::Receiver<u64> {
        self.shared.ticks()
    }

    /// Does a command once: where its id is known, the stored reply is the answer and `decide` is
    /// not called; else what `decide` does and its reply are stored together.
    ///
    /// `command_json` tells a repeat from another command under the same id, which is refused.
    pub async fn command(
        &self,
        id: &str,
        command_json: String,
        decide: impl FnOnce(&mut Transaction<'_>) -> Result<Outcome, StoreError> + Send + 'static,
    ) -> Result<Outcome, StoreError> {
        let id = id.to_owned();
        self.write(move |transaction| transaction.command(&id, &command_json, decide)).await
    }

    /// Takes the first run off the queue, if any, and marks it as running.
    pub async fn take_next(&self) -> Result<Option<Task>, StoreError> {
        self.write(|transaction| transaction.take_next()).await
    }

    /// Appends what a job reported, in order and all or nothing. A last event ends the epoch.
    pub async fn append(&self, run: &str, epoch: u32, events: Vec<NewEvent>) -> Result<(), StoreError> {
        let run = run.to_owned();
        self.write(move |transaction| transaction.append_running(&run, epoch, events)).await
    }

    /// The next events of a run after a place, at most [`PAGE_EVENTS`] or about [`PAGE_BYTES`].
    pub async fn page(&self, run: &str, after: Cursor) -> Result<Page, StoreError> {
        let run = run.to_owned();
        self.reader.run(move |connection| page::read(connection, &run, after)).await?
    }

    /// What a run was asked to do; nothing where no such run exists.
    pub async fn spec(&self, run: &str) -> Result<Option<RunSpec>, StoreError> {
        let run = run.to_owned();
        self.reader.run(move |connection| row::spec(connection, &run)).await?
    }

    /// The whole log of a run; nothing where no such run exists, or only a deleted one.
    pub async fn log(&self, run: &str) -> Result<Option<StoredLog>, StoreError> {
        let run = run.to_owned();
        self.reader.run(move |connection| logs::read(connection, &run)).await?
    }

    /// Lets the file grow to so many pages, as on a disk that is full.
    #[cfg(test)]
    pub(crate) async fn limit_pages(&self, pages: u32) {
        let limit = move |writer: &mut Writer| writer.connection.pragma_update(None, "max_page_count", pages);
        self.writer.run(limit).await.unwrap().unwrap();
    }

    /// Makes every write fail, or none.
    #[cfg(test)]
    pub(crate) async fn refuse_writes(&self, refuse: bool) {
        let set = move |writer: &mut Writer| writer.connection.pragma_update(None, "query_only", refuse);
        self.writer.run(set).await.unwrap().unwrap();
    }

    /// Ends both threads, and with them the lock on the data directory; later calls fail.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    async fn write<R: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Transaction<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        self.writer.run(move |writer| writer.write(body)).await?
    }
}

impl Writer {
    /// One transaction; what it changed is published if and only if it was committed.
    fn write<R>(&mut self, body: impl FnOnce(&mut Transaction<'_>) -> Result<R, StoreError>) -> Result<R, StoreError> {
        let mut transaction = Transaction::begin(&mut self.connection)?;
        let result = body(&mut transaction)?;
        let changes = transaction.commit()?;
        self.shared.publish(changes);
        Ok(result)
    }

    fn load_board(&mut self) -> Result<(), StoreError> {
        let rows = row::all(&self.connection)?;
        self.shared.publish(rows.into_iter().map(|row| board::Change::Row(Box::new(row))).collect());
        Ok(())
    }
}

/// Whether a run of this phase may be started again.
pub fn may_restart(phase: RunPhase) -> bool {
    matches!(phase, RunPhase::Cancelled | RunPhase::Failed | RunPhase::Interrupted)
}
