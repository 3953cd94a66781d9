//! The runs that the worker knows.

use super::ModelText;
use crate::clock::Clock;
use crate::format;
use leptos::prelude::*;
use leptos_router::components::A;
use shared::wire::{RunPhase, RunSummary};

/// Where a run stands, as a badge.
#[component]
pub fn PhaseBadge(
    /// The phase.
    #[prop(into)]
    phase: Signal<RunPhase>,
    /// Handle for tests.
    test_id: &'static str,
) -> impl IntoView {
    view! {
        <span class=move || format!("badge phase-{}", phase.get().name()) data-testid=test_id>
            {move || phase.get().name()}
        </span>
    }
}

/// Runs in the order in which they are given.
#[component]
pub fn RunList(
    /// The runs.
    #[prop(into)]
    runs: Signal<Vec<RunSummary>>,
) -> impl IntoView {
    let none = move || runs.with(Vec::is_empty);
    view! {
        <Show when=none>
            <p class="muted" data-testid="no-runs">"None yet. Start one of the examples above."</p>
        </Show>
        <ul class="run-list" data-testid="run-list">
            <For each=move || runs.get() key=|run| serde_json::to_string(run).unwrap_or_default() let:run>
                <RunRow run/>
            </For>
        </ul>
    }
}

#[component]
fn RunRow(run: RunSummary) -> impl IntoView {
    let clock = Clock::get();
    let created_unix_ms = run.created_unix_ms as f64;
    let phase = run.state;
    let queue = run.queue_position.map(|place| format!("place {place} in the queue"));
    let gap = run.gap_closed_test.map(|gap| format!("{} of the gap closed on test", format::percent(gap)));
    view! {
        <li data-run=run.run.clone()>
            <A href=format!("/run/{}", run.run) attr:class="run-row" attr:data-testid="run-link">
                <span class="run-teacher"><ModelText text=run.title.unwrap_or(run.teacher)/></span>
                <PhaseBadge phase=phase test_id="run-list-state"/>
                <span class="run-facts">
                    {[Some(run.preset), Some(run.model), Some(format!("seed {}", run.seed)), queue, gap]
                        .into_iter()
                        .flatten()
                        .collect::<Vec<_>>()
                        .join(" · ")}
                    " · "
                    {move || format::ago((clock.now_unix_ms() - created_unix_ms) / 1e3)}
                </span>
                {run.prefix_text.map(|text| view! {
                    <span class="run-prefix"><ModelText text marked=true/></span>
                })}
            </A>
        </li>
    }
}
