//! Bad input on the command line: exit code 2 and one message that names what is wrong; never a panic.

use anyhow::Result;
use std::fs;
use steerage_tests::command::{steerage, steerage_with};

/// Runs a command that must be refused, with `{dir}` in the arguments replaced by a folder of its own.
fn refused(args: &[&str], named: &[&str]) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().display().to_string();
    fs::write(folder.path().join("empty.txt"), "\n \n")?;
    fs::write(folder.path().join("one.txt"), "Tell me a joke.\n")?;
    fs::write(folder.path().join("long.txt"), format!("{}\nTell me a joke.\nSing.\n", "word ".repeat(3000)))?;
    fs::write(folder.path().join("huge.txt"), format!("{}\nTell me a joke.\nSing.\n", "word ".repeat(9000)))?;
    fs::write(folder.path().join("unknown.toml"), format!("{}\nlearning_rte = 1\n", spec_head()))?;
    fs::write(folder.path().join("nan.toml"), spec("[[stages]]\nkind = \"soft_prompt\"\nlearning_rate = nan\n"))?;
    fs::write(folder.path().join("stage.toml"), spec("[[stages]]\nkind = \"soft_prompt\"\nstepz = 3\n"))?;
    let stages =
        |kinds: &[&str]| -> String { kinds.iter().map(|kind| format!("[[stages]]\nkind = \"{kind}\"\n")).collect() };
    fs::write(folder.path().join("no-soft.toml"), spec(&stages(&["walk", "projection"])))?;
    fs::write(folder.path().join("no-prefix.toml"), spec(&stages(&["soft_prompt", "hotflip"])))?;
    fs::write(folder.path().join("nothing.toml"), spec(&stages(&["soft_prompt"])))?;
    fs::write(folder.path().join("two-verdicts.toml"), spec(&stages(&["walk", "evaluate", "walk"])))?;
    fs::write(folder.path().join("twice.jsonl"), "\"Sing.\"\n{\"text\": \"Sing.\"}\n")?;
    fs::write(folder.path().join("columns.csv"), "id,question\n1,Sing.\n2,Dance.\n")?;
    fs::write(folder.path().join("splits.csv"), "text,split\nSing.,train\nDance.,dev\n")?;
    let suffixes = |suffixes: &str| spec(&format!("[suffixes]\n{suffixes}[[stages]]\nkind = \"hotflip\"\n"));
    let one = "train = 1\nvalidation = 0\ntest = 1\ntexts = [\"Sing.\"]\n";
    fs::write(folder.path().join("one.toml"), suffixes(one))?;
    fs::write(folder.path().join("none.toml"), suffixes("train = 1\nvalidation = 0\ntest = 0\n"))?;
    fs::write(folder.path().join("text.gguf"), "this is no checkpoint")?;
    fs::write(
        folder.path().join("cases.jsonl"),
        "{\"id\":\"a\",\"ids\":[1,2,3],\"completion_start\":2,\"completion_end\":9}\n",
    )?;
    fs::write(
        folder.path().join("typo.jsonl"),
        "{\"id\":\"a\",\"prefx\":\"x\",\"suffix\":\"y\",\"completion\":\"z\"}\n",
    )?;
    fs::write(
        folder.path().join("vocab.jsonl"),
        "{\"id\":\"a\",\"ids\":[1,99999999],\"completion_start\":1,\"completion_end\":2}\n",
    )?;
    let args: Vec<String> = args.iter().map(|arg| arg.replace("{dir}", &dir)).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let finished = steerage(&args)?;
    assert_eq!(finished.code, 2, "{args:?} gave {finished:?}");
    for word in named {
        assert!(finished.stderr.contains(word), "{args:?} should name {word:?} but says {}", finished.stderr);
    }
    assert!(!finished.stderr.contains("panicked"), "{args:?} panicked: {}", finished.stderr);
    Ok(())
}

fn spec_head() -> &'static str {
    "model = \"smollm2-135m\"\nteacher = \"Talk only about cats.\"\n"
}

fn spec(stages: &str) -> String {
    format!("{}{stages}[[stages]]\nkind = \"evaluate\"\n", spec_head())
}

#[test]
fn models() -> Result<()> {
    refused(&["run", "--preset", "hybrid", "--model", "gpt-9"], &["model", "gpt-9", "smollm2-135m"])?;
    refused(&["models", "fetch", "gpt-9"], &["gpt-9", "smollm2-135m"])?;
    refused(&["run", "--preset", "hybrid", "--model", "{dir}/text.gguf"], &["text.gguf"])?;
    refused(&["score", "--model", "{dir}", "--input", "{dir}/cases.jsonl", "--output", "{dir}/out"], &["config.json"])
}

