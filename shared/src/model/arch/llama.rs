//! Llama: SmolLM2, TinyLlama, Llama 2 and 3.
//!
//! Papers: LLaMA (Touvron et al. 2023), GQA (Ainslie et al. 2023). Reference implementation:
//! `transformers/models/llama/modeling_llama.py`; fields carry the checkpoint's names.

use super::{Architecture, GgufTensor, Interleaved};
use crate::model::load::{GgufMetadata, HfConfig, LoadError, Weights};
use crate::model::ops::{self, Rope, RopeConfig, RopeScaling};
use crate::model::{Config, Model, Past};
use candle_core::{Result, Tensor};

pub const ARCHITECTURE: Architecture =
    Architecture { gguf_name: "llama", hf_model_type: "llama", config_from_gguf, config_from_hf, gguf_tensor, build };

struct Llama {
    config: Config,
    embed_tokens: Tensor,
    layers: Vec<DecoderLayer>,
    norm: Tensor,
    lm_head: Tensor,
    rope: Rope,
}

struct DecoderLayer {
    input_layernorm: Tensor,
    self_attn: Attention,
    post_attention_layernorm: Tensor,
    mlp: Mlp,
}

struct Attention {
    q_proj: Tensor,
    k_proj: Tensor,
    v_proj: Tensor,
    o_proj: Tensor,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    head_dim: usize,
}

struct Mlp {
    gate_proj: Tensor,
    up_proj: Tensor,
    down_proj: Tensor,
}

impl Model for Llama {
    fn config(&self) -> &Config {
        &self.config
    }

    fn embedding_matrix(&self) -> &Tensor {
        &self.embed_tokens
    }

    fn head_matrix(&self) -> &Tensor {
        &self.lm_head
    }

    fn forward(&self, embeds: &Tensor, past: Option<&Past>) -> Result<(Tensor, Past)> {
        let start = past.map_or(0, Past::len);
        let new = embeds.dim(1)?;
        let mask = ops::causal_mask(new, start, embeds.device())?;
        let mut x = embeds.clone();
        let mut present = Past { layers: Vec::with_capacity(self.layers.len()) };
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.residual(&x, self.config.rms_norm_eps, |normed| {
                let (q, k, v) = layer.self_attn.project(normed)?;
                let (q, k) = (self.rope.apply(&q, start)?, self.rope.apply(&k, start)?);
                let (k, v) = match past {
                    Some(past) => after_past(&past.layers[index], &k, &v)?,
                    None => (k, v.contiguous()?),
                };
                let out = layer.self_attn.attend(&q, &k, &v, Some(&mask))?;
                present.layers.push((k, v));
                Ok(out)
            })?;
        }
        Ok((ops::rms_norm(&x, &self.norm, self.config.rms_norm_eps)?, present))
    }

    fn forward_rows(&self, embeds: &Tensor, pasts: &mut [Past]) -> Result<Tensor> {
        let positions: Vec<u32> = pasts.iter().map(|past| past.len() as u32).collect();
        let mut x = embeds.unsqueeze(1)?; // (rows, 1, hidden)
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.residual(&x, self.config.rms_norm_eps, |normed| {
                let (q, k, v) = layer.self_attn.project(normed)?; // (rows, heads, 1, head_dim)
                let (q, k) = (self.rope.apply_rows(&q, &positions)?, self.rope.apply_rows(&k, &positions)?);
                let mut rows = Vec::with_capacity(pasts.len());
                for (row, past) in pasts.iter_mut().enumerate() {
                    let one = |x: &Tensor| x.narrow(0, row, 1);
                    past.layers[index] = after_past(&past.layers[index], &one(&k)?, &one(&v)?)?;
                    let (keys, values) = &past.layers[index];
                    rows.push(layer.self_attn.attend(&one(&q)?, keys, values, None)?);
                }
                Tensor::cat(&rows, 0)
            })?;
        }
        ops::rms_norm(&x.squeeze(1)?, &self.norm, self.config.rms_norm_eps)
    }
}

impl DecoderLayer {
    /// `x + o_proj(attention(norm(x)))`, then the same with the feed-forward layers.
    fn residual(&self, x: &Tensor, eps: f64, attention: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let attended = attention(&ops::rms_norm(x, &self.input_layernorm, eps)?)?;
        let x = (x + ops::linear(&attended, &self.self_attn.o_proj)?)?;
        &x + self.mlp.forward(&ops::rms_norm(&x, &self.post_attention_layernorm, eps)?)?
    }
}

