//! Loops over rows: norms, activations, softmax, soft-caps, and their derivatives.
//!
//! Plain loops, compiled once for each vector width and chosen when the program runs (`pulp`). They
//! hold no branches and call no library functions, so that the compiler can vectorise them; `exp` is
//! a polynomial for that reason.

use crate::shape::Activation;
use pulp::{Arch, Simd, WithSimd};

/// Runs a loop with the widest vectors that the CPU has.
pub(crate) fn wide<R>(body: impl FnOnce() -> R) -> R {
    struct Body<F>(F);
    impl<R, F: FnOnce() -> R> WithSimd for Body<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> R {
            (self.0)()
        }
    }
    Arch::new().dispatch(Body(body))
}

/// `eˣ`, relative error below 2e-7; 0 below −87 and at most e⁸⁸.
///
/// `x = n·ln 2 + r` with |r| ≤ ln 2 / 2: a polynomial of degree 6 for eʳ, and n moved into the exponent.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const TO_INTEGER: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to the nearest integer
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = x.clamp(-87.0, 88.0);
    let shifted = clamped * std::f32::consts::LOG2_E + TO_INTEGER;
    let n = shifted - TO_INTEGER;
    let r = clamped - n * LN_2_HIGH - n * LN_2_LOW;
    let mut polynomial = 1.0 / 720.0;
    polynomial = polynomial * r + 1.0 / 120.0;
    polynomial = polynomial * r + 1.0 / 24.0;
    polynomial = polynomial * r + 1.0 / 6.0;
    polynomial = polynomial * r + 0.5;
    polynomial = polynomial * r + 1.0;
    polynomial = polynomial * r + 1.0;
    // The low bits of `shifted` are n; moved up they are added to the exponent of 1.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    if x < -87.0 { 0.0 } else { polynomial * power }
}

/// `tanh x` by way of `exp`; absolute error below 2e-7.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// √(2/π), and the cubic coefficient of GELU's tanh approximation.
const GELU: (f32, f32) = (0.797_884_6, 0.044_715);

/// Value and derivative of the activation.
#[inline(always)]
fn activate(activation: Activation, x: f32) -> (f32, f32) {
    match activation {
        Activation::Silu => {
            let s = sigmoid(x);
            (x * s, s * (1.0 + x * (1.0 - s)))
        }
        Activation::GeluTanh => {
            let t = tanh(GELU.0 * (x + GELU.1 * x * x * x));
            let inner = GELU.0 * (1.0 + 3.0 * GELU.1 * x * x);
            (0.5 * x * (1.0 + t), 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner)
        }
    }
}

/// Partial sums that a loop keeps, so that it can be vectorised in a fixed order on every machine.
const LANES: usize = 16;

/// Sum of products, added up in [`LANES`] strands.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut strands = [0.0f32; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            strands[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    strands.iter().sum::<f32>() + rest
}

/// `x · Wᵀ` for a few rows, one column of the result after the other: every weight is read once, which
/// is what the time goes into. `put(row, column, value)` takes the results.
///
/// The one loop with vectors written out: the compiler turned it into shuffles.
pub(crate) fn few_rows(x: &[f32], w: &[f32], k: usize, put: impl FnMut(usize, usize, f32)) {
    struct FewRows<'a, F> {
        x: &'a [f32],
        w: &'a [f32],
        k: usize,
        put: F,
    }

    impl<F: FnMut(usize, usize, f32)> WithSimd for FewRows<'_, F> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(mut self, simd: S) {
            for (column, w) in self.w.chunks_exact(self.k).enumerate() {
                let mut fours = self.x.chunks_exact(4 * self.k);
                let mut row = 0;
                for four in &mut fours {
                    let rows = [0, 1, 2, 3].map(|at| &four[at * self.k..(at + 1) * self.k]);
                    for value in vector_dots(simd, rows, w) {
                        (self.put)(row, column, value);
                        row += 1;
                    }
                }
                for x in fours.remainder().chunks_exact(self.k) {
                    let [value] = vector_dots(simd, [x], w);
                    (self.put)(row, column, value);
                    row += 1;
                }
            }
        }
    }

    Arch::new().dispatch(FewRows { x, w, k, put });
}

