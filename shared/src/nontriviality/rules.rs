//! All rules of a run together.

use super::candidate::Candidate;
use super::check::{Broken, Check, Context};
use super::common_substring::CommonSubstring;
use super::concepts::{Concepts, Positions};
use super::edit_distance::EditDistance;
use super::reference_tokens::ReferenceTokens;
use super::round_trip;
use super::script::OneScript;
use super::token_classes::TokenClasses;
use super::token_overlap::TokenOverlap;
use super::word_tokens::WordTokens;
use super::{Finding, RoundTrip, Rule, Verdict, Vocabulary};
use crate::spec::Constraints;
use std::sync::{Arc, OnceLock};

/// The rules of a run, compiled.
#[derive(Debug)]
pub struct Rules {
    /// In the order of [`Rule`]; [`Rule::RoundTrip`] needs a tokenizer and is no check.
    checks: Vec<Box<dyn Check>>,
    /// By id.
    banned_by: Vec<Option<Rule>>,
    /// By id.
    allowed: Vec<bool>,
    concepts: Arc<Concepts>,
    /// Made on first use: only searches ask by position.
    positions: OnceLock<Positions>,
}

/// One line a check, in the order of [`Rule`].
fn checks(context: &Context<'_>, concepts: &Arc<Concepts>) -> Vec<Box<dyn Check>> {
    vec![
        Box::new(TokenClasses),
        Box::new(ReferenceTokens::new(context)),
        Box::new(Arc::clone(concepts)),
        Box::new(OneScript::new(context)),
        Box::new(TokenOverlap::new(context)),
        Box::new(EditDistance::new(context)),
        Box::new(CommonSubstring::new(context)),
    ]
}

impl Rules {
    /// Compiles the rules and judges every token of the vocabulary by them.
    ///
    /// `reference_ids` are the ids of `reference_text` as the run's prompt layout tokenises it.
    pub fn new(
        constraints: &Constraints,
        reference_text: &str,
        reference_ids: &[u32],
        vocabulary: &Vocabulary,
    ) -> Rules {
        let words = Arc::new(WordTokens::new(vocabulary, reference_ids));
        let context = Context { constraints, reference_text, words };
        let concepts = Arc::new(Concepts::new(&context));
        let checks = checks(&context, &concepts);
        let by_token: Vec<&dyn Check> =
            checks.iter().map(|check| &**check).filter(|check| check.judges_single_tokens()).collect();
        let banned_by: Vec<Option<Rule>> = (0..vocabulary.pieces.len() as u32)
            .map(|id| {
                let ids = [id];
                let token = Candidate::new(vocabulary, &ids);
                by_token.iter().find(|check| check.broken_by(&token).is_some()).map(|check| check.rule())
            })
            .collect();
        let allowed = banned_by.iter().map(Option::is_none).collect();
        Rules { checks, banned_by, allowed, concepts, positions: OnceLock::new() }
    }

    /// Whether a search may propose a token at all, by id.
    pub fn allowed(&self) -> &[bool] {
        &self.allowed
    }

    /// Which tokens may stand between others as far as [`Rule::Concepts`] goes, by id: a token may if that
    /// rule holds for `before`, the token and `after` together. Exact, for tokens that a search may not
    /// propose too; a token that spells nothing alone, as "eline", may not stand behind "f".
    ///
    /// `vocabulary` is the one that the rules were compiled for. The first call prepares every token of it.
    pub fn concepts_allow(&self, vocabulary: &Vocabulary, before: &[u32], after: &[u32]) -> Vec<bool> {
        self.positions
            .get_or_init(|| Positions::new(Arc::clone(&self.concepts), vocabulary))
            .allow(vocabulary, before, after)
    }

    /// Which tokens a search may propose between others, by id: [`Rules::allowed`] of those that
    /// [`Rules::concepts_allow`]. The other rules need the whole candidate: [`Rules::violation`].
    pub fn allowed_between(&self, vocabulary: &Vocabulary, before: &[u32], after: &[u32]) -> Vec<bool> {
        let fits = self.concepts_allow(vocabulary, before, after);
        self.allowed.iter().zip(fits).map(|(&allowed, fits)| allowed && fits).collect()
    }

    /// The first rule that a token breaks on its own: why a search may not propose it. An id outside
    /// the vocabulary breaks [`Rule::TokenClasses`].
    pub fn banned_by(&self, id: u32) -> Option<Rule> {
        self.banned_by.get(id as usize).copied().unwrap_or(Some(Rule::TokenClasses))
    }

    /// Which banned concept a token spells on its own, by its place in the constraints.
    pub fn concept_of(&self, vocabulary: &Vocabulary, id: u32) -> Option<usize> {
        self.concepts.first_in(&Candidate::new(vocabulary, &[id]).text)
    }

    /// The first rule, [`Rule::RoundTrip`] aside, that a whole candidate breaks.
    pub fn violation(&self, vocabulary: &Vocabulary, ids: &[u32]) -> Option<Finding> {
        let candidate = Candidate::new(vocabulary, ids);
        self.checks.iter().find_map(|check| Some(broken(&**check, check.broken_by(&candidate)?)))
    }

    /// Judges a whole candidate by every rule. Without the outcome of a round trip that rule was not
    /// checked, and the candidate does not pass.
    pub fn verdict(&self, vocabulary: &Vocabulary, ids: &[u32], round_trip: Option<&RoundTrip>) -> Verdict {
        let candidate = Candidate::new(vocabulary, ids);
        let mut findings: Vec<Finding> = self.checks.iter().map(|check| finding(&**check, &candidate)).collect();
        findings.push(round_trip::finding(round_trip));
        Verdict { passed: findings.iter().all(|finding| finding.passed), findings }
    }
}

fn finding(check: &dyn Check, candidate: &Candidate<'_>) -> Finding {
    match check.broken_by(candidate) {
        Some(found) => broken(check, found),
        None => Finding {
            rule: check.rule(),
            passed: true,
            evidence: check.kept_by(candidate),
            bound: check.bound(),
            span: None,
        },
    }
}

fn broken(check: &dyn Check, found: Broken) -> Finding {
    Finding { rule: check.rule(), passed: false, evidence: found.evidence, bound: check.bound(), span: found.span }
}
