//! Products whose operands are rounded to bfloat16 and whose sums are f32.
//!
//! With AVX512-BF16 one instruction multiplies and adds 32 pairs, twice as many as in f32. Without it
//! the operands are rounded and multiplied in f32: the same meaning, and no faster than f32.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod pack;
mod portable;

use crate::matrix::Weight;

/// Whether this CPU has instructions for bfloat16, so that [`crate::Precision::Bf16`] is faster.
pub fn is_fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Nearest bfloat16, ties to even, as its bits.
#[inline(always)]
fn rounded(x: f32) -> u16 {
    let bits = x.to_bits();
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// `out (+)= x · Wᵀ`.
pub(crate) fn linear(out: &mut [f32], accumulate: bool, x: &[f32], w: Weight<'_>) {
    #[cfg(target_arch = "x86_64")]
    if is_fast() {
        // SAFETY: the CPU has the instructions.
        return unsafe { avx512::product(out, accumulate, x, w.in_features, w.out_features, pack::Rows(w)) };
    }
    portable::linear(out, accumulate, x, w);
}

/// `out (+)= dy · W`.
pub(crate) fn linear_backward(out: &mut [f32], accumulate: bool, dy: &[f32], w: Weight<'_>) {
    #[cfg(target_arch = "x86_64")]
    if is_fast() {
        // SAFETY: the CPU has the instructions.
        return unsafe { avx512::product(out, accumulate, dy, w.out_features, w.in_features, pack::Columns(w)) };
    }
    portable::linear_backward(out, accumulate, dy, w);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Weight;

    fn values(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    /// Odd sizes, so that every remainder of rows, panels and pairs is met.
    #[test]
    fn the_instructions_compute_what_the_portable_code_does() {
        for (rows, k, n) in [(1, 2, 1), (3, 7, 33), (12, 64, 64), (29, 130, 95), (200, 96, 70), (13, 33, 31)] {
            for accumulate in [false, true] {
                let weight = values(n * k, 7);
                let w = Weight::new(&weight, n, k);
                let check = |ours: Vec<f32>, expected: Vec<f32>, what: &str| {
                    for (at, (a, b)) in ours.iter().zip(&expected).enumerate() {
                        assert!((a - b).abs() < 2e-5 * k.max(n) as f32, "{what} {rows}×{k}×{n} at {at}: {a}, {b}");
                    }
                };
                let (x, mut ours) = (values(rows * k, 3), values(rows * n, 9));
                let mut expected = ours.clone();
                linear(&mut ours, accumulate, &x, w);
                portable::linear(&mut expected, accumulate, &x, w);
                check(ours, expected, "x·Wᵀ");
                let (dy, mut ours) = (values(rows * n, 5), values(rows * k, 9));
                let mut expected = ours.clone();
                linear_backward(&mut ours, accumulate, &dy, w);
                portable::linear_backward(&mut expected, accumulate, &dy, w);
                check(ours, expected, "dy·W");
            }
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_even() {
        assert_eq!(rounded(1.0), 0x3f80);
        assert_eq!(rounded(f32::from_bits(0x3f80_8000)), 0x3f80); // halfway: down to even
        assert_eq!(rounded(f32::from_bits(0x3f81_8000)), 0x3f82); // halfway: up to even
        assert_eq!(rounded(f32::from_bits(0x3f80_8001)), 0x3f81);
    }
}
