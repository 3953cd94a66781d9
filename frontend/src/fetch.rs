//! Files: those that belong to the page itself, those that the worker has, and those that the user keeps.

use crate::attachment;
use js_sys::Uint8Array;
use shared::event::ErrorBody;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, Headers, HtmlAnchorElement, Request, RequestInit, Response, Url};

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

/// Why bytes did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What the server answered; 0 where it did not.
    pub status: u16,
    /// For people.
    pub message: String,
}

/// The bytes at an address of this site, asked for with an `Authorization` where one is given.
pub async fn bytes(address: &str, authorization: Option<&str>) -> Result<Vec<u8>, Refused> {
    let unreachable = |_: JsValue| Refused { status: 0, message: "the server does not answer".to_owned() };
    let (status, ok, bytes) = get(address, authorization).await.map_err(unreachable)?;
    if ok {
        return Ok(bytes);
    }
    // The worker's errors have this shape; anything else comes from something in between.
    let error: Option<ErrorBody> = serde_json::from_str(&String::from_utf8_lossy(&bytes)).ok();
    let message = error.map_or_else(|| format!("the server answered {status}"), |error| error.message);
    Err(Refused { status, message })
}

async fn get(address: &str, authorization: Option<&str>) -> Result<(u16, bool, Vec<u8>), JsValue> {
    let headers = Headers::new()?;
    if let Some(authorization) = authorization {
        headers.set("authorization", authorization)?;
    }
    let init = RequestInit::new();
    init.set_headers(&headers);
    let request = Request::new_with_str_and_init(address, &init)?;
    let response: Response =
        JsFuture::from(leptos::prelude::window().fetch_with_request(&request)).await?.dyn_into()?;
    let buffer = JsFuture::from(response.array_buffer()?).await?;
    Ok((response.status(), response.ok(), Uint8Array::new(&buffer).to_vec()))
}

/// The bytes at an address of the worker that this page talks to.
pub async fn of_worker(address: &str) -> Result<Vec<u8>, Refused> {
    let origin = attachment::origin().unwrap_or_default();
    bytes(&format!("{origin}{address}"), bearer().as_deref()).await
}

/// What proves to the worker that this browser may ask.
pub fn bearer() -> Option<String> {
    attachment::token().map(|token| format!("Bearer {token}"))
}

/// Lets the user keep bytes as a file.
pub fn save_bytes(name: &str, bytes: &[u8]) -> Result<(), JsValue> {
    let parts = js_sys::Array::of1(&Uint8Array::from(bytes));
    let kind = BlobPropertyBag::new();
    kind.set_type("application/octet-stream");
    let blob = Blob::new_with_u8_array_sequence_and_options(&parts, &kind)?;
    let url = Url::create_object_url_with_blob(&blob)?;
    let link: HtmlAnchorElement = leptos::prelude::document().create_element("a")?.dyn_into()?;
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // The browser reads it after this; a minute is plenty.
    let forget = move || drop(Url::revoke_object_url(&url));
    leptos::prelude::set_timeout(forget, Duration::from_secs(60));
    Ok(())
}
