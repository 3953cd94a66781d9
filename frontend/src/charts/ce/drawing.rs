//! The chart itself: pointer and keys read values and zoom.

use super::super::curve::{Curves, Shown, View};
use super::super::scale::Scale;
use super::super::width::observe_width;
use super::legend::Legend;
use super::marks::{crosshair, draw};
use super::{BOTTOM, HEIGHT, LEFT, RIGHT, TOP};
use crate::format;
use leptos::html::Div;
use leptos::prelude::*;
use leptos::svg::Svg;
use shared::state::CurvePoint;
use wasm_bindgen::JsCast;
use web_sys::{Element, KeyboardEvent, PointerEvent};

/// Pixels that a pointer must be dragged to mean a zoom.
const MIN_DRAG_PX: f64 = 8.0;

/// The drawing, with its readout and legend.
#[component]
pub fn Drawing(
    /// What is drawn.
    drawn: Memo<Option<Curves>>,
    /// How it is looked at.
    view: RwSignal<View>,
    /// The picture, for exports.
    picture: NodeRef<Svg>,
) -> impl IntoView {
    let frame = NodeRef::<Div>::new();
    let width = RwSignal::new(640.0);
    observe_width(frame, width);
    let hovered = RwSignal::new(None::<CurvePoint>);
    // Where a drag began and where it is, in pixels.
    let dragged = RwSignal::new(None::<(f64, f64)>);
    let scales = move |curves: &Curves| {
        let x = Scale::linear(curves.x, (LEFT, (width.get() - RIGHT).max(LEFT + 1.0)));
        (x, Scale { log: view.get().log, ..Scale::linear(curves.y, (HEIGHT - BOTTOM, TOP)) })
    };
    let x_scale = move || drawn.with_untracked(|curves| curves.as_ref().map(|curves| untrack(|| scales(curves)).0));
    let on_move = move |event: PointerEvent| {
        let Some(px) = place_px(&event) else { return };
        dragged.update(|dragged| {
            if let Some((_, to)) = dragged {
                *to = px;
            }
        });
        hovered.set(drawn.with_untracked(|curves| {
            let (curves, x) = (curves.as_ref()?, x_scale()?);
            let axis = view.get_untracked().axis;
            let distance = |point: &&CurvePoint| (x.px(axis.of(point)) - px).abs();
            curves.visible_train().min_by(|a, b| distance(a).total_cmp(&distance(b))).copied()
        }));
    };
    let on_down = move |event: PointerEvent| {
        if event.is_primary() && event.button() == 0 {
            dragged.set(place_px(&event).map(|px| (px, px)));
        }
    };
    let on_up = move |_| {
        if let (Some((from, to)), Some(x)) = (dragged.get_untracked(), x_scale())
            && (from - to).abs() >= MIN_DRAG_PX
        {
            view.update(|view| view.zoom = Some((x.value(from.min(to)), x.value(from.max(to)))));
        }
        dragged.set(None);
    };
    let zoom_by = move |factor: f64| {
        let Some(x) = x_scale() else { return };
        let (low, high) = x.domain;
        let center = hovered.get_untracked().map_or((low + high) / 2.0, |point| view.get_untracked().axis.of(&point));
        view.update(|view| view.zoom = Some((center - (center - low) * factor, center + (high - center) * factor)));
    };
    let on_key = move |event: KeyboardEvent| {
        let step = match event.key().as_str() {
            "ArrowLeft" => -1,
            "ArrowRight" => 1,
            "+" | "=" => return zoom_by(0.5),
            "-" => return zoom_by(2.0),
            "0" => return view.update(|view| view.zoom = None),
            "Escape" => return hovered.set(None),
            _ => return,
        };
        event.prevent_default();
        let next = drawn.with_untracked(|curves| {
            let points: Vec<&CurvePoint> = curves.as_ref()?.visible_train().collect();
            let at = hovered.get_untracked().and_then(|hovered| points.iter().position(|point| **point == hovered));
            let last = points.len().checked_sub(1)?;
            let next = at.map_or(last, |at| at.saturating_add_signed(step).min(last));
            points.get(next).map(|point| **point)
        });
        hovered.set(next);
    };
    let summary = move || {
        drawn.with(|curves| match curves {
            None => "No measurements yet.".to_owned(),
            Some(curves) => {
                let last = curves.visible_train().last().map_or(0.0, |point| point.ce_train);
                format!(
                    "Cross-entropy of the train and validation suffixes; the last train value is {} nats a token. \
                     Arrow keys move the crosshair, plus and minus zoom, 0 shows the whole run.",
                    format::nats(last)
                )
            }
        })
    };
    view! {
        <div class="chart-frame" node_ref=frame>
            <svg
                node_ref=picture
                class="chart-svg"
                width=move || width.get()
                height=HEIGHT
                viewBox=move || format!("0 0 {} {HEIGHT}", width.get())
                role="img"
                tabindex="0"
                aria-label=summary
                on:pointermove=on_move
                on:pointerdown=on_down
                on:pointerup=on_up
                on:pointerleave=move |_| {
                    hovered.set(None);
                    dragged.set(None);
                }
                on:keydown=on_key
            >
                {move || drawn.with(|curves| curves.as_ref().map(|curves| {
                    let (x, y) = scales(curves);
                    draw(curves, view.get(), x, y)
                }))}
                {move || drawn.with(|curves| {
                    let (point, curves) = (hovered.get()?, curves.as_ref()?);
                    let (x, y) = scales(curves);
                    Some(crosshair(&point, view.get(), x, y))
                })}
                {move || dragged.get().map(|(from, to)| view! {
                    <rect
                        class="zoom-band"
                        x=from.min(to)
                        y=TOP
                        width=(from - to).abs()
                        height=HEIGHT - TOP - BOTTOM
                    />
                })}
            </svg>
            <Show when=move || drawn.with(Option::is_none)>
                <p class="chart-empty muted">
                    {move || match view.get().shown {
                        Shown { train: false, validation: false, .. } => "Both curves are hidden.",
                        _ => "No measurements yet: the curve begins with the first stage after the reference completions.",
                    }}
                </p>
            </Show>
        </div>
        <figcaption>
            <p class="readout" data-testid="chart-readout">
                {move || hovered.get().map_or_else(
                    || "Point at the chart, or focus it and use the arrow keys, to read values; drag across it to zoom."
                        .to_owned(),
                    |point| readout(&point, drawn),
                )}
            </p>
            <Legend drawn view/>
        </figcaption>
    }
}

/// Where a pointer is, in pixels from the picture's left edge.
fn place_px(event: &PointerEvent) -> Option<f64> {
    let target = event.current_target()?.dyn_into::<Element>().ok()?;
    Some(f64::from(event.client_x()) - target.get_bounding_client_rect().left())
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
