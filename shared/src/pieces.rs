//! What each token of a sequence adds to its text.
//!
//! A token may end within a character, whose bytes the next tokens complete. Shown one by one, such tokens
//! are not text at all; so a character belongs to the token that completes it, and those before it add
//! nothing. All pieces together are the text.

/// One piece a token. Bytes that are no UTF-8 become U+FFFD, as in the text of all bytes together.
pub fn pieces<'a>(tokens: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut pending: Vec<u8> = Vec::new();
    for token in tokens {
        pending.extend_from_slice(token);
        let complete = pending.len() - unfinished(&pending);
        pieces.push(String::from_utf8_lossy(&pending[..complete]).into_owned());
        pending.drain(..complete);
    }
    // What no token completed stays broken, and belongs to the last one.
    if let Some(last) = pieces.last_mut() {
        last.push_str(&String::from_utf8_lossy(&pending));
    }
    pieces
}

/// Bytes at the end that more bytes could make a character of.
fn unfinished(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(_) => return 0,
            Err(error) => match error.error_len() {
                None => return rest.len() - error.valid_up_to(),
                Some(invalid) => rest = &rest[error.valid_up_to() + invalid..],
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_character_belongs_to_the_token_that_completes_it() {
        let of = |tokens: &[&[u8]]| pieces(tokens.iter().copied());
        assert_eq!(of(&[b"a", b" b"]), ["a", " b"]);
        assert_eq!(of(&[b"x\xF0\x9F", b"\x90", b"\xB1!"]), ["x", "", "🐱!"]);
        assert_eq!(of(&[b"\xF0\x9F", b"a"]), ["", "\u{FFFD}a"], "it is never completed");
        assert_eq!(of(&[b"a", b"\xC3"]), ["a", "\u{FFFD}"]);
        assert_eq!(of(&[b"\xFF", b""]), ["\u{FFFD}", ""]);
        assert_eq!(of(&[]), [""; 0]);
    }

    proptest! {
        #[test]
        fn all_pieces_together_are_the_text(tokens in proptest::collection::vec(
            proptest::collection::vec(proptest::sample::select(b"aZ\xC3\xA4\xF0\x9F\x90\xB1\xE2\x80\xFF".to_vec()), 0..4), 0..8,
        )) {
            let pieces = pieces(tokens.iter().map(Vec::as_slice));
            prop_assert_eq!(pieces.len(), tokens.len());
            prop_assert_eq!(pieces.concat(), String::from_utf8_lossy(&tokens.concat()).into_owned());
        }
    }
}
