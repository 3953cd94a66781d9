//! Finished runs side by side: a grid of tasks and methods with every seed, and methods against a baseline.

use crate::charts::Strip;
use crate::compare::{Cell, Grid, Task, grid};
use crate::compare_query::{CompareQuery, PAGE_ROWS};
use crate::components::{ModelText, PhaseBadge};
use crate::connection::Connection;
use crate::format;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::components::A;
use leptos_router::hooks::{use_location, use_navigate};
use std::collections::BTreeSet;

/// The page for comparisons; what is shown is in the address.
#[component]
pub fn Compare() -> impl IntoView {
    super::title("Compare");
    let connection = Connection::get();
    let sorted = Memo::new(move |_| {
        let stages = connection.catalogue.with(|catalogue| catalogue.as_ref().map(|all| all.stages.clone()));
        connection.runs.with(|runs| grid(runs.as_deref().unwrap_or_default(), &stages.unwrap_or_default()))
    });
    let search = use_location().search;
    let query = Memo::new(move |_| CompareQuery::parse(&search.get()));
    let navigate = StoredValue::new_local(use_navigate());
    let go = Callback::new(move |query: CompareQuery| {
        let options = NavigateOptions { scroll: false, ..Default::default() };
        navigate.with_value(|navigate| navigate(&query.address(), options));
    });
    let shown = Memo::new(move |_| {
        let CompareQuery { model, teacher, method, .. } = query.get();
        let fits = |task: &Task| {
            model.as_ref().is_none_or(|model| task.model == *model)
                && teacher.as_ref().is_none_or(|teacher| task.teacher == *teacher)
        };
        sorted.with(|grid| grid.narrowed(fits, method.as_deref()))
    });
    let baseline = Memo::new(move |_| {
        let wanted = query.with(|query| query.baseline.clone());
        shown.with(|grid| {
            let mut names = grid.methods.iter().map(|method| &method.name);
            let known = names.clone().any(|name| Some(name) == wanted.as_ref());
            if known { wanted } else { names.next().cloned() }
        })
    });
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
                    "One row a reference, one column a method, one dot a seed. A method is the preset that a run began \
                     as; where settings of it were changed, it is a method of its own, and they are in its name."
                    {move || sorted.with(|grid| (grid.left_out > 0).then(|| format!(
                        " {} earlier runs of the same reference, method and seed are left out.", grid.left_out
                    )))}
                </p>
                <Narrow all=sorted query go/>
                <div class="table-box" role="region" tabindex="0" aria-label="Gap closed on test">
                    {move || shown.with(|grid| table(grid, &query.get()))}
                </div>
                <Count shown query go/>
            </section>
            <section class="panel" aria-labelledby="differences-title">
                <h2 id="differences-title">"Settings that differ"</h2>
                {move || shown.with(differences)}
            </section>
            <section class="panel" aria-labelledby="paired-title">
                <h2 id="paired-title">"Against a baseline"</h2>
                <label>
                    "Baseline "
                    <select
                        data-testid="compare-baseline"
                        on:change:target=move |event| {
                            go.run(CompareQuery { baseline: Some(event.target().value()), ..query.get_untracked() });
                        }
                    >
                        {move || shown.with(|grid| grid.methods.clone()).into_iter().map(|method| {
                            let selected = baseline.get().as_deref() == Some(&method.name);
                            view! { <option value=method.name.clone() selected=selected>{method.name.clone()}</option> }
                        }).collect_view()}
                    </select>
                </label>
                {move || baseline.get().map(|baseline| shown.with(|grid| paired(grid, &baseline)))}
            </section>
        </Show>
    }
}

/// What the grid is narrowed to.
#[component]
fn Narrow(all: Memo<Grid>, query: Memo<CompareQuery>, go: Callback<CompareQuery>) -> impl IntoView {
    let select = move |name: &'static str,
                       title: &'static str,
                       found: fn(&Grid) -> BTreeSet<String>,
                       of: fn(&mut CompareQuery) -> &mut Option<String>| {
        let value = move || of(&mut query.get()).clone().unwrap_or_default();
        let options = move || {
            all.with(found)
                .into_iter()
                .map(|one| {
                    let selected = value() == one;
                    view! { <option value=one.clone() selected=selected>{one.clone()}</option> }
                })
                .collect_view()
        };
        view! {
            <label class="inline">
                {title} " "
                <select
                    data-testid=format!("compare-{name}")
                    on:change:target=move |event| {
                        let mut query = query.get_untracked();
                        *of(&mut query) = Some(event.target().value()).filter(|value| !value.is_empty());
                        query.limit = PAGE_ROWS;
                        go.run(query);
                    }
                >
                    <option value="" selected=move || value().is_empty()>"all"</option>
                    {options}
                </select>
            </label>
        }
    };
    view! {
        <div class="toolbar">
            {select("teacher", "Reference", |grid| grid.tasks.keys().map(|task| task.teacher.clone()).collect(), |query| {
                &mut query.teacher
            })}
            {select("model", "Model", |grid| grid.tasks.keys().map(|task| task.model.clone()).collect(), |query| {
                &mut query.model
            })}
            {select("method", "Method", |grid| grid.methods.iter().map(|method| method.name.clone()).collect(), |query| {
                &mut query.method
            })}
            <Show when=move || query.with(CompareQuery::is_narrowed)>
                <button
                    type="button"
                    class="small"
                    data-testid="compare-all"
                    on:click=move |_| {
                        let baseline = query.get_untracked().baseline;
                        go.run(CompareQuery { baseline, ..CompareQuery::default() });
                    }
                >
                    "Show all"
                </button>
            </Show>
        </div>
    }
}

