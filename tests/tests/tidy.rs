//! Who may import whom, and what no file may contain.
//!
//! Two kinds of rules: what a package may depend on, which `cargo tree` knows, and what a source
//! file may name. A rule over files carries a line that breaks it and one that does not, so that
//! each is shown to be able to fail.

use std::path::Path;
use std::process::Command;

/// What a package may not depend on, directly or through others.
struct TreeRule {
    /// What holds, for the message.
    rule: &'static str,
    /// Selects package, features and target.
    args: &'static [&'static str],
    /// Forbidden packages; one that ends in `*` stands for all that begin so.
    forbidden: &'static [&'static str],
}

const TREE_RULES: &[TreeRule] = &[
    TreeRule {
        rule: "shared without features has no tensors, no tokenizer, no runtime and no database",
        args: &["--package", "steerage-shared", "--no-default-features"],
        forbidden: &["candle-*", "tokenizers", "minijinja", "tokio*", "mio", "rusqlite", "axum", "hyper"],
    },
    TreeRule {
        rule: "the page links neither the worker nor the model",
        args: &["--package", "steerage-frontend", "--target", "wasm32-unknown-unknown"],
        forbidden: &["steerage", "candle-*", "gemm*", "tokio-tungstenite", "mio", "rusqlite", "axum", "hyper"],
    },
    TreeRule {
        rule: "the verifier computes as the worker does, without the worker or the page",
        args: &["--package", "steerage-verifier", "--features", "web", "--target", "wasm32-unknown-unknown"],
        forbidden: &["steerage", "steerage-frontend", "leptos*", "tokio*", "mio", "rusqlite", "axum", "hyper"],
    },
    TreeRule {
        rule: "the engine knows numbers and threads, nothing else",
        args: &["--package", "steerage-engine"],
        forbidden: &["steerage", "steerage-shared", "candle-*", "serde*", "tokenizers", "tokio*", "mio", "clap*"],
    },
    TreeRule {
        rule: "shared::model does no IO of its own",
        args: &["--package", "steerage-shared", "--features", "model"],
        forbidden: &["steerage", "tokio*", "mio", "rusqlite", "axum", "hyper", "hf-hub", "reqwest"],
    },
    TreeRule {
        rule: "xtask compiles in seconds: it has no dependencies",
        args: &["--package", "xtask"],
        forbidden: &["serde*", "clap*", "anyhow", "tokio*", "steerage*"],
    },
];

/// What a source file may not name.
struct SourceRule {
    /// What holds, for the message.
    rule: &'static str,
    /// Whether it is about this file, by path from the root.
    applies: fn(&str) -> bool,
    /// Segments of paths (`a::b`, `use a`) that may not occur.
    segments: &'static [&'static str],
    /// A path and a line in it that break the rule.
    bad: (&'static str, &'static str),
    /// A path and a line in it that do not.
    good: (&'static str, &'static str),
}

