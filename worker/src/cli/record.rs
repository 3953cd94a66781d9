//! `steerage run --record`: the log of a run as a file that the page can replay.

use super::CliError;
use shared::event::Stamped;
use shared::recording;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a recording, line by line.
pub struct Recorder {
    path: PathBuf,
    file: BufWriter<File>,
    /// The first thing that went wrong: the run goes on, and it is told at the end.
    failed: Option<io::Error>,
}

impl Recorder {
    /// Begins a recording; refuses before the search begins what cannot be written.
    pub fn create(path: &Path) -> Result<Self, CliError> {
        let file = File::create(path)
            .map_err(|error| CliError::bad_input(format!("cannot write {}: {error}", path.display())))?;
        let mut recorder = Recorder { path: path.to_owned(), file: BufWriter::new(file), failed: None };
        recorder.line(&recording::header(env!("CARGO_PKG_VERSION")));
        Ok(recorder)
    }

    /// Takes down one event.
    pub fn write(&mut self, stamped: &Stamped) {
        match serde_json::to_string(stamped) {
            Ok(line) => self.line(&line),
            Err(error) => self.failed = self.failed.take().or(Some(error.into())),
        }
    }

    fn line(&mut self, line: &str) {
        if self.failed.is_none() {
            self.failed = writeln!(self.file, "{line}").err();
        }
    }

    /// Ends the recording, and says what went wrong.
    pub fn close(mut self) -> Result<(), CliError> {
        let failed = self.failed.take().or_else(|| self.file.flush().err());
        failed.map_or(Ok(()), |error| {
            Err(CliError::failed(format!("the recording {} is not complete: {error}", self.path.display())))
        })
    }
}
