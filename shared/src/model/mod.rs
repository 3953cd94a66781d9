//! The reference model: plain differentiable candle operations, one code for every device and for
//! the browser.
//!
//! Embeddings go in and hidden states come out, so that a prefix can be free vectors; the head is
//! applied only to the rows that are scored. Every operation is differentiable here, because
//! several of candle's fused ones are not and do not say so (see [`ops`]).
//!
//! One [`Decoder`] serves every architecture; what makes an architecture is its [`Config`] and the
//! names that checkpoints give its tensors (see [`arch`]).

pub mod arch;
pub mod decode;
mod decoder;
#[cfg(feature = "engine")]
pub mod engine;
pub mod load;
pub mod ops;
pub mod score;

pub use decoder::{Decoder, Layer, Past};

/// Shape of a decoder-only transformer, and the switches in which architectures differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key and value heads; divides the number of query heads.
    pub num_key_value_heads: usize,
    /// Width of one head; not always `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// Number of tokens.
    pub vocab_size: usize,
    /// Added to the mean square before the root.
    pub rms_norm_eps: f64,
    /// Rotary position embedding.
    pub rope: ops::RopeConfig,
    /// Longest sequence, in tokens.
    pub context_length: usize,
    /// Whether the head is the embedding matrix.
    pub tie_word_embeddings: bool,
    /// What the gate of a feed-forward layer goes through.
    pub activation: Activation,
    /// What a looked-up embedding is multiplied with before the first layer.
    pub embedding_scale: f64,
    /// What the product of query and key is multiplied with.
    pub query_scale: f64,
    /// Bound of the attention scores, `cap · tanh(score / cap)`; before the mask.
    pub attention_softcap: Option<f64>,
    /// Bound of the logits, likewise.
    pub final_softcap: Option<f64>,
    /// One entry a layer. With a window, a position sees itself and the `window − 1` before it;
    /// without, everything before it.
    pub sliding_windows: Vec<Option<usize>>,
}

/// The nonlinearity of a gated feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// The tanh approximation of GELU (Hendrycks and Gimpel).
    GeluTanh,
}
