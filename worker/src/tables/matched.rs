//! Prefixes that do what the reference does, and pairs that read alike and do not.

use super::{Column, Kind, Source, Table, TextOf, Value, column};
use crate::sweep::archive::{Archive, Evaluated};

const EQUIVALENT: &[Column] = &[
    column("set", Kind::Count, "candidates of the same set were scored on the same suffixes of the same task"),
    column("model", Kind::Text, "name of the model"),
    column("teacher", Kind::Text, "the reference prefix"),
    column("method", Kind::Text, "preset of the run that scored it first"),
    column("seed", Kind::Count, "seed of that run"),
    column("stage_kind", Kind::Text, "kind of the stage that scored it"),
    column("step", Kind::Count, "step within the stage"),
    column("ids", Kind::Ids, "the prefix as token ids"),
    column("text", Kind::Text, "the prefix as text; missing where the model's tokenizer is not at hand"),
    column("ce_train", Kind::Real, "weighted cross-entropy on train, in nats a token"),
    column("ce_reference_train", Kind::Real, "the same under the reference"),
    column("distance", Kind::Real, "`ce_train` less `ce_reference_train`: at most the export's ε"),
];

const CONTRAST: &[Column] = &[
    column("set", Kind::Count, "both were scored on the same suffixes of the same task, which this numbers"),
    column("model", Kind::Text, "name of the model"),
    column("teacher", Kind::Text, "the reference prefix"),
    column("better_ids", Kind::Ids, "the prefix with the lower cross-entropy"),
    column("better_text", Kind::Text, "its text"),
    column("better_ce_train", Kind::Real, "its weighted cross-entropy on train, in nats a token"),
    column("worse_ids", Kind::Ids, "the other prefix, which differs in one token: replaced, inserted or removed"),
    column("worse_text", Kind::Text, "its text"),
    column("worse_ce_train", Kind::Real, "its weighted cross-entropy on train"),
    column("worse_dropped", Kind::Switch, "it was dropped early: its cross-entropy is at least that"),
    column("ce_difference", Kind::Real, "difference of the two"),
];

fn archive(sources: &[Source]) -> Archive {
    let mut archive = Archive::default();
    sources.iter().for_each(|source| archive.add(&source.events));
    archive
}

/// The ε-ball of the reference, best first.
pub(super) fn equivalent(sources: &[Source], epsilon: f64, text_of: &mut TextOf<'_>) -> Table {
    let archive = archive(sources);
    let row = |it: &Evaluated| {
        vec![
            it.task.into(),
            it.model.as_str().into(),
            it.teacher.as_str().into(),
            it.method.as_str().into(),
            it.seed.into(),
            it.stage.as_str().into(),
            it.step.into(),
            it.ids.as_slice().into(),
            text_of(&it.model, &it.ids).into(),
            it.ce_train.into(),
            it.ce_reference_train.into(),
            (it.ce_train - it.ce_reference_train).into(),
        ]
    };
    let rows: Vec<Vec<Value>> = archive.within(epsilon).into_iter().map(row).collect();
    let help = "The equivalence class: prefixes that act like the reference, within ε on train, each once for each \
                set of suffixes, best first.";
    Table { name: "equivalent", help, columns: EQUIVALENT, rows }
}

/// Pairs that differ in one token, those that act most differently first.
pub(super) fn contrast(sources: &[Source], text_of: &mut TextOf<'_>) -> Table {
    let pairs = archive(sources).contrasts();
    let rows = pairs.iter().map(|pair| {
        let (better, worse) = (&pair.better, &pair.worse);
        vec![
            better.task.into(),
            better.model.as_str().into(),
            better.teacher.as_str().into(),
            better.ids.as_slice().into(),
            text_of(&better.model, &better.ids).into(),
            better.ce_train.into(),
            worse.ids.as_slice().into(),
            text_of(&worse.model, &worse.ids).into(),
            worse.ce_train.into(),
            worse.dropped.into(),
            pair.ce_difference.into(),
        ]
    });
    let help = "The contrast class: pairs that read alike, one token apart, and act differently; those whose \
                cross-entropies differ most first. Without those of which there is only an estimate.";
    Table { name: "contrast", help, columns: CONTRAST, rows: rows.collect() }
}
