//! `steerage run`: one search, here and now.

use super::progress::Terminal;
use super::record::Recorder;
use super::stage_help::presets_and_stages;
use super::{CliError, print_line, read_input};
use crate::catalogue::{catalogue, presets};
use crate::control::Control;
use crate::device::Machine;
use crate::job;
use crate::models::ModelStore;
use clap::Args;
use serde_json::json;
use shared::catalogue::{Catalogue, ModelEntry};
use shared::event::ErrorBody;
use shared::spec::{ParamValue, RunSpec};
use shared::state::RunState;
use shared::suffixes::{self, Imported};
use shared::wire::RunPhase;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Searches for a prefix, as a spec file or a preset says.
#[derive(Args)]
#[command(after_long_help = presets_and_stages(&presets()))]
pub struct RunArgs {
    /// A spec file (TOML); `--print-spec` shows what one looks like.
    #[arg(conflicts_with = "preset")]
    spec: Option<PathBuf>,
    /// A ready-made spec, as in best; the long help lists all.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// The preset's quick version, on few suffixes and short completions.
    #[arg(long, requires = "preset")]
    quick: bool,
    /// The reference prefix, whose behaviour is to be matched.
    #[arg(long, value_name = "TEXT")]
    teacher: Option<String>,
    /// A model by name, a GGUF file, or a directory in Hugging Face layout.
    #[arg(long)]
    model: Option<String>,
    /// A file of suffixes: text (one a line), JSON lines or CSV. They are dealt 5 : 2 : 3 to train,
    /// validation and test, unless the file says the split of each.
    #[arg(long, value_name = "FILE")]
    suffixes: Option<PathBuf>,
    /// Leaves suffixes out that the reference changes by less than this, in nats a token.
    #[arg(long, value_name = "NATS")]
    min_steerability: Option<f64>,
    /// Seeds every random choice.
    #[arg(long)]
    seed: Option<u64>,
    /// Length of the prefix, in tokens.
    #[arg(long, value_name = "K")]
    prefix_tokens: Option<usize>,
    /// Words that may not appear in any spelling, separated by commas.
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    ban_concepts: Option<Vec<String>>,
    /// Ends the search after so many forwards of one (candidate, suffix).
    #[arg(long, value_name = "N")]
    budget_evaluations: Option<u64>,
    /// Ends the search after so much wall time, in seconds; such a run is not reproducible byte for byte.
    #[arg(long, value_name = "S")]
    budget_seconds: Option<f64>,
    /// Sets a stage's parameter, as in `soft_prompt.learning_rate=0.02`.
    #[arg(long = "set", value_name = "STAGE.PARAMETER=VALUE")]
    settings: Vec<String>,
    /// Prints one event a line on stdout, and the result as the last line.
    #[arg(long)]
    json: bool,
    /// Writes the run's log with times to a file that the page can replay.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Prints the spec as TOML, and does nothing else.
    #[arg(long)]
    print_spec: bool,
}

pub fn run(args: RunArgs, machine: &Machine) -> Result<(), CliError> {
    let models = ModelStore::from_env();
    let mut catalogue = catalogue(&models);
    let spec = spec(&args, &catalogue)?;
    allow_path(&mut catalogue, &spec.model);
    job::validate(&spec, &catalogue).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        CliError::bad_input(format!("the spec is not valid:\n  {}", lines.join("\n  ")))
    })?;
    if args.print_spec {
        let toml = toml::to_string(&spec).map_err(|error| CliError::failed(error.to_string()))?;
        print_line(toml.trim_end());
        return Ok(());
    }
    warn_of_suffixes(&spec, &catalogue);
    let recorder = args.record.as_deref().map(Recorder::create).transpose()?;
    let control = cancel_on_interrupt()?;
    let mut terminal = Terminal::new(args.json, recorder);
    terminal.queued(&spec);
    job::run(&spec, &catalogue, &models, machine, &mut terminal, &control, None);
    let seconds = terminal.elapsed_secs();
    let (state, recorder) = terminal.into_parts();
    // What was found is worth more than its recording: it is printed first.
    let finished = finish(&state, seconds, args.json);
    finished.and(recorder.map_or(Ok(()), Recorder::close))
}

/// The spec that the arguments describe; it is not validated yet.
fn spec(args: &RunArgs, catalogue: &Catalogue) -> Result<RunSpec, CliError> {
    let mut spec = match (&args.spec, &args.preset) {
        (Some(file), _) => toml::from_str(&read_input(file)?)
            .map_err(|error| CliError::bad_input(format!("{} is not a spec: {error}", file.display())))?,
        (None, Some(name)) => preset(catalogue, name, args.quick)?,
        (None, None) => {
            return Err(CliError::bad_input(
                "give a spec file or --preset NAME, as in `steerage run --preset hybrid --quick`",
            ));
        }
    };
    if let Some(teacher) = &args.teacher {
        spec.teacher.clone_from(teacher);
    }
    if let Some(model) = &args.model {
        spec.model.clone_from(model);
    }
    if let Some(file) = &args.suffixes {
        read_suffixes(file)?.put_into(&mut spec.suffixes);
    }
    spec.suffixes.min_steerability = args.min_steerability.or(spec.suffixes.min_steerability);
    spec.seed = args.seed.unwrap_or(spec.seed);
    spec.prefix_tokens = args.prefix_tokens.unwrap_or(spec.prefix_tokens);
    if let Some(concepts) = &args.ban_concepts {
        spec.constraints.ban_concepts = concepts.iter().map(|concept| concept.trim().to_owned()).collect();
    }
    spec.budget.evaluations = args.budget_evaluations.or(spec.budget.evaluations);
    spec.budget.seconds = args.budget_seconds.or(spec.budget.seconds);
    for setting in &args.settings {
        apply(&mut spec, setting)?;
    }
    Ok(spec)
}

