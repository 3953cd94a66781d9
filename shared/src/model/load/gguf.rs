//! GGUF files, as llama.cpp writes them.
//!
//! Format: `docs/gguf.md` of the ggml project. Quantised tensors are dequantised to f32.

use super::config::checked_config;
use super::mapped::map;
use super::weights::{Wanted, Weights, check_tokenizer, checked, decoder, refuse_leftover};
use super::{LoadError, Loaded, gguf_tokenizer, reason};
use crate::model::arch::{ARCHITECTURES, Architecture, GgufRows, names};
use crate::model::ops::RopeScaling;
use crate::tokens::TokenizerBundle;
use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Tensor};
use std::collections::BTreeSet;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::Path;

/// The header of a GGUF file.
pub struct GgufMetadata {
    content: Content,
}

impl GgufMetadata {
    /// Reads the header, and checks that every tensor's data lies inside the file.
    pub fn read<R: Read + Seek>(reader: &mut R, file: &str) -> Result<Self, LoadError> {
        let damaged = |reason: String| LoadError::Damaged { file: file.to_owned(), reason };
        let content = Content::read(reader).map_err(|error| match reason(&error) {
            unknown if unknown.contains("unknown dtype for tensor") => {
                let kind = unknown.rsplit(' ').next().unwrap_or_default();
                LoadError::Unsupported(format!("a tensor of GGML type {kind} in {file}"))
            }
            other => damaged(other),
        })?;
        let length = reader.seek(SeekFrom::End(0)).map_err(|source| LoadError::Io { file: file.to_owned(), source })?;
        let mut tensors: Vec<_> = content.tensor_infos.iter().collect();
        tensors.sort_by_key(|(_, info)| info.offset);
        for (name, info) in tensors {
            let elements = info.shape.dims().iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
            let blocks = elements.map(|n| n.div_ceil(info.ggml_dtype.block_size()));
            let end = blocks
                .and_then(|n| n.checked_mul(info.ggml_dtype.type_size()))
                .and_then(|bytes| (bytes as u64).checked_add(info.offset)?.checked_add(content.tensor_data_offset));
            if end.is_none_or(|end| end > length) {
                let end = end.map_or("an impossible number of".to_owned(), |end| end.to_string());
                return Err(damaged(format!(
                    "tensor {name} ends at byte {end}, but the file has {length} bytes (cut short?)"
                )));
            }
        }
        Ok(GgufMetadata { content })
    }

