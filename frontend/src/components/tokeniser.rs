//! Type a prefix, see its tokens and whether it is unlike the reference. All of it happens in the
//! browser, with the code that the worker uses on its candidates.

use super::{Findings, ModelText, TokenRow};
use crate::connection::Connection;
use crate::debounce::debounced;
use crate::format;
use crate::tokenizer::{Answered, Loaded, Tokenizers};
use leptos::prelude::*;
use programs::messages::{Against, Answer, Question};
use shared::catalogue::Catalogue;
use shared::event::TokenPiece;
use shared::nontriviality::{Span, Verdict};
use shared::spec::Constraints;

/// Longest text, in characters, that is worked on at every keystroke.
const MAX_CHARS: u32 = 2000;
/// Pause in typing after which a prefix is judged, in milliseconds.
const VERDICT_PAUSE_MS: u64 = 150;
/// Pause after which the rules are compiled for another reference, in milliseconds.
const RULES_PAUSE_MS: u64 = 350;

/// Where the tokeniser begins: the default preset's constraints and the first teacher's concepts.
fn start(catalogue: &Catalogue) -> (String, Constraints) {
    let spec = catalogue.presets.first().map(|preset| &preset.spec);
    let mut constraints = spec.map(|spec| spec.constraints.clone()).unwrap_or_default();
    let teacher = catalogue.teachers.first();
    if constraints.ban_concepts.is_empty() {
        constraints.ban_concepts = teacher.map(|teacher| teacher.concepts.clone()).unwrap_or_default();
    }
    (teacher.map(|teacher| teacher.text.clone()).unwrap_or_default(), constraints)
}

