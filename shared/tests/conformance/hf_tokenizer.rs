//! What a Hugging Face directory says beside its weights: chat template, stop tokens, special tokens.

use serde_json::{Value, json};
use shared::model::load::hf_tokenizer_bundle;
use shared::tokens::{PromptTokenizer, TokenizerBundle};
use std::fs;
use tempfile::TempDir;

/// A directory with these files; JSON, or text as it stands.
fn directory(files: &[(&str, Value)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, content) in files {
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn bundle(files: &[(&str, Value)]) -> TokenizerBundle {
    let tokenizer = json!({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}, "added_tokens": []});
    let files = [files, &[("tokenizer.json", tokenizer)]].concat();
    hf_tokenizer_bundle(directory(&files).path()).unwrap().unwrap()
}

#[test]
fn a_directory_without_tokenizer_has_none() {
    let dir = directory(&[("config.json", json!({"eos_token_id": 1}))]);
    assert_eq!(hf_tokenizer_bundle(dir.path()).unwrap(), None);
}

#[test]
fn stop_tokens_are_those_of_the_generation_config_first() {
    let config = ("config.json", json!({"eos_token_id": 1}));
    let stop_ids = |generation: Option<Value>| {
        let generation = generation.map(|value| ("generation_config.json", value));
        bundle(&generation.into_iter().chain([config.clone()]).collect::<Vec<_>>()).stop_ids
    };
    assert_eq!(stop_ids(None), [1]);
    assert_eq!(stop_ids(Some(json!({"temperature": 1.0}))), [1]);
    assert_eq!(stop_ids(Some(json!({"eos_token_id": 7}))), [7]);
    assert_eq!(stop_ids(Some(json!({"eos_token_id": [1, 107]}))), [1, 107]);
    assert_eq!(bundle(&[("config.json", json!({}))]).stop_ids, [0_u32; 0]);
}

#[test]
fn the_chat_template_is_a_file_or_in_the_tokenizers_config() {
    let config = ("config.json", json!({}));
    let template = |files: &[(&str, Value)]| bundle(&[files, std::slice::from_ref(&config)].concat()).chat_template;
    let in_config = ("tokenizer_config.json", json!({"chat_template": "in config"}));
    assert_eq!(template(&[]), None);
    assert_eq!(template(std::slice::from_ref(&in_config)).unwrap(), "in config");
    assert_eq!(template(&[in_config, ("chat_template.jinja", json!("in file"))]).unwrap(), "in file");
    let named = json!([{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]);
    assert_eq!(template(&[("tokenizer_config.json", json!({"chat_template": named}))]).unwrap(), "plain");
}

#[test]
fn special_tokens_are_texts_or_objects_and_reach_the_template() {
    let template = "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}\
                    {{ messages[0]['content'] | trim }}{{ eos_token }}";
    let bundle = bundle(&[
        ("config.json", json!({})),
        (
            "tokenizer_config.json",
            json!({"bos_token": {"content": "<bos>", "lstrip": false}, "eos_token": "<eos>", "chat_template": template}),
        ),
    ]);
    assert_eq!((&bundle.bos_token[..], &bundle.eos_token[..]), ("<bos>", "<eos>"));
    assert_eq!(PromptTokenizer::new(&bundle).unwrap().render(" hi ").unwrap(), "<bos>hi<eos>");
}
