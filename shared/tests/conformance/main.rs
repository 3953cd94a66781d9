//! The model against Hugging Face transformers, on checkpoints and numbers kept in `tests/goldens`.
//!
//! `cargo test -p steerage-shared --features model --test conformance`. The goldens are made by
//! `tests/goldens/make_goldens.py`. One property is one function over one golden; the tests here
//! apply each to every golden, and `default_model` applies the same to the real model. A new
//! architecture needs goldens only: [`every_architecture_has_goldens`] asks for them.

// Helpers of tests may panic as tests do; clippy only knows functions marked as tests.
#![allow(clippy::unwrap_used)]

mod damaged_gguf;
mod damaged_hf;
mod default_model;
mod goldens;
mod gradient;
mod hf_tokenizer;
mod outputs;
mod tokens;
mod weights;

use goldens::{Golden, Subject, tiny};
use shared::model::arch::ARCHITECTURES;

/// Applies a property to every small checkpoint; it says what is wrong by panicking.
fn for_every_tiny(property: fn(&Subject<'_>)) {
    for golden in tiny() {
        let loaded = golden.load();
        eprintln!("{}: {}", golden.name, golden.why);
        property(&Subject { golden: &golden, model: &loaded.model });
    }
}

#[test]
fn every_architecture_has_goldens() {
    let goldens = tiny();
    for architecture in ARCHITECTURES {
        for (format, name) in [("directory", architecture.hf_model_type), ("GGUF file", architecture.gguf_name)] {
            let is_gguf = format == "GGUF file";
            let mut of_format = goldens.iter().filter(|golden| golden.is_gguf() == is_gguf);
            assert!(of_format.any(|golden| golden.architecture == name), "no golden {format} of architecture {name}");
        }
    }
}

#[test]
fn loaded_checkpoints_say_what_they_are() {
    for golden in tiny() {
        let loaded = golden.load();
        assert_eq!(loaded.architecture, golden.architecture, "{}", golden.name);
        assert_eq!(loaded.tokenizer.is_some(), !golden.texts.is_empty(), "{}", golden.name);
        let stop_ids = loaded.tokenizer.map(|bundle| bundle.stop_ids).unwrap_or_default();
        assert_eq!(stop_ids, golden.stop_ids, "{}", golden.name);
    }
}

#[test]
fn weights_are_those_of_the_file() {
    let mut compared = 0;
    for golden in tiny().iter().filter(|golden| golden.is_gguf()) {
        compared += weights::equal_sampled(golden);
    }
    assert!(compared > 100, "only {compared} tensors compared");
}

#[test]
fn gradients_survive_half_precision() {
    for_every_tiny(gradient::survives_half_precision);
}

#[test]
fn logits_equal_those_of_transformers() {
    for_every_tiny(outputs::logits);
}

#[test]
fn likelihoods_equal_those_of_transformers() {
    for_every_tiny(outputs::likelihoods);
}

#[test]
fn long_completions_are_scored_in_chunks() {
    for_every_tiny(outputs::chunks);
}

#[test]
fn future_tokens_do_not_change_earlier_logits() {
    for_every_tiny(outputs::causality);
}

#[test]
fn one_sequence_equals_the_same_in_a_padded_batch() {
    for_every_tiny(outputs::batch);
}

#[test]
fn ids_equal_their_embeddings() {
    for_every_tiny(outputs::embeddings);
}

#[test]
fn a_kept_past_equals_a_full_forward() {
    for_every_tiny(outputs::past);
}

#[test]
fn cached_decoding_equals_a_full_forward() {
    for_every_tiny(outputs::rows);
}

#[test]
fn greedy_continuations_equal_those_of_transformers() {
    for_every_tiny(outputs::greedy);
}

#[test]
fn prompts_decoded_together_stop_on_their_own() {
    for_every_tiny(outputs::greedy_together);
}

#[test]
fn gradients_equal_those_of_transformers() {
    for_every_tiny(gradient::equals_transformers);
}

#[test]
fn gradients_equal_finite_differences() {
    for_every_tiny(gradient::equals_finite_differences);
}

#[test]
fn gradients_pass_a_kept_past_and_a_batch() {
    for_every_tiny(gradient::after_a_past_and_in_a_batch);
}

#[test]
fn texts_have_the_ids_that_transformers_gives_them() {
    let goldens: Vec<Golden> = tiny().into_iter().filter(|golden| !golden.texts.is_empty()).collect();
    assert!(goldens.len() >= 3);
    for golden in goldens {
        tokens::texts(&golden, &golden.tokenizer());
    }
}

#[test]
fn prompts_are_those_of_transformers() {
    let goldens: Vec<Golden> = tiny().into_iter().filter(|golden| !golden.prompts.is_empty()).collect();
    assert!(goldens.len() >= 2);
    for golden in goldens {
        tokens::prompts(&golden, &golden.tokenizer());
    }
}
