//! What a walk tries next: edits of one prefix, and what two prefixes make together.

use super::super::moves::Replacement;
use super::super::next_token::{Context, likeliest};
use super::super::projection::nearest_tokens;
use super::super::{Params, Search, StageError};
use super::Choice;
use std::collections::BTreeMap;
use std::ops::Range;

/// Every edit that is worth a try: in place of each token those near it, and the options of that position of the
/// reference; at any place once more what carries the meaning or is there already; both where the model would
/// write it; neighbours swapped; and each token left out.
pub fn edits(
    search: &Search<'_>,
    ids: &[u32],
    options: &[Vec<Choice>],
    params: &Params,
) -> Result<Vec<Vec<u32>>, StageError> {
    let few = params.usize("near").div_ceil(2);
    let written = written(search, ids, params.usize("written"))?;
    let written_at = |place: usize| written.get(place).into_iter().flatten().copied();
    let mut edits = Vec::new();
    for (position, &id) in ids.iter().enumerate() {
        let near = nearest_tokens(search, id, few)?.into_iter();
        let before = options.get(position).into_iter().flatten().take(few).map(|choice| choice.id);
        for id in near.chain(before).chain(written_at(position)) {
            edits.push(Replacement { position, id, predicted: 0.0 }.applied(ids));
        }
        if ids.len() > 1 {
            edits.push([&ids[..position], &ids[position + 1..]].concat());
        }
        if position > 0 {
            let mut swapped = ids.to_vec();
            swapped.swap(position - 1, position);
            edits.push(swapped);
        }
    }
    if ids.len() < search.spec.prefix_tokens {
        let carriers: Vec<u32> = carriers(options).iter().take(few).map(|choice| choice.id).collect();
        for gap in 0..=ids.len() {
            let inserted = carriers.iter().chain(ids).copied().chain(written_at(gap));
            edits.extend(inserted.map(|id| [&ids[..gap], &[id], &ids[gap..]].concat()));
        }
    }
    edits.sort_unstable();
    edits.dedup();
    Ok(edits)
}

/// By place, the end included: the allowed tokens that the model would likeliest write there, asked to say the
/// reference in other words. Nothing where its context has no room for that.
fn written(search: &Search<'_>, ids: &[u32], count: usize) -> Result<Vec<Vec<u32>>, StageError> {
    let context = Context::paraphrase(search)?;
    if count == 0 || context.positions(search)? > search.objective.backend().config().context_length {
        return Ok(Vec::new());
    }
    let beginnings: Vec<&[u32]> = (0..=ids.len()).map(|end| &ids[..end]).collect();
    let rows = context.log_probabilities(search, &beginnings)?;
    Ok(rows.iter().map(|row| likeliest(search, row, count)).collect())
}

/// The options of the position that carries most of the meaning: where even the least harmful does most harm.
fn carriers(options: &[Vec<Choice>]) -> &[Choice] {
    let least = |here: &[Choice]| here.first().map_or(f64::NEG_INFINITY, |choice| choice.harm);
    let most = options.iter().max_by(|a, b| least(a).total_cmp(&least(b)));
    most.map_or(&[], Vec::as_slice)
}

/// Each prefix with one of the differences that another one has from it, for every two of them, and the place of the
/// prefix. Where two edits of one prefix each help, this is where they come together.
pub fn mixed(prefixes: &[&Vec<u32>]) -> BTreeMap<Vec<u32>, usize> {
    let mut mixed = BTreeMap::new();
    for (at, to) in prefixes.iter().enumerate() {
        for (_, from) in prefixes.iter().enumerate().filter(|(other, _)| *other != at) {
            for (out, into) in differences(to, from) {
                mixed.entry([&to[..out.start], &from[into], &to[out.end..]].concat()).or_insert(at);
            }
        }
    }
    mixed
}

/// Where two lists differ around what they have in common (a longest common subsequence): what to take out of the
/// first for what of the second.
fn differences(a: &[u32], b: &[u32]) -> Vec<(Range<usize>, Range<usize>)> {
    // common[i][j]: length of the longest common subsequence of a[i..] and b[j..].
    let mut common = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] { 1 + common[i + 1][j + 1] } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut differences) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        let (from_i, from_j) = (i, j);
        while (i < a.len() || j < b.len()) && !(i < a.len() && j < b.len() && a[i] == b[j]) {
            if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) { i += 1 } else { j += 1 }
        }
        if (i, j) != (from_i, from_j) {
            differences.push((from_i..i, from_j..j));
        }
        while i < a.len() && j < b.len() && a[i] == b[j] {
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
        // 1 2 3 4 with 3 replaced, and with 9 at its end.
        let mixed = mixed(&[&vec![1, 2, 7, 4], &vec![1, 2, 3, 4, 9]]);
        let mixed: Vec<Vec<u32>> = mixed.into_keys().collect();
        assert_eq!(mixed, vec![vec![1, 2, 3, 4], vec![1, 2, 7, 4, 9]], "and what they were made of");
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
