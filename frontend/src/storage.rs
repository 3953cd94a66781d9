//! What the page keeps in the browser. A browser may refuse (private mode, full): then it is not kept.

/// The worker's token.
pub const TOKEN: &str = "steerage.token";
/// Another worker that the page is attached to, and its token.
pub const ATTACHED: &str = "steerage.attached";
/// The form of a new run.
pub const DRAFT: &str = "steerage.draft";

/// Whether single keys are shortcuts: "off", or anything else.
pub const SINGLE_KEYS: &str = "steerage.single-keys";

/// The kept value.
pub fn get(key: &str) -> Option<String> {
    storage()?.get_item(key).ok().flatten()
}

/// Keeps a value.
pub fn set(key: &str, value: &str) {
    if let Some(storage) = storage() {
        storage.set_item(key, value).ok();
    }
}

/// Forgets a value.
pub fn remove(key: &str) {
    if let Some(storage) = storage() {
        storage.remove_item(key).ok();
    }
}

fn storage() -> Option<web_sys::Storage> {
    leptos::prelude::window().local_storage().ok().flatten()
}
