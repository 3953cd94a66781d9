//! PGD: projected gradient descent on relaxed one-hot vectors (Geisler et al. 2024, "Attacking Large
//! Language Models with Projected Gradient Descent", algorithm 1).
//!
//! Every position holds a distribution over tokens, and the model is given the mean of their embeddings.
//! A gradient step leaves the distributions; they are projected back onto the simplex, and to a bounded
//! entropy, so that the relaxation stays near single tokens; a cosine with warm restarts sets the step size.
//! The paper's Adam moves all tokens alike at first, and takes hundreds of steps to leave a single one; a
//! gradient that is only scaled does so within a few. Only allowed tokens have a share, and what is read off satisfies
//! the constraints.

use super::adam::Adam;
use super::moves::{init, needed_to_start, replacements, start};
use super::params::{choice, integer, real};
use super::projection::first_feasible;
use super::simplex::{limit_gini, project_to_simplex};
use super::{Best, Need, Params, Search, Stage, StageError};
use crate::objective::PrefixInput;
use candle_core::{Device, Tensor};
use shared::catalogue::StageDeclaration;
use shared::spec::Split;
use std::collections::BTreeSet;

pub struct Pgd;

impl Stage for Pgd {
    fn declaration(&self) -> StageDeclaration {
        StageDeclaration {
            kind: "pgd".to_owned(),
            title: "PGD".to_owned(),
            help: "Projected gradient descent on a distribution over tokens at each position.".to_owned(),
            params: vec![
                integer("steps", "steps", (1, 10_000), 100, "Gradient steps at most."),
                choice(
                    "optimiser",
                    &["scaled", "adam"],
                    "The gradient itself, each position's scaled to a largest component of 1, or Adam, as in the paper, which needs many more steps.",
                ),
                real("learning_rate", "", (1e-6, 10.0), 0.5, "Largest step size, in probability."),
                integer(
                    "restart_every",
                    "steps",
                    (1, 10_000),
                    60,
                    "The step size falls along a cosine and starts anew this often.",
                ),
                real(
                    "entropy",
                    "",
                    (0.0, 1.0),
                    0.4,
                    "How much of the highest entropy is taken away: 0 nothing, 1 leaves single tokens.",
                ),
                integer(
                    "tokens",
                    "tokens",
                    (2, 1_000_000),
                    1024,
                    "Allowed tokens that may have a share: those that the first gradient ranks highest.",
                ),
                integer(
                    "read_every",
                    "steps",
                    (1, 1000),
                    2,
                    "Reads tokens off the distributions and scores them this often.",
                ),
                integer(
                    "candidates",
                    "tokens",
                    (1, 100_000),
                    2000,
                    "Likeliest tokens tried at a position when they are read off.",
                ),
                integer(
                    "patience",
                    "readings",
                    (1, 10_000),
                    15,
                    "Stops after so many readings without a better prefix.",
                ),
                init(),
            ],
        }
    }

    fn total_steps(&self, params: &Params) -> usize {
        params.usize("steps")
    }

    fn needs(&self, params: &Params) -> Option<Need> {
        needed_to_start(params)
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let first = start(search, params.text("init"), "pgd")?;
        let ce_start = first.ce_train;
        let train = search.objective.indices(Split::Train);
        let support = support(search, &first.ids, params.usize("tokens"))?; // (tokens)
        let table = search.objective.backend().embed(&support)?; // (tokens, hidden)
        let mut shares = one_hot(&first.ids, &support)?; // (prefix, tokens)
        let mut adam = Adam::new(&shares, params.f64("learning_rate"))?;
        let most = 1.0 - 1.0 / support.len() as f64;
        let ceiling = (1.0 - params.f64("entropy")) * most;
        let (steps, every, period) = (params.usize("steps"), params.usize("read_every"), params.usize("restart_every"));
        let (mut best, mut without_better, mut ce_relaxed) = (first, 0, ce_start);
        for step in 1..=steps {
            if search.spent() {
                break;
            }
            // 1. The gradient with respect to the shares.
            let embeds = shares.matmul(&table)?; // (prefix, tokens) · (tokens, hidden) → (prefix, hidden)
            let (ce, gradient) = search.objective.gradient(&embeds, &train)?;
            let gradient = gradient.matmul(&table.t()?)?; // · (hidden, tokens) → (prefix, tokens)
            ce_relaxed = ce;
            // 2. A step, and back to distributions of bounded entropy.
            let rate = params.f64("learning_rate") * cosine((step - 1) % period, period);
            let stepped = if params.text("optimiser") == "scaled" {
                (&shares - (scaled(&gradient)? * rate)?)?
            } else {
                adam.learning_rate = rate;
                adam.step(&shares, &gradient)?
            };
            shares = project(&stepped, ceiling)?;
            // 3. Read tokens off, score them truly, and select.
            if step % every == 0 || step == steps {
                without_better += 1;
                let tries = params.usize("candidates");
                if let Some(read) = reading(search, step, &shares, &support, tries)?
                    && read.key() < best.key()
                {
                    best = read;
                    without_better = 0;
                }
            }
            search.progress(step);
            if without_better >= params.usize("patience") {
                break;
            }
        }
        let ce = best.ce_train;
        Ok(format!("cross-entropy {ce_start:.3} to {ce:.3}; of the last distributions {ce_relaxed:.3}"))
    }
}

