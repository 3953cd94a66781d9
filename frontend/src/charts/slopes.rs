//! Values before and after something, a line each.

use super::save::SavePicture;
use super::scale::{Scale, padded_domain, ticks};
use crate::components::ModelText;
use crate::format;
use leptos::prelude::*;
use leptos::svg::Svg;
use shared::spec::Split;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;

/// A line of the chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Slope {
    /// What it is about.
    pub title: String,
    /// The split that it belongs to.
    pub split: Split,
    /// Cross-entropy before, in nats a token.
    pub before: f64,
    /// Cross-entropy after, likewise.
    pub after: f64,
}

/// Lines from before to after, and a table of them.
#[component]
pub fn Slopes(
    /// The lines; not empty.
    slopes: Vec<Slope>,
    /// What the lines are about, as the head of a column.
    what: &'static str,
    /// The left end.
    before: &'static str,
    /// The right end.
    after: &'static str,
) -> impl IntoView {
    let picture = NodeRef::<Svg>::new();
    let domain = padded_domain(slopes.iter().flat_map(|slope| [slope.before, slope.after]), 0.06).unwrap_or((0.0, 1.0));
    let y = Scale::linear(domain, (HEIGHT - BOTTOM, TOP));
    let (from, to) = (LEFT + 30.0, WIDTH - RIGHT);
    let (values, decimals) = ticks(domain, 5);
    let axis = values.into_iter().map(|value| {
        let at = y.px(value);
        view! {
            <line class="grid" x1=LEFT x2=WIDTH - 8.0 y1=at y2=at/>
            <text class="tick" x=LEFT - 8.0 y=at + 4.0 text-anchor="end">{format!("{value:.decimals$}")}</text>
        }
    });
    let lines = slopes.iter().map(|slope| {
        let (name, before, after) = (slope.split.name(), y.px(slope.before), y.px(slope.after));
        view! {
            <line class=format!("slope series-{name}") x1=from x2=to y1=before y2=after/>
            <circle class=format!("dot series-{name}") cx=from cy=before r="3.5"/>
            <circle class=format!("dot series-{name}") cx=to cy=after r="3.5"/>
        }
    });
    let (axis, lines) = (axis.collect_view(), lines.collect_view());
    let fell = slopes.iter().filter(|slope| slope.after < slope.before).count();
    let summary = format!("Lower afterwards: {fell} of {}.", slopes.len());
    let rows = slopes.into_iter().map(|slope| {
        let split = slope.split.name();
        view! {
            <tr data-testid="figure-slope" data-split=split>
                <td><span class=format!("badge split-badge-{split}")>{split}</span></td>
                <th scope="row" class="prompt"><ModelText text=slope.title/></th>
                <td class="num">{format::nats(slope.before)}</td>
                <td class="num">{format::nats(slope.after)}</td>
                <td class="num">{format::signed_nats(slope.after - slope.before)}</td>
            </tr>
        }
    });
    let rows = rows.collect_view();
    view! {
        <figure class="chart">
            <p data-testid="figure-summary">{summary.clone()}</p>
            <svg
                node_ref=picture
                class="figure-svg"
                viewBox=format!("0 0 {WIDTH} {HEIGHT}")
                width=WIDTH
                height=HEIGHT
                role="img"
                aria-label=format!("Cross-entropy, {before} and {after}. {summary} The table below has the numbers.")
            >
                {axis}
                {lines}
                <text class="axis-title" x=from y=HEIGHT - 10.0 text-anchor="middle">{before}</text>
                <text class="axis-title" x=to - 20.0 y=HEIGHT - 10.0 text-anchor="middle">{after}</text>
            </svg>
            <div class="toolbar">
                <SavePicture names=("before-after.svg", "before-after.png") picture/>
            </div>
            <div class="table-box" role="region" tabindex="0" aria-label="Before and after">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">"Split"</th>
                            <th scope="col">{what}</th>
                            <th scope="col" class="num">{before}</th>
                            <th scope="col" class="num">{after}</th>
                            <th scope="col" class="num">"Change"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </figure>
    }
}
