//! The model as a search sees it: one trait, and an engine for each kind of machine behind it.
//!
//! [`CpuBackend`] is the fast engine without a graph; [`CandleBackend`] is the reference model, which
//! also runs on GPUs. Tests hold every backend to the reference on the CPU.

mod candle;
mod candle_goals;
mod cpu;
mod journaling;
mod remembering;

pub use candle::CandleBackend;
pub use cpu::CpuBackend;
pub use engine::{Distribution, Goals, Precision, TokenScore};
pub use journaling::Journaling;
pub use remembering::Remembering;

use crate::planner::PassMemory;
use candle_core::{Device, Tensor};
use shared::model::engine::IntoEngineError;
use shared::model::{Config, Decoder};
use shared::sampling::Sampler;
use std::ops::Range;

/// Why the model gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// candle refused.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// The CPU engine refused.
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
}

impl From<IntoEngineError> for BackendError {
    fn from(error: IntoEngineError) -> Self {
        match error {
            IntoEngineError::Candle(error) => error.into(),
            IntoEngineError::Engine(error) => error.into(),
        }
    }
}

impl BackendError {
    /// Whether the device has no memory left.
    pub fn is_out_of_memory(&self) -> bool {
        // candle passes the driver's text on; it has no variant of its own for this.
        let text = self.to_string().to_lowercase();
        text.contains("out of memory") || text.contains("out_of_memory")
    }
}

/// A run of tokens of one pass. Sequences that begin alike share segments.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The segment that it continues, an index below its own; `None` follows what was begun.
    pub parent: Option<usize>,
    /// The tokens.
    pub input: Input<'a>,
    /// What the last rows predict: the row before each of these tokens is scored on it.
    pub targets: &'a [u32],
}

/// Tokens or free vectors.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Tokens of the vocabulary.
    Ids(&'a [u32]),
    /// `(positions, hidden)`, before any embedding scale.
    Embeds(&'a Tensor),
}

/// A weighted sum's gradient, and the terms that it is made of.
#[derive(Debug)]
pub struct Gradient {
    /// Negative log-likelihood of every target, segment after segment, in nats.
    pub nll: Vec<f32>,
    /// Cross-entropy with every goal, in nats: of the target itself that is `nll`.
    pub loss: Vec<f32>,
    /// `d(Σ weights · loss) / d embeddings` of the asked segments, `(positions, hidden)`, on the CPU.
    pub embeds: Tensor,
}

/// A frozen decoder-only transformer, ready to be searched.
pub trait Backend: Send + Sync {
    /// Its shape.
    fn config(&self) -> &Config;

    /// Runs what stands before every sequence from now on.
    fn begin(&mut self, ids: &[u32]) -> Result<(), BackendError>;

    /// Looks ids up: `(ids, hidden)` on the CPU, before any embedding scale.
    fn embed(&self, ids: &[u32]) -> Result<Tensor, BackendError>;

    /// Products with every input embedding: `(rows, hidden) · (vocab, hidden)ᵀ → (rows, vocab)`, on the CPU.
    fn embedding_products(&self, rows: &Tensor) -> Result<Tensor, BackendError>;

    /// Length of every input embedding, `(vocab)`, on the CPU.
    fn embedding_norms(&self) -> Result<Tensor, BackendError>;

    /// Scores every target, segment after segment. Bf16 is for screening: candidates that it ranks
    /// first are scored again in f32. A backend without it computes in f32.
    fn score(&self, segments: &[Segment<'_>], precision: Precision) -> Result<Vec<TokenScore>, BackendError> {
        self.score_on(segments, Goals::Targets, precision)
    }

    /// The same, the row before every target on its goal.
    fn score_on(
        &self,
        segments: &[Segment<'_>],
        goals: Goals<'_>,
        precision: Precision,
    ) -> Result<Vec<TokenScore>, BackendError>;

    /// Scores every target, and the gradient of `Σ weights · loss` (one weight a target) with respect to
    /// the embeddings of segments `wrt`, which are not empty.
    fn gradient(
        &self,
        segments: &[Segment<'_>],
        weights: &[f32],
        wrt: Range<usize>,
        precision: Precision,
    ) -> Result<Gradient, BackendError> {
        self.gradient_on(segments, Goals::Targets, weights, wrt, precision)
    }

    /// The same, the row before every target on its goal.
    fn gradient_on(
        &self,
        segments: &[Segment<'_>],
        goals: Goals<'_>,
        weights: &[f32],
        wrt: Range<usize>,
        precision: Precision,
    ) -> Result<Gradient, BackendError>;

    /// Logits of the row before each target, `(targets, vocab)`, on the CPU. For few targets at a time:
    /// 100 rows of a vocabulary of 256,000 are 100 MB.
    fn logits(&self, segments: &[Segment<'_>]) -> Result<Tensor, BackendError>;

    /// The residual stream after the first `layer` layers in the row before each target,
    /// `(targets, hidden)`, on the CPU. Layer 0 is the scaled embeddings.
    fn residual(&self, segments: &[Segment<'_>], layer: usize) -> Result<Tensor, BackendError>;

    /// Gradient of a loss of [`Backend::residual`] with respect to the embeddings of segments `wrt`,
    /// `(positions, hidden)`, on the CPU. `slope` is told the residual stream, and answers with the
    /// derivative of the loss with respect to it.
    fn residual_gradient(
        &self,
        segments: &[Segment<'_>],
        layer: usize,
        wrt: Range<usize>,
        slope: &mut dyn FnMut(&Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<Tensor, BackendError>;

    /// Greedy completions of several prompts of at most `max_tokens` tokens, each up to and with its
    /// stop token. `on_token` is told how many tokens the longest has, and ends it by `false`.
    fn greedy(
        &self,
        prompts: &[Vec<u32>],
        max_tokens: usize,
        stop_ids: &[u32],
        on_token: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<u32>>, BackendError>;

    /// As `greedy`, but each next token is drawn by the prompt's own sampler, so that a completion does not
    /// depend on the others (but for rounding). There is one sampler a prompt.
    fn sample(
        &self,
        prompts: &[Vec<u32>],
        max_tokens: usize,
        stop_ids: &[u32],
        samplers: &mut [Sampler],
        on_token: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<u32>>, BackendError>;

    /// Memory that its passes need.
    fn pass_memory(&self) -> PassMemory;

    /// Runs the linear layers on `rows` rows and nothing else, for measurements.
    fn multiply_layers(&self, rows: usize, precision: Precision) -> Result<(), BackendError>;

    /// Seconds that one product of two square matrices takes, for measurements.
    fn multiply_squares(&self, size: usize, precision: Precision) -> Result<f64, BackendError>;
}

/// The fastest backend for the device that the model lies on.
pub fn fastest(model: Decoder) -> Result<Box<dyn Backend>, BackendError> {
    match model.device() {
        Device::Cpu => Ok(Box::new(CpuBackend::new(model)?)),
        _ => Ok(Box::new(CandleBackend::new(model))),
    }
}
