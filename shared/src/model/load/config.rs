//! Whether a shape can be that of a network.

use super::LoadError;
use crate::model::Config;
use crate::model::arch::MAX_LAYERS;
use crate::model::ops::RopeScaling;

/// Refuses shapes that no network has, before anything is multiplied or allocated by them.
pub fn checked_config(config: Config) -> Result<Config, LoadError> {
    let bounds = [
        ("hidden_size", config.hidden_size, 1 << 16),
        ("intermediate_size", config.intermediate_size, 1 << 20),
        ("num_hidden_layers", config.num_hidden_layers, MAX_LAYERS),
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
    let mut positive = vec![
        ("rope_theta", config.rope.theta),
        ("embedding_scale", config.embedding_scale),
        ("query_scale", config.query_scale),
    ];
    positive.extend(config.attention_softcap.map(|cap| ("attn_logit_softcapping", cap)));
    positive.extend(config.final_softcap.map(|cap| ("final_logit_softcapping", cap)));
    match &config.rope.scaling {
        RopeScaling::None => {}
        RopeScaling::Linear { factor } => positive.push(("rope_scaling.factor", *factor)),
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context_length } => {
            positive.extend([
                ("rope_scaling.factor", *factor),
                ("rope_scaling.low_freq_factor", *low_freq_factor),
                ("rope_scaling.high_freq_factor - rope_scaling.low_freq_factor", high_freq_factor - low_freq_factor),
                ("rope_scaling.original_max_position_embeddings", *original_context_length as f64),
            ])
        }
        RopeScaling::Divisors(divisors) => {
            if divisors.len() * 2 != config.head_dim {
                return Err(LoadError::WrongShape {
                    name: "rope_freqs.weight".to_owned(),
                    expected: vec![config.head_dim / 2],
                    found: vec![divisors.len()],
                });
            }
            positive.extend(divisors.iter().map(|&divisor| ("rope_freqs.weight", f64::from(divisor))));
        }
    }
    for (field, value) in positive {
        if !(value.is_finite() && value > 0.0) {
            return Err(wrong(field, format!("expected a positive number, found {value}")));
        }
    }
    if config.sliding_windows.contains(&Some(0)) {
        return Err(wrong("sliding_window", "expected 1 or more, found 0".to_owned()));
    }
    if config.sliding_windows.len() != config.num_hidden_layers {
        let reason = format!("{} for {} layers", config.sliding_windows.len(), config.num_hidden_layers);
        return Err(wrong("layer_types", reason));
    }
    if !(config.rms_norm_eps.is_finite() && config.rms_norm_eps >= 0.0) {
        return Err(wrong("rms_norm_eps", format!("expected 0 or more, found {}", config.rms_norm_eps)));
    }
    if !config.head_dim.is_multiple_of(2) {
        return Err(wrong("head_dim", format!("rotary embedding needs an even number, found {}", config.head_dim)));
    }
    Ok(config)
}
