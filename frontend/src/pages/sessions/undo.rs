//! What was deleted on this page and can be brought back.

use crate::components::ModelText;
use crate::connection::Connection;
use leptos::html::Button;
use leptos::prelude::*;
use leptos::web_sys::HtmlElement;
use shared::wire::{Command, Outcome};
use wasm_bindgen::JsCast;

/// The runs that this browser tab deleted, the last one last; it outlives the list's page.
#[derive(Clone, Copy)]
pub struct DeletedRuns {
    runs: RwSignal<Vec<Deleted>>,
    /// The button that deleted is gone, and with it the focus: Undo shall have it.
    wants_focus: StoredValue<bool>,
}

#[derive(Clone, PartialEq)]
struct Deleted {
    run: String,
    name: String,
}

impl DeletedRuns {
    /// None yet.
    pub fn new() -> Self {
        DeletedRuns { runs: RwSignal::new(Vec::new()), wants_focus: StoredValue::new(false) }
    }

    /// What the page provides.
    pub fn get() -> Self {
        expect_context()
    }

    /// Notes that a run was deleted.
    pub fn push(&self, run: String, name: String) {
        self.wants_focus.set_value(true);
        self.runs.update(|runs| runs.push(Deleted { run, name }));
    }

    fn last(&self) -> Option<Deleted> {
        self.runs.with(|runs| runs.last().cloned())
    }

    fn forget(&self, run: &str) {
        self.runs.update(|runs| runs.retain(|deleted| deleted.run != run));
    }
}

/// The button that had the focus is about to go.
fn focus_main_when_empty(deleted: DeletedRuns) {
    let main = document().get_element_by_id("main").and_then(|main| main.dyn_into::<HtmlElement>().ok());
    if let Some(main) = main.filter(|_| deleted.runs.with_untracked(Vec::is_empty)) {
        main.focus().ok();
    }
}

/// Says which run was deleted last, and offers to bring it back; then the one before.
#[component]
pub fn UndoNotice() -> impl IntoView {
    let connection = Connection::get();
    let deleted = DeletedRuns::get();
    let waiting = RwSignal::new(false);
    let refused = RwSignal::new(Vec::<String>::new());
    let button = NodeRef::<Button>::new();
    Effect::new(move |_| {
        deleted.runs.track();
        if let Some(button) = button.get()
            && deleted.wants_focus.get_value()
        {
            deleted.wants_focus.set_value(false);
            button.focus().ok();
        }
    });
    let undo = move |_| {
        let Some(Deleted { run, .. }) = untrack(|| deleted.last()) else { return };
        waiting.set(true);
        refused.set(Vec::new());
        connection.command(Command::RestoreRun { run: run.clone() }, move |outcome| {
            waiting.try_set(false);
            match outcome {
                Outcome::Done { .. } => {
                    deleted.forget(&run);
                    focus_main_when_empty(deleted);
                }
                Outcome::Refused { errors } => {
                    refused.try_set(errors.into_iter().map(|error| error.to_string()).collect());
                }
            }
        });
    };
    let dismiss = move |_| {
        refused.set(Vec::new());
        deleted.runs.set(Vec::new());
        focus_main_when_empty(deleted);
    };
    let name = move || deleted.last().map(|deleted| view! { <q><ModelText text=deleted.name/></q> });
    let before = move || match deleted.runs.with(Vec::len) {
        0 | 1 => None,
        count => Some(format!(" {} more can be undone after it.", count - 1)),
    };
    let reasons = move || refused.get().into_iter().map(|reason| view! { <p class="field-error">{reason}</p> });
    view! {
        // There from the beginning, so that a screen reader hears what changes in it.
        <div role="status" data-testid="undo-status">
            <Show when=move || deleted.runs.with(|runs| !runs.is_empty())>
                <div class="undo-bar" data-testid="undo">
                    <p>"Deleted " {name} "." {before}</p>
                    {move || reasons().collect_view()}
                    <button
                        type="button"
                        class="primary small"
                        node_ref=button
                        data-testid="undo-delete"
                        disabled=move || waiting.get() || !connection.is_up()
                        on:click=undo
                    >
                        {move || if waiting.get() { "Restoring…" } else { "Undo" }}
                    </button>
                    <button type="button" class="small" data-testid="undo-dismiss" on:click=dismiss>"Dismiss"</button>
                </div>
            </Show>
        </div>
    }
}
