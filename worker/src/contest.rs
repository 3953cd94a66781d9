//! Many candidates against an incumbent, without scoring all of them on everything.
//!
//! *Exact pruning.* The weighted cross-entropy is a sum of terms that are never negative, over a
//! constant. A candidate whose sum so far exceeds that of the incumbent, or of a candidate that is
//! already through, cannot win: it is dropped, and the winner and its score are those of brute
//! force. Suffixes are taken hardest first, because their terms are the largest. Within a suffix nothing is
//! dropped: candidates that differ by one token have nearly the same cross-entropy, and the first tokens of
//! one never come near the whole of another (tried: a forward of the first third cost more than it saved).
//! For the same reason exact pruning drops much among unlike candidates and next to nothing late in a search.
//!
//! *Halving* (off by default) scores all on a few suffixes, a quarter of them on twice as many more, and so on,
//! and the last few exactly on all (successive halving; Jamieson and Talwalkar 2016): what a search spends on a
//! candidate then hardly depends on how many suffixes it generalises over. Suffixes that the reference steers
//! strongly come first, because they tell candidates apart: over 28 prefixes one edit apart, scores on 4 of the
//! more steerable half of 55 suffixes correlate with scores on all by 0.92, on any 4 by 0.85 (on 2: 0.86, 0.75).
//! On so few suffixes, prefixes differ more by what they are edits of than by the edits. Where candidates are edits of
//! prefixes whose terms are known, each is therefore expected to score as what it is an edit of, plus the mean paired
//! difference to that so far.
//!
//! *Racing* (off by default) also drops candidates that probably will not win, by evidence instead of by
//! quota: after at least
//! [`Racing::MIN_SUFFIXES`] suffixes, a candidate is dropped when Cantelli's inequality, applied to the
//! paired differences to the leader, gives it a chance below `error` of being better on average
//! (with the variance taken from the same differences). Rounds run in bf16; whoever is left is scored
//! exactly.

use crate::backend::Precision;
use crate::objective::{Objective, ObjectiveError, PrefixInput, SuffixCe, mean};
use std::collections::BTreeMap;

/// How a candidate came off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// Scored on every suffix: its weighted cross-entropy.
    Scored(f64),
    /// Dropped: its weighted cross-entropy is at least this; after a screening, it is expected to be this.
    AtLeast(f64),
}

