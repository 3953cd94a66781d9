//! Projection: free vectors to tokens (the note, sections 3.2 and 6.1).
//!
//! By cosine similarity over the embedding matrix, position by position, taking the nearest token that the
//! constraints allow there; or by a search among the nearest tokens of each position, which asks the true
//! loss ([`beam`]) or the model's own bigrams ([`viterbi`]).

mod beam;
mod viterbi;

use super::moves::best_of;
use super::params::{choice, integer, real};
use super::{Need, Params, Product, Search, Stage, StageError};
use crate::backend::Backend;
use candle_core::{D, Tensor};
use rand::RngExt;
use shared::catalogue::StageDeclaration;
use std::collections::BTreeMap;

pub struct Projection;

const SOFT: Need = Need { product: Product::SoftPrefix, advice: "a soft prefix: put soft_prompt before it" };

impl Stage for Projection {
    fn declaration(&self) -> StageDeclaration {
        StageDeclaration {
            kind: "projection".to_owned(),
            title: "Projection".to_owned(),
            help: "Replaces the free vectors by allowed tokens with near embeddings (cosine).".to_owned(),
            params: vec![
                choice(
                    "method",
                    &["cosine", "beam", "viterbi"],
                    "Takes the nearest token of each position, or searches among near ones with the true loss, or with the model's own bigrams.",
                ),
                integer(
                    "candidates",
                    "tokens",
                    (1, 100_000),
                    2000,
                    "Nearest tokens tried at a position before the projection gives up.",
                ),
                integer(
                    "top_k",
                    "tokens",
                    (1, 256),
                    8,
                    "Beam and viterbi: nearest tokens searched among at a position.",
                ),
                integer(
                    "width",
                    "prefixes",
                    (1, 64),
                    3,
                    "Beam and viterbi: best prefixes kept, and scored at the end.",
                ),
                integer("suffixes", "suffixes", (1, 1000), 4, "Beam: train suffixes that a step is scored on."),
                real("bigram_weight", "", (0.0, 10.0), 0.02, "Viterbi: weight of a log-probability beside a cosine."),
            ],
        }
    }

    fn total_steps(&self, _: &Params) -> usize {
        1
    }

    fn needs(&self, _: &Params) -> Option<Need> {
        Some(SOFT)
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let Some(soft) = search.soft.clone() else {
            return Err(StageError::Missing { stage: "projection", needs: SOFT.advice });
        };
        let searched = match params.text("method") {
            "beam" => beam::search_beam(search, &soft.embeds, params)?,
            "viterbi" => viterbi::search_viterbi(search, &soft.embeds, params)?,
            _ => Vec::new(),
        };
        let (candidates, how) = if searched.is_empty() {
            // Also where no path of the search satisfies the constraints.
            let nearest = nearest_feasible(search, &soft.embeds, params.usize("candidates"))?;
            let how = format!(
                "mean cosine {:.3}; the constraints moved {} of {} positions",
                nearest.mean_score,
                nearest.moved,
                nearest.ids.len()
            );
            (vec![nearest.ids], how)
        } else {
            let how = format!("the best of {} from the search", searched.len());
            (searched, how)
        };
        let best = best_of(search, 1, &candidates, candidates.len())?;
        let Some(best) = best else {
            return Err(StageError::Constraints("the cross-entropy of no projection was finite".to_owned()));
        };
        search.objective_event(1, best.ce_train, best.ce_validation);
        search.offer(1, best.clone());
        search.projected = Some(best.ids.clone());
        search.progress(1);
        Ok(format!("cross-entropy {:.3}; {how}", best.ce_train))
    }
}

/// Tokens nearest to some vectors.
pub struct Projected {
    /// The token ids.
    pub ids: Vec<u32>,
    /// Mean nearness of each vector to its token.
    pub mean_score: f64,
    /// Positions at which the nearest token of all was not allowed.
    pub moved: usize,
}

/// How near a vector is to a token's embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearness {
    /// Cosine similarity.
    Cosine,
    /// Euclidean distance.
    Euclidean,
}

/// The nearest tokens of free vectors.
pub struct Nearest {
    nearness: Nearness,
    /// Length of every input embedding, `(1, vocab)`.
    norms: Tensor,
}

impl Nearest {
    /// Measures the embeddings once.
    pub fn new(backend: &dyn Backend, nearness: Nearness) -> Result<Self, StageError> {
        Ok(Nearest { nearness, norms: backend.embedding_norms()?.unsqueeze(0)? })
    }

    /// How near each row of `embeds` is to every token, `(prefix, hidden)` with `(vocab, hidden)` →
    /// `(prefix, vocab)`; more is nearer.
    pub fn scores(&self, backend: &dyn Backend, embeds: &Tensor) -> Result<Vec<Vec<f32>>, StageError> {
        const NO_DIVISION_BY_ZERO: f64 = 1e-12;
        let products = backend.embedding_products(embeds)?;
        let scores = match self.nearness {
            Nearness::Cosine => {
                let lengths = (embeds.sqr()?.sum(D::Minus1)?.sqrt()? + NO_DIVISION_BY_ZERO)?.unsqueeze(1)?;
                products.broadcast_div(&lengths)?.broadcast_div(&(&self.norms + NO_DIVISION_BY_ZERO)?)?
            }
            // ‖e − E‖² = ‖e‖² − 2·e·E + ‖E‖², of which the first term is the same for every token.
            Nearness::Euclidean => products.broadcast_sub(&(self.norms.sqr()? * 0.5)?)?,
        };
        Ok(scores.to_vec2()?)
    }

