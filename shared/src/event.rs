//! What happens in a run, as one append-only log.
//!
//! Events carry no clock and no machine: the same spec gives the same events. Whoever records one
//! stamps it ([`Stamped`]) with its place in the log and the time.

use crate::nontriviality::Verdict;
use crate::spec::{RunSpec, Split};
use crate::verdict::{LexicalAdherence, PerPrefix, Sampled, Transfer};
use serde::{Deserialize, Serialize};

/// An event with its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// The run.
    pub run: String,
    /// The attempt, from 1: a run that was interrupted and started again gets the next epoch.
    pub epoch: u32,
    /// Place in the epoch, from 1, without gaps.
    pub seq: u64,
    /// When it was recorded, in milliseconds since the Unix epoch.
    pub at_unix_ms: u64,
    /// What happened.
    pub event: Event,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run was accepted; always first.
    Queued {
        /// What is to be done.
        spec: Box<RunSpec>,
    },
    /// A job took it up.
    Started {
        /// The model as it was loaded.
        model: ModelCard,
        /// What will be done, in order; `stage` in later events is an index into this.
        stages: Vec<StagePlan>,
        /// The reference prefix as tokens.
        reference: Vec<TokenPiece>,
    },
    /// A stage began.
    StageStarted {
        /// Index of the stage.
        stage: usize,
    },
    /// How far a stage is. May be coalesced on the way to a slow client.
    Progress {
        /// Index of the stage.
        stage: usize,
        /// Steps done.
        step: usize,
        /// Steps planned.
        total_steps: usize,
    },
    /// A suffix was measured under no prefix and under the reference.
    SuffixMeasured {
        /// The measurement.
        suffix: SuffixBaseline,
    },
    /// The objective after a step.
    Objective {
        /// Index of the stage.
        stage: usize,
        /// Step within the stage.
        step: usize,
        /// Forwards of one (candidate, suffix) since the run began.
        evaluations: u64,
        /// Weighted cross-entropy on the train suffixes, in nats a token.
        ce_train: f64,
        /// The same on the validation suffixes, where it was measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ce_validation: Option<f64>,
    },
    /// Every candidate that a step evaluated, with its score.
    Candidates {
        /// Index of the stage.
        stage: usize,
        /// Step within the stage.
        step: usize,
        /// The candidates, in the order in which they were scored.
        candidates: Vec<Candidate>,
    },
    /// A proposed replacement of one token and what became of it.
    Flip {
        /// The replacement.
        flip: Flip,
    },
    /// The best prefix so far changed.
    Prefix {
        /// Index of the stage.
        stage: usize,
        /// Step within the stage.
        step: usize,
        /// The prefix.
        prefix: Prefix,
        /// Weighted cross-entropy on the train suffixes, in nats a token.
        ce_train: f64,
        /// The same on the validation suffixes, where it was measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ce_validation: Option<f64>,
    },
    /// A stage ended.
    StageFinished {
        /// Index of the stage.
        stage: usize,
        /// One sentence on what came out.
        summary: String,
    },
    /// A suffix was judged under the final prefix.
    SuffixEvaluated {
        /// The judgement.
        suffix: SuffixEvaluation,
    },
    /// The user wants it to stand still: it does so after the batch of work that it is in.
    Pausing {},
    /// It stands still: nothing comes before `resumed` but the end.
    Paused {},
    /// It goes on after a pause.
    Resumed {},
    /// The user wants the verdict now: the search ends after the step that it is in.
    Finishing {},
    /// The run is done; last.
    Finished {
        /// What came out.
        result: Box<RunResult>,
    },
    /// The user stopped it; the best prefix so far stands. Last.
    Cancelled {},
    /// It failed; last.
    Failed {
        /// Why.
        error: ErrorBody,
    },
    /// The worker stopped while it ran; last of its epoch.
    Interrupted {},
}

impl Event {
    /// Whether the log of this epoch ends here.
    pub fn is_last(&self) -> bool {
        matches!(self, Event::Finished { .. } | Event::Cancelled {} | Event::Failed { .. } | Event::Interrupted {})
    }
}

/// The model that a run used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Name in the catalogue.
    pub name: String,
    /// Architecture, as the checkpoint calls it.
    pub architecture: String,
    /// SHA-256 of the weights file, in hex; absent for a checkpoint of several files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Longest sequence, in tokens.
    pub context_length: usize,
}

/// One stage of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StagePlan {
    /// Kind, as in the spec; `reference` is the implicit first stage.
    pub kind: String,
    /// Name on screen.
    pub title: String,
    /// Steps planned.
    pub total_steps: usize,
}

