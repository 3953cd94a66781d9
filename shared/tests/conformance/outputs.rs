//! Properties of what the model computes forwards.

use crate::goldens::{Case, Subject, max_difference};
use candle_core::Tensor;
use shared::metrics::weighted_ce;
use shared::model::Past;
use shared::model::decode::{self, DecodeOptions};
use shared::model::score::{ROWS_PER_CHUNK, nll, nll_and_argmax};

/// How far logits and likelihoods may be from those of transformers, absolute, both in f32.
const TOLERANCE: f32 = 1e-3;
/// As many sequences as make a batch here.
const BATCH: usize = 4;
/// How far two ways to the same number may be apart here: only the order of summation differs.
const ROUNDING: f32 = 2e-4;

impl Subject<'_> {
    /// Hidden states of one sequence after an optional past, `(ids, hidden)`, and what to keep of it.
    pub fn hidden(&self, ids: &[u32], past: Option<&Past>) -> (Tensor, Past) {
        let embeds = self.model.embed(ids).unwrap().unsqueeze(0).unwrap();
        let (hidden, past) = self.model.forward(&embeds, past).unwrap();
        (hidden.squeeze(0).unwrap(), past)
    }

    /// The hidden states that predict the completion.
    fn predicting(&self, case: &Case) -> Tensor {
        let completion = case.completion();
        self.hidden(&case.ids, None).0.narrow(0, completion.start - 1, completion.len()).unwrap()
    }

    #[track_caller]
    fn assert_close(&self, what: &str, found: &Tensor, expected: &Tensor, tolerance: f32) {
        let difference = max_difference(found, expected);
        assert!(difference <= tolerance, "{}, {what}: {difference} apart", self.golden.name);
    }
}

pub fn logits(subject: &Subject<'_>) {
    let mut compared = 0;
    for case in &subject.golden.cases {
        let Some(expected) = subject.golden.tensor(case, "logits") else { continue };
        let logits = subject.model.logits(&subject.hidden(&case.ids, None).0).unwrap();
        subject.assert_close(&case.id, &logits, expected, TOLERANCE);
        compared += 1;
    }
    assert!(compared >= 3, "{}: {compared} cases with logits", subject.golden.name);
}

pub fn likelihoods(subject: &Subject<'_>) {
    let golden = subject.golden;
    for case in &golden.cases {
        let hidden = subject.predicting(case);
        let found = nll(subject.model, &hidden, case.targets()).unwrap();
        assert_eq!(found.len(), case.nll.len());
        for (t, (found, expected)) in found.iter().zip(&case.nll).enumerate() {
            let name = format!("{}, {}, completion token {t}", golden.name, case.id);
            assert!((found - expected).abs() <= TOLERANCE, "{name}: {found}, expected {expected}");
        }
        let (ce, _) = weighted_ce(&found, golden.early_k, golden.early_weight);
        assert!((ce - case.weighted_ce).abs() <= f64::from(TOLERANCE), "{}, {}: {ce}", golden.name, case.id);
    }
}

/// More rows than the head takes at a time give what each row gives alone, and the best token is
/// the one with the largest logit.
pub fn chunks(subject: &Subject<'_>) {
    let case = &subject.golden.cases[0];
    let hidden = subject.predicting(case);
    let (once, best_once) = nll_and_argmax(subject.model, &hidden, case.targets()).unwrap();
    let times = ROWS_PER_CHUNK / once.len() + 2;
    let many = Tensor::cat(&vec![&hidden; times], 0).unwrap();
    let (all, best) = nll_and_argmax(subject.model, &many, &case.targets().repeat(times)).unwrap();
    assert!(all.len() > ROWS_PER_CHUNK);
    assert_eq!(all.len(), times * once.len());
    assert_eq!(all, nll(subject.model, &many, &case.targets().repeat(times)).unwrap());
    for (row, (found, expected)) in all.iter().zip(once.iter().cycle()).enumerate() {
        assert!((found - expected).abs() <= ROUNDING, "{}, row {row}", subject.golden.name);
    }
    assert_eq!(best, best_once.repeat(times));
    let logits = subject.model.logits(&hidden).unwrap().to_vec2::<f32>().unwrap();
    for (row, &best) in logits.iter().zip(&best_once) {
        assert!(row.iter().all(|&logit| logit <= row[best as usize]));
    }
}

