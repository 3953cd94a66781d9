//! Which tokens are words, and which of them are the reference's.

use super::text::fold_case;
use super::{Vocabulary, VocabularyPiece};
use std::collections::HashSet;

/// The word tokens of a vocabulary. A word token has a letter or a digit; punctuation says nothing
/// about what a text means.
#[derive(Debug)]
pub(super) struct WordTokens {
    /// By id: the token is a word token.
    is_word: Vec<bool>,
    /// By id: so is a token of the reference, apart from case and leading spaces.
    is_reference: Vec<bool>,
}

impl WordTokens {
    /// Sorts the vocabulary by the ids of a reference.
    pub fn new(vocabulary: &Vocabulary, reference_ids: &[u32]) -> Self {
        let pieces = reference_ids.iter().filter_map(|&id| vocabulary.pieces.get(id as usize));
        let reference: HashSet<String> = pieces
            .filter(|piece| is_word(piece))
            .map(|piece| {
                let mut folded = String::new();
                fold_word(piece, &mut folded);
                folded
            })
            .collect();
        let mut tokens = WordTokens {
            is_word: vec![false; vocabulary.pieces.len()],
            is_reference: vec![false; vocabulary.pieces.len()],
        };
        let mut folded = String::new();
        for (id, piece) in vocabulary.pieces.iter().enumerate().filter(|(_, piece)| is_word(piece)) {
            folded.clear();
            fold_word(piece, &mut folded);
            tokens.is_word[id] = true;
            tokens.is_reference[id] = reference.contains(&folded);
        }
        tokens
    }

    /// Whether a token has a letter or a digit.
    pub fn is_word(&self, id: u32) -> bool {
        self.is_word.get(id as usize).copied().unwrap_or(false)
    }

    /// Whether a token is a word token of the reference, apart from case and leading spaces.
    pub fn is_reference(&self, id: u32) -> bool {
        self.is_reference.get(id as usize).copied().unwrap_or(false)
    }
}

fn is_word(piece: &VocabularyPiece) -> bool {
    if piece.special {
        return false;
    }
    piece.bytes.iter().any(u8::is_ascii_alphanumeric)
        || !piece.bytes.is_ascii() && String::from_utf8_lossy(&piece.bytes).chars().any(char::is_alphanumeric)
}

/// Appends the text of a token without its leading spaces, case folded.
fn fold_word(piece: &VocabularyPiece, folded: &mut String) {
    let spaces = piece.bytes.iter().take_while(|&&byte| byte == b' ').count();
    fold_case(&String::from_utf8_lossy(&piece.bytes[spaces..]), folded);
}
