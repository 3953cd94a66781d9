//! Hugging Face directories: `config.json`, safetensors (one file or shards), `tokenizer.json`.

use super::config::checked_config;
use super::mapped::map;
use super::weights::{Wanted, Weights, check_tokenizer, checked, decoder, refuse_leftover};
use super::{LoadError, Loaded, reason};
use crate::model::arch::{ARCHITECTURES, Architecture, names};
use crate::model::ops::RopeScaling;
use crate::tokens::TokenizerBundle;
use candle_core::safetensors::SliceSafetensors;
use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// `config.json`.
pub struct HfConfig {
    value: Value,
}

impl HfConfig {
    /// Wraps the parsed file.
    pub fn new(value: Value) -> Self {
        HfConfig { value }
    }

    /// A whole number that must be there.
    pub fn usize(&self, field: &str) -> Result<usize, LoadError> {
        let value = self.value.get(field).filter(|value| !value.is_null()).ok_or_else(|| wrong(field, "missing"))?;
        let number = value.as_u64().and_then(|number| number.try_into().ok());
        number.ok_or_else(|| wrong(field, &format!("expected a whole number, found {value}")))
    }

    /// A whole number, or what holds where the file is silent.
    pub fn usize_or(&self, field: &str, default: usize) -> Result<usize, LoadError> {
        if self.is_set(field) { self.usize(field) } else { Ok(default) }
    }

    /// A real number, or what holds where the file is silent.
    pub fn f64_or(&self, field: &str, default: f64) -> Result<f64, LoadError> {
        if !self.is_set(field) {
            return Ok(default);
        }
        real(&self.value, field)
    }

    /// A real number, or what holds where the file is silent; an explicit `null` means that there
    /// is none.
    pub fn f64_unless_null(&self, field: &str, default: f64) -> Result<Option<f64>, LoadError> {
        match self.value.get(field) {
            None => Ok(Some(default)),
            Some(Value::Null) => Ok(None),
            Some(_) => real(&self.value, field).map(Some),
        }
    }

    /// A list of texts, where the file has it.
    pub fn texts(&self, field: &str) -> Result<Option<Vec<&str>>, LoadError> {
        if !self.is_set(field) {
            return Ok(None);
        }
        let list = self.value[field].as_array();
        let texts = list.and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        texts.map(Some).ok_or_else(|| wrong(field, "expected a list of texts"))
    }

    /// A switch, or what holds where the file is silent.
    pub fn bool_or(&self, field: &str, default: bool) -> Result<bool, LoadError> {
        match self.value.get(field) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(wrong(field, &format!("expected true or false, found {other}"))),
        }
    }

    /// A text, or what holds where the file is silent.
    pub fn text_or<'a>(&'a self, field: &str, default: &'a str) -> Result<&'a str, LoadError> {
        match self.value.get(field) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(wrong(field, &format!("expected a text, found {other}"))),
        }
    }

    /// Base of the rotary frequencies; newer files keep it inside `rope_parameters`.
    pub fn rope_theta(&self, default: f64) -> Result<f64, LoadError> {
        match self.value.get("rope_parameters") {
            Some(parameters) if parameters.get("rope_theta").is_some() => real(parameters, "rope_theta"),
            _ => self.f64_or("rope_theta", default),
        }
    }

    /// How rotary frequencies are scaled.
    pub fn rope_scaling(&self) -> Result<RopeScaling, LoadError> {
        let scaling = self.value.get("rope_scaling").or_else(|| self.value.get("rope_parameters"));
        let Some(scaling) = scaling.filter(|value| value.is_object()) else { return Ok(RopeScaling::None) };
        let kind = scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str);
        match kind {
            None | Some("default") => Ok(RopeScaling::None),
            Some("linear") => Ok(RopeScaling::Linear { factor: real(scaling, "factor")? }),
            Some("llama3") => Ok(RopeScaling::Llama3 {
                factor: real(scaling, "factor")?,
                low_freq_factor: real(scaling, "low_freq_factor")?,
                high_freq_factor: real(scaling, "high_freq_factor")?,
                original_context_length: real(scaling, "original_max_position_embeddings")? as usize,
            }),
            Some(other) => Err(LoadError::Unsupported(format!("rope_scaling of type {other}"))),
        }
    }

    fn is_set(&self, field: &str) -> bool {
        self.value.get(field).is_some_and(|value| !value.is_null())
    }
}

