//! One run, from spec to verdict: the pipeline that a child process or `steerage run` executes.

use crate::contest::KnownScores;
use crate::control::Control;
use crate::device::Machine;
use crate::journal::Journal;
use crate::loaded::LoadedModel;
use crate::models::ModelStore;
use crate::objective::{Objective, SuffixTarget};
use crate::planner::{Plan, TooLittleMemory};
use crate::stages::{self, Meter, Params, Search, Sink, Stage, StageError};
use rand::SeedableRng;
use rand_pcg::Pcg64;
use shared::catalogue::{Catalogue, FieldError, Suffix};
use shared::event::{ErrorBody, Event, StagePlan};
use shared::nontriviality::Rules;
use shared::session_file::sha256_hex;
use shared::spec::RunSpec;
use shared::tokens::{PromptTokenizer, TokensError};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Summary of a stage that did nothing.
const LEFT_OUT: &str = "left out: the verdict was asked for before";

/// What the search stages of a run spent: from the end of the reference measurement to `evaluate`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Forwards of one (candidate, suffix).
    pub evaluations: u64,
    /// Wall time without pauses, in seconds.
    pub seconds: f64,
}

/// Runs a spec. Everything that happens goes to `sink`; the last event says how it ended.
///
/// `control` may ask for something at any time. A cancelled run ends within about a second with
/// [`Event::Cancelled`], and the best prefix so far stands in the log. A paused one stands still within about as
/// long; whoever made the control records that. One that is to finish leaves out what is left of its searches.
///
/// With a file for a [`Journal`], another attempt of the same run with the same file gives the same events, and is soon
/// where this one ended.
pub fn run(
    spec: &RunSpec,
    catalogue: &Catalogue,
    models: &ModelStore,
    machine: &Machine,
    sink: &mut dyn Sink,
    control: &Arc<Control>,
    journal: Option<&Path>,
) {
    let loaded = validate(spec, catalogue).map_err(|errors| bad_spec(&errors[0])).and_then(|()| {
        // What no prefix can satisfy is refused before a weight is read.
        LoadedModel::load(&spec.model, models, machine, |tokenizer| rules(spec, tokenizer).map(|_| ()))
    });
    match loaded {
        Ok(model) => {
            let journal = journal.and_then(|path| open_journal(path, &model, spec, machine, control));
            let mut model = match journal {
                Some(journal) => model.journaled(journal),
                None => model,
            };
            run_on(&mut model, spec, catalogue, machine, sink, control);
        }
        Err(error) => sink.push(Event::Failed { error }),
    }
}

/// The journal of a run; none where it cannot be opened, without which the run goes on all the same.
fn open_journal(
    path: &Path,
    model: &LoadedModel,
    spec: &RunSpec,
    machine: &Machine,
    control: &Arc<Control>,
) -> Option<Journal> {
    // All that answers depend on.
    let key = serde_json::to_string(&(env!("CARGO_PKG_VERSION"), format!("{:?}", machine.device), &model.card, spec));
    let key = sha256_hex(key.unwrap_or_default().as_bytes());
    let journal = Journal::open(path, &key, Arc::clone(control));
    journal.inspect_err(|error| eprintln!("no journal ({error}): interrupted, the run would begin anew")).ok()
}

/// The same with a model that is loaded; gives what the search spent.
///
/// After a failure in the model itself, the model is gone ([`LoadedModel::is_there`]).
pub fn run_on(
    model: &mut LoadedModel,
    spec: &RunSpec,
    catalogue: &Catalogue,
    machine: &Machine,
    sink: &mut dyn Sink,
    control: &Arc<Control>,
) -> Spent {
    let mut spent = Spent::default();
    let last = execute(model, spec, catalogue, machine, sink, control, &mut spent)
        .unwrap_or_else(|error| Event::Failed { error });
    sink.push(last);
    spent
}

