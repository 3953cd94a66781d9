//! The reference model behind the trait: every sequence on its own, padded into one batch.

use super::{Backend, BackendError, Gradient, Input, Precision, Segment, TokenScore};
use candle_core::{D, Device, Tensor, Var};
use shared::model::decode::{DecodeOptions, greedy};
use shared::model::score::{nll_and_argmax, nll_with_surrogate};
use shared::model::{Config, Decoder, Past};

/// The reference model on its device.
pub struct CandleBackend {
    model: Decoder,
    begun: Option<Past>,
}

/// Sequences in one batch.
struct Batch {
    /// `(sequences, longest, hidden)`, padded on the right.
    embeds: Tensor,
    /// First scored row and number of scored rows of each sequence.
    scored: Vec<(usize, usize)>,
}

impl CandleBackend {
    /// Takes the model.
    pub fn new(model: Decoder) -> Self {
        CandleBackend { model, begun: None }
    }

    fn past(&self) -> Option<&Past> {
        self.begun.as_ref()
    }

    /// Embeddings of every segment, the one at `free` given.
    fn segment_embeds(
        &self,
        segments: &[Segment<'_>],
        free: Option<(usize, &Tensor)>,
    ) -> candle_core::Result<Vec<Tensor>> {
        let embed = |(index, segment): (usize, &Segment<'_>)| match (free, segment.input) {
            (Some((at, embeds)), _) if at == index => Ok(embeds.clone()),
            (_, Input::Ids(ids)) => self.model.embed(ids),
            (_, Input::Embeds(embeds)) => embeds.to_device(self.model.device()),
        };
        segments.iter().enumerate().map(embed).collect()
    }

    /// Every segment with targets, with all that comes before it.
    fn batch(&self, segments: &[Segment<'_>], embeds: &[Tensor]) -> candle_core::Result<Batch> {
        let (mut sequences, mut scored) = (Vec::new(), Vec::new());
        for (index, segment) in segments.iter().enumerate().filter(|(_, segment)| !segment.targets.is_empty()) {
            let mut path = vec![&embeds[index]];
            let mut parent = segment.parent;
            while let Some(at) = parent {
                path.push(&embeds[at]);
                parent = segments[at].parent;
            }
            path.reverse();
            let sequence = Tensor::cat(&path, 0)?;
            let length = sequence.dim(0)?;
            scored.push((length - segment.targets.len(), segment.targets.len()));
            sequences.push(sequence);
        }
        let longest = sequences.iter().map(|sequence| sequence.dims()[0]).max().unwrap_or(0);
        let padded = sequences.iter().map(|sequence| sequence.pad_with_zeros(0, 0, longest - sequence.dims()[0]));
        Ok(Batch { embeds: Tensor::stack(&padded.collect::<Result<Vec<_>, _>>()?, 0)?, scored })
    }

    /// Hidden states of all scored rows, `(scored, hidden)`.
    fn hidden(&self, batch: &Batch) -> candle_core::Result<Tensor> {
        let (hidden, _) = self.model.forward(&batch.embeds, self.past())?;
        let rows = batch.scored.iter().enumerate();
        let rows = rows.map(|(at, &(first, count))| hidden.get(at)?.narrow(0, first, count));
        Tensor::cat(&rows.collect::<Result<Vec<_>, _>>()?, 0)
    }
}

fn targets(segments: &[Segment<'_>]) -> Vec<u32> {
    segments.iter().flat_map(|segment| segment.targets).copied().collect()
}

impl Backend for CandleBackend {
    fn config(&self) -> &Config {
        &self.model.config
    }

    fn begin(&mut self, ids: &[u32]) -> Result<(), BackendError> {
        self.begun = match ids {
            [] => None,
            ids => Some(self.model.forward(&self.model.embed(ids)?.unsqueeze(0)?, None)?.1),
        };
        Ok(())
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor, BackendError> {
        Ok(self.model.embed(ids)?.to_device(&Device::Cpu)?)
    }

    fn embedding_products(&self, rows: &Tensor) -> Result<Tensor, BackendError> {
        let rows = rows.to_device(self.model.device())?;
        Ok(rows.matmul(&self.model.embed_tokens.t()?)?.to_device(&Device::Cpu)?)
    }

    fn embedding_norms(&self) -> Result<Tensor, BackendError> {
        Ok(self.model.embed_tokens.sqr()?.sum(D::Minus1)?.sqrt()?.to_device(&Device::Cpu)?)
    }

    fn score(&self, segments: &[Segment<'_>], _: Precision) -> Result<Vec<TokenScore>, BackendError> {
        let targets = targets(segments);
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let batch = self.batch(segments, &self.segment_embeds(segments, None)?)?;
        let (nll, argmax) = nll_and_argmax(&self.model, &self.hidden(&batch)?, &targets)?;
        Ok(nll.into_iter().zip(argmax).map(|(nll, argmax)| TokenScore { nll, argmax }).collect())
    }

    fn gradient(
        &self,
        segments: &[Segment<'_>],
        weights: &[f32],
        wrt: usize,
        _: Precision,
    ) -> Result<Gradient, BackendError> {
        let leaf = Var::from_tensor(&self.segment_embeds(&segments[wrt..=wrt], None)?[0])?;
        let embeds = self.segment_embeds(segments, Some((wrt, leaf.as_tensor())))?;
        let targets = targets(segments);
        let hidden = self.hidden(&self.batch(segments, &embeds)?)?;
        let (nll, surrogate) = nll_with_surrogate(&self.model, &hidden, &targets, weights)?;
        let gradients = surrogate.backward()?;
        let gradient = gradients.get(&leaf);
        let gradient = gradient.ok_or_else(|| candle_core::Error::Msg("no gradient reached the prefix".into()))?;
        Ok(Gradient { nll, embeds: gradient.to_device(&Device::Cpu)? })
    }

    fn greedy(
        &self,
        prompts: &[Vec<u32>],
        max_tokens: usize,
        stop_ids: &[u32],
        on_token: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<u32>>, BackendError> {
        let options = DecodeOptions { max_tokens, stop_ids };
        Ok(greedy(&self.model, self.past(), prompts, &options, on_token)?)
    }
}
