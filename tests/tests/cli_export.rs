//! Runs that travel: session files in and out of a data folder, tables, and what is said of files that are none.
//! The run is the one that ships with the page; no model is asked.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use shared::event::Event;
use shared::recording::{self, Recording};
use shared::session_file::{decode, encode};
use std::collections::BTreeSet;
use std::path::Path;
use steerage_tests::command::{Finished, steerage};
use steerage_tests::recorded;
use worker::tables::{Table, tables};

/// Runs a command with a data folder.
fn with_data(data: &Path, args: &[&str]) -> Result<Finished> {
    steerage(&[args, &["--data-dir", &data.display().to_string()]].concat())
}

fn done(finished: Finished) -> Result<String> {
    ensure!(finished.code == 0, "{}", finished.stderr);
    Ok(finished.stdout.trim().to_owned())
}

#[test]
fn a_session_goes_out_and_in_without_a_byte_lost() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let (here, there) = (scratch.path().join("here"), scratch.path().join("there"));
    let file = scratch.path().join("run.steerage").display().to_string();
    let original = std::fs::read_to_string(recorded::recording())?;

    let run = done(with_data(&here, &["import", &recorded::recording().display().to_string()])?)?;
    done(with_data(&here, &["export", &run[..3], "--to", &file])?)?;
    ensure!(decode(&std::fs::read(&file)?)?.content == original, "the export is not what was imported");
    ensure!(std::fs::metadata(&file)?.len() < original.len() as u64 / 2, "it is not compressed");

    // Another folder, and back again.
    ensure!(done(with_data(&there, &["import", &file])?)? == run, "the run lost its id");
    let again = scratch.path().join("again.steerage").display().to_string();
    done(with_data(&there, &["export", &run, "--to", &again])?)?;
    ensure!(std::fs::read(&again)? == std::fs::read(&file)?, "the second file differs from the first");
    let known = with_data(&there, &["import", &file])?;
    ensure!(known.stderr.contains("already") && done(known)? == run);

    // The same id with another log is another run.
    let other = scratch.path().join("other.jsonl");
    std::fs::write(&other, original.replace("Talk only about cats.", "Talk only about dogs."))?;
    let added = done(with_data(&there, &["import", &other.display().to_string()])?)?;
    ensure!(added != run, "the other run took the place of the first");
    let compared = with_data(&there, &["compare-logs", &run, &added])?;
    ensure!(compared.code == 1 && compared.stdout.contains("spec.teacher"), "{compared:?}");
    Ok(())
}

#[test]
fn the_first_difference_of_two_logs_is_named() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let original = recorded::recording().display().to_string();
    let mut recording = recording::read(&std::fs::read_to_string(recorded::recording())?)?;
    let is_scored = |event: &Event| matches!(event, Event::Candidates { .. });
    let place = recording.events.iter().position(|stamped| is_scored(&stamped.event)).context("no candidates")?;
    if let Event::Candidates { candidates, .. } = &mut recording.events[place].event {
        candidates[1].ce_train += 1e-9;
    }
    let tampered = write(scratch.path(), "tampered.steerage", &recording)?;
    let compared = steerage(&["compare-logs", &original, &tampered])?;
    assert_eq!(compared.code, 1);
    let wanted = [&format!("{place} events are the same"), "stage 1, step 1", "candidates[1].ce_train"];
    ensure!(wanted.iter().all(|wanted| compared.stdout.contains(*wanted)), "{}", compared.stdout);

    // Times and what was left out are no difference.
    for stamped in &mut recording.events {
        stamped.at_unix_ms += 5;
    }
    if let Event::Candidates { candidates, .. } = &mut recording.events[place].event {
        candidates[1].ce_train -= 1.0;
    }
    let later = write(scratch.path(), "later.steerage", &recording)?;
    let trimmed = scratch.path().join("trimmed.steerage").display().to_string();
    done(steerage(&["export", &later, "--leave-out", "suffix-texts,log", "--to", &trimmed])?)?;
    ensure!(done(steerage(&["compare-logs", &original, &trimmed])?)?.starts_with("the same:"));
    Ok(())
}

fn write(folder: &Path, name: &str, recording: &Recording) -> Result<String> {
    let path = folder.join(name);
    std::fs::write(&path, encode(&recording::write(recording), "0.1.0")?)?;
    Ok(path.display().to_string())
}

