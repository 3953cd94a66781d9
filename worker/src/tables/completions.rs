//! One row a suffix of a run: what the model writes without a prefix, under the reference, under the found one.

use super::{Column, Kind, Source, Table, Value, column};
use shared::event::{Completion, SuffixBaseline, SuffixEvaluation};

const COLUMNS: &[Column] = &[
    column("run", Kind::Text, "id of the run"),
    column("model", Kind::Text, "name of the model"),
    column("teacher", Kind::Text, "the reference prefix"),
    column("method", Kind::Text, "preset that the run began as"),
    column("seed", Kind::Count, "seed of the run"),
    column("suffix", Kind::Count, "index of the suffix in the run"),
    column("split", Kind::Text, "train, validation or test"),
    column("prompt", Kind::Text, "the suffix: what the user asks"),
    column("dominated", Kind::Switch, "the reference changes it too little, so that it was left out"),
    column("weight", Kind::Real, "what it counts in a mean over suffixes"),
    column(
        "ce_none",
        Kind::Real,
        "weighted cross-entropy of the reference completion without a prefix, in nats a token",
    ),
    column("ce_reference", Kind::Real, "the same under the reference"),
    column("ce_found", Kind::Real, "the same under the found prefix"),
    column("reference_text", Kind::Text, "greedy completion under the reference"),
    column("reference_ids", Kind::Ids, "its token ids, with the stop token where it was reached"),
    column("none_text", Kind::Text, "greedy completion without a prefix"),
    column("none_ids", Kind::Ids, "its token ids"),
    column("found_text", Kind::Text, "greedy completion under the found prefix"),
    column("found_ids", Kind::Ids, "its token ids"),
    column("exact", Kind::Switch, "the found prefix's completion is the reference's"),
    column("k", Kind::Count, "the k of the next two"),
    column("exact_at_k", Kind::Switch, "their first k tokens are the same"),
    column("overlap_at_k", Kind::Real, "multiset intersection of their first k tokens, over k"),
    column("first_divergence", Kind::Count, "first token that differs, from 0"),
    column(
        "log_likelihood_ratio",
        Kind::Real,
        "how much likelier the found prefix's completion is under the reference than without a prefix, in nats a token",
    ),
    column("log_likelihood_ratio_none", Kind::Real, "the same of the completion without a prefix"),
];

pub(super) fn table(sources: &[Source]) -> Table {
    let mut rows = Vec::new();
    for source in sources {
        let state = super::runs::state_of(source);
        let Some(spec) = &state.spec else { continue };
        for suffix in &state.suffixes {
            let evaluation = state.evaluations.iter().find(|evaluation| evaluation.index == suffix.index);
            let mut row: Vec<Value> = vec![
                source.run.as_str().into(),
                spec.model.as_str().into(),
                spec.teacher.as_str().into(),
                spec.preset.as_str().into(),
                spec.seed.into(),
            ];
            row.extend(measured(suffix, evaluation));
            rows.push(row);
        }
    }
    let help = "A suffix of a run: its prompt, its cross-entropies, and what the model writes.";
    Table { name: "completions", help, columns: COLUMNS, rows }
}

fn measured(suffix: &SuffixBaseline, evaluation: Option<&SuffixEvaluation>) -> Vec<Value> {
    let text = |completion: Option<&Completion>| completion.map(|it| it.text.as_str()).into();
    let ids = |completion: Option<&Completion>| completion.map(|it| &it.ids[..]).into();
    let none = evaluation.map(|evaluation| &evaluation.completion_none);
    let found = evaluation.map(|evaluation| &evaluation.completion);
    let agreement = evaluation.map(|evaluation| &evaluation.agreement);
    vec![
        suffix.index.into(),
        suffix.split.name().into(),
        suffix.text.as_str().into(),
        suffix.dominated.into(),
        suffix.weight.into(),
        suffix.ce_none.into(),
        suffix.ce_reference.into(),
        evaluation.map(|evaluation| evaluation.ce).into(),
        text(Some(&suffix.reference)),
        ids(Some(&suffix.reference)),
        text(none),
        ids(none),
        text(found),
        ids(found),
        agreement.map(|agreement| agreement.exact).into(),
        agreement.map(|agreement| agreement.k).into(),
        agreement.map(|agreement| agreement.exact_at_k).into(),
        agreement.map(|agreement| agreement.overlap_at_k).into(),
        agreement.and_then(|agreement| agreement.first_divergence).into(),
        evaluation.map(|evaluation| evaluation.log_likelihood_ratio).into(),
        evaluation.map(|evaluation| evaluation.log_likelihood_ratio_none).into(),
    ]
}
