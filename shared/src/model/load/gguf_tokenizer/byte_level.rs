//! Byte-level BPE (GPT-2, Llama 3, SmolLM2): merges stand in the file.

use super::{CONTROL, Tokens, UNUSED, USER_DEFINED};
use crate::model::load::{GgufMetadata, LoadError};
use serde_json::{Value, json};

/// The `tokenizer.json`.
pub fn tokenizer(metadata: &GgufMetadata, tokens: &Tokens<'_>) -> Result<Value, LoadError> {
    let merges = metadata.texts("tokenizer.ggml.merges")?;
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": tokens.added(&[CONTROL, USER_DEFINED, UNUSED], false),
        "normalizer": null,
        "pre_tokenizer": pre_tokenizer(metadata.text("tokenizer.ggml.pre").unwrap_or("default"))?,
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": tokens.vocab()?, "merges": merges,
        },
    }))
}

/// How text is cut before merges apply; llama.cpp names the ways it knows.
fn pre_tokenizer(name: &str) -> Result<Value, LoadError> {
    let byte_level = |use_regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex });
    match name {
        "default" | "gpt-2" => Ok(byte_level(true)),
        "smollm" => Ok(json!({
            "type": "Sequence",
            "pretokenizers": [{ "type": "Digits", "individual_digits": true }, byte_level(true)],
        })),
        "llama-bpe" => Ok(json!({
            "type": "Sequence",
            "pretokenizers": [{
                "type": "Split",
                "pattern": { "Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" },
                "behavior": "Isolated",
                "invert": false,
            }, byte_level(false)],
        })),
        other => Err(LoadError::Unsupported(format!("tokenizer.ggml.pre = {other}"))),
    }
}
