//! A few values as dots on one line, with their mean.

use super::scale::Scale;
use leptos::prelude::*;

const WIDTH: f64 = 120.0;
const HEIGHT: f64 = 20.0;
const MARGIN: f64 = 6.0;

/// Shares as dots between no prefix (0) and the reference (1); what lies outside widens the line.
#[component]
pub fn Strip(
    /// The shares; not empty.
    values: Vec<f64>,
) -> impl IntoView {
    let low = values.iter().copied().fold(0.0, f64::min);
    let high = values.iter().copied().fold(1.0, f64::max);
    let scale = Scale::linear((low, high), (MARGIN, WIDTH - MARGIN));
    let mean = scale.px(values.iter().sum::<f64>() / values.len().max(1) as f64);
    let ends = [0.0, 1.0].map(|end| {
        let at = scale.px(end);
        view! { <line class="grid" x1=at x2=at y1="2" y2=HEIGHT - 2.0/> }
    });
    let dots = values.into_iter().map(|value| {
        view! { <circle class="dot series-train" cx=scale.px(value) cy=HEIGHT / 2.0 r="3" fill-opacity="0.6"/> }
    });
    view! {
        <svg class="strip" viewBox=format!("0 0 {WIDTH} {HEIGHT}") width=WIDTH height=HEIGHT aria-hidden="true">
            {ends.collect_view()}
            {dots.collect_view()}
            <line class="strip-mean" x1=mean x2=mean y1="3" y2=HEIGHT - 3.0/>
        </svg>
    }
}
