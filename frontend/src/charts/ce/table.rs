//! The same numbers as a table.

use super::super::curve::View;
use crate::format;
use crate::run::RunFeed;
use leptos::prelude::*;
use shared::state::CurvePoint;

/// Rows of the table that are drawn.
const MAX_ROWS: usize = 200;

/// The newest points as rows.
#[component]
pub fn PointTable(
    /// The run.
    feed: RunFeed,
    /// How it is looked at: one stage, or all of them.
    view: RwSignal<View>,
) -> impl IntoView {
    let stage = Memo::new(move |_| view.get().stage);
    let is_shown = |point: &&CurvePoint, stage: Option<usize>| stage.is_none_or(|stage| stage == point.stage);
    let rows = Memo::new(move |_| {
        let stage = stage.get();
        feed.with(|state| {
            let points = state.curve.iter().rev().filter(|point| is_shown(point, stage));
            points.take(MAX_ROWS).copied().collect::<Vec<_>>()
        })
    });
    let total = Memo::new(move |_| {
        let stage = stage.get();
        feed.with(|state| state.curve.iter().filter(|point| is_shown(point, stage)).count())
    });
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
