//! SentencePiece BPE (Llama 2, TinyLlama, Gemma): the file has a score for each token instead of
//! merges. SentencePiece joins the neighbours whose union scores best, so that the unions in order of
//! their scores are the merges (`convert_slow_tokenizer.py` in transformers derives them likewise).

use super::{CONTROL, NORMAL, Tokens, UNKNOWN, UNUSED, USER_DEFINED};
use crate::model::load::{GgufMetadata, LoadError};
use serde_json::{Value, json};
use std::collections::HashSet;

/// How SentencePiece spells a space.
const SPACE: &str = "\u{2581}";

/// The `tokenizer.json`.
pub fn tokenizer(metadata: &GgufMetadata, tokens: &Tokens<'_>) -> Result<Value, LoadError> {
    let field = "tokenizer.ggml.scores";
    let scores = metadata.reals(field)?;
    if scores.len() != tokens.texts.len() {
        let reason = format!("{} scores for {} tokens", scores.len(), tokens.texts.len());
        return Err(LoadError::Config { field: field.to_owned(), reason });
    }
    let space_prefix = metadata.switch("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    let spaces = json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE });
    let normalizer = if space_prefix {
        json!({ "type": "Sequence", "normalizers": [{ "type": "Prepend", "prepend": SPACE }, spaces] })
    } else {
        spaces
    };
    let mut decoders = vec![
        json!({ "type": "Replace", "pattern": { "String": SPACE }, "content": " " }),
        json!({ "type": "ByteFallback" }),
        json!({ "type": "Fuse" }),
    ];
    if space_prefix {
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    let unknown = tokens.types.iter().position(|&kind| kind == UNKNOWN).map(|id| tokens.texts[id]);
    // Users' tokens may hold spaces in SentencePiece's spelling, so they are looked for after
    // normalisation; not where that would put a space before the token itself.
    let added = tokens.added(&[UNKNOWN, CONTROL, USER_DEFINED, UNUSED], !space_prefix);
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": null,
        "post_processor": null,
        "decoder": { "type": "Sequence", "decoders": decoders },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": tokens.vocab()?, "merges": merges(tokens, &scores),
        },
    }))
}

/// Every way to put an ordinary token together from two others, best union first.
fn merges<'a>(tokens: &Tokens<'a>, scores: &[f32]) -> Vec<(&'a str, &'a str)> {
    let ordinary = || (0..tokens.texts.len()).filter(|&id| tokens.types[id] == NORMAL);
    let known: HashSet<&str> = ordinary().map(|id| tokens.texts[id]).collect();
    let mut merges = Vec::new();
    for id in ordinary() {
        let text = tokens.texts[id];
        for (at, _) in text.char_indices().skip(1) {
            let (left, right) = text.split_at(at);
            if known.contains(left) && known.contains(right) {
                merges.push((scores[id], left, right));
            }
        }
    }
    // Stable: of one union's ways, which all lead to the same token, the shortest left part is first.
    merges.sort_by(|a, b| b.0.total_cmp(&a.0));
    merges.into_iter().map(|(_, left, right)| (left, right)).collect()
}
