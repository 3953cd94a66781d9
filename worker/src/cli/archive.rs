//! `steerage archive`: looks into the event logs of runs and sweeps.

use super::{CliError, print_line, read_input};
use crate::checkpoint::Checkpoint;
use crate::models::ModelStore;
use crate::sweep::archive::{Archive, Contrast, Evaluated};
use crate::sweep::report::csv;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use shared::event::Event;
use shared::tokens::PromptTokenizer;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Looks into event logs.
#[derive(Subcommand)]
pub enum ArchiveCommand {
    /// Lists evaluated candidates: all, those near the reference, or pairs that read alike and act differently.
    Query(QueryArgs),
}

/// Which candidates, and how they are written.
#[derive(Args)]
pub struct QueryArgs {
    /// Folders of sweeps, or files: cells of a sweep, or what `steerage run --json` printed.
    #[arg(required = true, value_name = "DIR|FILE")]
    logs: Vec<PathBuf>,
    /// Only candidates whose cross-entropy on train is at most the reference's plus EPS (nats a token), each
    /// once, best first.
    #[arg(long, value_name = "EPS", conflicts_with = "contrast", allow_negative_numbers = true)]
    within: Option<f64>,
    /// Pairs that differ in one token, those whose cross-entropies differ most first.
    #[arg(long)]
    contrast: bool,
    /// Which suffixes' cross-entropy is meant: searches score their candidates on train only.
    #[arg(long, value_enum, default_value_t = QuerySplit::Train)]
    split: QuerySplit,
    /// Shows at most so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// How the answer is written on stdout.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum QuerySplit {
    Train,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// One JSON object a line.
    Jsonl,
    /// A table with a header.
    Csv,
}

pub fn archive(ArchiveCommand::Query(args): ArchiveCommand) -> Result<(), CliError> {
    let QuerySplit::Train = args.split;
    if args.within.is_some_and(|epsilon| !epsilon.is_finite()) {
        return Err(CliError::bad_input("--within: expected a finite number of nats a token"));
    }
    let mut archive = Archive::default();
    let files = files(&args.logs)?;
    for file in &files {
        archive.add(&read(file)?);
    }
    let mut texts = Texts::default();
    if args.contrast {
        let found = archive.contrasts();
        let shown = &found[..args.limit.unwrap_or(found.len()).min(found.len())];
        let shown: Vec<Contrast> = shown.iter().map(|pair| texts.of_pair(pair)).collect();
        print(args.format, &CONTRAST_HEADER, &shown, contrast_row)?;
        eprintln!(
            "{} of {} pairs that differ in one token, of {} evaluated candidates",
            shown.len(),
            found.len(),
            archive.candidates.len()
        );
    } else {
        let found: Vec<&Evaluated> = match args.within {
            Some(epsilon) => archive.within(epsilon),
            None => archive.candidates.iter().collect(),
        };
        let shown = &found[..args.limit.unwrap_or(found.len()).min(found.len())];
        let shown: Vec<Evaluated> = shown.iter().map(|candidate| texts.of(candidate)).collect();
        print(args.format, &HEADER, &shown, row)?;
        eprintln!(
            "{} of {} found, of {} evaluated candidates in {} logs",
            shown.len(),
            found.len(),
            archive.candidates.len(),
            files.len()
        );
    }
    Ok(())
}

const HEADER: [&str; 12] = [
    "model",
    "teacher",
    "method",
    "seed",
    "stage",
    "step",
    "ids",
    "text",
    "ce_train",
    "dropped",
    "estimated",
    "ce_reference_train",
];

const CONTRAST_HEADER: [&str; 9] = [
    "model",
    "teacher",
    "ce_difference",
    "better_ids",
    "better_text",
    "better_ce_train",
    "worse_ids",
    "worse_text",
    "worse_ce_train",
];

fn row(it: &Evaluated) -> Vec<String> {
    vec![
        csv::text(&it.model),
        csv::text(&it.teacher),
        csv::text(&it.method),
        it.seed.to_string(),
        csv::text(&it.stage),
        it.step.to_string(),
        csv::ids(&it.ids),
        it.text.as_deref().map_or(String::new(), csv::text),
        it.ce_train.to_string(),
        it.dropped.to_string(),
        it.estimated.to_string(),
        it.ce_reference_train.to_string(),
    ]
}