impl Attention {
    /// `(batch, n, hidden)` → queries, keys and values, each `(batch, heads, n, head_dim)`.
    fn project(&self, x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        let (batch, n, _) = x.dims3()?;
        let heads = |weight: &Tensor, count: usize| {
            ops::linear(x, weight)?.reshape((batch, n, count, self.head_dim))?.transpose(1, 2)
        };
        Ok((
            heads(&self.q_proj, self.num_attention_heads)?,
            heads(&self.k_proj, self.num_key_value_heads)?,
            heads(&self.v_proj, self.num_key_value_heads)?,
        ))
    }

    /// Grouped-query attention. `q` is `(batch, num_attention_heads, n, head_dim)`, `k` and `v` are
    /// `(batch, num_key_value_heads, positions, head_dim)`; the result is
    /// `(batch, n, num_attention_heads · head_dim)`.
    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let (batch, heads, n, head_dim) = q.dims4()?;
        let groups = heads / self.num_key_value_heads;
        let positions = k.dim(2)?;
        // The queries that share a key head stand under each other, so that keys need no copies.
        let q = (q * (head_dim as f64).powf(-0.5))?.reshape((batch, self.num_key_value_heads, groups * n, head_dim))?;
        let mut scores = q.matmul(&k.transpose(2, 3)?)?;
        if let Some(mask) = mask {
            let split = (batch, self.num_key_value_heads, groups, n, positions);
            scores = scores.reshape(split)?.broadcast_add(mask)?.reshape((
                batch,
                self.num_key_value_heads,
                groups * n,
                positions,
            ))?;
        }
        let out = ops::softmax(&scores)?.matmul(v)?;
        out.reshape((batch, heads, n, head_dim))?.transpose(1, 2)?.reshape((batch, n, heads * head_dim))
    }
}

impl Mlp {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let gate = ops::linear(x, &self.gate_proj)?.silu()?;
        ops::linear(&(gate * ops::linear(x, &self.up_proj)?)?, &self.down_proj)
    }
}

/// Keys and values of the past, which is shared by the batch or has a row for each, then the new ones.
fn after_past(past: &(Tensor, Tensor), k: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)> {
    let batch = k.dim(0)?;
    let join = |old: &Tensor, new: &Tensor| {
        let (old_batch, heads, positions, head_dim) = old.dims4()?;
        let old = if old_batch == batch { old.clone() } else { old.broadcast_as((batch, heads, positions, head_dim))? };
        Tensor::cat(&[&old, new], 2)?.contiguous()
    };
    Ok((join(&past.0, k)?, join(&past.1, v)?))
}

fn build(config: Config, weights: &mut dyn Weights) -> std::result::Result<Box<dyn Model>, LoadError> {
    let hidden = config.hidden_size;
    let (heads, kv_heads) =
        (config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim);
    let embed_tokens = weights.take("model.embed_tokens.weight", &[config.vocab_size, hidden])?;
    let mut layers = Vec::with_capacity(config.num_hidden_layers);
    for index in 0..config.num_hidden_layers {
        let mut take =
            |name: &str, shape: &[usize]| weights.take(&format!("model.layers.{index}.{name}.weight"), shape);
        layers.push(DecoderLayer {
            input_layernorm: take("input_layernorm", &[hidden])?,
            self_attn: Attention {
                q_proj: take("self_attn.q_proj", &[heads, hidden])?,
                k_proj: take("self_attn.k_proj", &[kv_heads, hidden])?,
                v_proj: take("self_attn.v_proj", &[kv_heads, hidden])?,
                o_proj: take("self_attn.o_proj", &[hidden, heads])?,
                num_attention_heads: config.num_attention_heads,
                num_key_value_heads: config.num_key_value_heads,
                head_dim: config.head_dim,
            },
            post_attention_layernorm: take("post_attention_layernorm", &[hidden])?,
            mlp: Mlp {
                gate_proj: take("mlp.gate_proj", &[config.intermediate_size, hidden])?,
                up_proj: take("mlp.up_proj", &[config.intermediate_size, hidden])?,
                down_proj: take("mlp.down_proj", &[hidden, config.intermediate_size])?,
            },
        });
    }
    let norm = weights.take("model.norm.weight", &[hidden])?;
    let lm_head = if config.tie_word_embeddings {
        embed_tokens.clone()
    } else {
        weights.take("lm_head.weight", &[config.vocab_size, hidden])?
    };
    let rope = Rope::new(&config.rope, config.head_dim, config.context_length, embed_tokens.device())?;
    Ok(Box::new(Llama { config, embed_tokens, layers, norm, lm_head, rope }))
}

