//! What the list shows lives in the address: reading it there, and writing it back.

use crate::debounce::debounced;
use crate::run_query::{PAGE_RUNS, RunQuery};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};

/// Pause after which a search that is being typed goes into the address, in milliseconds.
const PAUSE_MS: u64 = 400;

/// A handle to the query; copies share it.
#[derive(Clone, Copy)]
pub struct ListAddress {
    query: Memo<RunQuery>,
    /// The search as it stands in the field, a little ahead of the address.
    typed: RwSignal<String>,
    /// The search that this page last wrote into the address, or found there.
    written: StoredValue<String>,
    navigate: Callback<(String, bool)>,
}

impl ListAddress {
    /// The query of the address that the router shows.
    pub fn new() -> Self {
        let raw = use_location().search;
        let address = Memo::new(move |_| RunQuery::parse(&raw.get()));
        let search_there = address.with_untracked(|query| query.search.clone());
        let typed = RwSignal::new(search_there.clone());
        let query = Memo::new(move |_| RunQuery { search: typed.get(), ..address.get() });
        let navigate = use_navigate();
        let navigate = Callback::new(move |(path, replace): (String, bool)| {
            navigate(&path, NavigateOptions { replace, scroll: false, ..NavigateOptions::default() });
        });
        let this = ListAddress { query, typed, written: StoredValue::new(search_there), navigate };
        // Back, forward and links bring another search; what is being typed is not overwritten.
        Effect::new(move |_| {
            let search = address.with(|query| query.search.clone());
            if this.written.get_value() != search {
                this.written.set_value(search.clone());
                typed.set(search);
            }
        });
        let settled = debounced(typed, PAUSE_MS);
        Effect::new(move |_| {
            let search = settled.get();
            let before = address.with_untracked(|query| query.search.clone());
            if search != before {
                // One search is one step back, however often its typing paused.
                let goes_on = !search.is_empty() && !before.is_empty();
                this.write(RunQuery { limit: PAGE_RUNS, ..this.query.get_untracked() }, goes_on);
            }
        });
        this
    }

    /// What is shown; whoever asks is asked again when it changes.
    pub fn query(&self) -> RunQuery {
        self.query.get()
    }

    /// A part of it.
    pub fn with<T>(&self, look: impl FnOnce(&RunQuery) -> T) -> T {
        self.query.with(look)
    }

    /// Takes over what is in the search field; the list follows at once, the address after a pause.
    pub fn type_search(&self, search: String) {
        self.typed.set(search);
    }

    /// Goes to another query, from the top of its list; Back returns to this one.
    pub fn go(&self, change: impl FnOnce(&mut RunQuery)) {
        let mut query = RunQuery { limit: PAGE_RUNS, ..self.query.get_untracked() };
        change(&mut query);
        self.write(query, false);
    }

    /// Draws more of the same list.
    pub fn show_more(&self) {
        let query = self.query.get_untracked();
        self.write(RunQuery { limit: query.limit + PAGE_RUNS, ..query }, true);
    }

    fn write(&self, query: RunQuery, replace: bool) {
        self.written.set_value(query.search.clone());
        if self.typed.with_untracked(|typed| *typed != query.search) {
            self.typed.set(query.search.clone());
        }
        let text = query.to_query();
        let path = if text.is_empty() { "/sessions".to_owned() } else { format!("/sessions?{text}") };
        self.navigate.run((path, replace));
    }
}
