//! How a run is looked at lives in the address: reading it there, and writing it back.

use crate::charts::View;
use crate::run_view::RunView;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};

/// A handle to the view; copies share it.
#[derive(Clone, Copy)]
pub struct RunAddress {
    view: Memo<RunView>,
    path: Memo<String>,
    navigate: Callback<(String, bool)>,
}

impl RunAddress {
    /// The view of the address that the router shows, for everything below.
    pub fn provide() -> Self {
        let location = use_location();
        let (search, path) = (location.search, location.pathname);
        let navigate = use_navigate();
        let navigate = Callback::new(move |(path, replace): (String, bool)| {
            navigate(&path, NavigateOptions { replace, scroll: false, ..NavigateOptions::default() });
        });
        let this = RunAddress { view: Memo::new(move |_| RunView::parse(&search.get())), path, navigate };
        provide_context(this);
        this
    }

    /// What [`RunAddress::provide`] provided.
    pub fn get() -> Self {
        expect_context()
    }

    /// A part of the view; whoever asks is asked again when the view changes.
    pub fn with<T>(&self, look: impl FnOnce(&RunView) -> T) -> T {
        self.view.with(look)
    }

    /// The same, without being asked again.
    pub fn with_untracked<T>(&self, look: impl FnOnce(&RunView) -> T) -> T {
        self.view.with_untracked(look)
    }

    /// A part of the view as a value of its own, which changes only when that part does.
    pub fn part<T: PartialEq + Send + Sync + 'static>(
        &self,
        look: impl Fn(&RunView) -> T + Send + Sync + 'static,
    ) -> Memo<T> {
        let view = self.view;
        Memo::new(move |_| view.with(&look))
    }

    /// Goes to another view; Back returns to this one.
    pub fn go(&self, change: impl FnOnce(&mut RunView)) {
        self.write(change, false);
    }

    /// Changes the view in place: for what is not worth a step back.
    pub fn replace(&self, change: impl FnOnce(&mut RunView)) {
        self.write(change, true);
    }

    /// The address of another view.
    pub fn href(&self, change: impl FnOnce(&mut RunView)) -> String {
        self.address(self.view.get(), self.path.get(), change)
    }

    /// The view of the curves as a signal of its own that the address follows, and that follows the address.
    pub fn chart(&self) -> RwSignal<View> {
        let this = *self;
        let view = RwSignal::new(this.with_untracked(|view| view.chart));
        Effect::new(move |_| {
            let there = this.with(|view| view.chart);
            if view.get_untracked() != there {
                view.set(there);
            }
        });
        Effect::new(move |_| {
            let here = view.get();
            if this.with_untracked(|view| view.chart) != here {
                this.go(|view| view.chart = here);
            }
        });
        view
    }

    fn write(&self, change: impl FnOnce(&mut RunView), replace: bool) {
        let before = self.view.get_untracked();
        let mut after = before.clone();
        change(&mut after);
        if after.to_query() != before.to_query() {
            let address = self.address(after, self.path.get_untracked(), |_| ());
            self.navigate.run((address, replace));
        }
    }

    fn address(&self, mut view: RunView, path: String, change: impl FnOnce(&mut RunView)) -> String {
        change(&mut view);
        let query = view.to_query();
        // What a link's secret is in.
        let fragment = window().location().hash().unwrap_or_default();
        if query.is_empty() { format!("{path}{fragment}") } else { format!("{path}?{query}{fragment}") }
    }
}
