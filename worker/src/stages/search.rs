//! What the stages of one run share: objective, rules, randomness, the best so far, and the log.

use super::{Meter, Sink, StageError};
use crate::contest::{Contest, KnownScores, Outcome, Screening};
use crate::objective::{Objective, PrefixInput};
use candle_core::Tensor;
use rand_pcg::Pcg64;
use shared::adherence::AdherenceRule;
use shared::event::{Candidate, Event, Flip, RunResult, SuffixBaseline};
use shared::nontriviality::{RoundTrip, Rules};
use shared::spec::{RunSpec, Split};
use shared::tokens::{PromptTokenizer, TokensError};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A prefix of free embedding vectors.
#[derive(Clone, Debug)]
pub struct SoftPrefix {
    /// `(prefix, hidden_size)`
    pub embeds: Tensor,
}

/// A discrete prefix with its scores, in nats a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// The token ids.
    pub ids: Vec<u32>,
    /// On the train suffixes.
    pub ce_train: f64,
    /// On the validation suffixes, where there are any.
    pub ce_validation: Option<f64>,
}

impl Best {
    /// What prefixes are selected by: the score on validation where that is measured, else on train.
    pub fn key(&self) -> f64 {
        self.ce_validation.unwrap_or(self.ce_train)
    }
}

/// The state of a run between and within its stages.
pub struct Search<'a> {
    /// What was asked.
    pub spec: &'a RunSpec,
    /// Scores prefixes.
    pub objective: &'a mut Objective,
    /// Text and ids.
    pub tokenizer: &'a PromptTokenizer,
    /// What a prefix may not be.
    pub rules: &'a Rules,
    /// All suffixes, also those that are left out of the objective: a prefix reads back in every one's chat.
    pub texts: Vec<String>,
    /// Where sparse autoencoders lie.
    pub saes: PathBuf,
    /// The reference prefix in ids.
    pub reference: Vec<u32>,
    /// Train scores that are known exactly.
    pub known: KnownScores,
    /// Every prefix that was scored on the train suffixes, or dropped while it was.
    pub tried: BTreeSet<Vec<u32>>,
    /// How the teacher's effect shows in a completion, where a rule knows it.
    pub adherence: Option<AdherenceRule>,
    /// How hard the train suffixes were for the latest winner, in their order.
    pub hardness: Vec<f64>,
    /// All randomness of the run.
    pub rng: Pcg64,
    /// The suffixes under no prefix and under the reference.
    pub baselines: Vec<SuffixBaseline>,
    /// What `soft_prompt` made.
    pub soft: Option<SoftPrefix>,
    /// What `projection` made.
    pub projected: Option<Vec<u32>>,
    /// The best discrete prefix so far.
    pub best: Option<Best>,
    /// What `evaluate` made.
    pub result: Option<RunResult>,
    /// Index of the current stage.
    pub stage: usize,
    /// Steps that the current stage announced.
    pub total_steps: usize,
    /// What the current stage may spend.
    pub meter: Meter,
    /// Takes the events.
    pub sink: &'a mut dyn Sink,
}