fn contrast_row(it: &Contrast) -> Vec<String> {
    let text = |it: &Evaluated| it.text.as_deref().map_or(String::new(), csv::text);
    vec![
        csv::text(&it.better.model),
        csv::text(&it.better.teacher),
        it.ce_difference.to_string(),
        csv::ids(&it.better.ids),
        text(&it.better),
        it.better.ce_train.to_string(),
        csv::ids(&it.worse.ids),
        text(&it.worse),
        it.worse.ce_train.to_string(),
    ]
}

fn print<T: serde::Serialize>(
    format: Format,
    header: &[&str],
    items: &[T],
    row: impl Fn(&T) -> Vec<String>,
) -> Result<(), CliError> {
    match format {
        Format::Csv => {
            print_line(&header.join(","));
            items.iter().for_each(|item| print_line(&row(item).join(",")));
        }
        Format::Jsonl => {
            for item in items {
                let line = serde_json::to_string(item).map_err(|error| CliError::failed(error.to_string()))?;
                print_line(&line);
            }
        }
    }
    Ok(())
}

/// The logs that the arguments mean, sorted within a folder.
fn files(arguments: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in arguments {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let cells = path.join("cells");
        let folder = if cells.is_dir() { cells } else { path.clone() };
        let unreadable = |error| CliError::bad_input(format!("{} cannot be read: {error}", folder.display()));
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                found.push(path);
            }
        }
        if found.is_empty() {
            return Err(CliError::bad_input(format!("{} has no .jsonl files", folder.display())));
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

/// The events of a log. Its last line, a result or a cell's times, is no event.
pub(super) fn read(file: &Path) -> Result<Vec<Event>, CliError> {
    let mut events = Vec::new();
    for (at, line) in read_input(file)?.lines().enumerate() {
        let wrong = |error: &dyn std::fmt::Display| {
            CliError::bad_input(format!("{}, line {}: {error}", file.display(), at + 1))
        };
        let value: Value = serde_json::from_str(line).map_err(|error| wrong(&error))?;
        if matches!(value["event"].as_str(), Some("result" | "cell")) {
            continue;
        }
        events.push(serde_json::from_value(value).map_err(|error| wrong(&error))?);
    }
    if !matches!(events.first(), Some(Event::Queued { .. })) {
        return Err(CliError::bad_input(format!("{} is no log of a run: it begins with no spec", file.display())));
    }
    Ok(events)
}

/// Decodes ids with the tokenizers of the models that the logs name, where these are at hand.
#[derive(Default)]
pub(super) struct Texts {
    tokenizers: BTreeMap<String, Option<PromptTokenizer>>,
}

impl Texts {
    /// The text of some tokens.
    pub(super) fn text(&mut self, model: &str, ids: &[u32]) -> Option<String> {
        let tokenizer = self.tokenizers.entry(model.to_owned()).or_insert_with(|| tokenizer(model));
        tokenizer.as_ref().map(|tokenizer| tokenizer.prefix(ids).text)
    }

    fn of(&mut self, candidate: &Evaluated) -> Evaluated {
        Evaluated { text: self.text(&candidate.model, &candidate.ids), ..candidate.clone() }
    }

    fn of_pair(&mut self, pair: &Contrast) -> Contrast {
        Contrast { better: self.of(&pair.better), worse: self.of(&pair.worse), ..*pair }
    }
}

fn tokenizer(model: &str) -> Option<PromptTokenizer> {
    let bundle = Checkpoint::find(model, &ModelStore::from_env()).and_then(|checkpoint| checkpoint.tokenizer());
    let found = match bundle {
        Ok(bundle) => bundle.and_then(|bundle| PromptTokenizer::new(&bundle).ok()),
        Err(_) => None,
    };
    if found.is_none() {
        eprintln!("the tokenizer of {model} is not at hand: its candidates are shown by their ids only");
    }
    found
}
