//! Whether a recording says what the model says: what it claims, what was computed again, and where the
//! two part.
//!
//! The browser and the tests share it. Nothing here runs a model: `steerage-verifier` measures, this
//! compares. What is compared and within which tolerance: `docs/verification.md`.

mod agreement;
mod arithmetic;
mod claims;
pub mod messages;

pub use agreement::{Departure, GreedyPath, PrefixMeasurement, SuffixMeasurement, compare};
pub use arithmetic::sums;
pub use claims::{Claims, ClaimsError, FoundClaim, SuffixClaim};

use crate::nontriviality::RoundTrip;
use serde::{Deserialize, Serialize};

/// Largest difference of a cross-entropy that still counts as the same, in nats a token.
///
/// Two machines add the same f32 products up in different orders, which moves a cross-entropy in the sixth
/// decimal. The page shows three, so that no edit which changes a shown number stays below this.
pub const CE_TOLERANCE: f64 = 5e-4;

/// Two tokens of which one is likelier by less than this, in nats, count as equally likely: either may be
/// the greedy choice of another machine.
pub const TIE_NATS: f64 = 1e-3;

/// Largest difference of a number that follows from other recorded numbers by adding up.
pub const SUM_TOLERANCE: f64 = 1e-6;

/// Under which prefix something was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Under {
    /// No prefix.
    None,
    /// The reference prefix.
    Reference,
    /// The found prefix.
    Found,
}

impl Under {
    /// All, in the order in which they are reported.
    pub const ALL: [Under; 3] = [Under::None, Under::Reference, Under::Found];

    /// As part of a sentence.
    pub fn phrase(self) -> &'static str {
        match self {
            Under::None => "without a prefix",
            Under::Reference => "under the reference",
            Under::Found => "under the found prefix",
        }
    }
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "check", rename_all = "snake_case")]
pub enum Check {
    /// A weighted cross-entropy.
    Ce {
        /// Under which prefix.
        under: Under,
        /// As the recording has it, in nats a token.
        recorded: f64,
        /// As it was computed again.
        computed: f64,
    },
    /// A greedy completion, token by token.
    Completion {
        /// Under which prefix.
        under: Under,
        /// The completion as the recording has it, and where the model would have gone another way.
        path: GreedyPath,
    },
    /// A number that follows from others of the recording, without a model.
    Sum {
        /// Which number.
        what: String,
        /// As the recording has it.
        recorded: Option<f64>,
        /// As it follows.
        computed: Option<f64>,
    },
    /// Recorded ids and the text that is recorded beside them.
    Text {
        /// Of what.
        what: String,
        /// The recorded text.
        recorded: String,
        /// The text of the recorded ids.
        computed: String,
    },
    /// The ids of a prefix read back from its text, inside the chat of every suffix.
    RoundTrip {
        /// Which prefix.
        under: Under,
        /// What came of it.
        outcome: RoundTrip,
    },
}

impl Check {
    /// Whether recording and model agree.
    pub fn passes(&self) -> bool {
        match self {
            // A difference that is no number is no agreement.
            Check::Ce { recorded, computed, .. } => (recorded - computed).abs() <= CE_TOLERANCE,
            Check::Completion { path, .. } => path.departure.is_none(),
            Check::Sum { recorded, computed, .. } => match (recorded, computed) {
                (Some(recorded), Some(computed)) => (recorded - computed).abs() <= SUM_TOLERANCE,
                (recorded, computed) => recorded.is_none() && computed.is_none(),
            },
            Check::Text { recorded, computed, .. } => recorded == computed,
            Check::RoundTrip { outcome, .. } => outcome.failures.is_empty(),
        }
    }

    /// What does not agree, as a sentence without its full stop; nothing where all does.
    pub fn problem(&self) -> Option<String> {
        if self.passes() {
            return None;
        }
        let number = |number: &Option<f64>| match number {
            // Counts read as counts.
            Some(number) if number.fract() == 0.0 => number.to_string(),
            Some(number) => format!("{number:.6}"),
            None => "nothing".to_owned(),
        };
        Some(match self {
            Check::Ce { under, recorded, computed } => {
                format!("cross-entropy {}: recorded {recorded:.4}, computed {computed:.4}", under.phrase())
            }
            Check::Completion { under, path } => match &path.departure {
                Some(departure) => format!("completion {}: {departure}", under.phrase()),
                None => return None,
            },
            Check::Sum { what, recorded, computed } => {
                format!("{what}: recorded {}, but the suffixes give {}", number(recorded), number(computed))
            }
            Check::Text { what, recorded, computed } => {
                format!("{what}: recorded as {recorded:?}, but its ids read {computed:?}")
            }
            Check::RoundTrip { under, outcome } => {
                let first = outcome.failures.first().map(|first| format!(" {}: {}", first.suffix + 1, first.evidence));
                format!("text {} does not read back, in suffix{}", under.phrase(), first.unwrap_or_default())
            }
        })
    }
}

/// What came of one suffix, or of the recording as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Every comparison, in the order in which they are reported.
    pub checks: Vec<Check>,
}

impl Outcome {
    /// Whether every comparison agrees; also where there was none.
    pub fn agrees(&self) -> bool {
        self.checks.iter().all(Check::passes)
    }

    /// What does not agree.
    pub fn problems(&self) -> impl Iterator<Item = String> + '_ {
        self.checks.iter().filter_map(Check::problem)
    }
}

#[cfg(test)]
mod tests;
