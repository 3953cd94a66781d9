//! Cross-entropy over the run.

mod drawing;
mod legend;
mod marks;
mod table;

use super::curve::{Axis, View, curves};
use super::export;
use crate::format;
use crate::run::RunFeed;
use drawing::Drawing;
use leptos::prelude::*;
use leptos::svg::Svg;
use leptos::wasm_bindgen::JsCast;
use table::PointTable;
use wasm_bindgen::JsValue;
use web_sys::Element;

/// Most points of a curve; a screen is hardly wider in pixels.
const MAX_POINTS: usize = 600;
/// Points up to which each one gets a dot.
const MAX_DOTS: usize = 40;
const HEIGHT: f64 = 300.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 44.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;

/// The chart, or the same numbers as a table.
#[component]
pub fn CeChart(
    /// The run.
    feed: RunFeed,
    /// How it is looked at.
    view: RwSignal<View>,
    /// Whether the numbers are shown as a table.
    #[prop(into)]
    as_table: Signal<bool>,
    /// Shows them so, or no longer.
    #[prop(into)]
    set_as_table: Callback<bool>,
    /// Handle for tests.
    test_id: &'static str,
) -> impl IntoView {
    let picture = NodeRef::<Svg>::new();
    let drawn = Memo::new(move |_| {
        let view = view.get();
        feed.with(|state| curves(state, view, MAX_POINTS))
    });
    let choice = move |axis: Axis, name: &'static str, label: &'static str| {
        view! {
            <label class="inline">
                <input
                    type="radio"
                    name=format!("{test_id}-axis")
                    data-testid=format!("chart-x-{name}")
                    prop:checked=move || view.get().axis == axis
                    // What was zoomed to is measured in other units.
                    on:change=move |_| view.update(|view| (view.axis, view.zoom) = (axis, None))
                />
                {label}
            </label>
        }
    };
    let thinned = move || {
        drawn.with(|curves| {
            let curves = curves.as_ref()?;
            (curves.drawn_points < curves.total_points).then(|| {
                format!(
                    "Drawn with {} of {} points; peaks are kept.",
                    format::count(curves.drawn_points as u64),
                    format::count(curves.total_points as u64)
                )
            })
        })
    };
    view! {
        <figure class="chart" data-testid=test_id>
            <div class="toolbar">
                <fieldset class="inline-fields">
                    <legend class="visually-hidden">"Horizontal axis"</legend>
                    {choice(Axis::Evaluations, "evaluations", "Evaluations")}
                    {choice(Axis::Seconds, "seconds", "Seconds")}
                </fieldset>
                <label class="inline">
                    <input
                        type="checkbox"
                        data-testid="chart-log"
                        prop:checked=move || view.get().log
                        on:change:target=move |event| view.update(|view| view.log = event.target().checked())
                    />
                    "Log scale"
                </label>
                <Show when=move || view.get().zoom.is_some()>
                    <button
                        type="button"
                        class="small"
                        data-testid="chart-whole"
                        on:click=move |_| view.update(|view| view.zoom = None)
                    >
                        "Whole run"
                    </button>
                </Show>
                <button
                    type="button"
                    class="small"
                    aria-pressed=move || as_table.get().to_string()
                    data-testid="chart-as-table"
                    on:click=move |_| set_as_table.run(!as_table.get_untracked())
                >
                    "Show as a table"
                </button>
                <Save feed picture/>
                <span class="muted" data-testid="chart-thinned">{thinned}</span>
            </div>
            <Show
                when=move || as_table.get()
                fallback=move || view! { <Drawing drawn view picture/> }
            >
                <PointTable feed view/>
            </Show>
        </figure>
    }
}

/// Saves the picture or its numbers as files.
#[component]
fn Save(feed: RunFeed, picture: NodeRef<Svg>) -> impl IntoView {
    let failed = RwSignal::new(false);
    let told = move |saved: Result<(), JsValue>| failed.set(saved.is_err());
    let with_picture = move |save: fn(&Element) -> Result<(), JsValue>| {
        if let Some(svg) = picture.get_untracked() {
            told(svg.dyn_ref::<Element>().map_or(Ok(()), save));
        }
    };
    // The table has no picture.
    let no_picture = move || picture.get().is_none();
    view! {
        <span class="inline-fields" role="group" aria-label="Save the chart as">
            <button
                type="button"
                class="small"
                data-testid="chart-save-svg"
                disabled=no_picture
                on:click=move |_| with_picture(|svg| export::save_svg("cross-entropy.svg", svg))
            >
                "SVG"
            </button>
            <button
                type="button"
                class="small"
                data-testid="chart-save-png"
                disabled=no_picture
                on:click=move |_| with_picture(|svg| export::save_png("cross-entropy.png", svg))
            >
                "PNG"
            </button>
            <button
                type="button"
                class="small"
                data-testid="chart-save-csv"
                on:click=move |_| {
                    let text = untrack(|| feed.with(export::csv));
                    told(export::save_text("cross-entropy.csv", "text/csv", &text));
                }
            >
                "CSV"
            </button>
        </span>
        <Show when=move || failed.get()>
            <span class="field-error" role="alert">"The browser did not let the file be saved."</span>
        </Show>
    }
}