const SOURCE_RULES: &[SourceRule] = &[
    SourceRule {
        rule: "only shared/src/model/ops.rs names candle's norm, rope and softmax: they have no gradient",
        applies: |path| path != "shared/src/model/ops.rs",
        segments: &["candle_nn"],
        bad: ("engine/src/attention.rs", "let p = candle_nn::ops::softmax_last_dim(&scores)?;"),
        good: ("shared/src/model/ops.rs", "use candle_nn::ops::softmax_last_dim;"),
    },
    SourceRule {
        rule: "stages know neither server, sessions, store nor wire: they push events into a sink",
        applies: |path| path.starts_with("worker/src/stages"),
        segments: &["server", "sessions", "store", "wire"],
        bad: ("worker/src/stages/hotflip.rs", "use shared::{event::Event, wire::ServerMessage};"),
        good: ("worker/src/stages/hotflip.rs", "let store = wire; // for crate::server"),
    },
    SourceRule {
        rule: "searches see the model through a backend, never the reference model or an engine",
        applies: |path| {
            let seen = ["worker/src/stages", "worker/src/objective.rs", "worker/src/contest", "worker/src/bench"];
            seen.iter().any(|place| path.starts_with(place))
        },
        segments: &["engine", "Decoder", "CpuBackend", "CandleBackend"],
        bad: ("worker/src/stages/hotflip.rs", "use shared::model::Decoder;"),
        good: ("worker/src/stages/hotflip.rs", "use crate::backend::Backend;"),
    },
    SourceRule {
        rule: "in the worker, only server knows sockets",
        applies: |path| {
            let may = |folder: &str| path.starts_with(folder);
            // The command line binds the port that it was told, and hands the listener over.
            // The tests of the hub's client play the hub.
            let is_stub = path.starts_with("worker/src/models/tests/");
            may("worker/src/") && !may("worker/src/server") && path != "worker/src/cli/serve.rs" && !is_stub
        },
        segments: &["axum", "hyper", "tungstenite", "tokio_tungstenite", "net", "TcpListener", "TcpStream"],
        bad: ("worker/src/sessions.rs", "    socket: axum::extract::ws::WebSocket,"),
        good: ("worker/src/server/socket.rs", "use axum::extract::ws::WebSocket;"),
    },
    SourceRule {
        rule: "in the worker, only models/hub.rs calls out",
        applies: |path| path.starts_with("worker/src/") && path != "worker/src/models/hub.rs",
        segments: &["ureq", "reqwest", "hf_hub"],
        bad: ("worker/src/models/fetch.rs", "use ureq::Agent;"),
        good: ("worker/src/models/hub.rs", "use ureq::Agent;"),
    },
    SourceRule {
        rule: "the page never imports the worker",
        applies: |path| path.starts_with("frontend/"),
        segments: &["worker"],
        bad: ("frontend/src/run.rs", "use worker::store::Store;"),
        good: ("frontend/src/run.rs", "let worker = \"worker::store\".len(); // worker::store"),
    },
    SourceRule {
        rule: "in the page, only its tokeniser links the tokenizer, the templates and the compiled rules",
        applies: |path| path.starts_with("frontend/src/") && !path.starts_with("frontend/src/bin/tokeniser/"),
        segments: &["tokens", "tokenizers", "minijinja", "regex", "Rules"],
        bad: ("frontend/src/components/tokeniser.rs", "use shared::nontriviality::{Rules, Span};"),
        good: ("frontend/src/bin/tokeniser/answers.rs", "use shared::tokens::PromptTokenizer;"),
    },
    SourceRule {
        rule: "in the page, only socket.rs opens sockets: whoever needs the worker takes the line that there is",
        applies: |path| path.starts_with("frontend/src/") && path != "frontend/src/socket.rs",
        segments: &["WebSocket"],
        bad: ("frontend/src/line.rs", "use web_sys::WebSocket;"),
        good: ("frontend/src/socket.rs", "use web_sys::WebSocket;"),
    },
    SourceRule {
        rule: "shared has no clock and no IO: the same spec gives the same events everywhere",
        applies: |path| {
            path.starts_with("shared/src/") && !path.starts_with("shared/src/model") && path != "shared/src/tokens.rs"
        },
        segments: &["tokio", "candle_core", "fs", "net", "env", "thread", "process", "Instant", "SystemTime"],
        bad: ("shared/src/state.rs", "let now = std::time::Instant::now();"),
        good: ("shared/src/state.rs", "let process = net;"),
    },
];