/// A token and how it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenPiece {
    /// The id.
    pub id: u32,
    /// Its bytes as text; bytes that are no UTF-8 on their own become U+FFFD.
    pub text: String,
}

/// A discrete prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefix {
    /// The decoded text of all tokens together.
    pub text: String,
    /// The tokens.
    pub tokens: Vec<TokenPiece>,
}

impl Prefix {
    /// The token ids.
    pub fn ids(&self) -> Vec<u32> {
        self.tokens.iter().map(|token| token.id).collect()
    }
}

/// A candidate prefix and its score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The token ids.
    pub ids: Vec<u32>,
    /// Weighted cross-entropy on the train suffixes, in nats a token.
    pub ce_train: f64,
    /// It was dropped before its last suffix: the cross-entropy is at least `ce_train`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dropped: bool,
    /// A screening on a few suffixes dropped it: `ce_train` is no bound then, but what these let expect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

/// A proposed replacement of one token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flip {
    /// Index of the stage.
    pub stage: usize,
    /// Step within the stage.
    pub step: usize,
    /// Position in the prefix, from 0.
    pub position: usize,
    /// Token before.
    pub old: TokenPiece,
    /// Token proposed.
    pub new: TokenPiece,
    /// Weighted cross-entropy on the train suffixes before, in nats a token.
    pub ce_before: f64,
    /// The same with the proposed token.
    pub ce_after: f64,
    /// Whether it was taken.
    pub accepted: bool,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A suffix under no prefix and under the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuffixBaseline {
    /// Index of the suffix in the run.
    pub index: usize,
    /// Who may see it.
    pub split: Split,
    /// The prompt.
    pub text: String,
    /// The reference completion.
    pub reference: Completion,
    /// Weighted cross-entropy of the reference completion without a prefix, in nats a token.
    pub ce_none: f64,
    /// The same under the reference prefix.
    pub ce_reference: f64,
    /// Sum of the completion's token weights: what this suffix counts in a mean over suffixes.
    pub weight: f64,
    /// Negative log-likelihood of each token of the reference completion without a prefix, in nats. Empty in
    /// logs that are older than it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nll_none: Vec<f64>,
    /// The same under the reference prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nll_reference: Vec<f64>,
    /// It dominates by the spec's `min_steerability`: it is shown, and left out of all that follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dominated: bool,
}

impl SuffixBaseline {
    /// How much the reference changes this suffix, in nats a token. Low: the suffix dominates.
    pub fn steerability(&self) -> f64 {
        self.ce_none - self.ce_reference
    }
}

/// Text that the model wrote by greedy decoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The decoded text without the stop token.
    pub text: String,
    /// The token ids, with the stop token where it was reached.
    pub ids: Vec<u32>,
    /// What each id adds to the text, see [`crate::pieces`]; the stop token adds nothing. Empty in logs that
    /// are older than it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<String>,
}

/// A suffix under the final prefix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuffixEvaluation {
    /// Index of the suffix in the run.
    pub index: usize,
    /// Weighted cross-entropy of the reference completion, in nats a token.
    pub ce: f64,
    /// The model's own greedy completion under the final prefix.
    pub completion: Completion,
    /// The model's own greedy completion without a prefix.
    pub completion_none: Completion,
    /// How the completion compares with the reference completion.
    pub agreement: Agreement,
    /// How much likelier the completion is under the reference than without a prefix: the difference of its
    /// weighted cross-entropies, in nats a token. Above 0 it reads as if the reference had been given.
    #[serde(default)]
    pub log_likelihood_ratio: f64,
    /// The same of the completion without a prefix.
    #[serde(default)]
    pub log_likelihood_ratio_none: f64,
    /// Weighted cross-entropy of the reference completion under the projected prefix, where the pipeline made
    /// one: what the search after the projection began at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ce_projected: Option<f64>,
    /// Negative log-likelihood of each token of the reference completion under the final prefix, in nats. Empty
    /// in logs that are older than it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nll: Vec<f64>,
}

/// How a completion compares with the reference completion, token by token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// All tokens equal.
    pub exact: bool,
    /// The k of the next two.
    pub k: usize,
    /// The first k tokens equal.
    pub exact_at_k: bool,
    /// Multiset intersection of the first k tokens, over k, 0 to 1.
    pub overlap_at_k: f64,
    /// First position at which they differ, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_divergence: Option<usize>,
}

/// One number per split; absent where it was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerSplit {
    /// On the train suffixes.
    pub train: Option<f64>,
    /// On the validation suffixes.
    pub validation: Option<f64>,
    /// On the test suffixes.
    pub test: Option<f64>,
}

