//! Cross-entropy over the run.

use super::curve::{Axis, Curves, curves};
use super::scale::{Scale, ticks};
use crate::format;
use crate::run::RunFeed;
use leptos::html::Div;
use leptos::prelude::*;
use shared::state::{Baseline, CurvePoint};
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Element, KeyboardEvent, PointerEvent, ResizeObserver};

/// Most points of a curve; a screen is hardly wider in pixels.
const MAX_POINTS: usize = 600;
/// Points up to which each one gets a dot.
const MAX_DOTS: usize = 40;
/// Rows of the table that are drawn.
const MAX_ROWS: usize = 200;
const HEIGHT: f64 = 300.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 44.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
/// Rough width of a character of a label, in pixels.
const CHAR_PX: f64 = 6.6;

/// The chart, or the same numbers as a table.
#[component]
pub fn CeChart(
    /// The run.
    feed: RunFeed,
) -> impl IntoView {
    let axis = RwSignal::new(Axis::Evaluations);
    let as_table = RwSignal::new(false);
    let drawn = Memo::new(move |_| {
        let axis = axis.get();
        feed.with(|state| curves(state, axis, MAX_POINTS))
    });
    let choice = move |value: Axis, label: &'static str| {
        view! {
            <label class="inline">
                <input type="radio" name="ce-axis" checked=axis.get_untracked() == value on:change=move |_| axis.set(value)/>
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
        <figure class="chart" data-testid="ce-chart">
            <div class="toolbar">
                <fieldset class="inline-fields">
                    <legend class="visually-hidden">"Horizontal axis"</legend>
                    {choice(Axis::Evaluations, "Evaluations")}
                    {choice(Axis::Seconds, "Seconds")}
                </fieldset>
                <button
                    type="button"
                    class="small"
                    aria-pressed=move || as_table.get().to_string()
                    data-testid="chart-as-table"
                    on:click=move |_| as_table.update(|as_table| *as_table = !*as_table)
                >
                    "Show as a table"
                </button>
                <span class="muted" data-testid="chart-thinned">{thinned}</span>
            </div>
            <Show
                when=move || as_table.get()
                fallback=move || view! { <Drawing drawn axis/> }
            >
                <PointTable feed/>
            </Show>
        </figure>
    }
}

#[component]
fn Drawing(drawn: Memo<Option<Curves>>, axis: RwSignal<Axis>) -> impl IntoView {
    let frame = NodeRef::<Div>::new();
    let width = RwSignal::new(640.0);
    observe_width(frame, width);
    let hovered = RwSignal::new(None::<CurvePoint>);
    let scales = move |curves: &Curves| {
        let x = Scale { domain: curves.x, range_px: (LEFT, (width.get() - RIGHT).max(LEFT + 1.0)) };
        (x, Scale { domain: curves.y, range_px: (HEIGHT - BOTTOM, TOP) })
    };
    let on_pointer = move |event: PointerEvent| {
        let Some(target) = event.current_target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        let px = f64::from(event.client_x()) - target.get_bounding_client_rect().left();
        let nearest = drawn.with_untracked(|curves| {
            let curves = curves.as_ref()?;
            let (x, _) = untrack(|| scales(curves));
            let distance = |point: &&CurvePoint| (x.px(axis.get_untracked().of(point)) - px).abs();
            train_points(curves).min_by(|a, b| distance(a).total_cmp(&distance(b))).copied()
        });
        hovered.set(nearest);
    };
    let on_key = move |event: KeyboardEvent| {
        let step = match event.key().as_str() {
            "ArrowLeft" => -1,
            "ArrowRight" => 1,
            "Escape" => return hovered.set(None),
            _ => return,
        };
        event.prevent_default();
        let next = drawn.with_untracked(|curves| {
            let points: Vec<&CurvePoint> = train_points(curves.as_ref()?).collect();
            let at = hovered.get_untracked().and_then(|hovered| points.iter().position(|point| **point == hovered));
            let next = at.map_or(points.len() - 1, |at| at.saturating_add_signed(step).min(points.len() - 1));
            points.get(next).map(|point| **point)
        });
        hovered.set(next);
    };
    let summary = move || {
        drawn.with(|curves| match curves {
            None => "No measurements yet.".to_owned(),
            Some(curves) => {
                let last = train_points(curves).last().map_or(0.0, |point| point.ce_train);
                format!(
                    "Cross-entropy of the train and validation suffixes; the last train value is {} nats a token. \
                     Arrow keys move the crosshair.",
                    format::nats(last)
                )
            }
        })
    };
    view! {
        <div class="chart-frame" node_ref=frame>
            <svg
                class="chart-svg"
                width=move || width.get()
                height=HEIGHT
                viewBox=move || format!("0 0 {} {HEIGHT}", width.get())
                role="img"
                tabindex="0"
                aria-label=summary
                on:pointermove=on_pointer
                on:pointerleave=move |_| hovered.set(None)
                on:keydown=on_key
            >
                {move || drawn.with(|curves| curves.as_ref().map(|curves| {
                    let (x, y) = scales(curves);
                    draw(curves, axis.get(), x, y)
                }))}
                {move || drawn.with(|curves| {
                    let (point, curves) = (hovered.get()?, curves.as_ref()?);
                    let (x, y) = scales(curves);
                    Some(crosshair(&point, axis.get(), x, y))
                })}
            </svg>
            <Show when=move || drawn.with(Option::is_none)>
                <p class="chart-empty muted">
                    "No measurements yet: the curve begins with the first stage after the reference completions."
                </p>
            </Show>
        </div>
        <figcaption>
            <p class="readout" data-testid="chart-readout">
                {move || hovered.get().map_or_else(
                    || "Point at the chart, or focus it and use the arrow keys, to read values.".to_owned(),
                    |point| readout(&point, drawn),
                )}
            </p>
            {move || drawn.with(|curves| curves.as_ref().map(legend))}
        </figcaption>
    }
}

