//! Folding that several checks share.

/// Folds the case of one character: small letters, with "ß" as "ss" and final sigma as sigma.
///
/// The way over the capital joins small letters that share one, which `to_lowercase` alone does not.
#[inline]
pub(super) fn fold_char(c: char, mut push: impl FnMut(char)) {
    if c.is_ascii() {
        return push(c.to_ascii_lowercase());
    }
    c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase).for_each(&mut push);
}

/// Appends a text to another, case folded.
pub(super) fn fold_case(text: &str, folded: &mut String) {
    text.chars().for_each(|c| fold_char(c, |c| folded.push(c)));
}

/// A character of a case-folded text and the bytes of the text that it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoldedChar {
    pub c: char,
    pub start_byte: usize,
    pub end_byte: usize,
}

/// Folds the case of a text, character by character.
pub(super) fn folded_chars(text: &str) -> Vec<FoldedChar> {
    let mut folded = Vec::with_capacity(text.len());
    for (start_byte, original) in text.char_indices() {
        let end_byte = start_byte + original.len_utf8();
        fold_char(original, |c| folded.push(FoldedChar { c, start_byte, end_byte }));
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_folds_beyond_ascii() {
        for (text, expected) in [
            ("CATS", "cats"),
            ("Straße", "strasse"),
            ("STRASSE", "strasse"),
            ("ẞ", "ss"),
            ("ΌΔΟΣ", "όδοσ"),
            ("όδος", "όδοσ"),
            ("КОТ", "кот"),
            ("ﬁN", "fin"),
            ("猫", "猫"),
        ] {
            let mut folded = String::new();
            fold_case(text, &mut folded);
            assert_eq!(folded, expected, "{text}");
        }
    }

    #[test]
    fn folded_characters_know_where_they_came_from() {
        let folded = folded_chars("aßb");
        let places: Vec<_> = folded.iter().map(|f| (f.c, f.start_byte, f.end_byte)).collect();
        assert_eq!(places, [('a', 0, 1), ('s', 1, 3), ('s', 1, 3), ('b', 3, 4)]);
    }
}
