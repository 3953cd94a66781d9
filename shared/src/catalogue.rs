//! What a worker can do: models, stages with their declared parameters, presets, suffix sets and
//! teachers. The form in the page, the command line's help and validation all read this one value.

use crate::adherence::AdherenceRule;
use crate::spec::{ParamValue, RunSpec, Split, StageSpec};
use serde::{Deserialize, Serialize};

/// Everything a [`RunSpec`] can name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// Models, the default first.
    pub models: Vec<ModelEntry>,
    /// Stage kinds.
    pub stages: Vec<StageDeclaration>,
    /// Ready-made specs, the default first.
    pub presets: Vec<Preset>,
    /// Built-in suffix sets, the default first.
    pub suffix_sets: Vec<SuffixSet>,
    /// Built-in reference prefixes, the default first.
    pub teachers: Vec<Teacher>,
}

/// A model that the worker may load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// Name in specs and on the command line.
    pub name: String,
    /// Name on screen.
    pub title: String,
    /// Architecture, as the checkpoint calls it.
    pub architecture: String,
    /// Licence of the weights.
    pub licence: String,
    /// Size of the weights file, in bytes.
    pub size_bytes: u64,
    /// Longest sequence, in tokens.
    pub context_length: usize,
    /// SHA-256 of the weights file, in hex.
    pub sha256: String,
    /// Whether the weights are on the worker's disk.
    pub available: bool,
}

/// A stage kind and the parameters it understands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageDeclaration {
    /// Name in specs.
    pub kind: String,
    /// Name on screen.
    pub title: String,
    /// One sentence on what it does.
    pub help: String,
    /// Its parameters, in the order in which a form shows them.
    pub params: Vec<ParamDeclaration>,
}

/// One parameter of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParamDeclaration {
    /// Name in specs.
    pub name: String,
    /// Unit, or empty for a plain number.
    pub unit: String,
    /// One sentence on what it does.
    pub help: String,
    /// What values are allowed.
    pub domain: ParamDomain,
    /// Value where the spec gives none.
    pub default: ParamValue,
}

/// The values that a parameter may take; bounds are inclusive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ParamDomain {
    /// True or false.
    Switch,
    /// A whole number.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// A finite real number.
    Real {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
    },
    /// A name: ASCII letters, digits, dot, dash, underscore; empty for none.
    Name {
        /// Longest name, in characters.
        max_chars: usize,
    },
    /// One of a few words.
    Choice {
        /// The words.
        options: Vec<String>,
    },
}

/// A named spec to start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    /// Name on the command line.
    pub name: String,
    /// Name on screen.
    pub title: String,
    /// What it does and how long it takes.
    pub help: String,
    /// The spec itself.
    pub spec: RunSpec,
}

/// A named set of suffixes with a fixed split, so that no seed moves a test suffix into training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuffixSet {
    /// Name in specs.
    pub name: String,
    /// Name on screen.
    pub title: String,
    /// The suffixes, in order.
    pub suffixes: Vec<Suffix>,
}

/// One user prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suffix {
    /// Who may see it.
    pub split: Split,
    /// The prompt.
    pub text: String,
}

/// A reference prefix worth matching.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Teacher {
    /// The reference prefix `s_ref`.
    pub text: String,
    /// What it makes the model do.
    pub title: String,
    /// Words to ban when the concept itself must not appear.
    pub concepts: Vec<String>,
    /// How its effect shows in a completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adherence: Option<AdherenceRule>,
}

/// What is wrong with one field of a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// Path of the field, as in `stages[1].steps`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl FieldError {
    /// An error about one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        FieldError { field: field.into(), message: message.into() }
    }
}

