//! Few tokens in common with the reference.

use super::Rule;
use super::candidate::Candidate;
use super::check::{Broken, Check, Context};
use super::word_tokens::WordTokens;
use std::sync::Arc;

/// Checks [`Rule::TokenOverlap`].
#[derive(Debug)]
pub(super) struct TokenOverlap {
    words: Arc<WordTokens>,
    max_share: f64,
}

impl TokenOverlap {
    pub fn new(context: &Context<'_>) -> Self {
        TokenOverlap { words: Arc::clone(&context.words), max_share: context.constraints.max_token_overlap }
    }

    /// Word tokens that are the reference's too, and word tokens in all.
    fn count(&self, candidate: &Candidate<'_>) -> (usize, usize) {
        let count = |is: &dyn Fn(u32) -> bool| candidate.ids.iter().filter(|&&id| is(id)).count();
        (count(&|id| self.words.is_reference(id)), count(&|id| self.words.is_word(id)))
    }

    fn evidence(shared: usize, words: usize) -> String {
        format!("{shared} of {words} word tokens, {:.2}", share(shared, words))
    }
}

impl Check for TokenOverlap {
    fn rule(&self) -> Rule {
        Rule::TokenOverlap
    }

    fn bound(&self) -> String {
        format!("at most {} of the word tokens may also be the reference's", self.max_share)
    }

    fn judges_single_tokens(&self) -> bool {
        false
    }

    fn broken_by(&self, candidate: &Candidate<'_>) -> Option<Broken> {
        let (shared, words) = self.count(candidate);
        if share(shared, words) <= self.max_share {
            return None;
        }
        let first = candidate.ids.iter().position(|&id| self.words.is_reference(id));
        let span = first.and_then(|position| candidate.token_span(position));
        Some(Broken { evidence: Self::evidence(shared, words), span })
    }

    fn kept_by(&self, candidate: &Candidate<'_>) -> String {
        let (shared, words) = self.count(candidate);
        Self::evidence(shared, words)
    }
}

/// A prefix without words has none in common with anything.
fn share(shared: usize, words: usize) -> f64 {
    if words == 0 { 0.0 } else { shared as f64 / words as f64 }
}