    /// `general.architecture`.
    pub fn architecture(&self) -> Result<&'static Architecture, LoadError> {
        let found = self.text("general.architecture").unwrap_or_default();
        ARCHITECTURES
            .iter()
            .find(|architecture| architecture.gguf_name == found)
            .ok_or_else(|| LoadError::UnknownArchitecture { found: found.to_owned(), supported: names() })
    }

    /// Whether the file holds a tensor of that GGUF name.
    pub fn has_tensor(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// Values of all tensors together, each of which is 4 bytes once it is loaded.
    pub fn value_count(&self) -> u64 {
        self.content.tensor_infos.values().map(|info| info.shape.elem_count() as u64).sum()
    }

    /// First dimension of a tensor, by its GGUF name.
    pub fn rows(&self, name: &str) -> Result<usize, LoadError> {
        let info = self.content.tensor_infos.get(name);
        let info = info.ok_or_else(|| LoadError::MissingTensor { name: name.to_owned() })?;
        info.shape.dims().first().copied().ok_or_else(|| LoadError::WrongShape {
            name: name.to_owned(),
            expected: vec![0, 0],
            found: Vec::new(),
        })
    }

    /// Whether the file says anything about a field.
    pub fn has_field(&self, name: &str) -> bool {
        self.content.metadata.contains_key(name)
    }

    /// A text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.content.metadata.get(field).and_then(|value| value.to_string().ok()).map(String::as_str)
    }

    /// A switch.
    pub fn switch(&self, field: &str) -> Option<bool> {
        self.content.metadata.get(field).and_then(|value| value.to_bool().ok())
    }

    /// A whole number that must be there.
    pub fn usize(&self, field: &str) -> Result<usize, LoadError> {
        let value = self.content.metadata.get(field).ok_or_else(|| missing(field))?;
        whole(value).ok_or_else(|| wrong(field, format!("expected a whole number, found {value:?}")))
    }

    /// A whole number, or what holds where the file is silent.
    pub fn usize_or(&self, field: &str, default: usize) -> Result<usize, LoadError> {
        if self.content.metadata.contains_key(field) { self.usize(field) } else { Ok(default) }
    }

    /// A real number that must be there.
    pub fn f64(&self, field: &str) -> Result<f64, LoadError> {
        let value = self.content.metadata.get(field).ok_or_else(|| missing(field))?;
        let real = value.to_f32().map(f64::from).or_else(|_| value.to_f64());
        match real {
            Ok(real) if real.is_finite() => Ok(real),
            _ => Err(wrong(field, format!("expected a finite number, found {value:?}"))),
        }
    }

    /// A real number, or what holds where the file is silent.
    pub fn f64_or(&self, field: &str, default: f64) -> Result<f64, LoadError> {
        if self.content.metadata.contains_key(field) { self.f64(field) } else { Ok(default) }
    }

    /// A list of texts that must be there.
    pub fn texts(&self, field: &str) -> Result<Vec<&str>, LoadError> {
        self.list(field, "texts", |value| value.to_string().ok().map(String::as_str))
    }

    /// A list of whole numbers that must be there.
    pub fn numbers(&self, field: &str) -> Result<Vec<usize>, LoadError> {
        self.list(field, "whole numbers", whole)
    }

    /// A list of real numbers that must be there.
    pub fn reals(&self, field: &str) -> Result<Vec<f32>, LoadError> {
        self.list(field, "finite numbers", |value| value.to_f32().ok().filter(|real| real.is_finite()))
    }

    fn list<'a, T>(
        &'a self,
        field: &str,
        of: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Vec<T>, LoadError> {
        let value = self.content.metadata.get(field).ok_or_else(|| missing(field))?;
        let values = value.to_vec().map_err(|_| wrong(field, format!("expected a list of {of}")))?;
        let items: Option<Vec<T>> = values.iter().map(read).collect();
        items.ok_or_else(|| wrong(field, format!("expected a list of {of} only")))
    }
}

fn whole(value: &Value) -> Option<usize> {
    match *value {
        Value::U8(n) => Some(n.into()),
        Value::I8(n) => n.try_into().ok(),
        Value::U16(n) => Some(n.into()),
        Value::I16(n) => n.try_into().ok(),
        Value::U32(n) => n.try_into().ok(),
        Value::I32(n) => n.try_into().ok(),
        Value::U64(n) => n.try_into().ok(),
        Value::I64(n) => n.try_into().ok(),
        _ => None,
    }
}

fn missing(field: &str) -> LoadError {
    wrong(field, "missing".to_owned())
}

fn wrong(field: &str, reason: String) -> LoadError {
    LoadError::Config { field: field.to_owned(), reason }
}

/// Loads a GGUF file, mapped into memory.
pub fn gguf_file(path: &Path, device: &Device) -> Result<Loaded, LoadError> {
    gguf(&mut Cursor::new(&map(path)?[..]), &path.display().to_string(), device)
}

