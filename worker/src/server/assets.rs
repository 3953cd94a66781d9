//! The page: the files that the frontend's build left, inside this program.

use super::negotiate::{Content, error_response};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, StatusCode};
use rust_embed::RustEmbed;
use shared::event::ErrorBody;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Embedded in a release build; read from the folder at every request in a debug build, so that a
/// new page needs no new worker.
#[derive(RustEmbed)]
#[folder = "../frontend/dist"]
#[allow_missing = true]
struct Page;

/// The page's files, by their paths: what a static host needs to show it.
pub(super) fn page_files() -> Vec<(String, Cow<'static, [u8]>)> {
    let mut files: Vec<_> =
        Page::iter().filter_map(|name| Page::get(&name).map(|file| (name.to_string(), file.data))).collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// Files that have been compressed once.
#[derive(Default)]
pub(super) struct Assets {
    ready: Mutex<HashMap<String, Ready>>,
}

struct Ready {
    source_hash: [u8; 32],
    content: Arc<Content>,
}

impl Assets {
    /// The file at a path; views of the page (paths without a file name) are its index.
    pub(super) async fn get(self: &Assets, path: &str, request: &HeaderMap) -> Response<Body> {
        let path = path.trim_start_matches('/');
        let is_view = !path.rsplit('/').next().unwrap_or_default().contains('.');
        let name = if is_view { "index.html" } else { path };
        let Some(file) = Page::get(name) else { return not_found(is_view) };
        let source_hash = file.metadata.sha256_hash();
        let known =
            self.lock().get(name).filter(|ready| ready.source_hash == source_hash).map(|r| Arc::clone(&r.content));
        let content = match known {
            Some(content) => content,
            None => {
                let content_type = content_type(name);
                let bytes = match file.data {
                    Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                    Cow::Owned(bytes) => Bytes::from(bytes),
                };
                // Compressing the page's WebAssembly takes a while.
                let compressed = tokio::task::spawn_blocking(move || Arc::new(Content::new(content_type, bytes))).await;
                let Ok(content) = compressed else { return not_found(is_view) };
                // Only existing files get here, so the table cannot grow beyond them.
                self.lock().insert(name.to_owned(), Ready { source_hash, content: Arc::clone(&content) });
                content
            }
        };
        content.response(request)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Ready>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found(is_view: bool) -> Response<Body> {
    let error = if is_view {
        ErrorBody::new("no_page", "This worker was built without the page.")
            .with_hint("`cargo xtask run` builds the page first; the API works without it.")
    } else {
        ErrorBody::new("not_found", "There is no such file.")
    };
    error_response(StatusCode::NOT_FOUND, &error)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