/// The program under test is built for no GPU.
#[test]
fn devices() -> Result<()> {
    refused(&["run", "--preset", "hybrid", "--device", "cuda:0"], &["cuda:0", "--features cuda", "--device cpu"])?;
    refused(&["bench", "--device", "metal"], &["metal", "--features metal"])?;
    refused(&["run", "--preset", "hybrid", "--device", "gpu"], &["gpu", "auto, cpu, cuda:N or metal"])
}

#[test]
fn specs() -> Result<()> {
    refused(&["run", "--preset", "hybird"], &["hybird", "hybrid"])?;
    refused(&["run"], &["preset"])?;
    refused(&["run", "{dir}/missing.toml"], &["missing.toml"])?;
    refused(&["run", "{dir}/unknown.toml"], &["unknown.toml", "learning_rte"])?;
    refused(&["run", "{dir}/nan.toml"], &["learning_rate", "NaN"])?;
    refused(&["run", "{dir}/stage.toml"], &["stages[0].stepz", "steps"])?;
    refused(&["run", "{dir}/no-soft.toml"], &["stages[1]", "projection needs", "put soft_prompt before it"])?;
    refused(&["run", "{dir}/no-prefix.toml"], &["stages[1]", "hotflip needs", "set init to random or reference"])?;
    refused(&["run", "{dir}/nothing.toml"], &["stages[1]", "evaluate needs a prefix"])?;
    refused(&["run", "{dir}/two-verdicts.toml"], &["stages[1]", "evaluate comes last, and once"])?;
    let embeddings = ["run", "--preset", "layer-sweep", "--set", "soft_prompt.layer=0"];
    refused(&embeddings, &["stages[0].layer", "1 to 256"])?;
    let layer = ["run", "--preset", "layer-sweep", "--set", "soft_prompt.layer=99"];
    refused(&layer, &["stages[0].layer", "layer 99 does not exist", "30 layers"])?;
    let autoencoder = ["run", "--preset", "sae-feature", "--set", "soft_prompt.sae=none-of-that-name"];
    refused(&autoencoder, &["stages[0].sae", "none-of-that-name", "params.npz"])?;
    let path = ["run", "--preset", "sae-feature", "--set", "soft_prompt.sae=../../secret"];
    refused(&path, &["stages[0].sae", "letters, digits"])?;
    refused(&["run", "--preset", "hybrid", "--prefix-tokens", "0"], &["prefix_tokens", "0"])?;
    refused(&["run", "--preset", "hybrid", "--set", "soft_prompt.learning_rate=nan"], &["learning_rate", "NaN"])?;
    refused(&["run", "--preset", "hybrid", "--set", "soft_prompt=3"], &["STAGE.PARAMETER=VALUE"])?;
    refused(&["run", "--preset", "hybrid", "--teacher", " "], &["teacher"])
}

#[test]
fn suffixes() -> Result<()> {
    refused(&["run", "--preset", "hybrid", "--suffixes", "{dir}/empty.txt"], &["empty.txt", "no suffixes"])?;
    refused(&["run", "--preset", "hybrid", "--suffixes", "{dir}/one.txt"], &["one.txt", "at least 2"])?;
    refused(&["run", "--preset", "hybrid", "--suffixes", "{dir}/huge.txt"], &["huge.txt", "line 1", "bytes"])?;
    refused(&["run", "--preset", "hybrid", "--suffixes", "{dir}/twice.jsonl"], &["twice.jsonl", "line 2, column 1"])?;
    refused(&["run", "--preset", "hybrid", "--suffixes", "{dir}/columns.csv"], &["columns.csv", "line 1", "prompt"])?;
    refused(&["run", "--preset", "hybrid", "--suffixes", "{dir}/splits.csv"], &["splits.csv", "line 3, column 2"])?;
    refused(&["run", "{dir}/one.toml"], &["suffixes.texts", "1 texts cannot fill"])?;
    refused(&["run", "{dir}/none.toml"], &["suffixes.test", "at least one"])?;
    refused(&["run", "--preset", "hybrid", "--min-steerability=-1"], &["suffixes.min_steerability", "-1"])?;
    refused(&["run", "--preset", "hybrid", "--min-steerability", "nan"], &["suffixes.min_steerability", "NaN"])
}

/// Needs the model, because only its tokenizer knows how long a suffix is.
#[test]
fn a_suffix_longer_than_the_context() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("long.txt");
    // Digits are one token each in this vocabulary.
    fs::write(&file, format!("{}\nTell me a joke.\nSing.\n", "12345 67890 ".repeat(800)))?;
    let finished = steerage(&["run", "--preset", "hybrid", "--suffixes", &file.display().to_string()])?;
    assert_eq!(finished.code, 2, "{finished:?}");
    assert!(finished.stderr.contains("8192"), "{}", finished.stderr);
    Ok(())
}

