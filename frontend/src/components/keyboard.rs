//! The keyboard on every page: shortcuts, the sheet that lists them, and the command palette.

use crate::connection::Connection;
use crate::shortcuts::{Act, Keys, SHORTCUTS, fits};
use crate::storage;
use leptos::ev;
use leptos::html::{Dialog, Input};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent};

/// Entries of the palette that are shown.
const MAX_ENTRIES: usize = 12;

/// Listens to the keys of the page; shows nothing until asked.
#[component]
pub fn Keyboard() -> impl IntoView {
    let (sheet, palette) = (NodeRef::<Dialog>::new(), NodeRef::<Dialog>::new());
    let typed = RwSignal::new(String::new());
    // Single keys get in the way of speech input, so that they can be switched off (WCAG 2.1.4).
    let single_keys = RwSignal::new(storage::get(storage::SINGLE_KEYS).as_deref() != Some("off"));
    let keys = StoredValue::new(Keys::default());
    let navigate = StoredValue::new_local(use_navigate());
    let open = move |dialog: NodeRef<Dialog>| {
        if let Some(dialog) = dialog.get_untracked().filter(|dialog| !dialog.open()) {
            dialog.show_modal().ok();
        }
    };
    let act = move |act: Act| match act {
        Act::Go(path) => navigate.with_value(|navigate| navigate(path, Default::default())),
        Act::Sheet => open(sheet),
        Act::Palette => {
            typed.set(String::new());
            open(palette);
        }
    };
    let listener = window_event_listener(ev::keydown, move |event: KeyboardEvent| {
        let with_command = event.ctrl_key() || event.meta_key();
        if with_command && event.key().eq_ignore_ascii_case("k") {
            event.prevent_default();
            return act(Act::Palette);
        }
        if with_command || event.alt_key() || !single_keys.get_untracked() || is_typing(&event) {
            return;
        }
        if let Some(Some(what)) = keys.try_update_value(|keys| keys.press(&event.key(), event.time_stamp())) {
            event.prevent_default();
            act(what);
        }
    });
    on_cleanup(move || listener.remove());
    let set_single_keys = move |on: bool| {
        single_keys.set(on);
        storage::set(storage::SINGLE_KEYS, if on { "on" } else { "off" });
    };
    view! {
        <dialog node_ref=sheet class="sheet" aria-labelledby="sheet-title" data-testid="shortcut-sheet">
            <h2 id="sheet-title">"Keyboard"</h2>
            <dl class="shortcuts">
                {SHORTCUTS
                    .iter()
                    .map(|shortcut| {
                        let keys = shortcut.keys.iter().map(|key| view! { <kbd>{*key}</kbd> " " }).collect_view();
                        view! { <dt>{keys}</dt> <dd>{shortcut.title}</dd> }
                    })
                    .collect_view()}
                <dt><kbd>"Ctrl"</kbd> " " <kbd>"K"</kbd></dt>
                <dd>"Search pages and runs, also while typing"</dd>
                <dt><kbd>"← →"</kbd> " " <kbd>"+"</kbd> " " <kbd>"−"</kbd> " " <kbd>"0"</kbd></dt>
                <dd>"On a chart: move the crosshair, zoom, show the whole run"</dd>
            </dl>
            <label class="inline">
                <input
                    type="checkbox"
                    prop:checked=single_keys
                    on:change:target=move |event| set_single_keys(event.target().checked())
                />
                "Single keys are shortcuts"
            </label>
            <form method="dialog" class="actions"><button class="primary">"Close"</button></form>
        </dialog>
        <dialog node_ref=palette class="sheet" aria-label="Search pages and runs" data-testid="palette">
            <Palette typed dialog=palette act/>
        </dialog>
    }
}

/// Whether the key goes into a field, or into a dialog that is open.
fn is_typing(event: &KeyboardEvent) -> bool {
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    let selector = "input, textarea, select, [contenteditable], dialog";
    target.is_some_and(|target| target.closest(selector).ok().flatten().is_some())
}

