//! GCG: greedy coordinate gradient (Zou et al. 2023), with a buffer of attempts that are searched in turn
//! (Hayase et al. 2024) and merged replacements (I-GCG, Jia et al. 2024).
//!
//! HotFlip verifies the replacements that the gradient ranks first and stalls when none of them helps.
//! GCG draws at random among the first `top_k` of each position, so that it never runs out, and may
//! change several positions at once. With `proposals = "mixed"` it also draws what no gradient ranks: see
//! `edits.rs`.

mod edits;

use self::edits::{NEAR, Proposals};
use super::moves::{Replacement, init, needed_to_start, replacements, scoring, screening, start};
use super::params::{choice, integer};
use super::projection::NearTokens;
use super::{Best, Need, Params, Search, Stage, StageError};
use crate::contest::{Outcome, best};
use crate::objective::PrefixInput;
use rand::RngExt;
use rand::seq::index;
use shared::catalogue::StageDeclaration;
use std::collections::BTreeSet;

pub struct Gcg;

impl Stage for Gcg {
    fn declaration(&self) -> StageDeclaration {
        let own = vec![
            integer("steps", "steps", (1, 10_000), 40, "Steps at most."),
            integer("candidates", "prefixes", (1, 4096), 32, "Random candidates drawn and verified in a step."),
            integer(
                "top_k",
                "tokens",
                (1, 4096),
                128,
                "Best-ranked replacements that are drawn from at each position.",
            ),
            integer("swaps", "tokens", (1, 64), 1, "Positions that a candidate changes."),
            integer("merge", "swaps", (0, 64), 4, "Best candidates of a step whose changes are also tried together."),
            choice(
                "proposals",
                &["gradient", "mixed"],
                "Draws replacements that the gradient ranks first; or also tokens near the present one, tokens that the model would write there, insertions up to the prefix's length, deletions and swaps.",
            ),
            integer("buffer", "prefixes", (1, 256), 4, "Best prefixes that are kept and searched from in turn."),
            integer("patience", "steps", (1, 10_000), 10, "Stops after so many steps without a better prefix."),
        ];
        StageDeclaration {
            kind: "gcg".to_owned(),
            title: "GCG".to_owned(),
            help: "Random replacements among those that the gradient ranks first, verified with the true loss."
                .to_owned(),
            params: [own, scoring(), vec![init()]].concat(),
        }
    }

    fn total_steps(&self, params: &Params) -> usize {
        params.usize("steps")
    }

    fn needs(&self, params: &Params) -> Option<Need> {
        needed_to_start(params)
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let first = start(search, params.text("init"), "gcg")?;
        let ce_start = first.ce_train;
        let keep = params.usize("buffer");
        let mut seen = BTreeSet::from([first.ids.clone()]);
        let mut buffer = vec![Attempt { best: first, proposals: None }];
        let mut near = NearTokens::new(search, NEAR)?;
        let (mut improvements, mut without_better) = (0, 0);
        for step in 1..=params.usize("steps") {
            if search.spent() {
                break;
            }
            // 1. Search from the best, or from the next of the buffer while that brings nothing.
            let parent = without_better % buffer.len();
            let from = buffer[parent].best.clone();
            let proposals = match buffer[parent].proposals.take() {
                Some(proposals) => proposals,
                None => {
                    let gradient = replacements(search, &from.ids, params.usize("top_k"))?;
                    match params.text("proposals") {
                        "mixed" => Proposals::new(search, &from.ids, gradient, &mut near)?,
                        _ => Proposals::of_gradient(gradient),
                    }
                }
            };
            // 2. Draw candidates that satisfy the constraints.
            let drawn = draw(search, &from.ids, &proposals, params, &mut seen)?;
            buffer[parent].proposals = Some(proposals);
            // 3. Score them with the true loss, exactly where they belong into the buffer.
            let worst = if buffer.len() < keep { f64::INFINITY } else { buffer[keep - 1].best.ce_train };
            let mut outcomes = search.contest(step, &drawn, worst, keep, screening(params, step))?;
            // 4. What helped alone may help more together.
            let merged = merge(search, &from, &drawn, &outcomes, params.usize("merge"), &mut seen)?;
            if !merged.is_empty() {
                outcomes.extend(search.contest(step, &merged, worst, keep, screening(params, step))?);
            }
            let candidates = [drawn, merged].concat();
            // 5. Keep the best.
            let standing = buffer[0].best.clone();
            if let Some(shown) = best(&outcomes) {
                search.flips(step, &standing, &candidates[shown], outcomes[shown]);
            }
            for (ids, outcome) in candidates.into_iter().zip(&outcomes) {
                if let Some(ce_train) = outcome.score() {
                    buffer.push(Attempt { best: Best { ids, ce_train, ce_validation: None }, proposals: None });
                }
            }
            buffer.sort_by(|a, b| a.best.ce_train.total_cmp(&b.best.ce_train));
            buffer.truncate(keep);
            if buffer[0].best.ids == standing.ids {
                without_better += 1;
            } else {
                let leader = &mut buffer[0].best;
                leader.ce_validation = search.validate(&PrefixInput::Ids(leader.ids.clone()))?;
                search.offer(step, leader.clone());
                improvements += 1;
                without_better = 0;
            }
            let leader = &buffer[0].best;
            search.objective_event(step, leader.ce_train, leader.ce_validation);
            search.progress(step);
            if without_better >= params.usize("patience") {
                break;
            }
        }
        Ok(format!("cross-entropy {ce_start:.3} to {:.3} in {improvements} improvements", buffer[0].best.ce_train))
    }
}

