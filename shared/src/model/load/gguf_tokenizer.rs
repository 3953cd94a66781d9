//! The tokenizer inside a GGUF file, as the `tokenizer.json` that Hugging Face would have shipped.

use super::{GgufMetadata, LoadError};
use crate::tokens::TokenizerBundle;
use serde_json::{Map, Value, json};

/// Token types of `tokenizer.ggml.token_type`.
const CONTROL: usize = 3;
const USER_DEFINED: usize = 4;
const UNUSED: usize = 5;

/// Builds the bundle; nothing where the file has no tokenizer.
pub fn bundle(metadata: &GgufMetadata) -> Result<Option<TokenizerBundle>, LoadError> {
    match metadata.text("tokenizer.ggml.model") {
        None => Ok(None),
        Some("gpt2") => byte_level_bpe(metadata).map(Some),
        Some(other) => Err(LoadError::Unsupported(format!("tokenizer.ggml.model = {other}"))),
    }
}

fn byte_level_bpe(metadata: &GgufMetadata) -> Result<TokenizerBundle, LoadError> {
    let tokens = metadata.texts("tokenizer.ggml.tokens")?;
    let merges = metadata.texts("tokenizer.ggml.merges")?;
    let types = metadata.numbers("tokenizer.ggml.token_type")?;
    if types.len() != tokens.len() {
        let reason = format!("{} types for {} tokens", types.len(), tokens.len());
        return Err(LoadError::Config { field: "tokenizer.ggml.token_type".to_owned(), reason });
    }
    let vocab: Map<String, Value> =
        tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), id.into())).collect();
    if vocab.len() != tokens.len() {
        let reason = "a token stands there twice".to_owned();
        return Err(LoadError::Config { field: "tokenizer.ggml.tokens".to_owned(), reason });
    }
    let added: Vec<Value> = tokens
        .iter()
        .zip(&types)
        .enumerate()
        .filter(|(_, (_, kind))| [CONTROL, USER_DEFINED, UNUSED].contains(kind))
        .map(|(id, (content, &kind))| {
            json!({
                "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": kind != USER_DEFINED,
            })
        })
        .collect();
    let tokenizer = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": pre_tokenizer(metadata.text("tokenizer.ggml.pre").unwrap_or("default"))?,
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": merges,
        },
    });
    let token_of = |field: &str| match metadata.has_field(field).then(|| metadata.usize(field)).transpose()? {
        Some(id) if id >= tokens.len() => {
            let reason = format!("token {id} is not in the vocabulary of {}", tokens.len());
            Err(LoadError::Config { field: field.to_owned(), reason })
        }
        id => Ok(id),
    };
    let bos = token_of("tokenizer.ggml.bos_token_id")?;
    let eos = token_of("tokenizer.ggml.eos_token_id")?;
    let eot = token_of("tokenizer.ggml.eot_token_id")?;
    let text_of = |id: Option<usize>| id.map(|id| tokens[id].to_owned()).unwrap_or_default();
    let mut stop_ids: Vec<u32> = [eos, eot].into_iter().flatten().filter_map(|id| u32::try_from(id).ok()).collect();
    stop_ids.sort_unstable();
    stop_ids.dedup();
    Ok(TokenizerBundle {
        tokenizer_json: tokenizer.to_string(),
        chat_template: metadata.text("tokenizer.chat_template").map(str::to_owned),
        bos_token: text_of(bos),
        eos_token: text_of(eos),
        stop_ids,
    })
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
