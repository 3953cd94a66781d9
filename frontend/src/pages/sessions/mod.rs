//! All runs: found again by search and filters, named, tagged, deleted and brought back.

mod address;
mod duplicate;
mod editor;
mod filters;
mod row;
mod undo;

pub use undo::DeletedRuns;

use crate::components::OpenSessionFile;
use crate::connection::Connection;
use crate::format;
use crate::run_query::{PAGE_RUNS, RunQuery};
use address::ListAddress;
use filters::Filters;
use leptos::prelude::*;
use leptos_router::components::A;
use row::SessionRow;
use undo::UndoNotice;

/// How many runs there are.
#[derive(Clone, Copy, Default, PartialEq)]
struct Counts {
    all: usize,
    matching: usize,
    shown: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Loading,
    Empty,
    NoneMatches,
    List,
}

/// The page.
#[component]
pub fn Sessions() -> impl IntoView {
    super::title("Sessions");
    let connection = Connection::get();
    let address = ListAddress::new();
    let selected = Memo::new(move |_| {
        let query = address.query();
        connection.runs.with(|runs| runs.as_ref().map(|runs| query.select(runs)).unwrap_or_default())
    });
    let counts = Memo::new(move |_| {
        let all = connection.runs.with(|runs| runs.as_ref().map_or(0, Vec::len));
        let matching = selected.with(Vec::len);
        Counts { all, matching, shown: matching.min(address.with(|query| query.limit)) }
    });
    let visible = move || selected.with(|runs| runs[..counts.get().shown.min(runs.len())].to_vec());
    let shown = Memo::new(move |_| match (connection.runs.with(Option::is_some), counts.get()) {
        (false, _) => Shown::Loading,
        (true, Counts { all: 0, .. }) => Shown::Empty,
        (true, Counts { matching: 0, .. }) => Shown::NoneMatches,
        (true, _) => Shown::List,
    });
    let offline = Memo::new(move |_| !connection.is_up());
    view! {
        <div class="page-head"><h1>"Sessions"</h1></div>
        <UndoNotice/>
        <section class="panel" aria-label="All runs" data-testid="sessions">
            <Show when=move || offline.get()>
                <p class="offline-note" data-testid="sessions-offline">
                    "Not connected: this is the list as it was. Renaming, tagging and deleting wait for the worker."
                </p>
            </Show>
            <Show when=move || shown.get() != Shown::Empty>
                <Filters address/>
                <p class="muted" role="status" data-testid="sessions-count">
                    {move || caption(counts.get(), address.with(RunQuery::is_narrowed))}
                </p>
            </Show>
            {move || match shown.get() {
                Shown::Loading => view! { <progress aria-label="Loading the list"></progress> }.into_any(),
                Shown::Empty => view! {
                    <p data-testid="sessions-empty">
                        "No runs yet. " <A href="/">"Start an example"</A> " or " <A href="/new">"set up a run"</A> "."
                    </p>
                }
                .into_any(),
                Shown::NoneMatches => view! {
                    <p data-testid="sessions-none-match">"No run matches. Take a word or a filter away to see more."</p>
                }
                .into_any(),
                Shown::List => ().into_any(),
            }}
            <ul class="session-list" data-testid="session-list">
                <For each=visible key=|run| run.run.clone() let:run>
                    <SessionRow initial=run address/>
                </For>
            </ul>
            <Show when=move || counts.with(|counts| counts.shown < counts.matching)>
                <button type="button" data-testid="sessions-more" on:click=move |_| address.show_more()>
                    {move || format!("Show {} more", PAGE_RUNS.min(counts.get().matching - counts.get().shown))}
                </button>
            </Show>
        </section>
        <section class="panel"><OpenSessionFile/></section>
    }
}

/// How much of what there is can be seen.
fn caption(counts: Counts, narrowed: bool) -> String {
    let [all, matching, shown] = [counts.all, counts.matching, counts.shown].map(|n| format::count(n as u64));
    let runs = |n: usize| if n == 1 { "run" } else { "runs" };
    if narrowed {
        format!("Showing {shown} of {matching} matching {}; there are {all} in all.", runs(counts.matching))
    } else {
        format!("Showing {shown} of {all} {}.", runs(counts.all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_caption_hides_nothing() {
        let counts = Counts { all: 64, matching: 64, shown: 10 };
        assert_eq!(caption(counts, false), "Showing 10 of 64 runs.");
        let one = Counts { matching: 1, shown: 1, ..counts };
        assert_eq!(caption(one, true), "Showing 1 of 1 matching run; there are 64 in all.");
    }
}