/// The tokens that may have a share: the present ones, then the replacements that the gradient ranks
/// highest, position by position in turn.
fn support(search: &Search<'_>, ids: &[u32], count: usize) -> Result<Vec<u32>, StageError> {
    let ranked = replacements(search, ids, count)?;
    let in_turn = (0..count).map_while(|rank| {
        let here: Vec<u32> = ranked.iter().filter_map(|at| Some(at.get(rank)?.id)).collect();
        (!here.is_empty()).then_some(here)
    });
    let mut support = Vec::new();
    let mut known = BTreeSet::new();
    // A prefix of more distinct tokens than `count` keeps them all.
    let count = count.max(ids.len());
    for id in ids.iter().copied().chain(in_turn.flatten()) {
        if support.len() < count && known.insert(id) {
            support.push(id);
        }
    }
    Ok(support)
}

/// All of each position's share on its token: `(prefix, tokens)`.
fn one_hot(ids: &[u32], support: &[u32]) -> candle_core::Result<Tensor> {
    let shares: Vec<f32> =
        ids.iter().flat_map(|id| support.iter().map(move |token| f32::from(u8::from(token == id)))).collect();
    Tensor::from_vec(shares, (ids.len(), support.len()), &Device::Cpu)
}

/// Half a cosine from 1 towards 0 (Loshchilov and Hutter 2017).
fn cosine(step: usize, period: usize) -> f64 {
    (1.0 + (std::f64::consts::PI * step as f64 / period as f64).cos()) / 2.0
}

/// Each row `(prefix, tokens)` about its mean, which the simplex takes no notice of, with a largest component
/// of 1: positions differ in steepness by more than they do in what a change brings.
fn scaled(gradient: &Tensor) -> candle_core::Result<Tensor> {
    const NO_DIVISION_BY_ZERO: f64 = 1e-30;
    let centred = gradient.broadcast_sub(&gradient.mean_keepdim(1)?)?;
    centred.broadcast_div(&(centred.abs()?.max_keepdim(1)? + NO_DIVISION_BY_ZERO)?)
}

/// Each row `(prefix, tokens)` to the nearest distribution, and from there to the bounded entropy.
fn project(shares: &Tensor, ceiling: f64) -> candle_core::Result<Tensor> {
    let dims = shares.dims2()?;
    let mut projected: Vec<f32> = Vec::with_capacity(dims.0 * dims.1);
    for row in shares.to_vec2::<f32>()? {
        let mut row: Vec<f64> = row.into_iter().map(f64::from).collect();
        project_to_simplex(&mut row);
        limit_gini(&mut row, ceiling);
        projected.extend(row.into_iter().map(|share| share as f32));
    }
    Tensor::from_vec(projected, dims, &Device::Cpu)
}

/// What is read off, scored; nothing where the constraints leave none of the tokens at some position.
fn reading(
    search: &mut Search<'_>,
    step: usize,
    shares: &Tensor,
    support: &[u32],
    tries: usize,
) -> Result<Option<Best>, StageError> {
    let ids = match read_off(search, shares, support, tries) {
        Ok(ids) => ids,
        Err(StageError::Constraints(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let ce_train = search.score_train(step, &ids)?;
    let ce_validation = search.validate(&PrefixInput::Ids(ids.clone()))?;
    let read = Best { ids, ce_train, ce_validation };
    search.objective_event(step, ce_train, ce_validation);
    search.offer(step, read.clone());
    Ok(Some(read))
}

/// The likeliest token of each position, left to right, such that the constraints hold for the prefix so
/// far.
fn read_off(search: &Search<'_>, shares: &Tensor, support: &[u32], tries: usize) -> Result<Vec<u32>, StageError> {
    let rows = shares.to_vec2::<f32>()?;
    let mut ids: Vec<u32> = Vec::with_capacity(rows.len());
    for (position, shares) in rows.iter().enumerate() {
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]).then(a.cmp(&b)));
        let likeliest = order.into_iter().map(|at| support[at]).take(tries);
        ids.push(first_feasible(search, &ids, likeliest, position, rows.len())?);
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_steps_equally_far() {
        let gradient = Tensor::new(&[[1.0f32, 3.0, 5.0], [10.0, 10.0, -20.0], [0.0; 3]], &Device::Cpu).unwrap();
        let rows = scaled(&gradient).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(rows, [[-1.0, 0.0, 1.0], [0.5, 0.5, -1.0], [0.0; 3]]);
    }

    #[test]
    fn the_step_size_starts_full_and_falls_to_almost_nothing() {
        let sizes: Vec<f64> = (0..60).map(|step| cosine(step, 60)).collect();
        assert_eq!(sizes[0], 1.0);
        assert!((sizes[30] - 0.5).abs() < 1e-12 && sizes[59] < 0.01);
        assert!(sizes.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn shares_of_tokens_sum_to_one_and_stay_within_the_entropy() {
        let shares = one_hot(&[7, 9], &[9, 5, 7, 2]).unwrap();
        assert_eq!(shares.to_vec2::<f32>().unwrap(), [[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]]);
        let moved = (shares + Tensor::new(&[[0.3f32, 0.2, -0.4, 0.1], [0.0; 4]], &Device::Cpu).unwrap()).unwrap();
        let projected = project(&moved, 0.5).unwrap().to_vec2::<f32>().unwrap();
        for row in &projected {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            assert!(1.0 - row.iter().map(|p| p * p).sum::<f32>() <= 0.5 + 1e-6, "{row:?}");
        }
        assert_eq!(projected[1], [1.0, 0.0, 0.0, 0.0], "a single token stays");
    }
}
