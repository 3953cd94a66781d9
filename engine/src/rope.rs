//! Rotary position embedding of all queries and keys of a layer, in place.

use crate::elementwise::{rotate, wide};
use crate::shape::Shape;
use rayon::prelude::*;

/// Cosines and sines of each row, `(rows, head_dim / 2)`, in f32 whatever the precision.
pub(crate) struct Rope {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rope {
    /// Tables for rows at these positions.
    pub(crate) fn new(shape: &Shape, positions: impl Iterator<Item = usize>) -> Self {
        let angles = positions
            .flat_map(|position| shape.rope_frequencies.iter().map(move |frequency| position as f32 * frequency));
        let (cos, sin) = angles.map(|angle| (angle.cos(), angle.sin())).unzip();
        Rope { cos, sin }
    }

    /// Rotates queries and keys of `(rows, query + 2 · key)`.
    pub(crate) fn apply(&self, shape: &Shape, qkv: &mut [f32]) {
        self.turn(shape, qkv, 1.0);
    }

    /// Pulls gradients back: a rotation's transpose is the rotation the other way.
    pub(crate) fn apply_backward(&self, shape: &Shape, d_qkv: &mut [f32]) {
        self.turn(shape, d_qkv, -1.0);
    }

    fn turn(&self, shape: &Shape, qkv: &mut [f32], sign: f32) {
        let (half, rotated) = (shape.head_dim / 2, shape.query_width() + shape.key_width());
        let rows = qkv.par_chunks_mut(shape.qkv_width()).zip(self.cos.par_chunks(half)).zip(self.sin.par_chunks(half));
        rows.for_each(|((row, cos), sin)| {
            wide(
                #[inline(always)]
                || row[..rotated].chunks_exact_mut(shape.head_dim).for_each(|head| rotate(head, cos, sin, sign)),
            );
        });
    }
}