fn real(object: &Value, field: &str) -> Result<f64, LoadError> {
    let value = object.get(field).ok_or_else(|| wrong(field, "missing"))?;
    value.as_f64().ok_or_else(|| wrong(field, &format!("expected a number, found {value}")))
}

fn wrong(field: &str, reason: &str) -> LoadError {
    LoadError::Config { field: field.to_owned(), reason: reason.to_owned() }
}

/// Loads a directory in Hugging Face layout. A directory without `tokenizer.json` still gives a
/// model, for callers that bring ids.
pub fn hf_directory(directory: &Path, device: &Device) -> Result<Loaded, LoadError> {
    let value = read_json(&directory.join("config.json"))?;
    let model_type = value.get("model_type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let architecture = find(&model_type)?;
    let config = HfConfig::new(value);
    let config = checked_config((architecture.config_from_hf)(&config)?)?;
    let tokenizer = hf_tokenizer_bundle(directory)?;
    if let Some(tokenizer) = &tokenizer {
        check_tokenizer(token_count(&tokenizer.tokenizer_json, directory)?, &config)?;
    }
    let shards = shards(directory)?;
    let mut weights = HfWeights::open(&shards, architecture.hf_norm_offset, device)?;
    let tied = config.tie_word_embeddings;
    let model = decoder(config, architecture, &mut weights)?;
    refuse_leftover(weights.file_of.keys().filter(|name| !changes_nothing(name, tied)))?;
    Ok(Loaded { model, tokenizer, architecture: architecture.hf_model_type.to_owned() })
}

/// Rotary frequencies, which old checkpoints keep although they are computed, and a head that is the
/// embedding matrix anyway.
fn changes_nothing(tensor: &str, tied: bool) -> bool {
    tensor.ends_with(".rotary_emb.inv_freq") || (tied && tensor == "lm_head.weight")
}

fn find(model_type: &str) -> Result<&'static Architecture, LoadError> {
    ARCHITECTURES
        .iter()
        .find(|architecture| architecture.hf_model_type == model_type)
        .ok_or_else(|| LoadError::UnknownArchitecture { found: model_type.to_owned(), supported: names() })
}

/// Reads tokenizer, chat template and stop tokens; nothing where there is no `tokenizer.json`.
pub fn hf_tokenizer_bundle(directory: &Path) -> Result<Option<TokenizerBundle>, LoadError> {
    let file = directory.join("tokenizer.json");
    if !file.exists() {
        return Ok(None);
    }
    let tokenizer_json = read_text(&file)?;
    let optional = |name: &str| {
        let file = directory.join(name);
        if file.exists() { read_json(&file) } else { Ok(Value::Null) }
    };
    let (config, generation) = (optional("tokenizer_config.json")?, optional("generation_config.json")?);
    let token = |name: &str| match &config[name] {
        Value::String(text) => text.clone(),
        object => object["content"].as_str().unwrap_or_default().to_owned(),
    };
    let template_file = directory.join("chat_template.jinja");
    let chat_template = if template_file.exists() {
        Some(read_text(&template_file)?)
    } else {
        template(&config["chat_template"]).map(str::to_owned)
    };
    let model = read_json(&directory.join("config.json"))?;
    let eos = if generation["eos_token_id"].is_null() { &model["eos_token_id"] } else { &generation["eos_token_id"] };
    let ids = match eos {
        Value::Array(ids) => ids.iter().filter_map(Value::as_u64).collect(),
        id => id.as_u64().into_iter().collect::<Vec<u64>>(),
    };
    let stop_ids = ids.into_iter().filter_map(|id| id.try_into().ok()).collect();
    let (bos_token, eos_token) = (token("bos_token"), token("eos_token"));
    Ok(Some(TokenizerBundle { tokenizer_json, chat_template, bos_token, eos_token, stop_ids }))
}

/// A chat template, or the one called "default" of a list of them.
fn template(value: &Value) -> Option<&str> {
    let default = || value.as_array()?.iter().find(|named| named["name"] == "default")?["template"].as_str();
    value.as_str().or_else(default)
}

