//! Tokenizers for the page, built once and kept as bytes.

use super::TokenizerSource;
use super::negotiate::Content;
use axum::body::Bytes;
use shared::event::ErrorBody;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The tokenizers that have been asked for.
pub(super) struct Tokenizers {
    source: Arc<TokenizerSource>,
    /// Locked while one is built, so that each is built once.
    ready: Mutex<HashMap<String, Arc<Content>>>,
}

impl Tokenizers {
    pub(super) fn new(source: TokenizerSource) -> Self {
        Tokenizers { source: Arc::new(source), ready: Mutex::default() }
    }

    /// A model's tokenizer as JSON. Failures are not kept: a model that is missing may come.
    pub(super) async fn get(&self, model: &str) -> Result<Arc<Content>, ErrorBody> {
        let mut ready = self.ready.lock().await;
        if let Some(content) = ready.get(model) {
            return Ok(Arc::clone(content));
        }
        let (source, name) = (Arc::clone(&self.source), model.to_owned());
        let built = tokio::task::spawn_blocking(move || {
            let json = serde_json::to_vec(&source(&name)?).map_err(|_| unavailable())?;
            Ok::<_, ErrorBody>(Arc::new(Content::new("application/json", Bytes::from(json))))
        });
        let content = built.await.map_err(|_| unavailable())??;
        ready.insert(model.to_owned(), Arc::clone(&content));
        Ok(content)
    }
}

fn unavailable() -> ErrorBody {
    ErrorBody::new("tokenizer_unavailable", "The tokenizer of this model cannot be read.")
        .with_hint("The worker's log tells more.")
}