fn preset(catalogue: &Catalogue, name: &str, quick: bool) -> Result<RunSpec, CliError> {
    let wanted = if quick && !name.ends_with("-quick") { format!("{name}-quick") } else { name.to_owned() };
    let preset = catalogue.preset(&wanted).ok_or_else(|| {
        let known = catalogue.presets.iter().map(|preset| preset.name.as_str()).collect::<Vec<_>>().join(", ");
        CliError::bad_input(format!("no preset is called \"{wanted}\"; known are {known}"))
    })?;
    Ok(preset.spec.clone())
}

/// `stage.parameter=value`
fn apply(spec: &mut RunSpec, setting: &str) -> Result<(), CliError> {
    let wrong = |why: &str| CliError::bad_input(format!("--set {setting}: {why}"));
    let (path, value) = setting.split_once('=').ok_or_else(|| wrong("expected STAGE.PARAMETER=VALUE"))?;
    let (kind, name) = path.split_once('.').ok_or_else(|| wrong("expected STAGE.PARAMETER=VALUE"))?;
    let value = value
        .parse::<i64>()
        .map(ParamValue::Integer)
        .or_else(|_| value.parse::<f64>().map(ParamValue::Real))
        .or_else(|_| value.parse::<bool>().map(ParamValue::Switch))
        .unwrap_or_else(|_| ParamValue::Text(value.to_owned()));
    let stage = spec.stages.iter_mut().find(|stage| stage.kind == kind);
    let stage = stage.ok_or_else(|| wrong(&format!("the pipeline has no stage {kind}")))?;
    stage.params.insert(name.to_owned(), value);
    Ok(())
}

/// A model given by its path is no entry of the list, but here, unlike over a socket, it may be used.
pub(super) fn allow_path(catalogue: &mut Catalogue, model: &str) {
    if !catalogue.models.iter().any(|entry| entry.name == model) && Path::new(model).exists() {
        catalogue.models.push(ModelEntry {
            name: model.to_owned(),
            title: model.to_owned(),
            architecture: String::new(),
            licence: String::new(),
            size_bytes: 0,
            context_length: 0,
            sha256: String::new(),
            available: true,
        });
    }
}

/// The suffixes of a file: text, JSON lines or CSV.
pub fn read_suffixes(file: &Path) -> Result<Imported, CliError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    suffixes::import(&name, &read_input(file)?)
        .map_err(|error| CliError::bad_input(format!("{}: {error}", file.display())))
}

/// Warns of suffixes to which the model cannot answer as it would to a user's.
fn warn_of_suffixes(spec: &RunSpec, catalogue: &Catalogue) {
    for suffix in catalogue.split(spec).unwrap_or_default() {
        if let Some(phrase) = suffixes::context_referring(&suffix.text) {
            eprintln!(
                "warning: a {} suffix speaks of a text that is not there (\"{phrase}\"): {}",
                suffix.split.name(),
                suffix.text
            );
        }
    }
}

/// The first Ctrl-C asks the run to stop, which keeps the best so far; the second ends the process.
pub(super) fn cancel_on_interrupt() -> Result<Arc<Control>, CliError> {
    let control = Arc::new(Control::new());
    let asked = Arc::clone(&control);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("signals cannot be watched: {error}")))?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            if tokio::signal::ctrl_c().await.is_ok() {
                asked.cancel();
                eprintln!("stopping; press Ctrl-C again to end at once");
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
    });
    Ok(control)
}

/// Prints what came out, and turns it into an exit code.
fn finish(state: &RunState, seconds: f64, as_json: bool) -> Result<(), CliError> {
    match (&state.result, state.phase) {
        (Some(result), _) => {
            if as_json {
                let line = json!({
                    "event": "result",
                    "prefix": { "text": result.prefix.text, "ids": result.prefix.ids() },
                    "ce": result.ce,
                    "gap_closed": result.gap_closed,
                    "exact": result.exact,
                    "exact_at_k": result.exact_at_k,
                    "overlap_at_k": result.overlap_at_k,
                    "adherence": result.adherence,
                    "test_intervals": result.test_intervals,
                    "forward_kl": result.forward_kl,
                    "argmax_agreement": result.argmax_agreement,
                    "lexical_adherence": result.lexical_adherence,
                    "sampled": result.sampled,
                    "transfer": result.transfer,
                    "candidates_scored": result.candidates_scored,
                    "validation_test_drop": result.validation_test_drop(),
                    "nontrivial": result.nontriviality.passed,
                    "seconds": seconds,
                    "evaluations": result.evaluations,
                    "evaluations_saved": result.evaluations_saved,
                });
                print_line(&line.to_string());
            } else {
                super::progress::print_result(state, result, seconds);
            }
            Ok(())
        }
        (None, RunPhase::Cancelled) => {
            let best = state.best.as_ref().map_or("no prefix was found yet".to_owned(), |best| {
                format!(
                    "the best prefix so far is {:?} with cross-entropy {:.3} on train",
                    best.prefix.text, best.ce_train
                )
            });
            Err(CliError::failed(format!("cancelled; {best}")))
        }
        _ => {
            let error =
                state.error.clone().unwrap_or_else(|| ErrorBody::new("failed", "the run ended without a result"));
            let bad_input = [
                "bad_spec",
                "bad_model",
                "bad_tokenizer",
                "bad_device",
                "context_overflow",
                "bad_pipeline",
                "constraints",
            ];
            Err(if bad_input.contains(&error.code.as_str()) {
                CliError::BadInput(error)
            } else {
                CliError::Failed(error)
            })
        }
    }
}
