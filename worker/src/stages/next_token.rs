//! The model's own distribution of the next token.

use super::{Search, StageError};
use crate::backend::{Input, Segment};
use candle_core::{D, Tensor};

/// Where text is continued: right after the chat that stands before every prefix, or after some tokens more.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// What follows that chat; empty for nothing.
    pub ids: Vec<u32>,
}

impl Context {
    /// Log-probabilities at every place of one text, `(places, vocab)`: what comes first, where the context is not
    /// empty, and after each of its tokens.
    pub fn along(&self, search: &Search<'_>, text: &[u32]) -> Result<Vec<Vec<f32>>, StageError> {
        let targets = vec![0; text.len() + usize::from(!self.ids.is_empty())];
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let ids = [&self.ids, text].concat();
        let segment = Segment { parent: None, input: Input::Ids(&ids), targets: &targets };
        Ok(log_softmax(&search.objective.backend().logits(&[segment])?)?.to_vec2::<f32>()?)
    }

    /// Log-probabilities of the token after the context and each of `texts`, `(texts, vocab)`. At least one
    /// of context and text is not empty.
    pub fn log_probabilities(&self, search: &Search<'_>, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, StageError> {
        /// Values of one answer at most: 64 MB.
        const VALUES: usize = 16 << 20;
        let backend = search.objective.backend();
        let at_once = (VALUES / backend.config().vocab_size.max(1)).max(1);
        let mut rows = Vec::with_capacity(texts.len());
        for texts in texts.chunks(at_once) {
            // What is predicted after a text is asked for by any target after its last token.
            let mut segments = Vec::with_capacity(texts.len() + 1);
            if !self.ids.is_empty() {
                segments.push(Segment { parent: None, input: Input::Ids(&self.ids), targets: &[] });
            }
            let parent = (!self.ids.is_empty()).then_some(0);
            for text in texts {
                match text {
                    [] => segments.push(Segment { parent: None, input: Input::Ids(&self.ids), targets: &[0] }),
                    text => segments.push(Segment { parent, input: Input::Ids(text), targets: &[0] }),
                }
            }
            rows.extend(log_softmax(&backend.logits(&segments)?)?.to_vec2::<f32>()?);
        }
        Ok(rows)
    }
}

/// Of each row.
fn log_softmax(logits: &Tensor) -> candle_core::Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn probabilities_sum_to_one_however_large_the_logits() {
        let logits = Tensor::new(&[[1000.0f32, 999.0, -1000.0], [0.0, 0.0, 0.0]], &Device::Cpu).unwrap();
        for row in log_softmax(&logits).unwrap().to_vec2::<f32>().unwrap() {
            assert!((row.iter().map(|p| p.exp()).sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
        }
    }
}
