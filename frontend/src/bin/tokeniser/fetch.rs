//! Fetches a model's tokenizer from the worker.

use shared::event::ErrorBody;
use shared::tokens::TokenizerBundle;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, Headers, Request, RequestInit, Response};

/// The tokenizer of a model, from the worker at `origin`; empty: from the one that served the page.
pub async fn tokenizer(
    scope: &DedicatedWorkerGlobalScope,
    model: &str,
    origin: &str,
    token: &str,
) -> Result<TokenizerBundle, ErrorBody> {
    let (response, text) = get(scope, model, origin, token).await.map_err(|_| {
        ErrorBody::new("tokenizer_unreachable", "the tokenizer could not be fetched from the worker")
            .with_hint("Check the connection and try again.")
    })?;
    if !response.ok() {
        // The worker's errors have the shape of ErrorBody; anything else comes from something in between.
        return Err(serde_json::from_str(&text).unwrap_or_else(|_| {
            let message = format!("the worker answered {} when asked for the tokenizer", response.status());
            ErrorBody::new("tokenizer_unavailable", message)
        }));
    }
    serde_json::from_str(&text).map_err(|error| ErrorBody::new("tokenizer_unreadable", error.to_string()))
}

async fn get(
    scope: &DedicatedWorkerGlobalScope,
    model: &str,
    origin: &str,
    token: &str,
) -> Result<(Response, String), JsValue> {
    let headers = Headers::new()?;
    headers.set("authorization", &format!("Bearer {token}"))?;
    let init = RequestInit::new();
    init.set_headers(&headers);
    let model = String::from(js_sys::encode_uri_component(model));
    let request = Request::new_with_str_and_init(&format!("{origin}/api/models/{model}/tokenizer"), &init)?;
    let response: Response = JsFuture::from(scope.fetch_with_request(&request)).await?.dyn_into()?;
    let text = JsFuture::from(response.text()?).await?;
    Ok((response, text.as_string().unwrap_or_default()))
}
