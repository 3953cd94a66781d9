//! The suffixes of a run in numbers, split by split.

use super::ModelText;
use crate::debounce::debounced;
use crate::format;
use crate::run::RunFeed;
use crate::run_address::RunAddress;
use crate::run_view::{Named, SuffixOrder};
use crate::suffix_rows::{Row, Selection, rows};
use leptos::prelude::*;
use shared::spec::Split;

/// Reference lowers the cross-entropy by less than this (nats a token): the suffix dominates.
const DOMINATED_BELOW: f64 = 0.1;

/// Pause after which words that are being typed go into the address, in milliseconds.
const PAUSE_MS: u64 = 400;

/// The table of suffixes: baselines as soon as they are measured, the judgement when there is one.
#[component]
pub fn SuffixTable(
    /// The run.
    feed: RunFeed,
) -> impl IntoView {
    let address = RunAddress::get();
    let all = feed.part(rows);
    let selection = address.part(|view| Selection::from(view));
    let rows = Memo::new(move |_| all.with(|all| selection.with(|selection| selection.select(all))));
    let judged = Memo::new(move |_| all.with(|rows| rows.iter().any(|row| row.evaluation.is_some())));
    let k = Memo::new(move |_| {
        all.with(|rows| rows.iter().find_map(|row| row.evaluation.as_ref()).map_or(0, |found| found.agreement.k))
    });
    view! {
        <p class="muted" id="suffixes-help">
            "Cross-entropy of the reference completion in nats a token. Steerability is what the reference prefix \
             takes off it; a suffix below " {DOMINATED_BELOW} " decides its answer by itself."
        </p>
        <Narrow all rows/>
        <div class="table-box" role="region" tabindex="0" aria-label="Suffixes">
            <table class="suffixes" data-testid="result-table" aria-describedby="suffixes-help">
                <thead>
                    <tr>
                        <th scope="col">"Split"</th>
                        <SortHead order=SuffixOrder::Text title="Suffix (prompt)"/>
                        <SortHead order=SuffixOrder::Steerability title="Steerability"/>
                        <SortHead order=SuffixOrder::None title="CE no prefix"/>
                        <SortHead order=SuffixOrder::Reference title="CE reference"/>
                        <Show when=move || judged.get()>
                            <SortHead order=SuffixOrder::Found title="CE found"/>
                            <th scope="col">"Exact"</th>
                            <th scope="col">{move || format!("Exact@{}", k.get())}</th>
                            <SortHead order=SuffixOrder::Overlap title=format!("Overlap@{}", k.get())/>
                            <SortHead order=SuffixOrder::Divergence title="First divergence"/>
                        </Show>
                    </tr>
                </thead>
                {Split::ALL.map(|split| view! { <Group split rows judged/> }).collect_view()}
            </table>
        </div>
    }
}

/// Which suffixes are shown, and how many that are.
#[component]
fn Narrow(all: Memo<Vec<Row>>, rows: Memo<Vec<Row>>) -> impl IntoView {
    let address = RunAddress::get();
    let split = address.part(|view| view.split);
    let typed = RwSignal::new(address.with_untracked(|view| view.find.clone()));
    // Back, forward and links bring other words; what is being typed is not overwritten.
    let written = StoredValue::new(typed.get_untracked());
    let there = address.part(|view| view.find.clone());
    Effect::new(move |_| {
        let find = there.get();
        if written.get_value() != find {
            written.set_value(find.clone());
            typed.set(find);
        }
    });
    let settled = debounced(typed, PAUSE_MS);
    Effect::new(move |_| {
        let find = settled.get();
        if there.get_untracked() != find {
            written.set_value(find.clone());
            address.replace(|view| view.find = find);
        }
    });
    let narrowed = move || {
        let (shown, total) = (rows.with(Vec::len), all.with(Vec::len));
        if shown < total { format!("Showing {shown} of {total} suffixes.") } else { format!("All {total} suffixes.") }
    };
    view! {
        <div class="toolbar">
            <label class="inline">
                "Split "
                <select
                    data-testid="suffixes-split"
                    on:change:target=move |event| {
                        let split: Option<Split> = Named::named(&event.target().value());
                        address.go(|view| view.split = split);
                    }
                >
                    <option value="" prop:selected=move || split.get().is_none()>"all"</option>
                    {Split::ALL.map(|one| view! {
                        <option value=one.name() prop:selected=move || split.get() == Some(one)>{one.name()}</option>
                    }).collect_view()}
                </select>
            </label>
            <label class="inline">
                "Prompts with "
                <input
                    type="search"
                    autocomplete="off"
                    spellcheck="false"
                    data-testid="suffixes-find"
                    prop:value=typed
                    on:input:target=move |event| typed.set(event.target().value())
                />
            </label>
            <span class="muted" data-testid="suffixes-count">{narrowed}</span>
        </div>
    }
}

