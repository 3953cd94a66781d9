//! The shape that all checks share.

use super::candidate::Candidate;
use super::word_tokens::WordTokens;
use super::{Rule, Span};
use crate::spec::Constraints;
use std::fmt::Debug;
use std::sync::Arc;

/// What checks are compiled from.
pub(super) struct Context<'a> {
    pub constraints: &'a Constraints,
    pub reference_text: &'a str,
    pub words: Arc<WordTokens>,
}

/// One rule, compiled for one run.
pub(super) trait Check: Debug + Send + Sync {
    /// The rule that it decides.
    fn rule(&self) -> Rule;

    /// What the rule demands, for a person.
    fn bound(&self) -> String;

    /// Whether a token that breaks the rule on its own is kept out of every search.
    fn judges_single_tokens(&self) -> bool;

    /// How the candidate breaks the rule, if it does. Called for every candidate of a search, so it
    /// writes nothing down unless it found something.
    fn broken_by(&self, candidate: &Candidate<'_>) -> Option<Broken>;

    /// What was found in a candidate that keeps the rule, for a person.
    fn kept_by(&self, candidate: &Candidate<'_>) -> String;
}

/// How a candidate breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// What was found, for a person.
    pub evidence: String,
    /// Where in the candidate's text, where that can be said.
    pub span: Option<Span>,
}
