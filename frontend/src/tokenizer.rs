//! The tokenizers of the worker's models, fetched once each and run in the page.

use crate::storage;
use leptos::prelude::*;
use shared::event::ErrorBody;
use shared::tokens::{PromptTokenizer, TokenizerBundle};
use std::collections::BTreeMap;
use std::sync::Arc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, RequestInit, Response};

/// A handle to the tokenizers; copies share it.
#[derive(Clone, Copy)]
pub struct Tokenizers {
    /// By model.
    by_model: RwSignal<BTreeMap<String, Loaded>>,
}

/// A tokenizer on its way into the page.
#[derive(Clone)]
pub enum Loaded {
    /// It is being fetched.
    Loading,
    /// It is there.
    Ready(Arc<PromptTokenizer>),
    /// It could not be had.
    Failed(ErrorBody),
}

impl Tokenizers {
    /// None fetched yet.
    pub fn new() -> Self {
        Tokenizers { by_model: RwSignal::new(BTreeMap::new()) }
    }

    /// The tokenizers that the page provides.
    pub fn get() -> Self {
        expect_context()
    }

    /// The tokenizer of a model as far as it is there.
    pub fn of(&self, model: &str) -> Option<Loaded> {
        self.by_model.with(|by_model| by_model.get(model).cloned())
    }

    /// The tokenizer of a model if it is there.
    pub fn ready(&self, model: &str) -> Option<Arc<PromptTokenizer>> {
        match self.of(model) {
            Some(Loaded::Ready(tokenizer)) => Some(tokenizer),
            _ => None,
        }
    }

    /// Fetches the tokenizer of a model, unless it is there or on its way.
    pub fn load(&self, model: &str) {
        let wanted =
            self.by_model.with_untracked(|by_model| matches!(by_model.get(model), None | Some(Loaded::Failed(_))));
        if model.is_empty() || !wanted {
            return;
        }
        let (by_model, model) = (self.by_model, model.to_owned());
        by_model.update(|by_model| drop(by_model.insert(model.clone(), Loaded::Loading)));
        leptos::task::spawn_local(async move {
            let loaded = match fetch(&model).await {
                Ok(tokenizer) => Loaded::Ready(Arc::new(tokenizer)),
                Err(error) => Loaded::Failed(error),
            };
            by_model.update(|by_model| drop(by_model.insert(model, loaded)));
        });
    }
}

async fn fetch(model: &str) -> Result<PromptTokenizer, ErrorBody> {
    let unreachable = |_: JsValue| {
        ErrorBody::new("tokenizer_unreachable", "the tokenizer could not be fetched from the worker")
            .with_hint("Check the connection and try again.")
    };
    let headers = Headers::new().map_err(unreachable)?;
    let token = storage::get(storage::TOKEN).unwrap_or_default();
    headers.set("authorization", &format!("Bearer {token}")).map_err(unreachable)?;
    let init = RequestInit::new();
    init.set_headers(&headers);
    let model = String::from(js_sys::encode_uri_component(model));
    let request =
        Request::new_with_str_and_init(&format!("/api/models/{model}/tokenizer"), &init).map_err(unreachable)?;
    let response = JsFuture::from(window().fetch_with_request(&request)).await.map_err(unreachable)?;
    let response: Response = response.dyn_into().map_err(unreachable)?;
    let text = JsFuture::from(response.text().map_err(unreachable)?).await.map_err(unreachable)?;
    let text = text.as_string().unwrap_or_default();
    if !response.ok() {
        // The worker's errors have the shape of ErrorBody; anything else comes from something in between.
        return Err(serde_json::from_str(&text).unwrap_or_else(|_| {
            let message = format!("the worker answered {} when asked for the tokenizer", response.status());
            ErrorBody::new("tokenizer_unavailable", message)
        }));
    }
    let unreadable = |error: String| ErrorBody::new("tokenizer_unreadable", error);
    let bundle: TokenizerBundle = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    PromptTokenizer::new(&bundle).map_err(|error| unreadable(error.to_string()))
}
