//! Compress: the shortest prefix that keeps most of the effect (the note, section 1).
//!
//! Effect is the closed gap, `(CE_none − CE) / (CE_none − CE_reference)`, on the validation suffixes, or on
//! train where there are none. Tokens are deleted one by one, each time the one whose loss is missed least;
//! where no single one may go, pairs are tried. What is left may be repaired by replacements. Every prefix
//! that was measured counts: for each bound the shortest one that holds it is reported.

use super::hotflip::{feasible, rank};
use super::moves::best_of;
use super::params::{integer, real};
use super::{Best, Need, Params, Search, Stage, StageError};
use shared::catalogue::StageDeclaration;
use shared::metrics::{gap_closed, mean_ce};
use shared::spec::Split;
use std::collections::BTreeSet;

pub struct Compress;

/// Shares of the start's closed gap that are reported, besides the one that is asked for.
const REPORTED: [f64; 5] = [0.95, 0.9, 0.8, 0.7, 0.5];

impl Stage for Compress {
    fn declaration(&self) -> StageDeclaration {
        StageDeclaration {
            kind: "compress".to_owned(),
            title: "Compress".to_owned(),
            help: "Shortens the best prefix as far as its effect on the validation suffixes allows.".to_owned(),
            params: vec![
                real("bound", "", (0.0, 1.0), 0.9, "Share of the closed gap that has to be left."),
                integer(
                    "validated",
                    "prefixes",
                    (1, 4096),
                    4,
                    "Best deletions of a step that are measured on the validation suffixes.",
                ),
                integer(
                    "replacements",
                    "prefixes",
                    (0, 4096),
                    0,
                    "Replacements tried after every deletion; 0 for none.",
                ),
                integer(
                    "pairs",
                    "prefixes",
                    (0, 4096),
                    64,
                    "Deletions of two tokens tried where no single one holds the bound; 0 for none.",
                ),
            ],
        }
    }

    fn total_steps(&self, _: &Params) -> usize {
        // A step for each length; how long the prefix is at this stage is not known before.
        1
    }

    fn needs(&self, _: &Params) -> Option<Need> {
        Some(Need::PREFIX)
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let Some(start) = search.best.clone() else {
            return Err(StageError::Missing { stage: "compress", needs: Need::PREFIX.advice });
        };
        let Some(scale) = Scale::new(search, &start) else {
            return Ok("the prefix has no effect that could be kept".to_owned());
        };
        let bound = params.f64("bound");
        let lowest = REPORTED.iter().copied().fold(bound, f64::min);
        search.total_steps = start.ids.len() - 1;
        let mut measured = vec![start.clone()];
        let mut current = start;
        for step in 1..=search.total_steps {
            if search.spent() {
                break;
            }
            // 1. Delete the token that is missed least.
            let shorter = deletions(search, &current.ids, 1)?;
            let mut next = best_of(search, step, &shorter, params.usize("validated"))?;
            // 2. Where that is too much, two that are not missed together.
            let holds = |next: &Option<Best>| next.as_ref().is_some_and(|next| scale.kept(next) >= bound);
            if !holds(&next) && (scale.kept(&current) >= bound || next.is_none()) {
                let pairs = spread(deletions(search, &current.ids, 2)?, params.usize("pairs"));
                let pair = best_of(search, step, &pairs, params.usize("validated"))?;
                measured.extend(next.clone());
                if holds(&pair) || next.is_none() {
                    next = pair;
                }
            }
            let Some(mut next) = next else { break };
            measured.push(next.clone());
            // 3. Repair what is left.
            if params.usize("replacements") > 0
                && let Some(repaired) = repaired(search, step, &next, params)?
            {
                measured.push(repaired.clone());
                next = repaired;
            }
            current = next;
            search.objective_event(step, current.ce_train, current.ce_validation);
            search.progress(step);
            if scale.kept(&current) < lowest {
                break;
            }
        }
        let found = scale.shortest(&measured, bound).clone();
        let table = REPORTED.map(|bound| {
            let best = scale.shortest(&measured, bound);
            format!("{:.0} %: {} {:?}", bound * 100.0, best.ids.len(), search.tokenizer.decode(&best.ids))
        });
        let summary = format!(
            "{} to {} tokens, with {:.0} % of the closed gap left; shortest by share left: {}",
            measured[0].ids.len(),
            found.ids.len(),
            scale.kept(&found) * 100.0,
            table.join(", ")
        );
        if search.best.as_ref().is_some_and(|best| best.ids != found.ids) {
            search.replace_best(search.total_steps, found);
        }
        Ok(summary)
    }
}

/// At most `count` of them, from all over the list.
fn spread<T>(all: Vec<T>, count: usize) -> Vec<T> {
    let every = all.len().div_ceil(count.max(1)).max(1);
    all.into_iter().step_by(every).take(count).collect()
}

/// What the effect of a prefix is measured against.
struct Scale {
    ce_none: f64,
    ce_reference: f64,
    /// What the start closes of the gap between them; above 0.
    gap_closed: f64,
}

