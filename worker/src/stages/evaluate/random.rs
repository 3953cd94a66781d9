//! What any prefix does: the cross-entropy under prefixes of random allowed tokens. The found prefix is worth
//! what it does beyond them.

use super::super::projection::random_feasible;
use super::super::{Params, Search, StageError};
use crate::objective::PrefixInput;
use shared::event::PerSplit;
use shared::metrics::mean_ce;
use shared::spec::Split;

/// The mean over some random prefixes, per split; nothing where none is asked for, or none is allowed.
/// `on_prefix` is called after each.
pub fn random(
    search: &mut Search<'_>,
    params: &Params,
    on_prefix: &mut dyn FnMut(&mut Search<'_>),
) -> Result<PerSplit, StageError> {
    let all: Vec<usize> = (0..search.baselines.len()).collect();
    let mut measured: Vec<PerSplit> = Vec::new();
    for _ in 0..params.usize("random") {
        let ids = match random_feasible(search) {
            Ok(ids) => ids,
            // The search found a prefix; that luck did not is no reason to withhold the verdict.
            Err(StageError::Constraints(_)) => break,
            Err(error) => return Err(error),
        };
        let ces = search.objective.score(&[PrefixInput::Ids(ids)], &all)?.remove(0);
        measured.push(PerSplit::from_fn(|split: Split| {
            let own = all.iter().filter(|&&at| search.baselines[at].split == split);
            mean_ce(own.map(|&at| (ces[at].ce, ces[at].weight)))
        }));
        on_prefix(search);
    }
    Ok(PerSplit::from_fn(|split| {
        let values: Option<Vec<f64>> = measured.iter().map(|ces| ces.get(split)).collect();
        let values = values.filter(|values| !values.is_empty())?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }))
}
