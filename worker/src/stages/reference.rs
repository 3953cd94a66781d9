//! What every run begins with: the completions under the reference, and the two ends that every
//! cross-entropy is read against (the note, section 2).

use super::{Search, StageError};
use crate::objective::PrefixInput;
use shared::event::{Completion, Event, SuffixBaseline};
use shared::pieces::pieces;
use shared::spec::Split;

/// Writes the reference completions, and measures every suffix without a prefix and under the
/// reference.
///
/// Suffixes that the reference changes by less than the spec's `min_steerability` are logged and then
/// left out of the objective and of the verdict; their indices are behind those that stay.
pub fn measure_reference(search: &mut Search<'_>) -> Result<String, StageError> {
    let all: Vec<usize> = (0..search.objective.suffixes().len()).collect();
    let reference = PrefixInput::Ids(search.reference.clone());
    let (stage, total_steps, max_tokens) = (search.stage, search.total_steps, search.spec.max_completion_tokens);
    let sink = &mut *search.sink;
    let completions = search.objective.complete(&reference, &all, max_tokens, |step| {
        sink.push(Event::Progress { stage, step, total_steps });
    })?;
    search.objective.set_completions(completions.clone());
    let nll_none = search.objective.token_nll(&[PrefixInput::None], &all)?.remove(0);
    let nll_reference = search.objective.token_nll(&[reference], &all)?.remove(0);
    let least = search.spec.suffixes.min_steerability.unwrap_or(f64::NEG_INFINITY);
    let measured: Vec<SuffixBaseline> = completions
        .into_iter()
        .enumerate()
        .map(|(at, ids)| {
            let target = &search.objective.suffixes()[at];
            let none = search.objective.weighted(&nll_none[at]);
            let (ce_none, ce_reference) = (none.ce, search.objective.weighted(&nll_reference[at]).ce);
            SuffixBaseline {
                index: at,
                split: target.split,
                text: target.text.clone(),
                reference: completion(search, ids),
                ce_none,
                ce_reference,
                weight: none.weight,
                dominated: ce_none - ce_reference < least,
                nll_none: logged_nll(&nll_none[at]),
                nll_reference: logged_nll(&nll_reference[at]),
            }
        })
        .collect();
    search.objective.retain(|at| !measured[at].dominated);
    let (left_out, stay): (Vec<_>, Vec<_>) = measured.into_iter().partition(|suffix| suffix.dominated);
    let split_sizes = |suffixes: &[SuffixBaseline]| {
        Split::ALL.map(|split| suffixes.iter().filter(|suffix| suffix.split == split).count())
    };
    let lost = Split::ALL.into_iter().zip(split_sizes(&stay)).zip(split_sizes(&left_out));
    let lost: Vec<_> = lost.filter(|((_, stay), left_out)| *stay == 0 && *left_out > 0).collect();
    for (index, suffix) in stay.into_iter().chain(left_out).enumerate() {
        let suffix = SuffixBaseline { index, ..suffix };
        search.sink.push(Event::SuffixMeasured { suffix: suffix.clone() });
        if !suffix.dominated {
            search.baselines.push(suffix);
        }
    }
    if let Some(((split, _), count)) = lost.first() {
        return Err(StageError::Suffixes(format!(
            "the reference changes none of the {count} {} suffixes by {least} nats a token or more",
            split.name()
        )));
    }
    search.progress(total_steps);
    let left_out = match all.len() - search.baselines.len() {
        0 => String::new(),
        count => format!("; {count} left out, which it lowers by less than {least}"),
    };
    let steered = search.baselines.iter().filter(|suffix| suffix.steerability() > 0.1).count();
    Ok(format!(
        "{} suffixes measured; the reference lowers the cross-entropy of {steered} by more than 0.1{left_out}",
        all.len()
    ))
}

/// What a log holds of a completion's likelihoods: a ten-thousandth of a nat is more than anyone reads.
pub fn logged_nll(nll: &[f32]) -> Vec<f64> {
    nll.iter().map(|&nll| (f64::from(nll) * 1e4).round() / 1e4).collect()
}

/// A completion with its text, the stop token left out of that.
pub fn completion(search: &Search<'_>, ids: Vec<u32>) -> Completion {
    let stop_ids = search.tokenizer.stop_ids();
    let shown = match ids.split_last() {
        Some((last, rest)) if stop_ids.contains(last) => rest,
        _ => &ids,
    };
    let vocabulary = search.tokenizer.vocabulary();
    let bytes: Vec<Vec<u8>> = shown.iter().map(|&id| vocabulary.bytes(&[id])).collect();
    let mut pieces = pieces(bytes.iter().map(Vec::as_slice));
    // The stop token adds nothing.
    pieces.resize(ids.len(), String::new());
    Completion { text: search.tokenizer.decode(shown), ids, pieces }
}
