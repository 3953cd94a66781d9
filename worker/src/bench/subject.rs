//! The model that is measured, lent to a search's objective for works that need one.

use crate::backend::{Backend, BackendError};
use crate::control::Control;
use crate::objective::{Objective, ObjectiveError, SuffixTarget};
use crate::planner::Plan;
use std::sync::Arc;

/// A model that is never away but within [`Subject::with_objective`].
pub struct Subject {
    backend: Option<Box<dyn Backend>>,
}

impl Subject {
    /// Takes the model.
    pub fn new(backend: Box<dyn Backend>) -> Self {
        Subject { backend: Some(backend) }
    }

    /// The model.
    ///
    /// # Panics
    /// After a work that panicked while it had the model.
    pub fn backend(&mut self) -> &mut dyn Backend {
        &mut **self.backend.as_mut().expect("the objective gave the model back")
    }

    /// Runs a search's machinery on one suffix, every token weighing the same.
    pub(super) fn with_objective<T>(
        &mut self,
        before: &[u32],
        suffix: SuffixTarget,
        run: impl FnOnce(&Objective) -> Result<T, ObjectiveError>,
    ) -> Result<T, BackendError> {
        let backend = self.backend.take().expect("the objective gave the model back");
        let plan = Plan::unbounded();
        let control = Arc::new(Control::new());
        let objective = Objective::new(backend, plan, before, vec![suffix], (0, 1.0), Vec::new(), control)?;
        let result = run(&objective);
        self.backend = Some(objective.into_backend());
        result.map_err(|error| match error {
            ObjectiveError::Backend(error) => error,
            ObjectiveError::Candle(error) => error.into(),
            ObjectiveError::Stopped => candle_core::Error::Msg("stopped".to_owned()).into(),
        })
    }
}
