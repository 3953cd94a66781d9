//! The page: what a person sees of a worker.
//!
//! Data goes one way. [`connection`] hands the worker's events to a [`run::RunFeed`], which applies
//! them to the shared `RunState` and tells the page at most ten times a second to look again. Reload,
//! reconnect and a second browser are the same replay. `TESTIDS.md` lists the handles for tests.

mod attach;
mod attachment;
mod backoff;
mod charts;
mod clock;
mod compare;
mod compare_query;
mod components;
mod connection;
mod debounce;
mod draft;
mod export;
mod fetch;
mod fork;
mod format;
mod glyphs;
mod graphemes;
mod health;
mod line;
mod link;
mod opened;
mod pages;
mod past_runs;
mod player;
mod probe;
mod query_string;
mod run;
mod run_address;
mod run_query;
mod run_view;
mod share;
mod shortcuts;
mod storage;
mod suffix_rows;
mod thread;
mod throttle;
mod token_diff;
mod tokenizer;
mod uuid;
mod verifier;

use leptos::prelude::*;

fn main() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        // The program does not go on after a panic; the static page says so.
        if let Some(notice) = document().get_element_by_id("crash") {
            notice.remove_attribute("hidden").ok();
        }
    }));
    if let Some(shell) = document().get_element_by_id("boot") {
        shell.remove();
    }
    mount_to_body(pages::App);
}

#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
