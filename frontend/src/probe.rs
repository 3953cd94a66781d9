//! Asks a worker that the page is not attached to whether it could be.

use crate::attach::{Answer, Hello};
use crate::attachment;
use leptos::prelude::{set_timeout, window};
use programs::socket::Socket;
use shared::wire::{ClientMessage, Credential, PROTOCOL, ServerMessage};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, RequestCache, RequestInit, Response};

/// How long a worker may take to answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// What a worker at an origin says of its health; nothing where nothing answers that this page may read.
pub async fn health(origin: &str) -> Option<Answer> {
    ask_health(origin).await.ok()
}

async fn ask_health(origin: &str) -> Result<Answer, JsValue> {
    let init = RequestInit::new();
    init.set_cache(RequestCache::NoStore);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(PATIENCE.as_millis() as u32)));
    let address = format!("{origin}/api/health");
    let response: Response = JsFuture::from(window().fetch_with_str_and_init(&address, &init)).await?.dyn_into()?;
    let text = JsFuture::from(response.text()?).await?;
    Ok(Answer { status: response.status(), body: text.as_string().unwrap_or_default() })
}

/// A hello that waits for its answer.
struct Waiting {
    socket: Option<Socket>,
    on_answer: Option<Box<dyn FnOnce(Hello)>>,
}

/// Says hello to a worker at an origin, and hangs up once it has answered.
pub fn hello(origin: &str, credential: Credential, on_answer: impl FnOnce(Hello) + 'static) {
    let waiting = Rc::new(RefCell::new(Waiting { socket: None, on_answer: Some(Box::new(on_answer)) }));
    let answered = {
        let waiting = Rc::clone(&waiting);
        move |hello: Hello| {
            let (socket, on_answer) = {
                let mut waiting = waiting.borrow_mut();
                (waiting.socket.take(), waiting.on_answer.take())
            };
            if let Some(socket) = socket {
                socket.retire();
            }
            if let Some(on_answer) = on_answer {
                on_answer(hello);
            }
        }
    };
    let say = {
        let waiting = Rc::clone(&waiting);
        move || {
            let message = ClientMessage::Hello { protocol: PROTOCOL, credential: credential.clone() };
            if let (Ok(text), Some(socket)) = (serde_json::to_string(&message), &waiting.borrow().socket) {
                socket.send(&text);
            }
        }
    };
    let on_text = {
        let answered = answered.clone();
        move |text: JsValue| match serde_json::from_str::<ServerMessage>(&text.as_string().unwrap_or_default()) {
            Ok(ServerMessage::Welcome { token, device, catalogue, .. }) => {
                answered(Hello::Welcome { token, device, catalogue });
            }
            Ok(ServerMessage::Error { error, .. }) => answered(Hello::Refused(error)),
            // Whatever comes before either is not for us.
            Ok(_) | Err(_) => {}
        }
    };
    let on_close = {
        let answered = answered.clone();
        move || answered(Hello::Closed)
    };
    let socket = Socket::open(&attachment::socket_of(origin), say, on_text, on_close);
    if socket.is_none() {
        return answered(Hello::Closed);
    }
    waiting.borrow_mut().socket = socket;
    set_timeout(move || answered(Hello::Closed), PATIENCE);
}
