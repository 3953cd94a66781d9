//! Links to results: what both sides know of them.
//!
//! Whoever makes a link draws its secret and keeps it; the worker is told only the secret's hash, which is also
//! the share's name in lists and commands. A secret opens one immutable snapshot, and nothing can be done with it.

use crate::recording::Part;
use crate::session_file::sha256_hex;
use serde::{Deserialize, Serialize};

/// Hex digits of a secret: 256 random bits.
pub const SECRET_DIGITS: usize = 64;

/// Shortest and longest life of a link, in seconds.
pub const LIFETIME_SECS: std::ops::RangeInclusive<u64> = 1..=365 * 24 * 3600;

/// Links of a run that can be open at a time.
pub const MAX_OPEN_SHARES: usize = 32;

/// Longest view that a link carries, in bytes.
pub const MAX_VIEW_BYTES: usize = 1024;

/// A share as the list of its run shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareSummary {
    /// SHA-256 of its secret, in hex.
    pub share: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_unix_ms: u64,
    /// When it ends, likewise.
    pub expires_unix_ms: u64,
    /// When it was revoked, likewise, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_unix_ms: Option<u64>,
    /// When somebody last opened it, likewise, if anybody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_unix_ms: Option<u64>,
    /// What it leaves out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Part>,
    /// Length of the snapshot, in bytes; 0 once it was revoked, because then it is deleted.
    pub bytes: u64,
}

/// The name of the share that a secret opens.
pub fn name_of(secret: &str) -> String {
    sha256_hex(secret.as_bytes())
}

/// Whether a text can be a secret or the name of a share: both are 64 hex digits in lower case.
pub fn is_hex_256(text: &str) -> bool {
    text.len() == SECRET_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text can be the query of an address of the page.
pub fn is_view(text: &str) -> bool {
    text.len() <= MAX_VIEW_BYTES
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%&=+,:*!'()@/?[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hashes_and_views_are_queries() {
        assert_eq!(name_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(is_hex_256(&name_of("")) && !is_hex_256("ab") && !is_hex_256(&"A".repeat(64)));
        assert!(is_view("tab=result&split=test&q=a%20b") && is_view(""));
        assert!(
            !is_view("a#b") && !is_view("a b") && !is_view("<script>") && !is_view(&"a".repeat(MAX_VIEW_BYTES + 1))
        );
    }
}
