//! Small searches on the default model from the command line.

use crate::command::steerage;
use anyhow::{Context as _, Result};
use serde_json::Value;
use shared::event::{Candidate, Event};
use shared::nontriviality::Rules;
use shared::spec::Constraints;
use shared::tokens::PromptTokenizer;
use worker::checkpoint::Checkpoint;
use worker::models::{DEFAULT_MODEL, ModelStore};

/// What every search here steers towards.
pub const TEACHER: &str = "Talk only about cats.";

/// What every run here has in common, as small as it goes.
pub const COMMON: &str = r#"
model = "smollm2-135m"
teacher = "Talk only about cats."
prefix_tokens = 3
max_completion_tokens = 5

[suffixes]
train = 2
validation = 1
test = 2

[constraints]
ban_concepts = ["cat", "feline"]
"#;

/// Runs stages twice, and gives the events and the result, which must be the same.
pub fn run_twice(stages: &str) -> Result<(Vec<Event>, Value)> {
    let folder = tempfile::tempdir()?;
    let spec = folder.path().join("spec.toml");
    std::fs::write(&spec, format!("{COMMON}{stages}"))?;
    let spec = spec.display().to_string();
    let ((first, result), (second, again)) = (run(&spec)?, run(&spec)?);
    assert_eq!(first, second, "two runs of one spec differ");
    assert_eq!(result["prefix"], again["prefix"]);
    assert_eq!(result["event"], "result");
    let events = first.iter().map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<_>>()?;
    Ok((events, result))
}

fn run(spec: &str) -> Result<(Vec<String>, Value)> {
    let finished = steerage(&["run", spec, "--json", "--seed", "7"])?;
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let mut lines: Vec<String> = finished.stdout.lines().map(str::to_owned).collect();
    let result = lines.pop().context("no result line")?;
    Ok((lines, serde_json::from_str(&result)?))
}

/// The candidates of a log, in their order.
pub fn candidates(events: &[Event]) -> Vec<&Candidate> {
    events
        .iter()
        .flat_map(|event| match event {
            Event::Candidates { candidates, .. } => &candidates[..],
            _ => &[],
        })
        .collect()
}

/// What the best prefixes of a log were selected by, in their order: the cross-entropy on validation.
pub fn selected(events: &[Event]) -> Vec<(usize, f64)> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Prefix { stage, ce_validation, .. } => Some((*stage, (*ce_validation)?)),
            _ => None,
        })
        .collect()
}

/// Holds every candidate of a log to the constraints: each rule, and the round trip inside the chat of every
/// suffix of the run. The program's own verdict is not asked.
pub fn hold_to_constraints(events: &[Event]) -> Result<()> {
    let bundle = Checkpoint::find(DEFAULT_MODEL, &ModelStore::from_env())?.tokenizer()?.context("no tokenizer")?;
    let tokenizer = PromptTokenizer::new(&bundle)?;
    let reference = tokenizer.encode(TEACHER)?;
    let constraints =
        Constraints { ban_concepts: vec!["cat".to_owned(), "feline".to_owned()], ..Constraints::default() };
    let rules = Rules::new(&constraints, TEACHER, &reference, tokenizer.vocabulary());
    let suffixes: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::SuffixMeasured { suffix } => Some(suffix.text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(suffixes.len(), 5);
    for candidate in candidates(events) {
        let text = tokenizer.decode(&candidate.ids);
        assert!((1..=3).contains(&candidate.ids.len()), "{text:?} has {} tokens", candidate.ids.len());
        let violation = rules.violation(tokenizer.vocabulary(), &candidate.ids);
        assert!(violation.is_none(), "{text:?}: {violation:?}");
        let failures = tokenizer.round_trip(&candidate.ids, "\n", suffixes.iter().copied())?.failures;
        assert!(failures.is_empty(), "{text:?}: {failures:?}");
    }
    Ok(())
}
