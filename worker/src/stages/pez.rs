//! PEZ: hard prompts made easy (Wen et al. 2023, algorithm 1).
//!
//! Free vectors are moved, but the gradient is always taken at their projection onto tokens. So the
//! optimiser sees the loss of what can be typed, and the vectors remember what many small steps add up to
//! until one of them is nearer to another token. Here the projection goes to tokens that satisfy the
//! constraints together, and the projected prefix is selected on the validation suffixes.

use super::adam::Adam;
use super::moves::{init, needed_to_start, start};
use super::params::{choice, integer, real};
use super::projection::{Nearest, Nearness};
use super::{Best, Need, Params, Search, Stage, StageError};
use crate::objective::PrefixInput;
use candle_core::Tensor;
use shared::catalogue::StageDeclaration;
use shared::spec::Split;

pub struct Pez;

impl Stage for Pez {
    fn declaration(&self) -> StageDeclaration {
        StageDeclaration {
            kind: "pez".to_owned(),
            title: "PEZ".to_owned(),
            help: "Moves free vectors by the gradient at their projection onto allowed tokens.".to_owned(),
            params: vec![
                integer("steps", "steps", (1, 10_000), 100, "AdamW steps at most."),
                real("learning_rate", "", (1e-6, 10.0), 0.1, "AdamW's step size."),
                real("weight_decay", "", (0.0, 10.0), 0.1, "How fast AdamW shrinks the vectors."),
                choice("nearest", &["cosine", "euclidean"], "By what the nearest token is chosen."),
                integer("candidates", "tokens", (1, 100_000), 2000, "Nearest tokens tried at a position."),
                integer("patience", "steps", (1, 10_000), 30, "Stops after so many steps without a better prefix."),
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
        let nearness = if params.text("nearest") == "euclidean" { Nearness::Euclidean } else { Nearness::Cosine };
        let nearest = Nearest::new(search.objective.backend(), nearness)?;
        let first = start(search, params.text("init"), "pez")?;
        let mut embeds = search.objective.backend().embed(&first.ids)?; // (prefix, hidden)
        let mut adam = Adam::new(&embeds, params.f64("learning_rate"))?.with_weight_decay(params.f64("weight_decay"));
        let ce_start = first.ce_train;
        let (mut best, mut at, mut visited, mut without_better) = (first.clone(), None, 0, 0);
        for step in 1..=params.usize("steps") {
            if search.spent() {
                break;
            }
            // 1. Project: (prefix, hidden) → (prefix) tokens.
            let ids = match nearest.feasible(search, &embeds, params.usize("candidates")) {
                Ok(projected) => projected.ids,
                // The vectors have come to where no allowed token is near: what was found stands.
                Err(StageError::Constraints(_)) => break,
                Err(error) => return Err(error),
            };
            // 2. The true loss and its gradient at the projection; both stay while the projection does.
            let here = match at.take() {
                Some(here) if has_ids(&here, &ids) => here,
                _ => {
                    visited += 1;
                    visit(search, step, ids)?
                }
            };
            // 3. Select.
            if here.scored.key() < best.key() {
                best = here.scored.clone();
                without_better = 0;
            } else {
                without_better += 1;
            }
            search.objective_event(step, here.scored.ce_train, here.scored.ce_validation);
            search.progress(step);
            if without_better >= params.usize("patience") {
                break;
            }
            // 4. Move the free vectors by it.
            embeds = adam.step(&embeds, &here.gradient)?;
            at = Some(here);
        }
        Ok(format!("cross-entropy {ce_start:.3} to {:.3}; {visited} projections", best.ce_train))
    }
}

/// A projection with its scores and the gradient of the loss there, `(prefix, hidden)`.
struct Visit {
    scored: Best,
    gradient: Tensor,
}

fn has_ids(visit: &Visit, ids: &[u32]) -> bool {
    visit.scored.ids == ids
}

fn visit(search: &mut Search<'_>, step: usize, ids: Vec<u32>) -> Result<Visit, StageError> {
    let ce_train = search.score_train(step, &ids)?;
    let ce_validation = search.validate(&PrefixInput::Ids(ids.clone()))?;
    let embeds = search.objective.backend().embed(&ids)?; // (prefix, hidden)
    let (_, gradient) = search.objective.gradient(&embeds, &search.objective.indices(Split::Train))?;
    let scored = Best { ids, ce_train, ce_validation };
    search.offer(step, scored.clone());
    Ok(Visit { scored, gradient })
}
