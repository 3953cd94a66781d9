//! A run as the `runs` table holds it.

use super::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use shared::event::Event;
use shared::settings::{Settings, settings};
use shared::spec::RunSpec;
use shared::wire::{RunPhase, RunSummary};

/// Everything about a run but its spec.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunRow {
    pub(crate) run: String,
    pub(crate) created_unix_ms: u64,
    pub(crate) epoch: u32,
    /// Last event of the epoch.
    pub(crate) head_seq: u64,
    pub(crate) phase: RunPhase,
    /// Orders the queue; present if and only if the run is queued.
    pub(crate) queue_order: Option<i64>,
    pub(crate) preset: String,
    pub(crate) model: String,
    pub(crate) teacher: String,
    pub(crate) seed: u64,
    pub(crate) gap_closed_test: Option<f64>,
    pub(crate) prefix_text: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) tags: Vec<String>,
    /// What its spec says that a spec need not say.
    pub(crate) settings: Settings,
    /// When it was deleted, if it is: nobody is shown it, and it can still be restored.
    pub(crate) deleted_unix_ms: Option<u64>,
}

const COLUMNS: &str = "run, created_unix_ms, epoch, head_seq, phase, queue_order, preset, model, teacher, seed, \
                       gap_closed_test, prefix_text, title, tags, spec, deleted_unix_ms";

impl RunRow {
    /// The run as a list shows it.
    pub(crate) fn summary(&self, queue_position: Option<usize>) -> RunSummary {
        RunSummary {
            run: self.run.clone(),
            epoch: self.epoch,
            state: self.phase,
            queue_position,
            preset: self.preset.clone(),
            model: self.model.clone(),
            teacher: self.teacher.clone(),
            seed: self.seed,
            created_unix_ms: self.created_unix_ms,
            gap_closed_test: self.gap_closed_test,
            prefix_text: self.prefix_text.clone(),
            title: self.title.clone(),
            tags: self.tags.clone(),
            settings: self.settings.clone(),
        }
    }

    /// What an event changes about the run.
    pub(crate) fn take_in(&mut self, event: &Event) {
        match event {
            Event::Paused {} => self.phase = RunPhase::Paused,
            Event::Resumed {} => self.phase = RunPhase::Running,
            Event::Finished { result } => {
                self.phase = RunPhase::Finished;
                self.gap_closed_test = result.gap_closed.test;
                self.prefix_text = Some(result.prefix.text.clone());
            }
            Event::Cancelled {} => self.phase = RunPhase::Cancelled,
            Event::Failed { .. } => self.phase = RunPhase::Failed,
            Event::Interrupted {} => self.phase = RunPhase::Interrupted,
            _ => {}
        }
    }

    fn read(row: &Row<'_>) -> Result<RunRow, StoreError> {
        let (phase, tags, spec): (String, String, String) = (row.get("phase")?, row.get("tags")?, row.get("spec")?);
        Ok(RunRow {
            run: row.get("run")?,
            created_unix_ms: row.get("created_unix_ms")?,
            epoch: row.get("epoch")?,
            head_seq: row.get("head_seq")?,
            phase: phase_named(&phase).ok_or_else(|| StoreError::Damaged(format!("no phase is called {phase}")))?,
            queue_order: row.get("queue_order")?,
            preset: row.get("preset")?,
            model: row.get("model")?,
            teacher: row.get("teacher")?,
            // SQLite's integers are signed; the bits are kept.
            seed: row.get::<_, i64>("seed")? as u64,
            gap_closed_test: row.get("gap_closed_test")?,
            prefix_text: row.get("prefix_text")?,
            title: row.get("title")?,
            tags: serde_json::from_str(&tags).map_err(|error| StoreError::Damaged(format!("tags: {error}")))?,
            // A spec that this version cannot read has no settings to show; the run stays in the list.
            settings: serde_json::from_str(&spec).map(|spec| settings(&spec)).unwrap_or_default(),
            deleted_unix_ms: row.get("deleted_unix_ms")?,
        })
    }
}

/// All runs.
pub(super) fn all(connection: &Connection) -> Result<Vec<RunRow>, StoreError> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM runs ORDER BY run"))?;
    let rows = statement.query_and_then([], RunRow::read)?;
    rows.collect()
}

/// One run.
pub(super) fn one(connection: &Connection, run: &str) -> Result<Option<RunRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM runs WHERE run = ?1"))?;
    let mut rows = statement.query_and_then([run], RunRow::read)?;
    rows.next().transpose()
}

/// A run's spec.
pub(super) fn spec(connection: &Connection, run: &str) -> Result<Option<RunSpec>, StoreError> {
    let json: Option<String> =
        connection.query_row("SELECT spec FROM runs WHERE run = ?1", [run], |row| row.get(0)).optional()?;
    let Some(json) = json else { return Ok(None) };
    serde_json::from_str(&json).map(Some).map_err(|error| StoreError::Damaged(format!("spec of {run}: {error}")))
}

/// Adds a run.
pub(super) fn insert(connection: &Connection, row: &RunRow, spec_json: &str) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO runs (run, created_unix_ms, epoch, head_seq, phase, queue_order, preset, model, teacher, seed, spec)
         VALUES (:run, :created, :epoch, :head, :phase, :queue, :preset, :model, :teacher, :seed, :spec)",
        named_params! {
            ":run": row.run, ":created": row.created_unix_ms, ":epoch": row.epoch,
            ":head": row.head_seq, ":phase": row.phase.name(), ":queue": row.queue_order,
            ":preset": row.preset, ":model": row.model, ":teacher": row.teacher, ":seed": row.seed as i64,
            ":spec": spec_json,
        },
    )?;
    Ok(())
}

/// Writes what may change about a run.
pub(super) fn update(connection: &Connection, row: &RunRow) -> Result<(), StoreError> {
    let tags = serde_json::to_string(&row.tags).map_err(|error| StoreError::Damaged(error.to_string()))?;
    connection
        .prepare_cached(
            "UPDATE runs SET epoch = :epoch, head_seq = :head, phase = :phase, queue_order = :queue,
             gap_closed_test = :gap, prefix_text = :prefix, title = :title, tags = :tags, deleted_unix_ms = :deleted
             WHERE run = :run",
        )?
        .execute(named_params! {
            ":run": row.run, ":epoch": row.epoch, ":head": row.head_seq, ":phase": row.phase.name(),
            ":queue": row.queue_order, ":gap": row.gap_closed_test, ":prefix": row.prefix_text,
            ":title": row.title, ":tags": tags, ":deleted": row.deleted_unix_ms,
        })?;
    Ok(())
}

fn phase_named(name: &str) -> Option<RunPhase> {
    use RunPhase::{Cancelled, Failed, Finished, Interrupted, Paused, Queued, Running};
    [Queued, Running, Paused, Finished, Cancelled, Failed, Interrupted].into_iter().find(|phase| phase.name() == name)
}
