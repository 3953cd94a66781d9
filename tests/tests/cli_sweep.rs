//! A small sweep on the default model: what Ctrl-C leaves, what a second run does, and what the archive finds.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use steerage_tests::command::steerage;
use steerage_tests::program::program;

/// Three cells of the least that still searches.
const SWEEP: &str = r#"
title = "Small"
models = ["smollm2-135m"]
seeds = [7]
prefix_tokens = 2
max_completion_tokens = 3
teachers = [{ text = "Talk only about cats." }]
suffixes = { train = 1, validation = 1, test = 2 }
methods = [
    { name = "a", stages = [{ kind = "gcg", init = "random", steps = 1, candidates = 2 }, { kind = "evaluate" }] },
    { name = "b", stages = [{ kind = "hotflip", init = "random", steps = 1, candidates = 2 }, { kind = "evaluate" }] },
    { name = "c", budget = { evaluations = 1 }, stages = [{ kind = "hotflip", init = "random" }, { kind = "evaluate" }] },
]
"#;

/// How long a cell may take where the processor is slow and shared.
const PATIENCE: Duration = Duration::from_secs(300);

fn cells(out: &Path) -> Result<Vec<PathBuf>> {
    let Ok(folder) = fs::read_dir(out.join("cells")) else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> = folder.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    Ok(files)
}

fn start(spec: &str, out: &Path) -> Result<Child> {
    let mut command = Command::new(program()?);
    command.args(["sweep", spec, "--out"]).arg(out).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().context("steerage does not start")
}

