//! Soft prompt: the prefix as free vectors in embedding space, optimised with Adam (the note, sections
//! 3.1, 4.1 and 4.2; Lester et al. 2021).
//!
//! Free vectors memorise the train completions within a few dozen steps, so the iterate is chosen
//! on the validation suffixes, and training stops when these stop improving. The teacher's whole
//! distributions as the goal (`kl_weight`) tell more of the reference with every token than its one
//! completion does, so that there is less to memorise (Hinton et al. 2015).

use super::adam::Adam;
use super::budget;
use super::params::{choice, integer, real};
use super::projection::random_feasible;
use super::{Params, Product, Search, SoftPrefix, Stage, StageError, soft_loss};
use crate::objective::{Loss, PrefixInput};
use candle_core::Tensor;
use shared::catalogue::{FieldError, StageDeclaration};
use shared::model::Config;
use shared::spec::Split;
use std::path::Path;

pub struct SoftPrompt;

impl Stage for SoftPrompt {
    fn declaration(&self) -> StageDeclaration {
        let own = vec![
            integer("steps", "steps", (1, 10_000), 60, "Adam steps at most."),
            real("learning_rate", "", (1e-6, 10.0), 0.01, "Adam's step size."),
            choice("init", &["random", "reference"], "Starts at random allowed tokens or at the reference."),
            integer("validate_every", "steps", (1, 1000), 5, "Measures the validation suffixes this often."),
            integer("patience", "measurements", (1, 1000), 4, "Stops after so many without a better one."),
            budget::share(0.5),
        ];
        StageDeclaration {
            kind: "soft_prompt".to_owned(),
            title: "Soft prompt".to_owned(),
            help: "Optimises free embedding vectors with Adam.".to_owned(),
            params: [own, soft_loss::params()].concat(),
        }
    }

    fn check(&self, params: &Params, config: &Config, saes: &Path) -> Result<(), FieldError> {
        soft_loss::check(params, config, saes)
    }

    fn total_steps(&self, params: &Params) -> usize {
        params.usize("steps")
    }

    fn makes(&self) -> Product {
        Product::SoftPrefix
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let start = match params.text("init") {
            "reference" => fit_length(&search.reference, search.spec.prefix_tokens),
            _ => random_feasible(search)?,
        };
        let loss = soft_loss::loss(search, params)?;
        let (train, validation) = (search.objective.indices(Split::Train), search.objective.indices(Split::Validation));
        let mut embeds = search.objective.backend().embed(&start)?; // (prefix, hidden)
        let mut adam = Adam::new(&embeds, params.f64("learning_rate"))?;
        let (steps, every) = (params.usize("steps"), params.usize("validate_every"));
        let mut best: Option<(f64, usize, Tensor)> = None;
        let mut without_better = 0;
        for step in 1..=steps {
            // 1. The loss and its gradient; they belong to the vectors before this step's update.
            let slope = search.objective.slope(&loss, &embeds, &train)?;
            let measured = (step - 1) % every == 0;
            let prefix = PrefixInput::Soft(embeds.clone());
            let ce_validation = if measured { search.validate(&prefix)? } else { None };
            let ce_train = match slope.ce {
                Some(ce) => Some(ce),
                None if measured => search.objective.mean(&prefix, &train)?,
                None => None,
            };
            if let Some(ce_train) = ce_train {
                search.objective_event(step, ce_train, ce_validation);
            }
            search.progress(step);
            // 2. Keep the best: by cross-entropy on validation, or there by the loss that has no completions.
            let key = match (&loss, validation.is_empty()) {
                (_, true) => Some(slope.loss),
                (Loss::Residual { .. }, false) if measured => {
                    Some(search.objective.loss(&loss, &embeds, &validation)?)
                }
                (Loss::Residual { .. }, false) => None,
                (_, false) => ce_validation,
            };
            if let Some(key) = key {
                if best.as_ref().is_none_or(|(best, ..)| key < *best) {
                    best = Some((key, step, embeds.clone()));
                    without_better = 0;
                } else {
                    without_better += 1;
                }
            }
            // The first step measured the start, so that there is something to go on with.
            if without_better >= params.usize("patience") || search.spent() {
                break;
            }
            embeds = adam.step(&embeds, &slope.gradient)?;
        }
        let Some((value, step, embeds)) = best else {
            return Err(StageError::Constraints("the loss of the soft prompt was never finite".to_owned()));
        };
        let summary = summary(search, params, &embeds, value, step)?;
        search.soft = Some(SoftPrefix { embeds });
        Ok(summary)
    }
}

/// What came out, in the unit of the objective.
fn summary(
    search: &Search<'_>,
    params: &Params,
    embeds: &Tensor,
    value: f64,
    step: usize,
) -> Result<String, StageError> {
    let layer = params.usize("layer");
    Ok(match params.text("objective") {
        "hidden_state" => {
            format!(
                "mean cosine {:.3} to the reference's residual stream after layer {layer}, at step {step}",
                1.0 - value
            )
        }
        "sae_feature" => {
            let train = search.objective.indices(Split::Train);
            let under = |prefix: PrefixInput| soft_loss::firing(search, params, &prefix, &train);
            let (share, mean) = under(PrefixInput::Soft(embeds.clone()))?;
            let (share_reference, mean_reference) = under(PrefixInput::Ids(search.reference.clone()))?;
            format!(
                "at step {step} the feature fires at {:.0} % of tokens, mean activation {mean:.2}; under the reference at {:.0} %, {mean_reference:.2}",
                100.0 * share,
                100.0 * share_reference
            )
        }
        _ => format!("best cross-entropy {value:.3} at step {step}"),
    })
}

/// The reference, cut or repeated to as many tokens as are searched for.
fn fit_length(ids: &[u32], length: usize) -> Vec<u32> {
    ids.iter().copied().cycle().take(length).collect()
}
