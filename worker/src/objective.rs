//! The one objective of every search: weighted cross-entropy of the reference completions.
//!
//! The chat before the prefix is run once for all. A candidate's suffixes share its prefix, and
//! candidates are batched together, without padding between them.

mod loss;

pub use loss::{Cosine, Feature, Loss, ResidualLoss, Slope};

use crate::backend::{Backend, BackendError, Input, Precision, Segment};
use crate::control::{Cancelled, Control};
use crate::forest::Forest;
use crate::planner::Plan;
use candle_core::Tensor;
use shared::metrics::{token_weight, weighted_ce};
use shared::sampling::Sampler;
use shared::spec::Split;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

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
    /// The model gave no answer.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// candle refused.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl From<Cancelled> for ObjectiveError {
    fn from(_: Cancelled) -> Self {
        ObjectiveError::Stopped
    }
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
    backend: Box<dyn Backend>,
    chat_pre: Vec<u32>,
    plan: Plan,
    suffixes: Vec<SuffixTarget>,
    early_k: usize,
    early_weight: f64,
    stop_ids: Vec<u32>,
    evaluations: AtomicU64,
    evaluations_saved: AtomicI64,
    control: Arc<Control>,
}

impl Objective {
    /// Runs the chat before the prefix, and keeps the rest for later.
    pub fn new(
        mut backend: Box<dyn Backend>,
        plan: Plan,
        chat_pre: &[u32],
        suffixes: Vec<SuffixTarget>,
        (early_k, early_weight): (usize, f64),
        stop_ids: Vec<u32>,
        control: Arc<Control>,
    ) -> Result<Self, BackendError> {
        backend.begin(chat_pre)?;
        let (evaluations, evaluations_saved) = (AtomicU64::new(0), AtomicI64::new(0));
        let chat_pre = chat_pre.to_vec();
        Ok(Objective {
            backend,
            chat_pre,
            plan,
            suffixes,
            early_k,
            early_weight,
            stop_ids,
            evaluations,
            evaluations_saved,
            control,
        })
    }