/// Products of some rows with one.
#[inline(always)]
fn vector_dots<S: Simd, const R: usize>(simd: S, rows: [&[f32]; R], b: &[f32]) -> [f32; R] {
    let (b, b_rest) = S::as_simd_f32s(b);
    let parts = rows.map(|row| S::as_simd_f32s(row));
    let mut sums = [simd.splat_f32s(0.0); R];
    for (at, &b) in b.iter().enumerate() {
        for row in 0..R {
            sums[row] = simd.mul_add_e_f32s(parts[row].0[at], b, sums[row]);
        }
    }
    std::array::from_fn(|row| {
        let rest: f32 = parts[row].1.iter().zip(b_rest).map(|(a, b)| a * b).sum();
        simd.reduce_sum_f32s(sums[row]) + rest
    })
}

/// `1 / sqrt(mean(x²) + eps)` of one row.
#[inline(always)]
fn inverse_rms(x: &[f32], eps: f32) -> f32 {
    1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt()
}

/// Root-mean-square norm of each row: `x / rms(x) · weight`.
pub(crate) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (x, out) in x.chunks_exact(weight.len()).zip(out.chunks_exact_mut(weight.len())) {
                let scale = inverse_rms(x, eps);
                for ((out, x), w) in out.iter_mut().zip(x).zip(weight) {
                    *out = x * scale * w;
                }
            }
        },
    );
}

/// Adds the gradient of [`rms_norm`] with respect to its input: with `r = 1 / rms(x)`,
/// `dx += r · (w∘dy) − x · r³ / n · Σ (x∘w∘dy)`.
pub(crate) fn rms_norm_backward(x: &[f32], weight: &[f32], eps: f32, dy: &[f32], dx: &mut [f32], overwrite: bool) {
    let n = weight.len();
    wide(
        #[inline(always)]
        || {
            let mut weighted = vec![0.0f32; n];
            for ((x, dy), dx) in x.chunks_exact(n).zip(dy.chunks_exact(n)).zip(dx.chunks_exact_mut(n)) {
                for ((weighted, dy), w) in weighted.iter_mut().zip(dy).zip(weight) {
                    *weighted = dy * w;
                }
                let r = inverse_rms(x, eps);
                let along = dot(x, &weighted) * r * r * r / n as f32;
                let keep = if overwrite { 0.0 } else { 1.0 };
                for ((dx, x), weighted) in dx.iter_mut().zip(x).zip(&weighted) {
                    *dx = keep * *dx + (r * weighted - x * along);
                }
            }
        },
    );
}

/// `activation(gate) · up`, row by row; gate and up lie side by side.
pub(crate) fn gated(activation: Activation, gate_up: &[f32], width: usize, out: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (gate_up, out) in gate_up.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
                let (gate, up) = gate_up.split_at(width);
                for ((out, &gate), up) in out.iter_mut().zip(gate).zip(up) {
                    *out = activate(activation, gate).0 * up;
                }
            }
        },
    );
}

/// Replaces gate and up by the gradients with respect to them, given that of [`gated`].
pub(crate) fn gated_backward(activation: Activation, gate_up: &mut [f32], width: usize, dy: &[f32]) {
    wide(
        #[inline(always)]
        || {
            for (gate_up, dy) in gate_up.chunks_exact_mut(2 * width).zip(dy.chunks_exact(width)) {
                let (gate, up) = gate_up.split_at_mut(width);
                for ((gate, up), dy) in gate.iter_mut().zip(up).zip(dy) {
                    let (value, slope) = activate(activation, *gate);
                    *gate = dy * *up * slope;
                    *up = dy * value;
                }
            }
        },
    );
}

/// `cap · tanh(x / cap)` in place.
pub(crate) fn softcap(x: &mut [f32], cap: f32) {
    wide(
        #[inline(always)]
        || x.iter_mut().for_each(|x| *x = cap * tanh(*x / cap)),
    );
}

