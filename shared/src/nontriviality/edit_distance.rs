//! Far from the reference in edits.

use super::Rule;
use super::candidate::Candidate;
use super::check::{Broken, Check, Context};
use super::text::folded_chars;

/// Checks [`Rule::EditDistance`].
#[derive(Debug)]
pub(super) struct EditDistance {
    /// Case folded.
    reference: Vec<char>,
    min_distance: f64,
}

impl EditDistance {
    pub fn new(context: &Context<'_>) -> Self {
        EditDistance {
            reference: folded_chars(context.reference_text).iter().map(|folded| folded.c).collect(),
            min_distance: context.constraints.min_edit_distance,
        }
    }

    /// Fewest edits, and characters of the longer text.
    fn measure(&self, candidate: &Candidate<'_>) -> (usize, usize) {
        let text: Vec<char> = candidate.folded().iter().map(|folded| folded.c).collect();
        (levenshtein(&text, &self.reference), text.len().max(self.reference.len()))
    }
}

fn evidence((edits, longer): (usize, usize)) -> String {
    format!("{edits} edits over {longer} characters, {:.2}", normalised(edits, longer))
}

impl Check for EditDistance {
    fn rule(&self) -> Rule {
        Rule::EditDistance
    }

    fn bound(&self) -> String {
        format!("at least {} edits to the reference per character of the longer text", self.min_distance)
    }

    fn judges_single_tokens(&self) -> bool {
        false
    }

    fn broken_by(&self, candidate: &Candidate<'_>) -> Option<Broken> {
        // Texts differ by no fewer edits than their lengths do.
        let (length, other) = (candidate.folded().len(), self.reference.len());
        if normalised(length.abs_diff(other), length.max(other)) >= self.min_distance {
            return None;
        }
        let (edits, longer) = self.measure(candidate);
        let keeps = normalised(edits, longer) >= self.min_distance;
        (!keeps).then(|| Broken { evidence: evidence((edits, longer)), span: None })
    }

    fn kept_by(&self, candidate: &Candidate<'_>) -> String {
        evidence(self.measure(candidate))
    }
}

/// Two empty texts are equal, so at distance 0.
fn normalised(edits: usize, longer: usize) -> f64 {
    edits as f64 / longer.max(1) as f64
}

/// Fewest insertions, deletions and substitutions of a character that turn one text into the other.
fn levenshtein(a: &[char], b: &[char]) -> usize {
    // row[j]: edits between the characters of `a` so far and the first j of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_fewest_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("", "cats", 4),
            ("cats", "", 4),
            ("cats", "cats", 0),
            ("cat", "cats", 1),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("猫と犬", "犬と猫", 2),
        ] {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(levenshtein(&chars(a), &chars(b)), edits, "{a} {b}");
        }
    }
}
