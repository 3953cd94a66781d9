//! What a recording claims, as far as it can be computed again.

use crate::event::{Completion, ModelCard, Prefix};
use crate::spec::Split;
use crate::state::RunState;
use serde::{Deserialize, Serialize};

/// What a run says of its model, its prefixes and its suffixes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// The model.
    pub model: ModelCard,
    /// The reference prefix as text.
    pub teacher: String,
    /// The reference prefix as tokens.
    pub reference: Prefix,
    /// The found prefix, where the run came to a result.
    pub found: Option<Prefix>,
    /// Text between prefix and suffix.
    pub separator: String,
    /// Longest completion, in tokens.
    pub max_completion_tokens: usize,
    /// Completion tokens that weigh `early_weight`.
    pub early_k: usize,
    /// Their weight; later ones weigh 1.
    pub early_weight: f64,
    /// The suffixes, by split, then by index.
    pub suffixes: Vec<SuffixClaim>,
}

/// What a run says of one suffix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuffixClaim {
    /// Index in the run.
    pub index: usize,
    /// Who may see it.
    pub split: Split,
    /// The prompt.
    pub text: String,
    /// The reference completion, on which everything is scored.
    pub reference: Completion,
    /// Weighted cross-entropy without a prefix, in nats a token.
    pub ce_none: f64,
    /// The same under the reference prefix.
    pub ce_reference: f64,
    /// Sum of the token weights.
    pub weight: f64,
    /// What it says of the found prefix; absent for suffixes that were left out.
    pub found: Option<FoundClaim>,
}

/// What a run says of one suffix under the found prefix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundClaim {
    /// Weighted cross-entropy of the reference completion, in nats a token.
    pub ce: f64,
    /// The model's own greedy completion.
    pub completion: Completion,
    /// The same without a prefix.
    pub completion_none: Completion,
}

/// Why a recording claims nothing that can be computed again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// It ends too early.
    #[error("the recording ends before any suffix was measured")]
    NothingMeasured,
}

impl Claims {
    /// The claims of a run as far as its log goes.
    ///
    /// # Errors
    /// A log without a measured suffix.
    pub fn of(state: &RunState) -> Result<Claims, ClaimsError> {
        let (Some(spec), Some(model)) = (&state.spec, &state.model) else { return Err(ClaimsError::NothingMeasured) };
        let mut suffixes: Vec<SuffixClaim> = state
            .suffixes
            .iter()
            .map(|suffix| {
                let found = state.evaluations.iter().find(|evaluation| evaluation.index == suffix.index);
                SuffixClaim {
                    index: suffix.index,
                    split: suffix.split,
                    text: suffix.text.clone(),
                    reference: suffix.reference.clone(),
                    ce_none: suffix.ce_none,
                    ce_reference: suffix.ce_reference,
                    weight: suffix.weight,
                    found: found.map(|found| FoundClaim {
                        ce: found.ce,
                        completion: found.completion.clone(),
                        completion_none: found.completion_none.clone(),
                    }),
                }
            })
            .collect();
        if suffixes.is_empty() {
            return Err(ClaimsError::NothingMeasured);
        }
        suffixes.sort_by_key(|suffix| (suffix.split, suffix.index));
        let text = state.reference.iter().map(|token| token.text.as_str()).collect();
        Ok(Claims {
            model: model.clone(),
            teacher: spec.teacher.clone(),
            reference: Prefix { text, tokens: state.reference.clone() },
            found: state.result.as_ref().map(|result| result.prefix.clone()),
            separator: spec.separator.clone(),
            max_completion_tokens: spec.max_completion_tokens,
            early_k: spec.early_k,
            early_weight: spec.early_weight,
            suffixes,
        })
    }

    /// The same claims about some of the suffixes, by their indices in the run.
    pub fn only(&self, indices: &[usize]) -> Claims {
        let suffixes = self.suffixes.iter().filter(|suffix| indices.contains(&suffix.index)).cloned().collect();
        Claims { suffixes, ..self.clone() }
    }
}
