//! Is a run of this worker the run that somebody else recorded? Step by step, down to the first difference.

use crate::connection::Connection;
use crate::opened::{Opened, open};
use crate::{fetch, format};
use leptos::prelude::*;
use shared::divergence::{Comparison, compare, last_attempt};
use shared::event::Event;
use shared::leave_out::leave_out;
use shared::session_file::Session;
use shared::wire::RunSummary;
use std::sync::Arc;

/// A list of the worker's runs that may be the same, and what comparing one says.
#[component]
pub fn CompareWithRun(
    /// The recorded session.
    opened: Arc<Opened>,
) -> impl IntoView {
    let connection = Connection::get();
    let teacher = opened.session.recording.events.iter().rev().find_map(|stamped| match &stamped.event {
        Event::Queued { spec } => Some(spec.teacher.clone()),
        _ => None,
    });
    let may_be_same = move |run: &RunSummary| run.state.is_over() && Some(&run.teacher) == teacher.as_ref();
    let runs = Memo::new(move |_| {
        connection.runs.with(|runs| runs.iter().flatten().filter(|run| may_be_same(run)).cloned().collect::<Vec<_>>())
    });
    let chosen = RwSignal::new(None::<String>);
    let outcome = RwSignal::new(None::<Result<Comparison, String>>);
    let waiting = RwSignal::new(false);
    let start = move |_| {
        let first = runs.with_untracked(|runs| runs.first().map(|run| run.run.clone()));
        let Some(run) = chosen.get_untracked().or(first) else { return };
        let original = Arc::clone(&opened);
        waiting.set(true);
        leptos::task::spawn_local(async move {
            let address = format!("/api/runs/{run}/session");
            let file = fetch::of_worker(&address).await;
            let again = file.map_err(|refused| refused.message).and_then(|file| open(&run, file));
            let compared = again.map(|again| {
                let (a, b) = (&original.session, &again.session);
                compare(&as_left_by(a, b), &as_left_by(b, a))
            });
            waiting.try_set(false);
            outcome.try_set(Some(compared));
        });
    };
    let start = StoredValue::new_local(start);
    view! {
        <Show when=move || runs.with(|runs| !runs.is_empty())>
            <div class="input-row" data-testid="compare-log">
                <label for="compare-log-run">"Compare with the run"</label>
                <select
                    id="compare-log-run"
                    data-testid="compare-log-run"
                    on:change:target=move |event| chosen.set(Some(event.target().value()))
                >
                    {move || {
                        runs.get()
                            .into_iter()
                            .map(|run| {
                                let name = run.title.clone().unwrap_or_else(|| {
                                    format!("{}, seed {}, {}", run.preset, run.seed, run.state.name())
                                });
                                view! { <option value=run.run.clone()>{name}</option> }
                            })
                            .collect_view()
                    }}
                </select>
                <button
                    type="button"
                    data-testid="compare-log-start"
                    disabled=move || waiting.get()
                    on:click=move |event| start.with_value(|start| start(event))
                >
                    "Compare step by step"
                </button>
            </div>
        </Show>
        <div role="status" data-testid="compare-log-outcome">
            {move || outcome.get().map(show)}
        </div>
    }
}

/// A log without what the other one leaves out.
fn as_left_by(session: &Session, other: &Session) -> Vec<Event> {
    last_attempt(&leave_out(&session.recording.events, &other.recording.about.left_out))
}

fn show(outcome: Result<Comparison, String>) -> AnyView {
    let side = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
    match outcome {
        Err(reason) => view! { <p class="field-error">{reason}</p> }.into_any(),
        Ok(Comparison { events, difference: None }) => {
            view! { <p>{format!("The same: all {} events are equal.", format::count(events as u64))}</p> }.into_any()
        }
        Ok(Comparison { difference: Some(it), .. }) => view! {
            <p>
                {format!("{} events are the same; then they differ at: {}.", format::count(it.same_events as u64), it.event)}
            </p>
            <dl class="difference">
                <dt>"Field"</dt>
                <dd><code>{if it.field.is_empty() { "event".to_owned() } else { it.field }}</code></dd>
                <dt>"Recorded"</dt>
                <dd><code class="hash">{side(it.first)}</code></dd>
                <dt>"Run"</dt>
                <dd><code class="hash">{side(it.second)}</code></dd>
            </dl>
        }
        .into_any(),
    }
}
