//! The tokenizer inside a GGUF file, as the `tokenizer.json` that Hugging Face would have shipped.

mod byte_level;
mod sentencepiece;

use super::{GgufMetadata, LoadError};
use crate::tokens::TokenizerBundle;
use serde_json::{Map, Value, json};

/// Token types of `tokenizer.ggml.token_type`.
const NORMAL: usize = 1;
const UNKNOWN: usize = 2;
const CONTROL: usize = 3;
const USER_DEFINED: usize = 4;
const UNUSED: usize = 5;

/// Tokens that end a turn, for files that do not say which one does, as llama.cpp finds it too.
const END_OF_TURN: &[&str] = &["<end_of_turn>", "<|eot_id|>", "<|im_end|>", "<|end|>"];

/// Builds the bundle; nothing where the file has no tokenizer.
pub fn bundle(metadata: &GgufMetadata) -> Result<Option<TokenizerBundle>, LoadError> {
    let Some(model) = metadata.text("tokenizer.ggml.model") else { return Ok(None) };
    let build = match model {
        "gpt2" => byte_level::tokenizer,
        "llama" => sentencepiece::tokenizer,
        other => return Err(LoadError::Unsupported(format!("tokenizer.ggml.model = {other}"))),
    };
    let tokens = Tokens::read(metadata)?;
    let tokenizer = build(metadata, &tokens)?;
    let bos = tokens.id(metadata, "tokenizer.ggml.bos_token_id")?;
    let eos = tokens.id(metadata, "tokenizer.ggml.eos_token_id")?;
    let eot = match tokens.id(metadata, "tokenizer.ggml.eot_token_id")? {
        Some(id) => Some(id),
        None => (0..tokens.texts.len())
            .find(|&id| [CONTROL, USER_DEFINED].contains(&tokens.types[id]) && END_OF_TURN.contains(&tokens.texts[id])),
    };
    let text_of = |id: Option<usize>| id.map(|id| tokens.texts[id].to_owned()).unwrap_or_default();
    let mut stop_ids: Vec<u32> = [eos, eot].into_iter().flatten().filter_map(|id| u32::try_from(id).ok()).collect();
    stop_ids.sort_unstable();
    stop_ids.dedup();
    Ok(Some(TokenizerBundle {
        tokenizer_json: tokenizer.to_string(),
        chat_template: metadata.text("tokenizer.chat_template").map(str::to_owned),
        bos_token: text_of(bos),
        eos_token: text_of(eos),
        stop_ids,
    }))
}

/// The vocabulary: texts and types by id.
struct Tokens<'a> {
    texts: Vec<&'a str>,
    types: Vec<usize>,
}

impl<'a> Tokens<'a> {
    fn read(metadata: &'a GgufMetadata) -> Result<Self, LoadError> {
        let texts = metadata.texts("tokenizer.ggml.tokens")?;
        let types = metadata.numbers("tokenizer.ggml.token_type")?;
        if types.len() != texts.len() {
            let reason = format!("{} types for {} tokens", types.len(), texts.len());
            return Err(LoadError::Config { field: "tokenizer.ggml.token_type".to_owned(), reason });
        }
        Ok(Tokens { texts, types })
    }

    /// Text to id, as `tokenizer.json` has it.
    fn vocab(&self) -> Result<Map<String, Value>, LoadError> {
        let vocab: Map<String, Value> =
            self.texts.iter().enumerate().map(|(id, text)| ((*text).to_owned(), id.into())).collect();
        if vocab.len() == self.texts.len() {
            return Ok(vocab);
        }
        let reason = "a token stands there twice".to_owned();
        Err(LoadError::Config { field: "tokenizer.ggml.tokens".to_owned(), reason })
    }

    /// Tokens that are found in text before anything else looks at it. `normalized` says whether
    /// those that users may write are looked for in the text as the normaliser leaves it.
    fn added(&self, types: &[usize], normalized: bool) -> Vec<Value> {
        let chosen = self.texts.iter().zip(&self.types).enumerate().filter(|(_, (_, kind))| types.contains(kind));
        let added = chosen.map(|(id, (content, &kind))| {
            let special = kind != USER_DEFINED;
            json!({
                "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": normalized && !special, "special": special,
            })
        });
        added.collect()
    }

    /// A token that a field names by its id.
    fn id(&self, metadata: &GgufMetadata, field: &str) -> Result<Option<usize>, LoadError> {
        match metadata.has_field(field).then(|| metadata.usize(field)).transpose()? {
            Some(id) if id >= self.texts.len() => {
                let reason = format!("token {id} is not in the vocabulary of {}", self.texts.len());
                Err(LoadError::Config { field: field.to_owned(), reason })
            }
            id => Ok(id),
        }
    }
}
