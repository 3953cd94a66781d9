//! `steerage models list|fetch|verify`.

use super::{CliError, print_line};
use crate::checkpoint::Checkpoint;
use crate::memory;
use crate::models::{DEFAULT_MODEL, FetchProgress, ModelError, ModelStore};
use candle_core::Device;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use shared::event::ErrorBody;
use std::time::Instant;

/// Lists, fetches and verifies models.
#[derive(Subcommand)]
pub enum ModelsCommand {
    /// Lists the known models, and whether they are on this machine.
    List,
    /// Downloads a model and checks it; does nothing when it is there.
    Fetch {
        /// Name of the model.
        #[arg(default_value = DEFAULT_MODEL)]
        name: String,
        /// Downloads nothing: fails where the model is not on this machine.
        #[arg(long)]
        offline: bool,
    },
    /// Checks size and SHA-256 of a model on this machine, loads it, and says how long that took and
    /// how much memory it needed.
    Verify {
        /// Name of the model.
        #[arg(default_value = DEFAULT_MODEL)]
        name: String,
    },
}

pub fn models(command: ModelsCommand) -> Result<(), CliError> {
    let models = ModelStore::from_env();
    match command {
        ModelsCommand::List => {
            for model in models.entries() {
                let state = if model.available { "on this machine" } else { "not fetched" };
                let megabytes = model.size_bytes / 1_000_000;
                print_line(&format!(
                    "{}\t{}\t{} MB\t{}\t{}\t{state}",
                    model.name, model.title, megabytes, model.architecture, model.licence
                ));
            }
        }
        ModelsCommand::Fetch { name, offline } => fetch(&if offline { models.offline() } else { models }, &name)?,
        ModelsCommand::Verify { name } => verify(&models, &name)?,
    }
    Ok(())
}

fn verify(models: &ModelStore, name: &str) -> Result<(), CliError> {
    let verified = models.verify(name).map_err(refused)?;
    print_line(&format!(
        "{name}: {} bytes, sha256 {}, read in {:.1} s",
        verified.size_bytes, verified.sha256, verified.duration_secs
    ));
    memory::reset_peak();
    let started = Instant::now();
    let loaded = Checkpoint::of(&verified).load(&Device::Cpu)?;
    let duration_secs = started.elapsed().as_secs_f64();
    let config = &loaded.model.config;
    let peak = memory::peak_bytes().map_or("unknown".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000));
    print_line(&format!(
        "{name}: {}, {} layers of {}, vocabulary {}, loaded in {duration_secs:.1} s, peak memory {peak}",
        loaded.architecture, config.num_hidden_layers, config.hidden_size, config.vocab_size
    ));
    Ok(())
}

fn fetch(models: &ModelStore, name: &str) -> Result<(), CliError> {
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{msg:.bold} [{bar:30}] {bytes}/{total_bytes} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let show = |what: &'static str, done_bytes, total_bytes| {
        bar.set_message(what);
        bar.set_length(total_bytes);
        bar.set_position(done_bytes);
    };
    let path = models
        .fetch(name, &mut |progress| match progress {
            FetchProgress::Waiting => bar.set_message("waiting for another download of it"),
            FetchProgress::Downloading { done_bytes, total_bytes } => show("downloading", done_bytes, total_bytes),
            FetchProgress::Unpacking { done_bytes, total_bytes } => show("unpacking", done_bytes, total_bytes),
        })
        .map_err(refused)?;
    bar.finish_and_clear();
    print_line(&format!("{name}: {}", path.display()));
    Ok(())
}

/// An unknown name is bad input; the rest is a failure.
fn refused(error: ModelError) -> CliError {
    let mut body = ErrorBody::new("bad_model", error.to_string());
    body.hint = error.hint();
    match error {
        ModelError::Unknown { .. } | ModelError::WrongSize { .. } | ModelError::WrongHash { .. } => {
            CliError::BadInput(body)
        }
        _ => CliError::Failed(body),
    }
}