/// Words of a comma-separated list.
pub fn comma_separated(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The tokeniser.
#[component]
pub fn Tokeniser() -> impl IntoView {
    let connection = Connection::get();
    let tokenizers = Tokenizers::get();
    let catalogue = connection.catalogue.get_untracked().unwrap_or_default();
    let model = catalogue.models.first().map(|model| model.name.clone()).unwrap_or_default();
    let (reference, constraints) = start(&catalogue);
    let separator = catalogue.presets.first().map_or("\n".to_owned(), |preset| preset.spec.separator.clone());
    let suffixes: Vec<String> = catalogue
        .suffix_sets
        .first()
        .map(|set| set.suffixes.iter().map(|suffix| suffix.text.clone()).collect())
        .unwrap_or_default();
    let suffix_count = suffixes.len();

    let prefix = RwSignal::new("Whiskers purr beneath the moon".to_owned());
    let concepts = RwSignal::new(constraints.ban_concepts.join(", "));
    let reference = RwSignal::new(reference);

    tokenizers.load(&model);
    // Until the tokenizer is there, nothing is asked.
    let question = {
        let model = StoredValue::new(model.clone());
        move |ask: &dyn Fn(String) -> Question| model.with_value(|m| tokenizers.is_ready(m).then(|| ask(m.clone())))
    };
    let cut = tokenizers.follow(move || question(&|model| Question::Tokenise { model, text: prefix.get() }));
    let tokens = Memo::new(move |_| -> Option<Result<Vec<TokenPiece>, String>> {
        match cut.get()?.outcome {
            Ok(Answer::Tokens { tokens }) => Some(Ok(tokens)),
            Ok(_) => None,
            Err(error) => Some(Err(error.message)),
        }
    });

    let against = Signal::derive(move || Against {
        reference: reference.get(),
        constraints: Constraints { ban_concepts: comma_separated(&concepts.get()), ..constraints.clone() },
    });
    let against = debounced(against, RULES_PAUSE_MS);
    let typed = debounced(prefix, VERDICT_PAUSE_MS);
    let judged = tokenizers.follow(move || {
        question(&|model| Question::Judge {
            model,
            prefix: typed.get(),
            against: against.get(),
            separator: separator.clone(),
            suffixes: suffixes.clone(),
        })
    });
    let verdict = Memo::new(move |_| -> Option<Result<Verdict, String>> {
        match judged.get()?.outcome {
            Ok(Answer::Judged { verdict }) => Some(Ok(verdict)),
            Ok(_) => None,
            Err(error) => Some(Err(error.message)),
        }
    });
    // Spans are places in the text that was judged, which may not be the one whose tokens are shown.
    let flagged = move || -> Vec<Span> {
        let text = |answered: Option<Answered>| match answered?.question {
            Question::Judge { prefix: text, .. } | Question::Tokenise { text, .. } => Some(text),
            _ => None,
        };
        match verdict.get() {
            Some(Ok(verdict)) if text(judged.get()) == text(cut.get()) => {
                verdict.findings.into_iter().filter_map(|found| found.span).collect()
            }
            _ => Vec::new(),
        }
    };

    let state_model = model.clone();
    let loading = move || match tokenizers.of(&state_model) {
        Some(Loaded::Ready) => None,
        Some(Loaded::Failed(error)) => {
            let model = state_model.clone();
            let hint = error.hint.map(|hint| format!(" {hint}"));
            Some(
                view! {
                    <p class="field-error" data-testid="tokeniser-error">
                        <ModelText text=error.message/> {hint} " "
                        <button
                            type="button"
                            class="small"
                            data-testid="tokeniser-retry"
                            on:click=move |_| tokenizers.load(&model)
                        >
                            "Try again"
                        </button>
                    </p>
                }
                .into_any(),
            )
        }
        _ => Some(
            view! { <p class="muted" data-testid="tokeniser-loading">
                "Loading the tokeniser for " {state_model.clone()} "…"
            </p> }
            .into_any(),
        ),
    };
    let count = move || match tokens.get() {
        Some(Ok(tokens)) => {
            format!("{} tokens of {model}", format::count(tokens.len() as u64))
        }
        _ => String::new(),
    };
    view! {
        <div class="tokeniser" data-testid="tokeniser">
            <div class="field">
                <label for="tokeniser-prefix">"Prefix"</label>
                <textarea
                    id="tokeniser-prefix"
                    rows="2"
                    maxlength=MAX_CHARS
                    spellcheck="false"
                    data-testid="tokeniser-input"
                    prop:value=prefix
                    on:input:target=move |event| prefix.set(event.target().value())
                ></textarea>
            </div>
            {loading}
            <div data-testid="tokeniser-tokens">
                {move || match tokens.get() {
                    Some(Ok(tokens)) => view! { <TokenRow tokens flagged=flagged()/> }.into_any(),
                    Some(Err(error)) => view! { <p class="field-error">{error}</p> }.into_any(),
                    None => ().into_any(),
                }}
            </div>
            <p class="muted" data-testid="tokeniser-count">{count}</p>
            <div class="field-grid">
                <div class="field">
                    <label for="tokeniser-reference">"Reference it must be unlike"</label>
                    <input
                        id="tokeniser-reference"
                        type="text"
                        maxlength=MAX_CHARS
                        data-testid="tokeniser-reference"
                        prop:value=reference
                        on:input:target=move |event| reference.set(event.target().value())
                    />
                </div>
                <div class="field">
                    <label for="tokeniser-concepts">"Banned concepts, with commas between"</label>
                    <input
                        id="tokeniser-concepts"
                        type="text"
                        maxlength=MAX_CHARS
                        data-testid="tokeniser-concepts"
                        prop:value=concepts
                        on:input:target=move |event| concepts.set(event.target().value())
                    />
                </div>
            </div>
            <div aria-live="polite">
                {move || verdict.get().map(|verdict| match verdict {
                    Ok(verdict) => view! { <Findings verdict/> }.into_any(),
                    Err(error) => view! { <p class="field-error">{error}</p> }.into_any(),
                })}
            </div>
            <p class="muted">
                {format!("The round trip is tried inside the chat of {suffix_count} prompts. Nothing leaves this page.")}
            </p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn lists_are_forgiving() {
        assert_eq!(comma_separated(" cat, kitten ,,feline "), ["cat", "kitten", "feline"]);
        assert!(comma_separated(" , ").is_empty());
    }
}
