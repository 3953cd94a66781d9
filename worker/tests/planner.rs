//! A device that runs out of memory: passes are halved once, and the run goes on.

// Helpers of tests may panic as tests do; clippy only knows functions marked as tests.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../../shared/tests/conformance/goldens.rs"]
mod goldens;

use candle_core::Tensor;
use goldens::named;
use shared::model::Config;
use shared::sampling::Sampler;
use shared::spec::Split;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use worker::backend::{Backend, BackendError, CpuBackend, Goals, Gradient, Input, Precision, Segment, TokenScore};
use worker::control::Control;
use worker::objective::{Objective, PrefixInput, SuffixTarget};
use worker::planner::{PassMemory, Plan};

/// A backend whose device holds so many positions and no more.
struct Small {
    inner: CpuBackend,
    positions: usize,
    refused: Arc<AtomicUsize>,
}

impl Small {
    fn check(&self, segments: &[Segment<'_>]) -> Result<(), BackendError> {
        let positions: usize = segments
            .iter()
            .map(|segment| match segment.input {
                Input::Ids(ids) => ids.len(),
                Input::Embeds(embeds) => embeds.dims()[0],
            })
            .sum();
        if positions <= self.positions {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        // What the CUDA driver's error reads like in candle.
        let text = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
        Err(candle_core::Error::Msg(text.to_owned()).into())
    }
}

impl Backend for Small {
    fn config(&self) -> &Config {
        self.inner.config()
    }
    fn begin(&mut self, ids: &[u32]) -> Result<(), BackendError> {
        self.inner.begin(ids)
    }
    fn embed(&self, ids: &[u32]) -> Result<Tensor, BackendError> {
        self.inner.embed(ids)
    }
    fn embedding_products(&self, rows: &Tensor) -> Result<Tensor, BackendError> {
        self.inner.embedding_products(rows)
    }
    fn embedding_norms(&self) -> Result<Tensor, BackendError> {
        self.inner.embedding_norms()
    }
    fn score_on(
        &self,
        segments: &[Segment<'_>],
        goals: Goals<'_>,
        precision: Precision,
    ) -> Result<Vec<TokenScore>, BackendError> {
        self.check(segments)?;
        self.inner.score_on(segments, goals, precision)
    }
    fn gradient_on(
        &self,
        segments: &[Segment<'_>],
        goals: Goals<'_>,
        weights: &[f32],
        wrt: Range<usize>,
        precision: Precision,
    ) -> Result<Gradient, BackendError> {
        self.check(segments)?;
        self.inner.gradient_on(segments, goals, weights, wrt, precision)
    }
    fn logits(&self, segments: &[Segment<'_>]) -> Result<Tensor, BackendError> {
        self.inner.logits(segments)
    }
    fn residual(&self, segments: &[Segment<'_>], layer: usize) -> Result<Tensor, BackendError> {
        self.inner.residual(segments, layer)
    }
    fn residual_gradient(
        &self,
        segments: &[Segment<'_>],
        layer: usize,
        wrt: Range<usize>,
        slope: &mut dyn FnMut(&Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<Tensor, BackendError> {
        self.inner.residual_gradient(segments, layer, wrt, slope)
    }
    fn greedy(
        &self,
        prompts: &[Vec<u32>],
        max_tokens: usize,
        stop_ids: &[u32],
        on_token: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<u32>>, BackendError> {
        self.inner.greedy(prompts, max_tokens, stop_ids, on_token)
    }
    fn sample(
        &self,
        prompts: &[Vec<u32>],
        max_tokens: usize,
        stop_ids: &[u32],
        samplers: &mut [Sampler],
        on_token: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<u32>>, BackendError> {
        self.inner.sample(prompts, max_tokens, stop_ids, samplers, on_token)
    }
    fn pass_memory(&self) -> PassMemory {
        PassMemory { fixed_bytes: 0, score_bytes_per_position: 1, gradient_bytes_per_position: 1 }
    }
    fn multiply_layers(&self, rows: usize, precision: Precision) -> Result<(), BackendError> {
        self.inner.multiply_layers(rows, precision)
    }
    fn multiply_squares(&self, size: usize, precision: Precision) -> Result<f64, BackendError> {
        self.inner.multiply_squares(size, precision)
    }
}

/// An objective of 12 suffixes that plans 200 positions on a device that holds `positions`.
fn objective(positions: usize) -> (Objective, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let inner = CpuBackend::new(named("mha-tied").load().model).unwrap();
    let backend = Small { inner, positions, refused: Arc::clone(&refused) };
    let plan = Plan::new(backend.pass_memory(), 200).unwrap();
    let suffixes = (0..12).map(|index| SuffixTarget {
        split: Split::Train,
        text: index.to_string(),
        tail: (0..20).map(|at| (index * 7 + at) % 90).collect(),
        tail_none: vec![3],
        completion: vec![1, 2, 3, 4],
    });
    let control = Arc::new(Control::new());
    let suffixes = suffixes.collect();
    (Objective::new(Box::new(backend), plan, &[1, 2], suffixes, (2, 3.0), Vec::new(), control).unwrap(), refused)
}

#[test]
fn passes_are_halved_once_and_the_answer_stays() {
    let all: Vec<usize> = (0..12).collect();
    let prefix = PrefixInput::Ids(vec![5, 6, 7, 8]);
    let (roomy, _) = objective(1000);
    let (tight, refused) = objective(120);
    let expected = roomy.mean(&prefix, &all).unwrap().unwrap();
    let found = tight.mean(&prefix, &all).unwrap().unwrap();
    assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
    assert_eq!(refused.load(Ordering::Relaxed), 1, "the smaller plan is remembered");
    let embeds = roomy.backend().embed(&[5, 6, 7, 8]).unwrap();
    let (ce, _) = tight.gradient(&embeds, &all).unwrap();
    assert!((ce - expected).abs() < 1e-6);
    assert_eq!(refused.load(Ordering::Relaxed), 1);
}

#[test]
fn a_device_that_is_far_too_small_ends_the_run() {
    let (objective, refused) = objective(10);
    let all: Vec<usize> = (0..12).collect();
    let error = objective.mean(&PrefixInput::Ids(vec![5, 6]), &all).unwrap_err();
    assert!(error.to_string().contains("out of memory"), "{error}");
    assert_eq!(refused.load(Ordering::Relaxed), 2);
}
