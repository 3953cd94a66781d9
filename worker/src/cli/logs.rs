//! Any log that the user names: a run of the data folder, a session file, a recording, or lines of events.

use super::{CliError, archive, serve};
use crate::store::{LogFolder, StoreError};
use shared::event::Stamped;
use shared::recording::{About, Recording};
use shared::session_file::{self, Session, SessionFileError};
use std::path::{Path, PathBuf};

/// Version that files are written under.
pub const STEERAGE: &str = env!("CARGO_PKG_VERSION");

/// Loads logs by what the user calls them.
pub struct Logs {
    folder: PathBuf,
    /// Opened when a run is first asked for; nothing where there is none.
    runs: Option<Option<LogFolder>>,
}

impl Logs {
    /// Logs of a data folder, or of the user's own.
    pub fn new(data_dir: Option<PathBuf>) -> Result<Self, CliError> {
        let folder = data_dir.map_or_else(serve::default_data_dir, Ok)?;
        Ok(Logs { folder, runs: None })
    }

    /// The log that is meant: a file where there is one of that name, else a run by its id or how it begins.
    pub fn load(&mut self, name: &str) -> Result<Session, CliError> {
        let path = Path::new(name);
        if path.is_file() { read_file(path) } else { self.run(name) }
    }

    fn run(&mut self, name: &str) -> Result<Session, CliError> {
        if self.runs.is_none() {
            self.runs = Some(LogFolder::open(&self.folder).map_err(failed)?);
        }
        let place = self.folder.display();
        let unknown =
            || CliError::bad_input(format!("{name} is neither a file nor the beginning of a run's id in {place}"));
        let runs = self.runs.as_ref().and_then(Option::as_ref).ok_or_else(unknown)?;
        let found = if name.is_empty() { Vec::new() } else { runs.find(name).map_err(failed)? };
        let run = match &found[..] {
            [] => return Err(unknown()),
            [run] => run,
            // An id may be the beginning of another one.
            several => several.iter().find(|run| *run == name).ok_or_else(|| {
                CliError::bad_input(format!("{} runs have ids that begin with {name}: give more of it", several.len()))
            })?,
        };
        let log = runs.log(run).map_err(failed)?.ok_or_else(unknown)?;
        let content = log.recording(STEERAGE).map_err(failed)?;
        session_file::decode(content.as_bytes())
            .map_err(|error| CliError::failed(format!("the log of {run} cannot be read: {error}")))
    }
}

/// Reads a file that holds a log of any form.
pub fn read_file(path: &Path) -> Result<Session, CliError> {
    let unreadable = |error| CliError::bad_input(format!("{} cannot be read: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > session_file::MAX_CONTENT_BYTES as u64 {
        let error = SessionFileError::TooLarge { bytes: length as usize };
        return Err(CliError::bad_input(format!("{}: {error}", path.display())));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    match session_file::decode(&bytes) {
        Err(SessionFileError::NotASession) if bytes.starts_with(b"{\"event\":") => lines_of_events(path),
        outcome => outcome.map_err(|error| CliError::bad_input(format!("{}: {error}", path.display()))),
    }
}

/// What `steerage run --json` printed, or a sweep's cell: events without times.
fn lines_of_events(path: &Path) -> Result<Session, CliError> {
    let run = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let events = archive::read(path)?.into_iter().zip(1..);
    let stamped =
        events.map(|(event, seq)| Stamped { run: run.clone(), epoch: 1, seq, at_unix_ms: 0, event }).collect();
    Ok(session_of(Recording { about: About::new(STEERAGE), events: stamped }))
}

/// A recording that was made here.
pub fn session_of(recording: Recording) -> Session {
    let content = shared::recording::write(&recording);
    Session { sha256: session_file::sha256_hex(content.as_bytes()), content, recording }
}

/// What a session is for, in an error.
pub fn failed(error: StoreError) -> CliError {
    match error {
        StoreError::NotImportable(_) | StoreError::InUse { .. } | StoreError::Newer { .. } => {
            CliError::bad_input(error.to_string())
        }
        _ => CliError::failed(error.to_string()),
    }
}