fn train_points(curves: &Curves) -> impl Iterator<Item = &CurvePoint> {
    curves.segments.iter().flat_map(|segment| &segment.train)
}

fn readout(point: &CurvePoint, drawn: Memo<Option<Curves>>) -> String {
    let title = drawn.with(|curves| {
        let segments = curves.as_ref().map(|curves| curves.segments.as_slice()).unwrap_or_default();
        segments.iter().find(|segment| segment.stage == point.stage).map(|segment| segment.title.clone())
    });
    format!(
        "{}, step {} · {} evaluations · {} · train {} · validation {} nats a token",
        title.unwrap_or_default(),
        point.step,
        format::count(point.evaluations),
        format::duration(point.elapsed_secs),
        format::nats(point.ce_train),
        format::or_dash(point.ce_validation, format::nats)
    )
}

fn draw(curves: &Curves, axis: Axis, x: Scale, y: Scale) -> impl IntoView + use<> {
    let (left, right) = x.range_px;
    let (bottom, top) = y.range_px;
    let (y_ticks, y_decimals) = ticks(y.domain, 5);
    let y_axis = y_ticks.into_iter().map(|value| {
        let at = y.px(value);
        view! {
            <line class="grid" x1=left x2=right y1=at y2=at/>
            <text class="tick" x=left - 8.0 y=at + 4.0 text-anchor="end">{format!("{value:.y_decimals$}")}</text>
        }
    });
    let (x_ticks, x_decimals) = ticks(x.domain, ((right - left) / 90.0) as usize + 1);
    let x_axis = x_ticks.into_iter().map(|value| {
        let text = if x_decimals == 0 { format::count(value as u64) } else { format!("{value:.x_decimals$}") };
        view! { <text class="tick" x=x.px(value) y=bottom + 17.0 text-anchor="middle">{text}</text> }
    });
    let baselines = [(curves.train, "train"), (curves.validation, "validation")]
        .into_iter()
        .filter_map(|(baseline, name)| Some((baseline?, name)))
        .map(|(baseline, name)| {
            let line = |value: f64, kind: &str| {
                let at = y.px(value);
                view! { <line class=format!("baseline baseline-{kind} series-{name}") x1=left x2=right y1=at y2=at/> }
            };
            (line(baseline.ce_none, "none"), line(baseline.ce_reference, "reference"))
        });
    let starts: Vec<f64> = curves.segments.iter().map(|segment| x.px(segment.start)).collect();
    let markers = curves.segments.iter().enumerate().map(|(index, segment)| {
        let at = starts[index];
        let room = starts.get(index + 1).copied().unwrap_or(right) - at - 8.0;
        let fits = |text: &str| text.chars().count() as f64 * CHAR_PX <= room;
        let number = (segment.stage + 1).to_string();
        let label = if fits(&segment.title) { segment.title.clone() } else { number };
        view! {
            <line class="stage-marker" x1=at x2=at y1=top - 10.0 y2=bottom/>
            <text class="stage-label" x=at + 4.0 y=top - 12.0>{label}</text>
        }
    });
    let series = curves.segments.iter().map(|segment| {
        let train: Vec<_> = segment.train.iter().map(|point| (x.px(axis.of(point)), y.px(point.ce_train))).collect();
        let validation = segment.validation.iter();
        let validation: Vec<_> =
            validation.filter_map(|point| Some((x.px(axis.of(point)), y.px(point.ce_validation?)))).collect();
        view! { {series(&validation, "validation")} {series(&train, "train")} }
    });
    view! {
        {y_axis.collect_view()}
        {x_axis.collect_view()}
        <text class="axis-title" x=(left + right) / 2.0 y=HEIGHT - 6.0 text-anchor="middle">{axis.title()}</text>
        <text
            class="axis-title"
            transform=format!("translate(14 {}) rotate(-90)", (top + bottom) / 2.0)
            text-anchor="middle"
        >
            "Cross-entropy (nats a token)"
        </text>
        {baselines.collect_view()}
        {markers.collect_view()}
        {series.collect_view()}
    }
}

