//! Checkpoints into models: GGUF files and Hugging Face directories.
//!
//! Both are read into one layout (that of Hugging Face, f32), so that an architecture is written
//! once. Everything that a file claims is checked before it is believed.

mod gguf;
mod gguf_tokenizer;
mod hf;

pub use gguf::{GgufMetadata, gguf, gguf_tokenizer_bundle};
pub use hf::{HfConfig, hf_directory, hf_tokenizer_bundle};

use super::ops::RopeScaling;
use super::{Config, Model};
use crate::tokens::TokenizerBundle;
use candle_core::{DType, Tensor};

/// A checkpoint in memory.
pub struct Loaded {
    /// The model.
    pub model: Box<dyn Model>,
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
    #[error("tensor {name} holds a value that is not finite")]
    NotFinite {
        /// The tensor.
        name: String,
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

/// Where an architecture takes its tensors from, by their Hugging Face names.
pub trait Weights {
    /// The tensor in f32, of exactly this shape, with finite values.
    fn take(&mut self, hf_name: &str, shape: &[usize]) -> Result<Tensor, LoadError>;
}

/// Checks shape and values and converts to f32.
fn checked(name: &str, tensor: Tensor, expected: &[usize]) -> Result<Tensor, LoadError> {
    if tensor.dims() != expected {
        let (expected, found) = (expected.to_vec(), tensor.dims().to_vec());
        return Err(LoadError::WrongShape { name: name.to_owned(), expected, found });
    }
    let of_tensor = |error| LoadError::Tensor { name: name.to_owned(), reason: reason(&error) };
    let tensor = tensor.to_dtype(DType::F32).map_err(of_tensor)?;
    // A sum over finite f32 in f32 can overflow only for values no network has.
    let sum = tensor.sum_all().and_then(|sum| sum.to_scalar::<f32>()).map_err(of_tensor)?;
    if sum.is_finite() { Ok(tensor) } else { Err(LoadError::NotFinite { name: name.to_owned() }) }
}

/// Refuses a checkpoint with a tensor that the architecture did not ask for, a bias say: to leave it
/// out would quietly change the result.
fn refuse_leftover<'a>(mut leftover: impl Iterator<Item = &'a String>) -> Result<(), LoadError> {
    match leftover.next() {
        None => Ok(()),
        Some(name) => Err(LoadError::Unsupported(format!("tensor {name}"))),
    }
}

/// Refuses shapes that no network has, before anything is multiplied or allocated by them.
fn checked_config(config: Config) -> Result<Config, LoadError> {
    let bounds = [
        ("hidden_size", config.hidden_size, 1 << 16),
        ("intermediate_size", config.intermediate_size, 1 << 20),
        ("num_hidden_layers", config.num_hidden_layers, 1 << 10),
        ("num_attention_heads", config.num_attention_heads, 1 << 10),
        ("num_key_value_heads", config.num_key_value_heads, 1 << 10),
        ("head_dim", config.head_dim, 1 << 12),
        ("vocab_size", config.vocab_size, 1 << 20),
        ("context_length", config.context_length, 1 << 21),
    ];
    let wrong = |field: &str, reason: String| LoadError::Config { field: field.to_owned(), reason };
    for (field, value, max) in bounds {
        if !(1..=max).contains(&value) {
            return Err(wrong(field, format!("expected 1 to {max}, found {value}")));
        }
    }
    if !config.num_attention_heads.is_multiple_of(config.num_key_value_heads) {
        let reason = format!(
            "{} does not divide num_attention_heads {}",
            config.num_key_value_heads, config.num_attention_heads
        );
        return Err(wrong("num_key_value_heads", reason));
    }
    let mut positive = vec![("rope_theta", config.rope.theta)];
    match config.rope.scaling {
        RopeScaling::None => {}
        RopeScaling::Linear { factor } => positive.push(("rope_scaling.factor", factor)),
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context_length } => {
            positive.extend([
                ("rope_scaling.factor", factor),
                ("rope_scaling.low_freq_factor", low_freq_factor),
                ("rope_scaling.high_freq_factor - rope_scaling.low_freq_factor", high_freq_factor - low_freq_factor),
                ("rope_scaling.original_max_position_embeddings", original_context_length as f64),
            ])
        }
    }
    for (field, value) in positive {
        if !(value.is_finite() && value > 0.0) {
            return Err(wrong(field, format!("expected a positive number, found {value}")));
        }
    }
    if !(config.rms_norm_eps.is_finite() && config.rms_norm_eps >= 0.0) {
        return Err(wrong("rms_norm_eps", format!("expected 0 or more, found {}", config.rms_norm_eps)));
    }
    if !config.head_dim.is_multiple_of(2) {
        return Err(wrong("head_dim", format!("rotary embedding needs an even number, found {}", config.head_dim)));
    }
    Ok(config)
}
