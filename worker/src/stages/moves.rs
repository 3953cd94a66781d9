//! Moves in token space that several searches share: where they start, the first-order ranking of
//! replacements, and how candidates are scored.

use super::params::{choice, integer, real};
use super::projection::{nearest_feasible, random_feasible};
use super::{Best, Need, Params, Product, Search, StageError};
use crate::contest::{Halving, Racing, Screening};
use crate::objective::PrefixInput;
use candle_core::Tensor;
use shared::catalogue::ParamDeclaration;
use shared::spec::Split;

/// Declares where a search starts.
pub fn init() -> ParamDeclaration {
    choice(
        "init",
        &["previous", "random", "reference"],
        "Starts at the best prefix so far, at random allowed tokens, or at the allowed tokens nearest to the reference.",
    )
}

/// Declares how candidates are scored.
pub fn scoring() -> Vec<ParamDeclaration> {
    vec![
        choice(
            "scoring",
            &["exact", "racing", "halving"],
            "Finds the best candidate for sure; drops those that probably are not it; or drops three of four, round by round.",
        ),
        real("racing_error", "", (1e-6, 0.5), 0.05, "Racing: highest chance that a dropped one was better."),
        integer(
            "screening_suffixes",
            "suffixes",
            (1, 1000),
            4,
            "Halving: train suffixes of the first round, other ones in every step; each further round takes twice as many.",
        ),
    ]
}

/// What [`scoring`] was set to, in a step.
pub fn screening(params: &Params, step: usize) -> Option<Screening> {
    match params.text("scoring") {
        "racing" => Some(Screening::Racing(Racing { error: params.f64("racing_error") })),
        "halving" => {
            let suffixes = params.usize("screening_suffixes");
            Some(Screening::Halving(Halving { suffixes, offset: step * suffixes }))
        }
        _ => None,
    }
}

/// One token replaced.
#[derive(Clone, Copy, Debug)]
pub struct Replacement {
    /// Where.
    pub position: usize,
    /// By which token.
    pub id: u32,
    /// First-order change of the loss; negative is better.
    pub predicted: f32,
}

impl Replacement {
    /// The prefix with it.
    pub fn applied(&self, ids: &[u32]) -> Vec<u32> {
        let mut ids = ids.to_vec();
        ids[self.position] = self.id;
        ids
    }
}

const TO_START_FROM: Need = Need {
    product: Product::Prefix,
    advice: "a prefix to start from: put a search before it, or set init to random or reference",
};

/// What [`start`] needs.
pub fn needed_to_start(params: &Params) -> Option<Need> {
    (params.text("init") == "previous").then_some(TO_START_FROM)
}

/// The prefix to begin with, scored.
pub fn start(search: &mut Search<'_>, init: &str, stage: &'static str) -> Result<Best, StageError> {
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
                return Err(StageError::Missing { stage, needs: TO_START_FROM.advice });
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

/// The best of some candidates by what prefixes are selected by: of those that are best on train,
/// `validated` are measured on the validation suffixes. Nothing where there are no candidates.
pub fn best_of(
    search: &mut Search<'_>,
    step: usize,
    candidates: &[Vec<u32>],
    validated: usize,
) -> Result<Option<Best>, StageError> {
    if candidates.is_empty() {
        return Ok(None);
    }
    let outcomes = search.contest(step, candidates, f64::INFINITY, validated, None)?;
    let mut scored: Vec<Best> = candidates
        .iter()
        .zip(outcomes)
        .filter_map(|(ids, outcome)| Some(Best { ids: ids.clone(), ce_train: outcome.score()?, ce_validation: None }))
        .collect();
    scored.sort_by(|a, b| a.ce_train.total_cmp(&b.ce_train));
    scored.truncate(validated);
    for best in &mut scored {
        best.ce_validation = search.validate(&PrefixInput::Ids(best.ids.clone()))?;
    }
    Ok(scored.into_iter().min_by(|a, b| a.key().total_cmp(&b.key())))
}

/// What each token in place of the present one would change in the loss, to first order, `(prefix, vocab)`:
/// `gradient · (embedding − present embedding)`, of the products of gradient and embeddings.
fn first_order(gradient: &Tensor, embeds: &Tensor, products: &Tensor) -> candle_core::Result<Vec<Vec<f32>>> {
    let present = (gradient * embeds)?.sum_keepdim(1)?;
    products.broadcast_sub(&present)?.to_vec2()
}

/// The `top_k` best replacements of each position that are allowed between the tokens around it, by
/// first-order change, best first.
pub fn replacements(search: &Search<'_>, ids: &[u32], top_k: usize) -> Result<Vec<Vec<Replacement>>, StageError> {
    let backend = search.objective.backend();
    let embeds = backend.embed(ids)?; // (prefix, hidden)
    let (_, gradient) = search.objective.gradient(&embeds, &search.objective.indices(Split::Train))?;
    let changes = first_order(&gradient, &embeds, &backend.embedding_products(&gradient)?)?;
    let at_position = |(position, changes): (usize, &Vec<f32>)| {
        let (before, after) = (&ids[..position], &ids[position + 1..]);
        let allowed = search.rules.allowed_between(search.tokenizer.vocabulary(), before, after);
        let mut here: Vec<Replacement> = (0..changes.len() as u32)
            .filter(|&id| id != ids[position] && allowed.get(id as usize).copied().unwrap_or(false))
            .map(|id| Replacement { position, id, predicted: changes[id as usize] })
            .collect();
        here.sort_by(by_prediction);
        here.truncate(top_k);
        here
    };
    Ok(changes.iter().enumerate().map(at_position).collect())
}

fn by_prediction(a: &Replacement, b: &Replacement) -> std::cmp::Ordering {
    a.predicted.total_cmp(&b.predicted).then(a.id.cmp(&b.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn tensor<const ROWS: usize>(rows: &[[f32; 2]; ROWS]) -> Tensor {
        Tensor::new(rows, &Device::Cpu).unwrap()
    }

    /// On a linear loss the first order is all there is; what lowers it most comes first.
    #[test]
    fn on_a_linear_loss_the_predicted_changes_are_the_true_ones() {
        let vocabulary = [[1.0, 0.0], [0.5, -2.0], [-1.0, 3.0], [0.0, 0.25]];
        let gradient = [[2.0, -1.0], [0.5, 4.0]];
        let ids = [1usize, 2];
        let loss = |ids: &[usize; 2]| -> f32 {
            (0..2).map(|at| (0..2).map(|k| gradient[at][k] * vocabulary[ids[at]][k]).sum::<f32>()).sum()
        };
        let embeds = tensor(&ids.map(|id| vocabulary[id]));
        let products = tensor(&gradient).matmul(&tensor(&vocabulary).t().unwrap()).unwrap();
        let changes = first_order(&tensor(&gradient), &embeds, &products).unwrap();
        for (position, changes) in changes.iter().enumerate() {
            let mut ranked = Vec::new();
            for (id, &predicted) in changes.iter().enumerate() {
                let mut replaced = ids;
                replaced[position] = id;
                assert!((predicted - (loss(&replaced) - loss(&ids))).abs() < 1e-6);
                ranked.push(Replacement { position, id: id as u32, predicted });
            }
            ranked.sort_by(by_prediction);
            let losses: Vec<f32> = ranked
                .iter()
                .map(|it| {
                    let mut replaced = ids;
                    replaced[position] = it.id as usize;
                    loss(&replaced)
                })
                .collect();
            assert!(losses.is_sorted(), "{losses:?}");
        }
    }
}
