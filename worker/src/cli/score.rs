//! `steerage score`: negative log-likelihoods and gradients of cases from a file, the door for
//! anyone who wants to check this implementation against another.

use super::{CliError, read_input};
use crate::backend::{self, Backend, BackendError, Input, Precision, Segment};
use crate::checkpoint::Checkpoint;
use crate::device::Machine;
use crate::models::{DEFAULT_MODEL, ModelStore};
use candle_core::Tensor;
use clap::Args;
use serde::{Deserialize, Serialize};
use shared::metrics::{token_weight, weighted_ce};
use shared::tokens::PromptTokenizer;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::ops::Range;
use std::path::PathBuf;

/// Scores cases: one JSON object a line, either
/// `{"id", "ids", "completion_start", "completion_end", "prefix_start", "prefix_end"}` or
/// `{"id", "prefix", "suffix", "completion"}`.
#[derive(Args)]
pub struct ScoreArgs {
    /// A model by name, a GGUF file, or a directory in Hugging Face layout.
    #[arg(long, default_value = DEFAULT_MODEL)]
    model: String,
    /// The cases, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The answers, one JSON object a line: id, ids, nll, weighted_ce.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Also writes d weighted_ce / d input embedding over the prefix positions, one tensor
    /// `[prefix, hidden]` a case, named by its id (safetensors, f32).
    #[arg(long, value_name = "FILE")]
    grad: Option<PathBuf>,
    /// Completion tokens that weigh --early-weight.
    #[arg(long, default_value_t = 32)]
    early_k: usize,
    /// Weight of an early completion token.
    #[arg(long, default_value_t = 3.0)]
    early_weight: f64,
    /// Text between prefix and suffix of text cases.
    #[arg(long, default_value = "\n")]
    separator: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Case {
    Ids(IdsCase),
    Text(TextCase),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdsCase {
    id: String,
    ids: Vec<u32>,
    completion_start: usize,
    completion_end: usize,
    #[serde(default)]
    prefix_start: usize,
    #[serde(default)]
    prefix_end: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextCase {
    id: String,
    prefix: String,
    suffix: String,
    completion: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    ids: &'a [u32],
    /// One a completion token, in nats.
    nll: Vec<f32>,
    weighted_ce: f64,
}

/// A case in ids.
struct Sequence {
    id: String,
    ids: Vec<u32>,
    prefix: Range<usize>,
    completion: Range<usize>,
}

pub fn score(args: ScoreArgs, machine: &Machine) -> Result<(), CliError> {
    if !args.early_weight.is_finite() || args.early_weight <= 0.0 {
        return Err(CliError::bad_input(format!(
            "--early-weight: expected a positive number, found {}",
            args.early_weight
        )));
    }
    let text = read_input(&args.input)?;
    let loaded = Checkpoint::find(&args.model, &ModelStore::from_env())?.load(&machine.device.open()?)?;
    let tokenizer = loaded.tokenizer.as_ref().map(PromptTokenizer::new).transpose();
    let tokenizer = tokenizer.map_err(|error| CliError::bad_input(format!("{}: {error}", args.model)))?;
    let model = backend::fastest(loaded.model).map_err(|error| CliError::failed(error.to_string()))?;
    let (mut output, mut gradients, mut seen) = (String::new(), HashMap::new(), BTreeSet::new());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at =
            |message: String| CliError::bad_input(format!("{}, line {}: {message}", args.input.display(), index + 1));
        let sequence = parse(line).and_then(|case| sequence(case, tokenizer.as_ref(), &args.separator)).map_err(at)?;
        check(&sequence, &*model).map_err(at)?;
        if !seen.insert(sequence.id.clone()) {
            return Err(at(format!("the id \"{}\" stands there twice", sequence.id)));
        }
        let weights = (args.early_k, args.early_weight);
        let (nll, gradient) = answer(&*model, &sequence, weights, args.grad.is_some())
            .map_err(|error| CliError::failed(format!("case \"{}\": {error}", sequence.id)))?;
        let (weighted_ce, _) = weighted_ce(&nll, args.early_k, args.early_weight);
        let answer = Answer { id: &sequence.id, ids: &sequence.ids, nll, weighted_ce };
        let json = serde_json::to_string(&answer).map_err(|error| CliError::failed(error.to_string()))?;
        let _ = writeln!(output, "{json}");
        gradients.extend(gradient.map(|gradient| (sequence.id, gradient)));
    }
    if seen.is_empty() {
        return Err(CliError::bad_input(format!("{} has no cases: give one JSON object a line", args.input.display())));
    }
    let failed = |file: &std::path::Path, error: &dyn std::fmt::Display| {
        CliError::failed(format!("{} cannot be written: {error}", file.display()))
    };
    if let Some(file) = &args.grad {
        candle_core::safetensors::save(&gradients, file).map_err(|error| failed(file, &error))?;
    }
    std::fs::write(&args.output, output).map_err(|error| failed(&args.output, &error))
}

fn parse(line: &str) -> Result<Case, String> {
    let value: serde_json::Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    // Reading the right kind directly names the wrong field; an untagged enum would not.
    let case = if value.get("ids").is_some() {
        serde_json::from_value(value).map(Case::Ids)
    } else {
        serde_json::from_value(value).map(Case::Text)
    };
    case.map_err(|error| format!("not a case: {error}"))
}

fn sequence(case: Case, tokenizer: Option<&PromptTokenizer>, separator: &str) -> Result<Sequence, String> {
    match case {
        Case::Ids(case) => Ok(Sequence {
            id: case.id,
            ids: case.ids,
            prefix: case.prefix_start..case.prefix_end,
            completion: case.completion_start..case.completion_end,
        }),
        Case::Text(case) => {
            let tokenizer = tokenizer.ok_or("the model has no tokenizer, so it takes only cases with ids")?;
            let encode = |text: &str| tokenizer.encode(text).map_err(|error| error.to_string());
            let prefix = encode(&case.prefix)?;
            let layout = tokenizer.layout(&prefix, separator, &case.suffix).map_err(|error| error.to_string())?;
            let mut ids = layout.ids;
            let start = ids.len();
            ids.extend(encode(&case.completion)?);
            Ok(Sequence { id: case.id, completion: start..ids.len(), ids, prefix: layout.prefix })
        }
    }
}

fn check(sequence: &Sequence, model: &dyn Backend) -> Result<(), String> {
    let (length, config) = (sequence.ids.len(), model.config());
    let Range { start, end } = sequence.completion;
    if start == 0 || start >= end || end > length {
        return Err(format!("completion {start}..{end} is not within 1..{length}"));
    }
    let Range { start, end } = sequence.prefix;
    if start > end || end > length {
        return Err(format!("prefix {start}..{end} is not within 0..{length}"));
    }
    if length > config.context_length {
        return Err(format!("{length} ids do not fit the model's context of {}", config.context_length));
    }
    match sequence.ids.iter().find(|&&id| id as usize >= config.vocab_size) {
        Some(id) => Err(format!("id {id} is not in the vocabulary of {}", config.vocab_size)),
        None => Ok(()),
    }
}

/// Negative log-likelihood of every completion token, and the gradient over the prefix.
fn answer(
    model: &dyn Backend,
    sequence: &Sequence,
    (early_k, early_weight): (usize, f64),
    with_gradient: bool,
) -> Result<(Vec<f32>, Option<Tensor>), BackendError> {
    // The last completion token predicts nothing that is scored.
    let Range { start, end } = sequence.completion;
    let (input, targets) = (&sequence.ids[..end - 1], &sequence.ids[start..end]);
    let segments = [Segment { parent: None, input: Input::Ids(input), targets }];
    if !with_gradient {
        let scores = model.score(&segments, Precision::F32)?;
        return Ok((scores.into_iter().map(|score| score.nll).collect(), None));
    }
    let weights: Vec<f64> = (0..targets.len()).map(|t| token_weight(t, early_k, early_weight)).collect();
    let total: f64 = weights.iter().sum();
    let weights: Vec<f32> = weights.into_iter().map(|weight| (weight / total) as f32).collect();
    let gradient = model.gradient(&segments, &weights, 0..1, Precision::F32)?;
    // Embeddings that come after everything scored have no influence on it.
    let rows = gradient.embeds.pad_with_zeros(0, 0, sequence.ids.len() - input.len())?;
    let prefix = rows.narrow(0, sequence.prefix.start, sequence.prefix.len())?.contiguous()?;
    Ok((gradient.nll, Some(prefix)))
}
