//! The one line of the page to its worker: carries out what [`crate::link`] decides.
//!
//! Everything that the worker says ends in one of the signals here or, for events, in the subscriber
//! of that run. Nothing else in the page talks to the worker, except for the tokenizer's file.

use crate::attachment;
use crate::backoff;
use crate::health;
use crate::line::{Callbacks, Line};
use crate::link::{Link, Standing, Step};
use leptos::leptos_dom::helpers::TimeoutHandle;
use leptos::prelude::*;
use shared::catalogue::Catalogue;
use shared::event::{ErrorBody, Stamped};
use shared::wire::{ClientMessage, Command, Outcome, RunSummary, ServerMessage};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use wasm_bindgen::JsValue;

/// A handle to the connection; copies share it.
#[derive(Clone, Copy)]
pub struct Connection {
    inner: StoredValue<Inner, LocalStorage>,
    /// Where it stands.
    pub standing: RwSignal<Standing>,
    /// What the worker can do, once it said so.
    pub catalogue: RwSignal<Option<Arc<Catalogue>>>,
    /// All runs, newest first, once the worker said so.
    pub runs: RwSignal<Option<Vec<RunSummary>>>,
    /// Version of the worker, once it said so.
    pub worker_version: RwSignal<Option<String>>,
    /// The last error that belongs to no command.
    pub notice: RwSignal<Option<ErrorBody>>,
    /// How many pages of this browser have the socket in common, this one among them.
    pub sharing_pages: RwSignal<u32>,
    /// Whether a worker serves this page, once that is known: a folder on a static host has none. It is asked only
    /// where nothing is there to sign in with.
    pub has_worker: RwSignal<Option<bool>>,
}

/// What came last from the worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// When any message came, in milliseconds since the Unix epoch.
    pub message_unix_ms: Option<f64>,
    /// The last event of a followed run.
    pub event: Option<HeardEvent>,
}

/// An event's place in its log, and when it came.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardEvent {
    /// The run.
    pub run: String,
    /// The attempt.
    pub epoch: u32,
    /// Place in the attempt's log.
    pub seq: u64,
    /// When it came, in milliseconds since the Unix epoch.
    pub at_unix_ms: f64,
}

type OnReply = Box<dyn FnOnce(Outcome)>;
type OnEvent = Rc<dyn Fn(&Stamped)>;

struct Inner {
    link: Link,
    line: Option<Line>,
    retry: Option<TimeoutHandle>,
    /// By command id.
    on_reply: HashMap<String, OnReply>,
    /// By run.
    on_event: HashMap<String, OnEvent>,
    heard: Heard,
}

impl Connection {
    /// Connects, if the address or the browser's storage holds a credential.
    pub fn open() -> Self {
        let code = take_code();
        // Whoever opens the address that a worker printed means that worker.
        if code.is_some() {
            attachment::forget();
        }
        let link = Link::new(code, attachment::token());
        let standing = link.standing();
        let inner = Inner {
            link,
            line: None,
            retry: None,
            on_reply: HashMap::new(),
            on_event: HashMap::new(),
            heard: Heard::default(),
        };
        let this = Connection {
            inner: StoredValue::new_local(inner),
            standing: RwSignal::new(standing),
            catalogue: RwSignal::new(None),
            runs: RwSignal::new(None),
            worker_version: RwSignal::new(None),
            notice: RwSignal::new(None),
            sharing_pages: RwSignal::new(1),
            has_worker: RwSignal::new(None),
        };
        this.connect();
        if standing == Standing::SignedOut {
            leptos::task::spawn_local(async move { this.has_worker.set(Some(health::ask().await.is_some())) });
        }
        // A waking laptop and a returning network need not wait for the next attempt.
        let wake = window_event_listener(leptos::ev::online, move |_| this.retry_now());
        on_cleanup(move || wake.remove());
        this
    }

    /// The connection that the page provides.
    pub fn get() -> Self {
        expect_context()
    }