impl PerSplit {
    /// The number of one split.
    pub fn get(&self, split: Split) -> Option<f64> {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }

    /// Builds it split by split.
    pub fn from_fn(mut value: impl FnMut(Split) -> Option<f64>) -> Self {
        PerSplit { train: value(Split::Train), validation: value(Split::Validation), test: value(Split::Test) }
    }
}

/// A range that is meant to cover the true value with 95 % probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// How sure the numbers on the test suffixes are: what other suffixes of the same kind could have given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestIntervals {
    /// Test suffixes.
    pub suffixes: usize,
    /// Of the closed gap: percentiles of a paired bootstrap over suffixes.
    pub gap_closed: Option<Interval>,
    /// Of the share of exact completions: Clopper–Pearson.
    pub exact: Option<Interval>,
    /// Of the share whose first k tokens are equal: Clopper–Pearson.
    pub exact_at_k: Option<Interval>,
    /// Of the adherence under the found prefix: Clopper–Pearson.
    #[serde(default)]
    pub adherence: Option<Interval>,
}

/// Weighted cross-entropy of everything that was compared, in nats a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CrossEntropies {
    /// Without a prefix.
    pub none: PerSplit,
    /// Under the reference prefix.
    pub reference: PerSplit,
    /// Under prefixes of random allowed tokens: the mean of some; absent where none were drawn.
    #[serde(default)]
    pub random: PerSplit,
    /// Under the soft prefix, where the pipeline made one.
    pub soft: PerSplit,
    /// Under the projected prefix, where the pipeline made one.
    pub projected: PerSplit,
    /// Under the final prefix.
    #[serde(rename = "final")]
    pub final_: PerSplit,
}

/// Share of suffixes whose own completion is likelier under the reference than without a prefix.
///
/// Says what cross-entropy alone does not: whether what the model writes looks steered. The ends of the
/// scale are measured, not assumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Adherence {
    /// Of completions without a prefix.
    pub none: PerSplit,
    /// Of completions under the reference.
    pub reference: PerSplit,
    /// Of completions under the found prefix.
    pub found: PerSplit,
}

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The found prefix.
    pub prefix: Prefix,
    /// Weighted cross-entropies per split.
    pub ce: CrossEntropies,
    /// `(ce_none − ce_final) / (ce_none − ce_reference)` per split: 0 is no prefix, 1 the reference.
    pub gap_closed: PerSplit,
    /// Share of suffixes whose completion equals the reference completion.
    pub exact: PerSplit,
    /// Share of suffixes whose first k completion tokens equal the reference's.
    pub exact_at_k: PerSplit,
    /// Mean overlap@k.
    pub overlap_at_k: PerSplit,
    /// Share of completions that read as if the reference had been given.
    #[serde(default)]
    pub adherence: Adherence,
    /// How sure the numbers on test are.
    #[serde(default)]
    pub test_intervals: TestIntervals,
    /// `KL(p(·|s_ref) ‖ p(·|s))` along the reference completions of the test suffixes, in nats a token.
    #[serde(default)]
    pub forward_kl: PerPrefix,
    /// Share of their tokens that are the most likely one after those before them.
    #[serde(default)]
    pub argmax_agreement: PerPrefix,
    /// Share of greedy completions that do what the teacher asks for; absent where no rule knows the teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lexical_adherence: Option<LexicalAdherence>,
    /// What drawn completions look like; absent where none were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Sampled>,
    /// The closed gap under other settings.
    #[serde(default)]
    pub transfer: Vec<Transfer>,
    /// Whether the prefix is unlike the reference, rule by rule.
    pub nontriviality: Verdict,
    /// Distinct prefixes that were scored on the train suffixes: the k of "best of k".
    #[serde(default)]
    pub candidates_scored: u64,
    /// Forwards of one (candidate, suffix) in the whole run.
    pub evaluations: u64,
    /// Forwards that scoring every candidate on every suffix would have needed on top of these.
    #[serde(default)]
    pub evaluations_saved: u64,
}

impl RunResult {
    /// By how much the closed gap fell from validation, which selected the prefix, to test, which did not:
    /// what being the best of many was worth.
    pub fn validation_test_drop(&self) -> Option<f64> {
        Some(self.gap_closed.validation? - self.gap_closed.test?)
    }
}

/// An error for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ErrorBody {
    /// Stable name, as in `bad_spec`.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The field that is wrong, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl ErrorBody {
    /// An error without hint and field.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        ErrorBody { code: code.to_owned(), message: message.into(), hint: None, field: None }
    }

    /// The same error with what to do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with the field that is wrong.
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}
