//! Cross-entropies and greedy completions, computed again.

use crate::{Model, ModelError};
use engine::{Cache, DecodeOptions, Input, Parent, Precision, Segment, TokenScore};
use shared::metrics::weighted_ce;
use shared::verification::{Claims, Departure, GreedyPath, PrefixMeasurement, SuffixClaim, Under};

impl Model {
    /// A suffix under one prefix; nothing where the recording has no such prefix for it.
    ///
    /// The recorded completions are run as they stand. That tells the cross-entropy of the one, and of the
    /// other whether each token is the likeliest after those before it, which is what greedy decoding means.
    ///
    /// # Errors
    /// Ids or texts that the model does not know, or more than its context holds.
    pub fn measure(
        &mut self,
        claims: &Claims,
        claim: &SuffixClaim,
        under: Under,
    ) -> Result<Option<PrefixMeasurement>, ModelError> {
        let own = match under {
            Under::None => claim.found.as_ref().map(|found| &found.completion_none),
            Under::Reference => Some(&claim.reference),
            Under::Found => claim.found.as_ref().map(|found| &found.completion),
        };
        let prefix = match (under, &claims.found) {
            (Under::None, _) => Vec::new(),
            (Under::Reference, _) => claims.reference.ids(),
            (Under::Found, Some(found)) if own.is_some() => found.ids(),
            (Under::Found, _) => return Ok(None),
        };
        let prompt = self.prompt(&prefix, claims, claim)?;
        let reference = &claim.reference.ids[..];
        let own = own.map(|own| &own.ids[..]);
        // Under the reference both are the same.
        let drafts = [Some(reference), own.filter(|own| *own != reference)];
        let scores = self.score(&prompt, drafts)?;
        let nll: Vec<f32> = scores[0].iter().map(|score| score.nll).collect();
        let ce = weighted_ce(&nll, claims.early_k, claims.early_weight).0;
        let greedy = own.map(|own| {
            let scores = if own == reference { &scores[0] } else { &scores[1] };
            self.greedy_path(&prompt, own, scores, claims.max_completion_tokens)
        });
        Ok(Some(PrefixMeasurement { ce, greedy: greedy.transpose()? }))
    }

    /// Weighted cross-entropy of a suffix's reference completion under any prefix, in nats a token.
    ///
    /// # Errors
    /// As for [`Model::measure`].
    pub fn score_prefix(&mut self, prefix: &[u32], claims: &Claims, claim: &SuffixClaim) -> Result<f64, ModelError> {
        let prompt = self.prompt(prefix, claims, claim)?;
        let scores = self.score(&prompt, [Some(&claim.reference.ids), None])?;
        let nll: Vec<f32> = scores[0].iter().map(|score| score.nll).collect();
        Ok(weighted_ce(&nll, claims.early_k, claims.early_weight).0)
    }

    /// Begins a greedy completion: what was run, and what [`Model::next_token`] is to run first.
    ///
    /// # Errors
    /// As for [`Model::measure`].
    pub fn begin(&self, prefix: &[u32], claims: &Claims, claim: &SuffixClaim) -> Result<(Cache, Vec<u32>), ModelError> {
        Ok((self.chat_pre.clone(), self.prompt(prefix, claims, claim)?))
    }

    /// Runs `ids` and returns the likeliest token after them; nothing where that ends the completion.
    ///
    /// # Errors
    /// As for [`Model::measure`].
    pub fn next_token(&mut self, past: &mut Cache, ids: &[u32]) -> Result<Option<u32>, ModelError> {
        let token = self.engine.next_token(past, ids, &mut self.workspace)?;
        Ok(Some(token).filter(|token| !self.tokenizer().stop_ids().contains(token)))
    }

    /// What follows the chat before the prefix, up to where the completion begins.
    fn prompt(&self, prefix: &[u32], claims: &Claims, claim: &SuffixClaim) -> Result<Vec<u32>, ModelError> {
        let layout = self.tokenizer().layout(prefix, &claims.separator, &claim.text)?;
        Ok(layout.ids[layout.prefix.start..].to_vec())
    }

