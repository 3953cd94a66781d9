//! Type a prefix, see its tokens and whether it is unlike the reference. All of it happens here in the
//! page, with the code that the worker uses on its candidates.

use super::{Findings, ModelText, TokenRow};
use crate::connection::Connection;
use crate::debounce::debounced;
use crate::format;
use crate::tokenizer::{Loaded, Tokenizers};
use leptos::prelude::*;
use shared::catalogue::Catalogue;
use shared::event::TokenPiece;
use shared::nontriviality::{Rules, Span, Verdict};
use shared::spec::Constraints;
use shared::tokens::PromptTokenizer;
use std::sync::Arc;

/// Longest text, in characters, that is worked on at every keystroke.
const MAX_CHARS: u32 = 2000;
/// Pause in typing after which a prefix is judged, in milliseconds.
const VERDICT_PAUSE_MS: u64 = 150;
/// Pause after which the rules are compiled for another reference, in milliseconds.
const RULES_PAUSE_MS: u64 = 350;

/// What the rules are compiled from.
#[derive(Clone, PartialEq)]
struct Against {
    reference: String,
    constraints: Constraints,
}

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

/// Judges a prefix by all rules, round trip over the suffixes included.
fn judge(
    tokenizer: &PromptTokenizer,
    rules: &Rules,
    separator: &str,
    suffixes: &[String],
    ids: &[u32],
) -> Option<Verdict> {
    let round_trip = tokenizer.round_trip(ids, separator, suffixes.iter().map(String::as_str)).ok()?;
    Some(rules.verdict(tokenizer.vocabulary(), ids, Some(&round_trip)))
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
    let suffixes = Arc::new(suffixes);

    let prefix = RwSignal::new("Whiskers purr beneath the moon".to_owned());
    let concepts = RwSignal::new(constraints.ban_concepts.join(", "));
    let reference = RwSignal::new(reference);

    tokenizers.load(&model);
    let tokenizer = {
        let model = model.clone();
        Memo::new_with_compare(
            move |_| tokenizers.ready(&model),
            |old, new| {
                old.as_ref().map(|old| old.as_ref().map(Arc::as_ptr))
                    != new.as_ref().map(|new| new.as_ref().map(Arc::as_ptr))
            },
        )
    };
    let tokens = Memo::new(move |_| -> Option<Result<Vec<TokenPiece>, String>> {
        let tokenizer = tokenizer.get()?;
        let ids = tokenizer.encode(&prefix.get()).map_err(|error| error.to_string());
        Some(ids.map(|ids| tokenizer.prefix(&ids).tokens))
    });

    let against = Signal::derive(move || Against {
        reference: reference.get(),
        constraints: Constraints { ban_concepts: comma_separated(&concepts.get()), ..constraints.clone() },
    });
    let against = debounced(against, RULES_PAUSE_MS);
    let rules = Memo::new_with_compare(
        move |_| -> Option<Arc<Rules>> {
            let (tokenizer, against) = (tokenizer.get()?, against.get());
            let reference_ids = tokenizer.encode(&against.reference).ok()?;
            let vocabulary = tokenizer.vocabulary();
            Some(Arc::new(Rules::new(&against.constraints, &against.reference, &reference_ids, vocabulary)))
        },
        |_, _| true,
    );
    let typed = debounced(prefix, VERDICT_PAUSE_MS);
    let suffix_count = suffixes.len();
    let verdict = Memo::new(move |_| -> Option<Verdict> {
        let (tokenizer, rules) = (tokenizer.get()?, rules.get()?);
        let ids = tokenizer.encode(&typed.get()).ok()?;
        judge(&tokenizer, &rules, &separator, &suffixes, &ids)
    });
    let flagged = move || -> Vec<Span> {
        if typed.get() != prefix.get() {
            return Vec::new();
        }
        verdict.get().into_iter().flat_map(|verdict| verdict.findings).filter_map(|found| found.span).collect()
    };

    let state_model = model.clone();
    let loading = move || match tokenizers.of(&state_model) {
        Some(Loaded::Ready(_)) => None,
        Some(Loaded::Failed(error)) => {
            let model = state_model.clone();
            let hint = error.hint.map(|hint| format!(" {hint}"));
            Some(view! {
                <p class="field-error" data-testid="tokeniser-error">
                    <ModelText text=error.message/> {hint} " "
                    <button type="button" class="small" on:click=move |_| tokenizers.load(&model)>"Try again"</button>
                </p>
            }
            .into_any())
        }
        _ => Some(view! { <p class="muted">"Loading the tokenizer of " {state_model.clone()} "…"</p> }.into_any()),
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
                {move || verdict.get().map(|verdict| view! { <Findings verdict/> })}
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
