//! One transaction: everything that may change the log.

use super::board::{Change, Wish};
use super::row::{self, RunRow};
use super::{StoreError, Task};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use shared::event::{ErrorBody, Event};
use shared::labels::Labels;
use shared::settings::settings;
use shared::spec::RunSpec;
use shared::wire::{Outcome, RunPhase};
use std::time::{SystemTime, UNIX_EPOCH};

/// Replies are kept this long.
const COMMANDS_KEPT_MS: u64 = 30 * DAY_MS;

/// For so many days a deleted run can be restored; the first start of a worker after that purges it
/// for good, with all its events.
pub const DELETED_KEPT_DAYS: u64 = 7;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// An event on its way into the log.
#[derive(Clone, Debug)]
pub struct NewEvent {
    event: Event,
    json: String,
}

impl NewEvent {
    /// An event of the worker's own.
    pub fn new(event: Event) -> Result<NewEvent, StoreError> {
        Ok(NewEvent { json: to_json(&event)?, event })
    }

    /// An event as a job wrote it. The very text is kept, so that what is replayed years later is
    /// what was said, to the last digit.
    pub fn parse(line: &str) -> Result<NewEvent, serde_path_to_error::Error<serde_json::Error>> {
        let mut deserializer = serde_json::Deserializer::from_str(line);
        let event = serde_path_to_error::deserialize(&mut deserializer)?;
        Ok(NewEvent { event, json: line.to_owned() })
    }

    /// The event.
    pub fn event(&self) -> &Event {
        &self.event
    }
}

/// A transaction. Dropped without a commit, it leaves everything as it was.
pub struct Transaction<'c> {
    pub(super) sql: rusqlite::Transaction<'c>,
    pub(super) changes: Vec<Change>,
    pub(super) now_unix_ms: u64,
}

