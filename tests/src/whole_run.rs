//! The log of a small run that has everything in it: a soft prompt, its projection, HotFlip, tokens with their
//! likelihoods, and a verdict. The numbers are made up; that they fit each other is all that a page needs.

use shared::event::{
    Adherence, Agreement, Completion, CrossEntropies, Event, Flip, ModelCard, PerSplit, Prefix, RunResult, StagePlan,
    SuffixBaseline, SuffixEvaluation, TestIntervals, TokenPiece,
};
use shared::nontriviality::Verdict;
use shared::spec::Split;
use shared::verdict::PerPrefix;

/// The k of its verdict.
pub const K: usize = 3;

/// Its suffixes.
pub const SUFFIXES: [(Split, &str); 5] = [
    (Split::Train, "What is rain?"),
    (Split::Train, "Name a river."),
    (Split::Validation, "Write a haiku."),
    (Split::Test, "What is snow?"),
    (Split::Test, "Name a mountain."),
];

/// Kind and title of a stage, and the training and validation cross-entropy at each of its steps.
type Stage = (&'static str, &'static str, &'static [(f64, Option<f64>)]);

/// Its stages.
const STAGES: [Stage; 5] = [
    ("reference", "Reference", &[]),
    ("soft_prompt", "Soft prompt", &[(2.5, Some(2.6)), (1.4, Some(1.8)), (1.1, Some(1.7))]),
    ("projection", "Projection", &[(2.3, Some(2.4))]),
    ("hotflip", "HotFlip", &[(2.0, Some(2.2)), (1.7, None), (1.5, Some(1.9))]),
    ("evaluate", "Evaluate", &[]),
];

/// All of its events but the first.
pub fn events() -> Vec<Event> {
    let model = ModelCard {
        name: "fake".to_owned(),
        architecture: "none".to_owned(),
        sha256: None,
        vocab_size: 64,
        context_length: 128,
    };
    let plan = |(kind, title, points): &Stage| StagePlan {
        kind: (*kind).to_owned(),
        title: (*title).to_owned(),
        total_steps: points.len().max(1),
    };
    let stages = STAGES.iter().map(plan).collect();
    let mut events = vec![Event::Started { model, stages, reference: vec![piece(1, "Talk"), piece(2, " cats")] }];
    for (stage, (kind, title, points)) in STAGES.iter().enumerate() {
        events.push(Event::StageStarted { stage });
        match *kind {
            "reference" => {
                events.extend((0..SUFFIXES.len()).map(|index| Event::SuffixMeasured { suffix: baseline(index) }))
            }
            "hotflip" => events.extend([true, false].map(|accepted| Event::Flip { flip: flip(stage, accepted) })),
            "evaluate" => {
                events.extend((0..SUFFIXES.len()).map(|index| Event::SuffixEvaluated { suffix: evaluation(index) }));
            }
            _ => {}
        }
        for (step, (ce_train, ce_validation)) in points.iter().copied().enumerate() {
            let evaluations = (stage * 100 + step * 10) as u64;
            events.push(Event::Objective { stage, step, evaluations, ce_train, ce_validation });
        }
        if *kind == "hotflip" {
            let (ce_train, ce_validation) = (1.5, Some(1.9));
            events.push(Event::Prefix { stage, step: 2, prefix: prefix(), ce_train, ce_validation });
        }
        events.push(Event::StageFinished { stage, summary: format!("{title} is done") });
    }
    events.push(Event::Finished { result: Box::new(result()) });
    events
}

fn piece(id: u32, text: &str) -> TokenPiece {
    TokenPiece { id, text: text.to_owned() }
}

fn prefix() -> Prefix {
    Prefix { text: " purring pets".to_owned(), tokens: vec![piece(20, " purring"), piece(21, " pets")] }
}

fn completion(pieces: &[&str], ids: &[u32]) -> Completion {
    let pieces: Vec<String> = pieces.iter().map(|&piece| piece.to_owned()).collect();
    Completion { text: pieces.concat(), ids: ids.to_vec(), pieces }
}

fn baseline(index: usize) -> SuffixBaseline {
    let (split, text) = SUFFIXES[index];
    SuffixBaseline {
        index,
        split,
        text: text.to_owned(),
        // The second token ends within a character, which the third completes.
        reference: completion(&["Cats", "", " 🐱", " hate", " it", ""], &[30, 31, 32, 33, 34, 0]),
        ce_none: 2.0 + index as f64 / 10.0,
        ce_reference: 0.5,
        weight: 10.0,
        dominated: false,
        nll_none: vec![6.0, 0.4, 2.0, 1.0, 0.05, 0.02],
        nll_reference: vec![0.4, 0.1, 0.1, 0.3, 0.01, 0.0],
    }
}

fn evaluation(index: usize) -> SuffixEvaluation {
    SuffixEvaluation {
        index,
        ce: 1.5 - index as f64 / 10.0,
        completion: completion(&["Cats", " love", " it", ""], &[30, 40, 34, 0]),
        completion_none: completion(&["Frozen", " water"], &[50, 51]),
        agreement: Agreement { exact: false, k: K, exact_at_k: false, overlap_at_k: 0.5, first_divergence: Some(1) },
        log_likelihood_ratio: 0.5,
        log_likelihood_ratio_none: -0.5,
        ce_projected: Some(2.3),
        nll: vec![1.2, 0.2, 0.9, 0.6, 0.02, 0.01],
    }
}

fn flip(stage: usize, accepted: bool) -> Flip {
    Flip {
        stage,
        step: 1,
        position: 0,
        old: piece(19, " fur"),
        new: piece(20, " purring"),
        ce_before: 2.0,
        ce_after: if accepted { 1.7 } else { 2.2 },
        accepted,
        reason: (!accepted).then(|| "the true loss is not lower".to_owned()),
    }
}

fn result() -> RunResult {
    let all = |value: f64| PerSplit { train: Some(value), validation: Some(value + 0.1), test: Some(value + 0.2) };
    let share = all(0.4);
    RunResult {
        prefix: prefix(),
        ce: CrossEntropies {
            none: all(2.1),
            reference: all(0.5),
            random: all(2.05),
            soft: all(1.1),
            projected: all(2.3),
            final_: all(1.3),
        },
        gap_closed: PerSplit { train: Some(0.5), validation: Some(0.45), test: Some(0.5) },
        exact: share,
        exact_at_k: share,
        overlap_at_k: share,
        adherence: Adherence::default(),
        test_intervals: TestIntervals::default(),
        forward_kl: PerPrefix::default(),
        argmax_agreement: PerPrefix::default(),
        lexical_adherence: None,
        sampled: None,
        transfer: Vec::new(),
        nontriviality: Verdict { passed: true, findings: Vec::new() },
        candidates_scored: 3,
        evaluations: 420,
        evaluations_saved: 0,
    }
}
