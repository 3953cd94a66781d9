//! What is drawn inside the axes.

use super::super::curve::{Curves, View};
use super::super::scale::{Scale, ticks};
use super::{HEIGHT, MAX_DOTS};
use crate::format;
use leptos::prelude::*;
use shared::state::CurvePoint;

/// Rough width of a character of a label, in pixels.
const CHAR_PX: f64 = 6.6;

/// Axes, baselines, stages and curves.
pub fn draw(curves: &Curves, view: View, x: Scale, y: Scale) -> impl IntoView + use<> {
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
    let shown = view.shown;
    let baselines = [
        (curves.train, curves.random.train, "train", shown.train),
        (curves.validation, curves.random.validation, "validation", shown.validation),
    ]
    .into_iter()
    .filter(|(_, _, _, series)| shown.baselines && *series)
    .filter_map(|(baseline, random, name, _)| Some((baseline?, random, name)))
    .map(|(baseline, random, name)| {
        let line = |value: f64, kind: &str| {
            let at = y.px(value);
            view! { <line class=format!("baseline baseline-{kind} series-{name}") x1=left x2=right y1=at y2=at/> }
        };
        let random = random.map(|random| line(random, "random"));
        (line(baseline.ce_none, "none"), random, line(baseline.ce_reference, "reference"))
    });
    let starts: Vec<f64> = curves.segments.iter().map(|segment| x.px(segment.start)).collect();
    let markers =
        curves.segments.iter().enumerate().filter(|(index, _)| starts[*index] >= left).map(|(index, segment)| {
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
        let train: Vec<_> =
            segment.train.iter().map(|point| (x.px(view.axis.of(point)), y.px(point.ce_train))).collect();
        let validation = segment.validation.iter();
        let validation: Vec<_> =
            validation.filter_map(|point| Some((x.px(view.axis.of(point)), y.px(point.ce_validation?)))).collect();
        view! {
            {shown.validation.then(|| series(&validation, "validation"))}
            {shown.train.then(|| series(&train, "train"))}
        }
    });
    view! {
        {y_axis.collect_view()}
        {x_axis.collect_view()}
        <text class="axis-title" x=(left + right) / 2.0 y=HEIGHT - 6.0 text-anchor="middle">{view.axis.title()}</text>
        <text
            class="axis-title"
            transform=format!("translate(14 {}) rotate(-90)", (top + bottom) / 2.0)
            text-anchor="middle"
        >
            {if view.log { "Cross-entropy (nats a token, log scale)" } else { "Cross-entropy (nats a token)" }}
        </text>
        {markers.collect_view()}
        // An inner picture cuts off what a zoom leaves outside.
        <svg x=left y=top width=(right - left).max(0.0) height=(bottom - top).max(0.0) viewBox=format!(
            "{left} {top} {} {}",
            (right - left).max(1.0),
            (bottom - top).max(1.0)
        )>
            {baselines.collect_view()}
            {series.collect_view()}
        </svg>
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

/// A point pointed at.
pub fn crosshair(point: &CurvePoint, view: View, x: Scale, y: Scale) -> impl IntoView + use<> {
    let (at, train) = (x.px(view.axis.of(point)), y.px(point.ce_train));
    let validation = point.ce_validation.filter(|_| view.shown.validation).map(|value| y.px(value));
    view! {
        <line class="crosshair" x1=at x2=at y1=y.range_px.1 y2=y.range_px.0/>
        {view.shown.train.then(|| view! { <circle class="hit series-train" cx=at cy=train r="4"/> })}
        {validation.map(|y| view! { <circle class="hit series-validation" cx=at cy=y r="4"/> })}
    }
}
