//! What the works run on: random tokens from a fixed seed, or a file that another implementation
//! reads too.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::Deserialize;

/// Sequences and one step of a search.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// Candidates of equal length; the last [`Cases::SCORED`] tokens of each are scored.
    pub sequences: Vec<Vec<u32>>,
    /// One step of Greedy Coordinate Gradient.
    pub gcg: GcgCase,
}

/// One step of Greedy Coordinate Gradient (Zou et al. 2023) on one message.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GcgCase {
    /// What stands before the prefix.
    pub before: Vec<u32>,
    /// The prefix at which the gradient is taken.
    pub prefix: Vec<u32>,
    /// What stands between prefix and target.
    pub after: Vec<u32>,
    /// The completion that is wanted.
    pub target: Vec<u32>,
    /// Prefixes that are scored.
    pub candidates: Vec<Vec<u32>>,
}

impl Cases {
    /// Tokens at the end of each sequence that are scored.
    pub const SCORED: usize = 32;

    /// 32 sequences of 90 tokens, and 64 candidates that change one of 20 tokens.
    pub fn random(vocab_size: usize) -> Self {
        let mut rng = Pcg64::seed_from_u64(0);
        let mut ids =
            |count: usize| -> Vec<u32> { (0..count).map(|_| rng.random_range(0..vocab_size as u32)).collect() };
        let sequences = (0..32).map(|_| ids(90)).collect();
        let (before, prefix, after, target) = (ids(10), ids(20), ids(8), ids(24));
        let changes = ids(64);
        let candidates = changes.into_iter().enumerate().map(|(at, id)| {
            let mut candidate = prefix.clone();
            candidate[at % prefix.len()] = id;
            candidate
        });
        let candidates = candidates.collect();
        Cases { sequences, gcg: GcgCase { before, prefix, after, target, candidates } }
    }

    /// What is wrong with cases from a file.
    pub fn problem(&self, vocab_size: usize, context_length: usize) -> Option<String> {
        let GcgCase { before, prefix, after, target, candidates } = &self.gcg;
        if self.sequences.len() < 8 {
            return Some(format!("sequences: expected 8 or more, found {}", self.sequences.len()));
        }
        if let Some(short) = self.sequences.iter().find(|ids| ids.len() <= Self::SCORED) {
            return Some(format!("sequences: expected more than {} tokens each, found {}", Self::SCORED, short.len()));
        }
        for (field, empty) in [
            ("gcg.prefix", prefix.is_empty()),
            ("gcg.after", after.is_empty()),
            ("gcg.target", target.is_empty()),
            ("gcg.candidates", candidates.is_empty() || candidates.iter().any(Vec::is_empty)),
        ] {
            if empty {
                return Some(format!("{field}: expected at least one token"));
            }
        }
        let longest = candidates.iter().map(Vec::len).max().unwrap_or(0).max(prefix.len());
        let longest = before.len() + longest + after.len() + target.len();
        let longest = self.sequences.iter().map(Vec::len).max().unwrap_or(0).max(longest);
        if longest > context_length {
            return Some(format!("{longest} tokens do not fit the model's context of {context_length}"));
        }
        let all = self.sequences.iter().chain(candidates).chain([before, prefix, after, target]);
        let unknown = all.flatten().find(|&&id| id as usize >= vocab_size)?;
        Some(format!("token id {unknown} is outside the vocabulary of {vocab_size}"))
    }
}
