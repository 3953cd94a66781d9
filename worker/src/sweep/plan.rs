//! From the file to its cells, with every mistake named before any work starts.

use super::spec::{Ban, MethodSpec, SweepSpec, TeacherSpec};
use crate::job;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::catalogue::{Catalogue, FieldError};
use shared::spec::RunSpec;
use std::collections::BTreeSet;

/// Where a cell stands in the sweep.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CellKey {
    /// Model, by name.
    pub model: String,
    /// Teacher, by its name in the report.
    pub teacher: String,
    /// Method, by name.
    pub method: String,
    /// Seed.
    pub seed: u64,
}

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its place.
    pub key: CellKey,
    /// Name of its file, without extension.
    pub slug: String,
    /// What is run.
    pub spec: RunSpec,
}

/// A sweep, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The file's contents.
    pub spec: SweepSpec,
    /// Names of the teachers, in the file's order.
    pub teachers: Vec<String>,
    /// The method that the others are compared with.
    pub baseline: String,
    /// Models, then teachers, then seeds, then methods: what is compared runs next to each other, under the
    /// same load of the machine.
    pub cells: Vec<Cell>,
}

impl Plan {
    /// Expands and checks a sweep; gives every mistake with the field it is in.
    pub fn new(spec: SweepSpec, catalogue: &Catalogue) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let seeds = spec.seeds.list();
        let teachers: Vec<String> = spec.teachers.iter().map(teacher_name).collect();
        let methods: Vec<String> = spec.methods.iter().map(|method| method.name.clone()).collect();
        check_list(&mut errors, "models", &spec.models);
        check_list(&mut errors, "teachers", &teachers);
        check_list(&mut errors, "methods", &methods);
        check_list(&mut errors, "seeds", &seeds.iter().map(u64::to_string).collect::<Vec<_>>());
        let baseline = spec.baseline.clone().or_else(|| methods.first().cloned()).unwrap_or_default();
        if !methods.is_empty() && !methods.contains(&baseline) {
            let message = format!("no method is called \"{baseline}\"; there are {}", methods.join(", "));
            errors.push(FieldError::new("baseline", message));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut cells = Vec::new();
        for model in &spec.models {
            for (teacher, name) in spec.teachers.iter().zip(&teachers) {
                for &seed in &seeds {
                    for (index, method) in spec.methods.iter().enumerate() {
                        let key =
                            CellKey { model: model.clone(), teacher: name.clone(), method: method.name.clone(), seed };
                        match run_spec(&spec, &key, teacher, (index, method), catalogue) {
                            Ok(run) => cells.push(Cell { slug: slug(&key), key, spec: run }),
                            Err(found) => errors.extend(found),
                        }
                    }
                }
            }
        }
        // A mistake of the file shows in every cell.
        let mut seen = BTreeSet::new();
        errors.retain(|error| seen.insert(error.to_string()));
        if errors.is_empty() { Ok(Plan { spec, teachers, baseline, cells }) } else { Err(errors) }
    }
}

fn check_list(errors: &mut Vec<FieldError>, field: &str, names: &[String]) {
    if names.is_empty() {
        errors.push(FieldError::new(field, "the list is empty, so there is nothing to run"));
    }
    for (index, name) in names.iter().enumerate() {
        if name.trim().is_empty() {
            errors.push(FieldError::new(format!("{field}[{index}]"), "the name or text is empty"));
        }
        if names[..index].contains(name) {
            let hint = if field == "teachers" { "; give one of them another `name`" } else { "" };
            errors.push(FieldError::new(format!("{field}[{index}]"), format!("\"{name}\" stands there twice{hint}")));
        }
    }
}

fn teacher_name(teacher: &TeacherSpec) -> String {
    match (&teacher.name, teacher.ban) {
        (Some(name), _) => name.clone(),
        (None, Some(Ban::Concepts)) => format!("{} (concepts banned)", teacher.text),
        (None, _) => teacher.text.clone(),
    }
}

