//! What people do to the list of runs: name, tag, delete, restore. No run's log changes.

use super::{refused, unknown_run};
use crate::store::{StoreError, Transaction};
use shared::catalogue::FieldError;
use shared::event::ErrorBody;
use shared::labels::Labels;
use shared::wire::Outcome;

/// Names and tags a run, in any phase.
pub(super) fn label(
    log: &mut Transaction<'_>,
    run: &str,
    title: Option<&str>,
    tags: &[String],
) -> Result<Outcome, StoreError> {
    if log.phase(run)?.is_none() {
        return Ok(refused(unknown_run()));
    }
    match Labels::new(title, tags) {
        Ok(labels) => log.label(run, labels)?,
        Err(wrong) => return Ok(Outcome::Refused { errors: wrong.into_iter().map(bad_label).collect() }),
    }
    Ok(done(run))
}

/// Deletes a run that is over. One that is deleted already stays so.
pub(super) fn delete(log: &mut Transaction<'_>, run: &str) -> Result<Outcome, StoreError> {
    match log.phase(run)? {
        Some(phase) if phase.is_over() => log.delete(run)?,
        Some(phase) => {
            let message = format!("The run is {}; only one that is over can be deleted.", phase.name());
            let error = ErrorBody::new("run_is_not_over", message).with_hint("Cancel it first.").with_field("run");
            return Ok(refused(error));
        }
        None if log.is_deleted(run)? => {}
        None => return Ok(refused(unknown_run())),
    }
    Ok(done(run))
}

/// Restores a deleted run. One that is not deleted stays so.
pub(super) fn restore(log: &mut Transaction<'_>, run: &str) -> Result<Outcome, StoreError> {
    if log.is_deleted(run)? {
        log.restore(run)?;
    } else if log.phase(run)?.is_none() {
        return Ok(refused(unknown_run().with_hint("A run that was deleted long ago is gone for good.")));
    }
    Ok(done(run))
}

fn done(run: &str) -> Outcome {
    Outcome::Done { run: run.to_owned() }
}

fn bad_label(error: FieldError) -> ErrorBody {
    ErrorBody::new("bad_label", error.to_string()).with_field(error.field)
}
