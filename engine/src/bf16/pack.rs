//! Weights into panels of [`PANEL`] output columns: pairs of consecutive inputs lie next to each
//! other, columns follow, as the dot-product instruction reads them.

use super::rounded;
use crate::elementwise::wide;
use crate::matrix::Weight;

/// Output columns of one panel.
pub(crate) const PANEL: usize = 32;

const _: () = assert!(crate::parallel::GRAIN.is_multiple_of(PANEL), "a tile begins with a panel");

/// Where the right-hand side of a product comes from.
pub(crate) trait Panels: Sync {
    /// Writes columns `first..first + PANEL` (zero where there are none) as `(inputs / 2, PANEL)`
    /// pairs: the lower half of a word is the even input.
    fn pack(&self, first: usize, out: &mut [u32]);
}

/// The rows of the weight are the columns of the product: `x · Wᵀ`.
pub(crate) struct Rows<'a>(pub Weight<'a>);

impl Panels for Rows<'_> {
    fn pack(&self, first: usize, out: &mut [u32]) {
        let k = self.0.in_features;
        wide(
            #[inline(always)]
            || {
                for column in 0..PANEL {
                    if first + column >= self.0.out_features {
                        out.chunks_exact_mut(PANEL).for_each(|pairs| pairs[column] = 0);
                        continue;
                    }
                    let row = &self.0.data[(first + column) * k..][..k];
                    let mut pairs = row.chunks_exact(2);
                    for (out, pair) in out.chunks_exact_mut(PANEL).zip(&mut pairs) {
                        out[column] = u32::from(rounded(pair[0])) | (u32::from(rounded(pair[1])) << 16);
                    }
                    if let [last] = pairs.remainder() {
                        out[k / 2 * PANEL + column] = u32::from(rounded(*last));
                    }
                }
            },
        );
    }
}

/// The columns of the weight are the columns of the product: `dy · W`.
pub(crate) struct Columns<'a>(pub Weight<'a>);

impl Panels for Columns<'_> {
    fn pack(&self, first: usize, out: &mut [u32]) {
        let width = self.0.in_features;
        let columns = PANEL.min(width - first);
        wide(
            #[inline(always)]
            || {
                for (pair, out) in out.chunks_exact_mut(PANEL).enumerate() {
                    let row = |index: usize| -> &[f32] {
                        if index < self.0.out_features { &self.0.data[index * width + first..][..columns] } else { &[] }
                    };
                    let (even, odd) = (row(2 * pair), row(2 * pair + 1));
                    out.fill(0);
                    for (out, even) in out.iter_mut().zip(even) {
                        *out = u32::from(rounded(*even));
                    }
                    for (out, odd) in out.iter_mut().zip(odd) {
                        *out |= u32::from(rounded(*odd)) << 16;
                    }
                }
            },
        );
    }
}

/// The left-hand side: rows of pairs, an odd last input paired with zero.
pub(crate) fn pack_rows(x: &[f32], k: usize, out: &mut [u32]) {
    let words = k.div_ceil(2);
    wide(
        #[inline(always)]
        || {
            for (x, out) in x.chunks_exact(k).zip(out.chunks_exact_mut(words)) {
                let mut pairs = x.chunks_exact(2);
                for (out, pair) in out.iter_mut().zip(&mut pairs) {
                    *out = u32::from(rounded(pair[0])) | (u32::from(rounded(pair[1])) << 16);
                }
                if let [last] = pairs.remainder() {
                    out[words - 1] = u32::from(rounded(*last));
                }
            }
        },
    );
}
