//! Verification: a recording's claims, computed again in this browser, and a playground with the same model.

mod desk;
mod model;
mod outcome;
mod playground;

use crate::components;
use crate::connection::Connection;
use crate::fetch;
use crate::link::Standing;
use crate::opened::{self, Opened, OpenedSession};
use crate::run::RunFeed;
use desk::Desk;
use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_query_map;
use shared::event::Stamped;
use shared::recording;
use shared::verification::{Claims, sums};
use std::sync::Arc;
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;

/// The recording that ships with the page.
const RECORDING: &str = "/demo.jsonl";

/// What is verified.
#[derive(Clone)]
enum Subject {
    /// A run of the worker.
    Run(String),
    /// A recording, where it came from, and the secret of the link that showed it.
    Recording(String, Arc<Vec<Stamped>>, Option<String>),
    /// There is none, for this reason.
    Unreadable(String),
}

impl Subject {
    fn of(session: &Opened) -> Self {
        let events = Arc::new(session.session.recording.events.clone());
        Subject::Recording(session.name.clone(), events, session.link.clone())
    }
}

/// The page.
#[component]
pub fn Verify() -> impl IntoView {
    super::title("Verify");
    let query = use_query_map();
    let subject = RwSignal::new(None::<Subject>);
    let (run, demo) = query.with_untracked(|query| (query.get("run"), query.get("demo").is_some()));
    let opened = OpenedSession::get().opened.get_untracked().filter(|_| !demo);
    match (run, opened) {
        (Some(run), _) => subject.set(Some(Subject::Run(run))),
        (None, Some(session)) => subject.set(Some(Subject::of(&session))),
        (None, None) => leptos::task::spawn_local(async move {
            let text = fetch::text(RECORDING).await;
            let events = text.and_then(|text| recording::parse(&text).map_err(|error| error.to_string()));
            let read = match events {
                Ok(events) => Subject::Recording("The recorded run".to_owned(), Arc::new(events), None),
                Err(reason) => Subject::Unreadable(format!("The recorded run cannot be read: {reason}.")),
            };
            // The page may have been left meanwhile.
            subject.try_set(Some(read));
        }),
    }
    let open = move |input: HtmlInputElement| {
        let Some(file) = input.files().and_then(|files| files.get(0)) else { return };
        leptos::task::spawn_local(async move {
            let read = match components::read_session(&file).await.and_then(|bytes| opened::open(&file.name(), bytes)) {
                Ok(session) => Subject::of(&session),
                Err(reason) => Subject::Unreadable(reason),
            };
            subject.try_set(Some(read));
        });
    };
    view! {
        <section class="panel" aria-labelledby="verify-title">
            <h1 id="verify-title">"Verify in this browser"</h1>
            <p>
                "A result is a claim: this prefix gives these numbers and these texts. Here your browser loads the \
                 model and computes them again, with the program that the worker computes with. Nothing leaves \
                 this page."
            </p>
            <div class="field">
                <label for="verify-file">"Another session file or recording (" <code>".steerage"</code> " or " <code>".jsonl"</code> ")"</label>
                <input
                    id="verify-file"
                    type="file"
                    accept=".jsonl,.steerage"
                    data-testid="verify-file"
                    on:change:target=move |event| open(event.target().unchecked_into())
                />
            </div>
        </section>
        {move || match subject.get() {
            None => view! {
                <section class="panel notice-page"><h2>"Loading the recording"</h2><progress></progress></section>
            }
            .into_any(),
            Some(Subject::Unreadable(reason)) => view! {
                <section class="panel notice-page" role="alert" data-testid="verify-unreadable">
                    <h2>"This is no recording of a run"</h2>
                    <p>{reason}</p>
                </section>
            }
            .into_any(),
            Some(Subject::Run(id)) => view! { <OfWorker id/> }.into_any(),
            Some(Subject::Recording(name, events, link)) => {
                let feed = RunFeed::recorded();
                feed.replay(&events);
                view! { <Claimed name feed link/> }.into_any()
            }
        }}
    }
}

/// What is shown of a run that the worker has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Result,
    Waiting,
    /// The worker does not know who asks.
    Door,
    /// The worker has no such run.
    Nowhere,
}

/// A run that the worker has.
#[component]
fn OfWorker(id: String) -> impl IntoView {
    let connection = Connection::get();
    let feed = RunFeed::new();
    let run = StoredValue::new(id);
    let known = Memo::new(move |_| {
        connection.runs.with(|runs| runs.iter().flatten().any(|listed| run.with_value(|run| listed.run == *run)))
    });
    Effect::new(move |_| {
        if known.get() {
            feed.follow(connection, run.get_value());
        }
    });
    let is_there = feed.part(|state| state.result.is_some());
    // What was computed must not go because the connection does: only another place is shown anew.
    let place = Memo::new(move |_| match (is_there.get(), known.get(), connection.standing.get()) {
        (true, _, _) => Place::Result,
        (_, _, Standing::SignedOut | Standing::Unauthorised) => Place::Door,
        (_, false, Standing::Live) => Place::Nowhere,
        _ => Place::Waiting,
    });
    move || match place.get() {
        Place::Result => view! { <Claimed name=format!("Run {}", run.get_value()) feed link=None/> }.into_any(),
        Place::Door => view! {
            <section class="panel notice-page">
                <h2>"The worker wants to know who you are"</h2>
                <p><A href="/" attr:class="button">"Sign in"</A></p>
            </section>
        }
        .into_any(),
        Place::Nowhere => view! {
            <section class="panel notice-page" data-testid="unknown-run">
                <h2>"This worker has no such run"</h2>
                <p>"Its id is " <code>{run.get_value()}</code> "."</p>
            </section>
        }
        .into_any(),
        Place::Waiting => view! {
            <section class="panel notice-page"><h2>"Waiting for the run's result"</h2><progress></progress></section>
        }
        .into_any(),
    }
}

/// What a log claims, where it claims anything.
#[component]
fn Claimed(name: String, feed: RunFeed, link: Option<String>) -> impl IntoView {
    // A recording does not change, and a run with a result neither.
    let claimed = feed.with(|state| Claims::of(state).map(|claims| (claims, sums(state))));
    match claimed {
        Ok((claims, sums)) => view! { <Desk name claims sums link/> }.into_any(),
        Err(error) => view! {
            <section class="panel notice-page" role="alert" data-testid="verify-unreadable">
                <h2>"There is nothing to verify"</h2>
                <p>{format!("{error}.")}</p>
            </section>
        }
        .into_any(),
    }
}
