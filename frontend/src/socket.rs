//! A WebSocket and what is to happen when it says something.

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, WebSocket};

/// A socket and its callbacks.
pub struct Socket {
    socket: WebSocket,
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut()>,
}

impl Socket {
    /// Opens a socket; nothing where the browser refuses to even try. `on_text` gets each text frame as the
    /// browser's own string: whoever only passes it on need not take it over.
    pub fn open(
        url: &str,
        on_open: impl FnMut() + 'static,
        mut on_text: impl FnMut(JsValue) + 'static,
        on_close: impl FnMut() + 'static,
    ) -> Option<Self> {
        let socket = WebSocket::new(url).ok()?;
        let on_open = Closure::<dyn FnMut()>::new(on_open);
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let data = event.data();
            if data.is_string() {
                on_text(data);
            }
        });
        let on_close = Closure::<dyn FnMut()>::new(on_close);
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Some(Socket { socket, _on_open: on_open, _on_message: on_message, _on_close: on_close })
    }

    /// Sends a text.
    pub fn send(&self, text: &str) {
        // A closing socket throws; the close that follows makes us send again after the reconnect.
        self.socket.send_with_str(text).ok();
    }

    /// Closes the socket and listens to it no more. Its callbacks are freed later, because this may
    /// run inside one of them.
    pub fn retire(self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        self.socket.close().ok();
        wasm_bindgen_futures::spawn_local(async move { drop(self) });
    }
}
