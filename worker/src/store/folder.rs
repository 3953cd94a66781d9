//! A data folder without a worker: logs are read from it, and taken into it.

use super::logs::{self, Line, StoredLog};
use super::row::{self, RunRow};
use super::{DataDirectory, FILE_NAME, StoreError, schema};
use rusqlite::{Connection, TransactionBehavior, params};
use shared::event::{Event, Stamped};
use shared::labels::Labels;
use shared::session_file::Session;
use shared::settings::settings;
use shared::wire::RunPhase;
use std::path::Path;
use uuid::Uuid;

/// Longest id of a run that is kept when it is imported.
const MAX_RUN_CHARS: usize = 64;

/// The logs of a data folder.
pub struct LogFolder {
    connection: Connection,
    /// Absent while a worker uses the folder: then it can be read only.
    directory: Option<DataDirectory>,
}

/// What became of a session that was to be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is a run of this folder now.
    Added {
        /// Its id here.
        run: String,
    },
    /// The very same log is there already.
    Known {
        /// Its id.
        run: String,
    },
}

impl LogFolder {
    /// Opens a data folder to read from it, also while a worker uses it; nothing where there are no runs.
    pub fn open(path: &Path) -> Result<Option<LogFolder>, StoreError> {
        let file = path.join(FILE_NAME);
        if !file.is_file() {
            return Ok(None);
        }
        match DataDirectory::lock(path) {
            Ok(directory) => Ok(Some(LogFolder { connection: schema::open(&file)?, directory: Some(directory) })),
            // The worker that has it has brought its tables up to date.
            Err(StoreError::InUse { .. }) => {
                Ok(Some(LogFolder { connection: schema::open_for_reading(&file)?, directory: None }))
            }
            Err(error) => Err(error),
        }
    }

    /// Opens a data folder to take sessions in; it is created where it is missing.
    pub fn open_to_import(path: &Path) -> Result<LogFolder, StoreError> {
        let directory = DataDirectory::lock(path)?;
        Ok(LogFolder { connection: schema::open(&path.join(FILE_NAME))?, directory: Some(directory) })
    }

    /// The runs whose ids begin so, sorted; deleted ones are left out.
    pub fn find(&self, beginning: &str) -> Result<Vec<String>, StoreError> {
        let listed = row::all(&self.connection)?.into_iter().filter(|row| row.deleted_unix_ms.is_none());
        Ok(listed.map(|row| row.run).filter(|run| run.starts_with(beginning)).collect())
    }

    /// The whole log of a run.
    pub fn log(&self, run: &str) -> Result<Option<StoredLog>, StoreError> {
        logs::read(&self.connection, run)
    }

    /// Takes a session in as a run that is over. It keeps its id where no other run has it.
    pub fn import(&mut self, session: &Session) -> Result<Imported, StoreError> {
        if self.directory.is_none() {
            return Err(StoreError::NotImportable("a worker uses the data folder".to_owned()));
        }
        let mut row = row_of(session)?;
        if let Some(known) = row::one(&self.connection, &row.run)? {
            let log = self.log(&known.run)?;
            if log.is_some_and(|log| log.recording("").is_ok_and(|text| text == session.content)) {
                return Ok(Imported::Known { run: known.run });
            }
        }
        let is_kept = row.run.len() <= MAX_RUN_CHARS
            && !row.run.is_empty()
            && row.run.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_kept || row::one(&self.connection, &row.run)?.is_some() {
            row.run = Uuid::now_v7().to_string();
        }
        self.insert(&row, session)?;
        Ok(Imported::Added { run: row.run })
    }

    fn insert(&mut self, row: &RunRow, session: &Session) -> Result<(), StoreError> {
        let unreadable = |error: serde_json::Error| StoreError::NotImportable(error.to_string());
        let mut lines = session.content.lines().filter(|line| !line.trim().is_empty());
        let header = lines.next().unwrap_or_default();
        let sql = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let spec = serde_json::to_string(&spec_of(&session.recording.events)?).map_err(unreadable)?;
        row::insert(&sql, row, &spec)?;
        row::update(&sql, row)?;
        sql.execute("UPDATE runs SET recording_header = ?2 WHERE run = ?1", [row.run.as_str(), header])?;
        let mut insert = sql.prepare(
            "INSERT INTO events (run, epoch, seq, at_unix_ms, progress_stage, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (line, stamped) in lines.zip(&session.recording.events) {
            let line: Line<'_> = serde_json::from_str(line).map_err(unreadable)?;
            let progress_stage = if let Event::Progress { stage, .. } = stamped.event { Some(stage) } else { None };
            let event = line.event.get();
            insert.execute(params![row.run, line.epoch, line.seq, line.at_unix_ms, progress_stage, event])?;
        }
        drop(insert);
        Ok(sql.commit()?)
    }
}

/// The run as the list will show it.
fn row_of(session: &Session) -> Result<RunRow, StoreError> {
    let events = &session.recording.events;
    let spec = spec_of(events)?;
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Err(StoreError::NotImportable("it holds no event".to_owned()));
    };
    if !last.event.is_last() {
        let reason = "its run still went on when it was written; open the file in the page instead".to_owned();
        return Err(StoreError::NotImportable(reason));
    }
    let title = session.recording.about.title.clone();
    let title = Labels::new(title.as_deref(), &[""; 0]).map(|labels| labels.title);
    let title = title.map_err(|_| StoreError::NotImportable("its title is no title of a run".to_owned()))?;
    let mut row = RunRow {
        run: first.run.clone(),
        created_unix_ms: first.at_unix_ms,
        epoch: last.epoch,
        head_seq: last.seq,
        phase: RunPhase::Queued,
        queue_order: None,
        preset: spec.preset.clone(),
        model: spec.model.clone(),
        teacher: spec.teacher.clone(),
        seed: spec.seed,
        settings: settings(&spec),
        gap_closed_test: None,
        prefix_text: None,
        title,
        tags: Vec::new(),
        deleted_unix_ms: None,
    };
    row.take_in(&last.event);
    Ok(row)
}

fn spec_of(events: &[Stamped]) -> Result<shared::spec::RunSpec, StoreError> {
    match events
        .iter()
        .rev()
        .find_map(|stamped| if let Event::Queued { spec } = &stamped.event { Some(spec) } else { None })
    {
        Some(spec) => Ok((**spec).clone()),
        None => Err(StoreError::NotImportable("it does not say what was to be done".to_owned())),
    }
}
