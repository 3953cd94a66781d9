//! What every run begins with: the completions under the reference, and the two ends that every
//! cross-entropy is read against (the note, section 2).

use super::{Search, StageError};
use crate::objective::PrefixInput;
use shared::event::{Completion, Event, SuffixBaseline};

/// Writes the reference completions, and measures every suffix without a prefix and under the
/// reference.
pub fn measure_reference(search: &mut Search<'_>) -> Result<String, StageError> {
    let all: Vec<usize> = (0..search.objective.suffixes().len()).collect();
    let reference = PrefixInput::Ids(search.reference.clone());
    let (stage, total_steps, max_tokens) = (search.stage, search.total_steps, search.spec.max_completion_tokens);
    let sink = &mut *search.sink;
    let completions = search.objective.complete(&reference, &all, max_tokens, |step| {
        sink.push(Event::Progress { stage, step, total_steps });
    })?;
    search.objective.set_completions(completions.clone());
    let scores_none = search.objective.score(&[PrefixInput::None], &all)?;
    let scores_reference = search.objective.score(&[reference], &all)?;
    for (index, ids) in completions.into_iter().enumerate() {
        let target = &search.objective.suffixes()[index];
        let baseline = SuffixBaseline {
            index,
            split: target.split,
            text: target.text.clone(),
            reference: completion(search, ids),
            ce_none: scores_none[0][index].ce,
            ce_reference: scores_reference[0][index].ce,
            weight: scores_none[0][index].weight,
        };
        search.sink.push(Event::SuffixMeasured { suffix: baseline.clone() });
        search.baselines.push(baseline);
    }
    search.progress(total_steps);
    let steered = search.baselines.iter().filter(|suffix| suffix.steerability() > 0.1).count();
    Ok(format!("{} suffixes measured; the reference lowers the cross-entropy of {steered} by more than 0.1", all.len()))
}

/// A completion with its text, the stop token left out of that.
pub fn completion(search: &Search<'_>, ids: Vec<u32>) -> Completion {
    let stop_ids = search.tokenizer.stop_ids();
    let shown = match ids.split_last() {
        Some((last, rest)) if stop_ids.contains(last) => rest,
        _ => &ids,
    };
    Completion { text: search.tokenizer.decode(shown), ids }
}
