//! Opening a session file: picked, or dropped onto the page.

use crate::opened::{OpenedSession, open};
use js_sys::Uint8Array;
use leptos::ev::DragEvent;
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use shared::session_file::MAX_CONTENT_BYTES;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

/// A place for a session file; one that opens is shown at `/open`.
#[component]
pub fn OpenSessionFile() -> impl IntoView {
    let opened = OpenedSession::get().opened;
    let navigate = StoredValue::new_local(use_navigate());
    let problem = RwSignal::new(None::<String>);
    let is_over = RwSignal::new(false);
    let take = move |file: File| {
        problem.set(None);
        leptos::task::spawn_local(async move {
            match read_session(&file).await.and_then(|bytes| open(&file.name(), bytes)) {
                Ok(session) => {
                    opened.try_set(Some(session));
                    navigate.try_with_value(|navigate| navigate("/open", Default::default()));
                }
                Err(reason) => drop(problem.try_set(Some(reason))),
            }
        });
    };
    let drop_file = move |event: DragEvent| {
        event.prevent_default();
        is_over.set(false);
        if let Some(file) = event.data_transfer().and_then(|data| data.files()).and_then(|files| files.get(0)) {
            take(file);
        }
    };
    view! {
        <div
            class="drop-zone"
            class:drop-zone-over=move || is_over.get()
            data-testid="session-drop"
            on:dragover=move |event: DragEvent| {
                event.prevent_default();
                is_over.set(true);
            }
            on:dragleave=move |_| is_over.set(false)
            on:drop=drop_file
        >
            <h2>"Open a session file"</h2>
            <p class="muted" id="session-file-help">
                "A finished run that somebody kept or sent, " <code>".steerage"</code>
                ": drop it here, or choose it. It is opened in this browser and goes nowhere."
            </p>
            <label class="file-field">
                "Session file"
                <input
                    type="file"
                    accept=".steerage,.jsonl"
                    aria-describedby="session-file-help"
                    data-testid="session-file"
                    on:change:target=move |event| {
                        if let Some(file) = event.target().files().and_then(|files| files.get(0)) {
                            take(file);
                        }
                        // The same file can be chosen again.
                        event.target().set_value("");
                    }
                />
            </label>
            {move || {
                problem
                    .get()
                    .map(|reason| view! { <p class="field-error" role="alert" data-testid="session-file-error">{reason}</p> })
            }}
        </div>
    }
}

/// The bytes of a file that may be a session; the reason why not is for people.
pub async fn read_session(file: &File) -> Result<Vec<u8>, String> {
    let name = file.name();
    if file.size() > MAX_CONTENT_BYTES as f64 {
        return Err(format!("{name} is too large for a session: more than {} MiB.", MAX_CONTENT_BYTES >> 20));
    }
    let buffer = JsFuture::from(file.array_buffer()).await.map_err(|_| format!("{name} cannot be read."))?;
    Ok(Uint8Array::new(&buffer).to_vec())
}
