//! Racing: candidates that probably will not win are dropped, by evidence.
//!
//! After at least [`Racing::MIN_SUFFIXES`] suffixes, hardest first, a candidate is dropped when Cantelli's inequality,
//! applied to the paired differences to the leader, gives it a chance below `error` of being better on average (with
//! the variance taken from the same differences). Where several are kept, the last of these is in the leader's place.

use super::exact::rounds;
use super::{Contest, Outcome, Runner, score, survivors};
use crate::backend::Precision;
use crate::objective::{Objective, ObjectiveError, SuffixCe};
use std::collections::BTreeMap;

/// Dropping by evidence.
#[derive(Clone, Copy, Debug)]
pub struct Racing {
    /// Highest chance that a dropped candidate would have beaten the last that is kept.
    pub error: f64,
}

impl Racing {
    /// Suffixes before the first drop: differences tell nothing about their spread before that.
    pub const MIN_SUFFIXES: usize = 3;
}

impl Contest<'_> {
    /// Drops by evidence; returns the survivors.
    pub(super) fn race<'c>(
        &self,
        objective: &Objective,
        order: &[usize],
        candidates: Vec<&'c [u32]>,
        racing: Racing,
        dropped: &mut BTreeMap<Vec<u32>, Outcome>,
    ) -> Result<Vec<&'c [u32]>, ObjectiveError> {
        let mut runners: Vec<Runner<'_>> = candidates.iter().map(|&ids| Runner::new(ids)).collect();
        for places in rounds(order.len()) {
            let mut going: Vec<&mut Runner<'_>> = runners.iter_mut().filter(|runner| !runner.dropped).collect();
            if going.len() <= self.keep {
                break;
            }
            self.advance(objective, order, &mut going, places, Precision::Bf16)?;
            going.sort_by(|a, b| a.sum().total_cmp(&b.sum()).then(a.ids.cmp(b.ids)));
            let behind = going.split_off(self.keep);
            let Some(last_kept) = going.last().map(|runner| runner.terms.clone()) else { break };
            for runner in behind {
                if chance_to_be_better(&runner.terms, &last_kept) < racing.error {
                    runner.dropped = true;
                    dropped.insert(runner.ids.to_vec(), Outcome::Expected(score(&runner.terms)));
                }
            }
        }
        Ok(survivors(runners))
    }
}

/// At most how probable it is that a candidate is better than the leader on average: with mean `m` and
/// variance `v` of the `n` paired differences, `1 / (1 + n·m²/v)` (Cantelli).
fn chance_to_be_better(terms: &[SuffixCe], leader: &[SuffixCe]) -> f64 {
    let n = terms.len() as f64;
    if terms.len() < Racing::MIN_SUFFIXES {
        return 1.0;
    }
    let differences: Vec<f64> = terms.iter().zip(leader).map(|(a, b)| (a.ce - b.ce) * a.weight).collect();
    let mean = differences.iter().sum::<f64>() / n;
    if mean <= 0.0 {
        return 1.0;
    }
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    variance / (variance + n * mean * mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_loser_has_no_chance_and_a_close_one_has() {
        let terms = |ces: &[f64]| ces.iter().map(|&ce| SuffixCe { ce, weight: 1.0 }).collect::<Vec<_>>();
        let leader = terms(&[1.0, 1.0, 1.0, 1.0]);
        assert!(chance_to_be_better(&terms(&[2.0, 2.1, 1.9, 2.0]), &leader) < 0.01);
        assert!(chance_to_be_better(&terms(&[1.1, 0.9, 1.2, 0.9]), &leader) > 0.5);
        assert_eq!(chance_to_be_better(&terms(&[9.0, 9.0]), &leader[..2]), 1.0, "too few to tell");
        assert_eq!(chance_to_be_better(&leader, &leader), 1.0);
    }
}
