//! Where a run stands in the queue, and when its turn may come.

use crate::clock::Clock;
use crate::connection::Connection;
use crate::format;
use crate::run::RunFeed;
use leptos::prelude::*;
use leptos_router::components::A;
use shared::state::RunState;
use shared::wire::{RunPhase, RunSummary};

/// The place of a run that no job has reported on yet.
#[component]
pub fn QueuePlace(
    /// The run's id.
    id: String,
) -> impl IntoView {
    let runs = Connection::get().runs;
    let id = StoredValue::new(id);
    let is_this = move |run: &RunSummary| id.with_value(|id| run.run == *id);
    let place = Memo::new(move |_| {
        let place = |runs: &[RunSummary]| runs.iter().find(|run| is_this(run))?.queue_position;
        runs.with(|runs| place(runs.as_deref().unwrap_or_default()))
    });
    // The worker works on one run at a time.
    let ahead = Memo::new(move |_| {
        let has_job = |run: &&RunSummary| matches!(run.state, RunPhase::Running | RunPhase::Paused) && !is_this(run);
        let ahead = |runs: &[RunSummary]| runs.iter().find(has_job).map(|run| run.run.clone());
        runs.with(|runs| ahead(runs.as_deref().unwrap_or_default()))
    });
    let waits = Memo::new(move |_| place.get().is_some());
    let title = move || match place.get() {
        Some(place) => format!("Place {place} in the queue"),
        None => "Its turn has come".to_owned(),
    };
    view! {
        <section class="panel" data-testid="queued" data-place=move || place.get()>
            <h2>{title}</h2>
            <Show
                when=move || waits.get()
                fallback=|| view! { <p class="muted">"The worker loads the model."</p> }
            >
                <p class="muted">"Runs are worked on one after another."</p>
                {move || ahead.get().map(|run| view! { <Ahead run place/> })}
            </Show>
        </section>
    }
}

/// How far the run is that the worker is on, and what follows for the one that waits.
#[component]
fn Ahead(run: String, place: Memo<Option<usize>>) -> impl IntoView {
    let clock = Clock::get();
    let feed = RunFeed::new();
    feed.follow(Connection::get(), run.clone());
    let outlook = feed.part(move |state| outlook(state, clock.now_unix_ms() as u64, place.get().unwrap_or(1)));
    view! {
        <p data-testid="queue-outlook">
            {move || outlook.get()}
            " "
            <A href=format!("/run/{run}")>"See the run that the worker is on"</A>
        </p>
    }
}

/// When a run at some place may begin, from the progress of the one that is worked on. What the runs between them
/// will take, nobody knows.
fn outlook(state: &RunState, now_unix_ms: u64, place: usize) -> String {
    if state.phase == RunPhase::Paused {
        return "The run that the worker is on is paused: the queue waits until it goes on and ends.".to_owned();
    }
    let between = match place.saturating_sub(1) {
        0 => String::new(),
        1 => " Then one more comes before this one.".to_owned(),
        count => format!(" Then {count} more come before this one."),
    };
    match state.eta_secs(now_unix_ms) {
        Some(secs) => {
            let done = format::percent(state.fraction_done());
            let secs = format::duration(rounded(secs));
            format!(
                "The run that the worker is on is {done} done; at its pace so far it ends in about {secs}.{between}"
            )
        }
        None => {
            format!("The run that the worker is on has just begun, so nobody can say yet when it ends.{between}")
        }
    }
}

/// A guess shows no more digits than it is worth.
fn rounded(secs: f64) -> f64 {
    let unit = if secs < 600.0 { 10.0 } else { 60.0 };
    (secs / unit).ceil() * unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::{Event, ModelCard, StagePlan, Stamped};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// A run of two stages that began at 0, after some events at given times.
    fn state(events: &[(u64, Event)]) -> RunState {
        let plan = |kind: &str| StagePlan { kind: kind.to_owned(), title: kind.to_owned(), total_steps: 4 };
        let model = ModelCard {
            name: "m".to_owned(),
            architecture: "a".to_owned(),
            sha256: None,
            vocab_size: 2,
            context_length: 8,
        };
        let started = Event::Started { model, stages: vec![plan("a"), plan("b")], reference: Vec::new() };
        let first = [(0, started), (0, Event::StageStarted { stage: 0 })];
        let mut state = RunState::default();
        for (seq, (at_unix_ms, event)) in (1..).zip(first.iter().chain(events)) {
            let (at_unix_ms, event) = (*at_unix_ms, event.clone());
            state.apply(&Stamped { run: "r".to_owned(), epoch: 1, seq, at_unix_ms, event });
        }
        state
    }

    #[test]
    fn the_turn_comes_when_the_run_ahead_ends_at_its_pace() {
        // A quarter in 61 seconds.
        let ahead = state(&[(61_000, Event::Progress { stage: 0, step: 2, total_steps: 4 })]);
        let first = outlook(&ahead, 61_000, 1);
        assert!(first.contains("25 % done") && first.ends_with("in about 3 min 10 s."), "{first}");
        assert!(outlook(&ahead, 61_000, 2).ends_with("one more comes before this one."));
        assert!(outlook(&ahead, 61_000, 4).ends_with("3 more come before this one."));
        assert_eq!([3.0, 601.0].map(rounded), [10.0, 660.0]);
    }

    #[test]
    fn nothing_is_promised_where_nothing_is_known() {
        let begun = state(&[]);
        assert!(outlook(&begun, 5_000, 1).contains("nobody can say yet"));
        let paused =
            state(&[(9_000, Event::StageFinished { stage: 0, summary: String::new() }), (9_500, Event::Paused {})]);
        assert!(outlook(&paused, 60_000, 1).contains("is paused"));
    }
}
