//! GGUF files that are not what they should be: each is refused with an error that says what and
//! where, and none makes the loader panic.

use crate::goldens::{named, refused};
use candle_core::Device;
use candle_core::quantized::gguf_file::Content;
use shared::model::load::{LoadError, Loaded, gguf};
use std::io::Cursor;

const FILE: &str = "some-model.gguf";

fn bytes(golden: &str) -> Vec<u8> {
    std::fs::read(named(golden).path()).unwrap()
}

fn load(bytes: &[u8]) -> Result<Loaded, LoadError> {
    gguf(&mut Cursor::new(bytes), FILE, &Device::Cpu)
}

/// Where some bytes stand; the first time.
fn find(bytes: &[u8], what: &[u8]) -> usize {
    let at = bytes.windows(what.len()).position(|window| window == what);
    at.unwrap_or_else(|| panic!("{:?} is not in the file", String::from_utf8_lossy(what)))
}

/// Overwrites `old` with as many other bytes.
fn swap(mut bytes: Vec<u8>, old: &str, new: &str) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let at = find(&bytes, old.as_bytes());
    bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    bytes
}

/// Overwrites the text value of a metadata field, which is stored as type 8, length, text.
fn set_text(mut bytes: Vec<u8>, field: &str, new: &str) -> Vec<u8> {
    let at = find(&bytes, field.as_bytes()) + field.len();
    assert_eq!(bytes[at..at + 4], 8_u32.to_le_bytes());
    assert_eq!(bytes[at + 4..at + 12], (new.len() as u64).to_le_bytes());
    bytes[at + 12..at + 12 + new.len()].copy_from_slice(new.as_bytes());
    bytes
}

/// Overwrites the 32-bit value of a metadata field, which is stored as type, value.
fn set_number(mut bytes: Vec<u8>, field: &str, new: [u8; 4]) -> Vec<u8> {
    // With its length, because some names begin with others.
    let name = [&(field.len() as u64).to_le_bytes(), field.as_bytes()].concat();
    let at = find(&bytes, &name) + name.len() + 4;
    bytes[at..at + 4].copy_from_slice(&new);
    bytes
}

/// Exchanges the two dimensions of a matrix; its size stays.
fn transpose(mut bytes: Vec<u8>, tensor: &str) -> Vec<u8> {
    let at = find(&bytes, tensor.as_bytes()) + tensor.len();
    assert_eq!(bytes[at..at + 4], 2_u32.to_le_bytes());
    let (first, second) = (at + 4, at + 12);
    for offset in 0..8 {
        bytes.swap(first + offset, second + offset);
    }
    bytes
}

/// Overwrites the type of a matrix.
fn set_type(mut bytes: Vec<u8>, tensor: &str, kind: u32) -> Vec<u8> {
    let at = find(&bytes, tensor.as_bytes()) + tensor.len() + 20;
    bytes[at..at + 4].copy_from_slice(&kind.to_le_bytes());
    bytes
}

/// Overwrites the outer dimension of a matrix.
fn set_rows(mut bytes: Vec<u8>, tensor: &str, rows: u64) -> Vec<u8> {
    let at = find(&bytes, tensor.as_bytes()) + tensor.len() + 12;
    bytes[at..at + 8].copy_from_slice(&rows.to_le_bytes());
    bytes
}

