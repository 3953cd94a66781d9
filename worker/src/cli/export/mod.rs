//! `steerage export`: runs for others, as a session file, as tables, or as a folder for any web server.

mod site;

use super::archive::Texts;
use super::logs::{Logs, STEERAGE, session_of};
use super::{CliError, print_line};
use crate::tables::{self, Source, Table, WriteError};
use clap::{Args, ValueEnum};
use shared::divergence::last_attempt;
use shared::event::Event;
use shared::leave_out::leave_out;
use shared::recording::{About, Part, Recording};
use shared::session_file::{self, Session};
use std::path::{Path, PathBuf};

/// Writes runs as a session file, as tables (docs/exports.md), or as a folder with the page and the session.
#[derive(Args)]
pub struct ExportArgs {
    /// Runs by their ids (or how these begin), session files, recordings, or files of events.
    #[arg(required = true, value_name = "RUN|FILE")]
    runs: Vec<String>,
    /// File or folder to write: NAME.steerage for a session file, else a folder for `--format`.
    #[arg(long, value_name = "PATH", required_unless_present = "site", conflicts_with = "site")]
    to: Option<PathBuf>,
    /// How it is written; without this, a session file.
    #[arg(long, value_enum, default_value_t = Format::Steerage)]
    format: Format,
    /// Writes the page and the session to a folder that any web server shows, without a worker.
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,
    /// Puts the run's model into the folder (98 MB for the default one), so that whoever opens it can verify.
    #[arg(long, requires = "site")]
    with_model: bool,
    /// Leaves parts of a session out, separated by commas.
    #[arg(long, value_enum, value_name = "PARTS", value_delimiter = ',')]
    leave_out: Vec<LeaveOut>,
    /// Prefixes are matched whose cross-entropy on train is at most the reference's plus EPS, in nats a token.
    #[arg(long, value_name = "EPS", default_value_t = 0.05, allow_negative_numbers = true)]
    epsilon: f64,
    /// Where runs are kept [default: steerage in the user's data folder].
    #[arg(long, value_name = "DIR", env = "STEERAGE_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A session file: the whole log of one run, for the page and for `steerage import`.
    Steerage,
    /// Tables as JSON lines.
    Jsonl,
    /// Tables as CSV.
    Csv,
    /// Tables as Parquet.
    Parquet,
    /// A folder that `datasets.load_dataset` opens.
    Hf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LeaveOut {
    /// Prompts and completions.
    SuffixTexts,
    /// Parameters, constraints, budget and seed.
    Config,
    /// Progress, curve, candidates and flips.
    Log,
}

impl From<LeaveOut> for Part {
    fn from(part: LeaveOut) -> Part {
        match part {
            LeaveOut::SuffixTexts => Part::SuffixTexts,
            LeaveOut::Config => Part::Config,
            LeaveOut::Log => Part::Log,
        }
    }
}

pub fn export(args: ExportArgs) -> Result<(), CliError> {
    if !args.epsilon.is_finite() {
        return Err(CliError::bad_input("--epsilon: expected a finite number of nats a token"));
    }
    let mut logs = Logs::new(args.data_dir)?;
    let sessions = args.runs.iter().map(|name| logs.load(name)).collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<Part> = args.leave_out.iter().map(|&part| part.into()).collect();
    let sessions: Vec<Session> = sessions.into_iter().map(|session| without(session, &parts)).collect();
    match (&args.site, &args.to) {
        (Some(folder), _) => {
            let file = file_of(&sessions)?;
            let model = sessions.iter().find_map(|session| model_of(&session.recording)).filter(|_| args.with_model);
            site::write(file, model, folder)
        }
        (None, Some(path)) if args.format == Format::Steerage => write_session(&sessions, path),
        (None, Some(path)) => write_tables(&sessions, args.format, args.epsilon, path),
        (None, None) => Err(CliError::bad_input("give --to PATH or --site DIR")),
    }
}

/// The session with parts left out; the very same where there are none.
fn without(session: Session, parts: &[Part]) -> Session {
    if parts.is_empty() {
        return session;
    }
    let mut left_out = [&session.recording.about.left_out[..], parts].concat();
    left_out.sort();
    left_out.dedup();
    let about = About { left_out, recording: shared::recording::VERSION, ..session.recording.about };
    session_of(Recording { about, events: leave_out(&session.recording.events, parts) })
}

/// The model that a run asked for.
fn model_of(recording: &Recording) -> Option<&str> {
    recording.events.iter().find_map(|stamped| match &stamped.event {
        Event::Queued { spec, .. } => Some(spec.model.as_str()),
        _ => None,
    })
}

fn file_of(sessions: &[Session]) -> Result<Vec<u8>, CliError> {
    let [session] = sessions else {
        return Err(CliError::bad_input("a session file holds one run: export them one by one"));
    };
    session_file::encode(&session.content, STEERAGE).map_err(|error| CliError::failed(error.to_string()))
}

fn write_session(sessions: &[Session], path: &Path) -> Result<(), CliError> {
    if path.extension().is_none_or(|extension| extension != session_file::EXTENSION) {
        let message = format!("--to {}: a session file is called NAME.{}", path.display(), session_file::EXTENSION);
        return Err(CliError::bad_input(format!("{message}; for tables give --format")));
    }
    let file = file_of(sessions)?;
    // Under another name until it is whole.
    let partial = path.with_extension("steerage.tmp");
    let written = std::fs::write(&partial, &file).and_then(|()| std::fs::rename(&partial, path));
    written.map_err(|error| CliError::failed(format!("{} cannot be written: {error}", path.display())))?;
    eprintln!("{} bytes, SHA-256 of the content {}", file.len(), sessions[0].sha256);
    print_line(&path.display().to_string());
    Ok(())
}

fn write_tables(sessions: &[Session], format: Format, epsilon: f64, folder: &Path) -> Result<(), CliError> {
    make_folder(folder)?;
    let source = |session: &Session| {
        let run = session.recording.events.first().map(|stamped| stamped.run.clone()).unwrap_or_default();
        Source { run, events: last_attempt(&session.recording.events) }
    };
    let sources: Vec<Source> = sessions.iter().map(source).collect();
    let mut texts = Texts::default();
    let tables = tables::tables(&sources, epsilon, &mut |model, ids| texts.text(model, ids));
    let each = |ending: &str, write: &dyn Fn(&Table, &Path) -> Result<(), WriteError>| {
        tables.iter().try_for_each(|table| write(table, &folder.join(format!("{}.{ending}", table.name))))
    };
    let written = match format {
        Format::Jsonl => each("jsonl", &tables::write_jsonl),
        Format::Csv => each("csv", &tables::write_csv),
        Format::Parquet => each("parquet", &tables::write_parquet),
        Format::Hf | Format::Steerage => tables::write_hub(&tables, folder),
    };
    written.map_err(|error| CliError::failed(error.to_string()))?;
    for table in &tables {
        eprintln!("{}: {} rows", table.name, table.rows.len());
    }
    print_line(&folder.display().to_string());
    Ok(())
}

/// Makes a folder to write to; one with something in it is left alone.
fn make_folder(folder: &Path) -> Result<(), CliError> {
    let failed = |error| CliError::failed(format!("{} cannot be made: {error}", folder.display()));
    if folder.exists() && !folder.is_dir() {
        return Err(CliError::bad_input(format!("{} is a file; give a folder", folder.display())));
    }
    std::fs::create_dir_all(folder).map_err(failed)?;
    match std::fs::read_dir(folder).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(CliError::bad_input(format!("{} is not empty; give a new folder", folder.display()))),
    }
}
