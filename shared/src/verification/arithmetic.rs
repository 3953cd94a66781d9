//! Numbers of a recording that follow from its other numbers, without a model.

use super::{Check, Outcome};
use crate::event::{CrossEntropies, PerSplit, SuffixBaseline, SuffixEvaluation};
use crate::metrics::{agreement, gap_closed, mean_ce, token_weight};
use crate::spec::Split;
use crate::state::RunState;

/// Weights of the suffixes, agreement of their completions, and the cross-entropies and closed gaps of the
/// verdict, each from what is recorded of the suffixes.
pub fn sums(state: &RunState) -> Outcome {
    let mut checks = Vec::new();
    if let Some(spec) = &state.spec {
        for suffix in &state.suffixes {
            let tokens = 0..suffix.reference.ids.len();
            let weight = tokens.map(|t| token_weight(t, spec.early_k, spec.early_weight)).sum();
            checks.push(sum(format!("weight of suffix {}", suffix.index + 1), Some(suffix.weight), Some(weight)));
        }
    }
    let pairs: Vec<(&SuffixBaseline, &SuffixEvaluation)> = state
        .evaluations
        .iter()
        .filter_map(|own| Some((state.suffixes.iter().find(|suffix| suffix.index == own.index)?, own)))
        .collect();
    for (suffix, own) in &pairs {
        let again = agreement(&own.completion.ids, &suffix.reference.ids, own.agreement.k);
        let name = |what: &str| format!("{what} of suffix {}", suffix.index + 1);
        let share = |holds: bool| Some(f64::from(u8::from(holds)));
        checks.push(sum(name("exact match"), share(own.agreement.exact), share(again.exact)));
        checks.push(sum(name("exact@k"), share(own.agreement.exact_at_k), share(again.exact_at_k)));
        checks.push(sum(name("overlap@k"), Some(own.agreement.overlap_at_k), Some(again.overlap_at_k)));
        let place = |place: Option<usize>| place.map(|place| place as f64);
        let (recorded, computed) = (own.agreement.first_divergence, again.first_divergence);
        checks.push(sum(name("first divergence"), place(recorded), place(computed)));
    }
    if let Some(result) = &state.result {
        let ce = cross_entropies(&pairs);
        for split in Split::ALL {
            let get = |of: &PerSplit| of.get(split);
            let name = |what: &str| format!("{what}, {} suffixes", split.name());
            checks.push(sum(name("cross-entropy without a prefix"), get(&result.ce.none), get(&ce.none)));
            checks.push(sum(name("cross-entropy under the reference"), get(&result.ce.reference), get(&ce.reference)));
            checks.push(sum(name("cross-entropy under the found prefix"), get(&result.ce.final_), get(&ce.final_)));
            let ends = (get(&ce.none), get(&ce.reference), get(&ce.final_));
            let gap = match ends {
                (Some(none), Some(reference), Some(found)) => gap_closed(none, reference, found),
                _ => None,
            };
            checks.push(sum(name("closed gap"), get(&result.gap_closed), gap));
        }
    }
    Outcome { checks }
}

fn sum(what: String, recorded: Option<f64>, computed: Option<f64>) -> Check {
    Check::Sum { what, recorded, computed }
}

/// Weighted means per split over the suffixes that were judged.
fn cross_entropies(pairs: &[(&SuffixBaseline, &SuffixEvaluation)]) -> CrossEntropies {
    let per_split = |ce: fn(&SuffixBaseline, &SuffixEvaluation) -> f64| {
        PerSplit::from_fn(|split| {
            let own = pairs.iter().filter(|(suffix, _)| suffix.split == split);
            mean_ce(own.map(|(suffix, own)| (ce(suffix, own), suffix.weight)))
        })
    };
    CrossEntropies {
        none: per_split(|suffix, _| suffix.ce_none),
        reference: per_split(|suffix, _| suffix.ce_reference),
        final_: per_split(|_, own| own.ce),
        ..CrossEntropies::default()
    }
}