/// A prefix of the buffer, with what is drawn for it once that was computed.
struct Attempt {
    best: Best,
    proposals: Option<Proposals>,
}

/// Candidates that were not seen before and satisfy the constraints; fewer where these hardly leave any.
fn draw(
    search: &mut Search<'_>,
    ids: &[u32],
    proposals: &Proposals,
    params: &Params,
    seen: &mut BTreeSet<Vec<u32>>,
) -> Result<Vec<Vec<u32>>, StageError> {
    const DRAWS_PER_CANDIDATE: usize = 20;
    let count = params.usize("candidates");
    let mixed = params.text("proposals") == "mixed";
    let mut candidates = Vec::with_capacity(count);
    for _ in 0..count * DRAWS_PER_CANDIDATE {
        if candidates.len() == count {
            break;
        }
        let drawn = if mixed {
            proposals.draw(search, ids)
        } else {
            replace(search, ids, &proposals.gradient, params.usize("swaps"))
        };
        let Some(candidate) = drawn else { continue };
        if !seen.contains(&candidate) && search.objection(&candidate)?.is_none() {
            seen.insert(candidate.clone());
            candidates.push(candidate);
        }
    }
    Ok(candidates)
}

/// Changes `swaps` random positions, each to a random one of its ranked tokens.
fn replace(search: &mut Search<'_>, ids: &[u32], ranking: &[Vec<Replacement>], swaps: usize) -> Option<Vec<u32>> {
    let open: Vec<&Vec<Replacement>> = ranking.iter().filter(|here| !here.is_empty()).collect();
    let swaps = swaps.min(open.len());
    let mut candidate = ids.to_vec();
    for at in index::sample(&mut search.rng, open.len(), swaps) {
        let replacement = open[at][search.rng.random_range(0..open[at].len())];
        candidate = replacement.applied(&candidate);
    }
    (swaps > 0).then_some(candidate)
}

/// The changes of the best 2, 3, … `most` candidates together, those of the better one where they
/// change the same position.
fn merge(
    search: &Search<'_>,
    from: &Best,
    drawn: &[Vec<u32>],
    outcomes: &[Outcome],
    most: usize,
    seen: &mut BTreeSet<Vec<u32>>,
) -> Result<Vec<Vec<u32>>, StageError> {
    let mut better: Vec<usize> =
        (0..drawn.len()).filter(|&at| outcomes[at].score().is_some_and(|ce| ce < from.ce_train)).collect();
    better.sort_by(|&a, &b| outcomes[a].value().total_cmp(&outcomes[b].value()));
    let (mut together, mut merged) = (from.ids.clone(), Vec::new());
    // Insertions and deletions move what stands behind them, so that positions mean something else.
    let same_length = better.into_iter().map(|at| &drawn[at]).filter(|candidate| candidate.len() == from.ids.len());
    for candidate in same_length.take(most) {
        for (position, id) in together.iter_mut().enumerate() {
            if *id == from.ids[position] {
                *id = candidate[position];
            }
        }
        if !seen.contains(&together) && search.objection(&together)?.is_none() {
            seen.insert(together.clone());
            merged.push(together.clone());
        }
    }
    Ok(merged)
}
