//! Where the connection stands, in one word, and behind it the details.

use super::connection_details::ConnectionDetails;
use crate::clock::Clock;
use crate::connection::Connection;
use crate::format;
use crate::link::Standing;
use leptos::html::Div;
use leptos::prelude::*;
use leptos_router::hooks::use_location;
use wasm_bindgen::JsCast;
use web_sys::{FocusEvent, KeyboardEvent, Node};

/// The connection pill.
#[component]
pub fn Pill() -> impl IntoView {
    let connection = Connection::get();
    let clock = Clock::get();
    let pathname = use_location().pathname;
    let alone = move || crate::attachment::origin().is_none() && connection.has_worker.get() == Some(false);
    let is_demo = move || crate::pages::replays(&pathname.get()) || alone();
    let word = Memo::new(move |_| match connection.standing.get() {
        Standing::SignedOut if is_demo() => ("Demo", "off"),
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
    let open = RwSignal::new(false);
    let place = NodeRef::<Div>::new();
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Escape" {
            open.set(false);
        }
    };
    // Closes when the focus goes elsewhere; a click beside it moves the focus too.
    let on_blur = move |event: FocusEvent| {
        let goes_to = event.related_target().and_then(|target| target.dyn_into::<Node>().ok());
        let stays = place.get_untracked().is_some_and(|place| place.contains(goes_to.as_ref()));
        if !stays {
            open.set(false);
        }
    };
    view! {
        <div class="pill-box" node_ref=place on:keydown=on_key on:focusout=on_blur>
            <span class="visually-hidden" role="status">{move || word.get().0}</span>
            <button
                type="button"
                class=move || format!("pill pill-{}", word.get().1)
                data-testid="connection-pill"
                title="Shows the details of the connection"
                aria-expanded=move || open.get().to_string()
                aria-controls="connection-details"
                on:click=move |_| open.update(|open| *open = !*open)
            >
                <span class="pill-dot" aria-hidden="true"></span>
                <span>{move || word.get().0}</span>
                <span aria-hidden="true">{detail}</span>
            </button>
            <Show when=may_retry>
                <button type="button" class="small" on:click=move |_| connection.retry_now()>"Try now"</button>
            </Show>
            <div id="connection-details" class="pill-details" tabindex="-1" hidden=move || !open.get()>
                <Show when=move || open.get()>
                    <ConnectionDetails/>
                </Show>
            </div>
        </div>
    }
}
