//! The reference model: plain differentiable candle operations, one code for every device and for
//! the browser.
//!
//! Embeddings go in and hidden states come out, so that a prefix can be free vectors; the head is
//! applied only to the rows that are scored. Every operation is differentiable here, because
//! several of candle's fused ones are not and do not say so (see [`ops`]).

pub mod arch;
pub mod decode;
pub mod load;
pub mod ops;
pub mod score;

use candle_core::{Device, Result, Tensor};

/// Shape of a decoder-only transformer.
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
}

/// A decoder-only transformer with frozen weights.
pub trait Model: Send + Sync {
    /// Its shape.
    fn config(&self) -> &Config;

    /// The input embeddings, `(vocab_size, hidden_size)`.
    fn embedding_matrix(&self) -> &Tensor;

    /// The matrix that turns hidden states into logits, `(vocab_size, hidden_size)`.
    fn head_matrix(&self) -> &Tensor;

    /// Runs a batch of equally long sequences, each after the same `past`.
    ///
    /// `embeds` is `(batch, n, hidden_size)`; the result is the normalised final hidden states of the
    /// same shape, and keys and values of past and new positions. Differentiable with respect to
    /// `embeds`. Sequences of different lengths are padded on the right: attention is causal, so
    /// padding changes nothing before it.
    fn forward(&self, embeds: &Tensor, past: Option<&Past>) -> Result<(Tensor, Past)>;

    /// Runs one new token for each of several sequences with pasts of their own, and extends these.
    ///
    /// `embeds` is `(rows, hidden_size)`; the result is the normalised final hidden states. The
    /// linear layers see all rows at once, which is what makes decoding many suffixes cheap.
    fn forward_rows(&self, embeds: &Tensor, pasts: &mut [Past]) -> Result<Tensor>;

    /// Where the weights are.
    fn device(&self) -> &Device {
        self.embedding_matrix().device()
    }

    /// Looks ids up: `(ids, hidden_size)`, before any embedding scale.
    fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        let ids = Tensor::new(ids, self.device())?;
        self.embedding_matrix().index_select(&ids, 0)
    }

    /// Turns hidden states `(rows, hidden_size)` into logits `(rows, vocab_size)`.
    fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        ops::linear(hidden, self.head_matrix())
    }
}

/// Keys and values of positions that were run already.
#[derive(Clone, Debug)]
pub struct Past {
    /// One pair a layer, each `(batch, num_key_value_heads, positions, head_dim)`.
    pub layers: Vec<(Tensor, Tensor)>,
}

impl Past {
    /// Positions that it covers.
    pub fn len(&self) -> usize {
        self.layers.first().and_then(|(keys, _)| keys.dim(2).ok()).unwrap_or(0)
    }

    /// Whether it covers no position.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The past of one sequence of the batch, without anything after its first `positions`.
    pub fn row(&self, row: usize, positions: usize) -> Result<Past> {
        let cut = |tensor: &Tensor| tensor.narrow(0, row, 1)?.narrow(2, 0, positions)?.contiguous();
        let layers = self.layers.iter().map(|(keys, values)| Ok((cut(keys)?, cut(values)?)));
        Ok(Past { layers: layers.collect::<Result<_>>()? })
    }
}
