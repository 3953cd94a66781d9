//! Where a cross-entropy lies between no prefix and the reference.

use super::scale::{Scale, padded_domain};
use crate::format;
use leptos::prelude::*;

/// Width of the drawing's own coordinates; it scales with the page.
const WIDTH: f64 = 600.0;
const MARGIN: f64 = 8.0;

/// A bar from no prefix to the reference with the found prefix on it.
#[component]
pub fn GapBar(
    /// Cross-entropy without a prefix, in nats a token.
    none: f64,
    /// The same under the reference.
    reference: f64,
    /// The same under the found prefix.
    found: f64,
) -> impl IntoView {
    // Left is no prefix, right the reference, also where the found prefix lies outside.
    let (low, high) = padded_domain([none, reference, found].into_iter(), 0.0).unwrap_or((0.0, 1.0));
    let scale = Scale::linear((high, low), (MARGIN, WIDTH - MARGIN));
    let (from, to, at) = (scale.px(none), scale.px(reference), scale.px(found));
    let label = format!(
        "Cross-entropy on test: {} without a prefix, {} with the found prefix, {} with the reference.",
        format::nats(none),
        format::nats(found),
        format::nats(reference)
    );
    view! {
        <figure class="gap-bar" data-testid="gap-bar">
            <svg viewBox=format!("0 0 {WIDTH} 28") role="img" aria-label=label>
                <line class="gap-axis" x1=from x2=to y1="14" y2="14"/>
                <line class="gap-closed" x1=from x2=at y1="14" y2="14"/>
                <line class="gap-end" x1=from x2=from y1="5" y2="23"/>
                <line class="gap-end" x1=to x2=to y1="5" y2="23"/>
                <circle class="gap-found" cx=at cy="14" r="7"/>
            </svg>
            <figcaption>
                <span>"No prefix " <b>{format::nats(none)}</b></span>
                <span class="found">"Found " <b>{format::nats(found)}</b></span>
                <span>"Reference " <b>{format::nats(reference)}</b></span>
            </figcaption>
        </figure>
    }
}
