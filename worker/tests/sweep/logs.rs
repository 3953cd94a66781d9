//! Logs of runs that nobody ran, with numbers that are easily added up.

use shared::catalogue::{Catalogue, FieldError};
use shared::event::{
    Agreement, Candidate, Completion, CrossEntropies, ErrorBody, Event, ModelCard, PerSplit, Prefix, RunResult,
    StagePlan, SuffixBaseline, SuffixEvaluation, TokenPiece,
};
use shared::nontriviality::{Finding, Rule, Verdict};
use shared::spec::Split;
use shared::verdict::{LexicalAdherence, Rate};
use std::path::Path;
use worker::models::ModelStore;
use worker::stages::Sink;
use worker::sweep::log::{CellLog, Footer, LogWriter};
use worker::sweep::outcome::Outcome;
use worker::sweep::plan::{Cell, Plan};

/// Closed gaps on test of eight cells; a cell without one failed.
pub type Gaps = [Option<f64>; 8];

pub fn catalogue() -> Catalogue {
    worker::catalogue::catalogue(&ModelStore::new(std::env::temp_dir()))
}

pub fn plan(file: &str) -> Result<Plan, Vec<FieldError>> {
    Plan::new(toml::from_str(file).unwrap(), &catalogue())
}

/// What the cells' files say, one after the other.
pub fn outcomes(plan: &Plan, gaps: &Gaps) -> Vec<Outcome> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cell.jsonl");
    let outcome = |(cell, &gap): (&Cell, &Option<f64>)| {
        write_cell(&path, cell, gap);
        Outcome::new(cell, CellLog::read(&path).unwrap())
    };
    plan.cells.iter().zip(gaps).map(outcome).collect()
}

/// Writes a whole log: cross-entropy 2 without a prefix and 1 under the reference, so that the closed gap is
/// what is missing to 2.
pub fn write_cell(path: &Path, cell: &Cell, gap: Option<f64>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut log = LogWriter::begin(path, &cell.spec).unwrap();
    let kinds: Vec<&str> =
        std::iter::once("reference").chain(cell.spec.stages.iter().map(|it| it.kind.as_str())).collect();
    let stages = kinds.iter().map(|kind| StagePlan { kind: (*kind).to_owned(), title: String::new(), total_steps: 2 });
    let model = ModelCard {
        name: cell.key.model.clone(),
        architecture: "llama".to_owned(),
        sha256: Some("ab".repeat(32)),
        vocab_size: 10,
        context_length: 99,
    };
    log.push(Event::Started { model, stages: stages.collect(), reference: Vec::new() });
    for (index, split) in [Split::Train, Split::Test, Split::Test].into_iter().enumerate() {
        log.push(Event::SuffixMeasured { suffix: suffix(index, split) });
    }
    // Left out of the search, whose numbers are none of this one's.
    let dominated = SuffixBaseline { ce_reference: 1.95, dominated: true, ..suffix(3, Split::Train) };
    log.push(Event::SuffixMeasured { suffix: dominated });
    for step in 1..3 {
        let objective =
            Event::Objective { stage: 1, step, evaluations: 9, ce_train: 2.0 / step as f64, ce_validation: None };
        log.push(objective);
    }
    let candidate =
        |ids: &[u32], ce_train, dropped| Candidate { ids: ids.to_vec(), ce_train, dropped, estimated: false };
    let candidates = vec![
        candidate(&[1, 2], 1.75, false),
        candidate(&[1, 3], 1.25, false),
        candidate(&[9, 9], 1.0, false),
        candidate(&[4, 3], 1.875, true),
        candidate(&[1], 1.5, false),
        // One edit of [9, 9], and [4, 3] again: both dropped by a screening.
        Candidate { estimated: true, ..candidate(&[9, 8], 4.0, true) },
        Candidate { estimated: true, ..candidate(&[4, 3], 4.0, true) },
    ];
    log.push(Event::Candidates { stage: 1, step: 1, candidates });
    match gap {
        Some(gap) => {
            for index in 0..3 {
                log.push(Event::SuffixEvaluated { suffix: evaluation(index, gap) });
            }
            let soft = kinds.contains(&"soft_prompt");
            log.push(Event::Finished { result: Box::new(result(gap, soft)) });
        }
        None => log.push(Event::Failed { error: ErrorBody::new("constraints", "no token is allowed") }),
    }
    log.finish(Footer { search_evaluations: 100, search_seconds: 1.5, seconds: 2.5, threads: 2 }).unwrap();
}

fn suffix(index: usize, split: Split) -> SuffixBaseline {
    SuffixBaseline {
        index,
        split,
        text: format!("suffix {index}"),
        reference: completion("Cats purr."),
        ce_none: 2.0,
        ce_reference: 1.0,
        weight: 3.0,
        dominated: false,
        nll_none: Vec::new(),
        nll_reference: Vec::new(),
    }
}

fn evaluation(index: usize, gap: f64) -> SuffixEvaluation {
    SuffixEvaluation {
        index,
        ce: 2.0 - gap,
        completion: completion("\u{202E}evil <script>"),
        completion_none: completion("Dogs bark."),
        agreement: Agreement { exact: false, k: 8, exact_at_k: false, overlap_at_k: 0.5, first_divergence: Some(0) },
        log_likelihood_ratio: 0.5,
        log_likelihood_ratio_none: -0.5,
        ce_projected: None,
        nll: Vec::new(),
    }
}

fn completion(text: &str) -> Completion {
    Completion { text: text.to_owned(), ids: vec![1, 2], pieces: Vec::new() }
}

fn result(gap: f64, soft: bool) -> RunResult {
    let all = |value: f64| PerSplit { train: Some(value), validation: Some(value), test: Some(value) };
    let made = |value: f64| if soft { all(value) } else { PerSplit::default() };
    RunResult {
        prefix: Prefix {
            text: "=pu<script>rr\n".to_owned(),
            tokens: vec![TokenPiece { id: 9, text: "pu".to_owned() }],
        },
        ce: CrossEntropies {
            none: all(2.0),
            reference: all(1.0),
            random: PerSplit::default(),
            soft: made(0.5),
            projected: made(2.5),
            final_: all(2.0 - gap),
        },
        gap_closed: PerSplit { train: Some(1.0), validation: Some(0.875), test: Some(gap) },
        exact: all(0.0),
        exact_at_k: all(0.0),
        overlap_at_k: all(0.5),
        adherence: Default::default(),
        test_intervals: Default::default(),
        forward_kl: Default::default(),
        argmax_agreement: Default::default(),
        lexical_adherence: Some(LexicalAdherence {
            rule: "has one of the words cat".to_owned(),
            none: Rate::default(),
            reference: Rate { share: 0.5, interval: None },
            found: Rate { share: 0.25, interval: None },
        }),
        sampled: None,
        transfer: Vec::new(),
        nontriviality: Verdict {
            passed: true,
            findings: vec![Finding {
                rule: Rule::RoundTrip,
                passed: true,
                evidence: String::new(),
                bound: String::new(),
                span: None,
            }],
        },
        candidates_scored: 12,
        evaluations: 140,
        evaluations_saved: 0,
    }
}
