//! The few operations that a transformer needs beyond candle's tensor arithmetic.
//!
//! `candle_nn::ops::{softmax_last_dim, rms_norm}` and `rotary_emb::rope` have no backward pass, and
//! `backward()` still returns `Ok` with a wrong gradient. This is the only file that may name them;
//! it does not use them, but composes differentiable operations instead. Finite differences and
//! PyTorch's gradients are checked in `tests/conformance`.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, D, Device, Layout, MetalStorage, Result, Shape, Storage, Tensor, bail,
};

/// `x · weightᵀ` for a frozen weight: `(rows, in) · (out, in)ᵀ → (rows, out)`.
///
/// candle's own matrix product computes the weight's gradient too, a third of the whole backward
/// pass, only to throw it away. This one knows that nobody asks for it. The product is computed in the
/// weight's dtype, the result has that of `x`.
pub fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let dims = x.dims();
    let Some((&in_features, rows)) = dims.split_last() else { bail!("a linear layer needs at least one dimension") };
    let rows_total: usize = rows.iter().product();
    let out = x
        .reshape((rows_total, in_features))?
        .to_dtype(weight.dtype())?
        .apply_op1(FrozenLinear { weight: weight.clone() })?;
    let mut shape = rows.to_vec();
    shape.push(weight.dim(0)?);
    out.reshape(shape)?.to_dtype(x.dtype())
}

struct FrozenLinear {
    /// `(out, in)`
    weight: Tensor,
}

impl FrozenLinear {
    fn product<S: BackendStorage>(&self, x: &S, x_layout: &Layout, weight: &S) -> Result<(S, Shape)> {
        let (rows, in_features) = x_layout.shape().dims2()?;
        let (out_features, weight_in) = self.weight.dims2()?;
        if in_features != weight_in {
            bail!("a linear layer for {weight_in} features was given {in_features}");
        }
        let transposed = self.weight.layout().transpose(0, 1)?;
        let product = x.matmul(weight, (1, rows, out_features, in_features), x_layout, &transposed)?;
        Ok((product, Shape::from((rows, out_features))))
    }
}

impl CustomOp1 for FrozenLinear {
    fn name(&self) -> &'static str {
        "frozen-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        match &*self.weight.storage_and_layout().0 {
            Storage::Cpu(weight) => self.product(x, layout, weight),
            _ => bail!("input and weight of a linear layer are on different devices"),
        }
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        match &*self.weight.storage_and_layout().0 {
            Storage::Cuda(weight) => self.product(x, layout, weight),
            _ => bail!("input and weight of a linear layer are on different devices"),
        }
    }

    fn metal_fwd(&self, x: &MetalStorage, layout: &Layout) -> Result<(MetalStorage, Shape)> {
        match &*self.weight.storage_and_layout().0 {
            Storage::Metal(weight) => self.product(x, layout, weight),
            _ => bail!("input and weight of a linear layer are on different devices"),
        }
    }

    /// d(x·Wᵀ)/dx pulled back: `grad · W`.
    fn bwd(&self, _x: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(grad.contiguous()?.matmul(&self.weight)?))
    }
}

/// Root-mean-square norm over the last dimension: `x / sqrt(mean(x²) + eps) · weight`.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let mean_square = x.sqr()?.mean_keepdim(D::Minus1)?;
    x.broadcast_div(&(mean_square + eps)?.sqrt()?)?.broadcast_mul(weight)
}

/// Softmax over the last dimension.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    // The maximum is a constant of the softmax's value, so it carries no gradient.
    let shifted = x.broadcast_sub(&x.detach().max_keepdim(D::Minus1)?)?;
    let exponentials = shifted.exp()?;
    exponentials.broadcast_div(&exponentials.sum_keepdim(D::Minus1)?)
}

/// `cap · tanh(x / cap)`: bounds `x` to `±cap` and hardly changes what is far inside (Gemma 2).
pub fn soft_cap(x: &Tensor, cap: f64) -> Result<Tensor> {
    (x / cap)?.tanh()? * cap
}

/// The derivative of [`soft_cap`] with respect to its input, from its result: `1 − (capped / cap)²`.
pub fn soft_cap_slope(capped: &Tensor, cap: f64) -> Result<Tensor> {
    1.0 - (capped / cap)?.sqr()?
}

/// GELU in the tanh approximation: `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`.
///
/// candle's own has six digits in the constants of its backward pass.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    let inner = ((x.sqr()? * 0.044715)? + 1.0)?.mul(x)?;
    let tanh = (inner * (2.0 / std::f64::consts::PI).sqrt())?.tanh()?;
    x * ((tanh + 1.0)? * 0.5)?
}

