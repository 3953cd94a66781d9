//! The command line. Results go to stdout, progress and errors to stderr.
//!
//! Exit codes: 0 done, 1 failed, 2 bad input.

mod archive;
mod bench;
mod check;
mod compare_logs;
mod export;
mod import;
mod job;
mod logs;
mod models;
mod progress;
mod record;
mod run;
mod score;
mod serve;
mod stage_help;
mod sweep;
mod verdict;

use crate::checkpoint::CheckpointError;
use crate::device::{DeviceError, Machine};
use clap::{Parser, Subcommand};
use shared::event::ErrorBody;
use std::path::Path;
use std::process::ExitCode;

/// Finds steering prefixes: short texts that make a language model behave as it does under a known
/// reference prefix, while reading nothing like it.
#[derive(Parser)]
#[command(name = "steerage", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    machine: Machine,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the worker and prints the page's address.
    Serve(serve::ServeArgs),
    /// Searches for a prefix.
    Run(run::RunArgs),
    /// Runs models × teachers × methods × seeds from a file, and reports on all of them.
    Sweep(sweep::SweepArgs),
    /// Looks into event logs: every candidate that a search evaluated.
    #[command(subcommand)]
    Archive(archive::ArchiveCommand),
    /// Writes runs for others: a session file, tables, or a folder that any web server serves.
    Export(export::ExportArgs),
    /// Takes a session file in as a run of the data folder.
    Import(import::ImportArgs),
    /// Says where two logs of what should be the same run first differ.
    CompareLogs(compare_logs::CompareLogsArgs),
    /// Scores cases from a file: negative log-likelihoods, weighted cross-entropy, gradients.
    Score(score::ScoreArgs),
    /// Says whether a text is unlike a reference prefix, rule by rule.
    Check(check::CheckArgs),
    /// Measures what the engine's work costs on this machine.
    Bench(bench::BenchArgs),
    /// Lists, fetches and verifies models.
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Executes one run for a worker: spec on stdin, events on stdout.
    #[command(hide = true)]
    Job,
}

/// Why a command ended without doing its work.
#[derive(Debug)]
pub enum CliError {
    /// The input is wrong: exit code 2.
    BadInput(ErrorBody),
    /// It was tried and failed: exit code 1.
    Failed(ErrorBody),
}

impl CliError {
    fn bad_input(message: impl Into<String>) -> Self {
        CliError::BadInput(ErrorBody::new("bad_input", message))
    }

    fn failed(message: impl Into<String>) -> Self {
        CliError::Failed(ErrorBody::new("failed", message))
    }
}

impl From<CheckpointError> for CliError {
    fn from(error: CheckpointError) -> Self {
        CliError::BadInput(error.into())
    }
}

impl From<DeviceError> for CliError {
    fn from(error: DeviceError) -> Self {
        CliError::BadInput(error.into())
    }
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let Cli { command, machine } = Cli::parse();
    let result = match command {
        Command::Serve(args) => serve::serve(args, machine),
        Command::Run(args) => run::run(args, &machine),
        Command::Sweep(args) => sweep::sweep(args, &machine),
        Command::Archive(command) => archive::archive(command),
        Command::Export(args) => export::export(args),
        Command::Import(args) => import::import(args),
        Command::CompareLogs(args) => compare_logs::compare_logs(args),
        Command::Score(args) => score::score(args, &machine),
        Command::Check(args) => check::check(args),
        Command::Bench(args) => bench::bench(args, &machine),
        Command::Models(command) => models::models(command),
        Command::Job => job::job(&machine),
    };
    let (error, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(CliError::Failed(error)) => (error, 1),
        Err(CliError::BadInput(error)) => (error, 2),
    };
    eprintln!("error: {}", error.message);
    if let Some(hint) = error.hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(code)
}

/// Reads a file that the user named.
fn read_input(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path)
        .map_err(|error| CliError::bad_input(format!("{} cannot be read: {error}", path.display())))
}

/// Writes a line to stdout. A reader that has gone (`| head`) is no error of ours.
fn print_line(line: &str) {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
