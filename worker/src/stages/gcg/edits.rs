//! Candidates beyond first-order replacements: tokens near the present one, tokens that the model itself
//! would write there, and edits that change the length (FLRT, Thompson and Sklar 2024).

use super::super::moves::Replacement;
use super::super::next_token::Context;
use super::super::projection::{NearTokens, highest_allowed};
use super::super::{Search, StageError};
use rand::RngExt;

/// Everything that candidates of one prefix are drawn from.
pub struct Proposals {
    /// By position: replacements by first-order change, the best first.
    pub gradient: Vec<Vec<Replacement>>,
    /// By position: allowed tokens nearest to the present one.
    near: Vec<Vec<u32>>,
    /// By position from 1 to the length: allowed tokens that the model would write after what stands before,
    /// with their cumulated probabilities.
    written: Vec<Vec<(u32, f64)>>,
}

/// Tokens near the present one that are drawn from.
pub const NEAR: usize = 24;
/// Tokens that the model would write that are drawn from.
const WRITTEN: usize = 48;

impl Proposals {
    /// Those of the gradient alone.
    pub fn of_gradient(gradient: Vec<Vec<Replacement>>) -> Self {
        Proposals { gradient, near: Vec::new(), written: Vec::new() }
    }

    /// Makes all for a prefix.
    pub fn new(
        search: &Search<'_>,
        ids: &[u32],
        gradient: Vec<Vec<Replacement>>,
        near: &mut NearTokens,
    ) -> Result<Self, StageError> {
        let near = ids.iter().map(|&id| near.of(search, id)).collect::<Result<_, _>>()?;
        let written = Context::default().along(search, ids)?.into_iter().map(|row| {
            let mut sum = 0.0;
            let cumulated = highest_allowed(search, &row, WRITTEN).into_iter().map(|id| {
                sum += f64::from(row[id as usize]).exp();
                (id, sum)
            });
            cumulated.collect()
        });
        Ok(Proposals { gradient, near, written: written.collect() })
    }

    /// One edit of `ids` at random, of any kind; nothing where it cannot be made.
    pub fn draw(&self, search: &mut Search<'_>, ids: &[u32]) -> Option<Vec<u32>> {
        let most = search.spec.prefix_tokens;
        let rng = &mut search.rng;
        let mut edited = ids.to_vec();
        match rng.random_range(0..100) {
            // Replace: by the gradient, by something near, by what the model would write.
            0..40 => {
                let here = &self.gradient[rng.random_range(0..ids.len())];
                let replacement = here.get(rng.random_range(0..here.len().max(1)))?;
                edited = replacement.applied(ids);
            }
            40..60 => {
                let position = rng.random_range(0..ids.len());
                let near = &self.near[position];
                edited[position] = *near.get(rng.random_range(0..near.len().max(1)))?;
            }
            60..72 => {
                let position = rng.random_range(1..ids.len().max(2));
                *edited.get_mut(position)? = self.written(position, rng.random())?;
            }
            // Insert what the model would write there, or a copy of a token that is there.
            72..86 if ids.len() < most => {
                let position = rng.random_range(1..=ids.len());
                let id = if rng.random_range(0..3) == 0 {
                    ids[rng.random_range(0..ids.len())]
                } else {
                    self.written(position, rng.random())?
                };
                edited.insert(position, id);
            }
            // Delete.
            86..93 if ids.len() > 1 => {
                edited.remove(rng.random_range(0..ids.len()));
            }
            // Swap two neighbours.
            _ if ids.len() > 1 => {
                let position = rng.random_range(1..ids.len());
                edited.swap(position - 1, position);
            }
            _ => return None,
        }
        Some(edited)
    }

    /// A token that the model would write at a position, `at` between 0 and 1 in the order of probability.
    fn written(&self, position: usize, at: f64) -> Option<u32> {
        let here = self.written.get(position.checked_sub(1)?)?;
        let total = here.last()?.1;
        here.iter().find(|(_, sum)| *sum >= at * total).map(|&(id, _)| id)
    }
}
