//! The stages of a pipeline: one file each, one line in [`STAGES`].
//!
//! A stage reads and writes a [`Search`] and pushes events; it knows nothing of who listens.

mod adam;
mod beam;
mod budget;
mod compress;
mod evaluate;
mod gcg;
mod hotflip;
mod moves;
mod next_token;
mod params;
mod pez;
mod pgd;
mod projection;
mod reference;
mod search;
mod simplex;
mod soft_loss;
mod soft_prompt;
mod walk;

pub use budget::{Meter, SHARE as BUDGET_SHARE};
pub use params::Params;
pub use reference::measure_reference;
pub use search::{Best, Search, SoftPrefix};

use crate::backend::BackendError;
use crate::control::Cancelled;
use crate::objective::ObjectiveError;
use shared::catalogue::{FieldError, StageDeclaration};
use shared::event::Event;
use shared::model::Config;
use std::path::Path;

/// All stages that a spec can name.
pub const STAGES: &[&dyn Stage] = &[
    &soft_prompt::SoftPrompt,
    &projection::Projection,
    &hotflip::HotFlip,
    &gcg::Gcg,
    &walk::Walk,
    &pez::Pez,
    &pgd::Pgd,
    &beam::Beam,
    &compress::Compress,
    &evaluate::Evaluate,
];

/// One step of a pipeline.
pub trait Stage: Sync {
    /// Its kind and parameters, for forms, help and validation.
    fn declaration(&self) -> StageDeclaration;

    /// How many steps it plans; a stage that learns better while it runs says so with its progress.
    fn total_steps(&self, params: &Params) -> usize;

    /// What an earlier stage has to make before this one can begin.
    fn needs(&self, _params: &Params) -> Option<Need> {
        None
    }

    /// What it makes.
    fn makes(&self) -> Product {
        Product::Prefix
    }

    /// Refuses what this model or this machine does not have, before any work. The error names the parameter.
    fn check(&self, _params: &Params, _config: &Config, _saes: &Path) -> Result<(), FieldError> {
        Ok(())
    }

    /// Does it. The answer is one sentence on what came out.
    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError>;
}

/// What a stage leaves for those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// A prefix of free embedding vectors.
    SoftPrefix,
    /// A discrete prefix.
    Prefix,
    /// The verdict on a prefix.
    Verdict,
}

/// What a stage cannot begin without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// What an earlier stage has to make.
    pub product: Product,
    /// The same in words, after "the stage needs …", with what to do.
    pub advice: &'static str,
}

impl Need {
    /// A prefix from any search.
    pub const PREFIX: Need = Need { product: Product::Prefix, advice: "a prefix: put a search before it" };
}

/// Refuses a pipeline in which a stage needs what none before it makes.
pub fn check_order(pipeline: &[(&dyn Stage, Params)]) -> Result<(), FieldError> {
    for (index, (stage, params)) in pipeline.iter().enumerate() {
        let Some(need) = stage.needs(params) else { continue };
        if !pipeline[..index].iter().any(|(before, _)| before.makes() == need.product) {
            let message = format!("{} needs {}", stage.declaration().kind, need.advice);
            return Err(FieldError::new(format!("stages[{index}]"), message));
        }
    }
    Ok(())
}

/// Takes what happens. What the run is asked comes the other way, through the objective's control.
pub trait Sink {
    /// Takes one event.
    fn push(&mut self, event: Event);
}

/// Why a stage ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
    /// The stage needs something that no earlier stage made.
    #[error("{stage} needs {needs}")]
    Missing {
        /// The stage.
        stage: &'static str,
        /// What, and which stage makes it.
        needs: &'static str,
    },
    /// Too few suffixes are left to search with.
    #[error("{0}")]
    Suffixes(String),
    /// No prefix satisfies the constraints where the search looked.
    #[error("{0}")]
    Constraints(String),
    /// The model gave no answer.
    #[error("the model failed: {0}")]
    Backend(#[from] BackendError),
    /// candle refused.
    #[error("the model failed: {0}")]
    Candle(#[from] candle_core::Error),
    /// Tokenisation failed.
    #[error(transparent)]
    Tokens(#[from] shared::tokens::TokensError),
}

impl From<Cancelled> for StageError {
    fn from(_: Cancelled) -> Self {
        StageError::Stopped
    }
}

impl From<ObjectiveError> for StageError {
    fn from(error: ObjectiveError) -> Self {
        match error {
            ObjectiveError::Stopped => StageError::Stopped,
            ObjectiveError::Backend(error) => StageError::Backend(error),
            ObjectiveError::Candle(error) => StageError::Candle(error),
        }
    }
}

/// The stage of that kind.
pub fn find(kind: &str) -> Option<&'static dyn Stage> {
    STAGES.iter().copied().find(|stage| stage.declaration().kind == kind)
}