fn execute(
    model: &mut LoadedModel,
    spec: &RunSpec,
    catalogue: &Catalogue,
    machine: &Machine,
    sink: &mut dyn Sink,
    control: &Arc<Control>,
    spent: &mut Spent,
) -> Result<Event, ErrorBody> {
    let Prepared { reference, rules, chat_pre, targets } = prepare(spec, catalogue, model)?;
    let card = model.card.clone();
    let weights = (spec.early_k, spec.early_weight);
    let stop_ids = model.tokenizer.stop_ids().to_vec();
    let model_failed = |error| failed(StageError::Backend(error));
    let pipeline = pipeline(spec);
    // Loading the model took a while.
    if control.proceed().is_err() {
        return Ok(Event::Cancelled {});
    }
    check_stages(&pipeline, model)?;
    let backend = model.take()?;
    let texts = targets.iter().map(|target| target.text.clone()).collect();
    let passes = match Plan::for_process(backend.pass_memory(), machine.memory_limit_bytes) {
        Ok(passes) => passes,
        Err(error) => {
            model.give_back(backend);
            return Err(too_little_memory(error));
        }
    };
    let mut objective = Objective::new(backend, passes, &chat_pre, targets, weights, stop_ids, Arc::clone(control))
        .map_err(model_failed)?;
    sink.push(Event::Started {
        model: card,
        stages: plan(spec, &pipeline),
        reference: model.tokenizer.prefix(&reference).tokens,
    });
    let mut search = Search {
        spec,
        objective: &mut objective,
        tokenizer: &model.tokenizer,
        rules: &rules,
        texts,
        saes: model.saes.clone(),
        reference,
        known: KnownScores::default(),
        tried: BTreeSet::new(),
        adherence: catalogue.adherence_rule(&spec.teacher).cloned(),
        hardness: Vec::new(),
        rng: Pcg64::seed_from_u64(spec.seed),
        baselines: Vec::new(),
        soft: None,
        projected: None,
        best: None,
        result: None,
        stage: 0,
        total_steps: spec.max_completion_tokens + 1,
        meter: Meter::unlimited(),
        sink,
    };
    let outcome = run_stages(&mut search, &pipeline, spent);
    let result = search.result.take();
    model.give_back(objective.into_backend());
    match (outcome, result) {
        (Ok(()), Some(result)) => Ok(Event::Finished { result: Box::new(result) }),
        (Ok(()), None) => Err(ErrorBody::new("no_verdict", "the pipeline ended without a verdict")),
        (Err(StageError::Stopped), _) => Ok(Event::Cancelled {}),
        (Err(error), _) => Err(failed(error)),
    }
}

