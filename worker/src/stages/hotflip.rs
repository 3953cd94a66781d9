//! HotFlip: coordinate descent in token space (the note, section 3.3; Ebrahimi et al. 2018).
//!
//! To first order, replacing token `a` at position `i` by `b` changes the loss by
//! `∇ᵢ · (E_b − E_a)`. That ranks replacements; the best of them that satisfy the constraints are
//! scored with the true loss, and the best of those is taken if it is really better.

use super::moves::{Replacement, init, needed_to_start, replacements, scoring, screening, start};
use super::params::integer;
use super::{Best, Need, Params, Search, Stage, StageError};
use crate::contest::best;
use crate::objective::PrefixInput;
use shared::catalogue::StageDeclaration;
use std::collections::BTreeSet;

pub struct HotFlip;

impl Stage for HotFlip {
    fn declaration(&self) -> StageDeclaration {
        StageDeclaration {
            kind: "hotflip".to_owned(),
            title: "HotFlip".to_owned(),
            help: "Replaces one token at a time, ranked by the gradient and verified with the true loss.".to_owned(),
            params: [
                vec![
                    integer("steps", "steps", (1, 10_000), 40, "Gradient steps at most."),
                    integer("candidates", "prefixes", (1, 4096), 32, "Replacements verified in a step."),
                    integer("top_k", "tokens", (1, 4096), 64, "Best-ranked replacements considered at each position."),
                    integer("patience", "steps", (1, 1000), 3, "Stops after so many steps without a better prefix."),
                ],
                scoring(),
                vec![init()],
            ]
            .concat(),
        }
    }

    fn total_steps(&self, params: &Params) -> usize {
        params.usize("steps")
    }

    fn needs(&self, params: &Params) -> Option<Need> {
        needed_to_start(params)
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let mut current = start(search, params.text("init"), "hotflip")?;
        let ce_start = current.ce_train;
        let mut scored: BTreeSet<Vec<u32>> = BTreeSet::from([current.ids.clone()]);
        let (mut accepted, mut without_better, mut ranking) = (0, 0, None);
        for step in 1..=params.usize("steps") {
            if search.spent() {
                break;
            }
            // 1. Rank all replacements at the current prefix. After a step that took none, the
            //    gradient is the same, and the next-ranked replacements are tried.
            let replacements = match ranking.take() {
                Some(replacements) => replacements,
                None => rank(search, &current.ids, params.usize("top_k"))?,
            };
            // 2. Keep those that satisfy the constraints and were not scored before.
            let (proposals, rest) =
                feasible(search, &current.ids, replacements, params.usize("candidates"), &mut scored)?;
            // 3. Score them with the true loss.
            let candidates: Vec<Vec<u32>> = proposals.iter().map(|proposal| proposal.applied(&current.ids)).collect();
            let outcomes = search.contest(step, &candidates, current.ce_train, 1, screening(params, step))?;
            let ces: Vec<f64> = outcomes.iter().map(|outcome| outcome.value()).collect();
            // 4. Take the best if it is better.
            let exhausted = outcomes.is_empty();
            let improved = best(&outcomes).filter(|&best| ces[best] < current.ce_train);
            let nearest = || (0..ces.len()).min_by(|&a, &b| ces[a].total_cmp(&ces[b]));
            if let Some(shown) = improved.or_else(nearest) {
                search.flips(step, &current, &candidates[shown], outcomes[shown]);
            }
            let mut ce_validation = None;
            if let Some(best) = improved {
                let ids = candidates[best].clone();
                ce_validation = search.validate(&PrefixInput::Ids(ids.clone()))?;
                current = Best { ids, ce_train: ces[best], ce_validation };
                search.offer(step, current.clone());
                accepted += 1;
                without_better = 0;
            } else {
                without_better += 1;
                ranking = Some(rest);
            }
            search.objective_event(step, current.ce_train, ce_validation);
            search.progress(step);
            if exhausted || without_better >= params.usize("patience") {
                break;
            }
        }
        Ok(format!("cross-entropy {ce_start:.3} to {:.3} with {accepted} replacements", current.ce_train))
    }
}

/// The `top_k` best allowed replacements of each position, position by position in turn.
///
/// Gradients of different positions differ in size by more than the true changes do, so one order
/// over all positions would propose for the steepest position only.
pub fn rank(search: &Search<'_>, ids: &[u32], top_k: usize) -> Result<Vec<Replacement>, StageError> {
    let by_position = replacements(search, ids, top_k)?;
    Ok((0..top_k).flat_map(|rank| by_position.iter().filter_map(move |here| here.get(rank).copied())).collect())
}

/// The first `count` replacements that satisfy the constraints and were not scored before, and the
/// replacements that were not looked at.
pub fn feasible(
    search: &Search<'_>,
    ids: &[u32],
    replacements: Vec<Replacement>,
    count: usize,
    scored: &mut BTreeSet<Vec<u32>>,
) -> Result<(Vec<Replacement>, Vec<Replacement>), StageError> {
    let mut proposals = Vec::new();
    let mut replacements = replacements.into_iter();
    while proposals.len() < count {
        let Some(replacement) = replacements.next() else { break };
        let candidate = replacement.applied(ids);
        if !scored.contains(&candidate) && search.objection(&candidate)?.is_none() {
            scored.insert(candidate);
            proposals.push(replacement);
        }
    }
    Ok((proposals, replacements.collect()))
}
