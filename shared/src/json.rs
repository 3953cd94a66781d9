//! What is written on the wire, as a tree.

use serde::Serialize;
use serde_json::Value;

/// A value as its JSON says it; null where it has none.
///
/// Through the text, which the page writes and reads anyway: writing trees as well would make its program some
/// 10 kB larger.
pub fn tree(value: &impl Serialize) -> Value {
    serde_json::to_string(value).and_then(|text| serde_json::from_str(&text)).unwrap_or_default()
}