fn run_stages(
    search: &mut Search<'_>,
    pipeline: &[(&'static dyn Stage, Params)],
    spent: &mut Spent,
) -> Result<(), StageError> {
    search.sink.push(Event::StageStarted { stage: 0 });
    let summary = stages::measure_reference(search)?;
    search.sink.push(Event::StageFinished { stage: 0, summary });
    let (worked_before, evaluations_before) = (search.objective.control().worked(), search.objective.evaluations());
    search.meter = Meter::start(search.spec.budget, evaluations_before, worked_before);
    for (index, (stage, params)) in pipeline.iter().enumerate() {
        search.stage = index + 1;
        search.total_steps = stage.total_steps(params);
        let (evaluations, worked) = (search.objective.evaluations(), search.objective.control().worked());
        search.meter.begin_stage(params.declared_f64(stages::BUDGET_SHARE), evaluations, worked);
        search.sink.push(Event::StageStarted { stage: search.stage });
        let searches = search.spec.stages[index].kind != "evaluate";
        // Without a prefix the verdict would be on nothing: then each stage does the least that it can.
        let left_out = searches && search.best.is_some() && search.objective.control().is_finishing();
        let summary = if left_out { LEFT_OUT.to_owned() } else { stage.run(search, params)? };
        if searches {
            let evaluations = search.objective.evaluations() - evaluations_before;
            let worked = search.objective.control().worked().saturating_sub(worked_before);
            *spent = Spent { evaluations, seconds: worked.as_secs_f64() };
        }
        search.sink.push(Event::StageFinished { stage: search.stage, summary });
    }
    Ok(())
}

/// Everything of a spec that can be wrong without asking a model.
pub fn validate(spec: &RunSpec, catalogue: &Catalogue) -> Result<(), Vec<FieldError>> {
    catalogue.validate(spec)?;
    let pipeline = pipeline(spec);
    if pipeline.len() < spec.stages.len() {
        // A stage that only the catalogue knows: whether it makes what a later one needs is not ours to judge.
        return Ok(());
    }
    stages::check_order(&pipeline).map_err(|error| vec![error])
}

/// Refuses what this model cannot run: contradicting constraints, a reference or suffix beyond its context, a layer
/// that it does not have, an SAE of another width.
pub fn preflight(spec: &RunSpec, catalogue: &Catalogue, model: &LoadedModel) -> Result<(), ErrorBody> {
    prepare(spec, catalogue, model)?;
    check_stages(&pipeline(spec), model)
}

/// A spec in the terms of a model.
struct Prepared {
    reference: Vec<u32>,
    rules: Rules,
    chat_pre: Vec<u32>,
    targets: Vec<SuffixTarget>,
}

fn prepare(spec: &RunSpec, catalogue: &Catalogue, model: &LoadedModel) -> Result<Prepared, ErrorBody> {
    validate(spec, catalogue).map_err(|errors| bad_spec(&errors[0]))?;
    let suffixes = catalogue.split(spec).map_err(|error| bad_spec(&error))?;
    let (reference, rules) = rules(spec, &model.tokenizer)?;
    let (chat_pre, targets) = lay_out(spec, &model.tokenizer, &suffixes).map_err(bad_tokens)?;
    check_context(spec, model.card.context_length, chat_pre.len(), reference.len(), &targets)?;
    Ok(Prepared { reference, rules, chat_pre, targets })
}

/// The reference in ids, and the rules, which some prefix satisfies.
fn rules(spec: &RunSpec, tokenizer: &PromptTokenizer) -> Result<(Vec<u32>, Rules), ErrorBody> {
    let reference = tokenizer.encode(&spec.teacher).map_err(bad_tokens)?;
    let rules = Rules::new(&spec.constraints, &spec.teacher, &reference, tokenizer.vocabulary());
    match rules.contradiction(tokenizer.vocabulary()) {
        Some(reason) => Err(contradiction(&reason)),
        None => Ok((reference, rules)),
    }
}

/// The spec's stages with their parameters; kinds were validated before.
fn pipeline(spec: &RunSpec) -> Vec<(&'static dyn Stage, Params)> {
    let with_params = |stage: &shared::spec::StageSpec| {
        let found = stages::find(&stage.kind)?;
        Some((found, Params::new(&found.declaration(), stage)))
    };
    spec.stages.iter().filter_map(with_params).collect()
}

/// Asks every stage whether the model and the machine have what it needs.
fn check_stages(pipeline: &[(&'static dyn Stage, Params)], model: &LoadedModel) -> Result<(), ErrorBody> {
    let config = model.config()?;
    for (index, (stage, params)) in pipeline.iter().enumerate() {
        stage.check(params, config, &model.saes).map_err(|error| {
            let FieldError { field, message } = error;
            bad_spec(&FieldError::new(format!("stages[{index}].{field}"), message))
        })?;
    }
    Ok(())
}

fn plan(spec: &RunSpec, pipeline: &[(&'static dyn Stage, Params)]) -> Vec<StagePlan> {
    let reference = StagePlan {
        kind: "reference".to_owned(),
        title: "Reference".to_owned(),
        total_steps: spec.max_completion_tokens + 1,
    };
    let stages = pipeline.iter().map(|(stage, params)| {
        let declaration = stage.declaration();
        StagePlan { kind: declaration.kind, title: declaration.title, total_steps: stage.total_steps(params) }
    });
    std::iter::once(reference).chain(stages).collect()
}

/// The chat before the prefix, and every suffix in ids.
fn lay_out(
    spec: &RunSpec,
    tokenizer: &PromptTokenizer,
    suffixes: &[Suffix],
) -> Result<(Vec<u32>, Vec<SuffixTarget>), TokensError> {
    let mut chat_pre = Vec::new();
    let mut targets = Vec::with_capacity(suffixes.len());
    for suffix in suffixes {
        // Any one token stands for the prefix here: what follows it does not depend on it.
        let with = tokenizer.layout(&[0], &spec.separator, &suffix.text)?;
        let without = tokenizer.layout(&[], &spec.separator, &suffix.text)?;
        chat_pre = with.ids[..with.prefix.start].to_vec();
        targets.push(SuffixTarget {
            split: suffix.split,
            text: suffix.text.clone(),
            tail: with.ids[with.prefix.end..].to_vec(),
            tail_none: without.ids[without.prefix.end..].to_vec(),
            completion: Vec::new(),
        });
    }
    Ok((chat_pre, targets))
}

/// Refuses what does not fit the context, before any work starts.
fn check_context(
    spec: &RunSpec,
    context_length: usize,
    chat_pre: usize,
    reference: usize,
    targets: &[SuffixTarget],
) -> Result<(), ErrorBody> {
    let alone = chat_pre + reference + spec.max_completion_tokens;
    if alone > context_length {
        let message = format!(
            "the reference prefix has {reference} tokens; with its chat and {} completion tokens it needs more than the model's {context_length}",
            spec.max_completion_tokens
        );
        return Err(ErrorBody::new("context_overflow", message)
            .with_field("teacher")
            .with_hint("shorten the reference prefix"));
    }
    let prefix = reference.max(spec.prefix_tokens);
    for target in targets {
        let total = chat_pre + prefix + target.tail.len() + spec.max_completion_tokens;
        if total > context_length {
            let shown: String = target.text.chars().take(40).collect();
            let message = format!(
                "the suffix \"{shown}…\" has {} tokens with its chat; with {prefix} prefix and {} completion tokens it needs {total} of the model's {context_length}",
                chat_pre + target.tail.len(),
                spec.max_completion_tokens
            );
            return Err(ErrorBody::new("context_overflow", message)
                .with_field("suffixes")
                .with_hint("shorten the suffix"));
        }
    }
    Ok(())
}

fn too_little_memory(error: TooLittleMemory) -> ErrorBody {
    ErrorBody::new("too_little_memory", error.to_string())
        .with_hint("raise --memory-limit, free memory, or take a smaller model")
}

fn bad_spec(error: &FieldError) -> ErrorBody {
    ErrorBody::new("bad_spec", error.to_string()).with_field(&error.field)
}

fn contradiction(reason: &str) -> ErrorBody {
    let error = FieldError::new("constraints", reason);
    bad_spec(&error).with_hint("loosen the constraints that rule out most")
}

fn bad_tokens(error: TokensError) -> ErrorBody {
    ErrorBody::new("bad_tokenizer", error.to_string())
}

fn failed(error: StageError) -> ErrorBody {
    let code = match &error {
        StageError::Stopped => "stopped",
        StageError::Missing { .. } => "bad_pipeline",
        StageError::Constraints(_) => "constraints",
        StageError::Suffixes(reason) => {
            return bad_spec(&FieldError::new("suffixes.min_steerability", reason))
                .with_hint("lower it, or give other or more suffixes");
        }
        StageError::Backend(_) | StageError::Candle(_) => "model_failed",
        StageError::Tokens(_) => "bad_tokenizer",
    };
    ErrorBody::new(code, error.to_string())
}
