//! What may be asked of a run that waits or is worked on. Each is answered at once: the job is asked by the
//! executor, and what it does about it is in the log.

use super::{refused, unknown_run};
use crate::store::{StoreError, Transaction, Wish};
use shared::event::ErrorBody;
use shared::wire::{Outcome, RunPhase};

/// Stops a run that waits or is worked on.
pub(super) fn cancel(log: &mut Transaction<'_>, run: &str) -> Result<Outcome, StoreError> {
    match log.phase(run)? {
        Some(RunPhase::Queued) => log.cancel_queued(run)?,
        Some(RunPhase::Running | RunPhase::Paused) => log.request(run, Wish::Cancel),
        phase => return Ok(refuse(phase, "cancelled")),
    }
    Ok(Outcome::Done { run: run.to_owned() })
}

/// Lets a running run stand still.
pub(super) fn pause(log: &mut Transaction<'_>, run: &str) -> Result<Outcome, StoreError> {
    match log.phase(run)? {
        Some(RunPhase::Running) => log.request(run, Wish::Pause),
        phase => return Ok(refuse(phase, "paused")),
    }
    Ok(Outcome::Done { run: run.to_owned() })
}

/// Lets a paused run go on.
pub(super) fn resume(log: &mut Transaction<'_>, run: &str) -> Result<Outcome, StoreError> {
    match log.phase(run)? {
        Some(RunPhase::Paused) => log.request(run, Wish::Resume),
        Some(phase @ (RunPhase::Queued | RunPhase::Running)) => {
            let message = format!("The run is {}; only a paused run can be resumed.", phase.name());
            let hint = "A run that was asked to pause can be resumed once its state is paused.";
            return Ok(refused(ErrorBody::new("run_not_paused", message).with_hint(hint).with_field("run")));
        }
        phase => return Ok(refuse(phase, "resumed")),
    }
    Ok(Outcome::Done { run: run.to_owned() })
}

/// Ends the search of a run that is worked on. Asked again, it changes nothing.
pub(super) fn finish(log: &mut Transaction<'_>, run: &str) -> Result<Outcome, StoreError> {
    match log.phase(run)? {
        Some(RunPhase::Running | RunPhase::Paused) => log.request(run, Wish::Finish),
        phase => return Ok(refuse(phase, "finished now")),
    }
    Ok(Outcome::Done { run: run.to_owned() })
}

/// Why nothing can be asked of a run that stands there.
fn refuse(phase: Option<RunPhase>, done: &str) -> Outcome {
    let Some(phase) = phase else { return refused(unknown_run()) };
    let already = format!("The run is {} already.", phase.name());
    let error = match phase {
        RunPhase::Paused => ErrorBody::new("run_not_running", already),
        phase if phase.is_over() => ErrorBody::new("run_is_over", already),
        phase => {
            let message = format!("The run is {}; only a run that is worked on can be {done}.", phase.name());
            ErrorBody::new("run_not_running", message)
        }
    };
    refused(error.with_field("run"))
}