/// Starts the sweep, presses Ctrl-C once the first cell is there, and gives what it said.
fn interrupt_after_one_cell(spec: &str, out: &Path) -> Result<(Option<i32>, String)> {
    let child = start(spec, out)?;
    let start = Instant::now();
    while cells(out)?.is_empty() {
        ensure!(start.elapsed() < PATIENCE, "no cell is done after {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(2));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
    let output = child.wait_with_output()?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

#[test]
fn a_sweep_goes_on_where_it_was_stopped() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (spec, out) = (folder.path().join("small.toml"), folder.path().join("small"));
    fs::write(&spec, SWEEP)?;
    let spec = spec.display().to_string();
    let arguments = ["sweep", &spec, "--out", &out.display().to_string()];

    let (code, said) = interrupt_after_one_cell(&spec, &out)?;
    let done = cells(&out)?;
    assert_eq!(code, Some(1), "{said}");
    assert!(done.len() < 3 && said.contains("cells are done") && said.contains("goes on"), "{done:?}: {said}");
    let first = fs::read(&done[0])?;
    let partial = fs::read_dir(out.join("cells"))?.count() - done.len();
    assert_eq!(partial, 0, "a cell that was stopped leaves nothing");

    let second = steerage(&arguments)?;
    assert_eq!(second.code, 0, "{}", second.stderr);
    let files = cells(&out)?;
    assert_eq!(files.len(), 3);
    assert_eq!(fs::read(&done[0])?, first, "a finished cell is not run again");
    assert!(second.stderr.contains(&format!("{} of 3 cells were done before", done.len())), "{}", second.stderr);

    // A cell is the run of its spec, event for event, although the model had run others before.
    let cell = fs::read_to_string(&files[1])?;
    let queued: Value = serde_json::from_str(cell.lines().next().context("empty")?)?;
    assert_eq!(queued["spec"]["preset"], "b");
    let run_spec = folder.path().join("run.toml");
    fs::write(&run_spec, toml_of(&queued["spec"])?)?;
    let run = steerage(&["run", &run_spec.display().to_string(), "--json"])?;
    let without_last = |text: &str| text.trim_end().rsplit_once('\n').map(|(events, _)| events.to_owned());
    assert_eq!(without_last(&cell), without_last(&run.stdout));

    // Two cells are missing or damaged: these alone are run.
    let kept = fs::read(&files[0])?;
    fs::remove_file(&files[1])?;
    fs::write(&files[2], &fs::read(&files[2])?[..100])?;
    let third = steerage(&arguments)?;
    assert_eq!(third.code, 0, "{}", third.stderr);
    assert!(third.stderr.contains("is damaged") && third.stderr.contains("1 of 3 cells were done"), "{}", third.stderr);
    assert_eq!(fs::read(&files[0])?, kept);
    assert_eq!(without_last(&fs::read_to_string(&files[1])?), without_last(&cell), "the same cell, the same events");

    budgets_and_report(&out)?;
    fs::write(&spec, SWEEP.replace("candidates = 2", "candidates = 3"))?;
    let other = steerage(&arguments)?;
    assert_eq!(other.code, 2, "{}", other.stderr);
    assert!(other.stderr.contains("another spec") && other.stderr.contains("--out"), "{}", other.stderr);
    archive(&out)
}

#[test]
fn processes_that_share_a_folder_share_the_cells() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (spec, out) = (folder.path().join("shared.toml"), folder.path().join("shared"));
    // Six cells with the shortest verdict.
    let verdict = r#"{ kind = "evaluate", samples = 0, transfer = "none" }"#;
    fs::write(&spec, SWEEP.replace("[7]", "[7, 8]").replace(r#"{ kind = "evaluate" }"#, verdict))?;
    let processes = (0..2).map(|_| start(&spec.display().to_string(), &out)).collect::<Result<Vec<_>>>()?;
    let mut said = Vec::new();
    for process in processes {
        let output = process.wait_with_output()?;
        let text = String::from_utf8(output.stderr)?;
        assert!(output.status.success(), "{text}");
        said.push(text);
    }
    let ran = |text: &String| text.lines().filter(|line| line.starts_with('[')).count();
    let counts: Vec<usize> = said.iter().map(ran).collect();
    assert_eq!(counts.iter().sum::<usize>(), 6, "each cell is run once: {said:?}");
    assert!(counts.iter().all(|&count| count > 0), "both have something to do: {said:?}");
    assert_eq!(cells(&out)?.len(), 6);
    // Whoever ended first has waited for the other.
    let report: Value = serde_json::from_str(&fs::read_to_string(out.join("report.json"))?)?;
    assert_eq!(report["cells"].as_array().map(Vec::len), Some(6));
    Ok(())
}

fn toml_of(spec: &Value) -> Result<String> {
    let spec: shared::spec::RunSpec = serde_json::from_value(spec.clone())?;
    // Written by hand: the test's package has no TOML writer.
    let mut toml = format!(
        "preset = {:?}\nmodel = {:?}\nteacher = {:?}\nseed = {}\nprefix_tokens = {}\nmax_completion_tokens = {}\n[suffixes]\ntrain = {}\nvalidation = {}\ntest = {}\n",
        spec.preset,
        spec.model,
        spec.teacher,
        spec.seed,
        spec.prefix_tokens,
        spec.max_completion_tokens,
        spec.suffixes.train,
        spec.suffixes.validation,
        spec.suffixes.test
    );
    for stage in &spec.stages {
        toml.push_str(&format!("[[stages]]\nkind = {:?}\n", stage.kind));
        for (name, value) in &stage.params {
            toml.push_str(&format!("{name} = {}\n", serde_json::to_string(value)?));
        }
    }
    Ok(toml)
}

/// Budgets end searches, and the report says what was spent.
fn budgets_and_report(out: &Path) -> Result<()> {
    let report: Value = serde_json::from_str(&fs::read_to_string(out.join("report.json"))?)?;
    let spent = |at: usize| report["cells"][at]["search_evaluations"].as_u64().context("no count");
    // The start is scored on train and validation, and that is all: one evaluation is spent already.
    assert_eq!(spent(2)?, 2);
    assert!(spent(1)? > 2, "{report}");
    assert_eq!(report["cells"][2]["state"], "finished");
    let html = fs::read_to_string(out.join("report.html"))?;
    assert!(html.starts_with("<!doctype html>") && !html.contains("<script") && html.contains("steerage sweep "));
    assert_eq!(fs::read_to_string(out.join("report.csv"))?.lines().count(), 4);
    Ok(())
}

fn archive(out: &Path) -> Result<()> {
    let out = out.display().to_string();
    let all = steerage(&["archive", "query", &out])?;
    assert_eq!(all.code, 0, "{}", all.stderr);
    let lines: Vec<Value> = all.stdout.lines().map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<_>>()?;
    assert!(lines.len() >= 5 && lines.iter().all(|line| line["text"].is_string()), "{}", all.stdout);
    let two = steerage(&["archive", "query", &out, "--within", "1000", "--limit", "2", "--format", "csv"])?;
    assert_eq!((two.code, two.stdout.lines().count()), (0, 3), "{}", two.stderr);
    assert!(two.stderr.contains("2 of "), "{}", two.stderr);
    let pairs = steerage(&["archive", "query", &out, "--contrast", "--limit", "1"])?;
    let pair: Value = serde_json::from_str(pairs.stdout.trim())?;
    assert!(pair["ce_difference"].as_f64() >= Some(0.0), "{pair}");
    let none = steerage(&["archive", "query", &format!("{out}/nowhere.jsonl")])?;
    assert_eq!(none.code, 2, "{}", none.stderr);
    Ok(())
}

#[test]
fn a_wrong_file_is_refused_before_any_work() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (spec, out) = (folder.path().join("wrong.toml"), folder.path().join("out"));
    let rows = [
        ("seeds = [7]", "seeds = []", "seeds: "),
        ("seeds = [7]", "seeds = [7]\nsedes = 3", "sedes"),
        ("kind = \"gcg\"", "kind = \"gsg\"", "methods[0].stages[0].kind: "),
        ("Talk only about cats.", "", "teachers[0]: "),
    ];
    for (from, to, named) in rows {
        fs::write(&spec, SWEEP.replacen(from, to, 1))?;
        let finished = steerage(&["sweep", &spec.display().to_string(), "--out", &out.display().to_string()])?;
        assert_eq!(finished.code, 2, "{}", finished.stderr);
        assert!(finished.stderr.contains(named) && finished.stderr.contains("wrong.toml"), "{}", finished.stderr);
    }
    // What only the model knows is told before the first cell too, although it is about the last.
    let layer =
        r#"stages = [{ kind = "soft_prompt", objective = "hidden_state", layer = 99 }, { kind = "projection" }"#;
    fs::write(&spec, SWEEP.replacen(r#"stages = [{ kind = "hotflip", init = "random" }"#, layer, 1))?;
    let unknown = folder.path().join("unknown");
    let finished = steerage(&["sweep", &spec.display().to_string(), "--out", &unknown.display().to_string()])?;
    assert_eq!(finished.code, 2, "{}", finished.stderr);
    assert!(finished.stderr.contains("· c · seed 7") && finished.stderr.contains("layer 99"), "{}", finished.stderr);
    assert!(cells(&unknown)?.is_empty(), "a cell was run");
    fs::write(&spec, SWEEP)?;
    let empty =
        steerage(&["sweep", &spec.display().to_string(), "--out", &out.display().to_string(), "--report-only"])?;
    assert!(empty.code == 2 && empty.stderr.contains("no cell"), "{}", empty.stderr);
    assert!(!out.exists(), "nothing was written");
    Ok(())
}
