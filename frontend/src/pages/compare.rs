//! Finished runs side by side: a grid of tasks and methods with every seed, and methods against a baseline.

use crate::charts::Strip;
use crate::compare::{Cell, Grid, Task, grid};
use crate::components::ModelText;
use crate::connection::Connection;
use crate::format;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::{use_navigate, use_query_map};

/// The page for comparisons; the baseline is in the address.
#[component]
pub fn Compare() -> impl IntoView {
    super::title("Compare");
    let connection = Connection::get();
    let sorted = Memo::new(move |_| connection.runs.with(|runs| grid(runs.as_deref().unwrap_or_default())));
    let query = use_query_map();
    let navigate = StoredValue::new_local(use_navigate());
    let baseline = Memo::new(move |_| {
        let wanted = query.with(|query| query.get("baseline"));
        sorted.with(|grid| wanted.filter(|name| grid.methods.contains(name)).or_else(|| grid.methods.first().cloned()))
    });
    let pin = move |name: String| {
        let options = NavigateOptions { scroll: false, ..Default::default() };
        let address = format!("/compare?baseline={}", String::from(js_sys::encode_uri_component(&name)));
        navigate.with_value(|navigate| navigate(&address, options));
    };
    let is_empty = move || sorted.with(|grid| grid.tasks.is_empty());
    view! {
        <h1>"Compare"</h1>
        <Show
            when=move || !is_empty()
            fallback=|| view! {
                <section class="panel" data-testid="compare-empty">
                    <p>"There is nothing to compare yet. Runs of different methods on the same reference show up here."</p>
                    <p><A href="/new" attr:class="button">"New run"</A></p>
                </section>
            }
        >
            <section class="panel" aria-labelledby="grid-title">
                <h2 id="grid-title">"Gap closed on test"</h2>
                <p class="muted">
                    "One row a reference, one column a method (the preset that a run began as), one dot a seed. "
                    "Settings that were changed in the form do not show here: open a run to see them."
                    {move || sorted.with(|grid| (grid.left_out > 0).then(|| format!(
                        " {} earlier runs of the same reference, method and seed are left out.", grid.left_out
                    )))}
                </p>
                <div class="table-box" role="region" tabindex="0" aria-label="Gap closed on test">
                    {move || sorted.with(table)}
                </div>
            </section>
            <section class="panel" aria-labelledby="paired-title">
                <h2 id="paired-title">"Against a baseline"</h2>
                <label>
                    "Baseline "
                    <select data-testid="compare-baseline" on:change:target=move |event| pin(event.target().value())>
                        {move || sorted.with(|grid| grid.methods.clone()).into_iter().map(|name| {
                            let selected = baseline.get().as_deref() == Some(&name);
                            view! { <option value=name.clone() selected=selected>{name.clone()}</option> }
                        }).collect_view()}
                    </select>
                </label>
                {move || baseline.get().map(|baseline| sorted.with(|grid| paired(grid, &baseline)))}
            </section>
        </Show>
    }
}

fn table(grid: &Grid) -> impl IntoView + use<> {
    let head = grid.methods.iter().map(|name| view! { <th scope="col">{name.clone()}</th> }).collect_view();
    let rows = grid.tasks.iter().map(|(task, cells)| {
        let Task { model, teacher } = task.clone();
        let cells = grid.methods.iter().map(|method| view! { <td>{cells.get(method).map(cell)}</td> }).collect_view();
        view! {
            <tr>
                <th scope="row"><ModelText text=teacher/> <span class="muted">{format!(" {model}")}</span></th>
                {cells}
            </tr>
        }
    });
    let rows = rows.collect_view();
    view! {
        <table data-testid="compare-grid">
            <thead><tr><th scope="col">"Reference"</th>{head}</tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
}

fn cell(cell: &Cell) -> impl IntoView + use<> {
    let numbers = cell.summary().map(|summary| {
        let gaps: Vec<f64> = cell.gaps().map(|(_, gap)| gap).collect();
        let sd = summary.sd.map(|sd| format!(" ± {}", format::percent(sd))).unwrap_or_default();
        view! {
            <p class="num">{format!("{}{sd}", format::percent(summary.mean))}</p>
            <Strip values=gaps/>
            <p class="muted">
                {format!("n = {}, {} to {}", summary.n, format::percent(summary.min), format::percent(summary.max))}
            </p>
        }
    });
    let seeds = cell.seeds.iter().map(|(seed, run)| {
        let state = run.gap_closed_test.map_or_else(|| run.state.name().to_owned(), format::percent);
        view! {
            <A href=format!("/run/{}", run.run) attr:class="small" attr:data-testid="compare-seed">
                {format!("seed {seed}: {state}")}
            </A>
            " "
        }
    });
    view! { {numbers} <p class="compare-seeds">{seeds.collect_view()}</p> }
}

fn paired(grid: &Grid, baseline: &str) -> impl IntoView + use<> {
    let others = grid.methods.iter().filter(|method| *method != baseline);
    let rows = others.map(|method| {
        let found = grid.paired(method, baseline);
        let numbers = match found {
            None => view! { <td colspan="4" class="muted">"no reference and seed that both finished"</td> }.into_any(),
            Some(found) => {
                let interval = found
                    .interval
                    .map(|interval| format!("{} to {}", format::percent(interval.low), format::percent(interval.high)));
                view! {
                    <td class="num">{found.pairs}</td>
                    <td class="num">{found.wins}</td>
                    <td class="num">{format::percent(found.mean_difference)}</td>
                    <td class="num">{interval.unwrap_or_else(|| "–".to_owned())}</td>
                }
                .into_any()
            }
        };
        view! { <tr data-testid="compare-pair"><th scope="row">{method.clone()}</th>{numbers}</tr> }
    });
    let rows = rows.collect_view();
    view! {
        <div class="table-box" role="region" tabindex="0" aria-label="Paired differences">
            <table>
                <thead>
                    <tr>
                        <th scope="col">"Method"</th>
                        <th scope="col" class="num">"Pairs"</th>
                        <th scope="col" class="num">"Won"</th>
                        <th scope="col" class="num">"Mean difference"</th>
                        <th scope="col" class="num">"95 % interval"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}
