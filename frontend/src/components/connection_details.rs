//! What stands behind the connection's one word.

use crate::clock::Clock;
use crate::connection::Connection;
use crate::format;
use crate::health::{self, Health};
use crate::link::Standing;
use leptos::prelude::*;
use shared::wire::PROTOCOL;
use std::time::Duration;

/// Time between two measurements of the round trip, in milliseconds.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Address, round trip, versions, and what was heard last; measures as long as it is shown.
#[component]
pub fn ConnectionDetails() -> impl IntoView {
    let connection = Connection::get();
    let clock = Clock::get();
    // None before the first answer, then what came of the last question.
    let health = RwSignal::new(None::<Option<(Health, f64)>>);
    let measure = move || {
        leptos::task::spawn_local(async move {
            let answer = health::ask().await;
            health.try_set(Some(answer));
        });
    };
    measure();
    if let Ok(interval) = set_interval_with_handle(measure, MEASURE_EVERY) {
        on_cleanup(move || interval.clear());
    }
    let address = window().location().host().unwrap_or_default();
    let round_trip = move || match health.get() {
        None => "measuring…".to_owned(),
        Some(None) => "no worker answers at this address".to_owned(),
        Some(Some((_, ms))) => format!("{ms:.0} ms, over HTTP"),
    };
    let protocol = move || {
        let worker = match (health.get().flatten(), connection.standing.get()) {
            (Some((health, _)), _) => Some(health.protocol),
            (None, Standing::VersionMismatch { worker }) => worker,
            (None, Standing::Live | Standing::CatchingUp) => Some(PROTOCOL),
            _ => None,
        };
        match worker {
            None => format!("page {PROTOCOL}, worker unknown"),
            Some(worker) if worker == PROTOCOL => format!("{PROTOCOL}, the same on both sides"),
            Some(worker) => format!("page {PROTOCOL}, worker {worker}: they do not match; reload the page"),
        }
    };
    let version = move || {
        let said = health.get().flatten().map(|(health, _)| health.version);
        said.or_else(|| connection.worker_version.get()).unwrap_or_else(|| "unknown".to_owned())
    };
    let ago = move |at_unix_ms: f64| format::ago((clock.now_unix_ms() - at_unix_ms) / 1e3);
    let heard = move || connection.heard().message_unix_ms.map_or("nothing yet".to_owned(), ago);
    let last_event = move || match connection.heard().event {
        None => "none: no run is followed on this page".to_owned(),
        Some(event) => {
            let run: String = event.run.chars().take(8).collect();
            format!("event {} of attempt {} of run {run}…, {}", event.seq, event.epoch, ago(event.at_unix_ms))
        }
    };
    let socket = move || match connection.sharing_pages.get() {
        1 => "of this page alone".to_owned(),
        pages => format!("one for {pages} pages of this browser"),
    };
    view! {
        <dl class="facts" data-testid="connection-details">
            <dt>"Address"</dt>
            <dd data-testid="connection-address">{address}</dd>
            <dt>"Socket"</dt>
            <dd data-testid="connection-socket">{socket}</dd>
            <dt>"Round trip"</dt>
            <dd data-testid="connection-round-trip">{round_trip}</dd>
            <dt>"Protocol"</dt>
            <dd data-testid="connection-protocol">{protocol}</dd>
            <dt>"Worker"</dt>
            <dd>{version}</dd>
            <dt>"Last heard"</dt>
            <dd>{heard}</dd>
            <dt>"Last event"</dt>
            <dd data-testid="connection-event">{last_event}</dd>
        </dl>
    }
}
