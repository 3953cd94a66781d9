//! One line of text that is edited in place: Enter saves, Escape leaves everything as it was.

use crate::connection::Connection;
use leptos::html::Input;
use leptos::prelude::*;

/// The editor; it takes the focus when it opens.
#[component]
pub fn LineEditor(
    /// What is edited, on screen.
    label: &'static str,
    /// One sentence.
    help: &'static str,
    /// Part of the field's id.
    id: String,
    /// The text to begin with.
    value: String,
    /// Why a text cannot be saved.
    #[prop(into)]
    check: Callback<String, Option<String>>,
    /// Why the worker did not save it.
    refused: RwSignal<Vec<String>>,
    /// Whether the worker is being asked.
    waiting: RwSignal<bool>,
    /// Saves a text that is right.
    #[prop(into)]
    save: Callback<String>,
    /// Leaves everything as it was.
    #[prop(into)]
    cancel: Callback<()>,
) -> impl IntoView {
    let connection = Connection::get();
    let text = RwSignal::new(value);
    let wrong = Memo::new(move |_| check.run(text.get()));
    let input = NodeRef::<Input>::new();
    Effect::new(move |_| {
        if let Some(input) = input.get() {
            input.focus().ok();
            input.select();
        }
    });
    let blocked = move || waiting.get() || !connection.is_up() || wrong.with(Option::is_some);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if !untrack(blocked) {
            save.run(text.get_untracked());
        }
    };
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        // Escape while characters are being composed ends that, not the editing.
        if event.key() == "Escape" && !event.is_composing() {
            event.stop_propagation();
            cancel.run(());
        }
    };
    let reasons = move || {
        let offline =
            (!connection.is_up()).then(|| "Not connected: this can be saved once the worker answers.".to_owned());
        wrong.get().into_iter().chain(refused.get()).chain(offline).collect::<Vec<String>>()
    };
    let (field, reasons_id) = (format!("edit-{id}"), format!("edit-{id}-error"));
    view! {
        <form class="line-editor" data-testid="session-editor" on:submit=submit on:keydown=on_key>
            <div class="field">
                <label for=field.clone()>{label}</label>
                <div class="input-row">
                    <input
                        id=field
                        type="text"
                        autocomplete="off"
                        node_ref=input
                        data-testid="session-editor-input"
                        aria-invalid=move || wrong.with(Option::is_some).then_some("true")
                        aria-describedby=reasons_id.clone()
                        prop:value=text
                        on:input:target=move |event| {
                            refused.set(Vec::new());
                            text.set(event.target().value());
                        }
                    />
                    <button type="submit" class="primary" data-testid="session-editor-save" disabled=blocked>
                        {move || if waiting.get() { "Saving…" } else { "Save" }}
                    </button>
                    <button type="button" data-testid="session-editor-cancel" on:click=move |_| cancel.run(())>
                        "Cancel"
                    </button>
                </div>
                <p class="help">{help}</p>
                <div id=reasons_id data-testid="session-editor-error">
                    {move || {
                        let line = |reason| view! { <p class="field-error">{reason}</p> };
                        reasons().into_iter().map(line).collect_view()
                    }}
                </div>
            </div>
        </form>
    }
}
