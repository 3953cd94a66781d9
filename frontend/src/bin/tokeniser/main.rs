//! The page's tokeniser: a program in a web worker that answers what the page asks of a model's
//! vocabulary, with the code that the worker uses on its candidates.
//!
//! Questions are answered in the order in which they come, except that loading does not hold up the
//! others. The page decides which answers it still wants.

mod answers;
mod fetch;

use answers::Tokeniser;
use programs::messages::{Answer, Asked, Question, Said};
use shared::event::ErrorBody;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{Closure, JsValue};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

fn main() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        // The program does not go on after a panic.
        say(&Said::Stopped { reason: "the tokeniser has a defect; the browser's console says more".to_owned() });
    }));
    let tokeniser = Rc::new(RefCell::new(Tokeniser::default()));
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        let asked = event.data().as_string().and_then(|text| serde_json::from_str::<Asked>(&text).ok());
        // Page and tokeniser are built together: only another program's message is none of ours.
        if let Some(Asked { id, question }) = asked {
            answer(&tokeniser, id, question);
        }
    });
    scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // Listens as long as the program lives.
    on_message.forget();
    say(&Said::Ready {});
}

fn answer(tokeniser: &Rc<RefCell<Tokeniser>>, id: u64, question: Question) {
    let Question::Load { model, origin, token } = question else {
        let outcome = tokeniser.borrow_mut().answer(&question);
        return say(&Said::Answered { id, outcome });
    };
    let tokeniser = Rc::clone(tokeniser);
    wasm_bindgen_futures::spawn_local(async move {
        let outcome = load(&tokeniser, model, &origin, &token).await;
        say(&Said::Answered { id, outcome });
    });
}

async fn load(tokeniser: &RefCell<Tokeniser>, model: String, origin: &str, token: &str) -> Result<Answer, ErrorBody> {
    let bundle = fetch::tokenizer(&scope(), &model, origin, token).await?;
    tokeniser.borrow_mut().load(model, &bundle)
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

#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