/// Multiplies by the derivative of [`softcap`], which its value tells: `1 − (value / cap)²`.
pub(crate) fn softcap_backward(value: &[f32], cap: f32, gradient: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (gradient, value) in gradient.iter_mut().zip(value) {
                let ratio = value / cap;
                *gradient *= 1.0 - ratio * ratio;
            }
        },
    );
}

/// Largest value; −∞ where there is none.
#[inline(always)]
fn max(x: &[f32]) -> f32 {
    let mut strands = [f32::NEG_INFINITY; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            strands[lane] = if chunk[lane] > strands[lane] { chunk[lane] } else { strands[lane] };
        }
    }
    rest.iter().chain(&strands).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

#[inline(always)]
fn sum(x: &[f32]) -> f32 {
    let mut strands = [0.0f32; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for lane in 0..LANES {
            strands[lane] += chunk[lane];
        }
    }
    strands.iter().sum::<f32>() + rest
}

/// Softmax of one row in place.
pub(crate) fn softmax(x: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            let max = max(x);
            x.iter_mut().for_each(|x| *x = exp(*x - max));
            let scale = 1.0 / sum(x);
            x.iter_mut().for_each(|x| *x *= scale);
        },
    );
}

/// Gradient of [`softmax`], in place of `dp`: `p ∘ (dp − Σ p∘dp)`.
pub(crate) fn softmax_backward(p: &[f32], dp: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            let along = dot(p, dp);
            for (dp, p) in dp.iter_mut().zip(p) {
                *dp = p * (*dp - along);
            }
        },
    );
}

/// Largest value and `Σ exp(x − max)` of one row.
pub(crate) fn max_and_exp_sum(x: &[f32]) -> (f32, f32) {
    wide(
        #[inline(always)]
        || {
            let max = max(x);
            let mut strands = [0.0f32; LANES];
            let chunks = x.chunks_exact(LANES);
            let rest: f32 = chunks.remainder().iter().map(|&x| exp(x - max)).sum();
            for chunk in chunks {
                for lane in 0..LANES {
                    strands[lane] += exp(chunk[lane] - max);
                }
            }
            (max, strands.iter().sum::<f32>() + rest)
        },
    )
}

/// `scale · exp(x − log_sum)` in `out`.
pub(crate) fn scaled_probabilities(x: &[f32], log_sum: f32, scale: f32, out: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (out, x) in out.iter_mut().zip(x) {
                *out = scale * exp(x - log_sum);
            }
        },
    );
}

/// Rotates one head (Su et al., RoFormer) in the order of Hugging Face: pairs are a dimension and
/// the one half a head further.
#[inline(always)]
pub(crate) fn rotate(head: &mut [f32], cos: &[f32], sin: &[f32], sign: f32) {
    let (first, second) = head.split_at_mut(cos.len());
    for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
        let sin = sign * sin;
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_and_tanh_are_close_everywhere() {
        for step in -8700..8800 {
            let x = step as f32 / 100.0;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours / exact - 1.0).abs() < 4e-7, "exp({x}) = {ours}, expected {exact}");
            assert!((f64::from(tanh(x)) - f64::from(x).tanh()).abs() < 3e-7, "tanh({x})");
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn activations_have_the_slope_of_their_values() {
        for activation in [Activation::Silu, Activation::GeluTanh] {
            for step in -60..60 {
                let x = step as f32 / 10.0;
                let h = 1e-2;
                let expected = (activate(activation, x + h).0 - activate(activation, x - h).0) / (2.0 * h);
                assert!((activate(activation, x).1 - expected).abs() < 2e-3, "{activation:?} at {x}");
            }
        }
    }

    #[test]
    fn softmax_ignores_masked_positions() {
        let mut row = vec![1.0, f32::NEG_INFINITY, 1.0];
        softmax(&mut row);
        assert_eq!(row, [0.5, 0.0, 0.5]);
    }
}
