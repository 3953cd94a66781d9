//! Letting others see a run: its session file, and links that can be taken back.

use super::CopyButton;
use super::share_list::ShareList;
use crate::connection::Connection;
use crate::opened::{Opened, open};
use crate::run::RunFeed;
use crate::{attachment, fetch, format, share};
use leptos::html::Dialog;
use leptos::prelude::*;
use shared::event::Event;
use shared::recording::Part;
use shared::wire::{Command, Outcome};
use std::sync::Arc;

/// Lives that a link can have: their names, and seconds.
const LIVES: [(&str, u64); 5] =
    [("1 hour", 3600), ("1 day", 86_400), ("7 days", 7 * 86_400), ("30 days", 30 * 86_400), ("1 year", 365 * 86_400)];

/// The life that is offered first.
const FIRST_LIFE: usize = 2;

/// Characters of a preview that are shown; the file itself can be downloaded and read.
const PREVIEW_CHARS: usize = 200_000;

/// What the toggles say, part by part.
const PARTS: [(Part, &str); 3] = [
    (Part::SuffixTexts, "Prompts and completions"),
    (Part::Config, "Settings of the method: parameters, constraints, budget, seed"),
    (Part::Log, "How the search went: curve, candidates, flips"),
];

/// Buttons for a run that is over.
#[component]
pub fn ShareRun(
    /// The run.
    id: String,
    /// Its log.
    feed: RunFeed,
) -> impl IntoView {
    let over = feed.part(|state| state.phase.is_over());
    let dialog = NodeRef::<Dialog>::new();
    let problem = RwSignal::new(None::<String>);
    let id = StoredValue::new(id);
    // Made when it is first asked for, and anew each time.
    let asked = RwSignal::new(0u32);
    let keep = move |_| {
        problem.set(None);
        leptos::task::spawn_local(async move {
            let run = id.get_value();
            let file = fetch::of_worker(&format!("/api/runs/{run}/session")).await;
            let kept = file.map_err(|refused| refused.message).and_then(|file| {
                let name = format!("{run}.steerage");
                fetch::save_bytes(&name, &file).map_err(|_| "the browser refused to keep it".to_owned())
            });
            if let Err(reason) = kept {
                problem.try_set(Some(format!("The session file could not be had: {reason}.")));
            }
        });
    };
    let show = move |_| {
        asked.update(|asked| *asked += 1);
        if let Some(dialog) = dialog.get_untracked().filter(|dialog| !dialog.open()) {
            dialog.show_modal().ok();
        }
    };
    view! {
        <Show when=move || over.get()>
            <button
                type="button"
                data-testid="download-session"
                title="The whole log in one file, for others and for later"
                on:click=keep
            >
                "Download"
            </button>
            <button type="button" data-testid="share" title="A link that shows this run, and can be taken back" on:click=show>
                "Share"
            </button>
        </Show>
        {move || problem.get().map(|reason| view! { <p class="field-error" role="alert">{reason}</p> })}
        <dialog node_ref=dialog class="sheet share-dialog" aria-labelledby="share-title" data-testid="share-dialog">
            <h2 id="share-title">"Share this run"</h2>
            {move || (asked.get() > 0).then(|| view! { <ShareForm id=id.get_value()/> })}
            <form method="dialog">
                <button type="submit" data-testid="share-close">"Close"</button>
            </form>
        </dialog>
    }
}

