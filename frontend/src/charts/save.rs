//! Buttons that save a chart's picture.

use super::export;
use leptos::prelude::*;
use leptos::svg::Svg;
use leptos::wasm_bindgen::JsCast;
use web_sys::Element;

/// Saves a picture as SVG or PNG.
#[component]
pub fn SavePicture(
    /// The file's name without its ending: of both formats.
    names: (&'static str, &'static str),
    /// The picture.
    picture: NodeRef<Svg>,
) -> impl IntoView {
    let failed = RwSignal::new(false);
    let with_picture = move |save: &dyn Fn(&Element) -> Result<(), wasm_bindgen::JsValue>| {
        if let Some(svg) = picture.get_untracked() {
            failed.set(svg.dyn_ref::<Element>().map_or(Ok(()), save).is_err());
        }
    };
    view! {
        <span class="inline-fields" role="group" aria-label="Save the figure as">
            <button
                type="button"
                class="small"
                data-testid="figure-save-svg"
                on:click=move |_| with_picture(&|svg| export::save_svg(names.0, svg))
            >
                "SVG"
            </button>
            <button
                type="button"
                class="small"
                data-testid="figure-save-png"
                on:click=move |_| with_picture(&|svg| export::save_png(names.1, svg))
            >
                "PNG"
            </button>
        </span>
        <Show when=move || failed.get()>
            <span class="field-error" role="alert">"The browser did not let the file be saved."</span>
        </Show>
    }
}
