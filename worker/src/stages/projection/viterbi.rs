//! Projection by the Viterbi algorithm (Viterbi 1967; the list form, Seshadri and Sundberg 1994): of the
//! nearest tokens at each position, the sequences that are near and that the model itself expects.
//!
//! A sequence scores the sum of the cosine similarities to the free vectors, plus `bigram_weight` times the
//! log-probabilities that the model gives each token right after the one before it.

use super::{Nearest, Nearness, highest_allowed};
use crate::stages::next_token::Context;
use crate::stages::{Params, Search, StageError};
use candle_core::Tensor;

/// Sequences looked at for each one that is wanted: many of the best break a constraint.
const LOOKED_AT: usize = 16;

/// Prefixes of tokens near `embeds` `(prefix, hidden)` that the constraints allow, best first; none where
/// none of the best satisfies them.
pub fn search_viterbi(search: &Search<'_>, embeds: &Tensor, params: &Params) -> Result<Vec<Vec<u32>>, StageError> {
    let backend = search.objective.backend();
    let scores = Nearest::new(backend, Nearness::Cosine)?.scores(backend, embeds)?;
    let tokens: Vec<Vec<u32>> =
        scores.iter().map(|scores| highest_allowed(search, scores, params.usize("top_k"))).collect();
    let emissions: Vec<Vec<f64>> = tokens
        .iter()
        .zip(&scores)
        .map(|(tokens, scores)| tokens.iter().map(|&id| f64::from(scores[id as usize])).collect())
        .collect();
    let mut transitions = Vec::new();
    for pair in tokens.windows(2) {
        let texts: Vec<&[u32]> = pair[0].iter().map(std::slice::from_ref).collect();
        let rows = Context::default().log_probabilities(search, &texts)?; // (top_k, vocab)
        let weighted = |row: &Vec<f32>| {
            pair[1].iter().map(|&id| params.f64("bigram_weight") * f64::from(row[id as usize])).collect()
        };
        transitions.push(rows.iter().map(weighted).collect());
    }
    let count = params.usize("width");
    let mut feasible = Vec::new();
    for path in best_paths(&emissions, &transitions, count * LOOKED_AT) {
        let ids: Vec<u32> = path.iter().zip(&tokens).map(|(&at, tokens)| tokens[at]).collect();
        if feasible.len() < count && search.objection(&ids)?.is_none() {
            feasible.push(ids);
        }
    }
    Ok(feasible)
}

/// The `count` paths with the highest sums, best first: one state of each position, by its emission
/// `[position][state]` and the transition `[position − 1][state before][state]` to it.
fn best_paths(emissions: &[Vec<f64>], transitions: &[Vec<Vec<f64>>], count: usize) -> Vec<Vec<usize>> {
    // The best paths that end in each state. Whatever follows, the best of all continue one of these.
    let Some((first, rest)) = emissions.split_first() else { return Vec::new() };
    let mut ending: Vec<Vec<Path>> =
        first.iter().enumerate().map(|(state, &score)| vec![Path { score, states: vec![state] }]).collect();
    for (emission, transition) in rest.iter().zip(transitions) {
        let continued = |(state, &score): (usize, &f64)| {
            let paths = ending.iter().flatten().map(|path| {
                let before = path.states[path.states.len() - 1];
                let states = [&path.states[..], &[state]].concat();
                Path { score: path.score + transition[before][state] + score, states }
            });
            best(paths.collect(), count)
        };
        ending = emission.iter().enumerate().map(continued).collect();
    }
    best(ending.into_iter().flatten().collect(), count).into_iter().map(|path| path.states).collect()
}

struct Path {
    score: f64,
    states: Vec<usize>,
}

fn best(mut paths: Vec<Path>, count: usize) -> Vec<Path> {
    paths.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.states.cmp(&b.states)));
    paths.truncate(count);
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    /// Every path there is, best first.
    fn exhaustive(emissions: &[Vec<f64>], transitions: &[Vec<Vec<f64>>]) -> Vec<(f64, Vec<usize>)> {
        let mut paths = vec![Vec::new()];
        for emission in emissions {
            let states = 0..emission.len();
            paths = paths
                .iter()
                .flat_map(|path: &Vec<usize>| states.clone().map(move |state| [&path[..], &[state]].concat()))
                .collect();
        }
        let score = |path: &Vec<usize>| {
            let emitted: f64 = path.iter().zip(emissions).map(|(&state, emission)| emission[state]).sum();
            let passed: f64 = path.windows(2).zip(transitions).map(|(pair, passed)| passed[pair[0]][pair[1]]).sum();
            emitted + passed
        };
        let mut scored: Vec<(f64, Vec<usize>)> = paths.into_iter().map(|path| (score(&path), path)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored
    }

    #[test]
    fn the_best_paths_are_those_of_exhaustive_search() {
        let mut rng = Pcg64::seed_from_u64(11);
        for trial in 0..60 {
            let (positions, count) = (1 + trial % 5, [1, 3, 200][trial % 3]);
            let sizes: Vec<usize> = (0..positions).map(|_| rng.random_range(1..5)).collect();
            let mut numbers = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
            let emissions: Vec<Vec<f64>> = sizes.iter().map(|&size| numbers(size)).collect();
            let transitions: Vec<Vec<Vec<f64>>> =
                sizes.windows(2).map(|pair| (0..pair[0]).map(|_| numbers(pair[1])).collect()).collect();
            let truth = exhaustive(&emissions, &transitions);
            let found = best_paths(&emissions, &transitions, count);
            assert_eq!(found.len(), count.min(truth.len()));
            for (found, (_, expected)) in found.iter().zip(&truth) {
                assert_eq!(found, expected);
            }
        }
    }
}