impl Catalogue {
    /// Checks a spec against what exists and against every declared bound; returns every problem.
    pub fn validate(&self, spec: &RunSpec) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        if !self.models.iter().any(|model| model.name == spec.model) {
            let known = names(self.models.iter().map(|model| &model.name));
            errors.push(FieldError::new("model", format!("no model is called \"{}\"; known are {known}", spec.model)));
        }
        if spec.teacher.trim().is_empty() {
            errors.push(FieldError::new("teacher", "the reference prefix is empty"));
        }
        in_bounds(&mut errors, "prefix_tokens", spec.prefix_tokens, 1, 64);
        in_bounds(&mut errors, "max_completion_tokens", spec.max_completion_tokens, 1, 512);
        in_bounds(&mut errors, "early_k", spec.early_k, 0, 512);
        real_in_bounds(&mut errors, "early_weight", spec.early_weight, 0.1, 100.0);
        real_in_bounds(&mut errors, "constraints.max_token_overlap", spec.constraints.max_token_overlap, 0.0, 1.0);
        real_in_bounds(&mut errors, "constraints.min_edit_distance", spec.constraints.min_edit_distance, 0.0, 1.0);
        if let Some(min) = spec.suffixes.min_steerability {
            real_in_bounds(&mut errors, "suffixes.min_steerability", min, 0.0, 100.0);
        }
        for (index, concept) in spec.constraints.ban_concepts.iter().enumerate() {
            if !concept.chars().any(char::is_alphanumeric) {
                errors.push(FieldError::new(
                    format!("constraints.ban_concepts[{index}]"),
                    "a banned concept needs at least one letter or digit",
                ));
            }
        }
        if spec.budget.evaluations == Some(0) {
            errors.push(FieldError::new("budget.evaluations", "expected 1 or more, found 0"));
        }
        if let Some(seconds) = spec.budget.seconds
            && !(seconds.is_finite() && seconds > 0.0)
        {
            errors.push(FieldError::new("budget.seconds", format!("expected more than 0, found {seconds}")));
        }
        errors.extend(self.split(spec).err());
        if spec.stages.is_empty() {
            errors.push(FieldError::new("stages", "the pipeline has no stages"));
        }
        if spec.stages.last().is_some_and(|stage| stage.kind != "evaluate") {
            errors.push(FieldError::new(
                "stages",
                "the last stage must be evaluate: a run without a verdict has no result",
            ));
        }
        for (index, stage) in spec.stages.iter().enumerate() {
            if stage.kind == "evaluate" && index + 1 < spec.stages.len() {
                let message = "evaluate comes last, and once: no search goes on after the test suffixes were seen";
                errors.push(FieldError::new(format!("stages[{index}]"), message));
            }
            self.validate_stage(&mut errors, index, stage);
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The declaration of a stage kind.
    pub fn stage(&self, kind: &str) -> Option<&StageDeclaration> {
        self.stages.iter().find(|stage| stage.kind == kind)
    }

    /// The preset of that name.
    pub fn preset(&self, name: &str) -> Option<&Preset> {
        self.presets.iter().find(|preset| preset.name == name)
    }

    /// How the effect of a reference prefix shows, where it is one of the built-in ones.
    pub fn adherence_rule(&self, teacher: &str) -> Option<&AdherenceRule> {
        self.teachers.iter().find(|known| known.text.trim() == teacher.trim())?.adherence.as_ref()
    }

    /// The suffixes that a spec names, dealt to the splits.
    pub fn split(&self, spec: &RunSpec) -> Result<Vec<Suffix>, FieldError> {
        crate::suffixes::deal(&spec.suffixes, spec.seed, &self.suffix_sets)
    }

    fn validate_stage(&self, errors: &mut Vec<FieldError>, index: usize, stage: &StageSpec) {
        let Some(declaration) = self.stage(&stage.kind) else {
            let known = names(self.stages.iter().map(|stage| &stage.kind));
            errors.push(FieldError::new(
                format!("stages[{index}].kind"),
                format!("no stage is called \"{}\"; known are {known}", stage.kind),
            ));
            return;
        };
        for (name, value) in &stage.params {
            let field = format!("stages[{index}].{name}");
            match declaration.params.iter().find(|param| &param.name == name) {
                None => {
                    let known = names(declaration.params.iter().map(|param| &param.name));
                    errors
                        .push(FieldError::new(field, format!("{} has no such parameter; it has {known}", stage.kind)));
                }
                Some(param) => {
                    if let Err(message) = param.domain.check(value) {
                        errors.push(FieldError::new(field, message));
                    }
                }
            }
        }
    }
}

impl ParamDomain {
    /// Says what is wrong with a value, if anything.
    pub fn check(&self, value: &ParamValue) -> Result<(), String> {
        match (self, value) {
            (ParamDomain::Switch, ParamValue::Switch(_)) => Ok(()),
            (ParamDomain::Integer { min, max }, ParamValue::Integer(value)) if (min..=max).contains(&value) => Ok(()),
            (ParamDomain::Real { min, max }, ParamValue::Integer(value))
                if (*min..=*max).contains(&(*value as f64)) =>
            {
                Ok(())
            }
            (ParamDomain::Real { min, max }, ParamValue::Real(value)) if (min..=max).contains(&value) => Ok(()),
            (ParamDomain::Choice { options }, ParamValue::Text(value)) if options.contains(value) => Ok(()),
            (ParamDomain::Name { max_chars }, ParamValue::Text(value))
                if value.len() <= *max_chars
                    && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) =>
            {
                Ok(())
            }
            (ParamDomain::Name { max_chars }, _) => Err(format!(
                "expected a name of at most {max_chars} letters, digits, dots, dashes and underscores, found {value}"
            )),
            (ParamDomain::Switch, _) => Err(format!("expected true or false, found {value}")),
            (ParamDomain::Integer { min, max }, _) => {
                Err(format!("expected a whole number from {min} to {max}, found {value}"))
            }
            (ParamDomain::Real { min, max }, _) => Err(format!("expected a number from {min} to {max}, found {value}")),
            (ParamDomain::Choice { options }, _) => {
                Err(format!("expected one of {}, found {value}", options.join(", ")))
            }
        }
    }
}

fn in_bounds(errors: &mut Vec<FieldError>, field: &str, value: usize, min: usize, max: usize) {
    if !(min..=max).contains(&value) {
        errors.push(FieldError::new(field, format!("expected {min} to {max}, found {value}")));
    }
}

fn real_in_bounds(errors: &mut Vec<FieldError>, field: &str, value: f64, min: f64, max: f64) {
    if !(min..=max).contains(&value) {
        errors.push(FieldError::new(field, format!("expected {min} to {max}, found {value}")));
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    names.sort_unstable();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
