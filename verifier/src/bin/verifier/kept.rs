//! Model files that the browser keeps, by their hash. A browser may refuse (private mode, full, an address
//! that is not secure): then nothing is kept.

use crate::scope;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Headers, Response, ResponseInit};

/// Name of the storage.
const STORAGE: &str = "steerage-models";

/// The file with a hash.
pub async fn get(hash: &str) -> Option<Response> {
    let found = JsFuture::from(open().await?.match_with_str(&address(hash))).await.ok()?;
    found.dyn_into().ok()
}

/// Keeps a file; whether that worked.
pub async fn put(hash: &str, bytes: &[u8]) -> bool {
    let Some(cache) = open().await else { return false };
    let copy = js_sys::Uint8Array::from(bytes);
    let Ok(response) = response(&copy) else { return false };
    JsFuture::from(cache.put_with_str(&address(hash), &response)).await.is_ok()
}

/// With its length, so that whoever reads it knows how much memory to ask for.
fn response(bytes: &js_sys::Uint8Array) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set("content-length", &bytes.length().to_string())?;
    let init = ResponseInit::new();
    init.set_headers(&headers);
    Response::new_with_opt_js_u8_array_and_init(Some(bytes), &init)
}

/// Lets go of a file.
pub async fn remove(hash: &str) {
    if let Some(cache) = open().await {
        JsFuture::from(cache.delete_with_str(&address(hash))).await.ok();
    }
}

/// A key of the storage must look like an address; nothing is ever asked for there.
fn address(hash: &str) -> String {
    format!("/model/kept/{hash}")
}

async fn open() -> Option<Cache> {
    // Absent where the page's address is not secure.
    js_sys::Reflect::has(&scope(), &JsValue::from_str("caches")).ok().filter(|has| *has)?;
    let caches = scope().caches().ok()?;
    JsFuture::from(caches.open(STORAGE)).await.ok()?.dyn_into().ok()
}
