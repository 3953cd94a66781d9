//! The form of a new run. Every field shows at once what is wrong with it, by the worker's own rules.

mod constraints;
mod goal;
mod method;

use crate::components::{CopyButton, Form};
use crate::connection::Connection;
use crate::debounce::debounced;
use crate::draft::{Draft, field_errors, with_teacher};
use crate::export::{command_line, to_toml};
use crate::storage;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use shared::catalogue::{Catalogue, FieldError};
use shared::spec::RunSpec;
use shared::wire::{Command, Outcome};
use std::sync::Arc;

/// Pause after a change before the draft is kept, in milliseconds.
const KEEP_PAUSE_MS: u64 = 400;

/// What the parts of the form share.
#[derive(Clone, Copy)]
struct DraftForm {
    draft: RwSignal<Draft>,
    catalogue: Signal<Arc<Catalogue>>,
}

impl DraftForm {
    fn get() -> Self {
        expect_context()
    }

    /// A field's text.
    fn text(&self, read: fn(&Draft) -> &String) -> Signal<String> {
        let draft = self.draft;
        Memo::new(move |_| draft.with(|draft| read(draft).clone())).into()
    }

    /// Takes a field's text over.
    fn set_text(&self, place: fn(&mut Draft) -> &mut String) -> Callback<String> {
        let draft = self.draft;
        Callback::new(move |text| draft.update(|draft| *place(draft) = text))
    }
}

/// The draft that the browser keeps, or else the default preset for the first teacher.
fn kept_or_default(catalogue: &Catalogue) -> Draft {
    let kept = storage::get(storage::DRAFT).and_then(|text| serde_json::from_str::<Draft>(&text).ok());
    kept.unwrap_or_else(|| match (catalogue.presets.first(), catalogue.teachers.first()) {
        (Some(preset), Some(teacher)) => Draft::from_spec(&with_teacher(preset, teacher)),
        (Some(preset), None) => Draft::from_spec(&preset.spec),
        _ => Draft::default(),
    })
}

/// Keeps a spec as the draft of the next run.
pub fn keep_as_draft(spec: &RunSpec) {
    if let Ok(text) = serde_json::to_string(&Draft::from_spec(spec)) {
        storage::set(storage::DRAFT, &text);
    }
}

/// The new-run page.
#[component]
pub fn NewRun() -> impl IntoView {
    super::title("New run");
    let connection = Connection::get();
    let catalogue = Signal::derive(move || connection.catalogue.get().unwrap_or_default());
    let draft = RwSignal::new(kept_or_default(&catalogue.get_untracked()));
    provide_context(DraftForm { draft, catalogue });

    let settled = debounced(draft, KEEP_PAUSE_MS);
    Effect::new(move |_| {
        if let Ok(text) = serde_json::to_string(&settled.get()) {
            storage::set(storage::DRAFT, &text);
        }
    });

    let meant = Memo::new(move |_| draft.with(|draft| draft.to_spec(&catalogue.get())));
    // What the worker said about the very draft that is still in the form.
    let refused = RwSignal::new(None::<(Draft, Vec<FieldError>)>);
    let errors = Memo::new(move |_| {
        let mut errors = meant.get().err().unwrap_or_default();
        if let Some((_, found)) = refused.get().filter(|(sent, _)| draft.with(|draft| draft == sent)) {
            errors.extend(found);
        }
        errors
    });
    provide_context(Form { errors });

    let start_over = move |_| {
        storage::remove(storage::DRAFT);
        draft.set(kept_or_default(&catalogue.get_untracked()));
    };
    view! {
        <form class="new-run" on:submit=|event| event.prevent_default()>
            <div class="page-head">
                <h1>"New run"</h1>
                <button type="button" class="small" data-testid="reset-draft" on:click=start_over>"Start over"</button>
            </div>
            <goal::Goal/>
            <method::Method/>
            <constraints::ConstraintFields/>
            <Footer meant refused errors/>
        </form>
    }
}

#[component]
fn Footer(
    meant: Memo<Result<RunSpec, Vec<FieldError>>>,
    refused: RwSignal<Option<(Draft, Vec<FieldError>)>>,
    errors: Memo<Vec<FieldError>>,
) -> impl IntoView {
    let connection = Connection::get();
    let DraftForm { draft, catalogue } = DraftForm::get();
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
    let problems = move || match errors.with(Vec::len) {
        0 => String::new(),
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
        <section class="panel form-footer" aria-labelledby="footer-title">
            <h2 id="footer-title" class="visually-hidden">"Start"</h2>
            <Show when=move || !errors.with(Vec::is_empty)>
                <div class="problems">
                    <p>{problems}</p>
                    <ul>{list}</ul>
                </div>
            </Show>
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
                <details class="export">
                    <summary>"The same run on the command line"</summary>
                    <pre data-testid="cli-line">{move || line.get()}</pre>
                    <p class="muted">{format!("Saved as {}:", crate::export::FILE_NAME)}</p>
                    <pre data-testid="toml">{move || toml.get()}</pre>
                </details>
            </Show>
        </section>
    }
}
