//! From what a user calls a model to the model itself: a name of the list, a GGUF file, or a
//! directory in Hugging Face layout.

use crate::models::{ModelError, ModelStore, Verified};
use candle_core::Device;
use shared::event::ErrorBody;
use shared::model::load::{self, LoadError, Loaded};
use shared::tokens::TokenizerBundle;
use std::path::{Path, PathBuf};

/// Why a model could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It is of the list, but its file is not there or not right.
    #[error(transparent)]
    Store(#[from] ModelError),
    /// The checkpoint is not usable.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It is neither a name of the list nor a file or directory.
    #[error("no model is called \"{name}\", and there is no such file or directory; known are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

impl From<CheckpointError> for ErrorBody {
    fn from(error: CheckpointError) -> Self {
        let body = ErrorBody::new("bad_model", error.to_string()).with_field("model");
        match &error {
            CheckpointError::Store(error) => match error.hint() {
                Some(hint) => body.with_hint(hint),
                None => body,
            },
            CheckpointError::Load(_) => body,
            CheckpointError::Unknown { .. } => body.with_hint("`steerage models list` shows the names"),
        }
    }
}

/// Where a model lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// A GGUF file, with the SHA-256 that the list pins for it.
    Gguf(PathBuf, Option<String>),
    /// A directory in Hugging Face layout, with the SHA-256 that the list gives for its files.
    Directory(PathBuf, Option<String>),
}

impl Checkpoint {
    /// Finds it; a name of the list wins over a path of the same name.
    pub fn find(name: &str, models: &ModelStore) -> Result<Self, CheckpointError> {
        if let Some(name) = models.name_of(name) {
            // The pinned hashes are checked before a byte of the files is believed.
            return Ok(Checkpoint::of(&models.verify(name)?));
        }
        let path = Path::new(name);
        if path.is_dir() {
            Ok(Checkpoint::Directory(path.to_owned(), None))
        } else if path.is_file() {
            Ok(Checkpoint::Gguf(path.to_owned(), None))
        } else {
            let known = models.entries().into_iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ");
            Err(CheckpointError::Unknown { name: name.to_owned(), known })
        }
    }

    /// A model of the list, whose files were checked.
    pub fn of(verified: &Verified) -> Self {
        let (path, sha256) = (verified.path.clone(), Some(verified.sha256.clone()));
        if path.is_dir() { Checkpoint::Directory(path, sha256) } else { Checkpoint::Gguf(path, sha256) }
    }

    /// Loads model and tokenizer.
    pub fn load(&self, device: &Device) -> Result<Loaded, CheckpointError> {
        match self {
            Checkpoint::Gguf(path, _) => Ok(load::gguf_file(path, device)?),
            Checkpoint::Directory(path, _) => Ok(load::hf_directory(path, device)?),
        }
    }

    /// Loads only the tokenizer.
    pub fn tokenizer(&self) -> Result<Option<TokenizerBundle>, CheckpointError> {
        match self {
            Checkpoint::Gguf(path, _) => Ok(load::gguf_file_tokenizer_bundle(path)?),
            Checkpoint::Directory(path, _) => Ok(load::hf_tokenizer_bundle(path)?),
        }
    }

    /// SHA-256 of the model's files, where the list pins it.
    pub fn sha256(&self) -> Option<String> {
        match self {
            Checkpoint::Gguf(_, sha256) | Checkpoint::Directory(_, sha256) => sha256.clone(),
        }
    }
}
