//! The hub's client against a stand-in for the hub.

use super::super::known::{HubSource, KnownFile, KnownModel, Source};
use super::super::*;
use super::stub::{Answer, Stub};
use super::{sha256, weights};
use tempfile::TempDir;

const NAME: &str = "tiny";
const TOKEN: &str = "hf_secret";
const REVISION: &str = "0123456789012345678901234567890123456789";

/// A model of two files: a short one, then one of several chunks.
fn tiny() -> KnownModel {
    let file = |name, bytes: &[u8]| KnownFile { name, size_bytes: bytes.len() as u64, sha256: sha256(bytes).leak() };
    KnownModel {
        name: NAME,
        title: "Tiny",
        architecture: "llama",
        licence: "MIT",
        context_length: 8,
        files: vec![file("config.json", CONFIG), file("model.safetensors", &weights())],
        source: Source::Hub(HubSource { repository: "owner/tiny", revision: REVISION }),
    }
}

const CONFIG: &[u8] = b"{\"model_type\": \"llama\"}";

/// A store whose hub is a stand-in; the answers are those after the short file's.
struct Bench {
    dir: TempDir,
    store: ModelStore,
    stub: Stub,
}

impl Bench {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Bench {
        Self::answering([Answer::File(CONFIG.to_vec())].into_iter().chain(answers))
    }

    fn answering(answers: impl IntoIterator<Item = Answer>) -> Bench {
        let (dir, stub) = (TempDir::new().unwrap(), Stub::new(answers));
        let store = ModelStore {
            hub: stub.address(),
            token: Some(TOKEN.to_owned()),
            known: vec![tiny()],
            ..ModelStore::new(dir.path().to_owned())
        };
        Bench { dir, store, stub }
    }

    fn fetch(&self) -> Result<PathBuf, ModelError> {
        self.store.fetch(NAME, &mut |_| {})
    }

    fn partial_bytes(&self) -> u64 {
        let partial = self.dir.path().join("models").join(NAME).join(".partial/model.safetensors");
        fs::metadata(partial).map_or(0, |metadata| metadata.len())
    }

    /// A fetch that must fail with `parts` in its text and a hint, and leave no model behind.
    fn fails_with(&self, parts: &[&str]) -> ModelError {
        let error = self.fetch().unwrap_err();
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
        assert_eq!(text.lines().count(), 1, "{text}");
        let hint = error.hint().unwrap_or_else(|| panic!("no hint for {text:?}"));
        assert!(!format!("{text} {hint} {error:?}").contains(TOKEN), "the token is shown: {error:?}");
        assert!(self.store.path(NAME).is_err() && !self.store.entries()[0].available, "{text}");
        error
    }
}

