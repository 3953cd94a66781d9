//! What came out of a run: the answer first, then the numbers it rests on.

use super::test_numbers::TestNumbers;
use crate::charts::GapBar;
use crate::format;
use leptos::prelude::*;
use shared::event::{Interval, PerSplit, RunResult, TestIntervals};
use shared::spec::Split;

/// The verdict on the test suffixes and everything beside it.
#[component]
pub fn Verdict(
    /// What came out.
    result: RunResult,
    /// Train, validation and test suffixes of the run.
    counts: [usize; 3],
) -> impl IntoView {
    let gap = result.gap_closed.test;
    let headline = match gap {
        Some(gap) => format!("{} of the gap closed", format::percent(gap)),
        None => "No gap to close".to_owned(),
    };
    let meaning = match gap {
        Some(_) => {
            "On test suffixes that the search never saw. 0 % is no better than no prefix, 100 % as good as the \
             reference."
        }
        None => {
            "The reference prefix does not lower the cross-entropy of the test suffixes, so there is nothing that \
             another prefix could take over."
        }
    };
    let TestIntervals { suffixes, gap_closed: interval, .. } = result.test_intervals;
    let interval = interval.map(|Interval { low, high }| {
        format!(
            "95 % interval {} to {}, from a paired bootstrap over {suffixes} test suffixes.",
            format::percent(low),
            format::percent(high)
        )
    });
    let saved = (result.evaluations_saved > 0).then(|| {
        let saved = format::count(result.evaluations_saved);
        format!(" {saved} more were not needed, because their candidates could not win.")
    });
    let luck = (result.candidates_scored > 0).then(|| {
        let count = format::count(result.candidates_scored);
        let change = result.gap_closed.validation.zip(gap).map(|(validation, test)| {
            let how = if test < validation { "fell" } else { "went" };
            let (validation, test) = (format::percent(validation), format::percent(test));
            format!("; gap closed {how} from validation {validation} to test {test}")
        });
        format!("Best of k={count} candidates{}.", change.unwrap_or_default())
    });
    let (ce, adherence) = (result.ce, result.adherence);
    let bar = ce.none.test.zip(ce.reference.test).zip(ce.final_.test);
    let row = |label: &'static str, values: PerSplit, show: fn(f64) -> String, strong: bool| {
        view! {
            <tr class:strong=strong>
                <th scope="row">{label}</th>
                {Split::ALL
                    .map(|split| view! { <td class="num">{format::or_dash(values.get(split), show)}</td> })
                    .collect_view()}
            </tr>
        }
    };
    let heads = Split::ALL.into_iter().zip(counts).map(|(split, count)| {
        view! {
            <th scope="col" class="num">
                {split.name()} " " <span class="unit">{format!("{count} suffixes")}</span>
            </th>
        }
    });
    view! {
        <div class="verdict" data-testid="verdict">
            <p class="verdict-number" data-testid="gap-closed" data-value=gap.map(|gap| gap.to_string())>{headline}</p>
            {interval.map(|interval| view! { <p data-testid="gap-interval">{interval}</p> })}
            <p class="muted">{meaning}</p>
            {luck.map(|luck| view! { <p class="muted" data-testid="best-of-k">{luck}</p> })}
            {bar.map(|((none, reference), found)| view! { <GapBar none reference found/> })}
            <div class="table-box" role="region" tabindex="0" aria-label="Numbers of the verdict">
                <table data-testid="verdict-table">
                    <thead>
                        <tr><th scope="col">"Cross-entropy, nats a token"</th>{heads.collect_view()}</tr>
                    </thead>
                    <tbody>
                        {row("No prefix", ce.none, format::nats, false)}
                        {row("Random prefixes", ce.random, format::nats, false)}
                        {row("Soft prompt", ce.soft, format::nats, false)}
                        {row("Projected to tokens", ce.projected, format::nats, false)}
                        {row("Found prefix", ce.final_, format::nats, true)}
                        {row("Reference prefix", ce.reference, format::nats, false)}
                    </tbody>
                    <tbody>
                        {row("Gap closed", result.gap_closed, format::percent, true)}
                        {row("Completions exactly the reference's", result.exact, format::percent, false)}
                        {row("First k tokens the same", result.exact_at_k, format::percent, false)}
                        {row("Overlap of the first k tokens", result.overlap_at_k, format::percent, false)}
                    </tbody>
                    <tbody>
                        <tr>
                            <th scope="rowgroup" colspan="4">
                                "Completions that are likelier under the reference than without a prefix"
                            </th>
                        </tr>
                        {row("Of those without a prefix", adherence.none, format::percent, false)}
                        {row("Of those under the found prefix", adherence.found, format::percent, true)}
                        {row("Of those under the reference", adherence.reference, format::percent, false)}
                    </tbody>
                </table>
            </div>
            <TestNumbers result=result.clone()/>
            <p class="muted">
                {format!("{} evaluations: forwards of one candidate with one suffix.", format::count(result.evaluations))}
                {saved}
            </p>
        </div>
    }
}
