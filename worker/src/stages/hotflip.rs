//! HotFlip: coordinate descent in token space (the note, section 3.3; Ebrahimi et al. 2018).
//!
//! To first order, replacing token `a` at position `i` by `b` changes the loss by
//! `∇ᵢ · (E_b − E_a)`. That ranks replacements; the best of them that satisfy the constraints are
//! scored with the true loss, and the best of those is taken if it is really better.

use super::params::{choice, integer, real};
use super::projection::{nearest_feasible, random_feasible};
use super::{Best, Params, Search, Stage, StageError};
use crate::contest::{Outcome, Racing, best};
use crate::objective::PrefixInput;
use candle_core::Tensor;
use shared::catalogue::StageDeclaration;
use shared::event::{Event, Flip};
use shared::spec::Split;
use std::collections::BTreeSet;

pub struct HotFlip;

impl Stage for HotFlip {
    fn declaration(&self) -> StageDeclaration {
        StageDeclaration {
            kind: "hotflip".to_owned(),
            title: "HotFlip".to_owned(),
            help: "Replaces one token at a time, ranked by the gradient and verified with the true loss.".to_owned(),
            params: vec![
                integer("steps", "steps", (1, 10_000), 40, "Gradient steps at most."),
                integer("candidates", "prefixes", (1, 4096), 32, "Replacements verified in a step."),
                integer("top_k", "tokens", (1, 4096), 64, "Best-ranked replacements considered at each position."),
                choice(
                    "scoring",
                    &["exact", "racing"],
                    "Finds the best candidate for sure, or also drops those that probably are not it.",
                ),
                real("racing_error", "", (1e-6, 0.5), 0.05, "Racing: highest chance that a dropped one was better."),
                integer("patience", "steps", (1, 1000), 3, "Stops after so many steps without a better prefix."),
                choice(
                    "init",
                    &["previous", "random", "reference"],
                    "Starts at the best prefix so far, at random allowed tokens, or at the allowed tokens nearest to the reference.",
                ),
            ],
        }
    }

    fn total_steps(&self, params: &Params) -> usize {
        params.usize("steps")
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let mut current = start(search, params.text("init"))?;
        let ce_start = current.ce_train;
        let racing = match params.text("scoring") {
            "racing" => Some(Racing { error: params.f64("racing_error") }),
            _ => None,
        };
        let mut scored: BTreeSet<Vec<u32>> = BTreeSet::from([current.ids.clone()]);
        let (mut accepted, mut without_better, mut ranking) = (0, 0, None);
        for step in 1..=params.usize("steps") {
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
            let outcomes = search.contest(step, &candidates, current.ce_train, racing)?;
            let ces: Vec<f64> = outcomes.iter().map(|outcome| outcome.value()).collect();
            // 4. Take the best if it is better.
            let exhausted = outcomes.is_empty();
            let improved = best(&outcomes).filter(|&best| ces[best] < current.ce_train);
            let nearest = || (0..ces.len()).min_by(|&a, &b| ces[a].total_cmp(&ces[b]));
            if let Some(shown) = improved.or_else(nearest) {
                report(search, step, &current, &proposals[shown], outcomes[shown]);
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

/// One token replaced.
#[derive(Clone, Copy, Debug)]
struct Replacement {
    position: usize,
    id: u32,
    /// First-order change of the loss; negative is better.
    predicted: f32,
}

impl Replacement {
    fn applied(&self, ids: &[u32]) -> Vec<u32> {
        let mut ids = ids.to_vec();
        ids[self.position] = self.id;
        ids
    }
}

/// The prefix to begin with, scored.
fn start(search: &mut Search<'_>, init: &str) -> Result<Best, StageError> {
    let ids = match init {
        "random" => random_feasible(search)?,
        "reference" => {
            let length = search.spec.prefix_tokens;
            let ids: Vec<u32> = search.reference.iter().copied().cycle().take(length).collect();
            nearest_feasible(search, &search.objective.backend().embed(&ids)?, usize::MAX)?.ids
        }
        _ => match &search.best {
            Some(best) => return Ok(best.clone()),
            None => {
                let needs = "a prefix to start from: put projection before it, or set init to random or reference";
                return Err(StageError::Missing { stage: "hotflip", needs });
            }
        },
    };
    let ce_train = search.score_train(0, &ids)?;
    let ce_validation = search.validate(&PrefixInput::Ids(ids.clone()))?;
    let best = Best { ids, ce_train, ce_validation };
    search.objective_event(0, best.ce_train, best.ce_validation);
    search.offer(0, best.clone());
    Ok(best)
}

/// The `top_k` best allowed replacements of each position, position by position in turn.
///
/// Gradients of different positions differ in size by more than the true changes do, so one order
/// over all positions would propose for the steepest position only.
fn rank(search: &Search<'_>, ids: &[u32], top_k: usize) -> Result<Vec<Replacement>, StageError> {
    let backend = search.objective.backend();
    let embeds = backend.embed(ids)?; // (prefix, hidden)
    let (_, gradient) = search.objective.gradient(&embeds, &search.objective.indices(Split::Train))?;
    // (prefix, hidden) · (vocab, hidden)ᵀ → (prefix, vocab), less what the present token gives
    let products = backend.embedding_products(&gradient)?;
    let present: Tensor = (&gradient * &embeds)?.sum_keepdim(1)?;
    let changes = products.broadcast_sub(&present)?.to_vec2::<f32>()?;
    let allowed = search.rules.allowed();
    let by_position: Vec<Vec<Replacement>> = (changes.iter().enumerate())
        .map(|(position, changes)| {
            let mut here: Vec<Replacement> = (0..changes.len() as u32)
                .filter(|&id| id != ids[position] && allowed.get(id as usize).copied().unwrap_or(false))
                .map(|id| Replacement { position, id, predicted: changes[id as usize] })
                .collect();
            here.sort_by(by_prediction);
            here.truncate(top_k);
            here
        })
        .collect();
    Ok((0..top_k).flat_map(|rank| by_position.iter().filter_map(move |here| here.get(rank).copied())).collect())
}

fn by_prediction(a: &Replacement, b: &Replacement) -> std::cmp::Ordering {
    a.predicted.total_cmp(&b.predicted).then(a.id.cmp(&b.id))
}

/// The first `count` replacements that satisfy the constraints and were not scored before, and the
/// replacements that were not looked at.
fn feasible(
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

/// Logs the step's best replacement, taken or not.
fn report(search: &mut Search<'_>, step: usize, current: &Best, replacement: &Replacement, outcome: Outcome) {
    let ce_after = outcome.value();
    let accepted = matches!(outcome, Outcome::Scored(_)) && ce_after < current.ce_train;
    let reason = match outcome {
        Outcome::Scored(_) => "the true loss is not lower",
        Outcome::AtLeast(_) => "dropped: the true loss is at least this",
    };
    let flip = Flip {
        stage: search.stage,
        step,
        position: replacement.position,
        old: search.tokenizer.piece(current.ids[replacement.position]),
        new: search.tokenizer.piece(replacement.id),
        ce_before: current.ce_train,
        ce_after,
        accepted,
        reason: (!accepted).then(|| reason.to_owned()),
    };
    search.sink.push(Event::Flip { flip });
}
