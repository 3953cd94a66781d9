//! A model in memory, and the chat that stands before every prefix.

use candle_core::Device;
use engine::{Cache, Engine, EngineError, Workspace};
use shared::model::engine::{IntoEngineError, into_engine};
use shared::model::load::{GgufMetadata, LoadError, gguf};
use shared::tokens::{PromptTokenizer, TokensError};
use std::io::Cursor;

/// Why there is no model, or no answer of it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The engine does not take it.
    #[error(transparent)]
    IntoEngine(#[from] IntoEngineError),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A text is none for this model.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Nothing to complete.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// There is nothing to read text with.
    #[error("the file holds no tokenizer")]
    NoTokenizer,
}

/// A model that answers.
pub struct Model {
    pub(crate) engine: Engine,
    pub(crate) workspace: Workspace,
    /// The chat before the prefix: every prompt begins with it, so that it is run once.
    pub(crate) chat_pre: Cache,
    tokenizer: PromptTokenizer,
}

/// Memory that a model of a GGUF file takes, in bytes: the file, its weights in f32, and the embedding once
/// more while it is moved.
///
/// # Errors
/// A file whose header cannot be read.
pub fn memory_bytes(file: &[u8]) -> Result<u64, ModelError> {
    let metadata = GgufMetadata::read(&mut Cursor::new(file), "the file")?;
    let weights = 4 * metadata.value_count();
    Ok(file.len() as u64 + weights + weights / 4)
}

impl Model {
    /// Loads a GGUF file, and lets go of it.
    ///
    /// # Errors
    /// A file that is no model, or one without a tokenizer.
    pub fn load(file: Vec<u8>) -> Result<Model, ModelError> {
        let loaded = gguf(&mut Cursor::new(&file[..]), "the file", &Device::Cpu)?;
        drop(file);
        let tokenizer = PromptTokenizer::new(&loaded.tokenizer.ok_or(ModelError::NoTokenizer)?)?;
        let engine = into_engine(loaded.model)?;
        let mut workspace = Workspace::default();
        let chat_pre = match &tokenizer.encode(tokenizer.chat_pre())?[..] {
            [] => Cache::default(),
            ids => engine.cache(None, ids, &mut workspace)?,
        };
        Ok(Model { engine, workspace, chat_pre, tokenizer })
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &PromptTokenizer {
        &self.tokenizer
    }
}
