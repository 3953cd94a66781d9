//! What is wrong, how long the run may take, its start, and the same run for the command line.

use super::DraftForm;
use crate::components::CopyButton;
use crate::connection::Connection;
use crate::draft::{Draft, field_errors};
use crate::export::{FILE_NAME, command_line, to_toml};
use crate::format;
use crate::past_runs::{self, PastRun};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use shared::catalogue::FieldError;
use shared::spec::RunSpec;
use shared::wire::{Command, Outcome};

/// The end of the form.
#[component]
pub fn Footer(
    /// The spec that the form means, or what is wrong with it.
    meant: Memo<Result<RunSpec, Vec<FieldError>>>,
    /// What the worker said about a draft that was sent to it.
    refused: RwSignal<Option<(Draft, Vec<FieldError>)>>,
    /// All that is wrong.
    errors: Memo<Vec<FieldError>>,
) -> impl IntoView {
    let connection = Connection::get();
    let DraftForm { draft, catalogue, past, .. } = DraftForm::get();
    let navigate = StoredValue::new(use_navigate());
    let waiting = RwSignal::new(false);
    let start = move |_| {
        let Ok(spec) = meant.get_untracked() else { return };
        waiting.set(true);
        connection.command(Command::StartRun { spec: Box::new(spec) }, move |outcome| {
            waiting.try_set(false);
            match outcome {
                Outcome::Done { run } => {
                    navigate.try_with_value(|navigate| navigate(&format!("/run/{run}"), Default::default()));
                }
                Outcome::Refused { errors } => {
                    if let Some(sent) = draft.try_get_untracked() {
                        refused.try_set(Some((sent, field_errors(errors))));
                    }
                }
            }
        });
    };
    let ready = move || connection.is_up() && meant.with(Result::is_ok) && !waiting.get();
    let toml = Signal::derive(move || meant.with(|meant| meant.as_ref().ok().and_then(|spec| to_toml(spec).ok())));
    let line = Signal::derive(move || {
        let catalogue = catalogue.get();
        meant.with(|meant| meant.as_ref().ok().map(|spec| command_line(spec, catalogue.preset(&spec.preset))))
    });
    let needs_file = move || line.with(|line| line.as_ref().is_some_and(|line| line.ends_with(FILE_NAME)));
    let outlook = move || meant.with(|meant| meant.as_ref().ok().map(|spec| past.with(|past| outlook(spec, past))));
    view! {
        <section class="panel form-footer" aria-labelledby="footer-title">
            <h2 id="footer-title" class="visually-hidden">"Start"</h2>
            <Show when=move || !errors.with(Vec::is_empty)>
                <Problems errors/>
            </Show>
            <p class="muted" data-testid="time-outlook">{outlook}</p>
            <div class="toolbar">
                <button
                    type="button"
                    class="primary"
                    data-testid="start-run"
                    disabled=move || !ready()
                    on:click=start
                >
                    {move || if waiting.get() { "Starting…" } else { "Start" }}
                </button>
                <Show when=move || toml.with(Option::is_some)>
                    <CopyButton
                        label="as TOML"
                        text=Signal::derive(move || toml.get().unwrap_or_default())
                        test_id="copy-toml"
                    />
                    <CopyButton
                        label="as a command"
                        text=Signal::derive(move || line.get().unwrap_or_default())
                        test_id="copy-cli"
                    />
                </Show>
            </div>
            <Show when=move || toml.with(Option::is_some)>
                <details class="export" data-testid="fold-export">
                    <summary>"The same run on the command line"</summary>
                    <pre data-testid="cli-line">{move || line.get()}</pre>
                    <Show when=needs_file>
                        <p class="muted">"Not all of it fits into options, so the command reads the file below."</p>
                    </Show>
                    <p class="muted">{format!("Saved as {FILE_NAME}:")}</p>
                    <pre data-testid="toml">{move || toml.get()}</pre>
                </details>
            </Show>
        </section>
    }
}

#[component]
fn Problems(errors: Memo<Vec<FieldError>>) -> impl IntoView {
    let count = move || match errors.with(Vec::len) {
        1 => "1 field needs attention:".to_owned(),
        n => format!("{n} fields need attention:"),
    };
    let list = move || {
        let item = |error: FieldError| {
            let place = if error.field.is_empty() { String::new() } else { format!("{}: ", error.field) };
            view! { <li data-testid="form-error" data-field=error.field>{place}{error.message}</li> }
        };
        errors.get().into_iter().map(item).collect_view()
    };
    view! {
        <div class="problems">
            <p>{count}</p>
            <ul>{list}</ul>
        </div>
    }
}

/// What can be said of the time before a run has begun: what it took before, or its own bound.
fn outlook(spec: &RunSpec, past: &[PastRun]) -> String {
    let taken = past_runs::seconds(past, spec).map(|(seconds, seed)| {
        let time = format::duration(seconds);
        format!(
            "The last run with these settings (seed {seed}; its constraints may have been others) took {time} on this \
             worker."
        )
    });
    let bound = spec.budget.seconds.map(|seconds| {
        let time = format::duration(seconds);
        format!(
            "The search ends after {time} at the latest; measuring the reference before it and the verdict after it \
             are not counted."
        )
    });
    let said: Vec<String> = taken.into_iter().chain(bound).collect();
    if said.is_empty() {
        return "How long it takes depends on the worker's machine: no run with these settings has finished there yet. Once \
                begun, the run says when it will end at its pace."
            .to_owned();
    }
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::spec::Budget;
    use std::collections::BTreeMap;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_time_is_named_only_where_one_is_known() {
        let spec = RunSpec::new("m", "Talk only about cats.");
        assert!(outlook(&spec, &[]).contains("no run with these settings has finished"));
        let past =
            PastRun { spec: RunSpec { seed: 4, ..spec.clone() }, steerability: BTreeMap::new(), seconds: Some(192.0) };
        let known = outlook(&spec, std::slice::from_ref(&past));
        assert!(
            known.contains("(seed 4;") && known.contains("took 3 min 12 s") && !known.contains("at the latest"),
            "{known}"
        );
        let bounded = RunSpec { budget: Budget { evaluations: None, seconds: Some(60.0) }, ..spec };
        let known = outlook(&bounded, &[past]);
        assert!(known.contains("1 min 00 s at the latest") && !known.contains("3 min"), "{known}");
    }
}