/// Texts that no file may contain: they work on one machine only. In pieces, or this file would.
const MACHINE_TEXTS: &[(&str, &str)] = &[
    (concat!("/ro", "ot/"), "an absolute home path"),
    (concat!("/ho", "me/"), "an absolute home path"),
    (concat!("/Us", "ers/"), "an absolute home path"),
    (concat!("/wo", "rk/"), "an absolute path of one machine"),
    (concat!("pypi", ".org"), "a registry's host; leave it to the client's settings"),
    (concat!("files.python", "hosted.org"), "a registry's host; leave it to the client's settings"),
    (concat!("static.crates", ".io"), "a registry's host; leave it to the client's settings"),
    (concat!("index.crates", ".io"), "a registry's host; leave it to the client's settings"),
    (concat!("registry.npm", "js.org"), "a registry's host; leave it to the client's settings"),
    (concat!("deb.deb", "ian.org"), "a registry's host; leave it to the client's settings"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder lies in the root")
}

#[test]
fn packages_depend_on_nothing_forbidden() {
    let problems: Vec<String> = TREE_RULES.iter().flat_map(|rule| forbidden_in(&packages(rule.args), rule)).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_tree_rule_can_fail() {
    for rule in TREE_RULES {
        for forbidden in rule.forbidden {
            let name = forbidden.replace('*', "core");
            let problems = forbidden_in(&[format!("{name} v1.0.0")], rule);
            assert_eq!(problems.len(), 1, "{name} against \"{}\"", rule.rule);
        }
        assert!(forbidden_in(&["serde-like v1.0.0 (proc-macro)".to_owned()], &TREE_RULES[0]).is_empty());
        // A rule over a package that is not there would hold for ever.
        assert!(packages(rule.args)[0].starts_with(rule.args[1]), "{:?}", rule.args);
    }
}

#[test]
fn sources_name_nothing_forbidden() {
    let mut problems = Vec::new();
    let mut sources = 0;
    for path in files() {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
        problems.extend(machine_texts(&path, &text));
        if path.ends_with(".rs") {
            sources += 1;
            problems.extend(SOURCE_RULES.iter().flat_map(|rule| named_in(&path, &text, rule)));
        }
    }
    assert!(sources > 20, "only {sources} Rust files were found below {}", root().display());
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_source_rule_can_fail() {
    for rule in SOURCE_RULES {
        let (path, line) = rule.bad;
        let problems = named_in(path, &format!("// first line\n{line}\n"), rule);
        assert_eq!(problems.len(), 1, "{}: {problems:?}", rule.rule);
        assert!(problems[0].starts_with(&format!("{path}:2: ")), "{problems:?}");
        assert!(problems[0].ends_with(rule.rule), "{problems:?}");
        let (path, line) = rule.good;
        assert!(named_in(path, line, rule).is_empty(), "{}: {path}: {line}", rule.rule);
    }
    let nested = "use crate::{\n    objective::Objective,\n    store::Store,\n};\nlet server = 1;\n";
    let problems = named_in("worker/src/stages/gcg.rs", nested, &SOURCE_RULES[1]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("worker/src/stages/gcg.rs:3: names store"), "{problems:?}");
}

#[test]
fn every_machine_text_can_fail() {
    for (text, why) in MACHINE_TEXTS {
        let problems = machine_texts("docs/a.md", &format!("fine\nsee {text}x\n"));
        assert_eq!(problems.len(), 1, "{text}");
        assert!(problems[0].starts_with("docs/a.md:2: ") && problems[0].ends_with(why), "{problems:?}");
    }
    assert!(machine_texts("docs/a.md", concat!("https://example.org/wo", "rk/x")).is_empty(), "part of an address");
}

/// Packages of a dependency tree as `name version …`, the root first.
fn packages(args: &[&str]) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(["tree", "--locked", "--edges", "normal", "--prefix", "none"]).args(args);
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8").lines().map(str::to_owned).collect()
}

fn forbidden_in(packages: &[String], rule: &TreeRule) -> Vec<String> {
    let name = |package: &String| package.split_whitespace().next().unwrap_or_default().to_owned();
    let is_forbidden = |name: &String| {
        rule.forbidden.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        })
    };
    let mut names: Vec<String> = packages.iter().map(name).filter(is_forbidden).collect();
    // The package that the rule is about is in its own tree.
    names.retain(|name| !rule.args.contains(&name.as_str()));
    names.sort();
    names.dedup();
    let tree = rule.args.join(" ");
    names.iter().map(|name| format!("`cargo tree {tree}` has {name}, but {}", rule.rule)).collect()
}

/// All files that git knows or would add, from the root.
fn files() -> Vec<String> {
    let args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let output = Command::new("git").current_dir(root()).args(args).output().expect("git starts");
    assert!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("paths are UTF-8");
    names.split_terminator('\0').map(str::to_owned).collect()
}

fn named_in(path: &str, text: &str, rule: &SourceRule) -> Vec<String> {
    if !(rule.applies)(path) {
        return Vec::new();
    }
    let segments = path_segments(text).into_iter().filter(|(_, segment)| rule.segments.contains(segment));
    segments.map(|(line, segment)| format!("{path}:{line}: names {segment}, but {}", rule.rule)).collect()
}

/// Segments of paths in Rust source, with their lines: names beside `::`, and all names in `use`.
/// Line comments and strings of one line are left out.
fn path_segments(text: &str) -> Vec<(usize, &str)> {
    let mut segments = Vec::new();
    let mut in_use = false;
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        // Every second piece between quotes is a string.
        for piece in code.split('"').step_by(2) {
            let mut rest = 0;
            while let Some(start) = piece[rest..].find(is_name_char).map(|at| rest + at) {
                let end = piece[start..].find(|c| !is_name_char(c)).map_or(piece.len(), |length| start + length);
                in_use &= !piece[rest..start].contains(';');
                let name = &piece[start..end];
                if in_use || piece[end..].starts_with("::") || piece[..start].ends_with("::") {
                    segments.push((index + 1, name));
                }
                in_use |= name == "use";
                rest = end;
            }
            in_use &= !piece[rest..].contains(';');
        }
    }
    segments
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn machine_texts(path: &str, text: &str) -> Vec<String> {
    if path == "Cargo.lock" {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (bad, why) in MACHINE_TEXTS {
            let is_alone =
                |at: usize| !line[..at].ends_with(|c: char| is_name_char(c) || matches!(c, '.' | '-' | '}' | '~'));
            if line.match_indices(bad).any(|(at, _)| is_alone(at)) {
                problems.push(format!("{path}:{}: contains {bad}, {why}", index + 1));
            }
        }
    }
    problems
}
