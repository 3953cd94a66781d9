//! One suffix as it was recorded against the same as it was computed again.

use super::{Check, Claims, Outcome, SuffixClaim, TIE_NATS, Under};
use serde::{Deserialize, Serialize};

/// A suffix as it was computed again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SuffixMeasurement {
    /// Without a prefix.
    pub none: PrefixMeasurement,
    /// Under the reference.
    pub reference: PrefixMeasurement,
    /// Under the found prefix, where there is one.
    pub found: Option<PrefixMeasurement>,
}

/// A suffix under one prefix.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PrefixMeasurement {
    /// Weighted cross-entropy of the recorded reference completion, in nats a token.
    pub ce: f64,
    /// What became of the recorded greedy completion, where one is recorded.
    pub greedy: Option<GreedyPath>,
}

/// A recorded greedy completion and where the model goes another way.
///
/// The recorded tokens are a draft: each is run, and is right where the model finds no other token likelier.
/// From the first that is not, the model writes on by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GreedyPath {
    /// Tokens of the recording.
    pub tokens: usize,
    /// Tokens that the model would have written too, up to the first that it would not.
    pub matching: usize,
    /// Those among them beside which another is likelier by less than [`TIE_NATS`].
    pub near_ties: usize,
    /// Where the two part.
    pub departure: Option<Departure>,
    /// What the model writes, as text.
    pub written: String,
}

/// Where a recorded completion is not the greedy one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Departure {
    /// Place in the completion, from 0.
    pub at: usize,
    /// What the recording has there; nothing where it ends.
    pub recorded: Option<String>,
    /// What the model writes there; nothing where it ends.
    pub computed: Option<String>,
    /// How much likelier that is than what is recorded, in nats; absent where one of them ends.
    pub nats: Option<f64>,
}

impl std::fmt::Display for Departure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.at + 1;
        match (&self.recorded, &self.computed) {
            (Some(recorded), Some(computed)) => {
                write!(f, "token {token} is recorded as {recorded:?}, but the model writes {computed:?}")
            }
            (None, Some(computed)) => {
                write!(f, "the recording ends before token {token}, but the model writes {computed:?}")
            }
            (recorded, None) => {
                write!(f, "token {token} is recorded as {:?}, but the model ends", recorded.as_deref().unwrap_or(""))
            }
        }
    }
}

impl GreedyPath {
    /// Walks along a recorded completion. `behind` says for each token by how many nats the likeliest one is
    /// ahead of it, and which that is; `ends` says whether a token ends a completion, `text` how one reads.
    pub fn along(
        recorded: &[u32],
        behind: &[(f64, u32)],
        max_tokens: usize,
        ends: impl Fn(u32) -> bool,
        text: impl Fn(u32) -> String,
    ) -> GreedyPath {
        let mut path = GreedyPath { tokens: recorded.len(), ..GreedyPath::default() };
        for (at, (&token, &(nats, likeliest))) in recorded.iter().zip(behind).enumerate() {
            let tied = nats <= TIE_NATS;
            if token != likeliest && !tied {
                let (recorded, computed) = (Some(text(token)), Some(text(likeliest)));
                path.departure = Some(Departure { at, recorded, computed, nats: Some(nats) });
                return path;
            }
            path.matching += 1;
            path.near_ties += usize::from(token != likeliest);
            // Behind the end there is nothing.
            if let Some(&extra) = recorded.get(at + 1).filter(|_| ends(token) || at + 1 >= max_tokens) {
                path.departure =
                    Some(Departure { at: at + 1, recorded: Some(text(extra)), computed: None, nats: None });
                return path;
            }
        }
        path
    }

    /// Whether the recording stops although the model would have gone on.
    pub fn stops_early(&self, recorded: &[u32], max_tokens: usize, ends: impl Fn(u32) -> bool) -> bool {
        let ended = recorded.last().is_some_and(|&last| ends(last));
        self.departure.is_none() && !ended && recorded.len() < max_tokens
    }
}

/// Compares a suffix of a recording with what was computed again.
pub fn compare(claims: &Claims, claim: &SuffixClaim, measured: &SuffixMeasurement) -> Outcome {
    let mut checks = vec![
        Check::Ce { under: Under::None, recorded: claim.ce_none, computed: measured.none.ce },
        Check::Ce { under: Under::Reference, recorded: claim.ce_reference, computed: measured.reference.ce },
    ];
    if let (Some(_), Some(found), Some(again)) = (&claims.found, &claim.found, &measured.found) {
        checks.push(Check::Ce { under: Under::Found, recorded: found.ce, computed: again.ce });
    }
    let paths = [
        (Under::None, Some(&measured.none)),
        (Under::Reference, Some(&measured.reference)),
        (Under::Found, measured.found.as_ref()),
    ];
    for (under, measured) in paths {
        if let Some(path) = measured.and_then(|measured| measured.greedy.clone()) {
            checks.push(Check::Completion { under, path });
        }
    }
    Outcome { checks }
}
