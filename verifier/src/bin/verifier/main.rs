//! The page's verifier: a program in a web worker that loads a model and computes again what a recording
//! claims, with the code that the worker computes with.
//!
//! One piece of work at a time: new work ends that before it. Between two steps, at most a second or two
//! apart, the program hears what the page says. The page itself never waits.

mod kept;
mod source;
mod work;

use shared::event::ErrorBody;
use shared::verification::messages::{Asked, Said};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use verifier::Model;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{Closure, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent};

/// What lives as long as the program.
#[derive(Default)]
struct State {
    /// The model and its hash.
    model: RefCell<Option<(String, Model)>>,
    /// The number of the work that is wanted; 0 is none.
    wanted: Cell<u64>,
    /// The file that the user picked last.
    picked: RefCell<Option<File>>,
}

/// Why work ended before it was done.
enum Ended {
    /// Nobody wants it any more.
    Unwanted,
    /// It failed.
    Failed(ErrorBody),
}

impl From<ErrorBody> for Ended {
    fn from(error: ErrorBody) -> Self {
        Ended::Failed(error)
    }
}

fn main() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        // The program does not go on after a panic.
        say(&Said::Stopped { reason: "the verifier has a defect; the browser's console says more".to_owned() });
    }));
    // Every browser that runs this program has vectors: their instructions are in it.
    pulp::wasm::enable_simd128();
    let state = Rc::new(State::default());
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        let data = event.data();
        if let Some(file) = data.dyn_ref::<File>() {
            state.picked.replace(Some(file.clone()));
        } else if let Some(asked) = data.as_string().and_then(|text| serde_json::from_str::<Asked>(&text).ok()) {
            // Page and verifier are built together: only another program's message is none of ours.
            begin(&state, asked);
        }
    });
    scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // Listens as long as the program lives.
    on_message.forget();
    say(&Said::Ready {});
}

fn begin(state: &Rc<State>, asked: Asked) {
    let number = match &asked {
        Asked::Load { work, .. } | Asked::Verify { work, .. } | Asked::Try { work, .. } => *work,
        Asked::Cancel {} => return state.wanted.set(0),
    };
    state.wanted.set(number);
    let state = Rc::clone(state);
    wasm_bindgen_futures::spawn_local(async move {
        let outcome = match asked {
            Asked::Load { model, worker, picked, .. } => work::load(&state, number, &model, worker, picked).await,
            Asked::Verify { claims, indices, .. } => work::verify(&state, number, &claims, &indices).await,
            Asked::Try { prefix, claims, .. } => work::try_prefix(&state, number, &prefix, &claims).await,
            Asked::Cancel {} => Ok(()),
        };
        say(&match outcome {
            Ok(()) => Said::Done { work: number },
            Err(Ended::Unwanted) => Said::Cancelled { work: number },
            Err(Ended::Failed(error)) => Said::Failed { work: number, error },
        });
    });
}

impl State {
    /// Whether the work is still wanted.
    fn check(&self, work: u64) -> Result<(), Ended> {
        if self.wanted.get() == work { Ok(()) } else { Err(Ended::Unwanted) }
    }
}

fn say(said: &Said) {
    if let Ok(text) = serde_json::to_string(said) {
        // Posting a text fails only when nobody is left to read it.
        scope().post_message(&JsValue::from_str(&text)).ok();
    }
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Milliseconds since the program started.
fn now_ms() -> f64 {
    scope().performance().map_or(0.0, |performance| performance.now())
}
