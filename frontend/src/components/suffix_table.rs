//! The suffixes of a run in numbers, split by split.

use super::ModelText;
use crate::format;
use crate::run::RunFeed;
use leptos::prelude::*;
use shared::event::{SuffixBaseline, SuffixEvaluation};
use shared::spec::Split;
use shared::state::RunState;

/// Reference lowers the cross-entropy by less than this (nats a token): the suffix dominates.
const DOMINATED_BELOW: f64 = 0.1;

#[derive(Clone, PartialEq)]
struct Row {
    baseline: SuffixBaseline,
    evaluation: Option<SuffixEvaluation>,
}

/// Rows by split, then by index.
fn rows(state: &RunState) -> Vec<Row> {
    let mut rows: Vec<Row> = state
        .suffixes
        .iter()
        .map(|baseline| Row {
            baseline: baseline.clone(),
            evaluation: state.evaluations.iter().find(|evaluation| evaluation.index == baseline.index).cloned(),
        })
        .collect();
    rows.sort_by_key(|row| (row.baseline.split, row.baseline.index));
    rows
}

/// The table of suffixes: baselines as soon as they are measured, the judgement when there is one.
#[component]
pub fn SuffixTable(
    /// The run.
    feed: RunFeed,
) -> impl IntoView {
    let rows = feed.part(rows);
    let judged = Memo::new(move |_| rows.with(|rows| rows.iter().any(|row| row.evaluation.is_some())));
    let k = Memo::new(move |_| {
        rows.with(|rows| rows.iter().find_map(|row| row.evaluation.as_ref()).map_or(0, |found| found.agreement.k))
    });
    view! {
        <p class="muted" id="suffixes-help">
            "Cross-entropy of the reference completion in nats a token. Steerability is what the reference prefix \
             takes off it; a suffix below " {DOMINATED_BELOW} " decides its answer by itself."
        </p>
        <div class="table-box" role="region" tabindex="0" aria-label="Suffixes">
            <table class="suffixes" data-testid="result-table" aria-describedby="suffixes-help">
                <thead>
                    <tr>
                        <th scope="col">"Split"</th>
                        <th scope="col">"Suffix (prompt)"</th>
                        <th scope="col" class="num">"Steerability"</th>
                        <th scope="col" class="num">"CE no prefix"</th>
                        <th scope="col" class="num">"CE reference"</th>
                        <Show when=move || judged.get()>
                            <th scope="col" class="num">"CE found"</th>
                            <th scope="col">"Exact"</th>
                            <th scope="col">{move || format!("Exact@{}", k.get())}</th>
                            <th scope="col" class="num">{move || format!("Overlap@{}", k.get())}</th>
                            <th scope="col" class="num">"First divergence"</th>
                        </Show>
                    </tr>
                </thead>
                {Split::ALL.map(|split| view! { <Group split rows judged/> }).collect_view()}
            </table>
        </div>
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
    let baseline = row.baseline;
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
    view! {
        <tr data-testid="result-row" data-split=split>
            <td><span class=format!("badge split-badge-{split}")>{split}</span></td>
            <th scope="row" class="prompt"><ModelText text=baseline.text/></th>
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
