//! Hugging Face directories that are not what they should be.

use crate::goldens::{named, refused};
use candle_core::{DType, Device, Tensor, safetensors};
use serde_json::{Value, json};
use shared::model::load::{LoadError, Loaded, hf_directory};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A copy of a golden checkpoint to be spoilt.
struct Copy {
    dir: TempDir,
}

impl Copy {
    fn of(golden: &str) -> Copy {
        let dir = TempDir::new().unwrap();
        for entry in fs::read_dir(named(golden).path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        Copy { dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load(&self) -> Result<Loaded, LoadError> {
        hf_directory(self.dir.path(), &Device::Cpu)
    }

    /// Sets a field of a JSON file, or takes it away.
    fn json(self, file: &str, field: &str, value: Option<Value>) -> Copy {
        let path = self.file(file);
        let mut object: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        match value {
            Some(value) => object[field] = value,
            None => drop(object.as_object_mut().unwrap().remove(field)),
        }
        fs::write(&path, object.to_string()).unwrap();
        self
    }

    fn config(self, field: &str, value: Value) -> Copy {
        self.json("config.json", field, Some(value))
    }

    fn weights(self, change: impl FnOnce(&mut HashMap<String, Tensor>)) -> Copy {
        let path = self.file("model.safetensors");
        let mut tensors = safetensors::load(&path, &Device::Cpu).unwrap();
        change(&mut tensors);
        safetensors::save(&tensors, &path).unwrap();
        self
    }

    fn bytes(self, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Copy {
        let path = self.file(file);
        let bytes = change(fs::read(&path).unwrap());
        fs::write(&path, bytes).unwrap();
        self
    }

    fn bytes_or_new(self, file: &str, content: &[u8]) -> Copy {
        fs::write(self.file(file), content).unwrap();
        self
    }

    /// A byte-level vocabulary of that many tokens, the last of them an added one.
    fn tokenizer(self, tokens: usize) -> Copy {
        let vocab: HashMap<String, usize> = (0..tokens - 1).map(|id| (format!("t{id}"), id)).collect();
        let tokenizer = json!({
            "added_tokens": [{"id": tokens - 1, "content": "<s>"}],
            "model": {"type": "BPE", "vocab": vocab, "merges": []},
        });
        self.bytes_or_new("tokenizer.json", tokenizer.to_string().as_bytes())
    }

    fn without(self, file: &str) -> Copy {
        fs::remove_file(self.file(file)).unwrap();
        self
    }
}

/// Overwrites the first value.
fn poison(tensors: &mut HashMap<String, Tensor>, name: &str, value: f32) {
    let shape = tensors[name].shape().clone();
    let mut values = tensors[name].flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values[0] = value;
    tensors.insert(name.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
}

#[test]
fn every_damage_is_named() {
    // heads 6:2 of 16, hidden 48, three layers, vocabulary 131, own head.
    let plain = || Copy::of("gqa3-wide-heads");
    let shards = || Copy::of("bf16-shards");
    let index = "model.safetensors.index.json";
    let embed = "model.embed_tokens.weight";
    let mut problems = Vec::new();
    let mut row = |what: &str, copy: Copy, parts: &[&str]| problems.extend(refused(what, copy.load(), parts));
    row("no config", plain().without("config.json"), &["config.json"]);
    row("config is no JSON", plain().bytes("config.json", |_| b"{\"model_type\": ".to_vec()), &["config.json"]);
    row(
        "architecture",
        plain().config("model_type", json!("gpt_neox")),
        &["\"gpt_neox\"", "supported are gemma2, llama"],
    );
    row("no architecture", plain().json("config.json", "model_type", None), &["architecture"]);
    row("missing field", plain().json("config.json", "hidden_size", None), &["hidden_size", "missing"]);
    row("text for a number", plain().config("hidden_size", json!("48")), &["hidden_size", "\"48\""]);
    row("negative number", plain().config("num_hidden_layers", json!(-1)), &["num_hidden_layers", "-1"]);
    row("no heads", plain().config("num_attention_heads", json!(0)), &["num_attention_heads", "found 0"]);
    row(
        "heads that do not divide",
        plain().config("num_key_value_heads", json!(4)),
        &["num_key_value_heads", "4", "6"],
    );
    row("odd heads", plain().config("head_dim", json!(15)), &["head_dim", "15"]);
    row("absurd vocabulary", plain().config("vocab_size", json!(1_u64 << 40)), &["vocab_size", "1099511627776"]);
    row("attention bias", plain().config("attention_bias", json!(true)), &["attention_bias"]);
    row("another activation", plain().config("hidden_act", json!("gelu")), &["hidden_act", "gelu"]);
    row("unknown rope scaling", plain().config("rope_scaling", json!({"rope_type": "yarn", "factor": 2.0})), &["yarn"]);
    row(
        "rope scaling without factor",
        plain().config("rope_scaling", json!({"rope_type": "linear"})),
        &["factor", "missing"],
    );
    row("rope base zero", plain().config("rope_theta", json!(0.0)), &["rope_theta", "0"]);
    row("negative eps", plain().config("rms_norm_eps", json!(-1.0)), &["rms_norm_eps", "-1"]);
    row("another width", plain().config("hidden_size", json!(64)), &[embed, "[131, 64]", "[131, 48]"]);
    row(
        "another head width",
        plain().config("head_dim", json!(8)),
        &["model.layers.0.self_attn.q_proj.weight", "[48, 48]", "[96, 48]"],
    );
    row(
        "more layers",
        plain().config("num_hidden_layers", json!(4)),
        &["model.layers.3.input_layernorm.weight", "missing"],
    );
    row("fewer layers", plain().config("num_hidden_layers", json!(2)), &["model.layers.2."]);
    row("no weights", plain().without("model.safetensors"), &["model.safetensors"]);
    row("missing tensor", plain().weights(|t| drop(t.remove("lm_head.weight"))), &["lm_head.weight", "missing"]);
    row(
        "tensor that changes the result",
        plain().weights(|t| {
            let bias = t["model.norm.weight"].clone();
            t.insert("model.layers.1.mlp.down_proj.bias".to_owned(), bias);
        }),
        &["model.layers.1.mlp.down_proj.bias"],
    );
    row("not a number", plain().weights(|t| poison(t, embed, f32::NAN)), &[embed, "not finite", "NaN at element 0"]);
    row(
        "integers for weights",
        plain().weights(|t| {
            let integers = t["lm_head.weight"].to_dtype(DType::I64).unwrap();
            t.insert("lm_head.weight".to_owned(), integers);
        }),
        &["lm_head.weight", "I64", "expected F32, F16 or BF16"],
    );
    row("a tokenizer too small", plain().tokenizer(130), &["130 tokens", "expected 131", "vocab_size"]);
    row("a tokenizer too large", plain().tokenizer(132), &["132 tokens", "expected 131", "vocab_size"]);
    row(
        "a tokenizer without tokens",
        plain().bytes_or_new("tokenizer.json", b"{}"),
        &["tokenizer.json", "model.vocab"],
    );
    row(
        "infinite",
        plain().weights(|t| poison(t, "model.norm.weight", f32::INFINITY)),
        &["model.norm.weight", "not finite"],
    );
    row(
        "cut in the data",
        plain().bytes("model.safetensors", |mut b| {
            b.truncate(b.len() - 9);
            b
        }),
        &["model.safetensors"],
    );
    row(
        "cut in the header",
        plain().bytes("model.safetensors", |mut b| {
            b.truncate(100);
            b
        }),
        &["model.safetensors"],
    );
    row("empty weights", plain().bytes("model.safetensors", |_| Vec::new()), &["model.safetensors"]);
    row(
        "absurd header",
        plain().bytes("model.safetensors", |mut b| {
            b[..8].fill(0xff);
            b
        }),
        &["model.safetensors"],
    );
    row(
        "another format",
        plain().bytes("model.safetensors", |_| b"PK\x03\x04 this is a zip archive".to_vec()),
        &["model.safetensors"],
    );
    row("missing shard", shards().without("model-00002-of-00002.safetensors"), &["model-00002-of-00002.safetensors"]);
    row("index without map", shards().json(index, "weight_map", None), &["weight_map", "missing"]);
    row(
        "index that leads elsewhere",
        shards().json(index, "weight_map", Some(json!({embed: "../model.safetensors"}))),
        &["outside the directory"],
    );
    row(
        "tokenizer is no JSON",
        {
            let copy = plain();
            fs::write(copy.file("tokenizer_config.json"), "[").unwrap();
            fs::write(copy.file("tokenizer.json"), "{}").unwrap();
            copy
        },
        &["tokenizer_config.json"],
    );
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = hf_directory(Path::new("no/such/directory"), &Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("config.json"), "{error}");
}
