//! What a walk tries next: edits of one prefix, and what one lends another.

use super::super::moves::Replacement;
use super::super::next_token::Context;
use super::super::projection::{NearTokens, highest_allowed};
use super::super::{Params, Search, StageError};
use super::Choice;
use std::ops::Range;

/// What edits are made of.
pub struct Moves {
    /// What may stand at each position of the reference, the least harmful first.
    options: Vec<Vec<Choice>>,
    near: NearTokens,
    /// Tokens of each kind that are tried at a place.
    few: usize,
    /// The request to say the reference in other words; nothing where the model's context has no room for it.
    paraphrase: Option<Context>,
    /// Tokens tried at a place that the model would write there, so asked.
    written: usize,
}

impl Moves {
    /// Of the options at each position of the reference.
    pub fn new(
        search: &Search<'_>,
        options: Vec<Vec<Choice>>,
        near: NearTokens,
        params: &Params,
    ) -> Result<Self, StageError> {
        let paraphrase = Context::paraphrase(search)?;
        let fits = paraphrase.positions(search)? <= search.objective.backend().config().context_length;
        let (few, written) = (params.usize("near").div_ceil(2), params.usize("written"));
        Ok(Moves { options, near, few, paraphrase: fits.then_some(paraphrase), written })
    }

    /// Every edit that is worth a try: in place of each token those near it, the options of that position of the
    /// reference, and what the model would write there; between any two what carries the meaning, what is there
    /// already, and what the model would write; any two swapped; and each left out.
    pub fn edits(&mut self, search: &Search<'_>, ids: &[u32]) -> Result<Vec<Vec<u32>>, StageError> {
        let written = self.written(search, ids)?;
        let written_at = |place: usize| written.get(place).into_iter().flatten().copied();
        let mut edits = Vec::new();
        for (position, &id) in ids.iter().enumerate() {
            let near = self.near.of(search, id)?.into_iter().take(self.few);
            let options = self.options.get(position).into_iter().flatten().take(self.few).map(|choice| choice.id);
            for id in near.chain(options).chain(written_at(position)) {
                edits.push(Replacement { position, id, predicted: 0.0 }.applied(ids));
            }
            if ids.len() > 1 {
                edits.push([&ids[..position], &ids[position + 1..]].concat());
            }
            for other in 0..position {
                let mut swapped = ids.to_vec();
                swapped.swap(other, position);
                edits.push(swapped);
            }
        }
        if ids.len() < search.spec.prefix_tokens {
            let carriers = self.carriers().iter().take(self.few).map(|choice| choice.id);
            let carriers: Vec<u32> = carriers.collect();
            for gap in 0..=ids.len() {
                let inserted = carriers.iter().chain(ids).copied().chain(written_at(gap));
                edits.extend(inserted.map(|id| [&ids[..gap], &[id], &ids[gap..]].concat()));
            }
        }
        edits.sort_unstable();
        edits.dedup();
        Ok(edits)
    }

    /// By place, the end included: the allowed tokens that the model would likeliest write there.
    fn written(&self, search: &Search<'_>, ids: &[u32]) -> Result<Vec<Vec<u32>>, StageError> {
        match &self.paraphrase {
            Some(context) if self.written > 0 => {
                let rows = context.along(search, ids)?;
                Ok(rows.iter().map(|row| highest_allowed(search, row, self.written)).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The options of the position that carries most of the meaning: where even the least harmful does most harm.
    fn carriers(&self) -> &[Choice] {
        let least = |here: &[Choice]| here.first().map_or(f64::NEG_INFINITY, |choice| choice.harm);
        let most = self.options.iter().max_by(|a, b| least(a).total_cmp(&least(b)));
        most.map_or(&[], Vec::as_slice)
    }
}

/// A prefix with one of the differences that another has from it, for each of these. Where two edits of one prefix
/// each help, this is where they come together.
pub fn mixed(to: &[u32], from: &[u32]) -> Vec<Vec<u32>> {
    let lent = |(out, into): (Range<usize>, Range<usize>)| [&to[..out.start], &from[into], &to[out.end..]].concat();
    differences(to, from).into_iter().map(lent).collect()
}

/// Where two lists differ around what they have in common (a longest common subsequence): what to take out of the
/// first for what of the second. Where as many go as come, one by one.
fn differences(a: &[u32], b: &[u32]) -> Vec<(Range<usize>, Range<usize>)> {
    // common[i][j]: length of the longest common subsequence of a[i..] and b[j..].
    let mut common = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] { 1 + common[i + 1][j + 1] } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let is_common = |i: usize, j: usize| i < a.len() && j < b.len() && a[i] == b[j];
    let (mut i, mut j, mut differences) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        let (from_i, from_j) = (i, j);
        while (i < a.len() || j < b.len()) && !is_common(i, j) {
            if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) { i += 1 } else { j += 1 }
        }
        if i - from_i == j - from_j {
            differences.extend((0..i - from_i).map(|k| (from_i + k..from_i + k + 1, from_j + k..from_j + k + 1)));
        } else {
            differences.push((from_i..i, from_j..j));
        }
        while is_common(i, j) {
            (i, j) = (i + 1, j + 1);
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_edits_of_one_prefix_come_together() {
        // 1 2 3 4 with 3 replaced, with 9 at its end, and with 2 replaced.
        let (third, end, second) = ([1, 2, 7, 4], [1, 2, 3, 4, 9], [1, 8, 3, 4]);
        assert!(mixed(&third, &end).contains(&vec![1, 2, 7, 4, 9]));
        assert!(mixed(&end, &third).contains(&vec![1, 2, 7, 4, 9]));
        assert!(mixed(&third, &second).contains(&vec![1, 8, 7, 4]), "neighbours too");
        assert!(mixed(&third, &third).is_empty());
    }

    proptest! {
        #[test]
        fn all_differences_together_make_the_other(
            a in prop::collection::vec(0u32..4, 0..8),
            b in prop::collection::vec(0u32..4, 0..8),
        ) {
            let mut made = a.clone();
            for (out, into) in differences(&a, &b).into_iter().rev() {
                made.splice(out, b[into].iter().copied());
            }
            prop_assert_eq!(made, b);
        }
    }
}