/// A curve; where it has few points, they are marked.
fn series(points: &[(f64, f64)], name: &'static str) -> impl IntoView + use<> {
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let path = if path.is_empty() { String::new() } else { format!("M{}", path.join("L")) };
    let dots = if points.len() <= MAX_DOTS { points.to_vec() } else { Vec::new() };
    let dots = dots.into_iter().map(|(x, y)| view! { <circle class=format!("dot series-{name}") cx=x cy=y r="2.5"/> });
    view! {
        <path class=format!("curve series-{name}") d=path/>
        {dots.collect_view()}
    }
}

fn crosshair(point: &CurvePoint, axis: Axis, x: Scale, y: Scale) -> impl IntoView + use<> {
    let (at, train) = (x.px(axis.of(point)), y.px(point.ce_train));
    let validation = point.ce_validation.map(|value| y.px(value));
    view! {
        <line class="crosshair" x1=at x2=at y1=y.range_px.1 y2=y.range_px.0/>
        <circle class="hit series-train" cx=at cy=train r="4"/>
        {validation.map(|y| view! { <circle class="hit series-validation" cx=at cy=y r="4"/> })}
    }
}

fn legend(curves: &Curves) -> impl IntoView + use<> {
    let entry = |name: &'static str, baseline: Option<Baseline>| {
        let line = |kind: &'static str, label: &'static str, value: f64| {
            view! {
                <li>
                    <svg class="key" viewBox="0 0 28 10" aria-hidden="true">
                        <line class=format!("baseline baseline-{kind} series-{name}") x1="0" x2="28" y1="5" y2="5"/>
                    </svg>
                    {format!("{name}, {label} {}", format::nats(value))}
                </li>
            }
        };
        view! {
            <li>
                <svg class="key" viewBox="0 0 28 10" aria-hidden="true">
                    <line class=format!("curve series-{name}") x1="0" x2="28" y1="5" y2="5"/>
                </svg>
                {name}
            </li>
            {baseline.map(|baseline| (
                line("none", "no prefix", baseline.ce_none),
                line("reference", "reference", baseline.ce_reference),
            ))}
        }
    };
    view! { <ul class="legend">{entry("train", curves.train)} {entry("validation", curves.validation)}</ul> }
}

/// The newest points as rows.
#[component]
fn PointTable(feed: RunFeed) -> impl IntoView {
    let rows = feed.part(|state| state.curve.iter().rev().take(MAX_ROWS).copied().collect::<Vec<_>>());
    let total = feed.part(|state| state.curve.len());
    let titles = feed.part(|state| state.stages.iter().map(|stage| stage.plan.title.clone()).collect::<Vec<_>>());
    let key = |point: &CurvePoint| (point.stage, point.step, point.evaluations);
    let shown = move || rows.with(Vec::len) as u64;
    view! {
        <p class="muted">
            {move || {
                format!("{} of {} points, newest first.", format::count(shown()), format::count(total.get() as u64))
            }}
        </p>
        <div class="table-box chart-table" role="region" tabindex="0" aria-label="Cross-entropy as a table">
            <table data-testid="chart-table">
                <thead>
                    <tr>
                        <th scope="col">"Stage"</th>
                        <th scope="col" class="num">"Step"</th>
                        <th scope="col" class="num">"Evaluations"</th>
                        <th scope="col" class="num">"Seconds"</th>
                        <th scope="col" class="num">"Train, nats a token"</th>
                        <th scope="col" class="num">"Validation, nats a token"</th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || rows.get() key=key let:point>
                        <tr>
                            <td>{move || titles.with(|titles| titles.get(point.stage).cloned())}</td>
                            <td class="num">{point.step}</td>
                            <td class="num">{format::count(point.evaluations)}</td>
                            <td class="num">{format!("{:.1}", point.elapsed_secs)}</td>
                            <td class="num">{format::nats(point.ce_train)}</td>
                            <td class="num">{format::or_dash(point.ce_validation, format::nats)}</td>
                        </tr>
                    </For>
                </tbody>
            </table>
        </div>
    }
}

/// Keeps a signal at the width of an element, in pixels.
fn observe_width(element: NodeRef<Div>, width: RwSignal<f64>) {
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
