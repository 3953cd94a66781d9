//! Two methods on the same tasks, and one method over several seeds: intervals by the bootstrap (Efron and
//! Tibshirani 1993). The same numbers give the same interval.

use super::interval::{RESAMPLES, percentiles};
use super::{SuffixGap, gap_closed, mean_ce};
use crate::event::Interval;
use crate::random::SplitMix64;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One method against another on the tasks that both were given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedComparison {
    /// Pairs.
    pub pairs: usize,
    /// Pairs in which the first was better.
    pub wins: usize,
    /// Pairs in which both were equal.
    pub ties: usize,
    /// Mean difference, first less second.
    pub mean_difference: f64,
    /// 95 % interval of the mean difference over the choice of tasks and pairs; nothing with fewer than two pairs.
    pub interval: Option<Interval>,
}

/// Compares paired values, larger being better; nothing without pairs. Each task (a model and a teacher) has its own
/// list, of one pair a seed.
///
/// Tasks are drawn with replacement and then the pairs of each (Davison and Hinkley 1997, section 3.8), so the interval
/// says what other tasks and seeds of the same kind could have given; of one task alone, what other seeds could. Pairs of
/// one task are alike: drawing them from all tasks would count them as so many tasks. It covers too little where tasks
/// or pairs are few.
pub fn compare_paired(tasks: &[Vec<(f64, f64)>]) -> Option<PairedComparison> {
    let difference = |(first, second): &(f64, f64)| first - second;
    let tasks: Vec<Vec<f64>> = tasks.iter().map(|pairs| pairs.iter().map(difference).collect()).collect();
    let tasks: Vec<Vec<f64>> = tasks.into_iter().filter(|pairs| !pairs.is_empty()).collect();
    let differences = tasks.concat();
    if differences.is_empty() {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let mut random = SplitMix64::new(0);
    let resample = |_| {
        let mut drawn = Vec::with_capacity(differences.len());
        for _ in &tasks {
            let task = &tasks[random.below(tasks.len())];
            drawn.extend(task.iter().map(|_| task[random.below(task.len())]));
        }
        mean(&drawn)
    };
    let resamples = (0..RESAMPLES).map(resample).collect();
    Some(PairedComparison {
        pairs: differences.len(),
        wins: differences.iter().filter(|&&difference| difference > 0.0).count(),
        ties: differences.iter().filter(|&&difference| difference == 0.0).count(),
        mean_difference: mean(&differences),
        interval: if differences.len() < 2 { None } else { percentiles(resamples) },
    })
}

/// Interval of the mean closed gap of one method over several seeds, by the pigeonhole bootstrap (Owen 2007): seeds
/// are drawn with replacement, and so are suffixes, each with all three of its cross-entropies. A suffix has a name, and
/// one that is drawn twice counts twice in every seed that has it.
///
/// Seeds that share suffixes, or end at the same prefix, are no independent trials: drawing the suffixes of each seed by
/// themselves would take the luck with the suffixes for averaged out. Nothing with fewer than two seeds, or where so
/// many resamples have no value that a percentile would be one of those: the reference's own gap vanishes, or a drawn
/// seed has none of the drawn suffixes.
pub fn bootstrap_gap_closed_over_seeds<Name: Ord>(seeds: &[Vec<(Name, SuffixGap)>]) -> Option<Interval> {
    if seeds.len() < 2 || seeds.iter().any(Vec::is_empty) {
        return None;
    }
    let names: BTreeSet<&Name> = seeds.iter().flatten().map(|(name, _)| name).collect();
    let places: BTreeMap<&Name, usize> = names.into_iter().zip(0..).collect();
    let placed = |seed: &Vec<(Name, SuffixGap)>| seed.iter().map(|(name, gap)| (places[name], *gap)).collect();
    let seeds: Vec<Vec<(usize, SuffixGap)>> = seeds.iter().map(placed).collect();
    let mut random = SplitMix64::new(0);
    let mut resamples = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let mut times = vec![0.0; places.len()];
        (0..times.len()).for_each(|_| times[random.below(places.len())] += 1.0);
        let drawn = |_| gap_of(&seeds[random.below(seeds.len())], &times);
        let gaps: Option<Vec<f64>> = (0..seeds.len()).map(drawn).collect();
        resamples.extend(gaps.map(|gaps| gaps.iter().sum::<f64>() / gaps.len() as f64));
    }
    percentiles(resamples)
}