fn run_spec(
    sweep: &SweepSpec,
    key: &CellKey,
    teacher: &TeacherSpec,
    (index, method): (usize, &MethodSpec),
    catalogue: &Catalogue,
) -> Result<RunSpec, Vec<FieldError>> {
    let at = |field: &str, message: String| vec![FieldError::new(format!("methods[{index}].{field}"), message)];
    // What neither the sweep nor the method says is what a run's file may leave out.
    let mut spec = RunSpec::new(&key.model, &teacher.text);
    spec.stages = match (&method.preset, method.stages.is_empty()) {
        (Some(name), true) => match catalogue.preset(name) {
            Some(preset) => preset.spec.stages.clone(),
            None => {
                let known: Vec<&str> = catalogue.presets.iter().map(|preset| preset.name.as_str()).collect();
                let message = format!("no preset is called \"{name}\"; known are {}", known.join(", "));
                return Err(at("preset", message));
            }
        },
        (None, false) => method.stages.clone(),
        (Some(_), false) => return Err(at("stages", "a method has either a preset or stages".to_owned())),
        (None, true) => return Err(at("preset", "a method needs a preset or stages".to_owned())),
    };
    for (path, value) in &method.set {
        let stage = path.split_once('.').and_then(|(kind, name)| {
            spec.stages.iter_mut().find(|stage| stage.kind == kind).map(|stage| (stage, name))
        });
        let Some((stage, name)) = stage else {
            return Err(at("set", format!("\"{path}\" names no stage of the pipeline: expected \"STAGE.PARAMETER\"")));
        };
        stage.params.insert(name.to_owned(), value.clone());
    }
    spec.preset.clone_from(&method.name);
    spec.seed = key.seed;
    spec.prefix_tokens = method.prefix_tokens.or(sweep.prefix_tokens).unwrap_or(spec.prefix_tokens);
    spec.max_completion_tokens = sweep.max_completion_tokens.unwrap_or(spec.max_completion_tokens);
    spec.separator = sweep.separator.clone().unwrap_or(spec.separator);
    spec.early_k = sweep.early_k.unwrap_or(spec.early_k);
    spec.early_weight = sweep.early_weight.unwrap_or(spec.early_weight);
    spec.suffixes = sweep.suffixes.clone();
    spec.budget = method.budget.unwrap_or(sweep.budget);
    spec.constraints = sweep.constraints.clone();
    ban(&mut spec, teacher, catalogue)?;
    job::validate(&spec, catalogue)
        .map_err(|errors| errors.into_iter().map(|error| locate(error, index, method)).collect::<Vec<_>>())?;
    Ok(spec)
}

fn ban(spec: &mut RunSpec, teacher: &TeacherSpec, catalogue: &Catalogue) -> Result<(), Vec<FieldError>> {
    let concepts = &mut spec.constraints.ban_concepts;
    if teacher.ban == Some(Ban::Concepts) {
        let known = catalogue.teachers.iter().find(|known| known.text == teacher.text);
        match known {
            Some(known) => concepts.extend(known.concepts.iter().cloned()),
            None if teacher.ban_concepts.is_empty() => {
                let message = format!("no concepts are known for \"{}\": list them in ban_concepts", teacher.text);
                return Err(vec![FieldError::new("teachers.ban", message)]);
            }
            None => {}
        }
    }
    concepts.extend(teacher.ban_concepts.iter().cloned());
    let mut seen = BTreeSet::new();
    concepts.retain(|concept| seen.insert(concept.clone()));
    spec.constraints.ban_reference_tokens |= teacher.ban.is_some();
    Ok(())
}

/// A field of a cell's spec in the terms of the sweep's file.
fn locate(error: FieldError, index: usize, method: &MethodSpec) -> FieldError {
    let own = match error.field.as_str() {
        "model" => return FieldError { field: "models".to_owned(), ..error },
        "teacher" => return FieldError { field: "teachers".to_owned(), ..error },
        "prefix_tokens" => method.prefix_tokens.is_some(),
        field if field.starts_with("budget.") => method.budget.is_some(),
        field => field.starts_with("stages"),
    };
    if own { FieldError { field: format!("methods[{index}].{}", error.field), ..error } } else { error }
}

/// A readable file name, with a hash that tells names apart which read alike.
fn slug(key: &CellKey) -> String {
    let readable = |text: &str| -> String {
        let mut slug = String::new();
        for c in text.chars().take(40).flat_map(char::to_lowercase) {
            if c.is_ascii_alphanumeric() {
                slug.push(c);
            } else if !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.trim_matches('-').to_owned()
    };
    let mut hash = Sha256::new();
    for part in [&key.model, &key.teacher, &key.method] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let hash: String = hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}--{}--{hash}--seed{}", readable(&key.teacher), readable(&key.method), key.seed)
}
