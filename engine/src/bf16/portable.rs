//! The same products on any CPU: round, then multiply in f32.

use super::rounded;
use crate::matrix::{self, Precision, Weight};

fn round_all(x: &[f32]) -> Vec<f32> {
    x.iter().map(|&x| f32::from_bits(u32::from(rounded(x)) << 16)).collect()
}

pub(super) fn linear(out: &mut [f32], accumulate: bool, x: &[f32], w: Weight<'_>) {
    let data = round_all(w.data);
    matrix::linear(out, accumulate, &round_all(x), Weight { data: &data, ..w }, Precision::F32);
}

pub(super) fn linear_backward(out: &mut [f32], accumulate: bool, dy: &[f32], w: Weight<'_>) {
    let data = round_all(w.data);
    matrix::linear_backward(out, accumulate, &round_all(dy), Weight { data: &data, ..w }, Precision::F32);
}
