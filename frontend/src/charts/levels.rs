//! Cross-entropies of several prefixes under each other: a row a prefix, a dot a split.

use super::save::SavePicture;
use super::scale::{Scale, padded_domain, ticks};
use crate::format;
use leptos::prelude::*;
use leptos::svg::Svg;
use shared::event::PerSplit;
use shared::spec::Split;

const WIDTH: f64 = 560.0;
const ROW: f64 = 30.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 40.0;

/// A row of the chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// The prefix.
    pub title: &'static str,
    /// Its cross-entropies, in nats a token.
    pub ce: PerSplit,
}

/// Rows in the order in which they are given; those without a number are left out.
#[component]
pub fn Levels(
    /// The rows.
    levels: Vec<Level>,
) -> impl IntoView {
    let picture = NodeRef::<Svg>::new();
    let any = |level: &Level| Split::ALL.iter().any(|split| level.ce.get(*split).is_some());
    let levels: Vec<Level> = levels.into_iter().filter(any).collect();
    let height = levels.len() as f64 * ROW + BOTTOM;
    let values = levels.iter().flat_map(|level| Split::ALL.into_iter().filter_map(|split| level.ce.get(split)));
    let domain = padded_domain(values, 0.06).unwrap_or((0.0, 1.0));
    let x = Scale::linear(domain, (LEFT, WIDTH - RIGHT));
    let floor = height - BOTTOM;
    let (values, decimals) = ticks(domain, 5);
    let axis = values.into_iter().map(|value| {
        let at = x.px(value);
        view! {
            <line class="grid" x1=at x2=at y1="4" y2=floor/>
            <text class="tick" x=at y=floor + 16.0 text-anchor="middle">{format!("{value:.decimals$}")}</text>
        }
    });
    let axis = axis.collect_view();
    let rows = levels.iter().enumerate().map(|(row, level)| {
        let y = (row as f64 + 0.5) * ROW;
        let dots = Split::ALL.into_iter().filter_map(|split| Some((split.name(), level.ce.get(split)?)));
        let dots = dots.map(|(name, ce)| {
            view! {
                <circle class=format!("dot series-{name}") cx=x.px(ce) cy=y r="5">
                    <title>{format!("{}, {name}: {}", level.title, format::nats(ce))}</title>
                </circle>
            }
        });
        view! {
            <text class="tick" x=LEFT - 10.0 y=y + 4.0 text-anchor="end">{level.title}</text>
            {dots.collect_view()}
        }
    });
    let rows = rows.collect_view();
    let table = levels.iter().map(|level| {
        let cells = Split::ALL.map(|split| {
            view! { <td class="num">{format::or_dash(level.ce.get(split), format::nats)}</td> }
        });
        view! { <tr><th scope="row">{level.title}</th>{cells.collect_view()}</tr> }
    });
    let table = table.collect_view();
    view! {
        <figure class="chart">
            <svg
                node_ref=picture
                class="figure-svg"
                viewBox=format!("0 0 {WIDTH} {height}")
                width=WIDTH
                height=height
                role="img"
                aria-label="Cross-entropy of each prefix on train, validation and test; the table below has the numbers."
            >
                {axis}
                {rows}
                <text class="axis-title" x=(LEFT + WIDTH - RIGHT) / 2.0 y=height - 6.0 text-anchor="middle">
                    "Cross-entropy (nats a token)"
                </text>
            </svg>
            <div class="toolbar">
                <SavePicture names=("cross-entropies.svg", "cross-entropies.png") picture/>
            </div>
            <div class="table-box" role="region" tabindex="0" aria-label="Cross-entropy of each prefix">
                <table data-testid="figure-levels">
                    <thead>
                        <tr>
                            <th scope="col">"Nats a token"</th>
                            {Split::ALL.map(|split| view! {
                                <th scope="col" class="num">
                                    <svg class="key-dot" viewBox="0 0 10 10" aria-hidden="true">
                                        <circle class=format!("dot series-{}", split.name()) cx="5" cy="5" r="4"/>
                                    </svg>
                                    {split.name()}
                                </th>
                            }).collect_view()}
                        </tr>
                    </thead>
                    <tbody>{table}</tbody>
                </table>
            </div>
        </figure>
    }
}
