//! The page's way to a worker: a place at the switchboard, or a socket of its own where the browser shares no workers.

use leptos::leptos_dom::helpers::WindowListenerHandle;
use leptos::prelude::*;
use programs::socket::Socket;
use programs::switchboard::{FromPage, READ_EVERY, ToPage};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, MessageEvent, MessagePort, PageTransitionEvent, SharedWorker, WorkerOptions, WorkerType};

/// Starts the switchboard, or finds it running.
const SCRIPT: &str = "/start-switchboard.js";

/// Pages of another version have another switchboard.
const NAME: &str = concat!("steerage ", env!("CARGO_PKG_VERSION"));

/// How long the switchboard may take to answer the first message, also while its program is fetched.
const PATIENCE: Duration = Duration::from_secs(5);

thread_local! {
    /// Whether the switchboard has failed here, so that this page does without.
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

/// What is to happen when something comes.
pub struct Callbacks {
    /// The hello may be said.
    pub on_open: Box<dyn Fn()>,
    /// The worker says something.
    pub on_text: Box<dyn Fn(&str)>,
    /// So many pages have the socket in common.
    pub on_pages: Box<dyn Fn(u32)>,
    /// The line closed, or could not be opened.
    pub on_close: Box<dyn Fn()>,
}

/// An open or opening line.
pub enum Line {
    /// By the switchboard.
    Shared(Extension),
    /// A socket that only this page has.
    Own(Socket),
}

impl Line {
    /// Opens a line to a worker's socket; nothing where the browser refuses to even try.
    pub fn open(address: &str, callbacks: Callbacks) -> Option<Self> {
        let callbacks = Rc::new(callbacks);
        if !FAILED.get()
            && let Some(extension) = Extension::open(address, Rc::clone(&callbacks))
        {
            return Some(Line::Shared(extension));
        }
        let (open, text, close) = (Rc::clone(&callbacks), Rc::clone(&callbacks), callbacks);
        let on_open = move || {
            (open.on_pages)(1);
            (open.on_open)();
        };
        let on_text = move |data: JsValue| (text.on_text)(&data.as_string().unwrap_or_default());
        Socket::open(address, on_open, on_text, move || (close.on_close)()).map(Line::Own)
    }

    /// Sends a text.
    pub fn send(&self, text: String) {
        match self {
            Line::Shared(extension) => extension.post(&FromPage::Text(text)),
            Line::Own(socket) => socket.send(&text),
        }
    }

    /// Closes the line; its callbacks are called no more.
    pub fn retire(self) {
        match self {
            Line::Shared(extension) => extension.retire(),
            Line::Own(socket) => socket.retire(),
        }
    }
}

/// A place at the switchboard.
pub struct Extension {
    switchboard: SharedWorker,
    port: MessagePort,
    /// While the page goes, and when it comes back.
    leaving: [WindowListenerHandle; 2],
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_error: Closure<dyn Fn(Event)>,
    /// Whether anything was heard, or nothing is waited for any more.
    settled: Rc<Cell<bool>>,
}

impl Extension {
    fn open(address: &str, callbacks: Rc<Callbacks>) -> Option<Self> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(NAME);
        // Some browsers know no shared workers, others none that are modules.
        let switchboard = SharedWorker::new_with_worker_options(SCRIPT, &options).ok()?;
        let port = switchboard.port();
        let settled = Rc::new(Cell::new(false));
        let fail = {
            let (callbacks, settled) = (Rc::clone(&callbacks), Rc::clone(&settled));
            // Once: it may fail, and be late as well.
            move || {
                settled.set(true);
                if !FAILED.replace(true) {
                    (callbacks.on_close)();
                }
            }
        };
        let on_message = {
            let (callbacks, settled, fail) = (Rc::clone(&callbacks), Rc::clone(&settled), fail.clone());
            let (unsaid, port) = (Cell::new(0), port.clone());
            Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
                match ToPage::from_value(&event.data()) {
                    Some(ToPage::Failed) => return fail(),
                    Some(ToPage::Open) => (callbacks.on_open)(),
                    Some(ToPage::Text(text)) => {
                        unsaid.set(unsaid.get() + 1);
                        if unsaid.get() == READ_EVERY {
                            post(&port, &FromPage::Read(unsaid.take()));
                        }
                        (callbacks.on_text)(&text.as_string().unwrap_or_default());
                    }
                    Some(ToPage::Pages(pages)) => (callbacks.on_pages)(pages),
                    Some(ToPage::Closed) => (callbacks.on_close)(),
                    // Page and switchboard are of one version: it is another program's.
                    None => return,
                }
                settled.set(true);
            })
        };
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let on_error = {
            let fail = fail.clone();
            Closure::<dyn Fn(Event)>::new(move |_: Event| fail())
        };
        switchboard.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        let is_late = Rc::clone(&settled);
        set_timeout(
            move || {
                if !is_late.get() {
                    fail()
                }
            },
            PATIENCE,
        );
        // A switchboard does not notice that a page goes. One that the browser kept comes back without its place.
        let going = port.clone();
        let goes = window_event_listener(leptos::ev::pagehide, move |_| post(&going, &FromPage::HangUp));
        let comes = window_event_listener(leptos::ev::pageshow, move |event: PageTransitionEvent| {
            if event.persisted() {
                (callbacks.on_close)();
            }
        });
        post(&port, &FromPage::Dial { address: address.to_owned() });
        Some(Extension {
            switchboard,
            port,
            leaving: [goes, comes],
            _on_message: on_message,
            _on_error: on_error,
            settled,
        })
    }

    fn post(&self, message: &FromPage) {
        post(&self.port, message);
    }

    /// Its callbacks are freed later, because this may run inside one of them.
    fn retire(self) {
        self.settled.set(true);
        self.post(&FromPage::HangUp);
        self.port.set_onmessage(None);
        self.switchboard.set_onerror(None);
        for listener in self.leaving {
            listener.remove();
        }
        let callbacks = (self._on_message, self._on_error);
        leptos::task::spawn_local(async move { drop(callbacks) });
    }
}

fn post(port: &MessagePort, message: &FromPage) {
    // Posting a text fails only when nobody is left to read it.
    port.post_message(&message.to_value()).ok();
}
