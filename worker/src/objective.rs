//! The one objective of every search: weighted cross-entropy of the reference completions.
//!
//! The chat before the prefix is the same for every candidate, so its keys and values are computed
//! once. Candidates are batched suffix by suffix; sequences in a batch are padded on the right,
//! which a causal model does not notice.

use candle_core::{Result, Tensor, Var};
use shared::metrics::{token_weight, weighted_ce};
use shared::model::decode::{DecodeOptions, greedy};
use shared::model::score::{nll, nll_with_surrogate};
use shared::model::{Decoder, Past};
use shared::spec::Split;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Positions that one forward pass holds at most. Small enough that a stop is noticed within about
/// a second on two cores, large enough for the matrix products to run at full speed.
const MAX_BATCH_POSITIONS: usize = 1536;

/// A prefix to be scored.
#[derive(Clone, Debug)]
pub enum PrefixInput {
    /// The empty prefix, without separator.
    None,
    /// Tokens.
    Ids(Vec<u32>),
    /// Free embedding vectors, `(prefix, hidden_size)`.
    Soft(Tensor),
}

/// A suffix in ids, and the completion that the reference gave it.
#[derive(Clone, Debug)]
pub struct SuffixTarget {
    /// Who may see it.
    pub split: Split,
    /// The prompt.
    pub text: String,
    /// Separator, suffix and the chat up to the completion.
    pub tail: Vec<u32>,
    /// The same without separator, for the empty prefix.
    pub tail_none: Vec<u32>,
    /// The reference completion; empty until it is known.
    pub completion: Vec<u32>,
}

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub enum ObjectiveError {
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
    /// candle refused.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// Weighted cross-entropy of one suffix.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SuffixCe {
    /// In nats a token.
    pub ce: f64,
    /// Sum of the token weights.
    pub weight: f64,
}

/// Scores prefixes on suffixes.
pub struct Objective {
    model: Decoder,
    chat_pre: Past,
    suffixes: Vec<SuffixTarget>,
    early_k: usize,
    early_weight: f64,
    stop_ids: Vec<u32>,
    evaluations: AtomicU64,
    stop: Arc<AtomicBool>,
}

impl Objective {
    /// Runs the chat before the prefix, and keeps the rest for later.
    pub fn new(
        model: Decoder,
        chat_pre: &[u32],
        suffixes: Vec<SuffixTarget>,
        (early_k, early_weight): (usize, f64),
        stop_ids: Vec<u32>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let chat_pre = if chat_pre.is_empty() {
            Past { layers: Vec::new() }
        } else {
            model.forward(&model.embed(chat_pre)?.unsqueeze(0)?, None)?.1
        };
        let evaluations = AtomicU64::new(0);
        Ok(Objective { model, chat_pre, suffixes, early_k, early_weight, stop_ids, evaluations, stop })
    }

    /// The model.
    pub fn model(&self) -> &Decoder {
        &self.model
    }

    /// The suffixes with what is known of their completions.
    pub fn suffixes(&self) -> &[SuffixTarget] {
        &self.suffixes
    }

    /// Indices of the suffixes of one split.
    pub fn indices(&self, split: Split) -> Vec<usize> {
        (0..self.suffixes.len()).filter(|&index| self.suffixes[index].split == split).collect()
    }

    /// Forwards of one (candidate, suffix) so far.
    pub fn evaluations(&self) -> u64 {
        self.evaluations.load(Ordering::Relaxed)
    }

    /// Sets what the suffixes are scored on, in their order.
    pub fn set_completions(&mut self, completions: Vec<Vec<u32>>) {
        for (suffix, completion) in self.suffixes.iter_mut().zip(completions) {
            suffix.completion = completion;
        }
    }