/// The head of a column, which also orders by it: up, down, as they come.
#[component]
fn SortHead(order: SuffixOrder, #[prop(into)] title: String) -> impl IntoView {
    let address = RunAddress::get();
    let sort = address.part(|view| view.sort);
    let own = move || sort.get().filter(|(by, _)| *by == order).map(|(_, descending)| descending);
    let direction = move || match own() {
        Some(true) => "descending",
        Some(false) => "ascending",
        None => "none",
    };
    let turn = move |_| {
        let next = match own() {
            None => Some((order, true)),
            Some(true) => Some((order, false)),
            Some(false) => None,
        };
        address.go(|view| view.sort = next);
    };
    let class = if order == SuffixOrder::Text { "" } else { "num" };
    view! {
        <th scope="col" class=class aria-sort=direction>
            <button type="button" class="sort" data-testid=format!("sort-{}", order.name()) on:click=turn>
                {title}
                <span aria-hidden="true">
                    {move || match own() {
                        Some(true) => " ↓",
                        Some(false) => " ↑",
                        None => "",
                    }}
                </span>
            </button>
        </th>
    }
}

/// The rows of one split under each other: splits are never mixed.
#[component]
fn Group(split: Split, rows: Memo<Vec<Row>>, judged: Memo<bool>) -> impl IntoView {
    let own = Memo::new(move |_| {
        rows.with(|rows| rows.iter().filter(|row| row.baseline.split == split).cloned().collect::<Vec<_>>())
    });
    let key = |row: &Row| (row.baseline.index, row.evaluation.is_some());
    view! {
        <tbody class=format!("split-{}", split.name()) data-split=split.name()>
            <For each=move || own.get() key=key let:row>
                <TableRow row judged/>
            </For>
        </tbody>
    }
}

#[component]
fn TableRow(row: Row, judged: Memo<bool>) -> impl IntoView {
    let address = RunAddress::get();
    let baseline = row.baseline;
    let index = baseline.index;
    let selected = address.part(move |view| view.suffix == Some(index));
    let steerability = baseline.steerability();
    let split = baseline.split.name();
    let judgement = StoredValue::new(row.evaluation);
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    let cells = move || {
        judgement.get_value().map(|found| {
            let agreement = found.agreement;
            let divergence = agreement.first_divergence.map_or("none".to_owned(), |at| format!("token {}", at + 1));
            view! {
                <td class="num strong">{format::nats(found.ce)}</td>
                <td>{yes_no(agreement.exact)}</td>
                <td>{yes_no(agreement.exact_at_k)}</td>
                <td class="num">{format::percent(agreement.overlap_at_k)}</td>
                <td class="num">{divergence}</td>
            }
        })
    };
    let open = move |_| {
        address.go(|view| {
            if !view.shows(crate::run_view::Part::Completions) {
                view.part = crate::run_view::Part::Completions;
            }
            (view.suffix, view.token) = (Some(index), None);
        });
        // Once it is there.
        let show = move || {
            if let Some(block) = document().get_element_by_id(&format!("completion-{index}")) {
                block.scroll_into_view();
            }
        };
        set_timeout(show, std::time::Duration::from_millis(50));
    };
    view! {
        <tr data-testid="result-row" data-split=split data-suffix=index class:selected=move || selected.get()>
            <td><span class=format!("badge split-badge-{split}")>{split}</span></td>
            <th scope="row" class="prompt">
                <ModelText text=baseline.text/>
                " "
                <button type="button" class="small" data-testid="row-tokens" on:click=open>
                    "Tokens"
                    <span class="visually-hidden">{format!(" of suffix {}", index + 1)}</span>
                </button>
            </th>
            <td class="num" class:dominated=steerability < DOMINATED_BELOW>
                {format::signed_nats(steerability)}
                {(steerability < DOMINATED_BELOW).then(|| view! { <span class="unit">" dominated"</span> })}
            </td>
            <td class="num">{format::nats(baseline.ce_none)}</td>
            <td class="num">{format::nats(baseline.ce_reference)}</td>
            <Show when=move || judged.get()>{cells}</Show>
        </tr>
    }
}
