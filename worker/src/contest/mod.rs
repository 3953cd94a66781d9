//! Many candidates against an incumbent, without scoring all of them on everything.
//!
//! Whoever cannot win is dropped early, without any risk ([`exact`]). Before that, a screening may drop whoever
//! probably will not win: by quota ([`Halving`]) or by evidence ([`Racing`]), in bf16; whoever is left is scored exactly.
//! A quota goes by the suffixes that the reference steers most, the other two by the hardest first.

mod exact;
mod halving;
mod racing;

pub use self::halving::Halving;
pub use self::racing::Racing;
use crate::backend::Precision;
use crate::objective::{Objective, ObjectiveError, PrefixInput, SuffixCe, mean};
use std::collections::BTreeMap;
use std::ops::Range;

/// How a candidate came off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// Scored on every suffix: its weighted cross-entropy.
    Scored(f64),
    /// Dropped without any risk: its weighted cross-entropy is at least this.
    AtLeast(f64),
    /// Dropped by a screening, which expects this of it after a few suffixes: it may be lower.
    Expected(f64),
}

impl Outcome {
    /// The score; of a dropped one its bound, or what is expected of it.
    pub fn value(self) -> f64 {
        match self {
            Outcome::Scored(ce) | Outcome::AtLeast(ce) | Outcome::Expected(ce) => ce,
        }
    }

    /// The score of one that was not dropped.
    pub fn score(self) -> Option<f64> {
        match self {
            Outcome::Scored(ce) => Some(ce),
            Outcome::AtLeast(_) | Outcome::Expected(_) => None,
        }
    }
}

/// What drops candidates before they are scored exactly, at the risk of dropping the best.
#[derive(Clone, Copy, Debug)]
pub enum Screening {
    /// Those that probably will not win.
    Racing(Racing),
    /// Three of four, round by round.
    Halving(Halving),
}

/// What a contest is about.
#[derive(Clone, Copy, Debug)]
pub struct Contest<'a> {
    /// Suffixes that count, by their index.
    pub suffixes: &'a [usize],
    /// The score to beat; infinity where there is none.
    pub incumbent: f64,
    /// How many of the best, all below the incumbent, are scored exactly; not 0.
    pub keep: usize,
    /// How hard each of `suffixes` was lately, by any measure; the order they are taken in.
    pub hardness: &'a [f64],
    /// How much the reference steers each of `suffixes`, by any measure; nothing where that is not known.
    pub steerability: &'a [f64],
    /// What comes before the exact scores, if anything.
    pub screening: Option<Screening>,
}

/// Weighted cross-entropies that are known exactly, by ids; the suffixes are always the same.
#[derive(Default)]
pub struct KnownScores(BTreeMap<Vec<u32>, f64>);

/// Weighted cross-entropy of terms; infinity where there are none.
fn score(terms: &[SuffixCe]) -> f64 {
    mean(terms).unwrap_or(f64::INFINITY)
}

/// How a contest came off.
#[derive(Debug)]
pub struct Standings {
    /// One a candidate, in their order.
    pub outcomes: Vec<Outcome>,
    /// The winner's terms, in the order of the contest's suffixes, where it was scored in this contest.
    pub winner_terms: Option<Vec<SuffixCe>>,
    /// Forwards of one (candidate, suffix) that brute force would have needed and this did not. Less than
    /// none where racing scored more twice than it dropped.
    pub saved: i64,
}

/// A candidate on its way.
struct Runner<'a> {
    ids: &'a [u32],
    /// By place in the order of the suffixes.
    terms: Vec<SuffixCe>,
    dropped: bool,
}

impl<'a> Runner<'a> {
    fn new(ids: &'a [u32]) -> Self {
        Runner { ids, terms: Vec::new(), dropped: false }
    }

    /// `Σ weight · ce` so far.
    fn sum(&self) -> f64 {
        self.terms.iter().map(|term| term.ce * term.weight).sum()
    }
}

impl<'a> Contest<'a> {
    /// The best of all on these suffixes, whatever the others score.
    pub fn new(suffixes: &'a [usize]) -> Self {
        Contest { suffixes, incumbent: f64::INFINITY, keep: 1, hardness: &[], steerability: &[], screening: None }
    }

