//! Greedy decoding with cached keys and values, many prompts at once.

use crate::cache::Cache;
use crate::forest::{Input, Parent, Segment};
use crate::workspace::Workspace;
use crate::{Engine, EngineError, Precision};

/// Rows of prompts that are run at a time.
const PREFILL_ROWS: usize = 1024;

/// How far to decode.
#[derive(Clone, Copy, Debug)]
pub struct DecodeOptions<'a> {
    /// Longest completion, in tokens.
    pub max_tokens: usize,
    /// Tokens that end a completion; the one that does is kept.
    pub stop_ids: &'a [u32],
}

/// One prompt on its way.
struct Sequence {
    /// Which prompt.
    index: usize,
    /// Keys and values of everything that was run.
    cache: Cache,
    /// The latest token, not run yet.
    last: u32,
}

impl Engine {
    /// The most likely token, again and again, for each of several prompts that follow `past`, which
    /// finish independently. `on_token` is told how many tokens the longest completion has, and ends the
    /// decoding early when it answers `false`.
    ///
    /// # Errors
    /// A prompt that is empty, holds an unknown token, or has no room for `max_tokens` in the context.
    pub fn greedy(
        &self,
        past: Option<&Cache>,
        prompts: &[Vec<u32>],
        options: DecodeOptions<'_>,
        workspace: &mut Workspace,
        mut on_token: impl FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<u32>>, EngineError> {
        let mut completions = vec![Vec::new(); prompts.len()];
        if options.max_tokens == 0 {
            return Ok(completions);
        }
        let mut sequences = self.prefill(past, prompts, workspace)?;
        for length in 1.. {
            for sequence in &sequences {
                completions[sequence.index].push(sequence.last);
            }
            let going = on_token(length) && length < options.max_tokens;
            sequences.retain(|sequence| going && !options.stop_ids.contains(&sequence.last));
            if sequences.is_empty() {
                break;
            }
            self.step(&mut sequences, workspace)?;
        }
        Ok(completions)
    }

    /// Runs the prompts, a few at a time.
    fn prefill(
        &self,
        past: Option<&Cache>,
        prompts: &[Vec<u32>],
        workspace: &mut Workspace,
    ) -> Result<Vec<Sequence>, EngineError> {
        let parent = past.map_or(Parent::Nothing, Parent::Cache);
        let mut sequences = Vec::with_capacity(prompts.len());
        while sequences.len() < prompts.len() {
            let first = sequences.len();
            let mut rows = 0;
            let fitting = prompts[first..].iter().take_while(|prompt| {
                rows += prompt.len();
                rows <= PREFILL_ROWS
            });
            let batch = &prompts[first..first + fitting.count().max(1)];
            let segments: Vec<_> =
                batch.iter().map(|ids| Segment { parent, input: Input::Ids(ids), targets: &[] }).collect();
            let mut caches = vec![past.cloned().unwrap_or_default(); batch.len()];
            let last = self.run(&segments, &mut caches, workspace)?;
            let rows = caches.into_iter().zip(last).enumerate();
            sequences.extend(rows.map(|(at, (cache, last))| Sequence { index: first + at, cache, last }));
        }
        Ok(sequences)
    }

    /// Runs the latest token of every sequence.
    fn step(&self, sequences: &mut [Sequence], workspace: &mut Workspace) -> Result<(), EngineError> {
        let ids: Vec<[u32; 1]> = sequences.iter().map(|sequence| [sequence.last]).collect();
        let caches: Vec<Cache> = sequences.iter_mut().map(|sequence| std::mem::take(&mut sequence.cache)).collect();
        let rows = caches.iter().zip(&ids);
        let segments: Vec<_> = rows
            .map(|(cache, ids)| Segment { parent: Parent::Cache(cache), input: Input::Ids(ids), targets: &[] })
            .collect();
        let mut grown = vec![Cache::default(); caches.len()];
        let last = self.run(&segments, &mut grown, workspace)?;
        for (((sequence, mut cache), new), last) in sequences.iter_mut().zip(caches).zip(grown).zip(last) {
            cache.extend(new);
            (sequence.cache, sequence.last) = (cache, last);
        }
        Ok(())
    }

    /// Runs segments, adds their keys and values to `caches`, and returns the token that each one's last
    /// row makes most likely.
    fn run(
        &self,
        segments: &[Segment<'_>],
        caches: &mut [Cache],
        workspace: &mut Workspace,
    ) -> Result<Vec<u32>, EngineError> {
        // Decoding is never screening: it runs in f32.
        let layout = self.forward(segments, Precision::F32, workspace, false, Some(caches))?;
        let width = self.shape().hidden_size;
        let mut hidden = vec![0.0; segments.len() * width];
        for (out, place) in hidden.chunks_exact_mut(width).zip(&layout.segments) {
            let row = place.row + place.len - 1;
            self.final_norm(&workspace.x[row * width..(row + 1) * width], out);
        }
        Ok(self.head(Precision::F32).argmax(&hidden, &mut workspace.logits))
    }
}
