//! The prompts that the run would use, with their splits and what is known of them.

use super::DraftForm;
use crate::components::ModelText;
use crate::format;
use crate::past_runs;
use leptos::prelude::*;
use shared::catalogue::Suffix;
use shared::spec::RunSpec;
use shared::suffixes::{context_referring, deal};
use std::collections::BTreeMap;

/// Prompts on a page of the table.
const PAGE: usize = 10;

/// The reference changes such a suffix by less than this, in nats a token, so that it decides by itself;
/// what counts where the form names no bound.
const DOMINATED_BELOW: f64 = 0.1;

#[derive(Clone, PartialEq)]
struct Row {
    suffix: Suffix,
    /// Nats a token, where an earlier run measured it.
    steerability: Option<f64>,
    /// It would be left out.
    is_cut: bool,
    /// By which words it refers to a text that is not there.
    refers: Option<String>,
}

fn rows(suffixes: Vec<Suffix>, measured: &BTreeMap<String, f64>, least: Option<f64>) -> Vec<Row> {
    let row = |suffix: Suffix| {
        let steerability = measured.get(&suffix.text).copied();
        let is_cut = matches!((steerability, least), (Some(nats), Some(least)) if nats < least);
        Row { steerability, is_cut, refers: context_referring(&suffix.text), suffix }
    };
    suffixes.into_iter().map(row).collect()
}

/// What is known of the steerability of all of them, in a sentence or two.
fn summary(rows: &[Row], least: Option<f64>) -> String {
    let measured = rows.iter().filter(|row| row.steerability.is_some()).count();
    let of_all = format!("{measured} of {} prompts", rows.len());
    match (measured, least) {
        (0, _) => {
            "Steerability shows here once a run with this reference, model and completion length was finished on \
                   this worker; every run measures it first."
                .to_owned()
        }
        (_, Some(least)) => {
            let cut = rows.iter().filter(|row| row.is_cut).count();
            format!("Earlier runs measured {of_all}; {cut} of these lie below {least} and would be left out.")
        }
        (_, None) => {
            let low = |row: &&Row| row.steerability.is_some_and(|nats| nats < DOMINATED_BELOW);
            let low = rows.iter().filter(low).count();
            format!(
                "Earlier runs measured {of_all}; {low} of these lie below {DOMINATED_BELOW} and decide by themselves."
            )
        }
    }
}

/// The table, page by page.
#[component]
pub fn SuffixList() -> impl IntoView {
    let DraftForm { draft, catalogue, past, spec } = DraftForm::get();
    let dealt = Memo::new(move |_| {
        let (suffixes, seed) = draft.with(|draft| (draft.suffixes(&mut Vec::new()), draft.seed.trim().parse()));
        let sets = catalogue.with(|catalogue| catalogue.suffix_sets.clone());
        let least = suffixes.min_steerability;
        deal(&suffixes, seed.unwrap_or_default(), &sets).map(|dealt| (dealt, least)).ok()
    });
    let measured = Memo::new(move |_| {
        let known = |spec: &RunSpec| past.with(|past| past_runs::steerability(past, spec));
        spec.with(|spec| spec.as_ref().map(known)).unwrap_or_default()
    });
    let table = Memo::new(move |_| {
        dealt.get().map(|(dealt, least)| (measured.with(|measured| rows(dealt, measured, least)), least))
    });
    let page = RwSignal::new(0usize);
    let count = Memo::new(move |_| table.with(|table| table.as_ref().map_or(0, |(rows, _)| rows.len())));
    let pages = move || count.get().div_ceil(PAGE).max(1);
    let at = Memo::new(move |_| page.get().min(pages() - 1));
    let shown = move || {
        let (first, count) = (at.get() * PAGE, count.get());
        format!("Showing {} to {} of {count} prompts", (first + 1).min(count), (first + PAGE).min(count))
    };
    let body = move || {
        let rows = table.with(|table| table.as_ref().map(|(rows, _)| rows.clone())).unwrap_or_default();
        rows.into_iter().skip(at.get() * PAGE).take(PAGE).map(row).collect_view()
    };
    view! {
        <Show
            when=move || { count.get() > 0 }
            fallback=|| view! {
                <p class="muted" data-testid="suffix-rows-none">
                    "The prompts stand here once the fields above are right."
                </p>
            }
        >
            <p class="muted" id="suffix-rows-help" data-testid="suffix-rows-summary">
                {move || table.with(|table| table.as_ref().map(|(rows, least)| summary(rows, *least)))}
            </p>
            <div class="table-box" role="region" tabindex="0" aria-label="Prompts of this run">
                <table aria-describedby="suffix-rows-help">
                    <thead>
                        <tr>
                            <th scope="col">"Split"</th>
                            <th scope="col">"Prompt"</th>
                            <th scope="col" class="num">"Steerability"</th>
                        </tr>
                    </thead>
                    <tbody>{body}</tbody>
                </table>
            </div>
            <div class="toolbar">
                <p class="muted" role="status" data-testid="suffix-rows-shown">{shown}</p>
                <button
                    type="button"
                    class="small"
                    data-testid="suffix-rows-back"
                    disabled=move || at.get() == 0
                    on:click=move |_| page.set(at.get_untracked().saturating_sub(1))
                >
                    "Previous"
                </button>
                <button
                    type="button"
                    class="small"
                    data-testid="suffix-rows-on"
                    disabled=move || { at.get() + 1 >= pages() }
                    on:click=move |_| page.set(at.get_untracked() + 1)
                >
                    "Next"
                </button>
            </div>
        </Show>
    }
}

fn row(row: Row) -> impl IntoView {
    let split = row.suffix.split.name();
    let is_low = row.steerability.is_some_and(|nats| nats < DOMINATED_BELOW);
    let remark = if row.is_cut { Some(" left out") } else { is_low.then_some(" dominated") };
    view! {
        <tr data-testid="suffix-row" data-split=split>
            <td><span class=format!("badge split-badge-{split}")>{split}</span></td>
            <th scope="row" class="prompt">
                <ModelText text=row.suffix.text/>
                {row.refers.map(|words| view! {
                    <p class="field-error" data-testid="suffix-refers">
                        {format!("It speaks of a text that is not there (\"{words}\").")}
                    </p>
                })}
            </th>
            <td class="num" class:dominated=remark.is_some()>
                {row.steerability.map_or("not measured".to_owned(), format::signed_nats)}
                {remark.map(|remark| view! { <span class="unit">{remark}</span> })}
            </td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::spec::Split;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_was_measured_and_what_would_go_is_counted() {
        let suffix = |text: &str| Suffix { split: Split::Train, text: text.to_owned() };
        let suffixes = vec![suffix("a"), suffix("b"), suffix("c"), suffix("Summarise the text above.")];
        let measured = BTreeMap::from([("a".to_owned(), 0.05), ("b".to_owned(), 0.3)]);
        let found = rows(suffixes.clone(), &measured, Some(0.2));
        assert_eq!(found.iter().map(|row| row.is_cut).collect::<Vec<_>>(), [true, false, false, false]);
        assert_eq!(found[3].refers.as_deref(), Some("text above"));
        let said = summary(&found, Some(0.2));
        assert!(said.contains("2 of 4 prompts; 1 of these lie below 0.2 and would be left out"), "{said}");
        let free = rows(suffixes.clone(), &measured, None);
        assert!(free.iter().all(|row| !row.is_cut));
        assert!(summary(&free, None).contains("1 of these lie below 0.1 and decide by themselves"));
        assert!(summary(&rows(suffixes, &BTreeMap::new(), Some(0.2)), Some(0.2)).contains("once a run"));
    }
}
