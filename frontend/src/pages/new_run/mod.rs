//! The form of a new run. Every field shows at once what is wrong with it, by the worker's own rules.

mod banned;
mod constraints;
mod footer;
mod goal;
mod method;
mod suffix_file;
mod suffix_list;
mod suffixes;

use crate::components::Form;
use crate::connection::Connection;
use crate::debounce::debounced;
use crate::draft::{Draft, with_teacher};
use crate::past_runs::{self, PastRun};
use crate::storage;
use leptos::prelude::*;
use shared::catalogue::{Catalogue, FieldError};
use shared::spec::RunSpec;
use std::sync::Arc;

/// Pause after a change before the draft is kept, in milliseconds.
const KEEP_PAUSE_MS: u64 = 400;

/// Pause after a change before earlier runs are looked through, in milliseconds.
const PAST_PAUSE_MS: u64 = 400;

/// What the parts of the form share.
#[derive(Clone, Copy)]
struct DraftForm {
    draft: RwSignal<Draft>,
    catalogue: Signal<Arc<Catalogue>>,
    /// What the form meant when it last meant something.
    spec: Signal<Option<RunSpec>>,
    /// Earlier runs of the same model and reference.
    past: Signal<Vec<PastRun>>,
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
    let settled = debounced(draft, KEEP_PAUSE_MS);
    Effect::new(move |_| {
        if let Ok(text) = serde_json::to_string(&settled.get()) {
            storage::set(storage::DRAFT, &text);
        }
    });

    let meant = Memo::new(move |_| draft.with(|draft| draft.to_spec(&catalogue.get())));
    let spec = Memo::new(move |before: Option<&Option<RunSpec>>| {
        meant.with(|meant| meant.as_ref().ok().cloned()).or_else(|| before.cloned().flatten())
    });
    let past = past_runs::follow(connection, debounced(spec, PAST_PAUSE_MS));
    provide_context(DraftForm { draft, catalogue, spec: spec.into(), past });
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
            <footer::Footer meant refused errors/>
        </form>
    }
}
