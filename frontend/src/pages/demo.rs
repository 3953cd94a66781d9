//! A recorded run, replayed in the browser: every event on its own time, with a scrubber. No worker is asked.

use super::run::Body;
use crate::fetch;
use crate::format;
use crate::player::Player;
use crate::run::RunFeed;
use crate::run_address::RunAddress;
use leptos::prelude::*;
use shared::event::{Event, Stamped};
use shared::recording;
use std::sync::Arc;
use std::time::Duration;

/// The recording that ships with the page; `docs/development.md` says how it is made.
const RECORDING: &str = "/demo.jsonl";

/// Time between two looks at the player, in milliseconds.
const TICK_MS: u64 = 100;

/// Times as fast as it was.
const SPEEDS: [f64; 4] = [1.0, 4.0, 16.0, 64.0];

/// The demo page.
#[component]
pub fn Demo() -> impl IntoView {
    super::title("Recorded run");
    let loaded = RwSignal::new(None::<Result<Arc<Vec<Stamped>>, String>>);
    let load = move || {
        loaded.set(None);
        leptos::task::spawn_local(async move {
            let text = fetch::text(RECORDING).await;
            let events = text.and_then(|text| recording::parse(&text).map_err(|error| error.to_string()));
            // The page may have been left meanwhile.
            loaded.try_set(Some(events.map(Arc::new)));
        });
    };
    load();
    move || match loaded.get() {
        None => view! {
            <section class="panel notice-page"><h1>"Loading the recording"</h1><progress></progress></section>
        }
        .into_any(),
        Some(Err(reason)) => view! {
            <section class="panel notice-page" role="alert" data-testid="demo-failed">
                <h1>"The recording cannot be shown"</h1>
                <p>{reason}</p>
                <p><button type="button" on:click=move |_| load()>"Try again"</button></p>
            </section>
        }
        .into_any(),
        Some(Ok(events)) => {
            view! { <Replay events origin="A search as it happened, written down by steerage run --record."/> }
                .into_any()
        }
    }
}

/// A recorded run with the controls to play it.
#[component]
pub(super) fn Replay(
    /// Its events, at least one.
    events: Arc<Vec<Stamped>>,
    /// Where the recording comes from.
    #[prop(into)]
    origin: String,
) -> impl IntoView {
    let address = RunAddress::provide();
    let feed = RunFeed::recorded();
    let mut player = Player::new(&events);
    let there =
        address.with_untracked(|view| view.other.iter().find(|(name, _)| name == "at").map(|(_, at)| at.clone()));
    if let Some(place) = there.and_then(|at| at.parse().ok()) {
        player.seek(place);
    }
    let (count, total_secs) = (player.len(), player.total_secs());
    let player = RwSignal::new(player);
    let playing = RwSignal::new(false);
    let speed = RwSignal::new(SPEEDS[2]);
    let place = Memo::new(move |_| player.with(Player::place));

    let shown = Arc::clone(&events);
    Effect::new(move |_| feed.replay(&shown[..place.get().min(shown.len())]));

    // The address follows when the replay stands still, so that a reload and a link show the same.
    let keep_place = move || {
        let at = (!player.with_untracked(Player::is_over)).then(|| place.get_untracked().to_string());
        address.replace(|view| view.set_other("at", at));
    };
    let tick = move || {
        if playing.get_untracked() {
            player.update(|player| player.advance(TICK_MS as f64 * speed.get_untracked()));
            if player.with_untracked(Player::is_over) {
                playing.set(false);
                keep_place();
            }
        }
    };
    if let Ok(interval) = set_interval_with_handle(tick, Duration::from_millis(TICK_MS)) {
        on_cleanup(move || interval.clear());
    }
    let seek = move |place: usize| {
        playing.set(false);
        player.update(|player| player.seek(place));
        keep_place();
    };
    let toggle = move |_| {
        if playing.get_untracked() {
            playing.set(false);
            keep_place();
        } else {
            if player.with_untracked(Player::is_over) {
                player.update(|player| player.seek(1));
            }
            playing.set(true);
        }
    };
    let where_it_is = move || {
        let elapsed = format::duration(player.with(Player::elapsed_secs));
        format!("{elapsed} of {}, event {} of {count}", format::duration(total_secs), place.get())
    };
    let id = events.first().map(|stamped| stamped.run.clone()).unwrap_or_default();
    view! {
        <section class="panel replay" aria-labelledby="replay-title" data-testid="replay">
            <h2 id="replay-title">"Recorded run"</h2>
            <p class="muted">{origin} " Nothing is computed in this page; every number was measured then."</p>
            <div class="input-row">
                <button type="button" class="primary" data-testid="replay-toggle" on:click=toggle>
                    {move || if playing.get() { "Pause" } else { "Play" }}
                </button>
                <input
                    type="range"
                    class="scrubber"
                    data-testid="scrubber"
                    aria-label="Place in the recording"
                    aria-valuetext=where_it_is
                    min="1"
                    max=count
                    prop:value=move || place.get()
                    on:input:target=move |event| {
                        if let Ok(place) = event.target().value().parse() {
                            seek(place);
                        }
                    }
                />
            </div>
            <p class="muted" data-testid="replay-place" data-place=move || place.get()>{where_it_is}</p>
            <div class="actions" role="group" aria-label="Jump to">
                {moments(&events)
                    .into_iter()
                    .map(|(title, place)| {
                        view! { <button type="button" class="small" on:click=move |_| seek(place)>{title}</button> }
                    })
                    .collect_view()}
            </div>
            <fieldset class="choices">
                <legend>"Speed"</legend>
                {SPEEDS
                    .map(|times| {
                        view! {
                            <label class="choice">
                                <input
                                    type="radio"
                                    name="speed"
                                    prop:checked=move || speed.get() == times
                                    on:change=move |_| speed.set(times)
                                />
                                <span>{format!("{times}×")}</span>
                            </label>
                        }
                    })
                    .collect_view()}
            </fieldset>
        </section>
        <Body id feed/>
    }
}

/// Where the stages begin, and the two ends: what one wants to jump to.
fn moments(events: &[Stamped]) -> Vec<(String, usize)> {
    let mut titles = Vec::new();
    let mut moments = vec![("Beginning".to_owned(), 1)];
    for (at, stamped) in events.iter().enumerate() {
        match &stamped.event {
            Event::Started { stages, .. } => titles = stages.iter().map(|stage| stage.title.clone()).collect(),
            Event::StageStarted { stage } => {
                moments.push((titles.get(*stage).cloned().unwrap_or_default(), at + 1));
            }
            _ => {}
        }
    }
    moments.push(("Verdict".to_owned(), events.len()));
    moments
}