impl Scale {
    /// Nothing where the start is no better than no prefix, or the reference has no effect.
    fn new(search: &Search<'_>, start: &Best) -> Option<Self> {
        let split = if start.ce_validation.is_some() { Split::Validation } else { Split::Train };
        let of_split = || search.baselines.iter().filter(|suffix| suffix.split == split);
        let ce_none = mean_ce(of_split().map(|suffix| (suffix.ce_none, suffix.weight)))?;
        let ce_reference = mean_ce(of_split().map(|suffix| (suffix.ce_reference, suffix.weight)))?;
        let gap_closed = gap_closed(ce_none, ce_reference, start.key())?;
        (gap_closed > 0.0).then_some(Scale { ce_none, ce_reference, gap_closed })
    }

    /// Share of the start's closed gap that a prefix keeps.
    fn kept(&self, prefix: &Best) -> f64 {
        (self.ce_none - prefix.key()) / (self.ce_none - self.ce_reference) / self.gap_closed
    }

    /// The shortest of those that keep at least `bound`, and of these the one that keeps most. The start
    /// comes first and keeps 1.
    fn shortest<'a>(&self, measured: &'a [Best], bound: f64) -> &'a Best {
        let shorter = |a: &&Best, b: &&Best| a.ids.len().cmp(&b.ids.len()).then(a.key().total_cmp(&b.key()));
        measured.iter().filter(|prefix| self.kept(prefix) >= bound).min_by(shorter).unwrap_or(&measured[0])
    }
}

/// What is left of `ids` after deleting any `count` (1 or 2) tokens, where the constraints allow it and
/// something is left.
fn deletions(search: &Search<'_>, ids: &[u32], count: usize) -> Result<Vec<Vec<u32>>, StageError> {
    let mut seen = BTreeSet::new();
    let mut allowed = Vec::new();
    for first in 0..ids.len() {
        for last in if count == 1 { first..first + 1 } else { first + 1..ids.len() } {
            let left = |at: usize| at != first && at != last;
            let shorter: Vec<u32> = (0..ids.len()).filter(|&at| left(at)).map(|at| ids[at]).collect();
            if !shorter.is_empty() && seen.insert(shorter.clone()) && search.objection(&shorter)?.is_none() {
                allowed.push(shorter);
            }
        }
    }
    Ok(allowed)
}

/// A prefix with one token replaced that is better than it.
fn repaired(search: &mut Search<'_>, step: usize, prefix: &Best, params: &Params) -> Result<Option<Best>, StageError> {
    let count = params.usize("replacements");
    let ranked = rank(search, &prefix.ids, count)?;
    let (proposals, _) = feasible(search, &prefix.ids, ranked, count, &mut BTreeSet::new())?;
    let candidates: Vec<Vec<u32>> = proposals.iter().map(|proposal| proposal.applied(&prefix.ids)).collect();
    let best = best_of(search, step, &candidates, params.usize("validated"))?;
    Ok(best.filter(|best| best.key() < prefix.key()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    #[test]
    fn the_shortest_prefix_holds_its_bound_and_no_shorter_one_does() {
        let mut rng = Pcg64::seed_from_u64(4);
        for _ in 0..200 {
            let ce_none = rng.random_range(1.5..3.0);
            let mut prefix = |ids: usize, ce: f64| {
                // Train scores say something else on purpose.
                Best { ids: vec![7; ids], ce_train: rng.random_range(0.0..5.0), ce_validation: Some(ce) }
            };
            let start = prefix(8, ce_none - 0.4);
            let scale = Scale { ce_none, ce_reference: ce_none - 0.5, gap_closed: 0.8 };
            assert!((scale.kept(&start) - 1.0).abs() < 1e-12);
            let mut measured = vec![start];
            for at in 0..12 {
                measured.push(prefix(1 + at % 7, ce_none - 0.05 * at as f64));
            }
            for bound in REPORTED {
                let shortest = scale.shortest(&measured, bound);
                assert!(scale.kept(shortest) >= bound, "{} is below {bound}", scale.kept(shortest));
                for other in &measured {
                    let better = other.ids.len() < shortest.ids.len()
                        || other.ids.len() == shortest.ids.len() && other.key() < shortest.key();
                    assert!(!better || scale.kept(other) < bound, "{other:?} is better than {shortest:?}");
                }
            }
        }
    }

    #[test]
    fn few_of_many_come_from_all_over() {
        assert_eq!(spread((0..10).collect(), 4), [0, 3, 6, 9]);
        assert_eq!(spread((0..3).collect(), 4), [0, 1, 2]);
        assert!(spread(vec![1, 2], 0).is_empty() && spread(Vec::<u8>::new(), 3).is_empty());
    }

    #[test]
    fn where_nothing_shorter_holds_the_start_stays() {
        let best = |ids: &[u32], ce: f64| Best { ids: ids.to_vec(), ce_train: ce, ce_validation: None };
        let scale = Scale { ce_none: 2.0, ce_reference: 1.0, gap_closed: 0.5 };
        let measured = [best(&[1, 2, 3], 1.5), best(&[1, 2], 1.7), best(&[1], 2.5)];
        assert_eq!(scale.shortest(&measured, 0.9).ids, [1, 2, 3]);
        assert_eq!(scale.shortest(&measured, 0.6).ids, [1, 2]);
    }
}