/// What is to leave, what that is exactly, and the links that there are.
#[component]
fn ShareForm(id: String) -> impl IntoView {
    let connection = Connection::get();
    let id = StoredValue::new(id);
    // Prompts stay unless somebody wants them to leave: they are the user's own words.
    let kept = RwSignal::new(vec![Part::Config, Part::Log]);
    let with_view = RwSignal::new(true);
    let life = RwSignal::new(FIRST_LIFE);
    let preview = RwSignal::new(None::<Result<Arc<Opened>, String>>);
    let link = RwSignal::new(None::<String>);
    let refused = RwSignal::new(Vec::<String>::new());
    let waiting = RwSignal::new(false);
    let list_again = RwSignal::new(0u32);
    let left_out =
        move || Part::ALL.into_iter().filter(|part| !kept.with(|kept| kept.contains(part))).collect::<Vec<_>>();
    let view_now = move || {
        let search = window().location().search().unwrap_or_default();
        let view = search.trim_start_matches('?').to_owned();
        Some(view).filter(|view| with_view.get() && !view.is_empty() && shared::share::is_view(view))
    };
    let address_of = move |what: &str| {
        let view = js_sys::encode_uri_component(&view_now().unwrap_or_default());
        format!("/api/runs/{}/{what}?left_out={}&view={view}", id.get_value(), names_of(&left_out()))
    };
    // The very file that would leave, made by the worker: whatever is changed above changes it.
    Effect::new(move |_| {
        let (names, address) = (names_of(&left_out()), address_of("snapshot"));
        preview.set(None);
        leptos::task::spawn_local(async move {
            let file = fetch::of_worker(&address).await;
            let opened = file.map_err(|refused| refused.message).and_then(|file| open("shared.steerage", file));
            // An answer to an older question is of no use.
            if kept.try_with_untracked(|_| ()).is_some() && names_of(&left_out_untracked(kept)) == names {
                preview.try_set(Some(opened));
            }
        });
    });
    let make = move |_| {
        refused.set(Vec::new());
        let Some(secret) = share::new_secret() else {
            return refused.set(vec!["This browser has no random numbers for a secret.".to_owned()]);
        };
        waiting.set(true);
        let command = Command::CreateShare {
            run: id.get_value(),
            share: shared::share::name_of(&secret),
            lifetime_secs: LIVES[life.get_untracked()].1,
            left_out: left_out_untracked(kept),
            view: untrack(view_now),
        };
        connection.command(command, move |outcome| {
            waiting.try_set(false);
            list_again.try_update(|again| *again += 1);
            match outcome {
                Outcome::Done { .. } => {
                    // A worker serves the links that it made.
                    let own = || window().location().origin().unwrap_or_default();
                    let origin = attachment::origin().unwrap_or_else(own);
                    link.try_set(Some(share::address(&origin, &secret)));
                }
                Outcome::Refused { errors } => {
                    refused.try_set(errors.into_iter().map(|error| error.to_string()).collect());
                }
            }
        });
    };
    let keep_site = move |_| {
        refused.set(Vec::new());
        waiting.set(true);
        let address = untrack(|| address_of("site"));
        leptos::task::spawn_local(async move {
            let archive = fetch::of_worker(&address).await;
            let kept = archive.map_err(|refused| refused.message).and_then(|archive| {
                let kept = fetch::save_bytes("steerage-site.zip", &archive);
                kept.map_err(|_| "the browser refused to keep it".to_owned())
            });
            waiting.try_set(false);
            if let Err(reason) = kept {
                refused.try_set(vec![format!("The folder could not be had: {reason}.")]);
            }
        });
    };
    let is_ready = move || !waiting.get() && matches!(preview.get(), Some(Ok(_)));
    view! {
        <p class="muted">
            "A link shows a snapshot that is made now and never changes. Whoever has it can look, and nothing else; it "
            "works where this worker can be reached. For everyone else, put the same on any web server as a folder, or "
            "send the session file (" <strong>"Download"</strong> " on the run's page)."
        </p>
        <fieldset class="choices-stacked">
            <legend>"What leaves"</legend>
            <label class="inline">
                <input type="checkbox" checked disabled/>
                "The reference prefix, the found prefix, the verdict and its numbers"
            </label>
            {PARTS
                .map(|(part, title)| {
                    view! {
                        <label class="inline">
                            <input
                                type="checkbox"
                                data-testid=format!("share-{}", part.name())
                                prop:checked=move || kept.with(|kept| kept.contains(&part))
                                on:change:target=move |event| {
                                    let is_kept = event.target().checked();
                                    kept.update(|kept| {
                                        kept.retain(|other| *other != part);
                                        if is_kept {
                                            kept.push(part);
                                        }
                                    });
                                }
                            />
                            {title}
                        </label>
                    }
                })
                .collect_view()}
            <label class="inline">
                <input
                    type="checkbox"
                    data-testid="share-view"
                    prop:checked=with_view
                    on:change:target=move |event| with_view.set(event.target().checked())
                />
                "The view as it is now: what is selected on this page"
            </label>
        </fieldset>
        <label class="inline">
            "The link is good for "
            <select
                data-testid="share-life"
                on:change:target=move |event| life.set(event.target().value().parse().unwrap_or(FIRST_LIFE))
            >
                {LIVES
                    .iter()
                    .enumerate()
                    .map(|(at, (name, _))| {
                        view! { <option value=at.to_string() selected=at == FIRST_LIFE>{*name}</option> }
                    })
                    .collect_view()}
            </select>
        </label>
        <Preview preview/>
        <div class="actions">
            <button
                type="button"
                class="primary"
                data-testid="share-make"
                disabled=move || !is_ready() || !connection.is_up()
                on:click=make
            >
                "Make a link"
            </button>
            <button
                type="button"
                data-testid="share-site"
                title="This page and what leaves, as a folder (.zip) that works without a worker at the root of an address"
                disabled=move || !is_ready()
                on:click=keep_site
            >
                "Download as a website"
            </button>
            {move || refused.get().into_iter().map(|reason| view! { <p class="field-error">{reason}</p> }).collect_view()}
        </div>
        {move || {
            link.get()
                .map(|address| {
                    let text = address.clone();
                    view! {
                        <p class="share-link" role="status">
                            <strong>"The link, shown once: "</strong>
                            <code data-testid="share-link">{address}</code>
                            " "
                            <CopyButton label="link" text=Signal::derive(move || text.clone()) test_id="copy-link"/>
                        </p>
                    }
                })
        }}
        <ShareList id=id.get_value() again=list_again/>
    }
}

