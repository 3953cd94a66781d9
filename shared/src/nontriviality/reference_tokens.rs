//! No word token of the reference.

use super::Rule;
use super::candidate::Candidate;
use super::check::{Broken, Check, Context};
use super::word_tokens::WordTokens;
use std::sync::Arc;

/// Checks [`Rule::ReferenceTokens`]; without tokens nothing is demanded.
#[derive(Debug)]
pub(super) struct ReferenceTokens(Option<Arc<WordTokens>>);

impl ReferenceTokens {
    pub fn new(context: &Context<'_>) -> Self {
        ReferenceTokens(context.constraints.ban_reference_tokens.then(|| Arc::clone(&context.words)))
    }
}

impl Check for ReferenceTokens {
    fn rule(&self) -> Rule {
        Rule::ReferenceTokens
    }

    fn bound(&self) -> String {
        match &self.0 {
            None => "not demanded".to_owned(),
            Some(_) => "no word token of the reference, in any case, with or without leading space".to_owned(),
        }
    }

    fn judges_single_tokens(&self) -> bool {
        true
    }

    fn broken_by(&self, candidate: &Candidate<'_>) -> Option<Broken> {
        let words = self.0.as_ref()?;
        let position = candidate.ids.iter().position(|&id| words.is_reference(id))?;
        let token = candidate.token_text(position);
        let evidence =
            format!("token {token:?} ({}) is one of the reference's, or a variant of one", candidate.ids[position]);
        Some(Broken { evidence, span: candidate.token_span(position) })
    }

    fn kept_by(&self, candidate: &Candidate<'_>) -> String {
        match &self.0 {
            None => "not checked".to_owned(),
            Some(_) => format!("none of {} tokens", candidate.ids.len()),
        }
    }
}
