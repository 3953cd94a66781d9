//! The product for CPUs with AVX512-BF16 (Intel Cooper Lake and later, AMD Zen 4 and later).
//!
//! The left-hand side is converted once. A task takes a few panels of the right-hand side, packs them
//! into its own buffer, and runs blocks of rows over them: [`ROWS`] × [`PANEL`] sums stay in 24
//! vector registers while all inputs stream by, so that each sum is added up in one fixed order.

use super::pack::{PANEL, Panels, pack_rows};
use crate::parallel::{Shared, tiles};
use rayon::prelude::*;
use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_storeu_ps,
};
use std::cell::RefCell;

/// Rows of one block.
const ROWS: usize = 12;

/// Columns and rows of one task: two panels stay in the second-level cache beside their rows.
const TASK: (usize, usize) = (768, 2 * PANEL);

thread_local! {
    /// One panel, packed.
    static PACKED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    /// The left-hand side, converted. Taken out while it is used: a task of the same product may run here.
    static LEFT: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// `out (+)= x · panels`: `(rows, k) · (k, n) → (rows, n)`.
///
/// # Safety
/// The CPU has AVX-512F, AVX-512BW and AVX512-BF16.
pub(super) unsafe fn product(out: &mut [f32], accumulate: bool, x: &[f32], k: usize, n: usize, panels: impl Panels) {
    let (rows, words) = (x.len() / k, k.div_ceil(2));
    let mut left = LEFT.with(RefCell::take);
    left.resize((rows * words).max(left.len()), 0);
    left.par_chunks_mut(64 * words).zip(x.par_chunks(64 * k)).for_each(|(left, x)| pack_rows(x, k, left));
    let shared = Shared::new(out);
    let converted = &left[..rows * words];
    tiles((rows, n), TASK, |row, task_rows, column, columns| {
        PACKED.with_borrow_mut(|packed| {
            packed.resize((words * PANEL).max(packed.len()), 0);
            for first in (column..column + columns).step_by(PANEL) {
                let packed = &mut packed[..words * PANEL];
                panels.pack(first, packed);
                let width = PANEL.min(n - first);
                let mut at = row;
                while at < row + task_rows {
                    let count = ROWS.min(row + task_rows - at);
                    let left = &converted[at * words..(at + count) * words];
                    // SAFETY: the instructions are there (promised by the caller); rows `at..at + count` and
                    // columns `first..first + width` exist and belong to this task alone.
                    unsafe {
                        let target = Target { out: shared.at(at * n + first), stride: n, width, accumulate };
                        // One body for each number of rows: the sums stay in registers only if it is constant.
                        match count {
                            12 => block::<12>(left, packed, words, target),
                            11 => block::<11>(left, packed, words, target),
                            10 => block::<10>(left, packed, words, target),
                            9 => block::<9>(left, packed, words, target),
                            8 => block::<8>(left, packed, words, target),
                            7 => block::<7>(left, packed, words, target),
                            6 => block::<6>(left, packed, words, target),
                            5 => block::<5>(left, packed, words, target),
                            4 => block::<4>(left, packed, words, target),
                            3 => block::<3>(left, packed, words, target),
                            2 => block::<2>(left, packed, words, target),
                            _ => block::<1>(left, packed, words, target),
                        }
                    }
                    at += count;
                }
            }
        });
    });
    LEFT.with(|cell| cell.replace(left));
}

/// Where a block's sums go.
#[derive(Clone, Copy)]
struct Target {
    out: *mut f32,
    stride: usize,
    /// Columns that exist, at most [`PANEL`].
    width: usize,
    accumulate: bool,
}

/// `R` rows of pairs times one panel.
///
/// # Safety
/// `left` holds `R · words` words, `packed` holds `words · PANEL`, and the target's rows and columns exist.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn block<const R: usize>(left: &[u32], packed: &[u32], words: usize, target: Target) {
    debug_assert!(left.len() >= R * words && packed.len() >= words * PANEL);
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    let (left, packed) = (left.as_ptr(), packed.as_ptr());
    for word in 0..words {
        // SAFETY: word < words, so that all reads lie inside the slices.
        unsafe {
            let panel = packed.add(word * PANEL);
            let first = pairs(_mm512_loadu_si512(panel.cast()));
            let second = pairs(_mm512_loadu_si512(panel.add(16).cast()));
            for (row, sums) in sums.iter_mut().enumerate() {
                let x = pairs(_mm512_set1_epi32(left.add(row * words + word).read() as i32));
                sums[0] = _mm512_dpbf16_ps(sums[0], x, first);
                sums[1] = _mm512_dpbf16_ps(sums[1], x, second);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        // SAFETY: the row exists, and so do its first `width` columns.
        unsafe { store(*sums, target.out.add(row * target.stride), target) }
    }
}

#[target_feature(enable = "avx512f")]
fn pairs(words: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes without invalid values.
    unsafe { std::mem::transmute(words) }
}

#[target_feature(enable = "avx512f")]
unsafe fn store(sums: [__m512; 2], out: *mut f32, target: Target) {
    if target.width == PANEL {
        for (half, &sum) in sums.iter().enumerate() {
            // SAFETY: the row has PANEL columns.
            unsafe {
                let out = out.add(16 * half);
                let sum = if target.accumulate { _mm512_add_ps(_mm512_loadu_ps(out), sum) } else { sum };
                _mm512_storeu_ps(out, sum);
            }
        }
        return;
    }
    let mut values = [0.0f32; PANEL];
    // SAFETY: `values` holds both halves; the row has `width` columns.
    unsafe {
        _mm512_storeu_ps(values.as_mut_ptr(), sums[0]);
        _mm512_storeu_ps(values.as_mut_ptr().add(16), sums[1]);
        for (column, value) in values[..target.width].iter().enumerate() {
            let out = out.add(column);
            out.write(if target.accumulate { out.read() + value } else { *value });
        }
    }
}
