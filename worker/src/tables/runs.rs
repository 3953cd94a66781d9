//! One row a run: what was asked, and what came out.

use super::{Column, Kind, Source, Table, Value, column};
use shared::event::{Event, Stamped};
use shared::spec::Split;
use shared::state::RunState;

const COLUMNS: &[Column] = &[
    column("run", Kind::Text, "id of the run"),
    column("model", Kind::Text, "name of the model"),
    column("model_sha256", Kind::Text, "SHA-256 of its weights, where they are one file"),
    column("teacher", Kind::Text, "the reference prefix"),
    column("method", Kind::Text, "preset that the run began as"),
    column("seed", Kind::Count, "seed"),
    column("state", Kind::Text, "finished, cancelled, failed, interrupted, or where it stood"),
    column("prefix_ids", Kind::Ids, "the found prefix, or the best one so far"),
    column("prefix_text", Kind::Text, "its text"),
    column("nontrivial", Kind::Switch, "whether it is unlike the reference by the run's rules"),
    column("ce_none_test", Kind::Real, "weighted cross-entropy on test without a prefix, in nats a token"),
    column("ce_reference_test", Kind::Real, "the same under the reference"),
    column("ce_found_test", Kind::Real, "the same under the found prefix"),
    column("gap_closed_train", Kind::Real, "(ce none − ce found) / (ce none − ce reference) on train"),
    column("gap_closed_validation", Kind::Real, "the same on validation"),
    column("gap_closed_test", Kind::Real, "the same on test"),
    column("gap_closed_test_low", Kind::Real, "lower end of its 95 % interval"),
    column("gap_closed_test_high", Kind::Real, "upper end of its 95 % interval"),
    column("candidates_scored", Kind::Count, "distinct prefixes that were compared"),
    column("evaluations", Kind::Count, "forwards of one (candidate, suffix)"),
    column("spec", Kind::Text, "the whole spec, as JSON"),
];

/// Applies an event to a state without times.
pub(super) fn take_in(state: &mut RunState, event: &Event) {
    let stamped = Stamped { run: String::new(), epoch: 1, seq: state.seq + 1, at_unix_ms: 0, event: event.clone() };
    state.apply(&stamped);
}

pub(super) fn state_of(source: &Source) -> RunState {
    let mut state = RunState::default();
    source.events.iter().for_each(|event| take_in(&mut state, event));
    state
}

pub(super) fn table(sources: &[Source]) -> Table {
    let rows = sources.iter().map(row).collect();
    Table { name: "runs", help: "A run: what was asked, and what came out.", columns: COLUMNS, rows }
}

fn row(source: &Source) -> Vec<Value> {
    let state = state_of(source);
    let (spec, result) = (state.spec.as_ref(), state.result.as_ref());
    let prefix = result.map(|result| &result.prefix).or(state.best.as_ref().map(|best| &best.prefix));
    let gap = |split| result.and_then(|result| result.gap_closed.get(split));
    let interval = result.and_then(|result| result.test_intervals.gap_closed);
    let baseline = state.baseline(Split::Test);
    vec![
        source.run.as_str().into(),
        spec.map(|spec| spec.model.as_str()).into(),
        state.model.as_ref().and_then(|model| model.sha256.as_deref()).into(),
        spec.map(|spec| spec.teacher.as_str()).into(),
        spec.map(|spec| spec.preset.as_str()).into(),
        spec.map(|spec| spec.seed).into(),
        state.phase.name().into(),
        prefix.map(|prefix| Value::Ids(prefix.ids())).unwrap_or(Value::Null),
        prefix.map(|prefix| prefix.text.as_str()).into(),
        result.map(|result| result.nontriviality.passed).into(),
        baseline.map(|baseline| baseline.ce_none).into(),
        baseline.map(|baseline| baseline.ce_reference).into(),
        result.and_then(|result| result.ce.final_.test).into(),
        gap(Split::Train).into(),
        gap(Split::Validation).into(),
        gap(Split::Test).into(),
        interval.map(|interval| interval.low).into(),
        interval.map(|interval| interval.high).into(),
        result.map(|result| result.candidates_scored).into(),
        result.map(|result| result.evaluations).into(),
        spec.and_then(|spec| serde_json::to_string(spec).ok()).into(),
    ]
}
