//! Llama: SmolLM2, TinyLlama, Llama 2 and 3.
//!
//! Papers: LLaMA (Touvron et al. 2023), GQA (Ainslie et al. 2023). Reference implementation:
//! `transformers/models/llama/modeling_llama.py`; GGUF conventions: `LlamaModel` in llama.cpp's
//! `convert_hf_to_gguf.py`.

use super::{Architecture, GgufRows, Slot, common_from_gguf, common_from_hf, paired, tensor};
use crate::model::Config;
use crate::model::load::{GgufMetadata, HfConfig, LoadError};

pub const ARCHITECTURE: Architecture = Architecture {
    gguf_name: "llama",
    hf_model_type: "llama",
    config_from_gguf,
    config_from_hf,
    hf_norm_offset: 0.0,
    layer_tensors: &[
        tensor(Slot::AttentionNorm, "input_layernorm", "attn_norm"),
        paired(Slot::QProj, "self_attn.q_proj", "attn_q", GgufRows::PairedQueryHeads),
        paired(Slot::KProj, "self_attn.k_proj", "attn_k", GgufRows::PairedKeyHeads),
        tensor(Slot::VProj, "self_attn.v_proj", "attn_v"),
        tensor(Slot::OProj, "self_attn.o_proj", "attn_output"),
        tensor(Slot::FeedForwardNorm, "post_attention_layernorm", "ffn_norm"),
        tensor(Slot::GateProj, "mlp.gate_proj", "ffn_gate"),
        tensor(Slot::UpProj, "mlp.up_proj", "ffn_up"),
        tensor(Slot::DownProj, "mlp.down_proj", "ffn_down"),
    ],
};

fn config_from_hf(config: &HfConfig) -> Result<Config, LoadError> {
    for bias in ["attention_bias", "mlp_bias"] {
        if config.bool_or(bias, false)? {
            return Err(LoadError::Unsupported(bias.to_owned()));
        }
    }
    match config.text_or("hidden_act", "silu")? {
        "silu" => common_from_hf(config),
        other => Err(LoadError::Unsupported(format!("hidden_act = {other}"))),
    }
}

fn config_from_gguf(metadata: &GgufMetadata) -> Result<Config, LoadError> {
    common_from_gguf(metadata, "llama")
}