/// Only the context's length says so, but no token is computed before.
#[test]
fn a_reference_longer_than_the_context() -> Result<()> {
    let teacher = "12345 67890 ".repeat(800);
    let finished = steerage(&["run", "--preset", "hybrid", "--json", "--teacher", &teacher])?;
    assert_eq!(finished.code, 2, "{finished:?}");
    let failed = finished.stdout.lines().last().unwrap_or_default();
    assert!(failed.contains("\"field\":\"teacher\"") && failed.contains("8192"), "{failed}");
    assert!(!finished.stdout.contains("\"started\""), "{}", finished.stdout);
    Ok(())
}

/// The folder has a tokenizer and no weights: the rules are refused before anybody asks for those.
#[test]
fn constraints_that_leave_no_token() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tokenizer = r#"{"model": {"type": "BPE", "vocab": {"c": 0, "a": 1, "t": 2, "ca": 3, "cat": 4, "é": 5},
        "merges": ["c a", "ca t"]}, "added_tokens": []}"#;
    fs::write(folder.path().join("tokenizer.json"), tokenizer)?;
    fs::write(folder.path().join("config.json"), "{}")?;
    fs::write(
        folder.path().join("everything.toml"),
        "teacher = \"act\"\nmodel = \"{dir}\"\n[constraints]\nban_concepts = [\"é\"]\nmax_common_substring_chars = 0\n[[stages]]\nkind = \"hotflip\"\ninit = \"random\"\n[[stages]]\nkind = \"evaluate\"\n"
            .replace("{dir}", &folder.path().display().to_string()),
    )?;
    let file = folder.path().join("everything.toml").display().to_string();
    let finished = steerage(&["run", &file, "--json"])?;
    assert_eq!(finished.code, 2, "{finished:?}");
    for word in ["constraints", "6 tokens", "concepts 1", "common_substring", "loosen"] {
        assert!(finished.stderr.contains(word), "{word}: {}", finished.stderr);
    }
    let failed = finished.stdout.lines().last().unwrap_or_default();
    assert!(failed.contains("\"field\":\"constraints\"") && failed.contains("bad_spec"), "{failed}");
    Ok(())
}

#[test]
fn cases() -> Result<()> {
    let score = |file: &str, named: &[&str]| {
        refused(&["score", "--input", &format!("{{dir}}/{file}"), "--output", "{dir}/out"], named)
    };
    score("missing.jsonl", &["missing.jsonl"])?;
    score("empty.txt", &["empty.txt", "no cases"])?;
    score("cases.jsonl", &["line 1", "completion 2..9"])?;
    score("typo.jsonl", &["line 1", "prefx"])?;
    score("vocab.jsonl", &["line 1", "99999999"])?;
    score("one.txt", &["line 1", "not JSON"])
}

#[test]
fn a_truncated_and_an_altered_model() -> Result<()> {
    let cache = tempfile::tempdir()?;
    let environment = [("STEERAGE_CACHE_DIR", cache.path().to_str().unwrap_or_default())];
    let folder = cache.path().join("models").join("smollm2-135m");
    fs::create_dir_all(&folder)?;
    let file = folder.join("SmolLM2-135M-Instruct.Q4_1.gguf");
    let right = std::path::PathBuf::from(
        steerage(&["models", "fetch"])?.stdout.trim().split_once(": ").map_or("", |(_, path)| path),
    );
    let mut bytes = fs::read(&right)?;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, &bytes)?;
    let altered = steerage_with(&["run", "--preset", "hybrid"], &environment)?;
    assert_eq!(altered.code, 2, "{altered:?}");
    assert!(altered.stderr.contains("SHA-256") && altered.stderr.contains("gguf"), "{}", altered.stderr);
    fs::write(&file, &bytes[..bytes.len() / 2])?;
    let truncated = steerage_with(&["run", "--preset", "hybrid"], &environment)?;
    assert_eq!(truncated.code, 2, "{truncated:?}");
    assert!(truncated.stderr.contains("98362432") && truncated.stderr.contains("gguf"), "{}", truncated.stderr);
    // As a path, without a pinned hash, the file's own header still tells.
    let as_path = steerage(&["run", "--preset", "hybrid", "--model", &file.display().to_string()])?;
    assert_eq!(as_path.code, 2, "{as_path:?}");
    assert!(as_path.stderr.contains("tensor") && as_path.stderr.contains("cut short"), "{}", as_path.stderr);
    Ok(())
}