pub fn causality(subject: &Subject<'_>) {
    let ids = &subject.golden.cases[0].ids;
    let vocab_size = subject.model.config.vocab_size as u32;
    let (before, _) = subject.hidden(ids, None);
    for cut in 1..ids.len() {
        let mut changed = ids.clone();
        for id in &mut changed[cut..] {
            *id = (*id + 1) % vocab_size;
        }
        let (after, _) = subject.hidden(&changed, None);
        let earlier = |hidden: &Tensor| hidden.narrow(0, 0, cut).unwrap();
        subject.assert_close(&format!("before {cut}"), &earlier(&after), &earlier(&before), 1e-6);
        // The change itself must be seen, or this test would prove nothing.
        let later = |hidden: &Tensor| hidden.narrow(0, cut, ids.len() - cut).unwrap();
        assert!(max_difference(&later(&after), &later(&before)) > 1e-3, "{}", subject.golden.name);
    }
}

pub fn batch(subject: &Subject<'_>) {
    let cases = &subject.golden.cases[..BATCH];
    let longest = cases.iter().map(|case| case.ids.len()).max().unwrap();
    let padded = cases.iter().enumerate().map(|(row, case)| {
        // Any token will do as padding; another in each row.
        let mut ids = case.ids.clone();
        ids.resize(longest, row as u32);
        subject.model.embed(&ids).unwrap()
    });
    let embeds = Tensor::stack(&padded.collect::<Vec<_>>(), 0).unwrap();
    let (together, past) = subject.model.forward(&embeds, None).unwrap();
    for (row, case) in cases.iter().enumerate() {
        let n = case.ids.len();
        let (alone, past_alone) = subject.hidden(&case.ids, None);
        let found = together.get(row).unwrap().narrow(0, 0, n).unwrap();
        subject.assert_close(&case.id, &found, &alone, ROUNDING);
        let kept = past.row(row, n).unwrap();
        assert_eq!(kept.len(), n);
        for ((keys, values), (keys_alone, values_alone)) in kept.layers.iter().zip(&past_alone.layers) {
            subject.assert_close("keys", keys, keys_alone, ROUNDING);
            subject.assert_close("values", values, values_alone, ROUNDING);
        }
    }
}

pub fn embeddings(subject: &Subject<'_>) {
    let matrix = &subject.model.embed_tokens;
    let ids = &subject.golden.cases[0].ids;
    let by_hand: Vec<Tensor> = ids.iter().map(|&id| matrix.get(id as usize).unwrap()).collect();
    let by_hand = Tensor::stack(&by_hand, 0).unwrap();
    subject.assert_close("embeddings", &subject.model.embed(ids).unwrap(), &by_hand, 0.0);
    let config = &subject.model.config;
    assert_eq!(matrix.dims(), [config.vocab_size, config.hidden_size]);
    assert_eq!(subject.model.lm_head.dims(), matrix.dims());
}

/// Running the rest after a kept past is running all: cut anywhere, in two or three pieces, and for
/// a batch that shares the past of one sequence.
pub fn past(subject: &Subject<'_>) {
    let case = &subject.golden.cases[0];
    let (whole, _) = subject.hidden(&case.ids, None);
    for cut in 1..case.ids.len() {
        let (_, past) = subject.hidden(&case.ids[..cut], None);
        let (rest, present) = subject.hidden(&case.ids[cut..], Some(&past));
        let expected = whole.narrow(0, cut, case.ids.len() - cut).unwrap();
        subject.assert_close(&format!("after {cut}"), &rest, &expected, ROUNDING);
        assert_eq!((past.len(), present.len()), (cut, case.ids.len()));
    }

    let (first, second) = (2, 5);
    let (_, past) = subject.hidden(&case.ids[..first], None);
    let (_, past_of_two) = subject.hidden(&case.ids[first..second], Some(&past));
    let (rest, _) = subject.hidden(&case.ids[second..], Some(&past_of_two));
    let expected = whole.narrow(0, second, case.ids.len() - second).unwrap();
    subject.assert_close("in three pieces", &rest, &expected, ROUNDING);

    // The past of `first` tokens, shared by its own rest and by that of another sequence.
    let other: Vec<u32> = case.ids[first..].iter().rev().copied().collect();
    let rows = [subject.model.embed(&case.ids[first..]).unwrap(), subject.model.embed(&other).unwrap()];
    let (together, _) = subject.model.forward(&Tensor::stack(&rows, 0).unwrap(), Some(&past)).unwrap();
    let tail = |hidden: &Tensor| hidden.narrow(0, first, case.ids.len() - first).unwrap();
    subject.assert_close("shared past", &together.get(0).unwrap(), &tail(&whole), ROUNDING);
    let (whole_other, _) = subject.hidden(&[&case.ids[..first], &other].concat(), None);
    subject.assert_close("shared past", &together.get(1).unwrap(), &tail(&whole_other), ROUNDING);
}

