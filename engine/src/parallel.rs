//! Work split into pieces that do not depend on the number of threads.
//!
//! Every piece writes its own part of the output and adds up its own sums in its own order, so that
//! one thread and sixty-four give the same bytes.
#![allow(unsafe_code)]

use rayon::prelude::*;

/// A matrix that several tasks write at once, each its own elements.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: the pointer is only turned into accesses by `unsafe` code that promises disjoint elements.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    /// Borrows a buffer for the tasks of one parallel loop.
    pub(crate) fn new(buffer: &mut [f32]) -> Self {
        Shared(buffer.as_mut_ptr())
    }

    /// The element at `offset`, to be used only inside the task's own part.
    pub(crate) fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }

    /// A part of the buffer.
    ///
    /// # Safety
    /// The part lies inside the buffer, and no other task touches it while the slice lives.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn part<'a>(self, offset: usize, len: usize) -> &'a mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(offset), len) }
    }
}

/// Rows that one task of an element-wise loop takes.
const ROWS_PER_TASK: usize = 64;

/// Runs `body` on blocks of rows of an output and the same rows of an input.
pub(crate) fn rows2(
    (out, out_width): (&mut [f32], usize),
    (x, x_width): (&[f32], usize),
    body: impl Fn(&mut [f32], &[f32]) + Sync,
) {
    out.par_chunks_mut(ROWS_PER_TASK * out_width)
        .zip(x.par_chunks(ROWS_PER_TASK * x_width))
        .for_each(|(out, x)| body(out, x));
}

/// The same with a second input.
pub(crate) fn rows3(
    (out, out_width): (&mut [f32], usize),
    (x, x_width): (&[f32], usize),
    (y, y_width): (&[f32], usize),
    body: impl Fn(&mut [f32], &[f32], &[f32]) + Sync,
) {
    out.par_chunks_mut(ROWS_PER_TASK * out_width)
        .zip(x.par_chunks(ROWS_PER_TASK * x_width))
        .zip(y.par_chunks(ROWS_PER_TASK * y_width))
        .for_each(|((out, x), y)| body(out, x, y));
}

/// Tiles begin at multiples of this, so that the panels of a packed weight stay whole.
pub(crate) const GRAIN: usize = 32;

/// Runs `body` on every tile `(first row, rows, first column, columns)` of a matrix. Tiles are at most as
/// large as asked, and about equal, so that no thread waits for the one with the largest.
pub(crate) fn tiles(
    (rows, columns): (usize, usize),
    (tile_rows, tile_columns): (usize, usize),
    body: impl Fn(usize, usize, usize, usize) + Sync,
) {
    let even =
        |length: usize, most: usize| length.div_ceil(length.div_ceil(most).max(1)).next_multiple_of(GRAIN).min(most);
    let (tile_rows, tile_columns) = (even(rows, tile_rows), even(columns, tile_columns));
    let (down, across) = (rows.div_ceil(tile_rows), columns.div_ceil(tile_columns));
    (0..down * across).into_par_iter().for_each(|tile| {
        let (row, column) = (tile / across * tile_rows, tile % across * tile_columns);
        body(row, tile_rows.min(rows - row), column, tile_columns.min(columns - column));
    });
}
