//! Checkpoints into models: GGUF files and Hugging Face directories.
//!
//! Both are read into one layout (that of Hugging Face, f32), so that an architecture is written
//! once. Everything that a file claims is checked before it is believed.

mod config;
mod gguf;
mod gguf_tokenizer;
mod hf;
mod mapped;
mod weights;

pub use gguf::{GgufMetadata, gguf, gguf_file, gguf_file_tokenizer_bundle};
pub use hf::{HfConfig, hf_directory, hf_tokenizer_bundle};

use super::Decoder;
use crate::tokens::TokenizerBundle;

/// A checkpoint in memory.
pub struct Loaded {
    /// The model.
    pub model: Decoder,
    /// Its tokenizer, where the checkpoint brings one.
    pub tokenizer: Option<TokenizerBundle>,
    /// Architecture, as the checkpoint calls it.
    pub architecture: String,
}

/// Why a checkpoint could not be loaded. Each message fits one line and names the tensor or field.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("{file} cannot be read: {source}")]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what its name says, or is damaged.
    #[error("{file} is damaged or not a checkpoint: {reason}")]
    Damaged {
        /// The file.
        file: String,
        /// What was found.
        reason: String,
    },
    /// The architecture has no implementation here.
    #[error("unknown architecture \"{found}\"; supported are {supported}")]
    UnknownArchitecture {
        /// What the checkpoint says.
        found: String,
        /// What there is.
        supported: String,
    },
    /// A field of the configuration is missing or makes no sense.
    #[error("configuration field {field}: {reason}")]
    Config {
        /// The field.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// Something in the checkpoint that would change the result and is not implemented.
    #[error("the checkpoint uses {0}, which is not supported")]
    Unsupported(String),
    /// A tensor is not there.
    #[error("tensor {name} is missing")]
    MissingTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor {name} has shape {found:?}, expected {expected:?}")]
    WrongShape {
        /// The tensor.
        name: String,
        /// What it should have.
        expected: Vec<usize>,
        /// What it has.
        found: Vec<usize>,
    },
    /// A tensor holds NaN or infinity.
    #[error("tensor {name} holds a value that is not finite: {found} at element {index}")]
    NotFinite {
        /// The tensor.
        name: String,
        /// The value.
        found: f32,
        /// Where, counted over the flattened tensor.
        index: usize,
    },
    /// A tensor's numbers are of a kind that weights are not stored in.
    #[error("tensor {name} holds {found}, expected {expected}")]
    WrongType {
        /// The tensor.
        name: String,
        /// What it could have held.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// Tokenizer and embedding do not belong together.
    #[error("the tokenizer has {found} tokens, expected {expected}: the rows of the embedding (vocab_size)")]
    WrongTokenizer {
        /// Rows of the embedding.
        expected: usize,
        /// Tokens of the tokenizer.
        found: usize,
    },
    /// candle refused.
    #[error("tensor {name}: {reason}")]
    Tensor {
        /// The tensor.
        name: String,
        /// Why.
        reason: String,
    },
    /// candle refused while the model was put together.
    #[error("the model cannot be put together: {0}")]
    Candle(String),
}

impl From<candle_core::Error> for LoadError {
    fn from(error: candle_core::Error) -> Self {
        LoadError::Candle(reason(&error))
    }
}

/// What candle says, without the backtrace that it appends where `RUST_BACKTRACE` is set.
fn reason(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
