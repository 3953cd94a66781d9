//! The supported architectures: one file each, one line here.
//!
//! The [`Decoder`](super::Decoder) computes; an architecture says how its checkpoints are read: which
//! fields hold its [`Config`], what its tensors are called, and what their numbers mean.

mod gemma2;
mod llama;

use super::load::{GgufMetadata, HfConfig, LoadError};
use super::ops::{RopeConfig, RopeScaling};
use super::{Activation, Config};

/// All of them.
pub const ARCHITECTURES: &[Architecture] = &[gemma2::ARCHITECTURE, llama::ARCHITECTURE];

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
    /// What Hugging Face adds to the stored weight of a norm before it multiplies. GGUF files hold
    /// the sum.
    pub hf_norm_offset: f64,
    /// The tensors of a layer; those in front of and behind the layers have the same names
    /// everywhere.
    pub layer_tensors: &'static [LayerTensor],
}

/// One tensor of a layer.
pub struct LayerTensor {
    /// What the decoder uses it for.
    pub slot: Slot,
    /// Between `model.layers.N.` and `.weight`.
    pub hf: &'static str,
    /// Between `blk.N.` and `.weight`.
    pub gguf: &'static str,
    /// How GGUF files order its rows.
    pub gguf_rows: GgufRows,
}

/// The places that a layer has for tensors; the names are those of [`Layer`](super::Layer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Slot {
    AttentionNorm,
    QProj,
    KProj,
    VProj,
    OProj,
    AttentionOutNorm,
    FeedForwardNorm,
    GateProj,
    UpProj,
    DownProj,
    FeedForwardOutNorm,
}

impl Slot {
    /// Shape of a tensor there.
    pub fn shape(self, config: &Config) -> Vec<usize> {
        let hidden = config.hidden_size;
        let heads = config.num_attention_heads * config.head_dim;
        let kv_heads = config.num_key_value_heads * config.head_dim;
        match self {
            Slot::AttentionNorm | Slot::AttentionOutNorm | Slot::FeedForwardNorm | Slot::FeedForwardOutNorm => {
                vec![hidden]
            }
            Slot::QProj => vec![heads, hidden],
            Slot::KProj | Slot::VProj => vec![kv_heads, hidden],
            Slot::OProj => vec![hidden, heads],
            Slot::GateProj | Slot::UpProj => vec![config.intermediate_size, hidden],
            Slot::DownProj => vec![hidden, config.intermediate_size],
        }
    }
}

/// In which order a GGUF file has the rows of a projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GgufRows {
    /// As in Hugging Face: each head's dimensions that rotate together are half a head apart.
    Plain,
    /// Dimensions that rotate together are neighbours, in every query head: llama.cpp's converter
    /// reorders some architectures for its own rotary embedding.
    PairedQueryHeads,
    /// The same in every key head.
    PairedKeyHeads,
}

const fn tensor(slot: Slot, hf: &'static str, gguf: &'static str) -> LayerTensor {
    LayerTensor { slot, hf, gguf, gguf_rows: GgufRows::Plain }
}

const fn paired(slot: Slot, hf: &'static str, gguf: &'static str, gguf_rows: GgufRows) -> LayerTensor {
    LayerTensor { slot, hf, gguf, gguf_rows }
}

/// The supported names, for error messages.
pub fn names() -> String {
    ARCHITECTURES.iter().map(|architecture| architecture.hf_model_type).collect::<Vec<_>>().join(", ")
}

/// More layers than any network has; a list as long as a file claims is not made.
pub(super) const MAX_LAYERS: usize = 1 << 10;

/// What `config.json` says in the fields that architectures share, each with llama's meaning and
/// default.
fn common_from_hf(config: &HfConfig) -> Result<Config, LoadError> {
    let num_attention_heads = config.usize("num_attention_heads")?;
    let hidden_size = config.usize("hidden_size")?;
    let num_hidden_layers = config.usize("num_hidden_layers")?;
    let head_dim = config.usize_or("head_dim", hidden_size / num_attention_heads.max(1))?;
    Ok(Config {
        hidden_size,
        intermediate_size: config.usize("intermediate_size")?,
        num_hidden_layers,
        num_attention_heads,
        num_key_value_heads: config.usize_or("num_key_value_heads", num_attention_heads)?,
        head_dim,
        vocab_size: config.usize("vocab_size")?,
        rms_norm_eps: config.f64_or("rms_norm_eps", 1e-6)?,
        rope: RopeConfig { theta: config.rope_theta(10_000.0)?, scaling: config.rope_scaling()? },
        context_length: config.usize_or("max_position_embeddings", 2048)?,
        tie_word_embeddings: config.bool_or("tie_word_embeddings", false)?,
        activation: Activation::Silu,
        embedding_scale: 1.0,
        query_scale: (head_dim as f64).powf(-0.5),
        attention_softcap: None,
        final_softcap: None,
        sliding_windows: vec![None; num_hidden_layers.min(MAX_LAYERS)],
    })
}

/// What GGUF metadata says in the fields that architectures share, under the prefix `name`.
fn common_from_gguf(metadata: &GgufMetadata, name: &str) -> Result<Config, LoadError> {
    let key = |field: &str| format!("{name}.{field}");
    let hidden_size = metadata.usize(&key("embedding_length"))?;
    let num_attention_heads = metadata.usize(&key("attention.head_count"))?;
    let num_hidden_layers = metadata.usize(&key("block_count"))?;
    let scaling = match metadata.text(&key("rope.scaling.type")) {
        None | Some("none") => RopeScaling::None,
        Some("linear") => RopeScaling::Linear { factor: metadata.f64(&key("rope.scaling.factor"))? },
        Some(other) => return Err(LoadError::Unsupported(format!("{name}.rope.scaling.type = {other}"))),
    };
    let head_dim = metadata.usize_or(&key("attention.key_length"), hidden_size / num_attention_heads.max(1))?;
    let rotated = metadata.usize_or(&key("rope.dimension_count"), head_dim)?;
    if rotated != head_dim {
        return Err(LoadError::Unsupported(format!("{name}.rope.dimension_count = {rotated} in heads of {head_dim}")));
    }
    Ok(Config {
        hidden_size,
        intermediate_size: metadata.usize(&key("feed_forward_length"))?,
        num_hidden_layers,
        num_attention_heads,
        num_key_value_heads: metadata.usize_or(&key("attention.head_count_kv"), num_attention_heads)?,
        head_dim,
        vocab_size: metadata.rows("token_embd.weight")?,
        rms_norm_eps: metadata.f64(&key("attention.layer_norm_rms_epsilon"))?,
        rope: RopeConfig { theta: metadata.f64_or(&key("rope.freq_base"), 10_000.0)?, scaling },
        context_length: metadata.usize(&key("context_length"))?,
        tie_word_embeddings: !metadata.has_tensor("output.weight"),
        activation: Activation::Silu,
        embedding_scale: 1.0,
        query_scale: (head_dim as f64).powf(-0.5),
        attention_softcap: None,
        final_softcap: None,
        sliding_windows: vec![None; num_hidden_layers.min(MAX_LAYERS)],
    })
}
