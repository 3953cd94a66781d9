//! Candidates that share a beginning, as segments that share its computation.
//!
//! A search proposes many changes of one prefix: all candidates agree with it up to their own first
//! change. That common *stem* is run once, cut where candidates leave it.

use crate::backend::{Input, Segment};

/// Segments of some candidates, and which segment each of them ends with.
pub struct Forest<'a> {
    /// Parents come before their children.
    pub segments: Vec<Segment<'a>>,
    /// In the order of the candidates; `None` for an empty one.
    pub ends: Vec<Option<usize>>,
}

impl<'a> Forest<'a> {
    /// Lays candidates out.
    pub fn new(candidates: &[&'a [u32]]) -> Self {
        let shared = shared_lengths(candidates);
        let mut cuts: Vec<usize> = shared.iter().copied().filter(|&length| length > 0).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let longest = (0..candidates.len()).max_by_key(|&at| shared[at]);
        let stem: &[u32] = longest.map_or(&[], |at| &candidates[at][..shared[at]]);
        let segment = |parent, ids| Segment { parent, input: Input::Ids(ids), targets: &[] };
        let mut forest = Forest { segments: Vec::new(), ends: Vec::with_capacity(candidates.len()) };
        let mut start = 0;
        for &cut in &cuts {
            let parent = forest.segments.len().checked_sub(1);
            forest.segments.push(segment(parent, &stem[start..cut]));
            start = cut;
        }
        for (ids, &length) in candidates.iter().zip(&shared) {
            let on_stem = cuts.iter().position(|&cut| cut == length);
            let rest = &ids[length..];
            if rest.is_empty() {
                forest.ends.push(on_stem);
            } else {
                forest.segments.push(segment(on_stem, rest));
                forest.ends.push(Some(forest.segments.len() - 1));
            }
        }
        forest
    }

    /// Positions that have to be run.
    pub fn positions(&self) -> usize {
        let len = |segment: &Segment<'_>| match segment.input {
            Input::Ids(ids) => ids.len(),
            Input::Embeds(embeds) => embeds.dims()[0],
        };
        self.segments.iter().map(len).sum()
    }
}

/// How many tokens each candidate shares with what most of them begin with.
fn shared_lengths(candidates: &[&[u32]]) -> Vec<usize> {
    let mut lengths = vec![0; candidates.len()];
    let mut on_stem: Vec<usize> = (0..candidates.len()).collect();
    // A stem that a single candidate follows is no longer shared.
    for position in 0.. {
        let mut tokens: Vec<u32> = on_stem.iter().filter_map(|&at| candidates[at].get(position).copied()).collect();
        tokens.sort_unstable();
        let most = tokens.chunk_by(|a, b| a == b).max_by_key(|run| run.len());
        let Some(&[token, _, ..]) = most else { break };
        on_stem.retain(|&at| candidates[at].get(position) == Some(&token));
        on_stem.iter().for_each(|&at| lengths[at] = position + 1);
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every candidate's path must spell it.
    fn check(candidates: &[&[u32]]) -> usize {
        let forest = Forest::new(candidates);
        for (ids, end) in candidates.iter().zip(&forest.ends) {
            let (mut path, mut at) = (Vec::new(), *end);
            while let Some(index) = at {
                let Input::Ids(own) = forest.segments[index].input else { panic!("ids went in") };
                assert!(!own.is_empty());
                path.splice(0..0, own.iter().copied());
                assert!(forest.segments[index].parent.is_none_or(|parent| parent < index));
                at = forest.segments[index].parent;
            }
            assert_eq!(path, *ids);
        }
        forest.positions()
    }

    #[test]
    fn changes_of_one_prefix_share_its_beginning() {
        // The prefix itself, and a change at each of its positions: 5 + (5 + 4 + 3 + 2 + 1).
        let prefix = [1, 2, 3, 4, 5];
        let mut all = vec![prefix.to_vec()];
        all.extend((0..5).map(|position| {
            let mut ids = prefix.to_vec();
            ids[position] = 9;
            ids
        }));
        let all: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
        assert_eq!(check(&all), 20);
    }

    #[test]
    fn candidates_of_any_kind_are_spelled_out() {
        assert_eq!(check(&[]), 0);
        assert_eq!(check(&[&[]]), 0);
        assert_eq!(check(&[&[7, 8]]), 2);
        assert_eq!(check(&[&[7, 8], &[7, 8]]), 2);
        assert_eq!(check(&[&[7], &[7, 8], &[7, 8, 9], &[5]]), 4);
        assert_eq!(check(&[&[1, 2], &[3, 4], &[], &[1, 5]]), 5);
    }

    #[test]
    fn random_candidates_are_spelled_out() {
        let mut state = 1u32;
        let mut next = |bound: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % bound
        };
        for _ in 0..300 {
            let all: Vec<Vec<u32>> = (0..next(9)).map(|_| (0..next(6)).map(|_| next(3)).collect()).collect();
            let all: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
            assert!(check(&all) <= all.iter().map(|ids| ids.len()).sum());
        }
    }
}