impl Outcome {
    /// The score, or the bound that it cannot be below.
    pub fn value(self) -> f64 {
        match self {
            Outcome::Scored(ce) | Outcome::AtLeast(ce) => ce,
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

/// Dropping by evidence.
#[derive(Clone, Copy, Debug)]
pub struct Racing {
    /// Highest chance that a dropped candidate would have beaten the leader.
    pub error: f64,
}

impl Racing {
    /// Suffixes before the first drop: differences tell nothing about their spread before that.
    pub const MIN_SUFFIXES: usize = 3;
}

/// Dropping by quota.
#[derive(Clone, Copy, Debug)]
pub struct Halving {
    /// Suffixes of a round.
    pub suffixes: usize,
    /// Place among the more steerable half of the contest's suffixes at which the first round begins. Another
    /// one each time keeps a search from fitting the suffixes that always come first.
    pub offset: usize,
}

impl Halving {
    /// Of so many candidates one goes on.
    const ONE_IN: usize = 4;
    /// Candidates that are scored exactly at least.
    const FINALISTS: usize = 4;
}

/// Sums are compared with some room for rounding, so that a tie is never dropped.
const ROOM: f64 = 1.0 + 1e-9;

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
    /// What candidates are edits of, by candidate: prefixes that were scored exactly, for all or for none.
    pub parents: Option<&'a BTreeMap<Vec<u32>, Vec<u32>>>,
    /// What comes before the exact scores, if anything.
    pub screening: Option<Screening>,
}

/// Terms that are known exactly, by ids, in the order of the contest's suffixes, which are always the same.
#[derive(Default)]
pub struct KnownScores(BTreeMap<Vec<u32>, Vec<SuffixCe>>);

impl KnownScores {
    /// Whether a candidate was scored exactly; one that was only screened was not.
    pub fn contains(&self, ids: &[u32]) -> bool {
        self.0.contains_key(ids)
    }

    fn score(&self, ids: &[u32]) -> Option<f64> {
        self.0.get(ids).map(|terms| score(terms))
    }
}

/// Weighted cross-entropy of terms; infinity where there are none.
fn score(terms: &[SuffixCe]) -> f64 {
    mean(terms).unwrap_or(f64::INFINITY)
}

/// How a contest came off.
#[derive(Debug)]
pub struct Standings {
    /// One a candidate, in their order.
    pub outcomes: Vec<Outcome>,
    /// One a candidate, in their order: its place, 0 for the winner, by how far it came and then by its score.
    pub places: Vec<usize>,
    /// The winner's terms, in the order of the contest's suffixes.
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

/// How far a candidate came that was dropped.
struct Dropped {
    /// The bound that its cross-entropy is not below; after a screening, what is expected of it.
    ce: f64,
    /// Suffixes that it came through; those of a screening come before all others.
    suffixes: usize,
}

impl<'a> Contest<'a> {
    /// The best of all on these suffixes, whatever the others score.
    pub fn new(suffixes: &'a [usize]) -> Self {
        Contest {
            suffixes,
            incumbent: f64::INFINITY,
            keep: 1,
            hardness: &[],
            steerability: &[],
            parents: None,
            screening: None,
        }
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
        let mut through: Vec<f64> = candidates.iter().filter_map(|ids| known.score(ids)).collect();
        let mut dropped = BTreeMap::new();
        distinct = match self.screening {
            Some(Screening::Racing(racing)) => self.race(objective, &order, distinct, racing, &mut dropped)?,
            Some(Screening::Halving(halving)) => self.halve(objective, distinct, halving, known, &mut dropped)?,
            None => distinct,
        };
        let mut runners: Vec<Runner<'_>> = distinct.into_iter().map(Runner::new).collect();
        self.prune(objective, &order, &mut runners, &mut through)?;
        let total = self.total_weight(objective);
        for runner in &runners {
            if runner.dropped {
                let suffixes = self.suffixes.len() + runner.terms.len();
                dropped.insert(runner.ids.to_vec(), Dropped { ce: runner.sum() / total, suffixes });
            } else {
                known.0.insert(runner.ids.to_vec(), self.in_place(&order, &runner.terms));
            }
        }
        let (outcomes, came): (Vec<Outcome>, Vec<(usize, f64)>) = candidates
            .iter()
            .map(|ids| match (known.score(ids), dropped.get(ids)) {
                (Some(ce), _) => (Outcome::Scored(ce), (usize::MAX, ce)),
                (None, Some(dropped)) => (Outcome::AtLeast(dropped.ce), (dropped.suffixes, dropped.ce)),
                (None, None) => (Outcome::AtLeast(f64::INFINITY), (0, f64::INFINITY)),
            })
            .unzip();
        let winner = best(&outcomes).and_then(|at| known.0.get(&candidates[at]));
        let brute_force = (candidates.len() * self.suffixes.len()) as i64;
        Ok(Standings {
            places: places(&came),
            outcomes,
            winner_terms: winner.cloned(),
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

    /// Places in `suffixes`, the more steerable half first, from `offset` on and around; then the others.
    fn telling_order(&self, offset: usize) -> Vec<usize> {
        let steerability = |at: usize| self.steerability.get(at).copied().unwrap_or(0.0);
        let mut order = most_telling_first(&(0..self.suffixes.len()).map(steerability).collect::<Vec<_>>());
        let half = order.len().div_ceil(2);
        if half > 0 {
            order[..half].rotate_left(offset % half);
        }
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
        places: std::ops::Range<usize>,
        precision: Precision,
    ) -> Result<(), ObjectiveError> {
        let prefixes: Vec<PrefixInput> = runners.iter().map(|runner| PrefixInput::Ids(runner.ids.to_vec())).collect();
        let suffixes: Vec<usize> = order[places].iter().map(|&at| self.suffixes[at]).collect();
        let scores = objective.score_in(&prefixes, &suffixes, precision)?;
        runners.iter_mut().zip(scores).for_each(|(runner, terms)| runner.terms.extend(terms));
        Ok(())
    }

    /// Exact pruning. Runners that are not dropped have all their terms.
    fn prune(
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

    /// Drops by evidence; returns the survivors.
    fn race<'c>(
        &self,
        objective: &Objective,
        order: &[usize],
        candidates: Vec<&'c [u32]>,
        racing: Racing,
        dropped: &mut BTreeMap<Vec<u32>, Dropped>,
    ) -> Result<Vec<&'c [u32]>, ObjectiveError> {
        let mut runners: Vec<Runner<'_>> = candidates.iter().map(|&ids| Runner::new(ids)).collect();
        for places in rounds(order.len()) {
            let mut going: Vec<&mut Runner<'_>> = runners.iter_mut().filter(|runner| !runner.dropped).collect();
            if going.len() < 2 {
                break;
            }
            self.advance(objective, order, &mut going, places, Precision::Bf16)?;
            let leader = going.iter().min_by(|a, b| a.sum().total_cmp(&b.sum()));
            let Some(leader) = leader.map(|leader| leader.terms.clone()) else { break };
            for runner in going {
                if chance_to_be_better(&runner.terms, &leader) < racing.error {
                    runner.dropped = true;
                    let (ce, suffixes) = (score(&runner.terms), runner.terms.len());
                    dropped.insert(runner.ids.to_vec(), Dropped { ce, suffixes });
                }
            }
        }
        Ok(survivors(runners))
    }

    /// Drops by quota; returns the survivors.
    fn halve<'c>(
        &self,
        objective: &Objective,
        candidates: Vec<&'c [u32]>,
        halving: Halving,
        known: &KnownScores,
        dropped: &mut BTreeMap<Vec<u32>, Dropped>,
    ) -> Result<Vec<&'c [u32]>, ObjectiveError> {
        let mut runners: Vec<Runner<'_>> = candidates.iter().map(|&ids| Runner::new(ids)).collect();
        let order = self.telling_order(halving.offset);
        let parents: BTreeMap<&[u32], &[SuffixCe]> = self
            .parents
            .into_iter()
            .flatten()
            .filter_map(|(ids, parent)| Some((ids.as_slice(), known.0.get(parent)?.as_slice())))
            .collect();
        let expected = |runner: &Runner<'_>| match parents.get(runner.ids) {
            None => score(&runner.terms),
            Some(parent) => {
                let seen: Vec<SuffixCe> = order.iter().take(runner.terms.len()).map(|&at| parent[at]).collect();
                score(parent) + score(&runner.terms) - score(&seen)
            }
        };
        let finalists = self.keep.max(Halving::FINALISTS);
        // Beyond half of the suffixes, exact scores cost little more than another round.
        let most = order.len() / 2;
        let (mut seen, mut more) = (0, halving.suffixes.min(most));
        while more > 0 {
            let mut going: Vec<&mut Runner<'_>> = runners.iter_mut().filter(|runner| !runner.dropped).collect();
            if going.len() <= finalists {
                break;
            }
            self.advance(objective, &order, &mut going, seen..seen + more, Precision::Bf16)?;
            let mut ranked: Vec<(f64, &mut Runner<'_>)> =
                going.into_iter().map(|runner| (expected(runner), runner)).collect();
            ranked.sort_by(|(a, one), (b, other)| a.total_cmp(b).then(one.ids.cmp(other.ids)));
            let through = ranked.len().div_ceil(Halving::ONE_IN).max(finalists);
            for (expected, runner) in ranked.drain(through..) {
                runner.dropped = true;
                dropped.insert(runner.ids.to_vec(), Dropped { ce: expected, suffixes: runner.terms.len() });
            }
            seen += more;
            more = (2 * more).min(most - seen);
        }
        Ok(survivors(runners))
    }
}

fn survivors(runners: Vec<Runner<'_>>) -> Vec<&[u32]> {
    runners.into_iter().filter(|runner| !runner.dropped).map(|runner| runner.ids).collect()
}

/// Places of candidates by how many suffixes they came through, and then by their score.
fn places(came: &[(usize, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..came.len()).collect();
    order.sort_by(|&a, &b| came[b].0.cmp(&came[a].0).then(came[a].1.total_cmp(&came[b].1)));
    let mut places = vec![0; order.len()];
    order.into_iter().enumerate().for_each(|(place, at)| places[at] = place);
    places
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

/// Places of suffixes by how much the reference steers them, most first: what a prefix loses of the reference's
/// effect shows most there.
pub fn most_telling_first(steerability: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..steerability.len()).collect();
    order.sort_by(|&a, &b| steerability[b].total_cmp(&steerability[a]).then(a.cmp(&b)));
    order
}

/// Rounds of 1, 1, 2, 4, … suffixes: early ones are small, because most candidates end there.
fn rounds(count: usize) -> Vec<std::ops::Range<usize>> {
    let (mut rounds, mut start) = (Vec::new(), 0);
    while start < count {
        let end = count.min(start + start.max(1));
        rounds.push(start..end);
        start = end;
    }
    rounds
}

/// The winner: the first of the lowest exact scores.
pub fn best(outcomes: &[Outcome]) -> Option<usize> {
    let scored = |at: &usize| matches!(outcomes[*at], Outcome::Scored(_));
    (0..outcomes.len()).filter(scored).min_by(|&a, &b| outcomes[a].value().total_cmp(&outcomes[b].value()))
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

    #[test]
    fn places_go_by_how_far_a_candidate_came_and_then_by_its_score() {
        assert_eq!(places(&[(2, 1.0), (usize::MAX, 2.0), (1, 0.5), (2, 3.0)]), vec![1, 0, 3, 2]);
    }

    #[test]
    fn a_screening_begins_within_the_more_steerable_half() {
        let contest = |steerability: &'static [f64]| Contest { steerability, ..Contest::new(&[4, 5, 6, 7, 8]) };
        let known = contest(&[0.1, 3.0, 2.0, -0.2, 0.5]);
        assert_eq!(known.telling_order(0), vec![1, 2, 4, 0, 3]);
        assert_eq!(known.telling_order(1), vec![2, 4, 1, 0, 3]);
        assert_eq!(known.telling_order(5), vec![4, 1, 2, 0, 3]);
        assert_eq!(contest(&[]).telling_order(1), vec![1, 2, 0, 3, 4], "none is known to tell more");
    }

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
