//! What must hold for any shape: gradients are slopes, shared beginnings change nothing, decoding is
//! the full forward pass, and the number of threads does not matter.

// Helpers of tests may panic as tests do; clippy only knows functions marked as tests.
#![allow(clippy::unwrap_used)]

mod support;

use engine::{
    Cache, DecodeOptions, Engine, EngineError, Input, Parent, Precision, Segment, TokenScore, Weights, Workspace,
};
use support::{Random, engine, engines, llama};

fn score(engine: &Engine, segments: &[Segment<'_>]) -> Vec<TokenScore> {
    engine.score(segments, Precision::F32, &mut Workspace::default()).unwrap()
}

/// One sequence, scored on its last tokens.
fn alone<'a>(ids: &'a [u32], targets: &'a [u32]) -> Segment<'a> {
    Segment { parent: Parent::Nothing, input: Input::Ids(ids), targets }
}

fn close(ours: &[TokenScore], expected: &[TokenScore], bound: f32) {
    assert_eq!(ours.len(), expected.len());
    for (ours, expected) in ours.iter().zip(expected) {
        assert!((ours.nll - expected.nll).abs() < bound, "{ours:?}, expected {expected:?}");
    }
}

/// A prefix whose two suffixes share it, after a cache: the same as each sequence on its own.
#[test]
fn shared_beginnings_change_nothing() {
    for engine in engines() {
        let mut random = Random(5);
        let vocab = engine.shape().vocab_size;
        let (chat, prefix) = (random.ids(3, vocab), random.ids(5, vocab));
        let suffixes = [random.ids(9, vocab), random.ids(4, vocab)];
        let targets = [random.ids(4, vocab), random.ids(3, vocab)];
        let cache = engine.cache(None, &chat, &mut Workspace::default()).unwrap();
        assert_eq!(cache.positions(), 3);
        let mut forest = vec![Segment { parent: Parent::Cache(&cache), input: Input::Ids(&prefix), targets: &[] }];
        for (suffix, targets) in suffixes.iter().zip(&targets) {
            forest.push(Segment { parent: Parent::Segment(0), input: Input::Ids(suffix), targets });
        }
        let whole: Vec<Vec<u32>> = suffixes.iter().map(|suffix| [&chat[..], &prefix, suffix].concat()).collect();
        let flat: Vec<TokenScore> =
            whole.iter().zip(&targets).flat_map(|(ids, targets)| score(&engine, &[alone(ids, targets)])).collect();
        close(&score(&engine, &forest), &flat, 1e-5);
    }
}

#[test]
fn gradients_are_slopes() {
    for engine in engines() {
        let mut random = Random(6);
        let shape = engine.shape();
        let (hidden, vocab) = (shape.hidden_size, shape.vocab_size);
        let before = random.ids(2, vocab);
        let prefix = random.values(6 * hidden, 0.5);
        let suffixes = [random.ids(9, vocab), random.ids(5, vocab)];
        let targets = [random.ids(4, vocab), random.ids(5, vocab)];
        let weights = [0.3, 0.1, 0.1, 0.1, 0.05, 0.05, 0.1, 0.1, 0.1];
        let cache = engine.cache(None, &before, &mut Workspace::default()).unwrap();
        let forest = |prefix: &[f32], run: &dyn Fn(&[Segment<'_>]) -> f64| {
            let mut forest =
                vec![Segment { parent: Parent::Cache(&cache), input: Input::Embeds(prefix), targets: &[] }];
            for (suffix, targets) in suffixes.iter().zip(&targets) {
                forest.push(Segment { parent: Parent::Segment(0), input: Input::Ids(suffix), targets });
            }
            run(&forest)
        };
        let value = |prefix: &[f32]| {
            forest(prefix, &|forest| {
                score(&engine, forest).iter().zip(weights).map(|(s, w)| f64::from(s.nll) * f64::from(w)).sum()
            })
        };
        let gradient = std::cell::RefCell::new(Vec::new());
        let from_gradient = forest(&prefix, &|forest| {
            let result = engine.gradient(forest, &weights, 0..1, Precision::F32, &mut Workspace::default()).unwrap();
            *gradient.borrow_mut() = result.embeds;
            result.scores.iter().zip(weights).map(|(s, w)| f64::from(s.nll) * f64::from(w)).sum()
        });
        assert!((from_gradient - value(&prefix)).abs() < 1e-6);
        let gradient = gradient.into_inner();
        let size = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        assert!(size > 1e-3, "the gradient must not vanish: {size}");
        for trial in 0..6 {
            // A random direction: the slope along it is the product with the gradient.
            let direction = random.values(prefix.len(), 1.0);
            let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
            let moved = |h: f32| value(&prefix.iter().zip(&direction).map(|(x, d)| x + h * d).collect::<Vec<_>>());
            let slope = (moved(2e-3) - moved(-2e-3)) / 4e-3;
            assert!((slope - expected).abs() < 0.02 * size, "trial {trial}: slope {slope}, gradient {expected}");
        }
    }
}

#[test]
fn a_sequence_is_scored_the_same_in_any_company() {
    for engine in engines() {
        let mut random = Random(7);
        let vocab = engine.shape().vocab_size;
        let all: Vec<(Vec<u32>, Vec<u32>)> =
            [30, 1, 17, 40].iter().map(|&n| (random.ids(n, vocab), random.ids(n.min(6), vocab))).collect();
        let segments: Vec<Segment<'_>> = all.iter().map(|(ids, targets)| alone(ids, targets)).collect();
        let together = score(&engine, &segments);
        let one_by_one: Vec<TokenScore> =
            segments.iter().flat_map(|segment| score(&engine, std::slice::from_ref(segment))).collect();
        close(&together, &one_by_one, 1e-5);
    }
}

#[test]
fn later_tokens_do_not_change_earlier_scores() {
    for engine in engines() {
        let mut random = Random(8);
        let vocab = engine.shape().vocab_size;
        let (ids, targets) = (random.ids(20, vocab), random.ids(20, vocab));
        let whole = score(&engine, &[alone(&ids, &targets)]);
        let cut = score(&engine, &[alone(&ids[..12], &targets[..12])]);
        close(&whole[..12], &cut, 1e-5);
    }
}

#[test]
fn decoding_is_the_full_forward_pass() {
    for engine in engines() {
        let mut random = Random(9);
        let vocab = engine.shape().vocab_size;
        let chat = random.ids(4, vocab);
        let past = engine.cache(None, &chat, &mut Workspace::default()).unwrap();
        let prompts = vec![random.ids(7, vocab), random.ids(2, vocab), random.ids(11, vocab)];
        let options = DecodeOptions { max_tokens: 12, stop_ids: &[] };
        let mut workspace = Workspace::default();
        let completions = engine.greedy(Some(&past), &prompts, options, &mut workspace, |_| true).unwrap();
        for (prompt, completion) in prompts.iter().zip(&completions) {
            assert_eq!(completion.len(), 12);
            let mut ids = [&chat[..], prompt].concat();
            for &token in completion {
                let best = score(&engine, &[alone(&ids, &[0])])[0].argmax;
                assert_eq!(token, best, "after {} tokens", ids.len());
                ids.push(token);
            }
        }
        // A stop token ends its own completion and is kept; the others go on.
        let stop = completions[0][3];
        let options = DecodeOptions { max_tokens: 12, stop_ids: &[stop] };
        let stopped = engine.greedy(Some(&past), &prompts, options, &mut workspace, |_| true).unwrap();
        for (stopped, whole) in stopped.iter().zip(&completions) {
            let end = whole.iter().position(|&id| id == stop).map_or(12, |at| at + 1);
            assert_eq!(stopped[..], whole[..end]);
        }
        // Step by step it is the same.
        let (mut grown, mut next) = (past.clone(), prompts[0].clone());
        for &expected in &completions[0] {
            let token = engine.next_token(&mut grown, &next, &mut workspace).unwrap();
            assert_eq!(token, expected);
            next = vec![token];
        }
        assert_eq!(grown.positions(), past.positions() + prompts[0].len() + completions[0].len() - 1);
        // Whoever watches may end it.
        let early = engine.greedy(Some(&past), &prompts, options, &mut workspace, |length| length < 2).unwrap();
        assert!(early.iter().all(|completion| completion.len() <= 2));
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for engine in engines() {
        let mut random = Random(10);
        let vocab = engine.shape().vocab_size;
        let all: Vec<(Vec<u32>, Vec<u32>)> = (0..23).map(|_| (random.ids(40, vocab), random.ids(30, vocab))).collect();
        let segments: Vec<Segment<'_>> = all.iter().map(|(ids, targets)| alone(ids, targets)).collect();
        let weights = vec![0.01; 23 * 30];
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut workspace = Workspace::default();
            pool.install(|| engine.gradient(&segments, &weights, 3..5, Precision::F32, &mut workspace).unwrap())
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            assert_eq!(run(threads), one, "{threads} threads");
        }
    }
}

#[test]
fn screening_is_near_the_exact_scores() {
    for engine in engines() {
        let mut random = Random(11);
        let vocab = engine.shape().vocab_size;
        let (ids, targets) = (random.ids(33, vocab), random.ids(20, vocab));
        let exact = score(&engine, &[alone(&ids, &targets)]);
        let screened = engine.score(&[alone(&ids, &targets)], Precision::Bf16, &mut Workspace::default()).unwrap();
        close(&screened, &exact, 0.15);
        assert_ne!(screened, exact, "operands were rounded");
    }
}

#[test]
fn a_workspace_carries_nothing_over() {
    for engine in engines() {
        let mut random = Random(12);
        let vocab = engine.shape().vocab_size;
        let (long, short) = (random.ids(50, vocab), random.ids(9, vocab));
        let targets = random.ids(5, vocab);
        let mut workspace = Workspace::default();
        let fresh = engine
            .gradient(&[alone(&short, &targets)], &[0.2; 5], 0..1, Precision::F32, &mut Workspace::default())
            .unwrap();
        engine.gradient(&[alone(&long, &targets)], &[0.2; 5], 0..1, Precision::F32, &mut workspace).unwrap();
        assert!(workspace.bytes() > 0);
        let reused =
            engine.gradient(&[alone(&short, &targets)], &[0.2; 5], 0..1, Precision::F32, &mut workspace).unwrap();
        assert_eq!(reused, fresh);
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let engine = engine(llama());
    let fails = |segments: &[Segment<'_>]| {
        engine.score(segments, Precision::F32, &mut Workspace::default()).unwrap_err().to_string()
    };
    let ids = [1, 2, 3];
    assert_eq!(fails(&[alone(&[], &[])]), "segment 0 has no tokens");
    assert_eq!(fails(&[alone(&ids, &[1; 4])]), "segment 0 has 4 targets, but only 3 tokens to predict them from");
    assert_eq!(fails(&[alone(&[1100], &[])]), "token id 1100 is outside the vocabulary of 1100");
    assert_eq!(fails(&[alone(&ids, &[4000])]), "token id 4000 is outside the vocabulary of 1100");
    assert_eq!(fails(&[alone(&[0; 65], &[])]), "a sequence has 65 positions, but the model's context is 64");
    let orphan = Segment { parent: Parent::Segment(0), ..alone(&ids, &[]) };
    assert_eq!(fails(&[orphan]), "segment 0 follows segment 0, which does not come before it");
    let empty = Cache::default();
    let foreign = Segment { parent: Parent::Cache(&empty), ..alone(&ids, &[]) };
    assert_eq!(fails(&[foreign]), "segment 0 follows a cache that is empty or of another model");
    let weights = Weights { norm: vec![1.0; 5], ..engine.weights().clone() };
    let error = Engine::new(engine.shape().clone(), weights).err().unwrap();
    assert_eq!(error, EngineError::WrongLength { name: "norm".to_owned(), expected: 48, found: 5 });
}
