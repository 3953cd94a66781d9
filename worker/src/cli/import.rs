//! `steerage import`: a session file becomes a run of the data folder.

use super::logs::{failed, read_file};
use super::{CliError, print_line, serve};
use crate::store::{Imported, LogFolder};
use clap::Args;
use std::path::PathBuf;

/// Takes a session in, as a run that is over; its log is kept to the last byte.
#[derive(Args)]
pub struct ImportArgs {
    /// A session file (`.steerage`), or a recording of `steerage run --record`.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where runs are kept [default: steerage in the user's data folder]; no worker may be using it.
    #[arg(long, value_name = "DIR", env = "STEERAGE_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

pub fn import(args: ImportArgs) -> Result<(), CliError> {
    let session = read_file(&args.file)?;
    let folder = args.data_dir.map_or_else(serve::default_data_dir, Ok)?;
    let imported = LogFolder::open_to_import(&folder).and_then(|mut folder| folder.import(&session)).map_err(failed)?;
    let events = session.recording.events.len();
    match imported {
        Imported::Added { run } => {
            eprintln!("{events} events, SHA-256 {}", session.sha256);
            print_line(&run);
        }
        Imported::Known { run } => {
            eprintln!("this very log is there already");
            print_line(&run);
        }
    }
    Ok(())
}
