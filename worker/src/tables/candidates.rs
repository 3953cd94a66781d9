//! One row a measured prefix and split.

use super::{Column, Kind, Source, Table, TextOf, Value, column};
use shared::event::Event;
use shared::spec::Split;
use shared::state::RunState;
use std::collections::BTreeMap;

const COLUMNS: &[Column] = &[
    column("run", Kind::Text, "id of the run"),
    column("model", Kind::Text, "name of the model"),
    column("teacher", Kind::Text, "the reference prefix"),
    column("method", Kind::Text, "preset that the run began as"),
    column("seed", Kind::Count, "seed of the run"),
    column("stage", Kind::Count, "index of the stage that scored it; 0 is the reference measurement"),
    column("stage_kind", Kind::Text, "kind of that stage"),
    column("step", Kind::Count, "step within the stage"),
    column("ids", Kind::Ids, "the prefix as token ids"),
    column("text", Kind::Text, "the prefix as text; missing where the model's tokenizer is not at hand"),
    column("split", Kind::Text, "train, validation or test: the suffixes that the cross-entropy is over"),
    column("ce", Kind::Real, "weighted cross-entropy of the reference completions, in nats a token"),
    column("ce_none", Kind::Real, "the same without a prefix"),
    column("ce_reference", Kind::Real, "the same under the reference"),
    column("dropped", Kind::Switch, "it was dropped before its last suffix: the cross-entropy is at least `ce`"),
    column(
        "estimated",
        Kind::Switch,
        "a screening on a few suffixes dropped it: `ce` is no bound then, but what these let expect",
    ),
];

/// A measurement on its way into the table.
struct Measured<'a> {
    stage: usize,
    step: usize,
    ids: &'a [u32],
    split: Split,
    ce: f64,
    dropped: bool,
    estimated: bool,
}

pub(super) fn table(sources: &[Source], text_of: &mut TextOf<'_>) -> Table {
    let mut rows = Vec::new();
    for source in sources {
        add(source, text_of, &mut rows);
    }
    let help = "Every prefix that was scored, for each split that it was scored on, in the order of the log: \
                candidates on train, the best ones so far on validation too, the found prefix on all.";
    Table { name: "candidates", help, columns: COLUMNS, rows }
}

fn add(source: &Source, text_of: &mut TextOf<'_>, rows: &mut Vec<Vec<Value>>) {
    let mut state = RunState::default();
    let mut known: BTreeMap<Vec<u32>, String> = BTreeMap::new();
    for event in &source.events {
        let prefix = match event {
            Event::Prefix { prefix, .. } => prefix,
            Event::Finished { result } => &result.prefix,
            _ => continue,
        };
        known.insert(prefix.ids(), prefix.text.clone());
    }
    let mut last_step = 0;
    for event in &source.events {
        super::runs::take_in(&mut state, event);
        let Some(spec) = state.spec.clone() else { continue };
        let prefix_ids: Vec<u32>;
        let mut measured = Vec::new();
        match event {
            Event::Candidates { stage, step, candidates } => {
                last_step = *step;
                measured.extend(candidates.iter().map(|candidate| Measured {
                    stage: *stage,
                    step: *step,
                    ids: &candidate.ids,
                    split: Split::Train,
                    ce: candidate.ce_train,
                    dropped: candidate.dropped,
                    estimated: candidate.estimated,
                }));
            }
            Event::Prefix { stage, step, prefix, ce_validation: Some(ce), .. } => {
                last_step = *step;
                prefix_ids = prefix.ids();
                let (stage, step, split, ids) = (*stage, *step, Split::Validation, &prefix_ids[..]);
                measured.push(Measured { stage, step, ids, split, ce: *ce, dropped: false, estimated: false });
            }
            Event::Finished { result } => {
                prefix_ids = result.prefix.ids();
                let stage = state.current_stage.unwrap_or_default();
                measured.extend(Split::ALL.into_iter().filter_map(|split| {
                    let ce = result.ce.final_.get(split)?;
                    let (step, ids) = (last_step, &prefix_ids[..]);
                    Some(Measured { stage, step, ids, split, ce, dropped: false, estimated: false })
                }));
            }
            _ => continue,
        }
        for it in measured {
            let baseline = state.baseline(it.split);
            let text = known.get(it.ids).cloned().or_else(|| text_of(&spec.model, it.ids));
            rows.push(vec![
                source.run.as_str().into(),
                spec.model.as_str().into(),
                spec.teacher.as_str().into(),
                spec.preset.as_str().into(),
                spec.seed.into(),
                it.stage.into(),
                state.stages.get(it.stage).map(|stage| stage.plan.kind.as_str()).into(),
                it.step.into(),
                it.ids.into(),
                text.into(),
                it.split.name().into(),
                it.ce.into(),
                baseline.map(|baseline| baseline.ce_none).into(),
                baseline.map(|baseline| baseline.ce_reference).into(),
                it.dropped.into(),
                it.estimated.into(),
            ]);
        }
    }
}