impl Search<'_> {
    /// Reports that `step` steps of the current stage are done.
    pub fn progress(&mut self, step: usize) {
        self.sink.push(Event::Progress { stage: self.stage, step, total_steps: self.total_steps });
    }

    /// Whether the current stage has spent what it may, or the user wants the verdict now: a search asks before
    /// each step, and then ends with what it has.
    pub fn spent(&self) -> bool {
        let control = self.objective.control();
        control.is_finishing() || self.meter.is_spent(self.objective.evaluations(), control.worked())
    }

    /// Reports the objective after a step.
    pub fn objective_event(&mut self, step: usize, ce_train: f64, ce_validation: Option<f64>) {
        let evaluations = self.objective.evaluations();
        self.sink.push(Event::Objective { stage: self.stage, step, evaluations, ce_train, ce_validation });
    }

    /// Cross-entropy of one prefix on the train suffixes, logged.
    pub fn score_train(&mut self, step: usize, ids: &[u32]) -> Result<f64, StageError> {
        let outcomes = self.contest(step, std::slice::from_ref(&ids.to_vec()), f64::INFINITY, 1, None)?;
        Ok(outcomes[0].value())
    }

    /// Candidates against the prefix that stands, on the train suffixes, all of them logged: whoever
    /// cannot beat `incumbent`, or `keep` other candidates, is dropped early.
    pub fn contest(
        &mut self,
        step: usize,
        candidates: &[Vec<u32>],
        incumbent: f64,
        keep: usize,
        screening: Option<Screening>,
    ) -> Result<Vec<Outcome>, StageError> {
        let train = self.objective.indices(Split::Train);
        let steerability = self.steerability(&train);
        let contest = Contest {
            suffixes: &train,
            incumbent,
            keep,
            hardness: &self.hardness,
            steerability: &steerability,
            screening,
        };
        let standings = contest.run(self.objective, candidates, &mut self.known)?;
        self.objective.save_evaluations(standings.saved);
        self.tried.extend(candidates.iter().cloned());
        if let Some(terms) = standings.winner_terms {
            self.hardness = terms.iter().map(|term| term.ce * term.weight).collect();
        }
        self.log(step, candidates, &standings.outcomes);
        Ok(standings.outcomes)
    }

    /// Logs how candidates came off.
    pub fn log(&mut self, step: usize, candidates: &[Vec<u32>], outcomes: &[Outcome]) {
        let candidates = candidates.iter().zip(outcomes).map(|(ids, outcome)| Candidate {
            ids: ids.clone(),
            ce_train: outcome.value(),
            dropped: outcome.score().is_none(),
            estimated: matches!(outcome, Outcome::Expected(_)),
        });
        self.sink.push(Event::Candidates { stage: self.stage, step, candidates: candidates.collect() });
    }

    /// How much of the mean over suffixes the reference takes off at each of `suffixes`.
    pub fn steerability(&self, suffixes: &[usize]) -> Vec<f64> {
        let steered = |baseline: &SuffixBaseline| (baseline.ce_none - baseline.ce_reference) * baseline.weight;
        suffixes.iter().map(|&index| self.baselines.get(index).map_or(0.0, steered)).collect()
    }

    /// Cross-entropy of a prefix on the validation suffixes; nothing where there are none.
    pub fn validate(&self, prefix: &PrefixInput) -> Result<Option<f64>, StageError> {
        Ok(self.objective.mean(prefix, &self.objective.indices(Split::Validation))?)
    }

    /// Takes a discrete prefix as the best so far if it beats the one that stands: on validation
    /// where that is measured, else on train.
    pub fn offer(&mut self, step: usize, best: Best) {
        if self.best.as_ref().is_none_or(|standing| standing.key() > best.key()) {
            self.replace_best(step, best);
        }
    }

    /// Takes a discrete prefix as the best so far even if its cross-entropy is not the lowest.
    pub fn replace_best(&mut self, step: usize, best: Best) {
        self.sink.push(Event::Prefix {
            stage: self.stage,
            step,
            prefix: self.tokenizer.prefix(&best.ids),
            ce_train: best.ce_train,
            ce_validation: best.ce_validation,
        });
        self.best = Some(best);
    }

    /// Logs what a candidate would change in the prefix that stands, taken or not. One of another length has
    /// no single replacement to show.
    pub fn flips(&mut self, step: usize, current: &Best, candidate: &[u32], outcome: Outcome) {
        if current.ids.len() != candidate.len() {
            return;
        }
        let ce_after = outcome.value();
        let accepted = outcome.score().is_some_and(|ce| ce < current.ce_train);
        let reason = match outcome {
            Outcome::Scored(_) => "the true loss is not lower",
            Outcome::AtLeast(_) => "dropped: the true loss is at least this",
            Outcome::Expected(_) => "dropped after a few suffixes, which let this be expected",
        };
        for (position, (&old, &new)) in current.ids.iter().zip(candidate).enumerate() {
            if old != new {
                let flip = Flip {
                    stage: self.stage,
                    step,
                    position,
                    old: self.tokenizer.piece(old),
                    new: self.tokenizer.piece(new),
                    ce_before: current.ce_train,
                    ce_after,
                    accepted,
                    reason: (!accepted).then(|| reason.to_owned()),
                };
                self.sink.push(Event::Flip { flip });
            }
        }
    }

    /// Whether a prefix reads back as the same ids inside every suffix's chat.
    pub fn round_trip(&self, ids: &[u32]) -> Result<RoundTrip, TokensError> {
        self.tokenizer.round_trip(ids, &self.spec.separator, self.texts.iter().map(String::as_str))
    }

    /// Why a candidate may not be taken: a rule, or text that does not read back as the same ids
    /// inside the chat of some suffix.
    pub fn objection(&self, ids: &[u32]) -> Result<Option<String>, StageError> {
        // Many of these may come between two batches.
        self.objective.control().proceed()?;
        if let Some(finding) = self.rules.violation(self.tokenizer.vocabulary(), ids) {
            return Ok(Some(format!("{}: {}", rule_name(finding.rule), finding.evidence)));
        }
        let round_trip = self.round_trip(ids)?;
        Ok(round_trip.failures.first().map(|failure| format!("round trip: {}", failure.evidence)))
    }
}

fn rule_name(rule: shared::nontriviality::Rule) -> String {
    format!("{rule:?}").chars().fold(String::new(), |mut name, c| {
        if c.is_uppercase() && !name.is_empty() {
            name.push(' ');
        }
        name.extend(c.to_lowercase());
        name
    })
}
