//! What a run is asked to do. One TOML file, one form in the page, one value on the wire.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that determines a run: the same spec and seed on the CPU give the same events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// Name of the preset it began as; a label, nothing is looked up by it.
    #[serde(default = "default_preset")]
    pub preset: String,
    /// A model of the catalogue, by name.
    pub model: String,
    /// The reference prefix `s_ref`, whose behaviour is to be matched.
    pub teacher: String,
    /// Text between prefix and suffix.
    #[serde(default = "default_separator")]
    pub separator: String,
    /// Seeds every random choice of the run.
    #[serde(default)]
    pub seed: u64,
    /// Length of the prefix that is searched for, in tokens.
    #[serde(default = "default_prefix_tokens")]
    pub prefix_tokens: usize,
    /// Longest reference completion, in tokens.
    #[serde(default = "default_max_completion_tokens")]
    pub max_completion_tokens: usize,
    /// Completion tokens that weigh [`RunSpec::early_weight`] in the cross-entropy; later ones weigh 1.
    #[serde(default = "default_early_k")]
    pub early_k: usize,
    /// Weight of an early completion token.
    #[serde(default = "default_early_weight")]
    pub early_weight: f64,
    /// The user prompts, and how they are split.
    #[serde(default)]
    pub suffixes: SuffixSpec,
    /// What a prefix may not be.
    #[serde(default)]
    pub constraints: Constraints,
    /// What the search may spend.
    #[serde(default, skip_serializing_if = "Budget::is_unlimited")]
    pub budget: Budget,
    /// The pipeline, in order.
    pub stages: Vec<StageSpec>,
}

/// Which suffixes are used, and how many go to each split.
///
/// Train suffixes are optimised on, validation suffixes select the prefix, test suffixes are
/// touched once, for the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SuffixSpec {
    /// A built-in set by name; ignored where `texts` is given.
    pub set: String,
    /// Number of train suffixes.
    pub train: usize,
    /// Number of validation suffixes.
    pub validation: usize,
    /// Number of test suffixes.
    pub test: usize,
    /// The user's own suffixes, dealt to the splits in an order that the seed decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    /// The split of each text, where they are not to be dealt; the seed then says which are used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<Split>,
    /// Suffixes that the reference changes by less than this are left out once that is measured, in nats
    /// a token; without it none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_steerability: Option<f64>,
}

/// What "unlike the reference" means for this run; see [`crate::nontriviality`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Constraints {
    /// Bans the reference's own word tokens, with their case and leading-space variants.
    pub ban_reference_tokens: bool,
    /// Words that may not appear in the text in any spelling, however they are tokenised.
    pub ban_concepts: Vec<String>,
    /// Allows letters of the reference's own scripts only.
    pub reference_script_only: bool,
    /// Largest share of the prefix's word tokens that may also be the reference's, 0 to 1.
    pub max_token_overlap: f64,
    /// Smallest edit distance to the reference over the longer text's length, 0 to 1.
    pub min_edit_distance: f64,
    /// Longest run of characters shared with the reference, case folded.
    pub max_common_substring_chars: usize,
}

/// What the search stages may spend together; what is not given is not limited.
///
/// It is counted from the first stage after the reference measurement; `evaluate` is not counted and
/// always runs. A step that has begun is finished, so that what is spent may exceed it by one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Forwards of one (candidate, suffix); a gradient counts as one a suffix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluations: Option<u64>,
    /// Wall time, in seconds. A run that is cut short by it is not reproducible byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

impl Budget {
    /// Whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        *self == Budget::default()
    }
}

/// One stage of the pipeline and its parameters, as its declaration names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageSpec {
    /// A stage of the catalogue, by kind.
    pub kind: String,
    /// Parameters that differ from the declaration's defaults.
    #[serde(flatten)]
    pub params: BTreeMap<String, ParamValue>,
}

/// The value of a stage parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// A switch.
    Switch(bool),
    /// A whole number; also accepted where a real one is declared.
    Integer(i64),
    /// A real number.
    Real(f64),
    /// A choice or a text.
    Text(String),
}

/// Which part of the search may see a suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Optimised on.
    Train,
    /// Selects the iterate.
    Validation,
    /// Touched once, for the verdict.
    Test,
}

impl Split {
    /// All splits, in the order in which they are reported.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// The name on the wire and on screen.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

impl Default for SuffixSpec {
    fn default() -> Self {
        SuffixSpec {
            set: default_set(),
            train: 8,
            validation: 4,
            test: 8,
            texts: Vec::new(),
            splits: Vec::new(),
            min_steerability: None,
        }
    }
}

impl Default for Constraints {
    fn default() -> Self {
        Constraints {
            ban_reference_tokens: true,
            ban_concepts: Vec::new(),
            reference_script_only: true,
            max_token_overlap: 0.34,
            min_edit_distance: 0.4,
            max_common_substring_chars: 8,
        }
    }
}

impl RunSpec {
    /// A spec with the defaults of everything that a file may leave out, and no stages yet.
    pub fn new(model: &str, teacher: &str) -> Self {
        RunSpec {
            preset: default_preset(),
            model: model.to_owned(),
            teacher: teacher.to_owned(),
            separator: default_separator(),
            seed: 0,
            prefix_tokens: default_prefix_tokens(),
            max_completion_tokens: default_max_completion_tokens(),
            early_k: default_early_k(),
            early_weight: default_early_weight(),
            suffixes: SuffixSpec::default(),
            constraints: Constraints::default(),
            budget: Budget::default(),
            stages: Vec::new(),
        }
    }
}

impl StageSpec {
    /// A stage with its declared defaults.
    pub fn new(kind: &str) -> Self {
        StageSpec { kind: kind.to_owned(), params: BTreeMap::new() }
    }

    /// The same stage with one parameter set.
    pub fn with(mut self, name: &str, value: impl Into<ParamValue>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }
}

impl From<bool> for ParamValue {
    fn from(value: bool) -> Self {
        ParamValue::Switch(value)
    }
}
impl From<i64> for ParamValue {
    fn from(value: i64) -> Self {
        ParamValue::Integer(value)
    }
}
impl From<f64> for ParamValue {
    fn from(value: f64) -> Self {
        ParamValue::Real(value)
    }
}
impl From<&str> for ParamValue {
    fn from(value: &str) -> Self {
        ParamValue::Text(value.to_owned())
    }
}

impl std::fmt::Display for ParamValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ParamValue::Switch(value) => write!(f, "{value}"),
            ParamValue::Integer(value) => write!(f, "{value}"),
            ParamValue::Real(value) => write!(f, "{value}"),
            ParamValue::Text(value) => write!(f, "{value}"),
        }
    }
}

fn default_preset() -> String {
    "custom".to_owned()
}
fn default_separator() -> String {
    "\n".to_owned()
}
fn default_prefix_tokens() -> usize {
    6
}
fn default_max_completion_tokens() -> usize {
    48
}
fn default_early_k() -> usize {
    32
}
fn default_early_weight() -> f64 {
    3.0
}
fn default_set() -> String {
    "everyday".to_owned()
}
