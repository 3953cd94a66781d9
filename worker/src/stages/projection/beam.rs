//! Projection by beam search: tokens are put in place of the free vectors from left to right, and every
//! step asks the true loss of what stands so far, completed by the vectors that are not replaced yet.

use super::{Nearest, Nearness, highest_allowed};
use crate::objective::{PrefixInput, mean};
use crate::stages::{Params, Search, StageError};
use candle_core::Tensor;
use shared::spec::Split;

/// Prefixes of tokens near `embeds` `(prefix, hidden)` that the constraints allow, best first; none where the
/// stage may spend no more.
pub fn search_beam(search: &Search<'_>, embeds: &Tensor, params: &Params) -> Result<Vec<Vec<u32>>, StageError> {
    let backend = search.objective.backend();
    let scores = Nearest::new(backend, Nearness::Cosine)?.scores(backend, embeds)?;
    let length = scores.len();
    let mut suffixes = search.objective.indices(Split::Train);
    suffixes.truncate(params.usize("suffixes"));
    let mut beams: Vec<Vec<u32>> = vec![Vec::new()];
    for (position, scores) in scores.iter().enumerate() {
        if search.spent() {
            return Ok(Vec::new());
        }
        // 1. Continue every beam by the nearest tokens that may follow it.
        let nearest = highest_allowed(search, scores, params.usize("candidates"));
        let mut extended = Vec::new();
        let mut objection = None;
        for beam in &beams {
            let before = extended.len();
            for &id in &nearest {
                let ids = [&beam[..], &[id]].concat();
                match search.objection(&ids)? {
                    None => extended.push(ids),
                    reason => objection = reason,
                }
                if extended.len() - before == params.usize("top_k") {
                    break;
                }
            }
        }
        if extended.is_empty() {
            let reason = objection.unwrap_or_else(|| "no token is allowed at all".to_owned());
            let position = position + 1;
            return Err(StageError::Constraints(format!(
                "no token satisfies the constraints at position {position} of {length} (the last: {reason}); loosen the constraints or change the seed"
            )));
        }
        // 2. Score them with the vectors that follow.
        let rest = embeds.narrow(0, position + 1, length - position - 1)?; // (rest, hidden)
        let mixed = |ids: &Vec<u32>| -> Result<PrefixInput, StageError> {
            let tokens = search.objective.backend().embed(ids)?; // (position + 1, hidden)
            Ok(PrefixInput::Soft(if rest.dims()[0] == 0 { tokens } else { Tensor::cat(&[&tokens, &rest], 0)? }))
        };
        let inputs = extended.iter().map(mixed).collect::<Result<Vec<_>, _>>()?;
        let ces = search.objective.score(&inputs, &suffixes)?;
        let ces: Vec<f64> = ces.iter().map(|ces| mean(ces).unwrap_or(f64::INFINITY)).collect();
        // 3. Keep the best.
        let mut order: Vec<usize> = (0..extended.len()).collect();
        order.sort_by(|&a, &b| ces[a].total_cmp(&ces[b]).then(a.cmp(&b)));
        order.truncate(params.usize("width"));
        beams = order.into_iter().map(|at| std::mem::take(&mut extended[at])).collect();
    }
    Ok(beams)
}