/// How many ids a `tokenizer.json` gives out: one more than the largest.
fn token_count(tokenizer_json: &str, directory: &Path) -> Result<usize, LoadError> {
    let file = || directory.join("tokenizer.json").display().to_string();
    let damaged = |reason: String| LoadError::Damaged { file: file(), reason };
    let tokenizer: Value = serde_json::from_str(tokenizer_json).map_err(|error| damaged(error.to_string()))?;
    let last_added = tokenizer["added_tokens"].as_array().into_iter().flatten().filter_map(|t| t["id"].as_u64()).max();
    let last = match &tokenizer["model"]["vocab"] {
        // Unigram vocabularies are lists, the others tables.
        Value::Array(pieces) => pieces.len().checked_sub(1).map(|last| last as u64),
        Value::Object(ids) => ids.values().filter_map(Value::as_u64).max(),
        _ => return Err(damaged("it has no model.vocab".to_owned())),
    };
    Ok(last.max(last_added).map_or(0, |last| last as usize + 1))
}

/// A file of weights and its name.
struct Shard {
    file: String,
    map: Mmap,
}

/// Maps every file that the index names, or the only one.
fn shards(directory: &Path) -> Result<Vec<Shard>, LoadError> {
    let index = directory.join("model.safetensors.index.json");
    let mut names: Vec<String> = if index.exists() {
        let index = read_json(&index)?;
        let map = index["weight_map"].as_object().ok_or_else(|| wrong("weight_map", "missing"))?;
        map.values().filter_map(Value::as_str).map(str::to_owned).collect()
    } else {
        vec!["model.safetensors".to_owned()]
    };
    names.sort();
    names.dedup();
    let shard = |name: String| {
        let path = directory.join(&name);
        let file = path.display().to_string();
        // A shard lies beside its index; a name that leads elsewhere is no shard.
        if Path::new(&name).components().count() != 1 || name.starts_with('.') {
            return Err(LoadError::Damaged { file, reason: "the index names a file outside the directory".to_owned() });
        }
        Ok(Shard { file, map: map(&path)? })
    };
    names.into_iter().map(shard).collect()
}

struct HfWeights<'a> {
    files: Vec<SliceSafetensors<'a>>,
    /// Tensors that nobody has taken yet.
    file_of: BTreeMap<String, usize>,
    /// Added to the weights of norms.
    norm_offset: f64,
    device: &'a Device,
}

impl<'a> HfWeights<'a> {
    fn open(shards: &'a [Shard], norm_offset: f64, device: &'a Device) -> Result<Self, LoadError> {
        let (mut files, mut file_of) = (Vec::new(), BTreeMap::new());
        for shard in shards {
            let file = SliceSafetensors::new(&shard.map)
                .map_err(|error| LoadError::Damaged { file: shard.file.clone(), reason: reason(&error) })?;
            file_of.extend(file.tensors().into_iter().map(|(tensor, _)| (tensor, files.len())));
            files.push(file);
        }
        Ok(HfWeights { files, file_of, norm_offset, device })
    }
}

impl Weights for HfWeights<'_> {
    fn take(&mut self, wanted: &Wanted) -> Result<Tensor, LoadError> {
        let name = &wanted.hf;
        let file = self.file_of.remove(name).ok_or_else(|| LoadError::MissingTensor { name: name.clone() })?;
        let failed = |error| LoadError::Tensor { name: name.clone(), reason: reason(&error) };
        let found = self.files[file].get(name).map_err(failed)?.dtype();
        if !DType::try_from(found).is_ok_and(|dtype| WEIGHT_TYPES.contains(&dtype)) {
            let (expected, found) = ("F32, F16 or BF16".to_owned(), format!("{found:?}"));
            return Err(LoadError::WrongType { name: name.clone(), expected, found });
        }
        let tensor = checked(name, self.files[file].load(name, self.device).map_err(failed)?, &wanted.shape)?;
        Ok(if wanted.is_norm && self.norm_offset != 0.0 { (tensor + self.norm_offset)? } else { tensor })
    }
}

/// What weights are stored in; integers and 8-bit floats need scales that nothing here reads.
const WEIGHT_TYPES: &[DType] = &[DType::F32, DType::F16, DType::BF16];

fn read_text(file: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(file).map_err(|source| io(file, source))
}

fn read_json(file: &Path) -> Result<Value, LoadError> {
    serde_json::from_str(&read_text(file)?)
        .map_err(|error| LoadError::Damaged { file: file.display().to_string(), reason: error.to_string() })
}

fn io(file: &Path, source: std::io::Error) -> LoadError {
    LoadError::Io { file: file.display().to_string(), source }
}