    /// Whether a command would reach the worker now.
    pub fn is_up(&self) -> bool {
        matches!(self.standing.get(), Standing::Live | Standing::CatchingUp)
    }

    /// What came last from the worker; nobody is told of changes.
    pub fn heard(&self) -> Heard {
        self.inner.with_value(|inner| inner.heard.clone())
    }

    /// Connects with a token that the user gave.
    pub fn sign_in(&self, token: String) {
        self.inner.update_value(|inner| inner.link.sign_in(token));
        self.connect();
    }

    /// Tries at once instead of waiting.
    pub fn retry_now(&self) {
        if matches!(self.standing.get_untracked(), Standing::Reconnecting { .. } | Standing::Offline { .. }) {
            self.connect();
        }
    }

    /// Sends a command; it survives a reconnect, and the worker does it once.
    pub fn command(&self, command: Command, on_reply: impl FnOnce(Outcome) + 'static) {
        let id = crate::uuid::v4();
        self.act(|inner| {
            inner.on_reply.insert(id.clone(), Box::new(on_reply));
            inner.link.command(id, command)
        });
    }

    /// Follows a run's log from its start until [`Connection::unsubscribe`].
    pub fn subscribe(&self, run: &str, on_event: impl Fn(&Stamped) + 'static) {
        self.act(|inner| {
            inner.on_event.insert(run.to_owned(), Rc::new(on_event));
            inner.link.subscribe(run)
        });
    }

    /// Ends following a run.
    pub fn unsubscribe(&self, run: &str) {
        self.act(|inner| {
            inner.on_event.remove(run);
            inner.link.unsubscribe(run)
        });
    }

    fn connect(&self) {
        let this = *self;
        let opened = this.inner.try_update_value(|inner| {
            if let Some(retry) = inner.retry.take() {
                retry.clear();
            }
            inner.retire_line();
            if !inner.link.may_connect() {
                return false;
            }
            let callbacks = Callbacks {
                on_open: Box::new(move || this.act(|inner| inner.link.opened())),
                on_text: Box::new(move |text| this.on_text(text)),
                on_pages: Box::new(move |pages| this.sharing_pages.set(pages)),
                on_close: Box::new(move || this.on_closed()),
            };
            inner.line = attachment::socket_address().and_then(|address| Line::open(&address, callbacks));
            inner.line.is_none()
        });
        match opened {
            // The browser refused to even try.
            Some(true) => this.on_closed(),
            _ => this.show_standing(),
        }
    }

    fn on_text(&self, text: &str) {
        match serde_json::from_str::<ServerMessage>(text) {
            Ok(message) => self.act(|inner| {
                inner.hear(&message);
                inner.link.received(message)
            }),
            Err(error) => self.notice.set(Some(
                ErrorBody::new(
                    "unreadable_message",
                    format!("the worker sent something this page cannot read: {error}"),
                )
                .with_hint("Reload the page; if it stays so, worker and page are of different versions."),
            )),
        }
    }

    fn on_closed(&self) {
        let this = *self;
        let standing = this.inner.try_update_value(|inner| {
            inner.retire_line();
            let failed = inner.link.closed();
            if !inner.link.may_connect() {
                return inner.link.standing();
            }
            let delay_ms = backoff::delay_ms(failed, js_sys::Math::random());
            inner.retry = set_timeout_with_handle(move || this.connect(), Duration::from_secs_f64(delay_ms / 1e3)).ok();
            if failed > backoff::OFFLINE_AFTER_ATTEMPTS {
                Standing::Offline { heard_at_unix_ms: inner.heard.message_unix_ms }
            } else {
                Standing::Reconnecting { retry_at_unix_ms: js_sys::Date::now() + delay_ms }
            }
        });
        if let Some(standing) = standing {
            this.standing.set(standing);
        }
    }