/// Closed gap over the suffixes of one seed, each as many times as it was drawn, by its place.
fn gap_of(suffixes: &[(usize, SuffixGap)], times: &[f64]) -> Option<f64> {
    let mean = |ce: fn(&SuffixGap) -> f64| {
        mean_ce(suffixes.iter().map(|(place, suffix)| (ce(suffix), suffix.weight * times[*place])))
    };
    gap_closed(mean(|suffix| suffix.ce_none)?, mean(|suffix| suffix.ce_reference)?, mean(|suffix| suffix.ce)?)
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap_gap_closed;
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn wins_ties_and_the_mean_are_counted_by_hand() {
        let found = compare_paired(&[vec![(0.5, 0.25), (0.75, 0.75)], vec![(0.0, 1.0), (1.0, 0.0)]]).unwrap();
        assert_eq!((found.pairs, found.wins, found.ties, found.mean_difference), (4, 2, 1, 0.0625));
        assert_eq!(compare_paired(&[]), None);
        assert_eq!(compare_paired(&[Vec::new()]), None);
        assert_eq!(compare_paired(&[vec![(1.0, 0.0)]]).unwrap().interval, None, "one pair has no spread");
    }

    #[test]
    fn a_constant_difference_leaves_no_doubt() {
        let pairs = vec![(3.5, 3.0), (1.5, 1.0), (0.5, 0.0)];
        assert_eq!(compare_paired(&[pairs]).unwrap().interval, Some(Interval { low: 0.5, high: 0.5 }));
    }

    /// Five seeds that agree are one task still: with the differences 0 and 1, two drawn tasks give 0 or 1 in a quarter
    /// of the cases each.
    #[test]
    fn pairs_stay_with_their_task() {
        let task = |difference: f64| vec![(difference, 0.0); 5];
        let found = compare_paired(&[task(0.0), task(1.0)]).unwrap();
        assert_eq!((found.pairs, found.interval), (10, Some(Interval { low: 0.0, high: 1.0 })));
    }

    fn gap(gap: f64) -> SuffixGap {
        SuffixGap { ce_none: 2.0, ce_reference: 1.0, ce: 2.0 - gap, weight: 1.0 }
    }

    fn seed(value: f64) -> Vec<(usize, SuffixGap)> {
        (0..5).map(|name| (name, gap(value))).collect()
    }

    /// Suffixes of a seed all agree, so that only the choice of seeds is left: with the gaps 0 and 1, the
    /// mean of two drawn ones is 0 or 1 in a quarter of the cases each.
    #[test]
    fn suffixes_stay_with_their_seed() {
        let both = bootstrap_gap_closed_over_seeds(&[seed(0.0), seed(1.0)]).unwrap();
        assert_eq!((both.low, both.high), (0.0, 1.0));
        let same = bootstrap_gap_closed_over_seeds(&[seed(0.5), seed(0.5), seed(0.5)]).unwrap();
        assert_eq!((same.low, same.high), (0.5, 0.5));
        assert_eq!(bootstrap_gap_closed_over_seeds(&[seed(0.5)]), None);
        assert_eq!(bootstrap_gap_closed_over_seeds(&[seed(0.5), Vec::new()]), None);
    }

    /// The same prefix on the same suffixes five times is known no better than once. On other suffixes it is.
    #[test]
    fn seeds_that_share_their_suffixes_do_not_narrow_the_interval() {
        let values = [0.1, 0.9, 0.4, 0.7, 0.2, 1.0, 0.6, 0.3];
        let of_seed = |seed: usize| values.iter().zip(8 * seed..).map(|(&value, name)| (name, gap(value))).collect();
        let width = |seeds: &[Vec<(usize, SuffixGap)>]| {
            let interval = bootstrap_gap_closed_over_seeds(seeds).unwrap();
            interval.high - interval.low
        };
        let once = bootstrap_gap_closed(&values.map(gap)).unwrap();
        let shared = width(&vec![of_seed(0); 5]);
        assert!((shared / (once.high - once.low) - 1.0).abs() < 0.1, "{shared} instead of {once:?}");
        let own: Vec<_> = (0..5).map(of_seed).collect();
        assert!(width(&own) < 0.75 * shared, "{} with suffixes of their own, {shared} with the same", width(&own));
    }

    proptest! {
        #[test]
        fn the_paired_interval_moves_and_turns_with_the_pairs(
            pairs in vec((-4.0..4.0f64, -4.0..4.0f64), 2..12),
            shift in -3.0..3.0f64,
        ) {
            let found = compare_paired(std::slice::from_ref(&pairs)).unwrap();
            let interval = found.interval.unwrap();
            let differences: Vec<f64> = pairs.iter().map(|(a, b)| a - b).collect();
            let (min, max) = (
                differences.iter().copied().fold(f64::INFINITY, f64::min),
                differences.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            );
            prop_assert!(min - 1e-9 <= interval.low && interval.low <= interval.high && interval.high <= max + 1e-9);
            // What both share takes nothing away and adds nothing.
            let both: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (a + shift, b + shift)).collect();
            let both = compare_paired(&[both]).unwrap();
            prop_assert!((both.mean_difference - found.mean_difference).abs() < 1e-9);
            prop_assert!((both.interval.unwrap().low - interval.low).abs() < 1e-9);
            // Against each other the other way round, everything turns its sign.
            let turned: Vec<(f64, f64)> = pairs.iter().map(|&(a, b)| (b, a)).collect();
            let turned = compare_paired(&[turned]).unwrap();
            prop_assert_eq!(turned.wins + found.wins + found.ties, found.pairs);
            prop_assert!((turned.interval.unwrap().low + interval.high).abs() < 1e-9);
            prop_assert!((turned.interval.unwrap().high + interval.low).abs() < 1e-9);
        }
    }
}