fn left_out_untracked(kept: RwSignal<Vec<Part>>) -> Vec<Part> {
    let kept = kept.try_get_untracked().unwrap_or_default();
    Part::ALL.into_iter().filter(|part| !kept.contains(part)).collect()
}

fn names_of(parts: &[Part]) -> String {
    parts.iter().map(|part| part.name()).collect::<Vec<_>>().join(",")
}

/// Exactly what leaves.
#[component]
fn Preview(preview: RwSignal<Option<Result<Arc<Opened>, String>>>) -> impl IntoView {
    move || match preview.get() {
        None => view! { <progress aria-label="Making the preview"></progress> }.into_any(),
        Some(Err(reason)) => {
            view! { <p class="field-error" role="alert" data-testid="share-preview-failed">{reason}</p> }.into_any()
        }
        Some(Ok(opened)) => {
            let session = &opened.session;
            let count = |what: fn(&Event) -> usize| {
                session.recording.events.iter().map(|stamped| what(&stamped.event)).sum::<usize>() as u64
            };
            let prompts = count(|event| match event {
                Event::SuffixMeasured { suffix } => usize::from(!suffix.text.is_empty()),
                _ => 0,
            });
            let candidates = count(|event| match event {
                Event::Candidates { candidates, .. } => candidates.len(),
                _ => 0,
            });
            let summary = format!(
                "{} events in {} bytes: {} prompts, {} candidates. Neither the run's title and tags, nor folders or \
                 names of this machine.",
                format::count(session.recording.events.len() as u64),
                format::count(opened.file.len() as u64),
                format::count(prompts),
                format::count(candidates),
            );
            let text: String = session.content.chars().take(PREVIEW_CHARS).collect();
            let is_cut = text.len() < session.content.len();
            let file = Arc::clone(&opened);
            let keep = move |_| {
                fetch::save_bytes("shared.steerage", &file.file).ok();
            };
            view! {
                <p data-testid="share-summary">{summary}</p>
                <details data-testid="share-preview">
                    <summary>"Every line that leaves"</summary>
                    <Show when=move || is_cut>
                        <p class="muted">{format!("The first {} characters:", format::count(PREVIEW_CHARS as u64))}</p>
                    </Show>
                    <pre class="preview" tabindex="0" data-testid="share-lines">{text}</pre>
                    <button type="button" class="small" on:click=keep>"Download exactly this"</button>
                </details>
            }
            .into_any()
        }
    }
}
