//! A row of which one item is a tab stop, and arrow keys lead to the others.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, KeyboardEvent};

/// Which item keys lead to: arrows to the neighbours, Home and End to the ends.
fn target(key: &str, at: usize, count: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    match key {
        "ArrowLeft" | "ArrowUp" => Some(at.saturating_sub(1)),
        "ArrowRight" | "ArrowDown" => Some((at + 1).min(last)),
        "Home" => Some(0),
        "End" => Some(last),
        _ => None,
    }
}

/// The item that is a tab stop; copies share it.
#[derive(Clone, Copy)]
pub struct Roving {
    at: RwSignal<usize>,
    count: usize,
}

impl Roving {
    /// A row of so many items, of which `at` is the tab stop.
    pub fn new(at: usize, count: usize) -> Self {
        Roving { at: RwSignal::new(at.min(count.saturating_sub(1))), count }
    }

    /// An item's `tabindex`.
    pub fn tabindex(&self, item: usize) -> &'static str {
        if self.at.get() == item { "0" } else { "-1" }
    }

    /// Makes an item the tab stop: for when it is focused.
    pub fn set(&self, item: usize) {
        self.at.set(item.min(self.count.saturating_sub(1)));
    }

    /// Takes a key: moves the focus inside the row that the event is caught on, and returns where to.
    pub fn key(&self, event: &KeyboardEvent) -> Option<usize> {
        if event.alt_key() || event.ctrl_key() || event.meta_key() {
            return None;
        }
        let next = target(&event.key(), self.at.get_untracked(), self.count)?;
        event.prevent_default();
        let row = event.current_target()?.dyn_into::<Element>().ok()?;
        let item = row.query_selector(&format!("[data-item=\"{next}\"]")).ok()??;
        item.dyn_into::<HtmlElement>().ok()?.focus().ok()?;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn keys_lead_to_neighbours_and_ends_and_stop_there() {
        let rows =
            [("ArrowRight", 1, Some(2)), ("ArrowDown", 3, Some(3)), ("ArrowLeft", 0, Some(0)), ("Home", 2, Some(0))];
        for (key, at, expected) in rows {
            assert_eq!(target(key, at, 4), expected, "{key} at {at}");
        }
        assert_eq!((target("End", 0, 4), target("Tab", 0, 4), target("End", 0, 0)), (Some(3), None, None));
    }
}
