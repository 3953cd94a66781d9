//! A whole search on the default model from the command line: deterministic, nontrivial, and with
//! train and test suffixes apart.

use anyhow::{Context as _, Result};
use serde_json::Value;
use shared::event::Event;
use shared::spec::Split;
use std::collections::BTreeSet;
use steerage_tests::command::steerage;

/// Every stage of the note's pipeline, as small as it goes.
const SPEC: &str = r#"
model = "smollm2-135m"
teacher = "Talk only about cats."
prefix_tokens = 3
max_completion_tokens = 5

[suffixes]
train = 2
validation = 1
test = 2

[[stages]]
kind = "soft_prompt"
steps = 3
learning_rate = 0.05

[[stages]]
kind = "projection"

[[stages]]
kind = "hotflip"
steps = 2
candidates = 6

[[stages]]
kind = "evaluate"
"#;

fn run(spec: &str) -> Result<(Vec<String>, Value)> {
    let finished = steerage(&["run", spec, "--json", "--seed", "7"])?;
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let mut lines: Vec<String> = finished.stdout.lines().map(str::to_owned).collect();
    let result = lines.pop().context("no result line")?;
    Ok((lines, serde_json::from_str(&result)?))
}

#[test]
fn the_same_seed_gives_the_same_events_and_a_nontrivial_prefix() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let spec = folder.path().join("spec.toml");
    std::fs::write(&spec, SPEC)?;
    let spec = spec.display().to_string();
    let ((first, result), (second, again)) = (run(&spec)?, run(&spec)?);
    assert_eq!(first, second, "two runs of one spec differ");
    assert_eq!(result["prefix"], again["prefix"]);
    assert_eq!(result["event"], "result");
    for row in ["none", "reference", "soft", "projected", "final"] {
        for split in Split::ALL {
            assert!(result["ce"][row][split.name()].is_f64(), "ce.{row}.{} is missing in {result}", split.name());
        }
    }

    let events = first.iter().map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<Vec<Event>>>()?;
    let measured: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::SuffixMeasured { suffix } => Some(suffix),
            _ => None,
        })
        .collect();
    let texts: BTreeSet<&str> = measured.iter().map(|suffix| suffix.text.as_str()).collect();
    assert_eq!(texts.len(), 5, "a suffix is in two splits");
    assert_eq!(measured.iter().filter(|suffix| suffix.split == Split::Test).count(), 2);
    // What the search itself scored: (candidate, train suffix) pairs only, all of them logged.
    let candidates: usize = events
        .iter()
        .filter_map(|event| match event {
            Event::Candidates { candidates, .. } => Some(candidates.len()),
            _ => None,
        })
        .sum();
    assert!(candidates > 6, "only {candidates} candidates are in the log");

    // What a user copies passes the same rules, read back from text.
    let text = result["prefix"]["text"].as_str().context("no text")?;
    let check = steerage(&["check", text, "--reference", "Talk only about cats."])?;
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
    Ok(())
}
