//! No banned concept, however it is spelled or tokenised.
//!
//! The text is read as its *letters*: letters and digits, compatibility decomposed (NFKD), case
//! folded, without diacritics. Characters that do not show are left out. One Aho–Corasick automaton
//! finds every form of every banned word in the letters alone. What stood between the letters, their
//! [`Joint`]s, then decides whether a reader would find the word too. A hit counts if
//!
//! 1. **it is made of whole words**: a word begins before its first letter and ends after its last.
//!    Words are parted by blanks, punctuation and symbols, where the script changes (so between
//!    letters and digits), where the case does ("myCat"), and anywhere in scripts that put no spaces
//!    between words. A token's end parts nothing.
//! 2. **no blank within it parts ordinary words**: a blank inside the hit is ignored between letters
//!    that stand alone ("c a t"), where the banned concept has a gap itself ("ice cream"), and
//!    anywhere if the form has at least [`MIN_JOINED_LETTERS`] letters ("fe line"). Punctuation and
//!    symbols inside the hit are always ignored ("c-a-t", "fe_line").
//!
//! | banned | found in | not found in |
//! |---|---|---|
//! | cat | `Cats`, `c.a.t`, `c a t`, `ｃａｔ`, `cát`, `myCat`, `cat5` | `concatenate`, `magic attic`, `vitamin c at noon` |
//! | feline | `f` + `eline`, `fe-line`, `fe line` | `f`, `line`, `lifeline` |
//! | island | `islands`, `is land` | `is a land` |
//!
//! "fe line" and "is land" are alike to a rule without a dictionary. From six letters on it is more
//! likely that somebody hides a word than that neighbours spell one by chance.

mod characters;
mod forms;
mod letters;
mod positions;

pub(super) use positions::Positions;

use super::candidate::Candidate;
use super::check::{Broken, Check, Context};
use super::{Rule, Span};
use aho_corasick::AhoCorasick;
use forms::{Form, forms};
use letters::{Joint, Letters};
use std::cmp::Reverse;
use std::sync::Arc;

/// Letters from which on neighbouring words that spell a form together are taken for it.
const MIN_JOINED_LETTERS: usize = 6;

/// Checks [`Rule::Concepts`].
#[derive(Debug)]
pub(super) struct Concepts {
    /// As the user wrote them.
    concepts: Vec<String>,
    /// Each with the index of its concept; by pattern of the automaton.
    forms: Vec<(usize, Form)>,
    automaton: AhoCorasick,
}

impl Concepts {
    pub fn new(context: &Context<'_>) -> Self {
        let concepts = context.constraints.ban_concepts.clone();
        let forms: Vec<(usize, Form)> = concepts
            .iter()
            .enumerate()
            .flat_map(|(concept, text)| forms(text).into_iter().map(move |form| (concept, form)))
            .collect();
        let automaton = AhoCorasick::new(forms.iter().map(|(_, form)| &form.letters))
            .expect("the automaton of less than 2 GB of words has less than 2^31 states");
        Concepts { concepts, forms, automaton }
    }

    /// The concept that a reader finds first in a text, by its place among them.
    pub fn first_in(&self, text: &str) -> Option<usize> {
        let letters = Letters::of(text);
        let first = self.found(&letters).min_by_key(|&(first, end, pattern)| (first, Reverse(end), pattern))?;
        Some(self.forms[first.2].0)
    }

    /// Where the letters of forms stand, whether a reader finds the form or not: first letter, one past the
    /// last, and the form.
    fn spelled<'a>(&'a self, letters: &'a Letters) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        self.automaton
            .find_overlapping_iter(letters.text())
            .map(|hit| (letters.at_byte(hit.start()), letters.at_byte(hit.end()), hit.pattern().as_usize()))
    }

    /// Those that a reader finds.
    fn found<'a>(&'a self, letters: &'a Letters) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        let joint_before = |at| letters.joint_before(at);
        self.spelled(letters)
            .filter(move |&(first, end, form)| is_visible(joint_before, first, end, &self.forms[form].1))
    }
}

impl Check for Arc<Concepts> {
    fn rule(&self) -> Rule {
        Rule::Concepts
    }

    fn bound(&self) -> String {
        match &self.concepts[..] {
            [] => "no word is banned".to_owned(),
            words => format!("none of these, in any spelling: {}", words.join(", ")),
        }
    }

    fn judges_single_tokens(&self) -> bool {
        true
    }

    fn broken_by(&self, candidate: &Candidate<'_>) -> Option<Broken> {
        if self.forms.is_empty() {
            return None;
        }
        let letters = Letters::of(&candidate.text);
        // The first hit, and the longest that begins there: "cats" rather than "cat".
        let (first, end, pattern) =
            self.found(&letters).min_by_key(|&(first, end, pattern)| (first, Reverse(end), pattern))?;
        let (concept, form) = &self.forms[pattern];
        let (start_byte, end_byte) = letters.source(first, end - 1);
        let (found, concept) = (&candidate.text[start_byte..end_byte], &self.concepts[*concept]);
        let evidence = format!("{found:?} spells {:?}, which a ban on {concept:?} covers", form.letters);
        Some(Broken { evidence, span: Some(Span { start_byte, end_byte }) })
    }

    fn kept_by(&self, _: &Candidate<'_>) -> String {
        match self.concepts.len() {
            0 => "not checked".to_owned(),
            words => format!("none of {words} banned"),
        }
    }
}

/// Whether a reader finds the form in the letters `first..end`, given what stands before each letter and
/// before the end: the two conditions of this module. A joint that parts more finds more, but for blanks
/// inside the hit.
fn is_visible(joint_before: impl Fn(usize) -> Joint, first: usize, end: usize, form: &Form) -> bool {
    let parted = |at: usize| joint_before(at) > Joint::Seamless;
    // A word by itself, as the letters of "c a t" and "c-a-t" are.
    let stands_alone = |at: usize| parted(at) && parted(at + 1);
    let blank_is_ignored = |at: usize| {
        form.letter_count >= MIN_JOINED_LETTERS
            || form.gaps.contains(&(at - first))
            || stands_alone(at - 1) && stands_alone(at)
    };
    parted(first) && parted(end) && (first + 1..end).all(|at| joint_before(at) != Joint::Space || blank_is_ignored(at))
}