    /// The nearest token for each row of `embeds` `(prefix, hidden)`, left to right, such that the
    /// constraints hold for the prefix so far; at most `tries` tokens are tried at a position.
    pub fn feasible(&self, search: &Search<'_>, embeds: &Tensor, tries: usize) -> Result<Projected, StageError> {
        let scores = self.scores(search.objective.backend(), embeds)?;
        let mut projected = Projected { ids: Vec::new(), mean_score: 0.0, moved: 0 };
        for (position, here) in scores.iter().enumerate() {
            let permitted = highest_allowed(search, here, tries);
            let id = first_feasible(search, &projected.ids, permitted.into_iter(), position, scores.len())?;
            projected.moved += usize::from(here.iter().any(|score| score.total_cmp(&here[id as usize]).is_gt()));
            projected.mean_score += f64::from(here[id as usize]) / scores.len() as f64;
            projected.ids.push(id);
        }
        Ok(projected)
    }
}

/// The nearest tokens by cosine similarity under the constraints: see [`Nearest::feasible`].
pub fn nearest_feasible(search: &Search<'_>, embeds: &Tensor, tries: usize) -> Result<Projected, StageError> {
    Nearest::new(search.objective.backend(), Nearness::Cosine)?.feasible(search, embeds, tries)
}

/// The `count` allowed tokens with the highest scores `(vocab)`, best first; equal scores by id, so that
/// the order never depends on the sort.
pub fn highest_allowed(search: &Search<'_>, scores: &[f32], count: usize) -> Vec<u32> {
    let by_score = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
    let allowed = search.rules.allowed();
    let is_allowed = |id: &u32| allowed.get(*id as usize).copied().unwrap_or(false);
    let mut ids: Vec<u32> = (0..scores.len() as u32).filter(is_allowed).collect();
    if count < ids.len() {
        ids.select_nth_unstable_by(count, by_score);
        ids.truncate(count);
    }
    ids.sort_unstable_by(by_score);
    ids
}

/// Which allowed tokens are near which: computed when a token is asked for first.
pub struct NearTokens {
    nearest: Nearest,
    count: usize,
    known: BTreeMap<u32, Vec<u32>>,
}

impl NearTokens {
    /// `count` of them a token.
    pub fn new(search: &Search<'_>, count: usize) -> Result<Self, StageError> {
        let nearest = Nearest::new(search.objective.backend(), Nearness::Cosine)?;
        Ok(NearTokens { nearest, count, known: BTreeMap::new() })
    }

    /// The allowed tokens whose embeddings are nearest to a token's own (cosine), nearest first, itself left out.
    pub fn of(&mut self, search: &Search<'_>, id: u32) -> Result<Vec<u32>, StageError> {
        if let Some(near) = self.known.get(&id) {
            return Ok(near.clone());
        }
        let backend = search.objective.backend();
        let scores = self.nearest.scores(backend, &backend.embed(&[id])?)?;
        let mut near = highest_allowed(search, &scores[0], self.count + 1);
        near.retain(|&other| other != id);
        near.truncate(self.count);
        self.known.insert(id, near.clone());
        Ok(near)
    }
}

/// Random allowed tokens that satisfy the constraints together.
pub fn random_feasible(search: &mut Search<'_>) -> Result<Vec<u32>, StageError> {
    const TRIES: usize = 2000;
    let allowed: Vec<u32> =
        search.rules.allowed().iter().enumerate().filter(|(_, ok)| **ok).map(|(id, _)| id as u32).collect();
    if allowed.is_empty() {
        return Err(StageError::Constraints("the constraints allow no token at all; loosen them".to_owned()));
    }
    let (length, mut ids) = (search.spec.prefix_tokens, Vec::new());
    for position in 0..length {
        let draws: Vec<u32> = (0..TRIES).map(|_| allowed[search.rng.random_range(0..allowed.len())]).collect();
        ids.push(first_feasible(search, &ids, draws.into_iter(), position, length)?);
    }
    Ok(ids)
}

/// The first of `candidates` that may follow `ids`.
pub fn first_feasible(
    search: &Search<'_>,
    ids: &[u32],
    candidates: impl Iterator<Item = u32>,
    position: usize,
    length: usize,
) -> Result<u32, StageError> {
    let mut objection = None;
    let mut tried = 0;
    for id in candidates {
        tried += 1;
        match search.objection(&[ids, &[id]].concat())? {
            None => return Ok(id),
            reason => objection = reason,
        }
    }
    let reason = objection.unwrap_or_else(|| "no token is allowed at all".to_owned());
    Err(StageError::Constraints(format!(
        "no token satisfies the constraints at position {} of {length} ({tried} tried; the last: {reason}); loosen the constraints or change the seed",
        position + 1
    )))
}
