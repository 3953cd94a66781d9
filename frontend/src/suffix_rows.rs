//! The rows of the table of suffixes: which are shown, and in which order.

use crate::run_view::{RunView, SuffixOrder};
use shared::event::{SuffixBaseline, SuffixEvaluation};
use shared::spec::Split;
use shared::state::RunState;
use std::cmp::Ordering;

/// A suffix with its judgement, once there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Under no prefix and under the reference.
    pub baseline: SuffixBaseline,
    /// Under the found prefix.
    pub evaluation: Option<SuffixEvaluation>,
}

/// What narrows and orders the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// The one split that is shown.
    pub split: Option<Split>,
    /// Words that a prompt must all have; case does not count.
    pub find: String,
    /// What comes first, and whether the largest does.
    pub sort: Option<(SuffixOrder, bool)>,
}

impl From<&RunView> for Selection {
    fn from(view: &RunView) -> Self {
        Selection { split: view.split, find: view.find.clone(), sort: view.sort }
    }
}

/// All suffixes of a run, by split and index.
pub fn rows(state: &RunState) -> Vec<Row> {
    let mut rows: Vec<Row> = state
        .suffixes
        .iter()
        .map(|baseline| Row {
            baseline: baseline.clone(),
            evaluation: state.evaluations.iter().find(|evaluation| evaluation.index == baseline.index).cloned(),
        })
        .collect();
    rows.sort_by_key(|row| (row.baseline.split, row.baseline.index));
    rows
}

impl Selection {
    /// The rows that fit, in order: splits are never mixed, and rows without the number come last.
    pub fn select(&self, rows: &[Row]) -> Vec<Row> {
        let words: Vec<String> = self.find.split_whitespace().map(str::to_lowercase).collect();
        let fits = |row: &&Row| {
            let text = row.baseline.text.to_lowercase();
            self.split.is_none_or(|split| split == row.baseline.split) && words.iter().all(|word| text.contains(word))
        };
        let mut selected: Vec<Row> = rows.iter().filter(fits).cloned().collect();
        if let Some((order, descending)) = self.sort {
            selected
                .sort_by(|a, b| a.baseline.split.cmp(&b.baseline.split).then_with(|| compare(a, b, order, descending)));
        }
        selected
    }
}

fn compare(a: &Row, b: &Row, order: SuffixOrder, descending: bool) -> Ordering {
    let turned = |ordering: Ordering| if descending { ordering.reverse() } else { ordering };
    if order == SuffixOrder::Text {
        return turned(a.baseline.text.to_lowercase().cmp(&b.baseline.text.to_lowercase()));
    }
    match (number(a, order), number(b, order)) {
        (Some(a), Some(b)) => turned(a.total_cmp(&b)),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

fn number(row: &Row, order: SuffixOrder) -> Option<f64> {
    let found = row.evaluation.as_ref();
    match order {
        SuffixOrder::Text => None,
        SuffixOrder::Steerability => Some(row.baseline.steerability()),
        SuffixOrder::None => Some(row.baseline.ce_none),
        SuffixOrder::Reference => Some(row.baseline.ce_reference),
        SuffixOrder::Found => found.map(|found| found.ce),
        SuffixOrder::Overlap => found.map(|found| found.agreement.overlap_at_k),
        SuffixOrder::Divergence => found.and_then(|found| found.agreement.first_divergence).map(|at| at as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_view::Named;
    use shared::event::{Agreement, Completion};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn row(index: usize, split: Split, text: &str, ce_none: f64, found: Option<(f64, Option<usize>)>) -> Row {
        let completion = || Completion { text: String::new(), ids: Vec::new(), pieces: Vec::new() };
        let baseline = SuffixBaseline {
            index,
            split,
            text: text.to_owned(),
            reference: completion(),
            ce_none,
            ce_reference: 1.0 + index as f64 / 100.0,
            weight: 1.0,
            dominated: false,
            nll_none: Vec::new(),
            nll_reference: Vec::new(),
        };
        let evaluation = found.map(|(ce, first_divergence)| SuffixEvaluation {
            index,
            ce,
            completion: completion(),
            completion_none: completion(),
            agreement: Agreement { exact: false, k: 4, exact_at_k: false, overlap_at_k: ce / 10.0, first_divergence },
            log_likelihood_ratio: 0.0,
            log_likelihood_ratio_none: 0.0,
            ce_projected: None,
            nll: Vec::new(),
        });
        Row { baseline, evaluation }
    }

    fn shown(query: &str) -> Vec<usize> {
        let rows = [
            row(0, Split::Train, "Name a River", 2.0, Some((1.5, Some(3)))),
            row(1, Split::Train, "Write about rain", 4.0, None),
            row(2, Split::Train, "A river of rain", 3.0, Some((1.2, Some(1)))),
            row(3, Split::Test, "zebra", 9.0, Some((1.9, Some(0)))),
        ];
        let selection = Selection::from(&RunView::parse(query));
        selection.select(&rows).into_iter().map(|row| row.baseline.index).collect()
    }

    #[test]
    fn rows_are_narrowed_and_ordered_within_their_split() {
        for (query, expected) in [
            ("", &[0, 1, 2, 3][..]),
            ("split=test", &[3]),
            ("find=RIVER", &[0, 2]),
            ("find=river+rain", &[2]),
            ("sort=steerability", &[0, 2, 1, 3]),
            ("sort=-steerability", &[1, 2, 0, 3]),
            ("sort=found", &[2, 0, 1, 3]),
            ("sort=-found", &[0, 2, 1, 3]),
            ("sort=-divergence", &[0, 2, 1, 3]),
            ("sort=text", &[2, 0, 1, 3]),
            ("find=snow", &[]),
        ] {
            assert_eq!(shown(query), expected, "{query}");
        }
    }

    #[test]
    fn every_order_orders() {
        for (order, name) in SuffixOrder::ALL {
            let (up, down) = (shown(&format!("sort={name}")), shown(&format!("sort=-{name}")));
            assert_ne!(up, down, "{order:?}");
        }
    }
}