/// Loads a GGUF file from whatever holds its bytes; `file` is its name in errors.
pub fn gguf<R: Read + Seek>(reader: &mut R, file: &str, device: &Device) -> Result<Loaded, LoadError> {
    let metadata = GgufMetadata::read(reader, file)?;
    let architecture = metadata.architecture()?;
    let mut config = checked_config((architecture.config_from_gguf)(&metadata)?)?;
    let tokenizer = gguf_tokenizer::bundle(&metadata)?;
    if tokenizer.is_some() {
        check_tokenizer(metadata.texts("tokenizer.ggml.tokens")?.len(), &config)?;
    }
    let heads = (config.num_attention_heads, config.num_key_value_heads);
    let leftover = metadata.content.tensor_infos.keys().cloned().collect();
    let mut weights = GgufWeights { metadata: &metadata, reader, heads, device, leftover };
    if metadata.has_tensor(ROPE_DIVISORS) {
        if config.rope.scaling != RopeScaling::None {
            return Err(LoadError::Unsupported(format!("tensor {ROPE_DIVISORS} beside rope.scaling.type")));
        }
        let divisors = weights.stored(ROPE_DIVISORS, &[config.head_dim / 2])?;
        config.rope.scaling = RopeScaling::Divisors(divisors.to_vec1()?);
        config = checked_config(config)?;
    }
    let model = decoder(config, architecture, &mut weights)?;
    refuse_leftover(weights.leftover.iter())?;
    Ok(Loaded { model, tokenizer, architecture: architecture.gguf_name.to_owned() })
}

/// One divisor a rotary frequency: how llama.cpp's converter writes the scaling of Llama 3.
const ROPE_DIVISORS: &str = "rope_freqs.weight";

/// Reads only the tokenizer and the chat template of a GGUF file.
pub fn gguf_file_tokenizer_bundle(path: &Path) -> Result<Option<TokenizerBundle>, LoadError> {
    let metadata = GgufMetadata::read(&mut Cursor::new(&map(path)?[..]), &path.display().to_string())?;
    gguf_tokenizer::bundle(&metadata)
}

struct GgufWeights<'a, R> {
    metadata: &'a GgufMetadata,
    reader: &'a mut R,
    heads: (usize, usize),
    device: &'a Device,
    /// Tensors that nobody has taken yet, by their GGUF names.
    leftover: BTreeSet<String>,
}

impl<R: Read + Seek> GgufWeights<'_, R> {
    /// A tensor in f32, as it is stored.
    fn stored(&mut self, name: &str, shape: &[usize]) -> Result<Tensor, LoadError> {
        let info = self.metadata.content.tensor_infos.get(name);
        let info = info.ok_or_else(|| LoadError::MissingTensor { name: name.to_owned() })?;
        self.leftover.remove(name);
        if info.shape.dims() != shape {
            let (expected, found) = (shape.to_vec(), info.shape.dims().to_vec());
            return Err(LoadError::WrongShape { name: name.to_owned(), expected, found });
        }
        let quantised = self.metadata.content.tensor(self.reader, name, self.device);
        let tensor = quantised.and_then(|quantised| quantised.dequantize(self.device));
        let tensor = tensor.map_err(|error| LoadError::Tensor { name: name.to_owned(), reason: reason(&error) })?;
        checked(name, tensor, shape)
    }
}

impl<R: Read + Seek> Weights for GgufWeights<'_, R> {
    fn take(&mut self, wanted: &Wanted) -> Result<Tensor, LoadError> {
        let tensor = self.stored(&wanted.gguf, &wanted.shape)?;
        Ok(match wanted.gguf_rows {
            GgufRows::Plain => tensor,
            GgufRows::PairedQueryHeads => halves(&tensor, self.heads.0)?,
            GgufRows::PairedKeyHeads => halves(&tensor, self.heads.1)?,
        })
    }
}

/// Undoes llama.cpp's row order: in each head, rows (0, 1), (2, 3), … are the pairs that rotate
/// together; Hugging Face keeps the first of each pair in the first half and the second in the other.
fn halves(tensor: &Tensor, heads: usize) -> candle_core::Result<Tensor> {
    let (rows, columns) = tensor.dims2()?;
    let pairs = rows / heads / 2;
    tensor.reshape((heads, pairs, 2, columns))?.transpose(1, 2)?.contiguous()?.reshape((rows, columns))
}
