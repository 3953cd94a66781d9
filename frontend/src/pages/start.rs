//! The start page: what this is, an example with one click, the runs, and the tokeniser.

use crate::components::{ModelText, OpenSessionFile, RunList, Tokeniser};
use crate::connection::Connection;
use crate::draft::with_teacher;
use crate::format;
use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_navigate;
use shared::catalogue::{Catalogue, Preset, Teacher};
use shared::wire::{Command, Outcome};

/// Runs on this page; the sessions page has all.
const NEWEST_RUNS: usize = 5;

/// The start page.
#[component]
pub fn Start() -> impl IntoView {
    super::title("Start");
    let connection = Connection::get();
    let count = Memo::new(move |_| connection.runs.with(|runs| runs.as_ref().map_or(0, Vec::len)));
    let runs = Signal::derive(move || {
        connection.runs.with(|runs| runs.iter().flatten().take(NEWEST_RUNS).cloned().collect::<Vec<_>>())
    });
    let more = move || count.get() > NEWEST_RUNS;
    view! {
        <section class="hero">
            <h1>"Find a different prompt that does the same"</h1>
            <p class="lead">
                "Tell a language model " <q>"Talk only about cats."</q> " and it does; Steerage searches for other short "
                "texts with the same effect that read nothing like the instruction. You watch every step, and in the "
                "end see how much of the effect the found text has on prompts that the search never saw."
            </p>
        </section>
        <Examples/>
        <section class="panel" aria-labelledby="demo-title">
            <h2 id="demo-title">"Watch a recorded run"</h2>
            <p>
                "Every step of a finished search, to play and to scrub through, and its verdict: "
                <A href="/demo" attr:data-testid="open-demo">"open the recording"</A> "."
            </p>
        </section>
        <section class="panel"><OpenSessionFile/></section>
        <section class="panel" aria-labelledby="runs-title">
            <h2 id="runs-title">"Runs"</h2>
            <RunList runs/>
            <Show when=more>
                <p class="muted">
                    {move || format!("Showing the newest {NEWEST_RUNS} of {} runs. ", format::count(count.get() as u64))}
                    <A href="/sessions" attr:data-testid="all-runs">"See all"</A>
                </p>
            </Show>
        </section>
        <section class="panel" aria-labelledby="tokeniser-title">
            <h2 id="tokeniser-title">"Try the tokeniser"</h2>
            <p class="muted">
                "Type a text and see how the model reads it, and whether it would pass as a prefix that is unlike the \
                 reference."
            </p>
            <Tokeniser/>
        </section>
    }
}

/// Cards on the page; the form for a new run offers all teachers.
const EXAMPLES: usize = 6;

/// One card a teacher; the preset is chosen once for all of them.
#[component]
fn Examples() -> impl IntoView {
    let connection = Connection::get();
    let catalogue = move || connection.catalogue.get().unwrap_or_default();
    let chosen = RwSignal::new(0usize);
    let preset = move || catalogue().presets.get(chosen.get()).cloned();
    let presets = move || {
        let option = |(index, preset): (usize, &Preset)| {
            view! {
                <label class="choice">
                    <input
                        type="radio"
                        name="preset"
                        value=preset.name.clone()
                        prop:checked=move || chosen.get() == index
                        on:change=move |_| chosen.set(index)
                        data-testid=format!("preset-{}", preset.name)
                    />
                    <span>{preset.title.clone()}</span>
                </label>
            }
        };
        catalogue().presets.iter().enumerate().map(option).collect_view()
    };
    let cards = move || {
        let catalogue = catalogue();
        let card = |(index, teacher): (usize, &Teacher)| {
            view! { <Card teacher=teacher.clone() first=index == 0 preset=Signal::derive(preset)/> }
        };
        catalogue.teachers.iter().take(EXAMPLES).enumerate().map(card).collect_view()
    };
    view! {
        <section class="panel" aria-labelledby="examples-title">
            <h2 id="examples-title">"Start an example"</h2>
            <fieldset class="choices">
                <legend>"Method"</legend>
                {presets}
            </fieldset>
            <p class="muted" data-testid="preset-help">{move || preset().map(|preset| preset.help)}</p>
            <ul class="cards">{cards}</ul>
            <p>
                <A href="/new">"Set up a run of your own"</A>
                ": another instruction, your own prompts, other constraints."
            </p>
            <ModelFact catalogue=Signal::derive(catalogue)/>
        </section>
    }
}

#[component]
fn ModelFact(#[prop(into)] catalogue: Signal<std::sync::Arc<Catalogue>>) -> impl IntoView {
    let text = move || {
        let catalogue = catalogue.get();
        let model = catalogue.models.first()?;
        let missing = if model.available { "" } else { " It is not on the worker's disk yet." };
        Some(format!("Model: {} ({}, {}).{missing}", model.title, format::megabytes(model.size_bytes), model.licence))
    };
    view! { <p class="muted">{text}</p> }
}

#[component]
fn Card(teacher: Teacher, first: bool, preset: Signal<Option<Preset>>) -> impl IntoView {
    let connection = Connection::get();
    let navigate = StoredValue::new(use_navigate());
    let waiting = RwSignal::new(false);
    let refused = RwSignal::new(Vec::<String>::new());
    let test_id = if first { "start-example" } else { "start-other-example" };
    let name = format!("Start: {}", teacher.text);
    let (title, text) = (teacher.title.clone(), teacher.text.clone());
    let banned = (!teacher.concepts.is_empty()).then(|| format!("Without: {}", teacher.concepts.join(", ")));
    let start = move |_| {
        let Some(preset) = preset.get_untracked() else { return };
        waiting.set(true);
        refused.set(Vec::new());
        let spec = Box::new(with_teacher(&preset, &teacher));
        connection.command(Command::StartRun { spec }, move |outcome| {
            waiting.try_set(false);
            match outcome {
                Outcome::Done { run } => {
                    navigate.try_with_value(|navigate| navigate(&format!("/run/{run}"), Default::default()));
                }
                Outcome::Refused { errors } => {
                    refused.try_set(errors.into_iter().map(|error| error.to_string()).collect());
                }
            }
        });
    };
    let ready = move || connection.is_up() && preset.with(Option::is_some) && !waiting.get();
    view! {
        <li class="card">
            <p class="card-teacher"><q><ModelText text/></q></p>
            <p class="muted">{title}</p>
            <p class="muted">{banned}</p>
            <button
                type="button"
                class:primary=first
                data-testid=test_id
                aria-label=name
                disabled=move || !ready()
                on:click=start
            >
                {move || if waiting.get() { "Starting…" } else { "Start" }}
            </button>
            {move || refused.get().into_iter().map(|reason| view! { <p class="field-error">{reason}</p> }).collect_view()}
        </li>
    }
}
