//! Search, filters and order of the list.

use super::address::ListAddress;
use crate::components::ModelText;
use crate::connection::Connection;
use crate::run_query::{Order, RunQuery, phase_named};
use leptos::prelude::*;
use shared::wire::RunSummary;
use std::collections::BTreeSet;

/// Longest option of a list that is shown whole, in characters: a reference prefix may be a page long.
const OPTION_CHARS: usize = 60;

/// All that narrows the list.
#[component]
pub fn Filters(
    /// What is shown.
    address: ListAddress,
) -> impl IntoView {
    let narrowed = Memo::new(move |_| address.with(RunQuery::is_narrowed));
    let states = found(|run| run.state.name());
    let models = found(|run| &run.model);
    let teachers = found(|run| &run.teacher);
    let orders = Signal::derive(|| Order::ALL.map(|order| order.name().to_owned()).to_vec());
    let state = move || address.with(|query| query.state.map(|state| state.name().to_owned()).unwrap_or_default());
    let model = move || address.with(|query| query.model.clone().unwrap_or_default());
    let teacher = move || address.with(|query| query.teacher.clone().unwrap_or_default());
    let order = move || address.with(|query| query.order.name().to_owned());
    let order_title = |name: String| Order::named(&name).unwrap_or_default().title().to_owned();
    view! {
        <form
            class="session-filters"
            role="search"
            aria-label="Runs"
            on:submit=|event: leptos::ev::SubmitEvent| event.prevent_default()
        >
            <div class="field session-search">
                <label for="sessions-search">"Search"</label>
                <input
                    id="sessions-search"
                    type="search"
                    autocomplete="off"
                    spellcheck="false"
                    placeholder="Title, reference, prefix, tag or id"
                    data-testid="sessions-search"
                    prop:value=move || address.with(|query| query.search.clone())
                    on:input:target=move |event| address.type_search(event.target().value())
                />
            </div>
            <Select
                name="state" label="State" all="All states" options=states value=Signal::derive(state)
                set=move |state: String| address.go(|query| query.state = phase_named(&state))
            />
            <Select
                name="model" label="Model" all="All models" options=models value=Signal::derive(model)
                set=move |model: String| address.go(|query| query.model = some(model))
            />
            <Select
                name="teacher" label="Reference" all="All references" options=teachers value=Signal::derive(teacher)
                set=move |teacher: String| address.go(|query| query.teacher = some(teacher))
            />
            <Select
                name="order" label="Order" options=orders value=Signal::derive(order) title=order_title
                set=move |name: String| address.go(|query| query.order = Order::named(&name).unwrap_or_default())
            />
        </form>
        <TagChips address/>
        <Show when=move || narrowed.get()>
            <p>
                <button
                    type="button"
                    class="small"
                    data-testid="sessions-clear"
                    on:click=move |_| address.go(|query| {
                        *query = RunQuery { order: query.order, ..RunQuery::default() };
                    })
                >
                    "Clear search and filters"
                </button>
            </p>
        </Show>
    }
}

/// The different values that the runs have, in order.
fn found<T: AsRef<str> + ?Sized + 'static>(value: fn(&RunSummary) -> &T) -> Signal<Vec<String>> {
    let connection = Connection::get();
    let values = Memo::new(move |_| {
        connection.runs.with(|runs| {
            let values: BTreeSet<&str> = runs.iter().flatten().map(|run| value(run).as_ref()).collect();
            values.into_iter().map(str::to_owned).collect::<Vec<String>>()
        })
    });
    values.into()
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(OPTION_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A list to choose from; the empty value stands for all where there is such a choice.
#[component]
fn Select(
    name: &'static str,
    label: &'static str,
    #[prop(optional)] all: Option<&'static str>,
    options: Signal<Vec<String>>,
    value: Signal<String>,
    #[prop(into)] set: Callback<String>,
    #[prop(default = shorten)] title: fn(String) -> String,
) -> impl IntoView {
    // An address may name what no run has: the filter is shown all the same.
    let options = Memo::new(move |_| {
        let (mut options, value) = (options.get(), value.get());
        if !value.is_empty() && !options.contains(&value) {
            options.push(value);
        }
        options
    });
    let option = move |option: String| {
        let (this, text) = (option.clone(), title(option.clone()));
        view! { <option value=option.clone() title=option prop:selected=move || value.get() == this>{text}</option> }
    };
    let id = format!("sessions-{name}");
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <select id=id.clone() data-testid=id on:change:target=move |event| set.run(event.target().value())>
                {all.map(|all| view! {
                    <option value="" prop:selected=move || value.with(String::is_empty)>{all}</option>
                })}
                {move || options.get().into_iter().map(option).collect_view()}
            </select>
        </div>
    }
}

/// Every tag that a run has; a run must have all that are pressed.
#[component]
fn TagChips(address: ListAddress) -> impl IntoView {
    let connection = Connection::get();
    let tags = Memo::new(move |_| {
        let mut tags = address.with(|query| query.tags.clone());
        connection.runs.with(|runs| tags.extend(runs.iter().flatten().flat_map(|run| run.tags.clone())));
        tags
    });
    let chip = move |tag: String| view! { <li><TagButton tag address test_id="sessions-tag"/></li> };
    view! {
        <Show when=move || tags.with(|tags| !tags.is_empty())>
            <ul class="chips" aria-label="Tags">
                {move || tags.get().into_iter().map(chip).collect_view()}
            </ul>
        </Show>
    }
}

/// A tag that narrows the list to the runs that have it, and pressed again lets the others back in.
#[component]
pub fn TagButton(
    /// The tag.
    tag: String,
    /// What is shown.
    address: ListAddress,
    /// Handle for tests.
    test_id: &'static str,
) -> impl IntoView {
    let (name, text) = (tag.clone(), tag.clone());
    let tag = StoredValue::new(tag);
    let pressed = move || address.with(|query| tag.with_value(|tag| query.tags.contains(tag)));
    let toggle = move |_| {
        address.go(|query| {
            let tag = tag.get_value();
            if !query.tags.remove(&tag) {
                query.tags.insert(tag);
            }
        });
    };
    view! {
        <button
            type="button"
            class="chip"
            data-testid=test_id
            data-tag=name
            title="Only runs with this tag"
            aria-pressed=move || pressed().to_string()
            on:click=toggle
        >
            <ModelText text/>
        </button>
    }
}
