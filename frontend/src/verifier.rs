//! The page's side of its verifier: starts it when it is first needed, and tells what it says.

use crate::thread::Thread;
use leptos::prelude::*;
use shared::verification::messages::{Asked, Said};
use std::rc::Rc;
use wasm_bindgen::JsValue;

/// Starts the verifier.
const SCRIPT: &str = "/start-verifier.js";

/// A handle to the verifier; copies share it. It ends, and gives its memory back, with the part of the page
/// that made it.
#[derive(Clone, Copy)]
pub struct Verifier {
    inner: StoredValue<Inner, LocalStorage>,
}

struct Inner {
    thread: Option<Thread>,
    /// What is to be posted once it listens; nothing once it does.
    held: Option<Vec<JsValue>>,
    on_said: Rc<dyn Fn(Said)>,
}

impl Verifier {
    /// Not started yet. `on_said` hears everything, also that it stopped.
    pub fn new(on_said: impl Fn(Said) + 'static) -> Self {
        let inner = Inner { thread: None, held: Some(Vec::new()), on_said: Rc::new(on_said) };
        Verifier { inner: StoredValue::new_local(inner) }
    }

    /// Asks for something.
    pub fn ask(&self, asked: &Asked) {
        if let Ok(text) = serde_json::to_string(asked) {
            self.post(JsValue::from_str(&text));
        }
    }

    /// Hands over a file that the user picked.
    pub fn hand_over(&self, file: &web_sys::File) {
        self.post(file.into());
    }

    fn post(self, value: JsValue) {
        let started = self.inner.try_update_value(|inner| {
            if inner.thread.is_none() {
                let thread = Thread::start(SCRIPT, move |text| self.hear(text), move |why| self.stopped(why))?;
                inner.thread = Some(thread);
            }
            match (&mut inner.held, &inner.thread) {
                (None, Some(thread)) => thread.post_value(&value),
                (held, _) => held.get_or_insert_default().push(value),
            }
            Ok::<_, String>(())
        });
        if let Some(Err(why)) = started {
            self.stopped(&why);
        }
    }

    fn hear(self, text: &str) {
        match serde_json::from_str::<Said>(text) {
            Ok(Said::Ready {}) => drop(self.inner.try_update_value(|inner| {
                if let (Some(held), Some(thread)) = (inner.held.take(), &inner.thread) {
                    held.iter().for_each(|value| thread.post_value(value));
                }
            })),
            Ok(Said::Stopped { reason }) => self.stopped(&reason),
            Ok(said) => self.tell(said),
            Err(error) => self.stopped(&format!("it said something that is no message ({error})")),
        }
    }

    /// The next question starts it anew.
    fn stopped(self, why: &str) {
        self.inner.try_update_value(|inner| (inner.thread, inner.held) = (None, Some(Vec::new())));
        self.tell(Said::Stopped { reason: why.to_owned() });
    }

    fn tell(self, said: Said) {
        // Outside of the update: who hears it may ask the next question.
        if let Some(on_said) = self.inner.try_with_value(|inner| Rc::clone(&inner.on_said)) {
            on_said(said);
        }
    }
}