#[test]
fn files_are_fetched_once() {
    let bench = Bench::new([Answer::File(weights())]);
    let mut seen = Vec::new();
    let path = bench.store.fetch(NAME, &mut |progress| seen.push(progress)).unwrap();
    assert_eq!(fs::read(path.join("config.json")).unwrap(), CONFIG);
    assert_eq!(fs::read(path.join("model.safetensors")).unwrap(), weights());
    let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".lock", "config.json", "model.safetensors"]);

    let total_bytes = (CONFIG.len() + weights().len()) as u64;
    assert_eq!(seen.last(), Some(&FetchProgress::Downloading { done_bytes: total_bytes, total_bytes }));
    let done: Vec<u64> = (seen.iter())
        .map(|progress| match progress {
            FetchProgress::Downloading { done_bytes, .. } => *done_bytes,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(done.is_sorted(), "{done:?}");

    let requests = bench.stub.requests();
    let paths: Vec<String> =
        ["config.json", "model.safetensors"].iter().map(|f| format!("/owner/tiny/resolve/{REVISION}/{f}")).collect();
    assert_eq!(requests.iter().map(|request| &request.path).collect::<Vec<_>>(), paths.iter().collect::<Vec<_>>());
    assert!(requests.iter().all(|request| request.authorization.as_deref() == Some("Bearer hf_secret")));

    assert_eq!(bench.fetch().unwrap(), path);
    assert_eq!(bench.stub.requests().len(), 2);
    let verified = bench.store.verify(NAME).unwrap();
    assert_eq!((verified.path, verified.size_bytes), (path, total_bytes));
    let list = format!("{}  config.json\n{}  model.safetensors\n", sha256(CONFIG), sha256(&weights()));
    assert_eq!(verified.sha256, sha256(list.as_bytes()));
    assert_eq!(verified.sha256, bench.store.entries()[0].sha256);
}

#[test]
fn a_gated_repository_says_what_to_do() {
    for status in [401, 403] {
        let mut bench = Bench::answering([Answer::Status(status)]);
        bench.store.token = None;
        let error = bench.fails_with(&["owner/tiny", "gated", "no token"]);
        let hint = error.hint().unwrap();
        assert!(hint.contains("HF_TOKEN") && hint.contains("/owner/tiny"), "{hint}");
        assert_eq!(bench.stub.requests().len(), 1, "no other attempt helps");
    }
    let error = Bench::answering([Answer::Status(403)]).fails_with(&["owner/tiny", "your token", "403"]);
    assert!(error.hint().unwrap().contains("accept the licence"));
    let error = Bench::answering([Answer::Status(401)]).fails_with(&["owner/tiny", "your token", "401"]);
    assert!(error.hint().unwrap().contains("expired"));
}

#[test]
fn a_broken_connection_is_taken_up() {
    let bench = Bench::new([
        Answer::Cut(weights(), 1_000_000),
        Answer::Status(503),
        Answer::Cut(weights(), 500_000),
        Answer::File(weights()),
    ]);
    let path = bench.fetch().unwrap();
    assert_eq!(fs::read(path.join("model.safetensors")).unwrap(), weights());
    let from = |at: usize| Some(format!("bytes={at}-"));
    assert_eq!(bench.stub.ranges(), [None, None, from(1_000_000), from(1_000_000), from(1_500_000)]);
}

#[test]
fn a_later_fetch_goes_on_where_one_stopped() {
    let bench = Bench::new([Answer::Cut(weights(), 1_000_000), Answer::Status(503)]);
    bench.fails_with(&["model.safetensors", "503", "1000000 of 3000000 bytes are kept", &bench.stub.address()]);
    assert_eq!(bench.partial_bytes(), 1_000_000);
    // Only the short file is in its place: that is no model.
    assert!(matches!(bench.store.path(NAME), Err(ModelError::NotFetched { .. })));

    let again = Stub::new([Answer::File(weights())]);
    let store = ModelStore { hub: again.address(), ..bench.store.clone() };
    let path = store.fetch(NAME, &mut |_| {}).unwrap();
    assert_eq!(fs::read(path.join("model.safetensors")).unwrap(), weights());
    assert_eq!(again.ranges(), [Some("bytes=1000000-".to_owned())]);
}

#[test]
fn a_hub_that_ignores_where_we_are_is_read_from_the_start() {
    let bench =
        Bench::new([Answer::Cut(weights(), 700_000), Answer::WrongPart(weights()), Answer::WholeFile(weights())]);
    let path = bench.fetch().unwrap();
    assert_eq!(fs::read(path.join("model.safetensors")).unwrap(), weights());
    assert_eq!(bench.stub.requests().len(), 4);
}

#[test]
fn other_files_than_the_pinned_are_refused() {
    let good = weights();
    let mut altered = good.clone();
    altered[1_234_567] ^= 1;
    let bench = Bench::new([Answer::File(altered.clone())]);
    bench.fails_with(&["model.safetensors", &sha256(&good), &sha256(&altered)]);
    assert_eq!(bench.partial_bytes(), 0, "a wrong file is not taken up again");

    let short = good[..good.len() - 1].to_vec();
    let long = [&good[..], &[0]].concat();
    Bench::new([Answer::File(short)]).fails_with(&["model.safetensors", "expected 3000000 bytes", "found 2999999"]);
    Bench::new([Answer::File(long.clone())]).fails_with(&["expected 3000000 bytes", "found 3000001"]);
    let bench = Bench::new([Answer::Unmeasured(long)]);
    bench.fails_with(&["expected 3000000 bytes", "found 3000001"]);
    assert_eq!(bench.partial_bytes(), 0);
    // After a part of the right length, the rest of another file is seen by the hash.
    let bench =
        Bench::new([Answer::Cut(good.clone(), 1_500_000), Answer::File(altered.iter().rev().copied().collect())]);
    bench.fails_with(&["model.safetensors", &sha256(&good)]);
}

#[test]
fn the_token_stays_with_the_hub() {
    let files = Stub::new([Answer::File(CONFIG.to_vec()), Answer::File(weights())]);
    let elsewhere = format!("http://localhost:{}", files.port);
    let bench = Bench::answering([Answer::Redirect(elsewhere)]);
    bench.fetch().unwrap();
    assert!(bench.stub.requests().iter().all(|request| request.authorization.is_some()));
    assert_eq!(files.requests().len(), 2);
    assert!(files.requests().iter().all(|request| request.authorization.is_none()), "{:?}", files.requests());
}

#[test]
fn what_will_not_change_is_not_tried_again() {
    let bench = Bench::answering([Answer::Status(404)]);
    bench.fails_with(&["config.json", "404"]);
    assert_eq!(bench.stub.requests().len(), 1);
}

#[test]
fn no_network_is_said_plainly() {
    // A port that nobody listens on any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut bench = Bench::new([]);
    bench.store.hub = format!("http://127.0.0.1:{port}");
    let error = bench.fails_with(&["config.json", &bench.store.hub]);
    assert!(error.hint().unwrap().contains("HF_ENDPOINT"));

    bench.store = bench.store.clone().offline();
    let error = bench.fails_with(&["tiny", "--offline"]);
    assert!(error.hint().unwrap().contains("copy the files into"));
    assert!(bench.stub.requests().is_empty());
}
