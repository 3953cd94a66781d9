//! A web worker in which one of the page's other programs runs: the tokeniser, or the verifier.

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ErrorEvent, Event, MessageEvent, Worker, WorkerOptions, WorkerType};

/// A running web worker; it ends when this is dropped.
pub struct Thread {
    worker: Worker,
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_error: Closure<dyn Fn(Event)>,
}

impl Thread {
    /// Starts it with a script from the page's own origin: its policy allows no other. What it posts goes to
    /// `on_text`; `on_stop` hears why its script or its program does not go on.
    pub fn start(
        script: &str,
        on_text: impl Fn(&str) + 'static,
        on_stop: impl Fn(&str) + 'static,
    ) -> Result<Self, String> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(script, &options).map_err(|error| format!("{error:?}"))?;
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            on_text(&event.data().as_string().unwrap_or_default());
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let on_error = Closure::<dyn Fn(Event)>::new(move |event: Event| match event.dyn_ref::<ErrorEvent>() {
            Some(error) => on_stop(&error.message()),
            // A script that could not be fetched has no message of its own.
            None => on_stop("its script could not be fetched from the worker"),
        });
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Thread { worker, _on_message: on_message, _on_error: on_error })
    }

    /// Posts a text to it.
    pub fn post(&self, text: &str) {
        self.post_value(&JsValue::from_str(text));
    }

    /// Posts a value of the browser's to it.
    pub fn post_value(&self, value: &JsValue) {
        // Posting fails only when it is out of memory, and then it stops by itself.
        self.worker.post_message(value).ok();
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
