//! The supported architectures: one file each, one line here.

mod llama;

use super::load::{GgufMetadata, HfConfig, LoadError, Weights};
use super::{Config, Model};

/// How checkpoints of one architecture are read.
pub struct Architecture {
    /// `general.architecture` of GGUF files.
    pub gguf_name: &'static str,
    /// `model_type` of Hugging Face configurations.
    pub hf_model_type: &'static str,
    /// Shape, from GGUF metadata.
    pub config_from_gguf: fn(&GgufMetadata) -> Result<Config, LoadError>,
    /// Shape, from `config.json`.
    pub config_from_hf: fn(&HfConfig) -> Result<Config, LoadError>,
    /// Where GGUF keeps the tensor that Hugging Face calls by this name.
    pub gguf_tensor: fn(&str) -> Option<GgufTensor>,
    /// Builds the model; tensors are asked for by their Hugging Face names.
    pub build: Build,
}

/// Builds a model of one architecture from its shape and its tensors.
pub type Build = fn(Config, &mut dyn Weights) -> Result<Box<dyn Model>, LoadError>;

/// A tensor's name in GGUF, and how its rows are stored there.
pub struct GgufTensor {
    /// The name.
    pub name: String,
    /// The rows of each head are interleaved (pairs next to each other) instead of split in halves.
    pub interleaved: Interleaved,
}

/// Whether llama.cpp reordered a projection's rows for its own rotary embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interleaved {
    /// As in Hugging Face.
    No,
    /// Pairs next to each other, for every query head.
    QueryHeads,
    /// The same for every key head.
    KeyHeads,
}

/// All of them.
pub const ARCHITECTURES: &[Architecture] = &[llama::ARCHITECTURE];

/// The supported names, for error messages.
pub fn names() -> String {
    ARCHITECTURES.iter().map(|architecture| architecture.hf_model_type).collect::<Vec<_>>().join(", ")
}