impl<'c> Transaction<'c> {
    pub(super) fn begin(connection: &'c mut Connection) -> Result<Self, StoreError> {
        let sql = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Transaction { sql, changes: Vec::new(), now_unix_ms: now_unix_ms() })
    }

    pub(super) fn commit(self) -> Result<Vec<Change>, StoreError> {
        self.sql.commit()?;
        Ok(self.changes)
    }

    pub(super) fn command(
        &mut self,
        id: &str,
        command_json: &str,
        decide: impl FnOnce(&mut Self) -> Result<Outcome, StoreError>,
    ) -> Result<Outcome, StoreError> {
        let known: Option<(String, String)> = self
            .sql
            .query_row("SELECT command, reply FROM commands WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((command, reply)) = known {
            if command != command_json {
                let error = ErrorBody::new("command_id_reused", "Another command was sent under this id.")
                    .with_hint("Make a new UUID for each command.")
                    .with_field("id");
                return Ok(Outcome::Refused { errors: vec![error] });
            }
            return serde_json::from_str(&reply)
                .map_err(|error| StoreError::Damaged(format!("reply to command {id}: {error}")));
        }
        let outcome = decide(self)?;
        self.sql.execute(
            "INSERT INTO commands (id, at_unix_ms, command, reply) VALUES (?1, ?2, ?3, ?4)",
            params![id, self.now_unix_ms, command_json, to_json(&outcome)?],
        )?;
        Ok(outcome)
    }

    /// Adds a run at the end of the queue.
    pub fn queue(&mut self, run: &str, spec: RunSpec) -> Result<(), StoreError> {
        let row = RunRow {
            run: run.to_owned(),
            created_unix_ms: self.now_unix_ms,
            epoch: 1,
            head_seq: 0,
            phase: RunPhase::Queued,
            queue_order: Some(self.queue_end()?),
            preset: spec.preset.clone(),
            model: spec.model.clone(),
            teacher: spec.teacher.clone(),
            seed: spec.seed,
            gap_closed_test: None,
            prefix_text: None,
            title: None,
            tags: Vec::new(),
            settings: settings(&spec),
            deleted_unix_ms: None,
        };
        row::insert(&self.sql, &row, &to_json(&spec)?)?;
        self.append(row, vec![NewEvent::new(Event::Queued { spec: Box::new(spec) })?])
    }

    /// Puts a run that is over at the end of the queue again, as its next attempt.
    pub fn queue_again(&mut self, run: &str) -> Result<(), StoreError> {
        let (mut row, spec) = (self.known(run)?, row::spec(&self.sql, run)?);
        let spec = spec.ok_or_else(|| StoreError::Damaged(format!("{run} has no spec")))?;
        row.epoch += 1;
        row.head_seq = 0;
        row.phase = RunPhase::Queued;
        row.queue_order = Some(self.queue_end()?);
        (row.gap_closed_test, row.prefix_text) = (None, None);
        self.append(row, vec![NewEvent::new(Event::Queued { spec: Box::new(spec) })?])
    }

    /// Where a run stands; nothing where no such run exists, or only a deleted one.
    pub fn phase(&self, run: &str) -> Result<Option<RunPhase>, StoreError> {
        let row = row::one(&self.sql, run)?;
        Ok(row.filter(|row| row.deleted_unix_ms.is_none()).map(|row| row.phase))
    }

    /// Number of runs that wait.
    pub fn queued(&self) -> Result<usize, StoreError> {
        Ok(self.sql.query_row("SELECT count(*) FROM runs WHERE queue_order IS NOT NULL", [], |row| row.get(0))?)
    }

    /// Ends a run that waits.
    pub fn cancel_queued(&mut self, run: &str) -> Result<(), StoreError> {
        let row = self.known(run)?;
        self.append(row, vec![NewEvent::new(Event::Cancelled {})?])
    }

    /// Asks something of a run that is worked on. The wish is not kept: when the worker ends before the
    /// job does, the run was interrupted.
    pub fn request(&mut self, run: &str, wish: Wish) {
        self.changes.push(Change::Wish(run.to_owned(), wish));
    }

    pub(super) fn take_next(&mut self) -> Result<Option<Task>, StoreError> {
        let next: Option<(String, String)> = self
            .sql
            .query_row(
                "SELECT run, spec FROM runs WHERE queue_order IS NOT NULL ORDER BY queue_order LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let Some((run, spec_json)) = next else { return Ok(None) };
        let mut row = self.known(&run)?;
        row.phase = RunPhase::Running;
        row.queue_order = None;
        let epoch = row.epoch;
        self.append(row, Vec::new())?;
        Ok(Some(Task { run, epoch, spec_json }))
    }

    pub(super) fn append_running(&mut self, run: &str, epoch: u32, events: Vec<NewEvent>) -> Result<(), StoreError> {
        let row = self.known(run)?;
        if !has_job(row.phase) || row.epoch != epoch {
            return Err(StoreError::NotRunning { run: run.to_owned(), epoch });
        }
        self.append(row, events)
    }

    pub(super) fn interrupt_running(&mut self) -> Result<(), StoreError> {
        for row in row::all(&self.sql)? {
            if has_job(row.phase) {
                self.append(row, vec![NewEvent::new(Event::Interrupted {})?])?;
            }
        }
        Ok(())
    }

    pub(super) fn forget_old_commands(&mut self) -> Result<(), StoreError> {
        let oldest_kept = self.now_unix_ms.saturating_sub(COMMANDS_KEPT_MS);
        self.sql.execute("DELETE FROM commands WHERE at_unix_ms < ?1", [oldest_kept])?;
        Ok(())
    }

    /// Names and tags a run in the list; its log does not change.
    pub fn label(&mut self, run: &str, labels: Labels) -> Result<(), StoreError> {
        let row = self.known(run)?;
        self.append(RunRow { title: labels.title, tags: labels.tags, ..row }, Vec::new())
    }

    /// Whether a run is deleted and can be restored.
    pub fn is_deleted(&self, run: &str) -> Result<bool, StoreError> {
        Ok(row::one(&self.sql, run)?.is_some_and(|row| row.deleted_unix_ms.is_some()))
    }

    /// Hides a run that is over from everyone, and ends its links for good.
    pub fn delete(&mut self, run: &str) -> Result<(), StoreError> {
        let row = self.known(run)?;
        for share in self.open_shares(run)? {
            self.revoke_share(&share)?;
        }
        self.append(RunRow { deleted_unix_ms: Some(self.now_unix_ms), ..row }, Vec::new())
    }

    /// Shows a deleted run again.
    pub fn restore(&mut self, run: &str) -> Result<(), StoreError> {
        let row = self.known(run)?;
        self.append(RunRow { deleted_unix_ms: None, ..row }, Vec::new())
    }

    pub(super) fn purge_deleted(&mut self) -> Result<(), StoreError> {
        let oldest_kept = self.now_unix_ms.saturating_sub(DELETED_KEPT_DAYS * DAY_MS);
        let purged = "SELECT run FROM runs WHERE deleted_unix_ms < ?1";
        self.sql.execute(&format!("DELETE FROM events WHERE run IN ({purged})"), [oldest_kept])?;
        self.sql.execute(&format!("DELETE FROM shares WHERE run IN ({purged})"), [oldest_kept])?;
        self.sql.execute("DELETE FROM runs WHERE deleted_unix_ms < ?1", [oldest_kept])?;
        Ok(())
    }

    /// Appends events to a run and writes the run as they leave it.
    fn append(&mut self, mut row: RunRow, events: Vec<NewEvent>) -> Result<(), StoreError> {
        let mut insert = self.sql.prepare_cached(
            "INSERT INTO events (run, epoch, seq, at_unix_ms, progress_stage, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for NewEvent { event, json } in events {
            row.head_seq += 1;
            row.take_in(&event);
            let progress_stage = if let Event::Progress { stage, .. } = event { Some(stage) } else { None };
            insert.execute(params![row.run, row.epoch, row.head_seq, self.now_unix_ms, progress_stage, json])?;
        }
        drop(insert);
        if row.phase != RunPhase::Queued {
            row.queue_order = None;
        }
        row::update(&self.sql, &row)?;
        self.changes.push(Change::Row(Box::new(row)));
        Ok(())
    }

    fn known(&self, run: &str) -> Result<RunRow, StoreError> {
        row::one(&self.sql, run)?.ok_or_else(|| StoreError::Damaged(format!("{run} is not in the log")))
    }

    fn queue_end(&self) -> Result<i64, StoreError> {
        Ok(self.sql.query_row("SELECT coalesce(max(queue_order), 0) + 1 FROM runs", [], |row| row.get(0))?)
    }
}

/// Whether a job works on runs of this phase, if only by standing still.
fn has_job(phase: RunPhase) -> bool {
    matches!(phase, RunPhase::Running | RunPhase::Paused)
}

fn to_json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

pub(super) fn now_unix_ms() -> u64 {
    // A clock before 1970 is a wrong clock; nothing depends on it but what is shown.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
