//! From named tensors to a decoder, whatever file they come from.

use super::{LoadError, reason};
use crate::model::arch::{Architecture, GgufRows, Slot};
use crate::model::{Config, Decoder, Layer};
use candle_core::{DType, Tensor};

/// A tensor that the model needs.
pub struct Wanted {
    /// Its name in Hugging Face checkpoints.
    pub hf: String,
    /// Its name in GGUF files.
    pub gguf: String,
    /// How GGUF files order its rows.
    pub gguf_rows: GgufRows,
    /// Its shape, outer dimension first.
    pub shape: Vec<usize>,
    /// Whether it is the weight of a norm.
    pub is_norm: bool,
}

/// Where a decoder takes its tensors from.
pub trait Weights {
    /// The tensor in f32, in the decoder's own layout, of exactly this shape, with finite values.
    fn take(&mut self, wanted: &Wanted) -> Result<Tensor, LoadError>;
}

/// Takes every tensor that the architecture has and puts the decoder together.
pub fn decoder(config: Config, architecture: &Architecture, weights: &mut dyn Weights) -> Result<Decoder, LoadError> {
    let (hidden, vocab) = (config.hidden_size, config.vocab_size);
    let mut outer = |hf: &str, gguf: &str, shape: &[usize]| {
        weights.take(&Wanted {
            hf: hf.to_owned(),
            gguf: gguf.to_owned(),
            gguf_rows: GgufRows::Plain,
            shape: shape.to_vec(),
            is_norm: shape.len() == 1,
        })
    };
    let embed_tokens = outer("model.embed_tokens.weight", "token_embd.weight", &[vocab, hidden])?;
    let norm = outer("model.norm.weight", "output_norm.weight", &[hidden])?;
    let lm_head = if config.tie_word_embeddings {
        embed_tokens.clone()
    } else {
        outer("lm_head.weight", "output.weight", &[vocab, hidden])?
    };
    let layers = (0..config.num_hidden_layers).map(|index| layer(&config, architecture, index, weights));
    let layers = layers.collect::<Result<Vec<_>, _>>()?;
    Ok(Decoder::new(config, embed_tokens, layers, norm, lm_head)?)
}

fn layer(
    config: &Config,
    architecture: &Architecture,
    index: usize,
    weights: &mut dyn Weights,
) -> Result<Layer, LoadError> {
    let mut optional = |slot: Slot| {
        let Some(names) = architecture.layer_tensors.iter().find(|tensor| tensor.slot == slot) else {
            return Ok(None);
        };
        let shape = slot.shape(config);
        let tensor = weights.take(&Wanted {
            hf: format!("model.layers.{index}.{}.weight", names.hf),
            gguf: format!("blk.{index}.{}.weight", names.gguf),
            gguf_rows: names.gguf_rows,
            is_norm: shape.len() == 1,
            shape,
        });
        tensor.map(Some)
    };
    let attention_out_norm = optional(Slot::AttentionOutNorm)?;
    let feed_forward_out_norm = optional(Slot::FeedForwardOutNorm)?;
    let mut take = |slot: Slot| {
        let tensor = optional(slot)?;
        tensor.ok_or_else(|| LoadError::Candle(format!("{} names no {slot:?}", architecture.hf_model_type)))
    };
    Ok(Layer {
        attention_norm: take(Slot::AttentionNorm)?,
        q_proj: take(Slot::QProj)?,
        k_proj: take(Slot::KProj)?,
        v_proj: take(Slot::VProj)?,
        o_proj: take(Slot::OProj)?,
        attention_out_norm,
        feed_forward_norm: take(Slot::FeedForwardNorm)?,
        gate_proj: take(Slot::GateProj)?,
        up_proj: take(Slot::UpProj)?,
        down_proj: take(Slot::DownProj)?,
        feed_forward_out_norm,
    })
}

/// Checks shape and values and converts to f32.
pub fn checked(name: &str, tensor: Tensor, expected: &[usize]) -> Result<Tensor, LoadError> {
    if tensor.dims() != expected {
        let (expected, found) = (expected.to_vec(), tensor.dims().to_vec());
        return Err(LoadError::WrongShape { name: name.to_owned(), expected, found });
    }
    let of_tensor = |error| LoadError::Tensor { name: name.to_owned(), reason: reason(&error) };
    let tensor = tensor.to_dtype(DType::F32).map_err(of_tensor)?;
    // One pass over the memory tells almost always; a sum that overflows alone proves nothing.
    let sum = tensor.sum_all().and_then(|sum| sum.to_scalar::<f32>()).map_err(of_tensor)?;
    if !sum.is_finite() {
        let values = tensor.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).map_err(of_tensor)?;
        if let Some((index, &found)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(LoadError::NotFinite { name: name.to_owned(), found, index });
        }
    }
    Ok(tensor)
}

/// Refuses a tokenizer that lacks tokens which the model would propose, or has tokens which it
/// could not look up.
pub fn check_tokenizer(tokens: usize, config: &Config) -> Result<(), LoadError> {
    if tokens == config.vocab_size {
        Ok(())
    } else {
        Err(LoadError::WrongTokenizer { expected: config.vocab_size, found: tokens })
    }
}

/// Refuses a checkpoint with a tensor that the architecture did not ask for, a bias say: to leave it
/// out would quietly change the result.
pub fn refuse_leftover<'a>(mut leftover: impl Iterator<Item = &'a String>) -> Result<(), LoadError> {
    match leftover.next() {
        None => Ok(()),
        Some(name) => Err(LoadError::Unsupported(format!("tensor {name}"))),
    }
}
