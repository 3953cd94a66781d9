//! What earlier runs of this worker tell about one that is being set up: how steerable its suffixes were, and
//! how long such a run took.
//!
//! The logs of a few are read for it, and no further than needed.

use crate::connection::Connection;
use leptos::prelude::*;
use shared::event::{Event, Stamped};
use shared::spec::{Constraints, RunSpec};
use shared::state::RunState;
use shared::wire::{RunPhase, RunSummary};
use std::collections::{BTreeMap, BTreeSet};

/// Earlier runs that are read: the newest ones.
const MAX_READ: usize = 3;

/// What was read of an earlier run.
#[derive(Clone, Debug, PartialEq)]
pub struct PastRun {
    /// What was asked.
    pub spec: RunSpec,
    /// How steerable each of its suffixes was, in nats a token.
    pub steerability: BTreeMap<String, f64>,
    /// How long it took from when a job took it up, without pauses; unless it was read to the end.
    pub seconds: Option<f64>,
}

impl PastRun {
    fn of(state: &RunState) -> Option<Self> {
        let steerability = state.suffixes.iter().map(|suffix| (suffix.text.clone(), suffix.steerability()));
        Some(PastRun {
            spec: state.spec.clone()?,
            steerability: steerability.collect(),
            seconds: (state.phase == RunPhase::Finished).then(|| state.clock.elapsed_secs(state.last_unix_ms)),
        })
    }
}

/// Whether steerability that one run measured is that of the other: the same model answers the same prompts
/// under the same reference, and answers are weighed alike.
pub fn measure_alike(a: &RunSpec, b: &RunSpec) -> bool {
    let of = |spec: &RunSpec| (spec.max_completion_tokens, spec.early_k, spec.early_weight);
    (&a.model, &a.teacher, &a.separator) == (&b.model, &b.teacher, &b.separator) && of(a) == of(b)
}

/// Whether two runs do the same work: they differ in seed, constraints and names only.
pub fn work_alike(a: &RunSpec, b: &RunSpec) -> bool {
    let work = |spec: &RunSpec| RunSpec {
        seed: 0,
        preset: String::new(),
        constraints: Constraints::default(),
        ..spec.clone()
    };
    work(a) == work(b)
}

/// The steerability of every suffix that earlier runs measured as this one would.
pub fn steerability(past: &[PastRun], spec: &RunSpec) -> BTreeMap<String, f64> {
    let alike = past.iter().filter(|past| measure_alike(&past.spec, spec));
    alike.flat_map(|past| past.steerability.clone()).collect()
}

/// How long the last run that did the same work took, in seconds, and its seed.
pub fn seconds(past: &[PastRun], spec: &RunSpec) -> Option<(f64, u64)> {
    let alike = past.iter().filter(|past| work_alike(&past.spec, spec));
    alike.filter_map(|past| Some((past.seconds?, past.spec.seed))).next_back()
}

/// Whether a log has told enough: to its end where the run did the work that is wanted, else until its
/// suffixes are measured.
fn has_told_enough(state: &RunState, event: &Event, wanted: Option<&RunSpec>) -> bool {
    let measured = !state.suffixes.is_empty() && matches!(event, Event::StageFinished { .. });
    let is_other_work = || match (&state.spec, wanted) {
        (Some(spec), Some(wanted)) => !work_alike(spec, wanted),
        _ => true,
    };
    state.phase.is_over() || measured && is_other_work()
}

/// The runs to be read: the newest finished ones of the same model and reference, oldest of them first.
fn to_read(runs: &[RunSummary], model: &str, teacher: &str) -> Vec<String> {
    let is_like = |run: &&RunSummary| run.state == RunPhase::Finished && run.model == model && run.teacher == teacher;
    let mut ids: Vec<String> = runs.iter().filter(is_like).take(MAX_READ).map(|run| run.run.clone()).collect();
    ids.reverse();
    ids
}

/// Earlier runs as far as they were read, oldest first; another model or reference reads others. It ends with
/// the current owner.
pub fn follow(connection: Connection, wanted: Signal<Option<RunSpec>>) -> Signal<Vec<PastRun>> {
    let read = RwSignal::new(BTreeMap::<String, PastRun>::new());
    let reading = StoredValue::new(BTreeSet::<String>::new());
    let ids = Memo::new(move |_| {
        wanted.with(|wanted| {
            let Some(spec) = wanted else { return Vec::new() };
            connection.runs.with(|runs| to_read(runs.as_deref().unwrap_or_default(), &spec.model, &spec.teacher))
        })
    });
    Effect::new(move |_| {
        for run in ids.get() {
            let is_new = read.with_untracked(|read| !read.contains_key(&run))
                && reading.try_update_value(|reading| reading.insert(run.clone())) == Some(true);
            if is_new {
                read_log(connection, run, wanted, read, reading);
            }
        }
    });
    on_cleanup(move || {
        for run in reading.try_update_value(std::mem::take).unwrap_or_default() {
            connection.unsubscribe(&run);
        }
    });
    Memo::new(move |_| read.with(|read| ids.with(|ids| ids.iter().filter_map(|id| read.get(id).cloned()).collect())))
        .into()
}

