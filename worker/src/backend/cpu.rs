//! The CPU engine behind the trait.

use super::{Backend, BackendError, Goals, Gradient, Input, Precision, Segment, TokenScore};
use crate::planner::PassMemory;
use candle_core::{Device, Tensor};
use engine::{Cache, DecodeOptions, Engine, Parent, Workspace};
use shared::model::engine::{into_engine, values};
use shared::model::{Config, Decoder};
use shared::sampling::Sampler;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The fast engine, with its buffers.
pub struct CpuBackend {
    engine: Engine,
    config: Config,
    begun: Option<Cache>,
    workspace: Mutex<Workspace>,
}

impl CpuBackend {
    /// Moves the weights over, layer by layer, so that at most one layer exists twice.
    pub fn new(model: Decoder) -> Result<Self, BackendError> {
        let config = model.config.clone();
        let engine = into_engine(model)?;
        Ok(CpuBackend { engine, config, begun: None, workspace: Mutex::default() })
    }

    fn workspace(&self) -> MutexGuard<'_, Workspace> {
        // Buffers hold nothing between calls, so one that a panic left behind is as good as new.
        self.workspace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands segments over in the engine's terms.
    fn with_segments<R, E: Into<BackendError>>(
        &self,
        segments: &[Segment<'_>],
        run: impl FnOnce(&[engine::Segment<'_>]) -> Result<R, E>,
    ) -> Result<R, BackendError> {
        let root = self.begun.as_ref().map_or(Parent::Nothing, Parent::Cache);
        let embeds: Vec<Vec<f32>> = segments
            .iter()
            .map(|segment| match segment.input {
                Input::Ids(_) => Ok(Vec::new()),
                Input::Embeds(embeds) => values(embeds),
            })
            .collect::<Result<_, _>>()?;
        let segments: Vec<engine::Segment<'_>> = segments
            .iter()
            .zip(&embeds)
            .map(|(segment, embeds)| engine::Segment {
                parent: segment.parent.map_or(root, Parent::Segment),
                input: match segment.input {
                    Input::Ids(ids) => engine::Input::Ids(ids),
                    Input::Embeds(_) => engine::Input::Embeds(embeds),
                },
                targets: segment.targets,
            })
            .collect();
        run(&segments).map_err(Into::into)
    }

    fn table(&self, values: Vec<f32>) -> Result<Tensor, BackendError> {
        let width = self.config.hidden_size;
        Ok(Tensor::from_vec(values, ((), width), &Device::Cpu)?)
    }
}

impl Backend for CpuBackend {
    fn config(&self) -> &Config {
        &self.config
    }

    fn begin(&mut self, ids: &[u32]) -> Result<(), BackendError> {
        self.begun = None;
        if !ids.is_empty() {
            let cache = self.engine.cache(None, ids, &mut self.workspace())?;
            self.begun = Some(cache);
        }
        Ok(())
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor, BackendError> {
        let width = self.config.hidden_size;
        let unknown = ids.iter().find(|&&id| id as usize >= self.config.vocab_size);
        if let Some(&id) = unknown {
            return Err(engine::EngineError::UnknownToken { id, vocab_size: self.config.vocab_size }.into());
        }
        let table = &self.engine.weights().embed_tokens;
        self.table(ids.iter().flat_map(|&id| &table[id as usize * width..][..width]).copied().collect())
    }

    fn embedding_products(&self, rows: &Tensor) -> Result<Tensor, BackendError> {
        let products = self.engine.embedding_products(&values(rows)?);
        Ok(Tensor::from_vec(products, ((), self.config.vocab_size), &Device::Cpu)?)
    }

    fn embedding_norms(&self) -> Result<Tensor, BackendError> {
        let rows = self.engine.weights().embed_tokens.chunks_exact(self.config.hidden_size);
        let norms: Vec<f32> = rows.map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt()).collect();
        Ok(Tensor::from_vec(norms, self.config.vocab_size, &Device::Cpu)?)
    }

    fn score_on(
        &self,
        segments: &[Segment<'_>],
        goals: Goals<'_>,
        precision: Precision,
    ) -> Result<Vec<TokenScore>, BackendError> {
        self.with_segments(segments, |segments| self.engine.score_on(segments, goals, precision, &mut self.workspace()))
    }

    fn gradient_on(
        &self,
        segments: &[Segment<'_>],
        goals: Goals<'_>,
        weights: &[f32],
        wrt: Range<usize>,
        precision: Precision,
    ) -> Result<Gradient, BackendError> {
        let gradient = self.with_segments(segments, |segments| {
            self.engine.gradient_on(segments, goals, weights, wrt, precision, &mut self.workspace())
        })?;
        let (nll, loss) = gradient.scores.iter().map(|score| (score.nll, score.loss)).unzip();
        Ok(Gradient { nll, loss, embeds: self.table(gradient.embeds)? })
    }

    fn logits(&self, segments: &[Segment<'_>]) -> Result<Tensor, BackendError> {
        let logits = self
            .with_segments(segments, |segments| self.engine.logits(segments, Precision::F32, &mut self.workspace()))?;
        Ok(Tensor::from_vec(logits, ((), self.config.vocab_size), &Device::Cpu)?)
    }

    fn residual(&self, segments: &[Segment<'_>], layer: usize) -> Result<Tensor, BackendError> {
        self.table(
            self.with_segments(segments, |segments| self.engine.residual(segments, layer, &mut self.workspace()))?,
        )
    }

    fn residual_gradient(
        &self,
        segments: &[Segment<'_>],
        layer: usize,
        wrt: Range<usize>,
        slope: &mut dyn FnMut(&Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<Tensor, BackendError> {
        let gradient = self.with_segments(segments, |segments| {
            self.engine.residual_gradient(segments, layer, wrt, &mut self.workspace(), |stream| {
                let width = self.config.hidden_size;
                let stream = Tensor::from_slice(stream, (stream.len() / width, width), &Device::Cpu)?;
                Ok::<_, BackendError>(values(&slope(&stream)?)?)
            })
        })?;
        self.table(gradient)
    }

    fn greedy(
        &self,
        prompts: &[Vec<u32>],
        max_tokens: usize,
        stop_ids: &[u32],
        on_token: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<u32>>, BackendError> {
        let options = DecodeOptions { max_tokens, stop_ids };
        Ok(self.engine.greedy(self.begun.as_ref(), prompts, options, &mut self.workspace(), on_token)?)
    }

    fn sample(
        &self,
        prompts: &[Vec<u32>],
        max_tokens: usize,
        stop_ids: &[u32],
        samplers: &mut [Sampler],
        on_token: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<u32>>, BackendError> {
        let options = DecodeOptions { max_tokens, stop_ids };
        let draw = |prompt: usize, logits: &[f32]| samplers[prompt].draw(logits);
        Ok(self.engine.sample(self.begun.as_ref(), prompts, options, &mut self.workspace(), draw, on_token)?)
    }

    fn pass_memory(&self) -> PassMemory {
        PassMemory::of_cpu_engine(&self.config)
    }

    fn multiply_layers(&self, rows: usize, precision: Precision) -> Result<(), BackendError> {
        self.engine.multiply_layers(rows, precision, &mut self.workspace());
        Ok(())
    }

    fn multiply_squares(&self, size: usize, precision: Precision) -> Result<f64, BackendError> {
        Ok(engine::multiply_squares(size, precision))
    }
}
