//! What a link shows. The secret is in the fragment; the worker says whether it is good for anything, for as long
//! as the page is open.

use super::recorded::Recorded;
use crate::attachment;
use crate::opened::{Opened, OpenedSession, open};
use crate::{backoff, fetch, share};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use programs::socket::Socket;
use shared::wire::{ClientMessage, Credential, PROTOCOL, ServerMessage};
use std::sync::Arc;
use std::time::Duration;
use wasm_bindgen::JsValue;

#[derive(Clone, PartialEq)]
enum Shown {
    Opening,
    /// Unknown, revoked or over: nobody is told which.
    Nothing,
    Failed(String),
    Session(Arc<Opened>),
}

/// Everything that a guest's socket changes; copies share it.
#[derive(Clone, Copy)]
struct Guest {
    shown: RwSignal<Shown>,
    /// Whether the worker confirmed the link on this socket.
    live: RwSignal<bool>,
    expires_unix_ms: RwSignal<Option<u64>>,
    secret: StoredValue<String>,
    socket: StoredValue<Option<Socket>, LocalStorage>,
    failed: StoredValue<u32>,
    /// What other pages of this tab would go on with.
    elsewhere: OpenedSession,
}

/// The page of a link.
#[component]
pub fn SharedRun() -> impl IntoView {
    super::title("Shared run");
    let location = use_location();
    let secret = share::secret_in(&window().location().hash().unwrap_or_default());
    let guest = Guest {
        shown: RwSignal::new(if secret.is_some() { Shown::Opening } else { Shown::Nothing }),
        live: RwSignal::new(false),
        expires_unix_ms: RwSignal::new(None),
        secret: StoredValue::new(secret.unwrap_or_default()),
        socket: StoredValue::new_local(None),
        failed: StoredValue::new(0),
        elsewhere: OpenedSession::get(),
    };
    if guest.shown.get_untracked() == Shown::Opening {
        guest.connect();
    }
    // Another link pasted over this one changes the fragment only, and browsers load nothing.
    let other_link = window_event_listener(leptos::ev::hashchange, |_| drop(window().location().reload()));
    on_cleanup(move || {
        other_link.remove();
        guest.socket.try_update_value(retire);
    });
    // A link may carry the view that it is to be seen in; one that is chosen here goes first.
    let navigate = use_navigate();
    Effect::new(move |_| {
        let Shown::Session(opened) = guest.shown.get() else { return };
        let view = opened.session.recording.about.view.clone().filter(|view| shared::share::is_view(view));
        if let Some(view) = view.filter(|_| location.search.get_untracked().is_empty()) {
            let address = format!("{}?{view}#{}", share::PATH, guest.secret.get_value());
            navigate(&address, NavigateOptions { replace: true, scroll: false, ..Default::default() });
        }
    });
    let until =
        move || guest.expires_unix_ms.get().map(|at| format!("The link is good until {}.", share::date_time(at)));
    move || match guest.shown.get() {
        Shown::Opening => view! {
            <section class="panel notice-page"><h1>"Opening the link"</h1><progress></progress></section>
        }
        .into_any(),
        Shown::Nothing => view! {
            <section class="panel notice-page" data-testid="no-share">
                <h1>"There is nothing at this link"</h1>
                <p>"It may have ended, or been mistyped or cut off. Ask whoever sent it for a new one."</p>
            </section>
        }
        .into_any(),
        Shown::Failed(reason) => view! {
            <section class="panel notice-page" role="alert" data-testid="share-failed">
                <h1>"The shared run cannot be shown"</h1>
                <p>{reason}</p>
            </section>
        }
        .into_any(),
        Shown::Session(opened) => view! {
            <div data-testid="shared">
                <p class="muted" role="status">
                    {until}
                    {move || (!guest.live.get()).then_some(" The worker that shared it does not answer at the moment.")}
                </p>
                <Recorded opened origin="Somebody shared this run with you."/>
            </div>
        }
        .into_any(),
    }
}

fn retire(socket: &mut Option<Socket>) {
    if let Some(socket) = socket.take() {
        socket.retire();
    }
}

impl Guest {
    fn connect(self) {
        self.socket.try_update_value(retire);
        let (say, hear, closed) =
            (move || self.say_hello(), move |text: JsValue| self.hear(&text), move || self.closed());
        let socket = attachment::own_socket_address().and_then(|address| Socket::open(&address, say, hear, closed));
        match socket {
            Some(socket) => drop(self.socket.try_set_value(Some(socket))),
            None => self.closed(),
        }
    }

    fn say_hello(self) {
        let credential = Credential::Share(self.secret.get_value());
        let hello = ClientMessage::Hello { protocol: PROTOCOL, credential };
        if let Ok(text) = serde_json::to_string(&hello) {
            self.socket.try_with_value(|socket| socket.as_ref().map(|socket| socket.send(&text)));
        }
    }

    fn hear(self, text: &JsValue) {
        match serde_json::from_str(&text.as_string().unwrap_or_default()) {
            Ok(ServerMessage::Shared { expires_unix_ms }) => {
                self.failed.try_set_value(0);
                self.live.try_set(true);
                self.expires_unix_ms.try_set(Some(expires_unix_ms));
                if self.shown.try_get_untracked() == Some(Shown::Opening) {
                    leptos::task::spawn_local(self.load());
                }
            }
            Ok(ServerMessage::Error { error, .. }) => {
                self.socket.try_update_value(retire);
                let is_nothing = error.code == "no_share";
                self.elsewhere.opened.try_set(None);
                self.shown.try_set(if is_nothing { Shown::Nothing } else { Shown::Failed(error.to_string()) });
            }
            _ => {}
        }
    }

    async fn load(self) {
        let authorization = share::authorization(&self.secret.get_value());
        let shown = match fetch::bytes("/api/share", Some(&authorization)).await {
            Ok(file) => open("shared.steerage", file).map_or_else(Shown::Failed, |opened| {
                let link = Some(self.secret.get_value());
                Shown::Session(Arc::new(Opened { link, ..Arc::unwrap_or_clone(opened) }))
            }),
            Err(refused) if refused.status == 404 => Shown::Nothing,
            Err(refused) => Shown::Failed(format!("It could not be fetched: {}.", refused.message)),
        };
        // It may have been revoked meanwhile.
        if self.shown.try_get_untracked() == Some(Shown::Opening) {
            self.shown.try_set(shown);
        }
    }

    /// The worker went, or the network did: what is shown stays, and the link is asked about again.
    fn closed(self) {
        if self.live.try_set(false).is_some() || self.shown.try_get_untracked() == Some(Shown::Nothing) {
            return;
        }
        let failed = self.failed.try_update_value(|failed| {
            *failed = failed.saturating_add(1);
            *failed
        });
        let Some(failed) = failed else { return };
        let delay_ms = if failed == 1 { 0.0 } else { backoff::delay_ms(failed, js_sys::Math::random()) };
        set_timeout(move || self.connect(), Duration::from_secs_f64(delay_ms / 1e3));
    }
}