/// What the palette can do.
#[derive(Clone, PartialEq)]
struct Entry {
    title: String,
    act: EntryAct,
}

#[derive(Clone, PartialEq)]
enum EntryAct {
    Shortcut(Act),
    Run(String),
}

#[component]
fn Palette(
    typed: RwSignal<String>,
    dialog: NodeRef<Dialog>,
    act: impl Fn(Act) + Copy + Send + 'static,
) -> impl IntoView {
    let connection = Connection::get();
    let navigate = StoredValue::new_local(use_navigate());
    let input = NodeRef::<Input>::new();
    let chosen = RwSignal::new(0usize);
    let found = Memo::new(move |_| {
        let pages = SHORTCUTS.iter().filter(|shortcut| shortcut.act != Act::Palette);
        let pages =
            pages.map(|shortcut| Entry { title: shortcut.title.to_owned(), act: EntryAct::Shortcut(shortcut.act) });
        let runs = connection.runs.get().unwrap_or_default().into_iter().map(|run| Entry {
            title: format!("{} · {} · {}", run.teacher, run.preset, run.state.name()),
            act: EntryAct::Run(run.run),
        });
        let typed = typed.get();
        pages.chain(runs).filter(|entry| fits(&entry.title, &typed)).collect::<Vec<_>>()
    });
    Effect::new(move |_| {
        typed.track();
        chosen.set(0);
    });
    let close = move || {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let carry_out = move |entry: Entry| {
        close();
        match entry.act {
            EntryAct::Shortcut(what) => act(what),
            EntryAct::Run(run) => navigate.with_value(|navigate| navigate(&format!("/run/{run}"), Default::default())),
        }
    };
    let on_key = move |event: KeyboardEvent| {
        let count = found.with_untracked(Vec::len).min(MAX_ENTRIES);
        match event.key().as_str() {
            "ArrowDown" => chosen.update(|chosen| *chosen = (*chosen + 1) % count.max(1)),
            "ArrowUp" => chosen.update(|chosen| *chosen = (*chosen + count.max(1) - 1) % count.max(1)),
            "Enter" => {
                if let Some(entry) = found.with_untracked(|found| found.get(chosen.get_untracked()).cloned()) {
                    carry_out(entry);
                }
            }
            _ => return,
        }
        event.prevent_default();
    };
    let hidden = move || found.with(Vec::len).saturating_sub(MAX_ENTRIES);
    view! {
        <input
            node_ref=input
            type="search"
            role="combobox"
            aria-expanded="true"
            aria-controls="palette-list"
            aria-activedescendant=move || format!("palette-{}", chosen.get())
            aria-label="Search pages and runs"
            autocomplete="off"
            data-testid="palette-input"
            prop:value=typed
            on:input:target=move |event| typed.set(event.target().value())
            on:keydown=on_key
        />
        <ul id="palette-list" class="palette" role="listbox" aria-label="Pages and runs">
            {move || {
                let entry = |(index, entry): (usize, Entry)| {
                    let title = entry.title.clone();
                    view! {
                        <li
                            id=format!("palette-{index}")
                            role="option"
                            aria-selected=move || (chosen.get() == index).to_string()
                            data-testid="palette-entry"
                            on:click=move |_| carry_out(entry.clone())
                        >
                            {title}
                        </li>
                    }
                };
                found.get().into_iter().take(MAX_ENTRIES).enumerate().map(entry).collect_view()
            }}
        </ul>
        <p class="muted" role="status">
            {move || match (found.with(Vec::is_empty), hidden()) {
                (true, _) => "Nothing fits.".to_owned(),
                (_, 0) => String::new(),
                (_, more) => format!("Showing {MAX_ENTRIES} of {}.", more + MAX_ENTRIES),
            }}
        </p>
    }
}
