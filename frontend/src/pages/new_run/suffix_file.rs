//! Prompts from a file that is picked or dropped. What is wrong with it is said with line and column, and
//! leaves the form as it was.

use super::DraftForm;
use crate::components::ModelText;
use crate::tokenizer::Tokenizers;
use leptos::ev::DragEvent;
use leptos::html::Input;
use leptos::prelude::*;
use programs::messages::{Answer, Question};
use shared::suffixes::Imported;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

/// Largest file that is read, in bytes: many times what a run can hold.
const MAX_FILE_BYTES: usize = 1 << 20;

/// What stands for a file's name where the text was pasted; without an ending, its first line says what it is.
const PASTED: &str = "pasted text";

/// What came of the last file.
#[derive(Clone, PartialEq)]
enum Outcome {
    None,
    Reading(String),
    Taken(String),
    Refused(String),
}

/// Picks a file, or takes one that is dropped.
#[component]
pub fn SuffixFile() -> impl IntoView {
    let draft = DraftForm::get().draft;
    let tokenizers = Tokenizers::get();
    let input = NodeRef::<Input>::new();
    let outcome = RwSignal::new(Outcome::None);
    let over = RwSignal::new(false);
    let import = move |name: String, content: String| {
        let question = Question::Import { name: name.clone(), content };
        tokenizers.ask(question, move |answer| {
            let result = match answer {
                Ok(Answer::Imported { texts, splits }) => {
                    let count = texts.len();
                    draft.try_update(|draft| draft.take_suffixes(Imported { texts, splits }));
                    Outcome::Taken(format!("{count} prompts were taken from {name}."))
                }
                Ok(_) => Outcome::None,
                Err(error) => Outcome::Refused(error.message),
            };
            outcome.try_set(result);
        });
    };
    let take = move |file: File| {
        let name = file.name();
        outcome.set(Outcome::Reading(name.clone()));
        leptos::task::spawn_local(async move {
            match read(&file).await {
                Ok(content) => import(name, content),
                Err(reason) => drop(outcome.try_set(Outcome::Refused(format!("{name}: {reason}")))),
            }
        });
    };
    let structured =
        Memo::new(move |_| draft.with(|draft| draft.suffix_list.is_empty() && is_structured(&draft.suffix_lines)));
    let picked = move |_| {
        let Some(input) = input.get_untracked() else { return };
        if let Some(file) = input.files().and_then(|files| files.get(0)) {
            take(file);
        }
        // So that the same file, mended, can be picked again.
        input.set_value("");
    };
    let dropped = move |event: DragEvent| {
        event.prevent_default();
        over.set(false);
        if let Some(file) = event.data_transfer().and_then(|data| data.files()).and_then(|files| files.get(0)) {
            take(file);
        }
    };
    view! {
        <div
            class="field drop"
            class:drop-over=over
            data-testid="suffix-drop"
            on:dragover=move |event: DragEvent| {
                event.prevent_default();
                over.set(true);
            }
            on:dragleave=move |_| over.set(false)
            on:drop=dropped
        >
            <label for="suffix-file">"Prompts from a file"</label>
            <input
                id="suffix-file"
                type="file"
                accept=".txt,.text,.jsonl,.ndjson,.json,.csv,text/plain,text/csv,application/json"
                node_ref=input
                aria-describedby="suffix-file-help suffix-file-error"
                aria-invalid=move || matches!(outcome.get(), Outcome::Refused(_)).then_some("true")
                data-testid="suffix-file"
                on:change=picked
            />
            <p class="help" id="suffix-file-help">
                "Pick one or drop it here: text with a prompt a line, JSON lines, or CSV with a column text, prompt or \
                 instruction, and maybe split (train, validation, test). It takes the place of the prompts below."
            </p>
            <p role="status" class="muted" data-testid="suffix-file-status">
                {move || match outcome.get() {
                    Outcome::Reading(name) => format!("Reading {name}…"),
                    Outcome::Taken(text) => text,
                    Outcome::None | Outcome::Refused(_) => String::new(),
                }}
            </p>
            {move || match outcome.get() {
                Outcome::Refused(reason) => Some(view! {
                    <p class="field-error" role="alert" id="suffix-file-error" data-testid="suffix-file-error">
                        <ModelText text=reason/> " The prompts below are as they were."
                    </p>
                }),
                _ => None,
            }}
            <Show when=move || structured.get()>
                <p>"The prompts below look like JSON lines or CSV, and would be used line by line as they stand."</p>
                <button
                    type="button"
                    class="small"
                    data-testid="suffixes-read-pasted"
                    on:click=move |_| import(PASTED.to_owned(), draft.with_untracked(|draft| draft.suffix_lines.clone()))
                >
                    "Read them as such"
                </button>
            </Show>
        </div>
    }
}

/// The text of a file, or why it has none.
async fn read(file: &File) -> Result<String, String> {
    if file.size() > MAX_FILE_BYTES as f64 {
        let mebibytes = file.size() / (1024.0 * 1024.0);
        return Err(format!("the file has {mebibytes:.1} MiB; beyond 1 MiB use steerage run --suffixes."));
    }
    let buffer = JsFuture::from(file.array_buffer()).await.map_err(|_| "the browser cannot read it.".to_owned())?;
    text_of(js_sys::Uint8Array::new(&buffer).to_vec())
}

/// Reads bytes as UTF-8; the error says where they are not.
fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let before = String::from_utf8_lossy(valid);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("line {line}, column {column}: this is no text in UTF-8. Save the file as UTF-8.")
    })
}

/// Whether lines look like JSON lines, or like CSV with a column of prompts.
fn is_structured(lines: &str) -> bool {
    let first = lines.trim_start().lines().next().unwrap_or_default().trim();
    let is_column = |cell: &str| {
        let cell = cell.trim().trim_matches('"').to_ascii_lowercase();
        ["text", "prompt", "instruction"].contains(&cell.as_str())
    };
    let is_object = first.starts_with('{') && serde_json::from_str::<serde_json::Value>(first).is_ok();
    let is_string = first.starts_with('"') && serde_json::from_str::<String>(first).is_ok();
    is_object || is_string || first.split(',').any(is_column)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn pasted_tables_are_told_from_prompts() {
        for text in ["{\"prompt\": \"One\"}\n", "\n\"One\"\n\"Two\"", "id,Text\n1,One", "prompt\nOne", "{\"a\": 1}"] {
            assert!(is_structured(text), "{text}");
        }
        for text in ["", "Name a river.", "{name} is who?", "\"Yes\" or \"no\"?", "Write a text, or a song."] {
            assert!(!is_structured(text), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_named_with_their_place() {
        assert_eq!(text_of("é\n猫".into()), Ok("é\n猫".to_owned()));
        for (bytes, place) in
            [(&b"\xFF\xFEh\0i\0"[..], "line 1, column 1"), (b"one\nt\xC3\xA9\xE9\n", "line 2, column 3")]
        {
            let error = text_of(bytes.to_vec()).unwrap_err();
            assert!(error.starts_with(place), "{error}");
        }
    }
}
