//! Dequantised weights against those of the gguf package, in the decoder's own layout.

use crate::goldens::{Golden, max_difference};
use candle_core::Tensor;
use shared::model::{Decoder, Layer};

/// Relative to the largest sampled value; only the last bits may differ.
const TOLERANCE: f32 = 1e-6;

/// Compares evenly spread values of every tensor; says how many tensors there are.
pub fn equal_sampled(golden: &Golden) -> usize {
    let model = golden.load().model;
    let mut compared = 0;
    for (name, tensor) in named(&model, &golden.architecture) {
        let expected = &golden.tensors[&format!("weights.{name}")];
        let (n, count) = (tensor.elem_count(), expected.elem_count());
        let indices: Vec<u32> = (0..count).map(|i| (i * n / count) as u32).collect();
        let indices = Tensor::new(indices, tensor.device()).unwrap();
        let found = tensor.flatten_all().unwrap().index_select(&indices, 0).unwrap();
        // transformers keeps a norm's weight as it is stored there.
        let offset = if golden.architecture == "gemma2" && tensor.rank() == 1 { 1.0 } else { 0.0 };
        let found = (found - offset).unwrap();
        let largest = expected.abs().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
        let difference = max_difference(&found, expected);
        assert!(difference <= TOLERANCE * largest.max(1.0), "{}: {name} is {difference} off", golden.name);
        compared += 1;
    }
    let kept = golden.tensors.keys().filter(|name| name.starts_with("weights.")).count();
    // Where head and embedding are tied, transformers lists them twice.
    assert_eq!(compared, kept, "{}: some tensors were not compared", golden.name);
    compared
}

/// All tensors, by the names that transformers gives them.
fn named<'a>(model: &'a Decoder, architecture: &str) -> Vec<(String, &'a Tensor)> {
    let mut all = vec![
        ("model.embed_tokens.weight".to_owned(), &model.embed_tokens),
        ("model.norm.weight".to_owned(), &model.norm),
        ("lm_head.weight".to_owned(), &model.lm_head),
    ];
    for (index, layer) in model.layers.iter().enumerate() {
        let names = of_layer(layer, architecture);
        all.extend(names.into_iter().map(|(name, tensor)| (format!("model.layers.{index}.{name}.weight"), tensor)));
    }
    all
}

fn of_layer<'a>(layer: &'a Layer, architecture: &str) -> Vec<(&'static str, &'a Tensor)> {
    let mut tensors = vec![
        ("input_layernorm", &layer.attention_norm),
        ("self_attn.q_proj", &layer.q_proj),
        ("self_attn.k_proj", &layer.k_proj),
        ("self_attn.v_proj", &layer.v_proj),
        ("self_attn.o_proj", &layer.o_proj),
        ("mlp.gate_proj", &layer.gate_proj),
        ("mlp.up_proj", &layer.up_proj),
        ("mlp.down_proj", &layer.down_proj),
    ];
    match architecture {
        "gemma2" => tensors.extend([
            ("post_attention_layernorm", layer.attention_out_norm.as_ref().unwrap()),
            ("pre_feedforward_layernorm", &layer.feed_forward_norm),
            ("post_feedforward_layernorm", layer.feed_forward_out_norm.as_ref().unwrap()),
        ]),
        _ => tensors.push(("post_attention_layernorm", &layer.feed_forward_norm)),
    }
    tensors
}