/// Rows `(new)` may look at columns `(past + new)` up to their own, and with a window at that many
/// at most, their own included: 0 there, −∞ elsewhere.
pub fn attention_mask(new: usize, past: usize, window: Option<usize>, device: &Device) -> Result<Tensor> {
    let total = past + new;
    let seen = |row: usize, column: usize| {
        let own = past + row;
        column <= own && window.is_none_or(|window| own - column < window)
    };
    let mask: Vec<f32> = (0..new)
        .flat_map(|row| (0..total).map(move |column| if seen(row, column) { 0.0 } else { f32::NEG_INFINITY }))
        .collect();
    Tensor::from_vec(mask, (new, total), device)
}

/// Rotary position embedding (Su et al., RoFormer), in the "rotate half" order of Hugging Face.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    /// Base of the frequencies.
    pub theta: f64,
    /// How positions beyond the training length are squeezed.
    pub scaling: RopeScaling,
}

/// How rotary frequencies are changed for longer contexts.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Every frequency is divided.
    Linear {
        /// By this.
        factor: f64,
    },
    /// Llama 3: long wavelengths are divided, short ones kept, those between are blended.
    Llama3 {
        /// By this.
        factor: f64,
        /// Wavelengths above `original_context_length / low_freq_factor` are long.
        low_freq_factor: f64,
        /// Wavelengths below `original_context_length / high_freq_factor` are short.
        high_freq_factor: f64,
        /// Context length of the pretraining.
        original_context_length: usize,
    },
    /// Every frequency is divided by its own divisor: `rope_freqs.weight` of a GGUF file, in which
    /// llama.cpp's converter has worked the Llama 3 rule out.
    Divisors(Vec<f32>),
}

/// Cosines and sines by position, `(context_length, head_dim / 2)` each, in f32 whatever the weights.
#[derive(Clone, Debug)]
pub struct Rope {
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    /// Computes the tables.
    pub fn new(config: &RopeConfig, head_dim: usize, context_length: usize, device: &Device) -> Result<Self> {
        let frequencies = config.frequencies(head_dim);
        let angles: Vec<f32> =
            (0..context_length).flat_map(|position| frequencies.iter().map(move |f| position as f32 * f)).collect();
        let angles = Tensor::from_vec(angles, (context_length, head_dim / 2), device)?;
        Ok(Rope { cos: angles.cos()?, sin: angles.sin()? })
    }

    /// Rotates `x`, `(batch, heads, n, head_dim)`, whose first position is `start`.
    pub fn apply(&self, x: &Tensor, start: usize) -> Result<Tensor> {
        let n = x.dim(2)?;
        rotate_half(x, &self.cos.narrow(0, start, n)?, &self.sin.narrow(0, start, n)?)
    }

    /// Rotates `x`, `(rows, heads, 1, head_dim)`, each row at a position of its own.
    pub fn apply_rows(&self, x: &Tensor, positions: &[u32]) -> Result<Tensor> {
        let positions = Tensor::new(positions, x.device())?;
        let pick = |table: &Tensor| table.index_select(&positions, 0)?.unsqueeze(1)?.unsqueeze(1);
        rotate_half(x, &pick(&self.cos)?, &pick(&self.sin)?)
    }
}

fn rotate_half(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let half = x.dim(D::Minus1)? / 2;
    let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
    let first = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
    let second = (b.broadcast_mul(cos)? + a.broadcast_mul(sin)?)?;
    Tensor::cat(&[first, second], D::Minus1)
}

impl RopeConfig {
    /// One frequency a pair of dimensions, in radians a position: `head_dim / 2`.
    pub fn frequencies(&self, head_dim: usize) -> Vec<f32> {
        let base = (0..head_dim).step_by(2).map(|i| 1.0 / (self.theta as f32).powf(i as f32 / head_dim as f32));
        match &self.scaling {
            RopeScaling::None => base.collect(),
            RopeScaling::Linear { factor } => base.map(|f| f / *factor as f32).collect(),
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context_length } => {
                let context = *original_context_length as f32;
                let (low, high, factor) = (*low_freq_factor as f32, *high_freq_factor as f32, *factor as f32);
                base.map(|f| {
                    let wavelength = 2.0 * std::f32::consts::PI / f;
                    if wavelength < context / high {
                        f
                    } else if wavelength > context / low {
                        f / factor
                    } else {
                        let smooth = (context / wavelength - low) / (high - low);
                        (1.0 - smooth) * f / factor + smooth * f
                    }
                })
                .collect()
            }
            RopeScaling::Divisors(divisors) => base.zip(divisors).map(|(f, divisor)| f / divisor).collect(),
        }
    }
}
