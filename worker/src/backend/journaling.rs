//! A backend that is not asked again what an earlier attempt of the run asked: see [`crate::journal`].
//!
//! Only what is asked often and answered briefly is kept. Logits are large, samplers carry state, and a residual
//! gradient calls back: these are computed again.

use super::{Backend, BackendError, Goals, Gradient, Input, PassMemory, Precision, Segment, TokenScore};
use crate::journal::{Answer, Journal, take};
use candle_core::{Device, Tensor};
use shared::model::Config;
use shared::sampling::Sampler;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps the answers of the backend that it wraps.
pub struct Journaling {
    inner: Box<dyn Backend>,
    journal: Mutex<Journal>,
}

impl Journaling {
    /// Wraps a backend.
    pub fn new(inner: Box<dyn Backend>, journal: Journal) -> Self {
        Journaling { inner, journal: Mutex::new(journal) }
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        // An entry is written whole, or found torn by the next attempt.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kept answer, or the model's, which is kept.
    fn answer<A: Answer>(
        &self,
        request: u64,
        ask: impl FnOnce() -> Result<A, BackendError>,
    ) -> Result<A, BackendError> {
        let known = self.journal().replay(request);
        match known {
            Some(answer) => Ok(answer),
            None => {
                let answer = ask()?;
                self.journal().record(request, &answer);
                Ok(answer)
            }
        }
    }
}

impl Backend for Journaling {
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
        let request = request("score", |hasher| hash_pass(segments, goals, precision, hasher));
        self.answer(request, || self.inner.score_on(segments, goals, precision))
    }

    fn gradient_on(
        &self,
        segments: &[Segment<'_>],
        goals: Goals<'_>,
        weights: &[f32],
        wrt: Range<usize>,
        precision: Precision,
    ) -> Result<Gradient, BackendError> {
        let request = request("gradient", |hasher| {
            hash_pass(segments, goals, precision, hasher);
            hash_floats(weights, hasher);
            wrt.hash(hasher);
        });
        self.answer(request, || self.inner.gradient_on(segments, goals, weights, wrt, precision))
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
        let request = request("greedy", |hasher| (prompts, max_tokens, stop_ids).hash(hasher));
        let known: Option<Completions> = self.journal().replay(request);
        if let Some(known) = known {
            // Whoever stops it here asks nobody for the completions afterwards.
            let _ = known.lengths.iter().all(|&length| on_token(length as usize));
            return Ok(known.completions);
        }
        let (mut lengths, mut stopped) = (Vec::new(), false);
        let completions = self.inner.greedy(prompts, max_tokens, stop_ids, &mut |length| {
            lengths.push(length as u32);
            let goes_on = on_token(length);
            stopped |= !goes_on;
            goes_on
        })?;
        let answer = Completions { completions, lengths };
        if !stopped {
            self.journal().record(request, &answer);
        }
        Ok(answer.completions)
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
        self.inner.pass_memory()
    }

    fn multiply_layers(&self, rows: usize, precision: Precision) -> Result<(), BackendError> {
        self.inner.multiply_layers(rows, precision)
    }

    fn multiply_squares(&self, size: usize, precision: Precision) -> Result<f64, BackendError> {
        self.inner.multiply_squares(size, precision)
    }
}

fn request(method: &str, hash: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    method.hash(&mut hasher);
    hash(&mut hasher);
    hasher.finish()
}

fn hash_pass(segments: &[Segment<'_>], goals: Goals<'_>, precision: Precision, hasher: &mut DefaultHasher) {
    for segment in segments {
        segment.parent.hash(hasher);
        segment.targets.hash(hasher);
        match segment.input {
            Input::Ids(ids) => ids.hash(hasher),
            // A soft prompt: some kilobytes.
            Input::Embeds(embeds) => hash_floats(&floats(embeds), hasher),
        }
    }
    match goals {
        Goals::Targets => 0.hash(hasher),
        Goals::Distributions(distributions) => {
            for distribution in distributions {
                distribution.tokens.hash(hasher);
                hash_floats(&distribution.probabilities, hasher);
            }
        }
    }
    (precision == Precision::Bf16).hash(hasher);
}

fn hash_floats(values: &[f32], hasher: &mut DefaultHasher) {
    values.len().hash(hasher);
    values.iter().for_each(|value| value.to_bits().hash(hasher));
}

/// The values of a tensor; none where it cannot be read, which the pass itself will say.
fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.to_device(&Device::Cpu).and_then(|tensor| tensor.flatten_all()?.to_vec1()).unwrap_or_default()
}

fn write_u32s(values: impl ExactSizeIterator<Item = u32>, bytes: &mut Vec<u8>) {
    bytes.extend((values.len() as u32).to_le_bytes());
    values.for_each(|value| bytes.extend(value.to_le_bytes()));
}

fn read_u32s(bytes: &mut &[u8]) -> Option<Vec<u32>> {
    let length = u32::from_le_bytes(take(bytes)?);
    (0..length).map(|_| take(bytes).map(u32::from_le_bytes)).collect()
}

fn write_f32s(values: &[f32], bytes: &mut Vec<u8>) {
    write_u32s(values.iter().map(|value| value.to_bits()), bytes);
}

fn read_f32s(bytes: &mut &[u8]) -> Option<Vec<f32>> {
    Some(read_u32s(bytes)?.into_iter().map(f32::from_bits).collect())
}

impl Answer for Vec<TokenScore> {
    fn write(&self, bytes: &mut Vec<u8>) {
        write_f32s(&self.iter().map(|score| score.nll).collect::<Vec<_>>(), bytes);
        write_f32s(&self.iter().map(|score| score.loss).collect::<Vec<_>>(), bytes);
        write_u32s(self.iter().map(|score| score.argmax), bytes);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (nll, loss, argmax) = (read_f32s(bytes)?, read_f32s(bytes)?, read_u32s(bytes)?);
        let scores = nll.into_iter().zip(loss).zip(argmax);
        Some(scores.map(|((nll, loss), argmax)| TokenScore { nll, loss, argmax }).collect())
    }
}

impl Answer for Gradient {
    fn write(&self, bytes: &mut Vec<u8>) {
        write_f32s(&self.nll, bytes);
        write_f32s(&self.loss, bytes);
        write_u32s(self.embeds.dims().iter().map(|&size| size as u32), bytes);
        write_f32s(&floats(&self.embeds), bytes);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (nll, loss, shape, embeds) = (read_f32s(bytes)?, read_f32s(bytes)?, read_u32s(bytes)?, read_f32s(bytes)?);
        let shape: Vec<usize> = shape.into_iter().map(|size| size as usize).collect();
        Some(Gradient { nll, loss, embeds: Tensor::from_vec(embeds, shape, &Device::Cpu).ok()? })
    }
}

/// Greedy completions.
struct Completions {
    completions: Vec<Vec<u32>>,
    /// What was reported on the way, to be reported again.
    lengths: Vec<u32>,
}

impl Answer for Completions {
    fn write(&self, bytes: &mut Vec<u8>) {
        write_u32s(self.lengths.iter().copied(), bytes);
        bytes.extend((self.completions.len() as u32).to_le_bytes());
        self.completions.iter().for_each(|completion| write_u32s(completion.iter().copied(), bytes));
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let lengths = read_u32s(bytes)?;
        let count = u32::from_le_bytes(take(bytes)?);
        let completions = (0..count).map(|_| read_u32s(bytes)).collect::<Option<_>>()?;
        Some(Completions { completions, lengths })
    }
}
