//! `cargo xtask test`: everything that must hold before a change is taken.

use crate::run::DEFAULT_MODEL;
use crate::shell::{self, Result};
use crate::tools::Tools;
use crate::{axe, page, setup, weight, workspace};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// One step of the tests.
struct Step {
    name: &'static str,
    help: &'static str,
    /// Earlier steps without which this one has no meaning.
    needs: &'static [&'static str],
    run: fn() -> Result,
}

/// All steps, in order: what fails fast comes first.
const STEPS: &[Step] = &[
    Step { name: "fmt", help: "formatting", needs: &[], run: fmt },
    Step { name: "clippy", help: "lints of everything that runs on this machine", needs: &[], run: clippy },
    Step { name: "tools", help: "wasm target, trunk and wasm-bindgen, where absent", needs: &[], run: tools },
    Step { name: "clippy-wasm", help: "lints of the page", needs: &["tools"], run: clippy_wasm },
    Step { name: "page", help: "builds the page and checks its size", needs: &["tools"], run: build_page },
    Step { name: "build", help: "builds worker and tests", needs: &[], run: build },
    Step { name: "model", help: "fetches and verifies the default model", needs: &["build"], run: model },
    Step {
        name: "unit",
        help: "unit, property, golden and worker tests",
        needs: &["page", "build", "model"],
        run: unit,
    },
    Step { name: "chromium", help: "browser and driver, where absent", needs: &[], run: setup::chromium },
    Step { name: "axe", help: "axe-core for the tests of accessibility, where absent", needs: &[], run: axe::install },
    Step { name: "wasm", help: "the page's own tests, as WebAssembly", needs: &["tools", "chromium"], run: wasm },
    Step {
        name: "browser",
        help: "end to end: real browser, real worker, real model",
        needs: &["page", "build", "model", "chromium", "axe"],
        run: browser,
    },
];

