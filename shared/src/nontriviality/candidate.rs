//! A candidate prefix as every check sees it.

use super::text::{FoldedChar, folded_chars};
use super::{Span, Vocabulary, VocabularyPiece};
use std::borrow::Cow;
use std::cell::OnceCell;

/// A prefix in ids and its text.
pub(super) struct Candidate<'a> {
    vocabulary: &'a Vocabulary,
    /// The token ids.
    pub ids: &'a [u32],
    /// The bytes of all tokens together; what is no UTF-8 reads U+FFFD.
    pub text: Cow<'a, str>,
    /// First byte that is no UTF-8, if there is one.
    pub not_utf8_at: Option<usize>,
    folded: OnceCell<Vec<FoldedChar>>,
}

impl<'a> Candidate<'a> {
    /// Decodes the ids; one outside the vocabulary adds nothing to the text.
    pub fn new(vocabulary: &'a Vocabulary, ids: &'a [u32]) -> Self {
        let (text, not_utf8_at) = match ids {
            // Compiling the rules judges every token alone, so that case copies nothing.
            &[id] => decode(vocabulary.pieces.get(id as usize).map_or(&[][..], |piece| &piece.bytes)),
            _ => {
                let (text, not_utf8_at) = decode_owned(vocabulary.bytes(ids));
                (Cow::Owned(text), not_utf8_at)
            }
        };
        Candidate { vocabulary, ids, text, not_utf8_at, folded: OnceCell::new() }
    }

    /// The token at a position; none where the id is outside the vocabulary.
    pub fn piece(&self, position: usize) -> Option<&'a VocabularyPiece> {
        self.vocabulary.pieces.get(*self.ids.get(position)? as usize)
    }

    /// The text of one token; what is no UTF-8 on its own reads U+FFFD.
    pub fn token_text(&self, position: usize) -> Cow<'a, str> {
        self.piece(position).map_or(Cow::Borrowed(""), |piece| String::from_utf8_lossy(&piece.bytes))
    }

    /// The text with its case folded.
    pub fn folded(&self) -> &[FoldedChar] {
        self.folded.get_or_init(|| folded_chars(&self.text))
    }

    /// Size of the vocabulary, in tokens.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary.pieces.len()
    }

    /// The characters that a token has a part in; none where it has no place in the text.
    pub fn token_span(&self, position: usize) -> Option<Span> {
        // Replacement characters are longer than the bytes they stand for: no place to point at.
        if self.not_utf8_at.is_some() {
            return None;
        }
        let length = |at| self.piece(at).map_or(0, |piece| piece.bytes.len());
        let mut start_byte: usize = (0..position).map(length).sum();
        let mut end_byte = start_byte + length(position);
        while !self.text.is_char_boundary(start_byte) {
            start_byte -= 1;
        }
        while !self.text.is_char_boundary(end_byte) {
            end_byte += 1;
        }
        (start_byte < end_byte).then_some(Span { start_byte, end_byte })
    }
}

fn decode(bytes: &[u8]) -> (Cow<'_, str>, Option<usize>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), None),
        Err(error) => (String::from_utf8_lossy(bytes), Some(error.valid_up_to())),
    }
}

fn decode_owned(bytes: Vec<u8>) -> (String, Option<usize>) {
    String::from_utf8(bytes).map_or_else(
        |error| {
            let at = error.utf8_error().valid_up_to();
            (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(at))
        },
        |text| (text, None),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "a猫b" in tokens that share a character, and a byte that is none.
    #[test]
    fn a_token_points_at_whole_characters() {
        let pieces = [&b"a\xE7"[..], b"\x8C", b"\xABb", b"", b"\xFF"];
        let pieces = pieces.map(|bytes| VocabularyPiece { bytes: bytes.to_vec(), special: false });
        let vocabulary = Vocabulary { pieces: pieces.to_vec() };
        let span = |ids: &[u32], position| {
            let span = Candidate::new(&vocabulary, ids).token_span(position);
            span.map(|span| (span.start_byte, span.end_byte))
        };
        assert_eq!(span(&[0, 1, 2], 0), Some((0, 4)));
        assert_eq!(span(&[0, 1, 2], 1), Some((1, 4)));
        assert_eq!(span(&[0, 1, 2], 2), Some((1, 5)));
        assert_eq!(span(&[0, 1, 2, 3], 3), None, "an empty token has no place");
        assert_eq!(span(&[0, 1, 2], 3), None, "nor has none");
        assert_eq!(span(&[0, 1, 2, 99], 3), None, "nor has one outside the vocabulary");
        assert_eq!(span(&[0, 1, 2, 4], 0), None, "nor any where bytes are replaced");
    }
}
