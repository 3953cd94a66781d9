//! `steerage check TEXT --reference TEXT`: the nontriviality verdict.

use super::{CliError, print_line};
use crate::checkpoint::Checkpoint;
use crate::models::{DEFAULT_MODEL, ModelStore};
use clap::Args;
use shared::nontriviality::{Rules, Verdict};
use shared::spec::Constraints;
use shared::suffixes;
use shared::tokens::{PromptTokenizer, TokensError};

/// Says whether a text is unlike a reference prefix.
#[derive(Args)]
pub struct CheckArgs {
    /// The text to be judged.
    text: String,
    /// The reference prefix.
    #[arg(long, value_name = "TEXT")]
    reference: String,
    /// Model whose tokenizer decides: a name, a GGUF file or a directory.
    #[arg(long, default_value = DEFAULT_MODEL)]
    model: String,
    /// Words that may not appear in any spelling, separated by commas.
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    ban_concepts: Vec<String>,
    /// Text between prefix and suffix.
    #[arg(long, default_value = "\n")]
    separator: String,
    /// File of suffixes (text, JSON lines or CSV) to read the text back inside; default: the built-in set.
    #[arg(long, value_name = "FILE")]
    suffixes: Option<std::path::PathBuf>,
    /// Prints the verdict as one JSON line.
    #[arg(long)]
    json: bool,
}

pub fn check(args: CheckArgs) -> Result<(), CliError> {
    if args.text.is_empty() {
        return Err(CliError::bad_input("the text is empty"));
    }
    let bundle = Checkpoint::find(&args.model, &ModelStore::from_env())?.tokenizer()?;
    let bundle = bundle.ok_or_else(|| CliError::bad_input(format!("{} has no tokenizer", args.model)))?;
    let suffixes: Vec<String> = match &args.suffixes {
        Some(file) => super::run::read_suffixes(file)?.texts,
        None => suffixes::built_in().into_iter().flat_map(|set| set.suffixes).map(|suffix| suffix.text).collect(),
    };
    let constraints = Constraints { ban_concepts: args.ban_concepts, ..Constraints::default() };
    let verdict = verdict(&bundle, &args.text, &args.reference, &constraints, &args.separator, &suffixes)
        .map_err(|error| CliError::failed(error.to_string()))?;
    if args.json {
        let line = serde_json::to_string(&verdict).map_err(|error| CliError::failed(error.to_string()))?;
        print_line(&line);
    } else {
        print(&verdict);
    }
    if verdict.passed { Ok(()) } else { Err(CliError::failed("the text is not nontrivial: a rule above is broken")) }
}

fn verdict(
    bundle: &shared::tokens::TokenizerBundle,
    text: &str,
    reference: &str,
    constraints: &Constraints,
    separator: &str,
    suffixes: &[String],
) -> Result<Verdict, TokensError> {
    let tokenizer = PromptTokenizer::new(bundle)?;
    let rules = Rules::new(constraints, reference, &tokenizer.encode(reference)?, tokenizer.vocabulary());
    let ids = tokenizer.encode(text)?;
    let round_trip = tokenizer.round_trip(&ids, separator, suffixes.iter().map(String::as_str))?;
    Ok(rules.verdict(tokenizer.vocabulary(), &ids, Some(&round_trip)))
}

/// A line a rule.
pub fn print(verdict: &Verdict) {
    print_line(if verdict.passed { "nontrivial: every rule holds" } else { "not nontrivial" });
    for finding in &verdict.findings {
        let mark = if finding.passed { "✓" } else { "✗" };
        print_line(&format!("  {mark} {}: {} (rule: {})", finding.rule.name(), finding.evidence, finding.bound));
    }
}