enum Outcome {
    Passed,
    Failed(String),
    /// The step that it needs did not pass.
    Skipped(&'static str),
}

/// Runs all steps, or the named ones and what they need; goes on after a failure where that makes sense.
pub fn test(names: &[String]) -> Result {
    let chosen = choose(names)?;
    let mut rows: Vec<(&'static str, Outcome, Duration)> = Vec::new();
    for (index, step) in chosen.iter().enumerate() {
        let start = Instant::now();
        let broken =
            |need: &&&str| rows.iter().any(|(name, outcome, _)| *name == **need && !matches!(outcome, Outcome::Passed));
        let outcome = match step.needs.iter().find(broken) {
            Some(need) => Outcome::Skipped(need),
            None => {
                eprintln!("\n=== [{}/{}] {}: {}", index + 1, chosen.len(), step.name, step.help);
                match (step.run)() {
                    Ok(()) => Outcome::Passed,
                    Err(message) => {
                        eprintln!("error: {message}");
                        Outcome::Failed(message)
                    }
                }
            }
        };
        eprintln!("=== {}: {} in {}", step.name, outcome.word(), shell::elapsed(start.elapsed()));
        rows.push((step.name, outcome, start.elapsed()));
    }
    print!("\n{}", summary(&rows));
    match rows.iter().filter(|(_, outcome, _)| !matches!(outcome, Outcome::Passed)).count() {
        0 => Ok(()),
        count => Err(format!("{count} of {} steps did not pass", rows.len())),
    }
}

/// Holds the model on one device to the same goldens as on the CPU, with a program built for it.
pub fn on_device(device: &str) -> Result {
    let features: &[&str] = match device.split(':').next().unwrap_or_default() {
        "cpu" => &[],
        "cuda" => &["--features", "cuda"],
        "metal" => &["--features", "metal"],
        _ => return Err(format!("--device expects cpu, cuda:N or metal, found \"{device}\"")),
    };
    let mut cargo = cargo()?;
    cargo.args(["test", "--locked", "--release", "--package", "steerage", "--test", "backends"]).args(features);
    shell::run(cargo.env("STEERAGE_DEVICE", device))
}

/// The steps for `cargo xtask help`.
pub fn steps_help() -> String {
    STEPS.iter().fold(String::new(), |mut text, step| {
        let _ = writeln!(text, "  {:<12} {}", step.name, step.help);
        text
    })
}

/// The named steps with everything that they need, in the order of [`STEPS`]; all where none is named.
fn choose(names: &[String]) -> Result<Vec<&'static Step>> {
    let mut wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    if wanted.is_empty() {
        wanted = STEPS.iter().map(|step| step.name).collect();
    }
    let mut next = 0;
    while next < wanted.len() {
        let step = STEPS.iter().find(|step| step.name == wanted[next]).ok_or_else(|| {
            let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
            format!("there is no step \"{}\"; the steps are {}", wanted[next], known.join(", "))
        })?;
        wanted.extend(step.needs);
        next += 1;
    }
    Ok(STEPS.iter().filter(|step| wanted.contains(&step.name)).collect())
}

fn summary(rows: &[(&'static str, Outcome, Duration)]) -> String {
    let mut text = String::from("step         result     time\n");
    for (name, outcome, duration) in rows {
        let why = match outcome {
            Outcome::Passed => String::new(),
            Outcome::Failed(message) => format!("  {message}"),
            Outcome::Skipped(need) => format!("  {need} did not pass"),
        };
        let _ = writeln!(text, "{name:<12} {:<8} {:>12}{why}", outcome.word(), shell::elapsed(*duration));
    }
    let total: Duration = rows.iter().map(|(_, _, duration)| *duration).sum();
    let _ = writeln!(text, "{:<12} {:<8} {:>12}", "all", "", shell::elapsed(total));
    text
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed(_) => "FAILED",
            Outcome::Skipped(_) => "skipped",
        }
    }
}

/// What runs on this machine; the page is another target. One selection of packages for building,
/// unit tests and browser tests, because cargo would build candle again for any other.
const NATIVE: [&str; 3] = ["--workspace", "--exclude", "steerage-frontend"];

fn fmt() -> Result {
    setup::component("rustfmt", "fmt")?;
    shell::run(workspace::cargo()?.args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result {
    setup::component("clippy", "clippy")?;
    let mut cargo = cargo()?;
    shell::run(cargo.args(["clippy", "--locked"]).args(NATIVE).args(["--all-targets", "--", "-D", "warnings"]))
}

fn tools() -> Result {
    setup::wasm_target("   ")?;
    Tools::install("   ").map(drop)
}

fn clippy_wasm() -> Result {
    setup::component("clippy", "clippy")?;
    let page = ["--package", "steerage-frontend", "--target", setup::WASM_TARGET, "--all-targets"];
    shell::run(cargo()?.args(["clippy", "--locked"]).args(page).args(["--", "-D", "warnings"]))?;
    // Its tests run on this machine, so that only the program is left here.
    let verifier = ["--package", "steerage-verifier", "--features", "web", "--target", setup::WASM_TARGET];
    shell::run(cargo()?.args(["clippy", "--locked"]).args(verifier).args(["--bins", "--", "-D", "warnings"]))
}

fn build_page() -> Result {
    page::build("   ", &Tools::install("   ")?)?;
    weight::check("   ")
}

fn build() -> Result {
    shell::run(cargo()?.args(["build", "--locked"]).args(NATIVE).args(["--bins", "--lib", "--tests"]))
}

fn model() -> Result {
    shell::run(Command::new(workspace::binary("debug", "steerage")?).args(["models", "fetch", DEFAULT_MODEL]))
}

fn unit() -> Result {
    let tests = test_files()?.into_iter().filter(|name| !is_browser_test(name));
    let mut cargo = cargo_test()?;
    cargo.args(["--lib", "--bins"]).args(tests.flat_map(|name| ["--test".to_owned(), name]));
    let units = shell::run(&mut cargo);
    let docs = shell::run(cargo_test()?.arg("--doc"));
    units.and(docs)
}

fn wasm() -> Result {
    let tools = Tools::install("   ")?;
    let mut cargo = cargo()?;
    cargo.args([
        "test",
        "--locked",
        "--no-fail-fast",
        "--package",
        "steerage-frontend",
        "--target",
        setup::WASM_TARGET,
    ]);
    // The page's tests do no numerics, and optimising its dependencies once more takes minutes.
    cargo.args(["--config", "profile.dev.package.\"*\".opt-level=0"]);
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tools.find("wasm-bindgen-test-runner"));
    // Where the page runs: without this the runner asks for Node.
    cargo.env("WASM_BINDGEN_USE_BROWSER", "1");
    shell::run(&mut cargo)
}

fn browser() -> Result {
    let tests: Vec<String> = test_files()?.into_iter().filter(|name| is_browser_test(name)).collect();
    if tests.is_empty() {
        return Err("tests/tests has no browser_*.rs; check it out again".to_owned());
    }
    let mut cargo = cargo_test()?;
    cargo.args(tests.into_iter().flat_map(|name| ["--test".to_owned(), name]));
    // One browser and one search at a time: two of each would only wait for each other.
    shell::run(cargo.args(["--", "--test-threads", "1"]))
}

/// Cargo for the tests.
fn cargo() -> Result<Command> {
    let mut cargo = workspace::cargo()?;
    // Nobody builds a second time there.
    if std::env::var_os("CI").is_some() {
        cargo.env("CARGO_INCREMENTAL", "0");
    }
    Ok(cargo)
}

fn cargo_test() -> Result<Command> {
    let mut cargo = cargo()?;
    cargo.args(["test", "--locked", "--no-fail-fast"]).args(NATIVE);
    Ok(cargo)
}

fn is_browser_test(name: &str) -> bool {
    name.starts_with("browser_")
}

/// The names of all integration tests of the workspace, so that no new file is forgotten.
fn test_files() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for package in ["shared", "worker", "verifier", "tests", "xtask"] {
        let folder = workspace::root().join(package).join("tests");
        if folder.is_dir() {
            names.extend(rust_files(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?);
        }
    }
    names.sort();
    Ok(names)
}

fn rust_files(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_test = path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file();
        if let (true, Some(stem)) = (is_test, path.file_stem()) {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(wanted: &[&str]) -> Vec<&'static str> {
        let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        choose(&wanted).unwrap().iter().map(|step| step.name).collect()
    }

    #[test]
    fn a_step_brings_what_it_needs_and_in_order() {
        assert_eq!(names(&["fmt"]), ["fmt"]);
        assert_eq!(
            names(&["browser", "fmt"]),
            ["fmt", "tools", "page", "build", "model", "chromium", "axe", "browser"]
        );
        assert_eq!(names(&[]).len(), STEPS.len());
        let error = choose(&["nope".to_owned()]).err().unwrap();
        assert!(error.contains("\"nope\"") && error.contains("clippy-wasm"), "{error}");
    }

    #[test]
    fn a_step_needs_only_earlier_ones() {
        for (index, step) in STEPS.iter().enumerate() {
            for need in step.needs {
                assert!(STEPS[..index].iter().any(|earlier| earlier.name == *need), "{} needs {need}", step.name);
            }
        }
    }

    #[test]
    fn the_summary_says_what_failed_and_why() {
        let rows = [
            ("fmt", Outcome::Passed, Duration::from_secs(2)),
            ("page", Outcome::Failed("`trunk build` failed".to_owned()), Duration::from_secs(70)),
            ("browser", Outcome::Skipped("page"), Duration::ZERO),
        ];
        let text = summary(&rows);
        assert!(text.contains("page         FAILED     1 min 10 s  `trunk build` failed"), "{text}");
        assert!(text.contains("browser      skipped           0 s  page did not pass"), "{text}");
        assert!(text.contains("all                     1 min 12 s"), "{text}");
    }

    #[test]
    fn test_files_are_found_by_name() {
        let files = test_files().unwrap();
        assert!(files.iter().any(|name| name == "tidy"), "{files:?}");
        assert!(files.iter().all(|name| !name.ends_with(".rs")), "{files:?}");
    }
}
