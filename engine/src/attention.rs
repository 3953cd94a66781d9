//! Grouped-query attention of segments over their ancestors, and its gradient.
//!
//! One task is one segment and one key head. It gathers the keys and values of the whole sequence
//! into its own buffer (a few kilobytes), so that the products run on contiguous memory.

use crate::elementwise::{softcap, softcap_backward, softmax, softmax_backward};
use crate::forest::{Layout, Place};
use crate::matrix::{View, product};
use crate::parallel::Shared;
use crate::shape::Shape;
use crate::workspace::sized;
use rayon::prelude::*;
use std::cell::RefCell;

/// Queries, keys and values of all rows of one layer, side by side, and what came before.
pub(crate) struct Attention<'a> {
    pub shape: &'a Shape,
    pub layout: &'a Layout<'a>,
    /// `(rows, query + 2 · key)`, rotated.
    pub qkv: &'a [f32],
    /// Which layer of the pasts.
    pub layer: usize,
    /// How many positions a query sees; `None` is all.
    pub window: Option<usize>,
}

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    keys: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
    capped: Vec<f32>,
    gradient: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Attention<'_> {
    /// Attention outputs of all rows, `(rows, query)`.
    #[allow(unsafe_code)]
    pub(crate) fn forward(&self, out: &mut [f32]) {
        let (head_dim, width) = (self.shape.head_dim, self.shape.query_width());
        let out = Shared::new(out);
        self.tasks().for_each(|(place, key_head)| {
            SCRATCH.with_borrow_mut(|scratch| {
                let positions = self.gather(place, key_head, &mut scratch.keys, &mut scratch.values);
                for head in self.query_heads(key_head) {
                    let scores = sized(&mut scratch.scores, place.len * positions);
                    self.probabilities(place, head, &scratch.keys, scores, None);
                    // SAFETY: rows of this segment and columns of this head belong to this task; the slice ends
                    // with the last row's columns.
                    let out =
                        unsafe { out.part(place.row * width + head * head_dim, (place.len - 1) * width + head_dim) };
                    let values = View::rows(&scratch.values[..positions * head_dim], head_dim);
                    let shape = (place.len, head_dim, positions);
                    product(shape, (out, width, false), View::rows(scores, positions), values, 1.0);
                }
            });
        });
    }

    /// Gradient with respect to queries, keys and values (all rotated), given that of the outputs.
    ///
    /// Keys are seen by several segments. Each task leaves the gradients of all keys that it saw in its
    /// own part of `partial`; they are added up afterwards in the order of the segments, so that the
    /// sum does not depend on who finished first.
    #[allow(unsafe_code)]
    pub(crate) fn backward(&self, d_out: &[f32], d_qkv: &mut [f32], partial: &mut Vec<f32>) {
        let (shape, qkv_width) = (self.shape, self.shape.qkv_width());
        let (head_dim, width, key_width) = (shape.head_dim, shape.query_width(), shape.key_width());
        // Where each segment's partial gradients start: keys, then values, one key head after the other.
        let mut starts = Vec::with_capacity(self.layout.segments.len());
        let mut total = 0;
        for place in &self.layout.segments {
            starts.push(total);
            total += 2 * (place.position + place.len) * key_width;
        }
        let partial = sized(partial, total);
        let (d_qkv_shared, partial_shared) = (Shared::new(d_qkv), Shared::new(partial));
        self.tasks_with_index().for_each(|(index, place, key_head)| {
            SCRATCH.with_borrow_mut(|scratch| {
                let positions = self.gather(place, key_head, &mut scratch.keys, &mut scratch.values);
                let size = positions * head_dim;
                // SAFETY: each (segment, key head) has a part of its own.
                let (d_keys, d_values) = unsafe {
                    let start = starts[index] + 2 * key_head * size;
                    (partial_shared.part(start, size), partial_shared.part(start + size, size))
                };
                let keys = View::rows(&scratch.keys[..size], head_dim);
                let values = View::rows(&scratch.values[..size], head_dim);
                for (at, head) in self.query_heads(key_head).enumerate() {
                    let n = place.len;
                    let accumulate = at > 0;
                    let p = sized(&mut scratch.scores, n * positions);
                    let capped = sized(&mut scratch.capped, n * positions);
                    self.probabilities(place, head, &scratch.keys, p, Some(capped));
                    let d_out = View::rows(&d_out[place.row * width + head * head_dim..], width);
                    let ds = sized(&mut scratch.gradient, n * positions);
                    // dV = Pᵀ · dO, dP = dO · Vᵀ
                    let p_view = View::rows(p, positions);
                    product(
                        (positions, head_dim, n),
                        (d_values, head_dim, accumulate),
                        p_view.transposed(),
                        d_out,
                        1.0,
                    );
                    product((n, positions, head_dim), (ds, positions, false), d_out, values.transposed(), 1.0);
                    for (p, ds) in p.chunks_exact(positions).zip(ds.chunks_exact_mut(positions)) {
                        softmax_backward(p, ds);
                    }
                    if let Some(cap) = shape.attention_softcap {
                        softcap_backward(capped, cap, ds);
                    }
                    // dQ = dS · K, dK = dSᵀ · Q
                    let (ds, scale) = (View::rows(ds, positions), shape.query_scale);
                    let queries = View::rows(&self.qkv[place.row * qkv_width + head * head_dim..], qkv_width);
                    // SAFETY: rows of this segment and columns of this head belong to this task.
                    let d_queries = unsafe {
                        let start = place.row * qkv_width + head * head_dim;
                        d_qkv_shared.part(start, (n - 1) * qkv_width + head_dim)
                    };
                    product((n, head_dim, positions), (d_queries, qkv_width, false), ds, keys, scale);
                    product((positions, head_dim, n), (d_keys, head_dim, accumulate), ds.transposed(), queries, scale);
                }
            });
        });
        self.add_up(partial, &starts, d_qkv);
    }

    /// Adds every task's gradients of keys and values to the rows that they belong to.
    fn add_up(&self, partial: &[f32], starts: &[usize], d_qkv: &mut [f32]) {
        let (head_dim, key_width) = (self.shape.head_dim, self.shape.key_width());
        let (width, qkv_width) = (self.shape.query_width(), self.shape.qkv_width());
        for row in d_qkv.chunks_exact_mut(qkv_width) {
            row[width..].fill(0.0);
        }
        for (index, place) in self.layout.segments.iter().enumerate() {
            let size = (place.position + place.len) * head_dim;
            for owner in place.ancestors.iter().map(|&ancestor| &self.layout.segments[ancestor]).chain([place]) {
                for key_head in 0..self.shape.num_key_value_heads {
                    for (offset, part) in [(width, 0), (width + key_width, size)] {
                        let start = starts[index] + 2 * key_head * size + part + owner.position * head_dim;
                        let rows = partial[start..start + owner.len * head_dim].chunks_exact(head_dim);
                        for (at, gradient) in rows.enumerate() {
                            let column = (owner.row + at) * qkv_width + offset + key_head * head_dim;
                            for (sum, gradient) in d_qkv[column..column + head_dim].iter_mut().zip(gradient) {
                                *sum += gradient;
                            }
                        }
                    }
                }
            }
        }
    }

    /// Every segment with every key head.
    fn tasks(&self) -> impl ParallelIterator<Item = (&Place<'_>, usize)> {
        self.tasks_with_index().map(|(_, place, key_head)| (place, key_head))
    }

    fn tasks_with_index(&self) -> impl ParallelIterator<Item = (usize, &Place<'_>, usize)> {
        let key_heads = self.shape.num_key_value_heads;
        (0..self.layout.segments.len() * key_heads).into_par_iter().map(move |task| {
            let index = task / key_heads;
            (index, &self.layout.segments[index], task % key_heads)
        })
    }

    /// The query heads that share a key head.
    fn query_heads(&self, key_head: usize) -> std::ops::Range<usize> {
        let group = self.shape.num_attention_heads / self.shape.num_key_value_heads;
        key_head * group..(key_head + 1) * group
    }

    /// Copies keys and values of the past, the ancestors and the segment itself, `(positions, head_dim)`.
    fn gather(&self, place: &Place<'_>, key_head: usize, keys: &mut Vec<f32>, values: &mut Vec<f32>) -> usize {
        let (head_dim, key_width) = (self.shape.head_dim, self.shape.key_width());
        let (width, qkv_width) = (self.shape.query_width(), self.shape.qkv_width());
        let positions = place.position + place.len;
        let (keys, values) = (sized(keys, positions * head_dim), sized(values, positions * head_dim));
        let mut slots = keys.chunks_exact_mut(head_dim).zip(values.chunks_exact_mut(head_dim));
        let column = key_head * head_dim;
        if let Some(past) = place.past {
            let past = &past.layers[self.layer];
            let rows = past.keys.chunks_exact(key_width).zip(past.values.chunks_exact(key_width));
            // The rows come first: a zip that ends has already taken one of its left side.
            for ((k, v), (key, value)) in rows.zip(&mut slots) {
                key.copy_from_slice(&k[column..column + head_dim]);
                value.copy_from_slice(&v[column..column + head_dim]);
            }
        }
        let owners = place.ancestors.iter().map(|&ancestor| &self.layout.segments[ancestor]).chain([place]);
        let rows = owners.flat_map(|owner| owner.row..owner.row + owner.len);
        for (row, (key, value)) in rows.zip(slots) {
            let row = &self.qkv[row * qkv_width + width..(row + 1) * qkv_width];
            key.copy_from_slice(&row[column..column + head_dim]);
            value.copy_from_slice(&row[key_width + column..key_width + column + head_dim]);
        }
        positions
    }

    /// Attention weights `(segment, positions)` of one head; `capped` receives the soft-capped scores.
    fn probabilities(&self, place: &Place<'_>, head: usize, keys: &[f32], out: &mut [f32], capped: Option<&mut [f32]>) {
        let (head_dim, qkv_width) = (self.shape.head_dim, self.shape.qkv_width());
        let positions = place.position + place.len;
        let queries = View::rows(&self.qkv[place.row * qkv_width + head * head_dim..], qkv_width);
        let keys = View::rows(&keys[..positions * head_dim], head_dim).transposed();
        product((place.len, positions, head_dim), (out, positions, false), queries, keys, self.shape.query_scale);
        if let Some(cap) = self.shape.attention_softcap {
            softcap(out, cap);
            if let Some(capped) = capped {
                capped.copy_from_slice(out);
            }
        }
        for (at, row) in out.chunks_exact_mut(positions).enumerate() {
            let own = place.position + at;
            let first = self.window.map_or(0, |window| (own + 1).saturating_sub(window));
            row[..first].fill(0.0);
            row[own + 1..].fill(0.0);
            softmax(&mut row[first..=own]);
        }
    }
}
