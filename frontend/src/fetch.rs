//! Files that belong to the page itself.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

/// The text at an address of this site. The error says what came instead.
pub async fn text(address: &str) -> Result<String, String> {
    let unreachable = |_: JsValue| format!("{address} could not be fetched: the server does not answer");
    let response = JsFuture::from(leptos::prelude::window().fetch_with_str(address)).await.map_err(unreachable)?;
    let response: Response = response.dyn_into().map_err(unreachable)?;
    if !response.ok() {
        return Err(format!("{address} could not be fetched: the server answered {}", response.status()));
    }
    let text = JsFuture::from(response.text().map_err(unreachable)?).await.map_err(unreachable)?;
    Ok(text.as_string().unwrap_or_default())
}