/// Token by token, for sequences of different lengths at once.
pub fn rows(subject: &Subject<'_>) {
    let cases = &subject.golden.cases[..BATCH];
    let new = 4;
    let whole: Vec<Tensor> = cases.iter().map(|case| subject.hidden(&case.ids, None).0).collect();
    let start = |case: &Case| case.ids.len() - new;
    let mut pasts: Vec<Past> = cases.iter().map(|case| subject.hidden(&case.ids[..start(case)], None).1).collect();
    for step in 0..new {
        let ids: Vec<u32> = cases.iter().map(|case| case.ids[start(case) + step]).collect();
        let hidden = subject.model.forward_rows(&subject.model.embed(&ids).unwrap(), &mut pasts).unwrap();
        for (row, case) in cases.iter().enumerate() {
            let expected = whole[row].get(start(case) + step).unwrap();
            subject.assert_close(&case.id, &hidden.get(row).unwrap(), &expected, ROUNDING);
            assert_eq!(pasts[row].len(), start(case) + step + 1);
        }
    }
}

fn decode(
    subject: &Subject<'_>,
    past: Option<&Past>,
    prompts: &[Vec<u32>],
    max_tokens: usize,
    stop_ids: &[u32],
) -> Vec<Vec<u32>> {
    decode::greedy(subject.model, past, prompts, &DecodeOptions { max_tokens, stop_ids }, |_| true).unwrap()
}

/// Each prompt alone, and after a past that holds its first token.
pub fn greedy(subject: &Subject<'_>) {
    for golden in &subject.golden.greedy {
        let expected = &golden.completion;
        let stopped = expected.last().is_some_and(|last| golden.stop_ids.contains(last));
        // Where it stopped it must not go on, however far it may.
        let max_tokens = expected.len() + if stopped { 5 } else { 0 };
        let found = decode(subject, None, std::slice::from_ref(&golden.prompt), max_tokens, &golden.stop_ids);
        assert_eq!(found, std::slice::from_ref(expected), "{}", subject.golden.name);
        let (_, past) = subject.hidden(&golden.prompt[..1], None);
        let found = decode(subject, Some(&past), &[golden.prompt[1..].to_vec()], max_tokens, &golden.stop_ids);
        assert_eq!(found, std::slice::from_ref(expected), "{}: after a past", subject.golden.name);
    }
}

/// All prompts together: each stops on its own, and its neighbours change nothing.
pub fn greedy_together(subject: &Subject<'_>) {
    let goldens = &subject.golden.greedy;
    let stop_ids = &goldens.last().unwrap().stop_ids;
    let prompts: Vec<Vec<u32>> = goldens.iter().map(|golden| golden.prompt.clone()).collect();
    let max_tokens = goldens.iter().map(|golden| golden.completion.len()).max().unwrap();
    let mut stopped = 0;
    for (found, golden) in decode(subject, None, &prompts, max_tokens, stop_ids).iter().zip(goldens) {
        let expected = &golden.completion;
        let stop = expected.iter().position(|id| stop_ids.contains(id));
        let known = stop.map_or(expected.len(), |at| at + 1);
        assert_eq!(found[..known], expected[..known], "{}", subject.golden.name);
        if stop.is_some() {
            assert_eq!(found.len(), known, "{}: it goes on after a stop", subject.golden.name);
            stopped += 1;
        }
    }
    assert!(stopped > 0 && stopped < goldens.len(), "{}: {stopped} stopped", subject.golden.name);
}