#[test]
fn what_is_no_session_is_refused_with_its_place() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let session = encode(&std::fs::read_to_string(recorded::recording())?, "9.9.9")?;
    let newer = String::from_utf8_lossy(&session).replacen(":1,", ":99,", 1);
    let lines = std::fs::read_to_string(recorded::recording())?.replacen("\"seq\":7,", "\"seq\":8,", 1);
    for (name, bytes, reason) in [
        ("cut", &session[..session.len() / 2], "cut off"),
        ("newer", newer.as_bytes(), "version 99, written by Steerage 9.9.9"),
        ("picture", b"\x89PNG\r\n\x1a\n", "no Steerage session"),
        ("empty", b"", "no Steerage session"),
        ("lines", lines.as_bytes(), "line 8 does not go on"),
    ] {
        let file = scratch.path().join(name);
        std::fs::write(&file, bytes)?;
        let file = file.display().to_string();
        for command in [&["import", &file][..], &["export", &file, "--to", "never.steerage"]] {
            let refused = with_data(scratch.path(), command)?;
            ensure!(refused.code == 2 && refused.stderr.contains(reason), "{name}: {refused:?}");
            ensure!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
        }
    }
    let unknown = with_data(scratch.path(), &["export", "0199", "--to", "never.steerage"])?;
    ensure!(unknown.code == 2 && unknown.stderr.contains("neither a file nor"), "{unknown:?}");
    Ok(())
}

#[test]
fn tables_hold_every_candidate_and_completion() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let session = recorded::recording().display().to_string();
    let recording = recording::read(&std::fs::read_to_string(recorded::recording())?)?;
    let candidates = recording.events.iter().map(|stamped| match &stamped.event {
        Event::Candidates { candidates, .. } => candidates.len(),
        _ => 0,
    });
    let candidates: usize = candidates.sum();
    for format in ["jsonl", "csv", "parquet", "hf"] {
        let folder = scratch.path().join(format).display().to_string();
        done(steerage(&["export", &session, "--format", format, "--epsilon", "10", "--to", &folder])?)?;
        let again = steerage(&["export", &session, "--format", format, "--to", &folder])?;
        ensure!(again.code == 2 && again.stderr.contains("not empty"), "{again:?}");
    }
    let rows = |table: &str| -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(scratch.path().join(format!("jsonl/{table}.jsonl")))?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    };
    let listed = rows("candidates")?;
    let on_train = listed.iter().filter(|row| row["split"] == "train" && row["stage_kind"] == "walk").count();
    assert_eq!(on_train, candidates);
    ensure!(listed.iter().any(|row| row["split"] == "test"), "the verdict is missing");
    assert_eq!(rows("runs")?.len(), 1);
    let completions = rows("completions")?;
    assert_eq!(completions.len(), 52);
    ensure!(completions.iter().all(|row| row["prompt"].is_string() && row["reference_ids"].is_array()));
    ensure!(!rows("equivalent")?.is_empty() && !rows("contrast")?.is_empty());
    for (format, name) in [("csv", "candidates.csv"), ("parquet", "candidates.parquet"), ("hf", "README.md")] {
        ensure!(scratch.path().join(format).join(name).is_file(), "{format}/{name}");
    }
    let card = std::fs::read_to_string(scratch.path().join("hf/README.md"))?;
    ensure!(card.starts_with("---\n") && card.contains("data_files: data/contrast.parquet"), "{card}");
    Ok(())
}

#[test]
fn what_is_left_out_of_a_session_is_not_in_its_file() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join("trimmed.steerage").display().to_string();
    let session = recorded::recording().display().to_string();
    done(steerage(&["export", &session, "--leave-out", "suffix-texts,config,log", "--to", &file])?)?;
    let content = decode(&std::fs::read(&file)?)?.content;
    let whole = recording::read(&std::fs::read_to_string(recorded::recording())?)?;
    let mut texts = 0;
    for stamped in &whole.events {
        if let Event::SuffixMeasured { suffix } = &stamped.event {
            texts += 1;
            ensure!(!content.contains(&suffix.text), "{} is still there", suffix.text);
        }
    }
    ensure!(texts > 0 && !content.contains("\"candidates\"") && !content.contains("\"crossed\""));
    ensure!(content.contains("\"event\":\"finished\"") && content.contains("Talk only about cats."));
    Ok(())
}

/// docs/exports.md lists the columns that there are, and no others.
#[test]
fn the_documented_columns_are_those_of_the_tables() {
    let documented: BTreeSet<String> = include_str!("../../docs/exports.md")
        .split("\n## ")
        .skip(1)
        .flat_map(|section| {
            let (name, text) = section.split_once('\n').unwrap_or((section, ""));
            let rows = text.lines().filter(|line| line.starts_with("| `")).map(str::to_owned);
            rows.map(move |row| format!("{name}: {row}")).collect::<Vec<_>>()
        })
        .collect();
    let declared = tables(&[], 0.0, &mut |_, _| None);
    let rows = |table: &Table| {
        let name = table.name;
        let row = |it: &worker::tables::Column| format!("{name}: | `{}` | {} | {} |", it.name, it.kind.name(), it.help);
        table.columns.iter().map(row).collect::<Vec<_>>()
    };
    let declared: BTreeSet<String> = declared.iter().flat_map(rows).collect();
    assert_eq!(documented, declared);
}
