//! The time, once a second, for what counts up or down on the page.

use leptos::prelude::*;
use std::time::Duration;

/// A handle to the clock; copies share it.
#[derive(Clone, Copy)]
pub struct Clock {
    now_unix_ms: RwSignal<f64>,
}

impl Clock {
    /// Starts ticking.
    pub fn start() -> Self {
        let now_unix_ms = RwSignal::new(js_sys::Date::now());
        let tick = move || now_unix_ms.set(js_sys::Date::now());
        if let Ok(interval) = set_interval_with_handle(tick, Duration::from_secs(1)) {
            on_cleanup(move || interval.clear());
        }
        Clock { now_unix_ms }
    }

    /// The clock that the page provides.
    pub fn get() -> Self {
        expect_context()
    }

    /// Milliseconds since the Unix epoch; whoever asks is asked again every second.
    pub fn now_unix_ms(&self) -> f64 {
        self.now_unix_ms.get()
    }
}
