//! Reading `tests/goldens`; what the files hold stands in `make_goldens.py` there.

use candle_core::{Device, Tensor};
use serde::Deserialize;
use shared::model::Decoder;
use shared::model::load::{LoadError, Loaded, gguf_file, hf_directory};
use shared::tokens::PromptTokenizer;
use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A golden and the model that it is about.
pub struct Subject<'a> {
    pub golden: &'a Golden,
    pub model: &'a Decoder,
}

/// What transformers said about one checkpoint.
#[derive(Deserialize)]
pub struct Golden {
    pub name: String,
    /// What is odd about it.
    #[serde(default)]
    pub why: String,
    pub architecture: String,
    /// File or directory beside this one; the default model lies in the cache instead.
    #[serde(default)]
    pub checkpoint: String,
    pub early_k: usize,
    pub early_weight: f64,
    pub cases: Vec<Case>,
    pub greedy: Vec<Greedy>,
    #[serde(default)]
    pub stop_ids: Vec<u32>,
    #[serde(default)]
    pub texts: Vec<Text>,
    #[serde(default)]
    pub prompts: Vec<Prompt>,
    #[serde(default)]
    pub logits: Vec<Logits>,
    #[serde(skip)]
    pub tensors: HashMap<String, Tensor>,
}

/// A sequence with a prefix and a completion in it, both `[start, end)`.
#[derive(Deserialize)]
pub struct Case {
    pub id: String,
    pub ids: Vec<u32>,
    prefix: [usize; 2],
    completion: [usize; 2],
    /// One a completion token, in nats.
    pub nll: Vec<f32>,
    pub weighted_ce: f64,
}

#[derive(Deserialize)]
pub struct Greedy {
    pub prompt: Vec<u32>,
    pub stop_ids: Vec<u32>,
    pub completion: Vec<u32>,
}

#[derive(Deserialize)]
pub struct Text {
    pub text: String,
    pub ids: Vec<u32>,
    /// What the ids decode to, where that is not the text.
    pub decoded: Option<String>,
}

#[derive(Deserialize)]
pub struct Prompt {
    pub message: String,
    pub text: String,
    pub ids: Vec<u32>,
}

/// Logits of a model whose vocabulary is too large to keep all of them.
#[derive(Deserialize)]
pub struct Logits {
    pub case: String,
    pub positions: Vec<u32>,
    /// The most likely tokens at each position.
    pub top_ids: Vec<Vec<u32>>,
}

impl Case {
    pub fn prefix(&self) -> Range<usize> {
        self.prefix[0]..self.prefix[1]
    }

    pub fn completion(&self) -> Range<usize> {
        self.completion[0]..self.completion[1]
    }

    /// The same layout over other ids; its expected numbers are those of `case`, and wrong.
    pub fn with_ids(case: &Case, ids: Vec<u32>) -> Case {
        Case { id: case.id.clone(), ids, nll: Vec::new(), weighted_ce: f64::NAN, ..*case }
    }

    /// The ids of the completion.
    pub fn targets(&self) -> &[u32] {
        &self.ids[self.completion()]
    }
}

impl Golden {
    /// Reads `<stem>.json` and `<stem>.safetensors`.
    pub fn read(stem: &Path) -> Golden {
        let json = stem.with_extension("json");
        let text = fs::read_to_string(&json).unwrap_or_else(|error| panic!("{}: {error}", json.display()));
        let golden: Golden = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", json.display()));
        let tensors = candle_core::safetensors::load(stem.with_extension("safetensors"), &Device::Cpu).unwrap();
        Golden { tensors, ..golden }
    }

    pub fn is_gguf(&self) -> bool {
        self.checkpoint.ends_with(".gguf")
    }

    /// The checkpoint's file or directory.
    pub fn path(&self) -> PathBuf {
        folder().join("tiny").join(&self.checkpoint)
    }

    pub fn load(&self) -> Loaded {
        self.load_on(&Device::Cpu)
    }

    pub fn load_on(&self, device: &Device) -> Loaded {
        let path = self.path();
        let loaded = if self.is_gguf() { gguf_file(&path, device) } else { hf_directory(&path, device) };
        loaded.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    pub fn tokenizer(&self) -> PromptTokenizer {
        let bundle = self.load().tokenizer.unwrap_or_else(|| panic!("{} has no tokenizer", self.name));
        PromptTokenizer::new(&bundle).unwrap()
    }

    /// An expected tensor, where the golden keeps it.
    pub fn tensor(&self, case: &Case, what: &str) -> Option<&Tensor> {
        self.tensors.get(&format!("{}.{what}", case.id))
    }
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens")
}

/// The goldens of all small checkpoints, by name.
pub fn tiny() -> Vec<Golden> {
    let entries = fs::read_dir(folder().join("tiny")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    files.sort();
    assert!(files.len() >= 10, "only {} goldens in {}", files.len(), folder().display());
    files.iter().map(|file| Golden::read(file)).collect()
}

/// One golden by name.
pub fn named(name: &str) -> Golden {
    Golden::read(&folder().join("tiny").join(name))
}

/// What is wrong with how a damaged checkpoint was refused: the error must fit one line and contain
/// every one of `parts`.
pub fn refused(what: &str, outcome: Result<Loaded, LoadError>, parts: &[&str]) -> Vec<String> {
    let Err(error) = outcome else { return vec![format!("{what}: it loads")] };
    let text = error.to_string();
    let missing = parts.iter().filter(|part| !text.contains(**part));
    let mut problems: Vec<String> = missing.map(|part| format!("{what}: {part:?} is not in {text:?}")).collect();
    if text.lines().count() != 1 {
        problems.push(format!("{what}: not one line: {text:?}"));
    }
    problems
}

/// Largest absolute difference; the shapes must be equal.
pub fn max_difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    if a.elem_count() == 0 {
        return 0.0;
    }
    (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

/// `‖a − b‖ / ‖b‖`; where `b` is zero, as for a prefix that no window reaches, `‖a‖`.
pub fn relative_error(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let norm = |x: &Tensor| x.sqr().unwrap().sum_all().unwrap().sqrt().unwrap().to_scalar::<f32>().unwrap();
    let expected = norm(b);
    norm(&(a - b).unwrap()) / if expected == 0.0 { 1.0 } else { expected }
}
