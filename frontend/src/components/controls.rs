//! What a run can be asked while it is worked on: to pause, to go on, to give its verdict now.

use crate::connection::Connection;
use crate::run::RunFeed;
use leptos::prelude::*;
use shared::event::ErrorBody;
use shared::wire::{Command, Outcome, RunPhase};

/// What was asked and is not in the log yet.
#[derive(Clone, Copy, PartialEq)]
enum Asked {
    Pause,
    Resume,
    Finish,
}

/// The buttons, while they apply, and what became of them.
#[component]
pub fn Controls(
    /// The run's id.
    id: String,
    /// The run.
    feed: RunFeed,
) -> impl IntoView {
    let connection = Connection::get();
    let id = StoredValue::new(id);
    let phase = feed.part(|state| state.phase);
    let pausing = feed.part(|state| state.pausing);
    let finishing = feed.part(|state| state.finishing);
    let has_prefix = feed.part(|state| state.best.is_some());
    let asked = RwSignal::new(None::<Asked>);
    let refused = RwSignal::new(Vec::<ErrorBody>::new());
    Effect::new(move |_| {
        // The log says what became of it.
        phase.track();
        pausing.track();
        finishing.track();
        asked.set(None);
        refused.set(Vec::new());
    });
    let send = move |what: Asked| {
        asked.set(Some(what));
        refused.set(Vec::new());
        let run = id.get_value();
        let command = match what {
            Asked::Pause => Command::PauseRun { run },
            Asked::Resume => Command::ResumeRun { run },
            Asked::Finish => Command::FinishRun { run },
        };
        connection.command(command, move |outcome| {
            if let Outcome::Refused { errors } = outcome {
                asked.try_set(None);
                refused.try_set(errors);
            }
        });
    };
    let paused = move || phase.get() == RunPhase::Paused;
    let has_job = move || matches!(phase.get(), RunPhase::Running | RunPhase::Paused);
    let may_finish = move || has_job() && !finishing.get();
    let disabled = move || asked.get().is_some() || !connection.is_up();
    let status = move || match phase.get() {
        RunPhase::Running if pausing.get() => "Pausing: the batch that it is in comes to its end first.",
        RunPhase::Paused => "Paused. It keeps its memory and the worker: runs in the queue wait for it.",
        RunPhase::Running if finishing.get() && has_prefix.get() => {
            "Finishing: the search ends after the step that it is in, then comes the verdict."
        }
        RunPhase::Running if finishing.get() => {
            "Finishing: the search ends as soon as there is a first prefix, then comes the verdict."
        }
        _ => "",
    };
    let reasons = move || refused.get().into_iter().map(|error| view! { <p class="field-error">{error.message}</p> });
    view! {
        // One button, so that the focus stays when its meaning changes.
        <Show when=has_job>
            <button
                type="button"
                class:primary=paused
                data-testid=move || if paused() { "resume" } else { "pause" }
                title=move || {
                    if paused() { "Lets the run go on" } else { "Lets the run stand still until you resume it" }
                }
                disabled=move || disabled() || pausing.get()
                on:click=move |_| {
                    send(if phase.get_untracked() == RunPhase::Paused { Asked::Resume } else { Asked::Pause });
                }
            >
                {move || match asked.get() {
                    Some(Asked::Pause) => "Pausing…",
                    Some(Asked::Resume) => "Resuming…",
                    _ if pausing.get() => "Pausing…",
                    _ if paused() => "Resume",
                    _ => "Pause",
                }}
            </button>
        </Show>
        <Show when=may_finish>
            <button
                type="button"
                data-testid="finish"
                title="Ends the search after the step that it is in, and judges the best prefix so far"
                disabled=disabled
                on:click=move |_| send(Asked::Finish)
            >
                "Finish now"
            </button>
        </Show>
        <p class="control-status" role="status" data-testid="control-status">{status}</p>
        {move || reasons().collect_view()}
    }
}
