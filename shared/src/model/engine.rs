//! A checkpoint's weights in the CPU engine: how the worker on a CPU computes, and the verifier in a browser.

use super::{Activation, Config, Decoder, Layer};
use candle_core::{D, Result, Tensor};
use engine::{Engine, EngineError, LayerWeights, Shape, Weights};

/// Why a model does not fit into the engine.
#[derive(Debug, thiserror::Error)]
pub enum IntoEngineError {
    /// candle refused.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Moves the weights over, layer by layer, so that at most one layer exists twice.
pub fn into_engine(model: Decoder) -> std::result::Result<Engine, IntoEngineError> {
    let Decoder { config, embed_tokens, layers, norm, lm_head, .. } = model;
    let layers = layers.into_iter().map(layer).collect::<Result<_>>()?;
    let lm_head = if config.tie_word_embeddings { None } else { Some(values(&lm_head)?) };
    let (norm, embed_tokens) = (values(&norm)?, values(&embed_tokens)?);
    Ok(Engine::new(shape(&config), Weights { embed_tokens, layers, norm, lm_head })?)
}

/// A tensor's values, row-major.
pub fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}

/// One layer, with the matrices that share an input under each other.
fn layer(layer: Layer) -> Result<LayerWeights> {
    let optional = |norm: &Option<Tensor>| norm.as_ref().map(values).transpose();
    Ok(LayerWeights {
        attention_norm: values(&layer.attention_norm)?,
        qkv_proj: values(&Tensor::cat(&[&layer.q_proj, &layer.k_proj, &layer.v_proj], D::Minus2)?)?,
        o_proj: values(&layer.o_proj)?,
        attention_out_norm: optional(&layer.attention_out_norm)?,
        feed_forward_norm: values(&layer.feed_forward_norm)?,
        gate_up_proj: values(&Tensor::cat(&[&layer.gate_proj, &layer.up_proj], D::Minus2)?)?,
        down_proj: values(&layer.down_proj)?,
        feed_forward_out_norm: optional(&layer.feed_forward_out_norm)?,
    })
}

fn shape(config: &Config) -> Shape {
    Shape {
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        num_attention_heads: config.num_attention_heads,
        num_key_value_heads: config.num_key_value_heads,
        head_dim: config.head_dim,
        vocab_size: config.vocab_size,
        context_length: config.context_length,
        rms_norm_eps: config.rms_norm_eps as f32,
        activation: match config.activation {
            Activation::Silu => engine::Activation::Silu,
            Activation::GeluTanh => engine::Activation::GeluTanh,
        },
        embedding_scale: config.embedding_scale as f32,
        query_scale: config.query_scale as f32,
        attention_softcap: config.attention_softcap.map(|cap| cap as f32),
        final_softcap: config.final_softcap.map(|cap| cap as f32),
        sliding_windows: config.sliding_windows.clone(),
        rope_frequencies: config.rope.frequencies(config.head_dim),
    }
}