    /// The model.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// What the run is asked while it works.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Takes the model back.
    pub fn into_backend(self) -> Box<dyn Backend> {
        self.backend
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

    /// Forwards that brute force would have needed on top of these.
    pub fn evaluations_saved(&self) -> u64 {
        self.evaluations_saved.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    /// Counts forwards that were not needed, or those spent in vain where it is below zero.
    pub fn save_evaluations(&self, count: i64) {
        self.evaluations_saved.fetch_add(count, Ordering::Relaxed);
    }

    /// Sets what the suffixes are scored on, in their order.
    pub fn set_completions(&mut self, completions: Vec<Vec<u32>>) {
        for (suffix, completion) in self.suffixes.iter_mut().zip(completions) {
            suffix.completion = completion;
        }
    }

    /// Does something while some suffixes are scored on other completions.
    pub fn with_completions<T>(
        &mut self,
        indices: &[usize],
        completions: &[Vec<u32>],
        run: impl FnOnce(&Self) -> Result<T, ObjectiveError>,
    ) -> Result<T, ObjectiveError> {
        let own: Vec<Vec<u32>> = self.suffixes.iter().map(|suffix| suffix.completion.clone()).collect();
        for (&index, completion) in indices.iter().zip(completions) {
            self.suffixes[index].completion.clone_from(completion);
        }
        let result = run(self);
        self.set_completions(own);
        result
    }

    /// Does something with other suffixes, behind another chat.
    pub fn with_layout<T>(
        &mut self,
        chat_pre: &[u32],
        suffixes: Vec<SuffixTarget>,
        run: impl FnOnce(&mut Self) -> Result<T, ObjectiveError>,
    ) -> Result<T, ObjectiveError> {
        self.backend.begin(chat_pre)?;
        let own = std::mem::replace(&mut self.suffixes, suffixes);
        let result = run(self);
        self.suffixes = own;
        self.backend.begin(&self.chat_pre)?;
        result
    }

    /// Leaves suffixes out for good, by their present indices; those that stay are numbered anew, in order.
    pub fn retain(&mut self, stays: impl Fn(usize) -> bool) {
        let mut index = 0..;
        self.suffixes.retain(|_| index.next().is_some_and(&stays));
    }

    /// Greedy completions of some suffixes under one prefix, in the order of `indices`.
    pub fn complete(
        &self,
        prefix: &PrefixInput,
        indices: &[usize],
        max_tokens: usize,
        mut on_token: impl FnMut(usize),
    ) -> Result<Vec<Vec<u32>>, ObjectiveError> {
        let prompts = self.prompts(prefix, indices)?;
        let completions = self.backend.greedy(&prompts, max_tokens, &self.stop_ids, &mut |length| {
            on_token(length);
            self.check().is_ok()
        })?;
        self.check()?;
        Ok(completions)
    }

    /// Drawn completions of some suffixes under one prefix, in the order of `indices`, with one sampler each.
    pub fn sample(
        &self,
        prefix: &PrefixInput,
        indices: &[usize],
        max_tokens: usize,
        samplers: &mut [Sampler],
    ) -> Result<Vec<Vec<u32>>, ObjectiveError> {
        let prompts = self.prompts(prefix, indices)?;
        let going = &mut |_| self.check().is_ok();
        let completions = self.backend.sample(&prompts, max_tokens, &self.stop_ids, samplers, going)?;
        self.check()?;
        Ok(completions)
    }

    /// What follows the chat before the prefix, up to where the completion begins.
    fn prompts(&self, prefix: &PrefixInput, indices: &[usize]) -> Result<Vec<Vec<u32>>, ObjectiveError> {
        let prefix_ids = match prefix {
            PrefixInput::None => &[][..],
            PrefixInput::Ids(ids) => ids,
            PrefixInput::Soft(_) => {
                return Err(candle_core::Error::Msg("free vectors are not decoded".into()).into());
            }
        };
        let tail = |index: usize| {
            let suffix = &self.suffixes[index];
            if prefix.is_none() { &suffix.tail_none } else { &suffix.tail }
        };
        Ok(indices.iter().map(|&index| [prefix_ids, tail(index)].concat()).collect())
    }

    /// Logits before every completion token of one suffix, `(completion, vocab)`, on the CPU.
    pub fn logits(&self, prefix: &PrefixInput, index: usize) -> Result<Tensor, ObjectiveError> {
        self.check()?;
        let Forest { segments: mut forest, ends } = lay_out(std::slice::from_ref(prefix));
        let input = self.input(prefix.is_none(), index);
        forest.push(Segment { parent: ends[0], input: Input::Ids(&input), targets: self.targets(index) });
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        Ok(self.backend.logits(&forest)?)
    }

    /// Cross-entropies `[prefix][suffix]`, suffixes in the order of `indices`.
    pub fn score(&self, prefixes: &[PrefixInput], indices: &[usize]) -> Result<Vec<Vec<SuffixCe>>, ObjectiveError> {
        self.score_in(prefixes, indices, Precision::F32)
    }

    /// The same, with the linear layers in the precision that is asked for.
    pub fn score_in(
        &self,
        prefixes: &[PrefixInput],
        indices: &[usize],
        precision: Precision,
    ) -> Result<Vec<Vec<SuffixCe>>, ObjectiveError> {
        self.with_memory(|| self.score_as_planned(prefixes, indices, precision, |nll| self.weighted(nll)))
    }

    /// Negative log-likelihoods of the completion's tokens `[prefix][suffix][token]`, in nats, suffixes in the
    /// order of `indices`.
    pub fn token_nll(&self, prefixes: &[PrefixInput], indices: &[usize]) -> Result<Vec<Vec<Vec<f32>>>, ObjectiveError> {
        self.with_memory(|| self.score_as_planned(prefixes, indices, Precision::F32, <[f32]>::to_vec))
    }

    /// Weighted cross-entropy of a suffix whose tokens have these negative log-likelihoods.
    pub fn weighted(&self, nll: &[f32]) -> SuffixCe {
        let (ce, weight) = weighted_ce(nll, self.early_k, self.early_weight);
        SuffixCe { ce, weight }
    }

    /// Tries again in smaller passes where the memory was planned too large.
    fn with_memory<T>(&self, run: impl Fn() -> Result<T, ObjectiveError>) -> Result<T, ObjectiveError> {
        match run() {
            Err(ObjectiveError::Backend(error)) if error.is_out_of_memory() && self.plan.halve_once() => run(),
            result => result,
        }
    }

    fn score_as_planned<T: Clone>(
        &self,
        prefixes: &[PrefixInput],
        indices: &[usize],
        precision: Precision,
        of_nll: impl Fn(&[f32]) -> T,
    ) -> Result<Vec<Vec<T>>, ObjectiveError> {
        let targets = |suffix: usize| self.targets(indices[suffix]);
        let mut scores = vec![Vec::with_capacity(indices.len()); prefixes.len()];
        let input = |none: bool| indices.iter().map(move |&index| self.input(none, index));
        let (inputs, inputs_none): (Vec<Vec<u32>>, Vec<Vec<u32>>) = (input(false).collect(), input(true).collect());
        let pairs: Vec<(usize, usize)> =
            (0..prefixes.len()).flat_map(|prefix| (0..indices.len()).map(move |at| (prefix, at))).collect();
        let rows = |pair: Option<&(usize, usize)>, &(prefix, at): &(usize, usize)| {
            let new_prefix = pair.is_none_or(|&(before, _)| before != prefix);
            inputs[at].len() + if new_prefix { prefixes[prefix].len() } else { 0 }
        };
        for batch in batches(&pairs, self.plan.score_positions(), rows) {
            self.check()?;
            let pairs = &pairs[batch];
            let (first, last) = (pairs[0].0, pairs[pairs.len() - 1].0);
            let Forest { segments: mut forest, ends } = lay_out(&prefixes[first..=last]);
            for &(prefix, suffix) in pairs {
                let input = if prefixes[prefix].is_none() { &inputs_none[suffix] } else { &inputs[suffix] };
                let targets = targets(suffix);
                forest.push(Segment { parent: ends[prefix - first], input: Input::Ids(input), targets });
            }
            let mut values = self.backend.score(&forest, precision)?.into_iter().map(|score| score.nll);
            for &(prefix, suffix) in pairs {
                let own: Vec<f32> = values.by_ref().take(targets(suffix).len()).collect();
                scores[prefix].push(of_nll(&own));
            }
            self.count(pairs.len());
        }
        Ok(scores)
    }

    /// Weighted cross-entropy over some suffixes together; nothing where there are none.
    pub fn mean(&self, prefix: &PrefixInput, indices: &[usize]) -> Result<Option<f64>, ObjectiveError> {
        let scores = self.score(std::slice::from_ref(prefix), indices)?;
        Ok(mean(&scores[0]))
    }

    /// Weighted cross-entropy over some suffixes together, and its gradient with respect to the
    /// prefix's embeddings: `(prefix, hidden_size)`, both for `embeds` of that shape.
    pub fn gradient(&self, embeds: &Tensor, indices: &[usize]) -> Result<(f64, Tensor), ObjectiveError> {
        let slope = self.slope(&Loss::CrossEntropy, embeds, indices)?;
        Ok((slope.loss, slope.gradient))
    }

    fn count(&self, evaluations: usize) {
        self.evaluations.fetch_add(evaluations as u64, Ordering::Relaxed);
    }

    /// Before every batch: a run that is asked to pause stands still here.
    fn check(&self) -> Result<(), ObjectiveError> {
        Ok(self.control.proceed()?)
    }

    /// Sum of the token weights of a suffix's completion.
    pub fn weight(&self, index: usize) -> f64 {
        (0..self.suffixes[index].completion.len()).map(|t| token_weight(t, self.early_k, self.early_weight)).sum()
    }

    fn token_weights(&self, index: usize, total: f64) -> impl Iterator<Item = f32> + use<'_> {
        let weight = move |t| (token_weight(t, self.early_k, self.early_weight) / total) as f32;
        (0..self.suffixes[index].completion.len()).map(weight)
    }

    /// What is scored of a suffix.
    fn targets(&self, index: usize) -> &[u32] {
        &self.suffixes[index].completion
    }

    /// What follows the prefix, `none` the empty one: all but the last completion token, which
    /// predicts nothing that is scored.
    fn input(&self, none: bool, index: usize) -> Vec<u32> {
        let SuffixTarget { tail, tail_none, completion, .. } = &self.suffixes[index];
        let tail = if none { tail_none } else { tail };
        [tail, &completion[..completion.len().saturating_sub(1)]].concat()
    }
}

impl PrefixInput {
    fn is_none(&self) -> bool {
        matches!(self, PrefixInput::None)
    }

