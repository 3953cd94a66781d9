//! No long run of characters in common with the reference.

use super::candidate::Candidate;
use super::check::{Broken, Check, Context};
use super::text::{FoldedChar, folded_chars};
use super::{Rule, Span};

/// Checks [`Rule::CommonSubstring`].
#[derive(Debug)]
pub(super) struct CommonSubstring {
    /// Case folded.
    reference: Vec<char>,
    max_chars: usize,
}

impl CommonSubstring {
    pub fn new(context: &Context<'_>) -> Self {
        CommonSubstring {
            reference: folded_chars(context.reference_text).iter().map(|folded| folded.c).collect(),
            max_chars: context.constraints.max_common_substring_chars,
        }
    }

    fn longest<'a>(&self, candidate: &'a Candidate<'_>) -> &'a [FoldedChar] {
        longest_common(candidate.folded(), &self.reference)
    }

    fn evidence(shared: &[FoldedChar]) -> String {
        let text: String = shared.iter().map(|folded| folded.c).collect();
        match shared.len() {
            0 => "no character".to_owned(),
            1 => format!("{text:?}, 1 character"),
            chars => format!("{text:?}, {chars} characters"),
        }
    }
}

impl Check for CommonSubstring {
    fn rule(&self) -> Rule {
        Rule::CommonSubstring
    }

    fn bound(&self) -> String {
        format!("at most {} characters in a row may also stand in the reference", self.max_chars)
    }

    fn judges_single_tokens(&self) -> bool {
        false
    }

    fn broken_by(&self, candidate: &Candidate<'_>) -> Option<Broken> {
        // A text that is short enough shares nothing longer.
        if candidate.folded().len().min(self.reference.len()) <= self.max_chars {
            return None;
        }
        let shared = self.longest(candidate);
        if shared.len() <= self.max_chars {
            return None;
        }
        let (first, last) = (shared.first()?, shared.last()?);
        let span = Span { start_byte: first.start_byte, end_byte: last.end_byte };
        Some(Broken { evidence: Self::evidence(shared), span: Some(span) })
    }

    fn kept_by(&self, candidate: &Candidate<'_>) -> String {
        Self::evidence(self.longest(candidate))
    }
}

/// The longest run of `text` that also stands in `reference`; of equally long ones the first.
fn longest_common<'a>(text: &'a [FoldedChar], reference: &[char]) -> &'a [FoldedChar] {
    let (mut end, mut length) = (0, 0);
    // row[j]: length of the common run that ends at the current character and at reference[j - 1].
    let mut row = vec![0; reference.len() + 1];
    for (i, folded) in text.iter().enumerate() {
        // From the right, so that row[j] still belongs to the character before.
        for j in (0..reference.len()).rev() {
            row[j + 1] = if folded.c == reference[j] { row[j] + 1 } else { 0 };
            if row[j + 1] > length {
                (end, length) = (i + 1, row[j + 1]);
            }
        }
    }
    &text[end - length..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_longest_common_run() {
        for (text, reference, start, end) in [
            ("", "", 0, 0),
            ("abc", "", 0, 0),
            ("abc", "xyz", 0, 0),
            ("xABCy", "zabcw", 1, 4),
            ("ab abcd", "abcd ab", 3, 7),
            ("aaaa", "aa", 0, 2),
            ("ein Straßenname", "strasse", 4, 11),
            ("die 猫と犬", "猫と犬", 4, 13),
        ] {
            let folded = folded_chars(text);
            let reference: Vec<char> = reference.chars().collect();
            let run = longest_common(&folded, &reference);
            let place = (run.first().map_or(0, |f| f.start_byte), run.last().map_or(0, |f| f.end_byte));
            assert_eq!(place, (start, end), "{text} {reference:?}");
        }
    }
}
