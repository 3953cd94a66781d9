//! What the model wrote: under the reference, without a prefix, and under the found one.

use super::ModelText;
use super::token_panel::{Suffix, TokenPanel};
use crate::run::RunFeed;
use crate::run_address::RunAddress;
use leptos::prelude::*;
use shared::event::{Completion, SuffixBaseline, SuffixEvaluation};
use shared::state::RunState;

#[derive(Clone, PartialEq)]
struct Entry {
    baseline: SuffixBaseline,
    evaluation: Option<SuffixEvaluation>,
}

/// Test suffixes first once there is something to compare: the verdict is made on them.
fn entries(state: &RunState) -> Vec<Entry> {
    let mut entries: Vec<Entry> = state
        .suffixes
        .iter()
        .map(|baseline| Entry {
            baseline: baseline.clone(),
            evaluation: state.evaluations.iter().find(|found| found.index == baseline.index).cloned(),
        })
        .collect();
    if entries.iter().any(|entry| entry.evaluation.is_some()) {
        entries.sort_by_key(|entry| (std::cmp::Reverse(entry.baseline.split), entry.baseline.index));
    } else {
        entries.sort_by_key(|entry| entry.baseline.index);
    }
    entries
}

/// Completions side by side, one block a suffix.
#[component]
pub fn Completions(
    /// The run.
    feed: RunFeed,
) -> impl IntoView {
    let entries = feed.part(entries);
    // Before there is a verdict, what is called early is what k will be.
    let k = feed.part(|state| match state.evaluations.first() {
        Some(found) => found.agreement.k,
        None => state.spec.as_ref().map_or(0, |spec| spec.early_k),
    });
    let compared = Memo::new(move |_| entries.with(|entries| entries.iter().any(|entry| entry.evaluation.is_some())));
    let key = |entry: &Entry| (entry.baseline.index, entry.evaluation.is_some());
    view! {
        <ul class="completions" class:compared=move || compared.get() data-testid="completions">
            <For each=move || entries.get() key=key let:entry>
                <Block entry k/>
            </For>
        </ul>
    }
}

#[component]
fn Block(entry: Entry, k: Memo<usize>) -> impl IntoView {
    let address = RunAddress::get();
    let Entry { baseline, evaluation } = entry;
    let index = baseline.index;
    let is_open = address.part(move |view| view.suffix == Some(index));
    let tokens = StoredValue::new((baseline.clone(), evaluation.clone()));
    let panel = move || {
        let (baseline, evaluation) = tokens.get_value();
        view! { <TokenPanel suffix=Suffix { baseline, evaluation, k: k.get() }/> }
    };
    let toggle = move |_| {
        let open = is_open.get_untracked();
        address.go(|view| (view.suffix, view.token) = ((!open).then_some(index), None));
    };
    let split = baseline.split.name();
    let reference = baseline.reference;
    let others = evaluation.map(|found| {
        view! {
            <Column title="No prefix" test_id="completion-none" text=split_text(&found.completion_none, &reference)/>
            <Column title="Found prefix" test_id="completion-found" text=split_text(&found.completion, &reference)/>
        }
    });
    view! {
        <li
            class="completion-block"
            id=format!("completion-{index}")
            data-testid="completion"
            data-split=split
            data-suffix=index
        >
            <p class="completion-prompt">
                <span class=format!("badge split-badge-{split}")>{split}</span>
                " "
                <ModelText text=baseline.text/>
            </p>
            <div class="completion-columns">
                <Column title="Reference" test_id="completion-reference" text=(reference.text, String::new())/>
                {others}
            </div>
            <p class="toolbar">
                <button
                    type="button"
                    class="small"
                    data-testid="show-tokens"
                    aria-expanded=move || is_open.get().to_string()
                    on:click=toggle
                >
                    "Token by token"
                </button>
            </p>
            <Show when=move || is_open.get()>{panel}</Show>
        </li>
    }
}

/// What a completion shares with the reference completion, and the rest from where they part.
fn split_text(completion: &Completion, reference: &Completion) -> (String, String) {
    if completion.ids == reference.ids {
        return (completion.text.clone(), String::new());
    }
    let common = completion.text.char_indices().zip(reference.text.chars()).find(|((_, a), b)| a != b);
    let at = common.map_or(completion.text.len().min(reference.text.len()), |((at, _), _)| at);
    let (same, rest) = completion.text.split_at(at);
    (same.to_owned(), rest.to_owned())
}

#[component]
fn Column(title: &'static str, test_id: &'static str, text: (String, String)) -> impl IntoView {
    let (same, rest) = text;
    let parted = !rest.is_empty();
    view! {
        <div class="completion-column" data-testid=test_id>
            <h4>{title}</h4>
            <p class="completion-text">
                <ModelText text=same/>
                {parted.then(|| view! {
                    <span class="divergence" title="First divergence from the reference" data-testid="divergence"></span>
                    <span class="diverged"><ModelText text=rest/></span>
                })}
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
    fn completions_part_where_their_texts_do() {
        let completion = |text: &str| Completion {
            text: text.to_owned(),
            ids: text.bytes().map(u32::from).collect(),
            pieces: Vec::new(),
        };
        let rows = [
            ("The cat sat.", "The dog sat.", ("The ", "cat sat.")),
            ("Ein Käfer", "Ein Kater", ("Ein K", "äfer")),
            ("same", "same", ("same", "")),
            ("short", "shorter", ("short", "")),
            ("longer text", "longer", ("longer", " text")),
            ("", "x", ("", "")),
        ];
        for (text, reference, (same, rest)) in rows {
            let got = split_text(&completion(text), &completion(reference));
            assert_eq!(got, (same.to_owned(), rest.to_owned()), "{text:?} beside {reference:?}");
        }
    }
}
