//! A session that is only looked at: what it is, its replay, and what can be made of it.

use super::demo::Replay;
use super::recorded_compare::CompareWithRun;
use crate::components::CopyButton;
use crate::connection::Connection;
use crate::opened::{Opened, OpenedSession};
use crate::{export, fetch, fork};
use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_navigate;
use shared::event::Event;
use shared::recording::Part;
use shared::spec::RunSpec;
use shared::wire::{Command, Outcome};
use std::sync::Arc;

/// The whole page of an open session.
#[component]
pub fn Recorded(
    /// The session.
    opened: Arc<Opened>,
    /// Where the session comes from, as a sentence.
    #[prop(into)]
    origin: String,
) -> impl IntoView {
    // For the pages that do more with it.
    OpenedSession::get().opened.set(Some(Arc::clone(&opened)));
    let about = opened.session.recording.about.clone();
    let left_out: Vec<&str> = about.left_out.iter().map(|&part| what_is_missing(part)).collect();
    let sentence = (!left_out.is_empty()).then(|| format!("Left out by whoever shared it: {}.", left_out.join("; ")));
    let file = Arc::clone(&opened);
    let keep = move |_| {
        let name = if file.name.ends_with(".steerage") { file.name.as_str() } else { "session.steerage" };
        if let Err(error) = fetch::save_bytes(name, &file.file) {
            leptos::logging::error!("the file cannot be kept: {error:?}");
        }
    };
    let spec = spec_of(&opened).filter(|_| !about.left_out.contains(&Part::Config));
    let events = Arc::new(opened.session.recording.events.clone());
    view! {
        <section class="panel recorded-banner" aria-labelledby="recorded-title" data-testid="read-only">
            <h1 id="recorded-title">{about.title.clone().unwrap_or_else(|| "A shared run".to_owned())}</h1>
            <p>
                <strong>"Read only. "</strong>
                {origin.clone()}
                " Nobody can change it here, and looking at it tells nobody what you do with it."
            </p>
            {sentence.map(|sentence| view! { <p data-testid="left-out">{sentence}</p> })}
            <p class="muted">
                "Content SHA-256: " <code class="hash" data-testid="session-hash">{opened.session.sha256.clone()}</code>
            </p>
            <div class="actions">
                <button type="button" data-testid="keep-session" on:click=keep>"Download session file"</button>
                // The page at /verify takes the session from OpenedSession and computes its numbers again.
                <A href="/verify" attr:class="button" attr:data-testid="verify-session">"Verify in this browser"</A>
            </div>
        </section>
        <Fork spec opened=Arc::clone(&opened)/>
        <Replay events origin/>
    }
}

fn what_is_missing(part: Part) -> &'static str {
    match part {
        Part::SuffixTexts => "the prompts and completions",
        Part::Config => "the settings of the method",
        Part::Log => "how the search went",
    }
}

fn spec_of(opened: &Opened) -> Option<RunSpec> {
    opened.session.recording.events.iter().rev().find_map(|stamped| match &stamped.event {
        Event::Queued { spec } => Some((**spec).clone()),
        _ => None,
    })
}

/// The same run on a worker of one's own.
#[component]
fn Fork(spec: Option<RunSpec>, opened: Arc<Opened>) -> impl IntoView {
    let Some(spec) = spec else {
        return view! {
            <section class="panel" data-testid="fork-impossible">
                <h2>"Run it yourself"</h2>
                <p class="muted">"The settings of the method were left out, so that this run cannot be made again from here."</p>
            </section>
        }
        .into_any();
    };
    let connection = Connection::get();
    let up = Memo::new(move |_| connection.is_up());
    let (spec, opened) = (StoredValue::new(spec), StoredValue::new(opened));
    view! {
        <section class="panel" aria-labelledby="fork-title" data-testid="fork">
            <h2 id="fork-title">"Run it yourself"</h2>
            <p class="muted">
                "The same settings and seed give the same events on the same kind of CPU. Afterwards this page, opened on "
                "your worker, and " <code>"steerage compare-logs FILE RUN"</code>
                " compare the two step by step and name the first difference."
            </p>
            <Show when=move || up.get() fallback=move || view! { <ForkElsewhere spec/> }>
                <ForkHere spec/>
                <CompareWithRun opened=opened.get_value()/>
            </Show>
        </section>
    }
    .into_any()
}

/// This page belongs to a worker that may be used.
#[component]
fn ForkHere(spec: StoredValue<RunSpec>) -> impl IntoView {
    let connection = Connection::get();
    let navigate = StoredValue::new_local(use_navigate());
    let waiting = RwSignal::new(false);
    let refused = RwSignal::new(Vec::<String>::new());
    let start = move |_| {
        waiting.set(true);
        refused.set(Vec::new());
        let spec = Box::new(spec.get_value());
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
    let change = move |_| {
        super::new_run::keep_as_draft(&spec.get_value());
        navigate.with_value(|navigate| navigate("/new", Default::default()));
    };
    view! {
        <div class="actions">
            <button
                type="button"
                class="primary"
                data-testid="fork-run"
                disabled=move || waiting.get()
                on:click=start
            >
                "Run this on my worker"
            </button>
            <button type="button" data-testid="fork-change" on:click=change>"Change it first"</button>
            {move || refused.get().into_iter().map(|reason| view! { <p class="field-error">{reason}</p> }).collect_view()}
        </div>
    }
}

/// This page has no worker, or one that belongs to somebody else.
#[component]
fn ForkElsewhere(spec: StoredValue<RunSpec>) -> impl IntoView {
    let worker = RwSignal::new(fork::DEFAULT_WORKER.to_owned());
    let address = move || spec.with_value(|spec| fork::address(&worker.get(), spec));
    let toml = spec.with_value(|spec| export::to_toml(spec).unwrap_or_default());
    view! {
        <label for="fork-worker">"Address of your worker"</label>
        <div class="input-row">
            <input
                id="fork-worker"
                type="url"
                spellcheck="false"
                data-testid="fork-worker"
                prop:value=worker
                on:input:target=move |event| worker.set(event.target().value())
            />
            {move || match address() {
                Some(address) => view! {
                    <a class="button primary" data-testid="fork-elsewhere" href=address target="_blank" rel="noopener noreferrer">
                        "Run this on my worker"
                    </a>
                }
                .into_any(),
                None => view! { <p class="field-error">"An address begins with http://."</p> }.into_any(),
            }}
        </div>
        <p class="muted">
            "It opens the worker's form with exactly these settings; you start the run there. Or save them as "
            <code>{export::FILE_NAME}</code> " for " <code>{format!("steerage run {}", export::FILE_NAME)}</code> ": "
            <CopyButton label="TOML" text=Signal::derive(move || toml.clone()) test_id="fork-toml"/>
        </p>
    }
}
