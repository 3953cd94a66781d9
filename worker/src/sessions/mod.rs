//! Runs from command to end: accepting them, queueing them, and working on one after another.
//!
//! [`Sessions`] answers commands; [`Executor`] takes runs off the queue and attends to their jobs.
//! They share nothing but the [`Store`]: a command changes the log, the executor sees the change.

mod attend;
mod controls;
mod lines;
mod listing;
mod process;
mod redact;
mod shares;
#[cfg(test)]
mod tests;

pub use attend::Executor;
pub use process::{JobCommand, MAX_EVENT_BYTES};

use crate::job;
use crate::store::{Store, StoreError, Transaction, may_restart};
use shared::catalogue::{Catalogue, FieldError};
use shared::event::ErrorBody;
use shared::recording::Part;
use shared::spec::RunSpec;
use shared::wire::{Command, Outcome};
use std::sync::Arc;
use uuid::Uuid;

/// Runs that may wait; one more is refused.
pub const MAX_QUEUED_RUNS: usize = 256;

/// Tells what the worker can do at the moment; may look at the disk.
pub type CatalogueSource = Arc<dyn Fn() -> Catalogue + Send + Sync>;

/// Answers commands.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    catalogue: CatalogueSource,
}

impl Sessions {
    /// Commands to the runs of a log.
    pub fn new(store: Store, catalogue: CatalogueSource) -> Self {
        Sessions { store, catalogue }
    }

    /// Does a command, or repeats the reply where it was done before.
    pub async fn execute(&self, id: &str, command: Command) -> Result<Outcome, StoreError> {
        let json = serde_json::to_string(&command).map_err(|error| StoreError::Damaged(error.to_string()))?;
        match command {
            Command::StartRun { spec } => {
                let wrong = self.validate((*spec).clone()).await;
                self.store.command(id, json, move |log| start(log, *spec, wrong)).await
            }
            Command::CancelRun { run } => self.store.command(id, json, move |log| controls::cancel(log, &run)).await,
            Command::PauseRun { run } => self.store.command(id, json, move |log| controls::pause(log, &run)).await,
            Command::ResumeRun { run } => self.store.command(id, json, move |log| controls::resume(log, &run)).await,
            Command::FinishRun { run } => self.store.command(id, json, move |log| controls::finish(log, &run)).await,
            Command::RestartRun { run } => {
                // What a worker can do may have changed since the run was accepted.
                let wrong = match self.store.spec(&run).await? {
                    Some(spec) => self.validate(spec).await,
                    None => Vec::new(),
                };
                self.store.command(id, json, move |log| restart(log, &run, wrong)).await
            }
            Command::LabelRun { run, title, tags } => {
                self.store.command(id, json, move |log| listing::label(log, &run, title.as_deref(), &tags)).await
            }
            Command::DeleteRun { run } => self.store.command(id, json, move |log| listing::delete(log, &run)).await,
            Command::CreateShare { run, share, lifetime_secs, left_out, view } => {
                let wanted = shares::Wanted { share, lifetime_secs, left_out, view };
                let snapshot = self.snapshot(&run, &wanted.left_out, wanted.view.as_deref()).await?;
                self.store.command(id, json, move |log| shares::create(log, &run, wanted, snapshot)).await
            }
            Command::RevokeShare { share } => {
                self.store.command(id, json, move |log| shares::revoke(log, &share)).await
            }
            Command::RestoreRun { run } => self.store.command(id, json, move |log| listing::restore(log, &run)).await,
        }
    }

    /// What the worker can do at the moment.
    pub async fn catalogue(&self) -> Catalogue {
        let source = Arc::clone(&self.catalogue);
        // It fails only where the source panicked; then nothing is known to be available.
        tokio::task::spawn_blocking(move || source()).await.unwrap_or_default()
    }

    /// The session file that a link to a run would show; nothing where there is no such run.
    pub async fn snapshot(
        &self,
        run: &str,
        left_out: &[Part],
        view: Option<&str>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(log) = self.store.log(run).await? else { return Ok(None) };
        let (left_out, view) = (left_out.to_vec(), view.map(str::to_owned));
        let made = tokio::task::spawn_blocking(move || shares::snapshot(&log, &left_out, view.as_deref()));
        // It fails only where the thread panicked.
        made.await.map_err(|error| StoreError::Damaged(error.to_string()))?.map(Some)
    }

    async fn validate(&self, spec: RunSpec) -> Vec<ErrorBody> {
        let wrong = job::validate(&spec, &self.catalogue().await).err().unwrap_or_default();
        wrong.into_iter().map(bad_spec).collect()
    }
}

fn start(log: &mut Transaction<'_>, spec: RunSpec, wrong: Vec<ErrorBody>) -> Result<Outcome, StoreError> {
    if let Some(refusal) = refuse_to_queue(log, wrong)? {
        return Ok(refusal);
    }
    // Version 7 begins with the time, so that runs sort by age.
    let run = Uuid::now_v7().to_string();
    log.queue(&run, spec)?;
    Ok(Outcome::Done { run })
}

fn restart(log: &mut Transaction<'_>, run: &str, wrong: Vec<ErrorBody>) -> Result<Outcome, StoreError> {
    match log.phase(run)? {
        None => return Ok(refused(unknown_run())),
        Some(phase) if !may_restart(phase) => {
            let message = format!("The run is {}; only one that was stopped or failed can start again.", phase.name());
            return Ok(refused(ErrorBody::new("run_cannot_restart", message).with_field("run")));
        }
        Some(_) => {}
    }
    if let Some(refusal) = refuse_to_queue(log, wrong)? {
        return Ok(refusal);
    }
    log.queue_again(run)?;
    Ok(Outcome::Done { run: run.to_owned() })
}

fn refuse_to_queue(log: &Transaction<'_>, wrong: Vec<ErrorBody>) -> Result<Option<Outcome>, StoreError> {
    if !wrong.is_empty() {
        return Ok(Some(Outcome::Refused { errors: wrong }));
    }
    if log.queued()? >= MAX_QUEUED_RUNS {
        let message = format!("{MAX_QUEUED_RUNS} runs wait already.");
        let error = ErrorBody::new("queue_full", message).with_hint("Cancel some, or wait for them to end.");
        return Ok(Some(refused(error)));
    }
    Ok(None)
}

fn refused(error: ErrorBody) -> Outcome {
    Outcome::Refused { errors: vec![error] }
}

/// No run has the given id.
pub(crate) fn unknown_run() -> ErrorBody {
    ErrorBody::new("unknown_run", "No run has this id.")
        .with_hint("The welcome and run_changed messages name all runs.")
        .with_field("run")
}

fn bad_spec(error: FieldError) -> ErrorBody {
    ErrorBody::new("bad_spec", error.to_string()).with_field(error.field)
}
