//! What a decoder-only transformer looks like, in numbers.

/// Shape of the network and its constants.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key and value heads; divides the number of query heads.
    pub num_key_value_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Number of tokens.
    pub vocab_size: usize,
    /// Longest sequence, in tokens.
    pub context_length: usize,
    /// Added to the mean square before the root.
    pub rms_norm_eps: f32,
    /// Non-linearity of the feed-forward gate.
    pub activation: Activation,
    /// What a looked-up embedding is multiplied with.
    pub embedding_scale: f32,
    /// What a query–key product is multiplied with.
    pub query_scale: f32,
    /// `cap · tanh(score / cap)` before the softmax of the attention (Gemma 2).
    pub attention_softcap: Option<f32>,
    /// The same for the logits.
    pub final_softcap: Option<f32>,
    /// One a layer: how many positions a query sees, its own included; `None` is all of them.
    pub sliding_windows: Vec<Option<usize>>,
    /// Rotary frequencies, `head_dim / 2` of them.
    pub rope_frequencies: Vec<f32>,
}

/// Non-linearity of the feed-forward gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// The tanh approximation of GELU (Hendrycks and Gimpel 2016).
    GeluTanh,
}

impl Shape {
    /// Number of layers.
    pub fn num_hidden_layers(&self) -> usize {
        self.sliding_windows.len()
    }

    /// Width of all queries of one position.
    pub fn query_width(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// Width of all keys (or values) of one position.
    pub fn key_width(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// Width of queries, keys and values of one position, side by side.
    pub(crate) fn qkv_width(&self) -> usize {
        self.query_width() + 2 * self.key_width()
    }

    /// Floating-point operations of the linear layers for one position, the head left out: two for
    /// each weight.
    pub fn layer_flops_per_position(&self) -> u64 {
        let attention = self.qkv_width() + self.query_width();
        let weights = self.hidden_size * (attention + 3 * self.intermediate_size);
        2 * (self.num_hidden_layers() * weights) as u64
    }

    /// Floating-point operations of the head for one scored position.
    pub fn head_flops_per_position(&self) -> u64 {
        2 * (self.hidden_size * self.vocab_size) as u64
    }
}

/// One layer's weights, row-major, a matrix as `(out, in)`.
#[derive(Clone, Debug)]
pub struct LayerWeights {
    /// Norm before the attention, `(hidden)`.
    pub attention_norm: Vec<f32>,
    /// Queries, keys and values under each other, `(query + 2 · key, hidden)`.
    pub qkv_proj: Vec<f32>,
    /// `(hidden, query)`.
    pub o_proj: Vec<f32>,
    /// Norm after the attention, before the residual sum (Gemma 2).
    pub attention_out_norm: Option<Vec<f32>>,
    /// Norm before the feed-forward layers.
    pub feed_forward_norm: Vec<f32>,
    /// Gate and up under each other, `(2 · intermediate, hidden)`.
    pub gate_up_proj: Vec<f32>,
    /// `(hidden, intermediate)`.
    pub down_proj: Vec<f32>,
    /// Norm after the feed-forward layers, before the residual sum (Gemma 2).
    pub feed_forward_out_norm: Option<Vec<f32>>,
}

/// All weights, row-major.
#[derive(Clone, Debug)]
pub struct Weights {
    /// `(vocab, hidden)`.
    pub embed_tokens: Vec<f32>,
    /// In order.
    pub layers: Vec<LayerWeights>,
    /// Norm before the head.
    pub norm: Vec<f32>,
    /// `(vocab, hidden)`; `None` where the head is the embedding matrix.
    pub lm_head: Option<Vec<f32>>,
}

impl Weights {
    /// The matrix that turns hidden states into logits.
    pub fn head(&self) -> &[f32] {
        self.lm_head.as_deref().unwrap_or(&self.embed_tokens)
    }

    /// The first tensor whose length is not what the shape says: name, expected and found length.
    pub(crate) fn wrong_length(&self, shape: &Shape) -> Option<(String, usize, usize)> {
        let (hidden, vocab) = (shape.hidden_size, shape.vocab_size);
        let mut lengths = vec![
            ("embed_tokens".to_owned(), vocab * hidden, self.embed_tokens.len()),
            ("norm".to_owned(), hidden, self.norm.len()),
        ];
        lengths.extend(self.lm_head.as_ref().map(|head| ("lm_head".to_owned(), vocab * hidden, head.len())));
        for (index, layer) in self.layers.iter().enumerate() {
            let mut push = |name: &str, expected: usize, tensor: &[f32]| {
                lengths.push((format!("layers.{index}.{name}"), expected, tensor.len()));
            };
            push("attention_norm", hidden, &layer.attention_norm);
            push("qkv_proj", shape.qkv_width() * hidden, &layer.qkv_proj);
            push("o_proj", hidden * shape.query_width(), &layer.o_proj);
            push("feed_forward_norm", hidden, &layer.feed_forward_norm);
            push("gate_up_proj", 2 * shape.intermediate_size * hidden, &layer.gate_up_proj);
            push("down_proj", hidden * shape.intermediate_size, &layer.down_proj);
            for (name, norm) in [
                ("attention_out_norm", &layer.attention_out_norm),
                ("feed_forward_out_norm", &layer.feed_forward_out_norm),
            ] {
                if let Some(norm) = norm {
                    push(name, hidden, norm);
                }
            }
        }
        lengths.into_iter().find(|(_, expected, found)| expected != found)
    }
}