    /// Runs it. Equal candidates are scored once, and those in `known` not again.
    pub fn run(
        &self,
        objective: &Objective,
        candidates: &[Vec<u32>],
        known: &mut KnownScores,
    ) -> Result<Standings, ObjectiveError> {
        let before = objective.evaluations();
        let order = self.order();
        let mut distinct: Vec<&[u32]> =
            candidates.iter().map(Vec::as_slice).filter(|&ids| !known.0.contains_key(ids)).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let mut through: Vec<f64> = candidates.iter().filter_map(|ids| known.0.get(ids).copied()).collect();
        let mut dropped = BTreeMap::new();
        distinct = match self.screening {
            Some(Screening::Racing(racing)) => self.race(objective, &order, distinct, racing, &mut dropped)?,
            Some(Screening::Halving(halving)) => self.halve(objective, distinct, halving, &mut dropped)?,
            None => distinct,
        };
        let mut runners: Vec<Runner<'_>> = distinct.into_iter().map(Runner::new).collect();
        self.prune(objective, &order, &mut runners, &mut through)?;
        let total = self.total_weight(objective);
        for runner in &runners {
            if runner.dropped {
                dropped.insert(runner.ids.to_vec(), Outcome::AtLeast(runner.sum() / total));
            } else {
                known.0.insert(runner.ids.to_vec(), score(&self.in_place(&order, &runner.terms)));
            }
        }
        // Whoever has no score was dropped.
        let outcome = |ids| known.0.get(ids).map_or_else(|| dropped[ids], |&ce| Outcome::Scored(ce));
        let outcomes: Vec<Outcome> = candidates.iter().map(outcome).collect();
        let winner = best(&outcomes).map(|at| candidates[at].as_slice());
        let winner = runners.iter().find(|runner| winner == Some(runner.ids));
        let brute_force = (candidates.len() * self.suffixes.len()) as i64;
        Ok(Standings {
            outcomes,
            winner_terms: winner.map(|runner| self.in_place(&order, &runner.terms)),
            saved: brute_force - (objective.evaluations() - before) as i64,
        })
    }

    /// Places in `suffixes`, hardest first.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.suffixes.len()).collect();
        let hardness = |at: usize| self.hardness.get(at).copied().unwrap_or(0.0);
        order.sort_by(|&a, &b| hardness(b).total_cmp(&hardness(a)).then(a.cmp(&b)));
        order
    }

    /// Terms in the order of the contest's suffixes, in which brute force adds them up.
    fn in_place(&self, order: &[usize], terms: &[SuffixCe]) -> Vec<SuffixCe> {
        let mut placed = vec![SuffixCe::default(); order.len()];
        order.iter().zip(terms).for_each(|(&at, &term)| placed[at] = term);
        placed
    }

    fn total_weight(&self, objective: &Objective) -> f64 {
        self.suffixes.iter().map(|&index| objective.weight(index)).sum()
    }

    /// Scores runners on the next suffixes of the order.
    fn advance(
        &self,
        objective: &Objective,
        order: &[usize],
        runners: &mut [&mut Runner<'_>],
        places: Range<usize>,
        precision: Precision,
    ) -> Result<(), ObjectiveError> {
        let prefixes: Vec<PrefixInput> = runners.iter().map(|runner| PrefixInput::Ids(runner.ids.to_vec())).collect();
        let suffixes: Vec<usize> = order[places].iter().map(|&at| self.suffixes[at]).collect();
        let scores = objective.score_in(&prefixes, &suffixes, precision)?;
        runners.iter_mut().zip(scores).for_each(|(runner, terms)| runner.terms.extend(terms));
        Ok(())
    }
}

fn survivors(runners: Vec<Runner<'_>>) -> Vec<&[u32]> {
    runners.into_iter().filter(|runner| !runner.dropped).map(|runner| runner.ids).collect()
}

/// Places of suffixes by how much the reference steers them, most first: what a prefix loses of the reference's
/// effect shows most there.
pub fn most_telling_first(steerability: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..steerability.len()).collect();
    order.sort_by(|&a, &b| steerability[b].total_cmp(&steerability[a]).then(a.cmp(&b)));
    order
}

/// The winner: the first of the lowest exact scores.
pub fn best(outcomes: &[Outcome]) -> Option<usize> {
    let scored = |at: &usize| outcomes[*at].score().is_some();
    (0..outcomes.len()).filter(scored).min_by(|&a, &b| outcomes[a].value().total_cmp(&outcomes[b].value()))
}
