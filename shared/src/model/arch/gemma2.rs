//! Gemma 2.
//!
//! Paper: Gemma 2 (Gemma Team 2024). Reference implementation:
//! `transformers/models/gemma2/modeling_gemma2.py`; GGUF conventions: `Gemma2Model` in llama.cpp's
//! `convert_hf_to_gguf.py` and its `gemma2` graph.
//!
//! What sets it apart from llama: every other layer sees a window only, attention scores and logits
//! are soft-capped, each half of a layer has a norm behind it too, embeddings are scaled by
//! `√hidden_size`, and queries by a number of their own. Checkpoints store `w` where a norm
//! multiplies with `1 + w`.

use super::{Architecture, LayerTensor, MAX_LAYERS, Slot, common_from_gguf, common_from_hf, tensor};
use crate::model::load::{GgufMetadata, HfConfig, LoadError};
use crate::model::{Activation, Config};

pub const ARCHITECTURE: Architecture = Architecture {
    gguf_name: "gemma2",
    hf_model_type: "gemma2",
    config_from_gguf,
    config_from_hf,
    hf_norm_offset: 1.0,
    layer_tensors: LAYER_TENSORS,
};

const LAYER_TENSORS: &[LayerTensor] = &[
    tensor(Slot::AttentionNorm, "input_layernorm", "attn_norm"),
    tensor(Slot::QProj, "self_attn.q_proj", "attn_q"),
    tensor(Slot::KProj, "self_attn.k_proj", "attn_k"),
    tensor(Slot::VProj, "self_attn.v_proj", "attn_v"),
    tensor(Slot::OProj, "self_attn.o_proj", "attn_output"),
    tensor(Slot::AttentionOutNorm, "post_attention_layernorm", "post_attention_norm"),
    tensor(Slot::FeedForwardNorm, "pre_feedforward_layernorm", "ffn_norm"),
    tensor(Slot::GateProj, "mlp.gate_proj", "ffn_gate"),
    tensor(Slot::UpProj, "mlp.up_proj", "ffn_up"),
    tensor(Slot::DownProj, "mlp.down_proj", "ffn_down"),
    tensor(Slot::FeedForwardOutNorm, "post_feedforward_layernorm", "post_ffw_norm"),
];

const HEAD_DIM: usize = 256;
const CONTEXT_LENGTH: usize = 8192;
const SLIDING_WINDOW: usize = 4096;
const ATTENTION_SOFTCAP: f64 = 50.0;
const FINAL_SOFTCAP: f64 = 30.0;

fn config_from_hf(config: &HfConfig) -> Result<Config, LoadError> {
    if config.bool_or("attention_bias", false)? {
        return Err(LoadError::Unsupported("attention_bias".to_owned()));
    }
    let activation = config.text_or("hidden_activation", "gelu_pytorch_tanh")?;
    if activation != "gelu_pytorch_tanh" {
        return Err(LoadError::Unsupported(format!("hidden_activation = {activation}")));
    }
    let common = common_from_hf(config)?;
    let window = config.usize_or("sliding_window", SLIDING_WINDOW)?;
    let sliding_windows = match config.texts("layer_types")? {
        None => alternating(common.num_hidden_layers, window),
        Some(types) => types.into_iter().map(|kind| windowed(kind, window)).collect::<Result<_, _>>()?,
    };
    Ok(Config {
        head_dim: config.usize_or("head_dim", HEAD_DIM)?,
        context_length: config.usize_or("max_position_embeddings", CONTEXT_LENGTH)?,
        tie_word_embeddings: config.bool_or("tie_word_embeddings", true)?,
        query_scale: config.f64_or("query_pre_attn_scalar", 256.0)?.powf(-0.5),
        attention_softcap: config.f64_unless_null("attn_logit_softcapping", ATTENTION_SOFTCAP)?,
        final_softcap: config.f64_unless_null("final_logit_softcapping", FINAL_SOFTCAP)?,
        sliding_windows,
        ..with_gemma_scales(common)
    })
}

/// GGUF files have no field for `query_pre_attn_scalar`. llama.cpp knows the models by their number
/// of layers: those of 2B and 9B scale by `head_dim`, 27B by `hidden_size / num_attention_heads`.
fn config_from_gguf(metadata: &GgufMetadata) -> Result<Config, LoadError> {
    const LAYERS_OF_27B: usize = 46;
    let common = common_from_gguf(metadata, "gemma2")?;
    let query_scale = match common.num_hidden_layers {
        LAYERS_OF_27B => (common.hidden_size as f64 / common.num_attention_heads as f64).powf(-0.5),
        _ => common.query_scale,
    };
    let window = metadata.usize_or("gemma2.attention.sliding_window", SLIDING_WINDOW)?;
    Ok(Config {
        query_scale,
        attention_softcap: Some(metadata.f64_or("gemma2.attn_logit_softcapping", ATTENTION_SOFTCAP)?),
        final_softcap: Some(metadata.f64_or("gemma2.final_logit_softcapping", FINAL_SOFTCAP)?),
        sliding_windows: alternating(common.num_hidden_layers, window),
        ..with_gemma_scales(common)
    })
}

fn with_gemma_scales(common: Config) -> Config {
    // The reference takes the root in f64 and rounds it to the type of the activations, here f32.
    let embedding_scale = f64::from((common.hidden_size as f64).sqrt() as f32);
    Config { activation: Activation::GeluTanh, embedding_scale, ..common }
}

/// Local and global layers in turn; the first is local.
fn alternating(layers: usize, window: usize) -> Vec<Option<usize>> {
    (0..layers.min(MAX_LAYERS)).map(|layer| (layer % 2 == 0).then_some(window)).collect()
}

fn windowed(layer_type: &str, window: usize) -> Result<Option<usize>, LoadError> {
    match layer_type {
        "sliding_attention" => Ok(Some(window)),
        "full_attention" => Ok(None),
        other => Err(LoadError::Unsupported(format!("a layer of type {other}"))),
    }
}
