//! Which worker this page talks to: the one that served it, or another that it was attached to.
//!
//! What was attached is kept in the browser. A page that is open stays with the worker that it began with;
//! attaching and detaching load it anew.

use crate::storage;
use leptos::prelude::window;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;

/// Another worker and what proves to it who we are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Attachment {
    /// Its origin, as in `http://127.0.0.1:7469`.
    origin: String,
    /// Its token; empty where it was refused.
    token: String,
}

thread_local! {
    /// As it was when the page was loaded.
    static ORIGIN: OnceCell<Option<String>> = const { OnceCell::new() };
}

fn kept() -> Option<Attachment> {
    storage::get(storage::ATTACHED).and_then(|text| serde_json::from_str(&text).ok())
}

fn keep(attachment: &Attachment) {
    if let Ok(text) = serde_json::to_string(attachment) {
        storage::set(storage::ATTACHED, &text);
    }
}

/// The origin of the worker that the page is attached to; none: its own.
pub fn origin() -> Option<String> {
    ORIGIN.with(|origin| origin.get_or_init(|| kept().map(|kept| kept.origin)).clone())
}

/// The address of the worker's socket.
pub fn socket_address() -> Option<String> {
    origin().map_or_else(own_socket_address, |origin| Some(socket_of(&origin)))
}

/// The socket of the worker that served the page, attached to another or not: links are its own.
pub fn own_socket_address() -> Option<String> {
    let location = window().location();
    let scheme = if location.protocol().ok()? == "https:" { "wss" } else { "ws" };
    Some(format!("{scheme}://{}/ws", location.host().ok()?))
}

/// The address of the socket of a worker at an origin.
pub fn socket_of(origin: &str) -> String {
    format!("ws://{}/ws", origin.trim_start_matches("http://"))
}

/// The token for the worker.
pub fn token() -> Option<String> {
    match origin() {
        None => storage::get(storage::TOKEN),
        Some(origin) => kept().filter(|kept| kept.origin == origin && !kept.token.is_empty()).map(|kept| kept.token),
    }
}

/// Keeps the token for the worker.
pub fn keep_token(token: &str) {
    match origin() {
        None => storage::set(storage::TOKEN, token),
        Some(origin) => replace_token(origin, token),
    }
}

/// Forgets the token for the worker.
pub fn forget_token() {
    match origin() {
        None => storage::remove(storage::TOKEN),
        Some(origin) => replace_token(origin, ""),
    }
}

/// Another page of this browser may have attached to a third worker meanwhile: its token stays.
fn replace_token(origin: String, token: &str) {
    if kept().is_some_and(|kept| kept.origin == origin) {
        keep(&Attachment { origin, token: token.to_owned() });
    }
}

/// Attaches to a worker and loads the page anew.
pub fn attach(origin: String, token: String) {
    keep(&Attachment { origin, token });
    start_over();
}

/// Goes back to the page's own worker and loads the page anew.
pub fn detach() {
    forget();
    start_over();
}

/// Goes back to the page's own worker; only before anything asked where it is.
pub fn forget() {
    storage::remove(storage::ATTACHED);
}

/// What is on the page belongs to the worker that it came from, so none of it is kept.
fn start_over() {
    window().location().assign("/").ok();
}