fn config_from_hf(config: &HfConfig) -> std::result::Result<Config, LoadError> {
    let hidden_act = config.text_or("hidden_act", "silu")?;
    if hidden_act != "silu" {
        return Err(LoadError::Unsupported(format!("hidden_act = {hidden_act}")));
    }
    let num_attention_heads = config.usize("num_attention_heads")?;
    let hidden_size = config.usize("hidden_size")?;
    Ok(Config {
        hidden_size,
        intermediate_size: config.usize("intermediate_size")?,
        num_hidden_layers: config.usize("num_hidden_layers")?,
        num_attention_heads,
        num_key_value_heads: config.usize_or("num_key_value_heads", num_attention_heads)?,
        head_dim: config.usize_or("head_dim", hidden_size / num_attention_heads.max(1))?,
        vocab_size: config.usize("vocab_size")?,
        rms_norm_eps: config.f64_or("rms_norm_eps", 1e-6)?,
        rope: RopeConfig { theta: config.rope_theta(10_000.0)?, scaling: config.rope_scaling()? },
        context_length: config.usize_or("max_position_embeddings", 2048)?,
        tie_word_embeddings: config.bool_or("tie_word_embeddings", false)?,
    })
}

fn config_from_gguf(metadata: &GgufMetadata) -> std::result::Result<Config, LoadError> {
    let hidden_size = metadata.usize("llama.embedding_length")?;
    let num_attention_heads = metadata.usize("llama.attention.head_count")?;
    let scaling = match metadata.text("llama.rope.scaling.type") {
        None | Some("none") => RopeScaling::None,
        Some("linear") => RopeScaling::Linear { factor: metadata.f64("llama.rope.scaling.factor")? },
        Some(other) => return Err(LoadError::Unsupported(format!("llama.rope.scaling.type = {other}"))),
    };
    if metadata.has_tensor("rope_freqs.weight") {
        return Err(LoadError::Unsupported("rope_freqs.weight (Llama 3 scaling inside a GGUF file)".to_owned()));
    }
    let head_dim = metadata.usize_or("llama.attention.key_length", hidden_size / num_attention_heads.max(1))?;
    let rotated = metadata.usize_or("llama.rope.dimension_count", head_dim)?;
    if rotated != head_dim {
        let partial = format!("llama.rope.dimension_count = {rotated} in heads of {head_dim}");
        return Err(LoadError::Unsupported(partial));
    }
    Ok(Config {
        hidden_size,
        intermediate_size: metadata.usize("llama.feed_forward_length")?,
        num_hidden_layers: metadata.usize("llama.block_count")?,
        num_attention_heads,
        num_key_value_heads: metadata.usize_or("llama.attention.head_count_kv", num_attention_heads)?,
        head_dim,
        vocab_size: metadata.rows("token_embd.weight")?,
        rms_norm_eps: metadata.f64("llama.attention.layer_norm_rms_epsilon")?,
        rope: RopeConfig { theta: metadata.f64_or("llama.rope.freq_base", 10_000.0)?, scaling },
        context_length: metadata.usize("llama.context_length")?,
        tie_word_embeddings: !metadata.has_tensor("output.weight"),
    })
}

fn gguf_tensor(hf_name: &str) -> Option<GgufTensor> {
    let plain = |name: &str| Some(GgufTensor { name: name.to_owned(), interleaved: Interleaved::No });
    match hf_name {
        "model.embed_tokens.weight" => return plain("token_embd.weight"),
        "model.norm.weight" => return plain("output_norm.weight"),
        "lm_head.weight" => return plain("output.weight"),
        _ => {}
    }
    let (layer, name) = hf_name.strip_prefix("model.layers.")?.split_once('.')?;
    let (name, interleaved) = match name.strip_suffix(".weight")? {
        "input_layernorm" => ("attn_norm", Interleaved::No),
        "self_attn.q_proj" => ("attn_q", Interleaved::QueryHeads),
        "self_attn.k_proj" => ("attn_k", Interleaved::KeyHeads),
        "self_attn.v_proj" => ("attn_v", Interleaved::No),
        "self_attn.o_proj" => ("attn_output", Interleaved::No),
        "post_attention_layernorm" => ("ffn_norm", Interleaved::No),
        "mlp.gate_proj" => ("ffn_gate", Interleaved::No),
        "mlp.up_proj" => ("ffn_up", Interleaved::No),
        "mlp.down_proj" => ("ffn_down", Interleaved::No),
        _ => return None,
    };
    Some(GgufTensor { name: format!("blk.{layer}.{name}.weight"), interleaved })
}
