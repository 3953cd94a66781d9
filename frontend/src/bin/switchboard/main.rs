//! The switchboard: a program in a web worker that all pages of a browser share, so that a browser has one socket to a
//! worker and not one for each of its pages.
//!
//! [`board`] decides; here is what it decides about: pages at their ports, sockets, and the messages between them.

mod board;
mod envelope;
mod follow;
mod line;
#[cfg(test)]
mod tests;

use board::{Board, LineId, PageId, Step};
use programs::socket::Socket;
use programs::switchboard::{FromPage, ToPage};
use std::cell::RefCell;
use std::collections::BTreeMap;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::{JsCast, JsValue, wasm_bindgen};
use web_sys::{MessageEvent, MessagePort};

#[derive(Default)]
struct Switchboard {
    board: Board,
    sockets: BTreeMap<LineId, Socket>,
    /// How many pages came.
    came: PageId,
}

/// A page's end.
struct Port {
    port: MessagePort,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

thread_local! {
    static SWITCHBOARD: RefCell<Switchboard> = RefCell::default();
    /// Apart, so that they can be told when the rest has failed.
    static PORTS: RefCell<BTreeMap<PageId, Port>> = const { RefCell::new(BTreeMap::new()) };
}

fn main() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        // The program does not go on after a panic; each page then has a socket of its own.
        PORTS.with(|ports| {
            for Port { port, .. } in ports.try_borrow().iter().flat_map(|ports| ports.values()) {
                say(port, &ToPage::Failed);
            }
        });
    }));
}

/// A page came, with its port.
#[wasm_bindgen]
pub fn connect(port: MessagePort) {
    let page = SWITCHBOARD.with_borrow_mut(|switchboard| {
        switchboard.came += 1;
        switchboard.came
    });
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        // Only another program's message is none of ours: page and switchboard are of one version.
        if let Some(message) = FromPage::from_value(&event.data()) {
            hear(page, message);
        }
    });
    // This also starts the port, which has kept what came before.
    port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    PORTS.with_borrow_mut(|ports| ports.insert(page, Port { port, _on_message: on_message }));
}

fn hear(page: PageId, message: FromPage) {
    let is_last = message == FromPage::HangUp;
    act(&JsValue::NULL, |board| match message {
        FromPage::Dial { address } => board.dial(page, address),
        FromPage::Text(text) => board.said_by_page(page, text),
        FromPage::Read(texts) => {
            board.read(page, texts);
            Vec::new()
        }
        FromPage::HangUp => board.hung_up(page),
    });
    if is_last {
        forget(page);
    }
}

/// Lets the board decide, then does it; `text` is what came in.
fn act(text: &JsValue, decide: impl FnOnce(&mut Board) -> Vec<Step>) {
    let steps = SWITCHBOARD.with_borrow_mut(|switchboard| decide(&mut switchboard.board));
    for step in steps {
        match step {
            Step::Dial(line, address) => dial(line, &address),
            Step::Send(line, text) => SWITCHBOARD.with_borrow(|switchboard| {
                switchboard.sockets.get(&line).into_iter().for_each(|socket| socket.send(&text));
            }),
            Step::HangUp(line) => retire(line),
            Step::Open(page) => tell(page, &ToPage::Open),
            Step::Relay(page) => tell(page, &ToPage::Text(text.clone())),
            Step::Tell(page, text) => tell(page, &ToPage::Text(JsValue::from_str(&text))),
            Step::Pages(page, pages) => tell(page, &ToPage::Pages(pages)),
            Step::Close(page) => {
                tell(page, &ToPage::Closed);
                forget(page);
            }
        }
    }
}

fn dial(line: LineId, address: &str) {
    let on_text = move |text: JsValue| {
        let read = text.as_string().unwrap_or_default();
        act(&text, |board| board.said_by_worker(line, &read));
    };
    let on_open = move || act(&JsValue::NULL, |board| board.opened(line));
    match Socket::open(address, on_open, on_text, move || closed(line)) {
        Some(socket) => drop(SWITCHBOARD.with_borrow_mut(|switchboard| switchboard.sockets.insert(line, socket))),
        // The browser refused to even try.
        None => closed(line),
    }
}

fn closed(line: LineId) {
    retire(line);
    act(&JsValue::NULL, |board| board.closed(line));
}

fn retire(line: LineId) {
    let socket = SWITCHBOARD.with_borrow_mut(|switchboard| switchboard.sockets.remove(&line));
    if let Some(socket) = socket {
        socket.retire();
    }
}

fn tell(page: PageId, message: &ToPage) {
    PORTS.with_borrow(|ports| ports.get(&page).into_iter().for_each(|page| say(&page.port, message)));
}

/// Closes a page's port. It is freed later, because this may run inside its callback.
fn forget(page: PageId) {
    let port = PORTS.with_borrow_mut(|ports| ports.remove(&page));
    if let Some(port) = port {
        port.port.set_onmessage(None);
        port.port.close();
        wasm_bindgen_futures::spawn_local(async move { drop(port) });
    }
}

fn say(port: &MessagePort, message: &ToPage) {
    // Posting fails only when nobody is left to read it.
    port.post_message(&message.to_value()).ok();
}

#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