    fn len(&self) -> usize {
        match self {
            PrefixInput::None => 0,
            PrefixInput::Ids(ids) => ids.len(),
            PrefixInput::Soft(embeds) => embeds.dims()[0],
        }
    }
}

/// Segments of some prefixes; the discrete ones share what they have in common.
fn lay_out(prefixes: &[PrefixInput]) -> Forest<'_> {
    let ids: Vec<&[u32]> = prefixes
        .iter()
        .map(|prefix| match prefix {
            PrefixInput::Ids(ids) => &ids[..],
            PrefixInput::None | PrefixInput::Soft(_) => &[],
        })
        .collect();
    let mut forest = Forest::new(&ids);
    for (prefix, end) in prefixes.iter().zip(&mut forest.ends) {
        if let PrefixInput::Soft(embeds) = prefix {
            *end = Some(forest.segments.len());
            forest.segments.push(Segment { parent: None, input: Input::Embeds(embeds), targets: &[] });
        }
    }
    forest
}

/// Cuts a list into batches of at most `most` positions, at least one item each.
/// `positions` says how many an item adds, given the one before it in the same batch.
fn batches<T>(items: &[T], most: usize, positions: impl Fn(Option<&T>, &T) -> usize) -> Vec<Range<usize>> {
    let (mut batches, mut start, mut total) = (Vec::new(), 0, 0);
    for (at, item) in items.iter().enumerate() {
        let more = positions((at > start).then(|| &items[at - 1]), item);
        if at > start && total + more > most {
            batches.push(start..at);
            (start, total) = (at, positions(None, item));
        } else {
            total += more;
        }
    }
    if start < items.len() {
        batches.push(start..items.len());
    }
    batches
}

/// Weighted mean over suffixes; nothing where there are none.
pub fn mean(suffixes: &[SuffixCe]) -> Option<f64> {
    shared::metrics::mean_ce(suffixes.iter().map(|suffix| (suffix.ce, suffix.weight)))
}
