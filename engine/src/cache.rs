//! Keys and values of positions that were run already.

use crate::shape::Shape;
use std::ops::Range;

/// Keys and values of one sequence, ready to be continued by many.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    /// One a layer.
    pub(crate) layers: Vec<CachedLayer>,
    pub(crate) positions: usize,
}

/// Keys (rotated) and values of one layer, `(positions, key width)` each.
#[derive(Clone, Debug, Default)]
pub(crate) struct CachedLayer {
    pub keys: Vec<f32>,
    pub values: Vec<f32>,
}

impl Cache {
    /// Positions that it covers.
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Adds rows of a layer's `(rows, query + 2 · key)`.
    pub(crate) fn append(&mut self, shape: &Shape, layer: usize, qkv: &[f32], rows: Range<usize>) {
        let (query, key, width) = (shape.query_width(), shape.key_width(), shape.qkv_width());
        self.layers.resize_with(shape.num_hidden_layers(), CachedLayer::default);
        if layer == 0 {
            self.positions += rows.len();
        }
        let cached = &mut self.layers[layer];
        for row in qkv[rows.start * width..rows.end * width].chunks_exact(width) {
            cached.keys.extend(&row[query..query + key]);
            cached.values.extend(&row[query + key..]);
        }
    }

    /// Adds the positions of another cache behind its own.
    pub(crate) fn extend(&mut self, other: Cache) {
        for (own, other) in self.layers.iter_mut().zip(other.layers) {
            own.keys.extend(other.keys);
            own.values.extend(other.values);
        }
        self.positions += other.positions;
    }
}
