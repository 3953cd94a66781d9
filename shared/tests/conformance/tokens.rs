//! Text to ids and chat templates, against transformers.

use crate::goldens::{Golden, folder, named};
use serde::Deserialize;
use shared::tokens::{PromptTokenizer, TokenizerBundle};
use std::collections::HashMap;

pub fn texts(golden: &Golden, tokenizer: &PromptTokenizer) {
    assert!(golden.texts.len() > 50);
    for text in &golden.texts {
        let ids = tokenizer.encode(&text.text).unwrap();
        assert_eq!(ids, text.ids, "{}: ids of {:?}", golden.name, text.text);
        let decoded = text.decoded.as_ref().unwrap_or(&text.text);
        assert_eq!(&tokenizer.decode(&ids), decoded, "{}: text of {ids:?}", golden.name);
    }
}

pub fn prompts(golden: &Golden, tokenizer: &PromptTokenizer) {
    for prompt in &golden.prompts {
        let text = tokenizer.render(&prompt.message).unwrap();
        assert_eq!(text, prompt.text, "{}: prompt of {:?}", golden.name, prompt.message);
        assert_eq!(tokenizer.encode(&text).unwrap(), prompt.ids, "{}: ids of {text:?}", golden.name);
    }
}

#[derive(Deserialize)]
struct ChatTemplates {
    bos_token: String,
    eos_token: String,
    templates: HashMap<String, String>,
    prompts: Vec<Rendered>,
}

#[derive(Deserialize)]
struct Rendered {
    name: String,
    message: String,
    text: String,
}

#[test]
fn templates_render_as_in_python() {
    let goldens: ChatTemplates =
        serde_json::from_str(&std::fs::read_to_string(folder().join("chat-templates.json")).unwrap()).unwrap();
    let vocabulary = named("gguf-q8_0").load().tokenizer.unwrap();
    assert!(goldens.templates.len() >= 5);
    for (name, template) in &goldens.templates {
        let tokenizer = PromptTokenizer::new(&TokenizerBundle {
            chat_template: Some(template.clone()),
            bos_token: goldens.bos_token.clone(),
            eos_token: goldens.eos_token.clone(),
            ..vocabulary.clone()
        })
        .unwrap_or_else(|error| panic!("{name}: {error}"));
        for prompt in goldens.prompts.iter().filter(|prompt| &prompt.name == name) {
            assert_eq!(tokenizer.render(&prompt.message).unwrap(), prompt.text, "{name}: {:?}", prompt.message);
        }
    }
}
