//! The page's side of its tokeniser: starts it when a page first needs it, and keeps answers up to date.
//!
//! The bridge is our own: gloo-worker would bring a codec and a loader from a `blob:` address, which the
//! page's content security policy refuses, for the few kinds of messages that there are.

mod exchange;
mod latest;

use crate::attachment;
use crate::thread::Thread;
use exchange::{Exchange, Heard};
use latest::{Latest, Next};
use leptos::prelude::*;
use programs::messages::{Answer, Question};
use shared::event::ErrorBody;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Starts the tokeniser.
const SCRIPT: &str = "/start-tokeniser.js";

/// A handle to the tokeniser; copies share it.
#[derive(Clone, Copy)]
pub struct Tokenizers {
    /// By model.
    by_model: RwSignal<BTreeMap<String, Loaded>>,
    inner: StoredValue<Inner, LocalStorage>,
}

/// A tokenizer on its way into the tokeniser.
#[derive(Clone, Debug, PartialEq)]
pub enum Loaded {
    /// The tokeniser is being started, or is fetching it.
    Loading,
    /// It is there.
    Ready,
    /// It could not be had.
    Failed(ErrorBody),
}

/// A question and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The question.
    pub question: Question,
    /// The answer.
    pub outcome: Result<Answer, ErrorBody>,
}

#[derive(Default)]
struct Inner {
    exchange: Exchange,
    /// Absent until a page first needs it, and after it has stopped.
    thread: Option<Thread>,
}

impl Tokenizers {
    /// None loaded yet.
    pub fn new() -> Self {
        Tokenizers { by_model: RwSignal::new(BTreeMap::new()), inner: StoredValue::new_local(Inner::default()) }
    }

    /// The tokenizers that the page provides.
    pub fn get() -> Self {
        expect_context()
    }

    /// The tokenizer of a model as far as it is there.
    pub fn of(&self, model: &str) -> Option<Loaded> {
        self.by_model.with(|by_model| by_model.get(model).cloned())
    }

    /// Whether the tokenizer of a model is there.
    pub fn is_ready(&self, model: &str) -> bool {
        self.by_model.with(|by_model| by_model.get(model) == Some(&Loaded::Ready))
    }

    /// Loads the tokenizer of a model, unless it is there or on its way.
    pub fn load(&self, model: &str) {
        let wanted =
            self.by_model.with_untracked(|by_model| matches!(by_model.get(model), None | Some(Loaded::Failed(_))));
        if model.is_empty() || !wanted {
            return;
        }
        let (by_model, model) = (self.by_model, model.to_owned());
        by_model.update(|by_model| drop(by_model.insert(model.clone(), Loaded::Loading)));
        let (origin, token) = (attachment::origin().unwrap_or_default(), attachment::token().unwrap_or_default());
        self.ask(Question::Load { model: model.clone(), origin, token }, move |outcome| {
            let loaded = outcome.map_or_else(Loaded::Failed, |_| Loaded::Ready);
            by_model.update(|by_model| drop(by_model.insert(model, loaded)));
        });
    }

    /// Follows the answer to a question that changes. The last answer stays until that to the latest
    /// question is there; no question, no answer. Questions in between are not asked.
    pub fn follow(&self, question: impl Fn() -> Option<Question> + Send + Sync + 'static) -> Signal<Option<Answered>> {
        let (this, answered) = (*self, RwSignal::new(None));
        let question = Memo::new(move |_| question());
        let latest = Rc::new(RefCell::new(Latest::default()));
        Effect::new(move |_| {
            let wanted = question.get();
            if wanted.is_none() {
                answered.set(None);
            }
            let due = latest.borrow_mut().want(wanted);
            if let Some(due) = due {
                this.ask_latest(due, Rc::clone(&latest), answered);
            }
        });
        answered.into()
    }

    fn ask_latest(
        self,
        question: Question,
        latest: Rc<RefCell<Latest<Question>>>,
        answered: RwSignal<Option<Answered>>,
    ) {
        self.ask(question, move |outcome| {
            let next = latest.borrow_mut().answered();
            match next {
                // The part of the page that asked may be gone.
                Next::Show(question) => drop(answered.try_set(Some(Answered { question, outcome }))),
                Next::Ask(question) if !answered.is_disposed() => self.ask_latest(question, latest, answered),
                Next::Ask(_) | Next::Nothing => {}
            }
        });
    }

    /// Asks once.
    pub fn ask(self, question: Question, on_outcome: impl FnOnce(Result<Answer, ErrorBody>) + 'static) {
        let started = self.inner.try_update_value(|inner| {
            let due = inner.exchange.ask(question, Box::new(on_outcome));
            if inner.thread.is_none() {
                inner.thread = Some(Thread::start(SCRIPT, move |text| self.hear(text), move |why| self.stopped(why))?);
            }
            inner.post(due);
            Ok::<_, String>(())
        });
        if let Some(Err(why)) = started {
            self.stopped(&why);
        }
    }

    fn hear(self, text: &str) {
        let heard = self.inner.try_update_value(|inner| match inner.exchange.hear(text) {
            Heard::Ready(due) => {
                inner.post(due);
                None
            }
            other => Some(other),
        });
        // Outside: who gets an answer may ask the next question.
        match heard.flatten() {
            Some(Heard::Outcome(on_outcome, outcome)) => on_outcome(outcome),
            Some(Heard::Stopped(why)) => self.stopped(&why),
            Some(Heard::Ready(_) | Heard::Nothing) | None => {}
        }
    }

    /// Whoever waits gets an error, and the next question starts the tokeniser anew.
    fn stopped(self, why: &str) {
        let error = ErrorBody::new("tokeniser_stopped", format!("The tokeniser stopped: {why}."))
            .with_hint("If it happens again, reload the page.");
        let waiting = self.inner.try_update_value(|inner| {
            inner.thread = None;
            std::mem::take(&mut inner.exchange).give_up()
        });
        self.by_model.try_update(|by_model| {
            by_model.values_mut().for_each(|loaded| *loaded = Loaded::Failed(error.clone()));
        });
        for on_outcome in waiting.unwrap_or_default() {
            on_outcome(Err(error.clone()));
        }
    }
}

impl Inner {
    fn post(&self, due: Vec<String>) {
        if let Some(thread) = &self.thread {
            due.iter().for_each(|text| thread.post(text));
        }
    }
}