fn read_log(
    connection: Connection,
    run: String,
    wanted: Signal<Option<RunSpec>>,
    read: RwSignal<BTreeMap<String, PastRun>>,
    reading: StoredValue<BTreeSet<String>>,
) {
    let state = StoredValue::new(RunState::default());
    let id = run.clone();
    connection.subscribe(&run, move |stamped: &Stamped| {
        let past = state.try_update_value(|state| {
            state.apply(stamped);
            let enough = wanted.with_untracked(|wanted| has_told_enough(state, &stamped.event, wanted.as_ref()));
            enough.then(|| PastRun::of(state)).flatten()
        });
        let Some(Some(past)) = past else { return };
        reading.update_value(|reading| reading.retain(|run| *run != id));
        connection.unsubscribe(&id);
        read.update(|read| drop(read.insert(id.clone(), past)));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::{Completion, SuffixBaseline};
    use shared::spec::{Split, StageSpec};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn spec(seed: u64) -> RunSpec {
        let stages = vec![StageSpec::new("hotflip"), StageSpec::new("evaluate")];
        RunSpec { seed, stages, ..RunSpec::new("m", "Talk only about cats.") }
    }

    fn past(spec: RunSpec, nats: f64, seconds: Option<f64>) -> PastRun {
        PastRun { spec, steerability: BTreeMap::from([("Sing.".to_owned(), nats)]), seconds }
    }

    #[test]
    fn only_what_was_measured_alike_counts_and_the_newest_counts_most() {
        let longer = RunSpec { max_completion_tokens: 100, ..spec(1) };
        let runs = [past(spec(1), 0.5, None), past(spec(2), 0.7, None), past(longer.clone(), 2.0, None)];
        assert_eq!(steerability(&runs, &spec(9)).get("Sing."), Some(&0.7));
        assert_eq!(steerability(&runs, &longer).get("Sing."), Some(&2.0));
        assert!(steerability(&runs, &RunSpec { teacher: "Rhyme.".to_owned(), ..spec(1) }).is_empty());
    }

    #[test]
    fn a_time_is_that_of_the_same_work() {
        let runs = [past(spec(1), 0.5, Some(60.0)), past(spec(2), 0.5, Some(70.0)), past(spec(3), 0.5, None)];
        assert_eq!(seconds(&runs, &spec(9)), Some((70.0, 2)));
        let more = RunSpec { prefix_tokens: 9, ..spec(9) };
        assert_eq!(seconds(&runs, &more), None);
        let banned = Constraints { ban_concepts: vec!["cat".to_owned()], ..Constraints::default() };
        assert!(work_alike(&spec(1), &RunSpec { constraints: banned, preset: "x".to_owned(), ..spec(1) }));
    }

    #[test]
    fn a_log_is_read_no_further_than_needed() {
        let suffix = SuffixBaseline {
            index: 0,
            split: Split::Train,
            text: "Sing.".to_owned(),
            reference: Completion { text: String::new(), ids: Vec::new(), pieces: Vec::new() },
            ce_none: 2.0,
            ce_reference: 1.25,
            nll_none: Vec::new(),
            nll_reference: Vec::new(),
            weight: 1.0,
            dominated: false,
        };
        let finished = Event::StageFinished { stage: 0, summary: String::new() };
        let mut state = RunState::default();
        let mut tell = |seq, event: Event, wanted: &RunSpec| {
            state.apply(&Stamped { run: "r".to_owned(), epoch: 1, seq, at_unix_ms: 1000 * seq, event: event.clone() });
            (has_told_enough(&state, &event, Some(wanted)), PastRun::of(&state))
        };
        assert!(!tell(1, Event::Queued { spec: Box::new(spec(1)) }, &spec(9)).0);
        assert!(!tell(2, Event::SuffixMeasured { suffix }, &spec(9)).0);
        let other_work = RunSpec { prefix_tokens: 9, ..spec(9) };
        let (enough, read) = tell(3, finished.clone(), &other_work);
        let read = read.unwrap();
        assert!(enough && read.steerability.get("Sing.") == Some(&0.75) && read.seconds.is_none(), "{read:?}");
        assert!(!tell(4, finished, &spec(9)).0, "how long it took is still to come");
        assert!(tell(5, Event::Cancelled {}, &spec(9)).0);
    }
}
