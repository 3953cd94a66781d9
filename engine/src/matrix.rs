//! Matrix products with frozen weights, in f32 or with operands rounded to bfloat16.
#![allow(unsafe_code)]

use crate::bf16;
use crate::elementwise::few_rows;
use crate::parallel::{Shared, tiles};

/// What the operands of the linear layers are rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Precision {
    /// Nothing is rounded: what is reported is computed like this.
    #[default]
    F32,
    /// Operands in bfloat16, sums in f32: for screening candidates whose winners are scored again.
    Bf16,
}

/// A weight `(out, in)`, row-major.
#[derive(Clone, Copy)]
pub(crate) struct Weight<'a> {
    pub data: &'a [f32],
    pub out_features: usize,
    pub in_features: usize,
}

impl<'a> Weight<'a> {
    pub(crate) fn new(data: &'a [f32], out_features: usize, in_features: usize) -> Self {
        debug_assert_eq!(data.len(), out_features * in_features);
        Weight { data, out_features, in_features }
    }

    /// Rows `start..start + count` of the weight.
    pub(crate) fn rows(self, start: usize, count: usize) -> Self {
        let data = &self.data[start * self.in_features..(start + count) * self.in_features];
        Weight { data, out_features: count, in_features: self.in_features }
    }
}

/// Size of the pieces of a product. Fixed, so that results do not depend on the number of threads;
/// large enough that packing operands costs little beside multiplying them.
const TILE: (usize, usize) = (768, 512);

/// So few rows, as in decoding, cost the reading of the weights: packing them would cost more.
const FEW_ROWS: usize = 16;

/// Columns of one task then.
const FEW_ROWS_COLUMNS: usize = 64;

/// `out = x · Wᵀ`, or `out += x · Wᵀ`: `(rows, in) · (out, in)ᵀ → (rows, out)`.
pub(crate) fn linear(out: &mut [f32], accumulate: bool, x: &[f32], w: Weight<'_>, precision: Precision) {
    let (k, n) = (w.in_features, w.out_features);
    let rows = x.len() / k;
    assert_eq!(out.len(), rows * n);
    if precision == Precision::Bf16 {
        return bf16::linear(out, accumulate, x, w);
    }
    let out = Shared::new(out);
    if rows <= FEW_ROWS {
        return tiles((1, n), (1, FEW_ROWS_COLUMNS), |_, _, column, columns| {
            few_rows(x, w.rows(column, columns).data, k, |row, at, value| {
                // SAFETY: this task's columns, which lie inside `out`.
                let out = unsafe { &mut *out.at(row * n + column + at) };
                *out = if accumulate { *out + value } else { value };
            });
        });
    }
    tiles((rows, n), TILE, |row, tile_rows, column, columns| {
        let (x, w) = (&x[row * k..(row + tile_rows) * k], w.rows(column, columns));
        // SAFETY: tiles are disjoint, and this one lies inside `out`.
        unsafe {
            gemm(
                (tile_rows, columns, k),
                (out.at(row * n + column), n, accumulate),
                (x.as_ptr(), k, 1),
                (w.data.as_ptr(), 1, k),
                1.0,
            );
        }
    });
}

/// `out = dy · W`, or `out += dy · W`: the gradient of [`linear`] with respect to `x`,
/// `(rows, out) · (out, in) → (rows, in)`.
pub(crate) fn linear_backward(out: &mut [f32], accumulate: bool, dy: &[f32], w: Weight<'_>, precision: Precision) {
    let (k, n) = (w.out_features, w.in_features);
    let rows = dy.len() / k;
    assert_eq!(out.len(), rows * n);
    if precision == Precision::Bf16 {
        return bf16::linear_backward(out, accumulate, dy, w);
    }
    let out = Shared::new(out);
    tiles((rows, n), TILE, |row, tile_rows, column, columns| {
        let dy = &dy[row * k..(row + tile_rows) * k];
        // SAFETY: tiles are disjoint, and this one lies inside `out`; the columns exist in every row of W.
        unsafe {
            gemm(
                (tile_rows, columns, k),
                (out.at(row * n + column), n, accumulate),
                (dy.as_ptr(), k, 1),
                (w.data.as_ptr().add(column), n, 1),
                1.0,
            );
        }
    });
}

/// A matrix by its elements, row and column stride.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub data: &'a [f32],
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a> View<'a> {
    /// Rows of `row_stride` elements, of which the first ones count.
    pub(crate) fn rows(data: &'a [f32], row_stride: usize) -> Self {
        View { data, row_stride, column_stride: 1 }
    }

    pub(crate) fn transposed(self) -> Self {
        View { data: self.data, row_stride: self.column_stride, column_stride: self.row_stride }
    }

    fn holds(self, rows: usize, columns: usize) -> bool {
        (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.data.len()
    }
}

/// `out = alpha · a · b` on the calling thread, or `out += …`: `(m, k) · (k, n) → (m, n)`, the rows
/// of `out` standing `out_stride` apart.
pub(crate) fn product(
    (m, n, k): (usize, usize, usize),
    (out, out_stride, accumulate): (&mut [f32], usize, bool),
    a: View<'_>,
    b: View<'_>,
    alpha: f32,
) {
    assert!(m > 0 && n > 0 && k > 0 && (m - 1) * out_stride + n <= out.len() && a.holds(m, k) && b.holds(k, n));
    // SAFETY: the assertion above says that every element lies inside its slice.
    unsafe {
        gemm(
            (m, n, k),
            (out.as_mut_ptr(), out_stride, accumulate),
            (a.data.as_ptr(), a.row_stride, a.column_stride),
            (b.data.as_ptr(), b.row_stride, b.column_stride),
            alpha,
        );
    }
}

/// `out (+)= alpha · a · b` on the calling thread; `a` and `b` are pointer, row stride, column stride.
///
/// # Safety
/// Every element of the three matrices exists, and nobody else touches those of `out`.
pub(crate) unsafe fn gemm(
    (m, n, k): (usize, usize, usize),
    (out, out_stride, accumulate): (*mut f32, usize, bool),
    (a, a_row, a_column): (*const f32, usize, usize),
    (b, b_row, b_column): (*const f32, usize, usize),
    alpha: f32,
) {
    let keep = if accumulate { 1.0 } else { 0.0 };
    // SAFETY: the caller's promise.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            out_stride as isize,
            accumulate,
            a,
            a_column as isize,
            a_row as isize,
            b,
            b_column as isize,
            b_row as isize,
            keep,
            alpha,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
