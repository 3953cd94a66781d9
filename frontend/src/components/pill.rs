//! Where the connection stands, in one word.

use crate::clock::Clock;
use crate::connection::Connection;
use crate::format;
use crate::link::Standing;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// The connection pill.
#[component]
pub fn Pill() -> impl IntoView {
    let connection = Connection::get();
    let clock = Clock::get();
    let pathname = use_location().pathname;
    let word = Memo::new(move |_| match connection.standing.get() {
        Standing::SignedOut if crate::pages::replays(&pathname.get()) => ("Demo", "off"),
        Standing::SignedOut => ("Signed out", "off"),
        Standing::Connecting => ("Connecting", "busy"),
        Standing::CatchingUp => ("Catching up", "busy"),
        Standing::Live => ("Live", "live"),
        Standing::Reconnecting { .. } => ("Reconnecting", "busy"),
        Standing::Offline { .. } => ("Offline", "off"),
        Standing::Unauthorised => ("Unauthorised", "off"),
        Standing::VersionMismatch { .. } => ("Version mismatch", "off"),
    });
    // Apart from the word, so that a screen reader is not told every second.
    let detail = move || match connection.standing.get() {
        Standing::Reconnecting { retry_at_unix_ms } => {
            let secs = ((retry_at_unix_ms - clock.now_unix_ms()) / 1e3).ceil().max(0.0);
            format!(" in {secs:.0} s")
        }
        Standing::Offline { heard_at_unix_ms: Some(at) } => {
            format!(", data from {}", format::ago((clock.now_unix_ms() - at) / 1e3))
        }
        _ => String::new(),
    };
    let may_retry =
        move || matches!(connection.standing.get(), Standing::Reconnecting { .. } | Standing::Offline { .. });
    view! {
        <div class="pill-box">
            <p class=move || format!("pill pill-{}", word.get().1) data-testid="connection-pill">
                <span class="pill-dot" aria-hidden="true"></span>
                <span role="status">{move || word.get().0}</span>
                <span aria-hidden="true">{detail}</span>
            </p>
            <Show when=may_retry>
                <button type="button" class="small" on:click=move |_| connection.retry_now()>"Try now"</button>
            </Show>
        </div>
    }
}
