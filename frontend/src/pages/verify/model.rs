//! Where the model stands, and the buttons that bring it here.

use crate::format;
use leptos::prelude::*;
use shared::event::ErrorBody;
use shared::verification::messages::Source;
use wasm_bindgen::JsCast;
use web_sys::{File, HtmlInputElement};

/// A model on its way into the browser.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelState {
    /// Nobody asked for it yet.
    Absent,
    /// It is being looked for, or bytes come in.
    Loading(Option<(Source, u64, u64)>),
    /// The bytes are there, with the right hash.
    Unpacking,
    /// It answers.
    Ready {
        /// Where it came from.
        source: Source,
        /// Whether the browser keeps it.
        kept: bool,
        /// How long it took, in seconds.
        seconds: f64,
        /// What it takes, in bytes.
        memory_bytes: u64,
    },
    /// It could not be had.
    Failed(ErrorBody),
}

/// The model, in a panel.
#[component]
pub fn ModelPanel(
    /// Name of the model.
    name: String,
    /// Where it stands.
    #[prop(into)]
    state: Signal<ModelState>,
    /// Something else is under way.
    #[prop(into)]
    busy: Signal<bool>,
    /// Load it from wherever it is.
    on_load: impl Fn() + Copy + Send + Sync + 'static,
    /// Load it from a file.
    on_pick: impl Fn(File) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let is_ready = move || matches!(state.get(), ModelState::Ready { .. });
    let says = move || match state.get() {
        ModelState::Absent => {
            "Not loaded. It comes from the worker, from the folder of this page or from a file, and stays in this \
             browser for the next time."
                .to_owned()
        }
        ModelState::Loading(None) => "Looking for the model.".to_owned(),
        ModelState::Loading(Some((source, bytes, 0))) => {
            format!("Loading the model {}: {}.", source.phrase(), format::megabytes(bytes))
        }
        ModelState::Loading(Some((source, bytes, total))) => {
            let (bytes, total) = (format::megabytes(bytes), format::megabytes(total));
            format!("Loading the model {}: {bytes} of {total}.", source.phrase())
        }
        ModelState::Unpacking => "The file is the right one. Unpacking the weights.".to_owned(),
        ModelState::Ready { source, kept, seconds, memory_bytes } => {
            let stays =
                if kept { "It stays in this browser for the next time." } else { "This browser does not keep it." };
            format!(
                "Ready: {} after {seconds:.1} s, checked by its SHA-256, {} of memory. {stays}",
                source.phrase(),
                format::megabytes(memory_bytes)
            )
        }
        ModelState::Failed(_) => String::new(),
    };
    let share = move || match state.get() {
        ModelState::Loading(Some((_, bytes, total))) if total > 0 => Some(bytes as f64 / total as f64),
        _ => None,
    };
    let is_loading = move || matches!(state.get(), ModelState::Loading(_) | ModelState::Unpacking);
    let pick = move |input: HtmlInputElement| {
        if let Some(file) = input.files().and_then(|files| files.get(0)) {
            on_pick(file);
        }
    };
    view! {
        <section class="panel" aria-labelledby="model-title">
            <h2 id="model-title">"Model " <code>{name}</code></h2>
            <p role="status" data-testid="model-state" data-ready=move || is_ready().to_string()>{says}</p>
            <Show when=is_loading>
                <progress max="1" prop:value=share aria-label="Loading the model"></progress>
            </Show>
            {move || match state.get() {
                ModelState::Failed(error) => Some(view! {
                    <p class="field-error" role="alert" data-testid="model-failed" data-code=error.code>
                        {error.message} {error.hint.map(|hint| format!(" {hint}"))}
                    </p>
                }),
                _ => None,
            }}
            <Show when=move || !is_ready()>
                <p class="actions">
                    <button
                        type="button"
                        data-testid="model-load"
                        disabled=move || busy.get()
                        on:click=move |_| on_load()
                    >
                        "Load the model"
                    </button>
                </p>
                <div class="field">
                    <label for="model-file">"Or a model file (GGUF) on this computer"</label>
                    <input
                        id="model-file"
                        type="file"
                        accept=".gguf"
                        data-testid="model-file"
                        disabled=move || busy.get()
                        on:change:target=move |event| pick(event.target().unchecked_into())
                    />
                </div>
            </Show>
        </section>
    }
}
