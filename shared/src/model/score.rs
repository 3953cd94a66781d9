//! Scoring completions, and its gradient, without ever holding logits for all rows.
//!
//! The head is most of the arithmetic of a small model. It runs in chunks of [`ROWS_PER_CHUNK`]
//! rows, and its backward pass is written out: with `p = softmax(W·h)` and target `y`,
//! `d(−log p_y)/dh = Wᵀ·p − W_y`; with a soft-cap on the logits, its slope at each logit stands before
//! each row of `W`. The body's backward pass then starts from these rows.

use super::Decoder;
use super::ops;
use candle_core::{D, DType, Result, Tensor};

/// Rows of logits that exist at a time.
pub const ROWS_PER_CHUNK: usize = 128;

/// Negative log-likelihood of each target, in nats. `hidden` is `(rows, hidden_size)`.
pub fn nll(model: &Decoder, hidden: &Tensor, targets: &[u32]) -> Result<Vec<f32>> {
    let hidden = hidden.detach();
    let mut all = Vec::with_capacity(targets.len());
    for (chunk, targets) in targets.chunks(ROWS_PER_CHUNK).enumerate() {
        let logits = model.logits(&hidden.narrow(0, chunk * ROWS_PER_CHUNK, targets.len())?)?;
        all.extend(chunk_nll(&logits, &ids(targets, &logits)?)?);
    }
    Ok(all)
}

/// Negative log-likelihood of each target, in nats, and the most likely token of each row.
pub fn nll_and_argmax(model: &Decoder, hidden: &Tensor, targets: &[u32]) -> Result<(Vec<f32>, Vec<u32>)> {
    let hidden = hidden.detach();
    let (mut all, mut best) = (Vec::with_capacity(targets.len()), Vec::with_capacity(targets.len()));
    for (chunk, targets) in targets.chunks(ROWS_PER_CHUNK).enumerate() {
        let logits = model.logits(&hidden.narrow(0, chunk * ROWS_PER_CHUNK, targets.len())?)?;
        all.extend(chunk_nll(&logits, &ids(targets, &logits)?)?);
        best.extend(logits.argmax(D::Minus1)?.to_vec1::<u32>()?);
    }
    Ok((all, best))
}

/// Negative log-likelihoods, and a scalar whose backward pass is that of `Σ weights · nll`.
///
/// The scalar's value means nothing; `backward()` on it gives the gradient of the weighted sum with
/// respect to whatever `hidden` was computed from.
pub fn nll_with_surrogate(
    model: &Decoder,
    hidden: &Tensor,
    targets: &[u32],
    weights: &[f32],
) -> Result<(Vec<f32>, Tensor)> {
    let rows = hidden.detach();
    let head = &model.lm_head;
    let (mut all, mut gradients) = (Vec::with_capacity(targets.len()), Vec::new());
    for (chunk, targets) in targets.chunks(ROWS_PER_CHUNK).enumerate() {
        let start = chunk * ROWS_PER_CHUNK;
        let logits = model.logits(&rows.narrow(0, start, targets.len())?)?;
        let target_ids = ids(targets, &logits)?;
        all.extend(chunk_nll(&logits, &target_ids)?);
        let weights = Tensor::new(&weights[start..start + targets.len()], hidden.device())?.unsqueeze(1)?;
        let mut pulls = ops::softmax(&logits)?; // (rows, vocab)
        let mut of_target = head.index_select(&target_ids, 0)?.to_dtype(DType::F32)?; // (rows, hidden)
        if let Some(cap) = model.config.final_softcap {
            let slope = ops::soft_cap_slope(&logits, cap)?;
            of_target = of_target.broadcast_mul(&slope.gather(&target_ids.unsqueeze(1)?, 1)?)?;
            pulls = (pulls * slope)?;
        }
        // (rows, vocab) · (vocab, hidden)
        let of_all = pulls.to_dtype(head.dtype())?.matmul(head)?.to_dtype(DType::F32)?;
        gradients.push((of_all - of_target)?.broadcast_mul(&weights)?);
    }
    let gradient = Tensor::cat(&gradients, 0)?;
    Ok((all, (hidden * gradient)?.sum_all()?))
}

fn ids(targets: &[u32], like: &Tensor) -> Result<Tensor> {
    Tensor::new(targets, like.device())
}

/// `log Σ exp(logits) − logits[target]`, row by row.
fn chunk_nll(logits: &Tensor, targets: &Tensor) -> Result<Vec<f32>> {
    let log_sum = logits.log_sum_exp(D::Minus1)?;
    let chosen = logits.gather(&targets.unsqueeze(1)?, 1)?.squeeze(1)?;
    (log_sum - chosen)?.to_vec1::<f32>()
}
