//! What the found prefix may not be.

use super::DraftForm;
use super::banned::BannedTokens;
use crate::components::{CheckField, FieldErrorText, ModelText, TextField, comma_separated};
use leptos::prelude::*;

/// The constraints.
#[component]
pub fn ConstraintFields() -> impl IntoView {
    let form = DraftForm::get();
    let draft = form.draft;
    let set_reference_tokens = Callback::new(move |on| draft.update(|draft| draft.ban_reference_tokens = on));
    let set_script = Callback::new(move |on| draft.update(|draft| draft.reference_script_only = on));
    view! {
        <section class="panel" aria-labelledby="constraints-title">
            <h2 id="constraints-title">"Constraints"</h2>
            <p class="muted">"What makes a prefix unlike the reference. A search proposes nothing that breaks these."</p>
            <CheckField
                field="constraints.ban_reference_tokens"
                label="Ban the reference's own words"
                help="With their case and leading-space variants."
                value=Signal::derive(move || draft.with(|draft| draft.ban_reference_tokens))
                set=set_reference_tokens
            />
            <CheckField
                field="constraints.reference_script_only"
                label="Only the reference's script"
                help="No letters of other alphabets."
                value=Signal::derive(move || draft.with(|draft| draft.reference_script_only))
                set=set_script
            />
            <Concepts/>
            <BannedTokens/>
            <details class="fold" data-testid="fold-distance">
                <summary>"Distance from the reference"</summary>
                <div class="field-grid">
                    <TextField
                        field="constraints.max_token_overlap"
                        label="Largest token overlap"
                        help="Share of the prefix's word tokens that may also be the reference's, 0 to 1."
                        numeric=true
                        value=form.text(|draft| &draft.max_token_overlap)
                        set=form.set_text(|draft| &mut draft.max_token_overlap)
                    />
                    <TextField
                        field="constraints.min_edit_distance"
                        label="Smallest edit distance"
                        help="Over the longer text's length, 0 to 1."
                        numeric=true
                        value=form.text(|draft| &draft.min_edit_distance)
                        set=form.set_text(|draft| &mut draft.min_edit_distance)
                    />
                    <TextField
                        field="constraints.max_common_substring_chars"
                        label="Longest common run"
                        unit="characters"
                        numeric=true
                        value=form.text(|draft| &draft.max_common_substring_chars)
                        set=form.set_text(|draft| &mut draft.max_common_substring_chars)
                    />
                </div>
            </details>
        </section>
    }
}

/// Banned concepts as chips, with a field that adds to them.
#[component]
fn Concepts() -> impl IntoView {
    let DraftForm { draft, catalogue, .. } = DraftForm::get();
    let typed = RwSignal::new(String::new());
    let concepts = Memo::new(move |_| draft.with(|draft| draft.ban_concepts.clone()));
    let add = move |words: Vec<String>| {
        draft.update(|draft| {
            for word in words {
                if !draft.ban_concepts.contains(&word) {
                    draft.ban_concepts.push(word);
                }
            }
        });
    };
    let wrong = Memo::new(move |_| concepts.with(|banned| wrong_concept(&typed.get(), banned)));
    let add_typed = move || {
        if wrong.with_untracked(Option::is_none) {
            add(comma_separated(&typed.get_untracked()));
            typed.set(String::new());
        }
    };
    let suggested = Memo::new(move |_| {
        let catalogue = catalogue.get();
        let (teacher, banned) = draft.with(|draft| (draft.teacher.clone(), draft.ban_concepts.clone()));
        let teacher = catalogue.teachers.iter().find(|known| known.text == teacher);
        let concepts = teacher.map(|teacher| teacher.concepts.clone()).unwrap_or_default();
        concepts.into_iter().filter(|concept| !banned.contains(concept)).collect::<Vec<_>>()
    });
    let remove = move |concept: &str| draft.update(|draft| draft.ban_concepts.retain(|banned| banned != concept));
    view! {
        <div class="field">
            <label for="concept-input">"Banned concepts"</label>
            <ul class="chips" data-testid="concept-chips">
                <For each=move || concepts.get() key=|concept| concept.clone() let:concept>
                    {
                        let name = concept.clone();
                        view! {
                            <li class="chip chip-removable">
                                <ModelText text=concept.clone()/>
                                <button
                                    type="button"
                                    aria-label=format!("Remove {name}")
                                    on:click=move |_| remove(&concept)
                                >
                                    "×"
                                </button>
                            </li>
                        }
                    }
                </For>
            </ul>
            <div class="input-row">
                <input
                    id="concept-input"
                    type="text"
                    spellcheck="false"
                    autocomplete="off"
                    data-testid="concept-input"
                    aria-invalid=move || wrong.with(Option::is_some).then_some("true")
                    aria-describedby="concept-input-error"
                    prop:value=typed
                    on:input:target=move |event| typed.set(event.target().value())
                    on:keydown=move |event| {
                        if event.key() == "Enter" {
                            event.prevent_default();
                            add_typed();
                        }
                    }
                />
                <button type="button" data-testid="concept-add" on:click=move |_| add_typed()>"Add"</button>
            </div>
            {move || wrong.get().map(|reason| view! {
                <p class="field-error" id="concept-input-error" data-testid="concept-input-error">{reason}</p>
            })}
            <p class="help">
                "Words that may not appear in any spelling, however they are tokenised. \
                 Several at once with commas between."
            </p>
            <Show when=move || !suggested.with(Vec::is_empty)>
                <button
                    type="button"
                    class="small"
                    data-testid="concept-suggest"
                    on:click=move |_| add(suggested.get_untracked())
                >
                    {move || format!("Ban this reference's concepts: {}", suggested.with(|words| words.join(", ")))}
                </button>
            </Show>
            <FieldErrorText field="constraints.ban_concepts"/>
        </div>
    }
}

/// Why what is typed cannot be banned, if so.
fn wrong_concept(typed: &str, banned: &[String]) -> Option<String> {
    comma_separated(typed).into_iter().find_map(|word| {
        if !word.chars().any(char::is_alphanumeric) {
            Some(format!("\"{word}\" has neither letter nor digit, so there is nothing to find."))
        } else if banned.contains(&word) {
            Some(format!("\"{word}\" is banned already."))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_cannot_be_banned_is_named() {
        let banned = ["cat".to_owned()];
        for (typed, part) in
            [("dog, ++", Some("\"++\" has neither")), ("dog,cat", Some("already")), ("dog, cats", None)]
        {
            let wrong = wrong_concept(typed, &banned);
            assert_eq!(wrong.is_some(), part.is_some(), "{typed}: {wrong:?}");
            assert!(part.is_none_or(|part| wrong.is_some_and(|wrong| wrong.contains(part))), "{typed}");
        }
    }
}
