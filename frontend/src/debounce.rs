//! A signal that waits for a pause.

use leptos::leptos_dom::helpers::TimeoutHandle;
use leptos::prelude::*;
use std::time::Duration;

/// Follows `source` once it has not changed for `pause_ms` milliseconds.
pub fn debounced<S, T>(source: S, pause_ms: u64) -> Signal<T>
where
    S: Get<Value = T> + GetUntracked<Value = T> + 'static,
    T: Clone + PartialEq + Send + Sync + 'static,
{
    let settled = RwSignal::new(source.get_untracked());
    let waiting = StoredValue::new_local(None::<TimeoutHandle>);
    Effect::new(move |_| {
        let value = source.get();
        if let Some(Some(handle)) = waiting.try_update_value(Option::take) {
            handle.clear();
        }
        if settled.with_untracked(|settled| *settled == value) {
            return;
        }
        let settle = move || drop(settled.try_set(value.clone()));
        waiting.set_value(set_timeout_with_handle(settle, Duration::from_millis(pause_ms)).ok());
    });
    on_cleanup(move || {
        if let Some(Some(handle)) = waiting.try_update_value(Option::take) {
            handle.clear();
        }
    });
    settled.into()
}