    /// Scores completions of one prompt, which they share.
    fn score(&mut self, prompt: &[u32], drafts: [Option<&[u32]>; 2]) -> Result<[Vec<TokenScore>; 2], ModelError> {
        // The row before the first token of a completion is the prompt's last.
        let (last, shared) = prompt.split_last().ok_or(ModelError::EmptyPrompt)?;
        let inputs =
            drafts.map(|draft| draft.map(|draft| [&[*last], &draft[..draft.len().saturating_sub(1)]].concat()));
        let mut segments = Vec::with_capacity(3);
        let mut parent = root(&self.chat_pre);
        if !shared.is_empty() {
            segments.push(Segment { parent, input: Input::Ids(shared), targets: &[] });
            parent = Parent::Segment(0);
        }
        for (input, draft) in inputs.iter().zip(drafts) {
            if let (Some(input), Some(targets)) = (input, draft) {
                segments.push(Segment { parent, input: Input::Ids(input), targets });
            }
        }
        let mut first = self.engine.score(&segments, Precision::F32, &mut self.workspace)?;
        let second = first.split_off(drafts[0].map_or(0, <[u32]>::len));
        Ok([first, second])
    }

    fn greedy_path(
        &mut self,
        prompt: &[u32],
        recorded: &[u32],
        scores: &[TokenScore],
        max_tokens: usize,
    ) -> Result<GreedyPath, ModelError> {
        let mut behind = Vec::with_capacity(recorded.len());
        for (at, (&token, score)) in recorded.iter().zip(scores).enumerate() {
            let nats = if score.argmax == token { 0.0 } else { self.lead(prompt, &recorded[..=at])? };
            behind.push((nats, score.argmax));
            if nats > shared::verification::TIE_NATS {
                break;
            }
        }
        let stop_ids = self.tokenizer().stop_ids().to_vec();
        let ends = |id: u32| stop_ids.contains(&id);
        let mut path = GreedyPath::along(recorded, &behind, max_tokens, ends, |id| self.tokenizer().decode(&[id]));
        let stops_early = path.stops_early(recorded, max_tokens, ends);
        let agreed = path.departure.as_ref().map_or(recorded.len(), |departure| departure.at);
        let mut written = recorded[..agreed].to_vec();
        let goes_on = stops_early || path.departure.as_ref().is_some_and(|departure| departure.computed.is_some());
        if goes_on {
            let options = DecodeOptions { max_tokens: max_tokens.saturating_sub(agreed), stop_ids: &stop_ids };
            let continued = [[prompt, &written[..]].concat()];
            let past = (self.chat_pre.positions() > 0).then_some(&self.chat_pre);
            let rest = self.engine.greedy(past, &continued, options, &mut self.workspace, |_| true)?;
            written.extend(rest.into_iter().flatten());
        }
        if stops_early {
            let computed = written.get(agreed).map(|&id| self.tokenizer().decode(&[id]));
            path.departure = Some(Departure { at: agreed, recorded: None, computed, nats: None });
        }
        let shown = match written.split_last() {
            Some((last, rest)) if ends(*last) => rest,
            _ => &written,
        };
        path.written = self.tokenizer().decode(shown);
        Ok(path)
    }

    /// By how many nats the likeliest token is ahead of the last of `completion`.
    fn lead(&mut self, prompt: &[u32], completion: &[u32]) -> Result<f64, ModelError> {
        let (&token, before) = completion.split_last().ok_or(ModelError::EmptyPrompt)?;
        let input = [prompt, before].concat();
        let segment = Segment { parent: root(&self.chat_pre), input: Input::Ids(&input), targets: &[token] };
        let logits = self.engine.logits(&[segment], Precision::F32, &mut self.workspace)?;
        let likeliest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        Ok(f64::from(likeliest - logits[token as usize]))
    }
}

/// What every prompt follows.
fn root(chat_pre: &Cache) -> Parent<'_> {
    if chat_pre.positions() == 0 { Parent::Nothing } else { Parent::Cache(chat_pre) }
}
