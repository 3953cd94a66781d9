//! A model that is loaded once and searched many times: what `steerage sweep` keeps between its cells.

use crate::backend::{self, Backend, Journaling, Remembering};
use crate::checkpoint::Checkpoint;
use crate::device::Machine;
use crate::journal::Journal;
use crate::models::ModelStore;
use shared::event::{ErrorBody, ModelCard};
use shared::model::Config;
use shared::tokens::PromptTokenizer;
use std::path::PathBuf;

/// A model with its tokenizer, ready for runs one after the other.
pub struct LoadedModel {
    /// What the log says of it.
    pub card: ModelCard,
    /// Text and ids.
    pub tokenizer: PromptTokenizer,
    /// Where sparse autoencoders lie.
    pub saes: PathBuf,
    /// Away while a run has it; a run that failed in the model does not bring it back.
    backend: Option<Box<dyn Backend>>,
}

impl LoadedModel {
    /// Finds, verifies and loads a model. `check` is asked before a weight is read.
    pub fn load(
        name: &str,
        models: &ModelStore,
        machine: &Machine,
        check: impl FnOnce(&PromptTokenizer) -> Result<(), ErrorBody>,
    ) -> Result<Self, ErrorBody> {
        let checkpoint = Checkpoint::find(name, models)?;
        let device = machine.device.open()?;
        let bundle = checkpoint.tokenizer()?.ok_or_else(|| {
            ErrorBody::new("bad_model", "the checkpoint has no tokenizer, so no text can be searched with it")
                .with_field("model")
        })?;
        let tokenizer =
            PromptTokenizer::new(&bundle).map_err(|error| ErrorBody::new("bad_tokenizer", error.to_string()))?;
        check(&tokenizer)?;
        let loaded = checkpoint.load(&device)?;
        let card = ModelCard {
            name: name.to_owned(),
            architecture: loaded.architecture,
            sha256: checkpoint.sha256(),
            vocab_size: loaded.model.config.vocab_size,
            context_length: loaded.model.config.context_length,
        };
        let backend = backend::fastest(loaded.model)
            .map_err(|error| ErrorBody::new("model_failed", format!("the model failed: {error}")))?;
        let saes = models.cache_dir().join("saes");
        Ok(LoadedModel { card, tokenizer, saes, backend: Some(backend) })
    }

    /// The same model, which from now on keeps its greedy completions: runs that share a reference and
    /// suffixes decode them once.
    pub fn remembering(mut self) -> Self {
        self.backend = self.backend.map(|backend| Box::new(Remembering::new(backend)) as Box<dyn Backend>);
        self
    }

    /// The same model for one run, which is given what an earlier attempt of it was answered.
    pub fn journaled(mut self, journal: Journal) -> Self {
        self.backend = self.backend.map(|backend| Box::new(Journaling::new(backend, journal)) as Box<dyn Backend>);
        self
    }

    /// Whether a run can have the model.
    pub fn is_there(&self) -> bool {
        self.backend.is_some()
    }

    /// Shape of the model.
    pub fn config(&self) -> Result<&Config, ErrorBody> {
        self.backend.as_ref().map(|backend| backend.config()).ok_or_else(gone)
    }

    /// Lends the model to a run.
    pub fn take(&mut self) -> Result<Box<dyn Backend>, ErrorBody> {
        self.backend.take().ok_or_else(gone)
    }

    /// Takes the model back.
    pub fn give_back(&mut self, backend: Box<dyn Backend>) {
        self.backend = Some(backend);
    }
}

fn gone() -> ErrorBody {
    ErrorBody::new("model_failed", "the model failed in an earlier run and has to be loaded again")
}
