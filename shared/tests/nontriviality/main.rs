//! What the rules find and what they leave alone, from outside.

mod examples;
mod properties;

use shared::nontriviality::{Vocabulary, VocabularyPiece};
use shared::spec::Constraints;

/// A vocabulary of text tokens; ids count from 0.
fn vocabulary<'a>(tokens: impl IntoIterator<Item = &'a [u8]>) -> Vocabulary {
    let pieces = tokens.into_iter().map(|bytes| VocabularyPiece { bytes: bytes.to_vec(), special: false });
    Vocabulary { pieces: pieces.collect() }
}

/// Constraints under which everything that can be switched off is.
fn nothing_demanded() -> Constraints {
    Constraints {
        ban_reference_tokens: false,
        ban_concepts: Vec::new(),
        reference_script_only: false,
        max_token_overlap: 1.0,
        min_edit_distance: 0.0,
        max_common_substring_chars: usize::MAX,
    }
}

/// Constraints that ban words and demand nothing else.
fn banning<'a>(concepts: impl IntoIterator<Item = &'a str>) -> Constraints {
    Constraints { ban_concepts: concepts.into_iter().map(str::to_owned).collect(), ..nothing_demanded() }
}
