//! Decoding with cached keys and values, many prompts at once.

use crate::cache::Cache;
use crate::forest::{Input, Parent, Segment};
use crate::head::Head;
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
        on_token: impl FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<u32>>, EngineError> {
        let choose = |_: &[usize], hidden: &[f32], logits: &mut Vec<f32>| self.decoding_head().argmax(hidden, logits);
        self.decode(past, prompts, options, workspace, choose, on_token)
    }

    /// As [`Engine::greedy`], but each next token is what `draw` makes of the prompt's index and the logits
    /// of the whole vocabulary. It is called once a token of each prompt, in the order of the tokens.
    ///
    /// # Errors
    /// As for [`Engine::greedy`].
    pub fn sample(
        &self,
        past: Option<&Cache>,
        prompts: &[Vec<u32>],
        options: DecodeOptions<'_>,
        workspace: &mut Workspace,
        mut draw: impl FnMut(usize, &[f32]) -> u32,
        on_token: impl FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<u32>>, EngineError> {
        let choose = |prompts: &[usize], hidden: &[f32], logits: &mut Vec<f32>| {
            let rows = self.decoding_head().logits(hidden, logits);
            let rows = prompts.iter().zip(rows.chunks_exact(self.shape().vocab_size));
            rows.map(|(&prompt, row)| draw(prompt, row)).collect()
        };
        self.decode(past, prompts, options, workspace, choose, on_token)
    }

    /// Runs `ids` after `past`, which grows by them, and returns the most likely next token: one step of
    /// [`Engine::greedy`] for callers that do something else in between.
    ///
    /// # Errors
    /// As for [`Engine::greedy`].
    pub fn next_token(&self, past: &mut Cache, ids: &[u32], workspace: &mut Workspace) -> Result<u32, EngineError> {
        let parent = if past.positions() == 0 { Parent::Nothing } else { Parent::Cache(past) };
        let mut grown = [Cache::default()];
        let hidden = self.run(&[Segment { parent, input: Input::Ids(ids), targets: &[] }], &mut grown, workspace)?;
        let [grown] = grown;
        if past.positions() == 0 {
            *past = grown;
        } else {
            past.extend(grown);
        }
        Ok(self.decoding_head().argmax(&hidden, &mut workspace.logits)[0])
    }

    /// `choose` makes next tokens of prompts' indices and the hidden states of their last rows.
    fn decode(
        &self,
        past: Option<&Cache>,
        prompts: &[Vec<u32>],
        options: DecodeOptions<'_>,
        workspace: &mut Workspace,
        mut choose: impl FnMut(&[usize], &[f32], &mut Vec<f32>) -> Vec<u32>,
        mut on_token: impl FnMut(usize) -> bool,
    ) -> Result<Vec<Vec<u32>>, EngineError> {
        let mut completions = vec![Vec::new(); prompts.len()];
        if options.max_tokens == 0 {
            return Ok(completions);
        }
        let mut sequences = self.prefill(past, prompts, workspace, &mut choose)?;
        for length in 1.. {
            for sequence in &sequences {
                completions[sequence.index].push(sequence.last);
            }
            let going = on_token(length) && length < options.max_tokens;
            sequences.retain(|sequence| going && !options.stop_ids.contains(&sequence.last));
            if sequences.is_empty() {
                break;
            }
            self.step(&mut sequences, workspace, &mut choose)?;
        }
        Ok(completions)
    }

    /// Runs the prompts, a few at a time.
    fn prefill(
        &self,
        past: Option<&Cache>,
        prompts: &[Vec<u32>],
        workspace: &mut Workspace,
        choose: &mut impl FnMut(&[usize], &[f32], &mut Vec<f32>) -> Vec<u32>,
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
            let hidden = self.run(&segments, &mut caches, workspace)?;
            let indices: Vec<usize> = (first..first + batch.len()).collect();
            let last = choose(&indices, &hidden, &mut workspace.logits);
            let rows = caches.into_iter().zip(last).enumerate();
            sequences.extend(rows.map(|(at, (cache, last))| Sequence { index: first + at, cache, last }));
        }
        Ok(sequences)
    }

    /// Runs the latest token of every sequence.
    fn step(
        &self,
        sequences: &mut [Sequence],
        workspace: &mut Workspace,
        choose: &mut impl FnMut(&[usize], &[f32], &mut Vec<f32>) -> Vec<u32>,
    ) -> Result<(), EngineError> {
        let ids: Vec<[u32; 1]> = sequences.iter().map(|sequence| [sequence.last]).collect();
        let caches: Vec<Cache> = sequences.iter_mut().map(|sequence| std::mem::take(&mut sequence.cache)).collect();
        let rows = caches.iter().zip(&ids);
        let segments: Vec<_> = rows
            .map(|(cache, ids)| Segment { parent: Parent::Cache(cache), input: Input::Ids(ids), targets: &[] })
            .collect();
        let mut grown = vec![Cache::default(); caches.len()];
        let hidden = self.run(&segments, &mut grown, workspace)?;
        let indices: Vec<usize> = sequences.iter().map(|sequence| sequence.index).collect();
        let last = choose(&indices, &hidden, &mut workspace.logits);
        for (((sequence, mut cache), new), last) in sequences.iter_mut().zip(caches).zip(grown).zip(last) {
            cache.extend(new);
            (sequence.cache, sequence.last) = (cache, last);
        }
        Ok(())
    }

    /// Runs segments, adds their keys and values to `caches`, and returns the hidden state of each one's last
    /// row, normalised, `(segments, hidden)`.
    fn run(
        &self,
        segments: &[Segment<'_>],
        caches: &mut [Cache],
        workspace: &mut Workspace,
    ) -> Result<Vec<f32>, EngineError> {
        // Decoding is never screening: it runs in f32.
        let layout = self.forward(segments, Precision::F32, workspace, false, Some(caches))?;
        let width = self.shape().hidden_size;
        let mut hidden = vec![0.0; segments.len() * width];
        for (out, place) in hidden.chunks_exact_mut(width).zip(&layout.segments) {
            let row = place.row + place.len - 1;
            self.final_norm(&workspace.x[row * width..(row + 1) * width], out);
        }
        Ok(hidden)
    }

    fn decoding_head(&self) -> Head<'_> {
        self.head(Precision::F32)
    }
}
