//! What a finished cell came to, read from its log.

use super::log::{CellLog, Footer};
use super::plan::{Cell, CellKey};
use shared::event::{RunResult, Stamped, SuffixBaseline, SuffixEvaluation};
use shared::metrics::SuffixGap;
use shared::spec::{RunSpec, Split};
use shared::state::RunState;
use shared::verdict::{LexicalAdherence, PerPrefix, Rate};

/// A cell with its log, replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its place in the sweep.
    pub key: CellKey,
    /// Name of its file, without extension.
    pub slug: String,
    /// What was run.
    pub spec: RunSpec,
    /// What its log means.
    pub state: RunState,
    /// What the clock said.
    pub footer: Footer,
}

impl Outcome {
    /// Replays a cell's log.
    pub fn new(cell: &Cell, log: CellLog) -> Self {
        let mut state = RunState::default();
        for (seq, event) in (1..).zip(log.events) {
            state.apply(&Stamped { run: cell.slug.clone(), epoch: 1, seq, at_unix_ms: 0, event });
        }
        Outcome { key: cell.key.clone(), slug: cell.slug.clone(), spec: cell.spec.clone(), state, footer: log.footer }
    }

    /// The verdict, where the run came to one.
    pub fn result(&self) -> Option<&RunResult> {
        self.state.result.as_ref()
    }

    /// Share of the gap that the prefix closes on the test suffixes.
    pub fn test_gap(&self) -> Option<f64> {
        self.result()?.gap_closed.test
    }

    /// Whether the text inside every suffix's chat gives the ids that were scored.
    pub fn round_trip(&self) -> Option<bool> {
        let findings = &self.result()?.nontriviality.findings;
        findings.iter().find(|finding| finding.rule == shared::nontriviality::Rule::RoundTrip).map(|it| it.passed)
    }

    /// The suffixes of one split under no prefix, under the reference and under the found prefix.
    pub fn judged(&self, split: Split) -> impl Iterator<Item = (&SuffixBaseline, &SuffixEvaluation)> {
        let baseline = |index: usize| self.state.suffixes.iter().find(|suffix| suffix.index == index);
        let judged = self.state.evaluations.iter();
        judged.filter_map(move |it| Some((baseline(it.index)?, it))).filter(move |(suffix, _)| suffix.split == split)
    }

    /// Cross-entropies of the test suffixes, by their texts, for intervals.
    pub fn test_suffix_gaps(&self) -> Vec<(&str, SuffixGap)> {
        let gap = |suffix: &SuffixBaseline, found: &SuffixEvaluation| SuffixGap {
            ce_none: suffix.ce_none,
            ce_reference: suffix.ce_reference,
            ce: found.ce,
            weight: suffix.weight,
        };
        self.judged(Split::Test).map(|(suffix, found)| (suffix.text.as_str(), gap(suffix, found))).collect()
    }

    /// Share of completions on test that do what the teacher asks for, by their words; empty where no rule knows the
    /// teacher.
    pub fn lexical_adherence(&self) -> PerPrefix {
        let rates = self.result().and_then(|it| it.lexical_adherence.as_ref());
        let share = |of: fn(&LexicalAdherence) -> Rate| rates.map(|rates| of(rates).share);
        PerPrefix { none: share(|it| it.none), reference: share(|it| it.reference), found: share(|it| it.found) }
    }
}
