//! Exact pruning: candidates that cannot win are dropped, without any risk.
//!
//! The weighted cross-entropy is a sum of terms that are never negative, over a constant. A candidate whose sum so far exceeds that of the incumbent, or of a candidate that is
//! already through, cannot win: it is dropped, and the winner and its score are those of brute
//! force. Suffixes are taken hardest first, because their terms are the largest. Within a suffix nothing is
//! dropped: candidates that differ by one token have nearly the same cross-entropy, and the first tokens of
//! one never come near the whole of another (tried: a forward of the first third cost more than it saved).
//! For the same reason exact pruning drops much among unlike candidates and next to nothing late in a search.

use super::{Contest, Runner};
use crate::backend::Precision;
use crate::objective::{Objective, ObjectiveError};
use std::ops::Range;

/// Sums are compared with some room for rounding, so that a tie is never dropped.
const ROOM: f64 = 1.0 + 1e-9;

impl Contest<'_> {
    /// Scores runners on suffix after suffix; those that are not dropped have all their terms then.
    pub(super) fn prune(
        &self,
        objective: &Objective,
        order: &[usize],
        runners: &mut [Runner<'_>],
        through: &mut Vec<f64>,
    ) -> Result<(), ObjectiveError> {
        let total = self.total_weight(objective);
        for places in rounds(order.len()) {
            let first = places.start == 0;
            let mut going: Vec<&mut Runner<'_>> =
                runners.iter_mut().filter(|runner| !runner.dropped && runner.terms.len() < order.len()).collect();
            if going.is_empty() {
                break;
            }
            self.advance(objective, order, &mut going, places.clone(), Precision::F32)?;
            let rest = places.end..order.len();
            if first && !rest.is_empty() {
                // The leaders run ahead: their full scores are the bound for everybody else.
                going.sort_by(|a, b| a.sum().total_cmp(&b.sum()));
                going.truncate(self.keep);
                self.advance(objective, order, &mut going, rest, Precision::F32)?;
                through.extend(going.iter().map(|runner| runner.sum() / total));
            }
            if places.end == order.len() {
                break;
            }
            let bound = self.bound(through);
            for runner in runners.iter_mut().filter(|runner| runner.terms.len() < order.len()) {
                runner.dropped = runner.sum() > bound * total * ROOM;
            }
        }
        Ok(())
    }

    /// What a candidate has to be below: the incumbent, or the last that is kept of those that are through.
    fn bound(&self, through: &mut [f64]) -> f64 {
        through.sort_by(f64::total_cmp);
        through.get(self.keep - 1).copied().unwrap_or(f64::INFINITY).min(self.incumbent)
    }
}

/// Rounds of 1, 1, 2, 4, … suffixes: early ones are small, because most candidates end there.
pub(super) fn rounds(count: usize) -> Vec<Range<usize>> {
    let (mut rounds, mut start) = (Vec::new(), 0);
    while start < count {
        let end = count.min(start + start.max(1));
        rounds.push(start..end);
        start = end;
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_cover_everything_once() {
        assert!(rounds(0).is_empty());
        assert_eq!(rounds(1), vec![0..1]);
        assert_eq!(rounds(6), vec![0..1, 1..2, 2..4, 4..6]);
    }
}