/// How many of the rows are drawn, and more of them.
#[component]
fn Count(shown: Memo<Grid>, query: Memo<CompareQuery>, go: Callback<CompareQuery>) -> impl IntoView {
    let total = move || shown.with(|grid| grid.tasks.len());
    let drawn = move || total().min(query.get().limit);
    view! {
        <p class="toolbar">
            <span class="muted" data-testid="compare-count">
                {move || match (drawn(), total()) {
                    (_, 0) => "Nothing fits.".to_owned(),
                    (drawn, total) if drawn < total => format!("Showing {drawn} of {total} rows."),
                    (_, 1) => "All 1 row.".to_owned(),
                    (_, total) => format!("All {total} rows."),
                }}
            </span>
            <Show when=move || drawn() < total()>
                <button
                    type="button"
                    class="small"
                    data-testid="compare-more"
                    on:click=move |_| {
                        let query = query.get_untracked();
                        go.run(CompareQuery { limit: query.limit + PAGE_ROWS, ..query });
                    }
                >
                    "Show more"
                </button>
            </Show>
        </p>
    }
}

fn table(grid: &Grid, query: &CompareQuery) -> impl IntoView + use<> {
    let head = grid.methods.iter().map(|method| view! { <th scope="col">{method.name.clone()}</th> }).collect_view();
    let rows = grid.tasks.iter().take(query.limit).map(|(task, cells)| {
        let Task { model, teacher, concepts } = task.clone();
        let cells = grid.methods.iter().map(|method| {
            let link = CompareQuery {
                model: Some(model.clone()),
                teacher: Some(teacher.clone()),
                method: Some(method.name.clone()),
                ..query.clone()
            };
            view! { <td>{cells.get(&method.name).map(|found| cell(found, link.address()))}</td> }
        });
        let cells = cells.collect_view();
        let concepts = (!concepts.is_empty()).then(|| format!(" without {concepts}"));
        view! {
            <tr>
                <th scope="row">
                    <ModelText text=teacher/>
                    <span class="muted">{format!(" {model}")} {concepts}</span>
                </th>
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

fn cell(cell: &Cell, address: String) -> impl IntoView + use<> {
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
    let seeds = cell.seeds.clone().into_iter().map(|(seed, run)| {
        let badge = run.gap_closed_test.is_none().then(|| {
            let phase = run.state;
            view! { <PhaseBadge phase=Signal::stored(phase) test_id="compare-state"/> }
        });
        let gap = run.gap_closed_test.map(format::percent);
        view! {
            <A href=format!("/run/{}", run.run) attr:class="small" attr:data-testid="compare-seed">
                {format!("seed {seed}: ")} {gap} {badge}
            </A>
            " "
        }
    });
    view! {
        {numbers}
        <p class="compare-seeds">
            {seeds.collect_view()}
            <A href=address scroll=false attr:class="small" attr:data-testid="compare-cell">"Only this cell"</A>
        </p>
    }
}

fn differences(grid: &Grid) -> AnyView {
    let found = grid.differences();
    if found.is_empty() {
        let text = match grid.methods.len() {
            0 | 1 => "One method alone differs from nothing.",
            _ => "The methods have different names, but the same settings.",
        };
        return view! { <p class="muted" data-testid="compare-same">{text}</p> }.into_any();
    }
    let head = grid.methods.iter().map(|method| view! { <th scope="col">{method.name.clone()}</th> }).collect_view();
    let rows = found.into_iter().map(|difference| {
        let cells = difference.values.into_iter().map(|value| {
            let text = value.unwrap_or_else(|| "–".to_owned());
            view! { <td><ModelText text/></td> }
        });
        view! {
            <tr data-testid="compare-difference" data-key=difference.key.clone()>
                <th scope="row"><code>{difference.key.clone()}</code></th>
                {cells.collect_view()}
            </tr>
        }
    });
    let rows = rows.collect_view();
    view! {
        <p class="muted">"Only what is not the same in all methods above. A dash: the method has no such stage."</p>
        <div class="table-box" role="region" tabindex="0" aria-label="Settings that differ">
            <table data-testid="compare-differences">
                <thead><tr><th scope="col">"Setting"</th>{head}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn paired(grid: &Grid, baseline: &str) -> impl IntoView + use<> {
    let others = grid.methods.iter().map(|method| &method.name).filter(|name| *name != baseline);
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