    /// Lets the link decide, then does it. No borrow is held while subscribers run.
    fn act(&self, decide: impl FnOnce(&mut Inner) -> Vec<Step>) {
        let steps = self.inner.try_update_value(decide).unwrap_or_default();
        let mut connect_again = false;
        for step in steps {
            match step {
                Step::Send(message) => self.send(&message),
                Step::KeepToken(token) => attachment::keep_token(&token),
                Step::ForgetToken => attachment::forget_token(),
                Step::Welcomed { version, catalogue, runs } => {
                    let changed = self.catalogue.with_untracked(|old| old.as_deref() != Some(&*catalogue));
                    if changed {
                        self.catalogue.set(Some(Arc::from(catalogue)));
                    }
                    self.worker_version.set(Some(version));
                    self.runs.set(Some(runs));
                    self.notice.set(None);
                }
                Step::RunChanged(run) => self.runs.update(|runs| place(runs.get_or_insert_default(), run)),
                Step::RunDeleted(run) => {
                    self.inner.update_value(|inner| drop(inner.on_event.remove(&run)));
                    self.runs.update(|runs| runs.get_or_insert_default().retain(|known| known.run != run));
                }
                Step::Replied { id, outcome } => {
                    let on_reply = self.inner.try_update_value(|inner| inner.on_reply.remove(&id)).flatten();
                    if let Some(on_reply) = on_reply {
                        on_reply(outcome);
                    }
                }
                Step::Deliver(stamped) => {
                    let on_event = self.inner.with_value(|inner| inner.on_event.get(&stamped.run).cloned());
                    if let Some(on_event) = on_event {
                        on_event(&stamped);
                    }
                }
                Step::Notice(error) => self.notice.set(Some(error)),
                Step::GiveUp => drop(self.inner.try_update_value(Inner::retire_line)),
                Step::ConnectAgain => connect_again = true,
            }
        }
        if connect_again {
            self.connect();
        } else {
            self.show_standing();
        }
    }

    fn send(&self, message: &ClientMessage) {
        if let Ok(text) = serde_json::to_string(message) {
            self.inner.with_value(|inner| inner.line.as_ref().map(|line| line.send(text)));
        }
    }

    /// Between a close and the next attempt the timer decides what is shown, not the link.
    fn show_standing(&self) {
        let standing = self.inner.with_value(|inner| inner.retry.is_none().then(|| inner.link.standing()));
        if let Some(standing) = standing.filter(|standing| self.standing.get_untracked() != *standing) {
            self.standing.set(standing);
        }
    }
}

impl Inner {
    /// Notes when a message came, and which event it was.
    fn hear(&mut self, message: &ServerMessage) {
        let at_unix_ms = js_sys::Date::now();
        self.heard.message_unix_ms = Some(at_unix_ms);
        let last = match message {
            ServerMessage::Event { stamped } => Some(&**stamped),
            ServerMessage::Batch { events } => events.last(),
            _ => None,
        };
        if let Some(Stamped { run, epoch, seq, .. }) = last {
            self.heard.event = Some(HeardEvent { run: run.clone(), epoch: *epoch, seq: *seq, at_unix_ms });
        }
    }

    /// Closes the line, if there is one.
    fn retire_line(&mut self) {
        if let Some(line) = self.line.take() {
            line.retire();
        }
    }
}

/// Replaces a run in the list or puts it in its place: a restored one need not be the newest.
fn place(runs: &mut Vec<RunSummary>, run: RunSummary) {
    match runs.iter_mut().find(|known| known.run == run.run) {
        Some(known) => *known = run,
        None => {
            let age = |run: &RunSummary| (run.created_unix_ms, run.run.clone());
            let newer = runs.partition_point(|known| age(known) > age(&run));
            runs.insert(newer, run);
        }
    }
}

/// Takes the launch code out of the address, so that it stays neither in the bar nor in the history.
fn take_code() -> Option<String> {
    let location = window().location();
    let code = location.hash().ok()?.strip_prefix("#code=")?.to_owned();
    let path = format!("{}{}", location.pathname().ok()?, location.search().ok()?);
    window().history().ok()?.replace_state_with_url(&JsValue::NULL, "", Some(&path)).ok()?;
    (!code.is_empty()).then_some(code)
}
