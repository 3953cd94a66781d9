//! How wide a chart may be.

use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::ResizeObserver;

/// Keeps a signal at the width of an element, in pixels.
pub fn observe_width(element: NodeRef<Div>, width: RwSignal<f64>) {
    Effect::new(move |_| {
        let Some(element) = element.get() else { return };
        let observed = element.clone();
        let callback = Closure::<dyn FnMut()>::new(move || {
            let now = f64::from(observed.client_width());
            if now > 0.0 && width.try_get_untracked().is_some_and(|before| before != now) {
                width.set(now);
            }
        });
        if let Ok(observer) = ResizeObserver::new(callback.as_ref().unchecked_ref()) {
            observer.observe(&element);
            // The closure must live as long as the observer may call it.
            let kept = StoredValue::new_local(Some((observer, callback)));
            on_cleanup(move || {
                if let Some(Some((observer, callback))) = kept.try_update_value(Option::take) {
                    observer.disconnect();
                    drop(callback);
                }
            });
        }
    });
}