    /// Greedy completions of some suffixes under one prefix, in the order of `indices`.
    pub fn complete(
        &self,
        prefix: &PrefixInput,
        indices: &[usize],
        max_tokens: usize,
        mut on_token: impl FnMut(usize),
    ) -> std::result::Result<Vec<Vec<u32>>, ObjectiveError> {
        let prefix_ids = match prefix {
            PrefixInput::None => &[][..],
            PrefixInput::Ids(ids) => ids,
            PrefixInput::Soft(_) => {
                return Err(candle_core::Error::Msg("free vectors are not decoded".into()).into());
            }
        };
        let prompts: Vec<Vec<u32>> =
            indices.iter().map(|&index| [prefix_ids, self.tail(prefix, index)].concat()).collect();
        let options = DecodeOptions { max_tokens, stop_ids: &self.stop_ids };
        let completions = greedy(self.model(), self.past(), &prompts, &options, |length| {
            on_token(length);
            !self.stopped()
        })?;
        if self.stopped() { Err(ObjectiveError::Stopped) } else { Ok(completions) }
    }

    /// Cross-entropies `[prefix][suffix]`, suffixes in the order of `indices`.
    pub fn score(
        &self,
        prefixes: &[PrefixInput],
        indices: &[usize],
    ) -> std::result::Result<Vec<Vec<SuffixCe>>, ObjectiveError> {
        let mut scores = vec![vec![SuffixCe::default(); indices.len()]; prefixes.len()];
        // Suffix by suffix: candidates of equal length need no padding then.
        let pairs: Vec<(usize, usize)> =
            (0..indices.len()).flat_map(|at| (0..prefixes.len()).map(move |prefix| (prefix, at))).collect();
        for batch in self.batches(&pairs, |&(prefix, at)| self.length(&prefixes[prefix], indices[at])) {
            self.check()?;
            let rows: Vec<Row<'_>> = batch.iter().map(|&(p, at)| self.row(&prefixes[p], indices[at])).collect();
            let hidden = self.hidden(&rows)?;
            let targets: Vec<u32> = rows.iter().flat_map(|row| row.completion.iter().copied()).collect();
            let mut values = nll(self.model(), &hidden, &targets)?.into_iter();
            for (&(prefix, at), row) in batch.iter().zip(&rows) {
                let own: Vec<f32> = values.by_ref().take(row.completion.len()).collect();
                let (ce, weight) = weighted_ce(&own, self.early_k, self.early_weight);
                scores[prefix][at] = SuffixCe { ce, weight };
            }
            self.evaluations.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        Ok(scores)
    }

    /// Weighted cross-entropy over some suffixes together; nothing where there are none.
    pub fn mean(&self, prefix: &PrefixInput, indices: &[usize]) -> std::result::Result<Option<f64>, ObjectiveError> {
        let scores = self.score(std::slice::from_ref(prefix), indices)?;
        Ok(mean(&scores[0]))
    }

    /// Weighted cross-entropy over some suffixes together, and its gradient with respect to the
    /// prefix's embeddings: `(prefix, hidden_size)`, both for `embeds` of that shape.
    pub fn gradient(&self, embeds: &Tensor, indices: &[usize]) -> std::result::Result<(f64, Tensor), ObjectiveError> {
        let total_weight: f64 = indices.iter().map(|&index| self.weight(index)).sum();
        let (mut ce, mut gradient) = (0.0, embeds.zeros_like()?);
        for batch in self.batches(indices, |&index| embeds.dims()[0] + self.length(&PrefixInput::None, index)) {
            self.check()?;
            let leaf = Var::from_tensor(embeds)?;
            let prefix = PrefixInput::Soft(leaf.as_tensor().clone());
            let rows: Vec<Row<'_>> = batch.iter().map(|&index| self.row(&prefix, index)).collect();
            let hidden = self.hidden(&rows)?;
            let targets: Vec<u32> = rows.iter().flat_map(|row| row.completion.iter().copied()).collect();
            let weights: Vec<f32> = rows.iter().flat_map(|row| self.token_weights(row, total_weight)).collect();
            let (values, surrogate) = nll_with_surrogate(self.model(), &hidden, &targets, &weights)?;
            ce += values.iter().zip(&weights).map(|(&nll, &w)| f64::from(nll) * f64::from(w)).sum::<f64>();
            let grads = surrogate.backward()?;
            let own =
                grads.get(&leaf).ok_or_else(|| candle_core::Error::Msg("no gradient reached the prefix".into()))?;
            gradient = (gradient + own)?;
            self.evaluations.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        Ok((ce, gradient))
    }

    fn past(&self) -> Option<&Past> {
        (!self.chat_pre.is_empty()).then_some(&self.chat_pre)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn check(&self) -> std::result::Result<(), ObjectiveError> {
        if self.stopped() { Err(ObjectiveError::Stopped) } else { Ok(()) }
    }

    fn weight(&self, index: usize) -> f64 {
        (0..self.suffixes[index].completion.len()).map(|t| token_weight(t, self.early_k, self.early_weight)).sum()
    }

    fn token_weights(&self, row: &Row<'_>, total: f64) -> impl Iterator<Item = f32> + use<'_> {
        (0..row.completion.len()).map(move |t| (token_weight(t, self.early_k, self.early_weight) / total) as f32)
    }

    fn tail(&self, prefix: &PrefixInput, index: usize) -> &[u32] {
        let suffix = &self.suffixes[index];
        if matches!(prefix, PrefixInput::None) { &suffix.tail_none } else { &suffix.tail }
    }

    /// Positions of one sequence, past left out.
    fn length(&self, prefix: &PrefixInput, index: usize) -> usize {
        let prefix_length = match prefix {
            PrefixInput::None => 0,
            PrefixInput::Ids(ids) => ids.len(),
            PrefixInput::Soft(embeds) => embeds.dims()[0],
        };
        prefix_length + self.tail(prefix, index).len() + self.suffixes[index].completion.len().saturating_sub(1)
    }

    fn row<'a>(&'a self, prefix: &'a PrefixInput, index: usize) -> Row<'a> {
        let tail = self.tail(prefix, index);
        let length = self.length(prefix, index);
        let completion = &self.suffixes[index].completion[..];
        Row { prefix, tail, completion, length }
    }

    /// Hidden states that predict the completions, all rows under each other: `(Σ completion, hidden)`.
    fn hidden(&self, rows: &[Row<'_>]) -> Result<Tensor> {
        let longest = rows.iter().map(|row| row.length).max().unwrap_or(0);
        let embeds = rows.iter().map(|row| self.embeds(row, longest)).collect::<Result<Vec<_>>>()?;
        let (hidden, _) = self.model.forward(&Tensor::stack(&embeds, 0)?, self.past())?;
        let scored = rows.iter().enumerate().map(|(at, row)| {
            let count = row.completion.len();
            hidden.get(at)?.narrow(0, row.length - count, count)
        });
        Tensor::cat(&scored.collect::<Result<Vec<_>>>()?, 0)
    }

    /// Embeddings of one sequence, the last completion token left out, padded to `longest`.
    fn embeds(&self, row: &Row<'_>, longest: usize) -> Result<Tensor> {
        let mut rest = row.tail.to_vec();
        rest.extend(&row.completion[..row.completion.len().saturating_sub(1)]);
        rest.resize(rest.len() + longest - row.length, 0);
        match row.prefix {
            PrefixInput::None => self.model.embed(&rest),
            PrefixInput::Ids(ids) => self.model.embed(&[&ids[..], &rest].concat()),
            PrefixInput::Soft(embeds) => Tensor::cat(&[embeds, &self.model.embed(&rest)?], 0),
        }
    }

    /// Cuts a list of sequences into batches of at most [`MAX_BATCH_POSITIONS`] padded positions.
    fn batches<'a, T>(&self, items: &'a [T], length: impl Fn(&T) -> usize) -> Vec<&'a [T]> {
        let (mut batches, mut start, mut longest) = (Vec::new(), 0, 0);
        for (at, item) in items.iter().enumerate() {
            let longest_with = longest.max(length(item));
            if at > start && longest_with * (at + 1 - start) > MAX_BATCH_POSITIONS {
                batches.push(&items[start..at]);
                (start, longest) = (at, length(item));
            } else {
                longest = longest_with;
            }
        }
        if start < items.len() {
            batches.push(&items[start..]);
        }
        batches
    }
}

/// One sequence of a batch.
struct Row<'a> {
    prefix: &'a PrefixInput,
    tail: &'a [u32],
    completion: &'a [u32],
    length: usize,
}

/// Weighted mean over suffixes; nothing where there are none.
pub fn mean(suffixes: &[SuffixCe]) -> Option<f64> {
    shared::metrics::mean_ce(suffixes.iter().map(|suffix| (suffix.ce, suffix.weight)))
}
