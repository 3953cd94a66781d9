//! Tokens as a person can read them: no token shows a part of what the eye takes for one character.

use unicode_segmentation::UnicodeSegmentation;

/// What a token shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The characters that begin in it.
    Text(String),
    /// Nothing begins in it: it is a part of a character that another token shows.
    Part,
    /// It has no text: the end of the text.
    Stop,
}

/// What each token of a sequence shows, given what each adds to the text.
///
/// A letter and its accent, or the people of a family emoji, may lie in several tokens. The token in which such a
/// character begins shows all of it. A last token that adds nothing ends the text.
pub fn shown(pieces: &[String]) -> Vec<Shown> {
    let text = pieces.concat();
    let mut ends = pieces.iter().scan(0, |end, piece| {
        *end += piece.len();
        Some(*end)
    });
    let (mut texts, mut at) = (vec![String::new(); pieces.len()], 0);
    let mut end = ends.next().unwrap_or_default();
    for (start, grapheme) in text.grapheme_indices(true) {
        while start >= end && at + 1 < pieces.len() {
            at += 1;
            end = ends.next().unwrap_or(end);
        }
        texts[at].push_str(grapheme);
    }
    let last = pieces.len().saturating_sub(1);
    let shown = texts.into_iter().zip(pieces).enumerate().map(|(at, (text, piece))| match text.is_empty() {
        false => Shown::Text(text),
        true if at == last && piece.is_empty() => Shown::Stop,
        true => Shown::Part,
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn of(pieces: &[&str]) -> String {
        let pieces: Vec<String> = pieces.iter().map(|&piece| piece.to_owned()).collect();
        let shown = shown(&pieces).into_iter().map(|shown| match shown {
            Shown::Text(text) => text,
            Shown::Part => "…".to_owned(),
            Shown::Stop => "■".to_owned(),
        });
        shown.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn no_character_is_cut() {
        assert_eq!(of(&["The", " cat", "", "."]), "The| cat|…|.");
        assert_eq!(of(&["e", "\u{301}t", "é"]), "e\u{301}|t|é");
        // A family: three people, joined, over three tokens.
        assert_eq!(of(&["👩", "\u{200D}👩", "\u{200D}👧!"]), "👩\u{200D}👩\u{200D}👧|…|!");
        assert_eq!(of(&["x", "", "🐱"]), "x|…|🐱");
        assert_eq!(of(&["end", ""]), "end|■");
        assert_eq!(of(&["\r", "\n"]), "\r\n|…");
        assert_eq!(of(&[""]), "■");
        assert_eq!(of(&[]), "");
    }

    #[test]
    fn nothing_is_lost() {
        let pieces = ["a", "", "\u{301}b", "🏳", "\u{FE0F}\u{200D}", "🌈 c", ""].map(str::to_owned);
        let texts = shown(&pieces).into_iter().filter_map(|shown| match shown {
            Shown::Text(text) => Some(text),
            _ => None,
        });
        assert_eq!(texts.collect::<String>(), pieces.concat());
    }
}