/// Overwrites the first value of an f32 tensor.
fn poison(mut bytes: Vec<u8>, tensor: &str, value: f32) -> Vec<u8> {
    let content = Content::read(&mut Cursor::new(&bytes)).unwrap();
    let at = (content.tensor_data_offset + content.tensor_infos[tensor].offset) as usize;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

fn cut(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.truncate(length);
    bytes
}

#[test]
fn every_damage_is_named() {
    // heads 6:2 of 16, hidden 48, two layers, vocabulary 113, context 128.
    let plain = || bytes("gguf-f32-wide-heads");
    let with_tokenizer = || bytes("gguf-q8_0");
    let linear = || bytes("gguf-f16-linear");
    let length = plain().len();
    let u32 = u32::to_le_bytes;
    let mut problems = Vec::new();
    let mut row = |what: &str, bytes: Vec<u8>, parts: &[&str]| problems.extend(refused(what, load(&bytes), parts));
    row("empty", Vec::new(), &[FILE]);
    row("another format", b"PK\x03\x04 this is a zip archive".to_vec(), &[FILE, "magic"]);
    row("wrong magic", swap(plain(), "GGUF", "GGUX"), &[FILE, "magic"]);
    row("unknown version", swap(plain(), "GGUF\x03", "GGUF\x63"), &[FILE, "version", "99"]);
    row("cut in the header", cut(plain(), 300), &[FILE]);
    row("cut in the data", cut(plain(), length - 2000), &[FILE, "tensor ", &format!("{} bytes", length - 2000)]);
    row(
        "architecture",
        set_text(plain(), "general.architecture", "lamma"),
        &["\"lamma\"", "supported are gemma2, llama"],
    );
    row("no architecture", swap(plain(), "general.architecture", "general.orchitecture"), &["architecture"]);
    row("no layers field", swap(plain(), "llama.block_count", "llama.block_coumt"), &["llama.block_count", "missing"]);
    row("too many layers", set_number(plain(), "llama.block_count", u32(3)), &["blk.2.attn_norm.weight", "missing"]);
    row(
        "absurdly many layers",
        set_number(plain(), "llama.block_count", u32(u32::MAX)),
        &["num_hidden_layers", "4294967295"],
    );
    row("no heads", set_number(plain(), "llama.attention.head_count", u32(0)), &["num_attention_heads", "found 0"]);
    row(
        "heads that do not divide",
        set_number(plain(), "llama.attention.head_count_kv", u32(4)),
        &["num_key_value_heads", "4", "6"],
    );
    let odd = set_number(plain(), "llama.attention.key_length", u32(15));
    row("odd heads", set_number(odd, "llama.rope.dimension_count", u32(15)), &["head_dim", "15"]);
    row(
        "partial rotation",
        set_number(plain(), "llama.rope.dimension_count", u32(8)),
        &["llama.rope.dimension_count", "8"],
    );
    row("no context", set_number(plain(), "llama.context_length", u32(0)), &["context_length", "found 0"]);
    row(
        "eps not finite",
        set_number(plain(), "llama.attention.layer_norm_rms_epsilon", f32::NAN.to_le_bytes()),
        &["layer_norm_rms_epsilon", "NaN"],
    );
    row("rope base zero", set_number(plain(), "llama.rope.freq_base", 0_f32.to_le_bytes()), &["rope", "0"]);
    row(
        "unknown rope scaling",
        set_text(linear(), "llama.rope.scaling.type", "yarned"),
        &["llama.rope.scaling.type", "yarned"],
    );
    row("rope factor zero", set_number(linear(), "llama.rope.scaling.factor", 0_f32.to_le_bytes()), &["factor", "0"]);
    row(
        "missing tensor",
        swap(plain(), "blk.1.ffn_up.weight", "blk.1.ffn_op.weight"),
        &["blk.1.ffn_up.weight", "missing"],
    );
    // What is left over would have changed the result: a layer here, a bias elsewhere.
    row("fewer layers", set_number(plain(), "llama.block_count", u32(1)), &["blk.1."]);
    row(
        "another width",
        set_number(plain(), "llama.embedding_length", u32(64)),
        &["token_embd.weight", "[113, 64]", "[113, 48]"],
    );
    row(
        "another feed-forward width",
        set_number(plain(), "llama.feed_forward_length", u32(60)),
        &["blk.0.ffn_gate.weight", "[60, 48]", "[64, 48]"],
    );
    row(
        "transposed tensor",
        transpose(plain(), "blk.0.attn_k.weight"),
        &["blk.0.attn_k.weight", "[32, 48]", "[48, 32]"],
    );
    row("not a number", poison(plain(), "output_norm.weight", f32::NAN), &["output_norm.weight", "not finite"]);
    row(
        "infinite",
        poison(plain(), "blk.1.ffn_down.weight", f32::NEG_INFINITY),
        &["blk.1.ffn_down.weight", "not finite"],
    );
    row(
        "unknown tokenizer",
        set_text(with_tokenizer(), "tokenizer.ggml.model", "gptX"),
        &["tokenizer.ggml.model", "gptX"],
    );
    row(
        "unknown pre-tokenizer",
        set_text(with_tokenizer(), "tokenizer.ggml.pre", "smollX"),
        &["tokenizer.ggml.pre", "smollX"],
    );
    row("token twice", swap(with_tokenizer(), "<|im_start|>", "<|im_end|>\0\0"), &["tokenizer.ggml.tokens", "twice"]);
    row(
        "no token types",
        swap(with_tokenizer(), "tokenizer.ggml.token_type", "tokenizer.ggml.token_tipe"),
        &["tokenizer.ggml.token_type", "missing"],
    );
    row(
        "no merges",
        swap(with_tokenizer(), "tokenizer.ggml.merges", "tokenizer.ggml.mergez"),
        &["tokenizer.ggml.merges", "missing"],
    );
    row(
        "stop token outside the vocabulary",
        set_number(with_tokenizer(), "tokenizer.ggml.eos_token_id", u32(300)),
        &["tokenizer.ggml.eos_token_id", "300"],
    );
    let gemma = || bytes("gguf-gemma2-f32");
    row("no window", set_number(gemma(), "gemma2.attention.sliding_window", u32(0)), &["sliding_window", "found 0"]);
    row(
        "soft-cap of zero",
        set_number(gemma(), "gemma2.final_logit_softcapping", 0_f32.to_le_bytes()),
        &["final_logit_softcapping", "0"],
    );
    row(
        "missing norm",
        swap(gemma(), "blk.2.post_ffw_norm.weight", "blk.2.post_ffx_norm.weight"),
        &["blk.2.post_ffw_norm.weight", "missing"],
    );
    let with_freqs = || bytes("gguf-rope-freqs");
    row("rope factor of zero", poison(with_freqs(), "rope_freqs.weight", 0.0), &["rope_freqs.weight", "0"]);
    row("an unknown type", set_type(plain(), "token_embd.weight", 20), &["GGML type 20", FILE, "not supported"]);
    row(
        "a tokenizer larger than the embedding",
        set_rows(with_tokenizer(), "token_embd.weight", 299),
        &["300 tokens", "expected 299", "vocab_size"],
    );
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for golden in ["gguf-f32-wide-heads", "gguf-q4_1"] {
        let whole = bytes(golden);
        // The last tensor may be followed by padding, which nobody misses.
        for length in (0..whole.len() - 32).step_by(811) {
            assert!(load(&whole[..length]).is_err(), "{golden} cut to {length} of {} bytes loads", whole.len());
        }
    }
}

/// Every byte of the header is inverted, its lowest and its highest bit flipped: whatever it then
/// claims, the answer is a model or an error.
#[test]
fn no_flipped_byte_in_a_header_makes_the_loader_panic() {
    for (golden, step) in [("gguf-f32-wide-heads", 1), ("gguf-q8_0", 13)] {
        let mut bytes = bytes(golden);
        let header = Content::read(&mut Cursor::new(&bytes)).unwrap().tensor_data_offset as usize;
        let mut refused = 0;
        for at in (0..header).step_by(step) {
            for mask in [0x01, 0x80, 0xff] {
                bytes[at] ^= mask;
                refused += usize::from(load(&bytes).is_err());
                bytes[at] ^= mask;
            }
        }
        assert!(refused > header / step, "{golden}: only {refused} refused, {header} bytes of header");
    }
}
