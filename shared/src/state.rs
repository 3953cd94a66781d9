//! What a log of events means. The page, the command line and the tests all replay with this one
//! reducer, so that a reload, a reconnect and a live view cannot disagree.

use crate::event::{
    ErrorBody, Event, Flip, ModelCard, Prefix, RunResult, StagePlan, Stamped, SuffixBaseline, SuffixEvaluation,
    TokenPiece,
};
use crate::spec::{RunSpec, Split};
use crate::stopwatch::Stopwatch;
use crate::wire::RunPhase;

/// Flips that are kept for display; the log itself keeps all.
pub const KEPT_FLIPS: usize = 500;

/// A run as far as its log tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    /// The epoch that these events belong to.
    pub epoch: u32,
    /// The last event that was applied.
    pub seq: u64,
    /// Where the run stands.
    pub phase: RunPhase,
    /// Somebody asked the run to stand still, which it does not yet.
    pub pausing: bool,
    /// Somebody asked for the verdict before the search was through.
    pub finishing: bool,
    /// What was asked.
    pub spec: Option<RunSpec>,
    /// The model as it was loaded.
    pub model: Option<ModelCard>,
    /// The reference prefix as tokens.
    pub reference: Vec<TokenPiece>,
    /// The stages, in order.
    pub stages: Vec<StageState>,
    /// The stage that runs or ran last.
    pub current_stage: Option<usize>,
    /// The suffixes under no prefix and under the reference, by index.
    pub suffixes: Vec<SuffixBaseline>,
    /// The objective over time.
    pub curve: Vec<CurvePoint>,
    /// The last [`KEPT_FLIPS`] flips, oldest first.
    pub flips: Vec<Flip>,
    /// Flips seen in all.
    pub flip_count: u64,
    /// Candidates scored in all.
    pub candidate_count: u64,
    /// The best discrete prefix so far.
    pub best: Option<BestPrefix>,
    /// Suffixes under the final prefix, by index.
    pub evaluations: Vec<SuffixEvaluation>,
    /// What came out.
    pub result: Option<RunResult>,
    /// Why it failed.
    pub error: Option<ErrorBody>,
    /// When the first event was recorded, in milliseconds since the Unix epoch.
    pub queued_unix_ms: u64,
    /// When a job took it up, likewise; 0 before.
    pub started_unix_ms: u64,
    /// When the last event was recorded, likewise.
    pub last_unix_ms: u64,
    /// Runs since a job took it up, but for the pauses.
    pub clock: Stopwatch,
}

/// A stage of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct StageState {
    /// The plan.
    pub plan: StagePlan,
    /// Where it stands.
    pub progress: StageProgress,
    /// Steps done.
    pub step: usize,
    /// When it began, in milliseconds since the Unix epoch; 0 before.
    pub started_unix_ms: u64,
    /// When it ended, likewise; 0 before.
    pub finished_unix_ms: u64,
    /// What came out, once it ended.
    pub summary: String,
    /// Runs from its begin to its end, but for the pauses.
    pub clock: Stopwatch,
}

/// Where a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageProgress {
    /// Not begun.
    Waiting,
    /// Begun.
    Running,
    /// Ended.
    Finished,
}

/// One point of the objective's curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// Index of the stage.
    pub stage: usize,
    /// Step within the stage.
    pub step: usize,
    /// Forwards of one (candidate, suffix) since the run began.
    pub evaluations: u64,
    /// Seconds since a job took the run up, without the pauses.
    pub elapsed_secs: f64,
    /// Weighted cross-entropy on the train suffixes, in nats a token.
    pub ce_train: f64,
    /// The same on the validation suffixes, where it was measured.
    pub ce_validation: Option<f64>,
}

/// The best discrete prefix so far.
#[derive(Clone, Debug, PartialEq)]
pub struct BestPrefix {
    /// Index of the stage that found it.
    pub stage: usize,
    /// Step within the stage.
    pub step: usize,
    /// The prefix.
    pub prefix: Prefix,
    /// Weighted cross-entropy on the train suffixes, in nats a token.
    pub ce_train: f64,
    /// The same on the validation suffixes, where it was measured.
    pub ce_validation: Option<f64>,
}

impl RunState {
    /// Takes one event in. A later epoch starts over; an event that was seen before changes nothing.
    pub fn apply(&mut self, stamped: &Stamped) {
        if stamped.epoch < self.epoch || (stamped.epoch == self.epoch && stamped.seq <= self.seq) {
            return;
        }
        if stamped.epoch > self.epoch {
            *self = RunState { epoch: stamped.epoch, ..RunState::default() };
        }
        self.seq = stamped.seq;
        self.last_unix_ms = stamped.at_unix_ms;
        self.apply_event(&stamped.event, stamped.at_unix_ms);
    }

    /// Weighted cross-entropy over the suffixes of one split, without a prefix and under the reference.
    pub fn baseline(&self, split: Split) -> Option<Baseline> {
        let (mut weight, mut none, mut reference) = (0.0, 0.0, 0.0);
        for suffix in self.suffixes.iter().filter(|suffix| suffix.split == split && !suffix.dominated) {
            weight += suffix.weight;
            none += suffix.weight * suffix.ce_none;
            reference += suffix.weight * suffix.ce_reference;
        }
        (weight > 0.0).then(|| Baseline { ce_none: none / weight, ce_reference: reference / weight })
    }

    /// Share of the work that is done, 0 to 1, by stages and steps.
    pub fn fraction_done(&self) -> f64 {
        if self.phase == RunPhase::Finished {
            return 1.0;
        }
        let done: f64 = self.stages.iter().map(StageState::fraction_done).sum();
        if self.stages.is_empty() { 0.0 } else { done / self.stages.len() as f64 }
    }

    /// Seconds that the run still takes if what is left goes at the pace of what is done. Stages differ, so it
    /// is a guess; there is none before a tenth is done or while the run does not go on.
    pub fn eta_secs(&self, now_unix_ms: u64) -> Option<f64> {
        let done = self.fraction_done();
        let elapsed_secs = self.clock.elapsed_secs(now_unix_ms);
        (self.phase == RunPhase::Running && done >= 0.1).then(|| elapsed_secs / done * (1.0 - done))
    }

    fn apply_event(&mut self, event: &Event, at_unix_ms: u64) {
        match event {
            Event::Queued { spec } => {
                self.spec = Some((**spec).clone());
                self.queued_unix_ms = at_unix_ms;
            }
            Event::Started { model, stages, reference } => {
                self.phase = RunPhase::Running;
                self.model = Some(model.clone());
                self.reference.clone_from(reference);
                self.stages = stages.iter().cloned().map(StageState::new).collect();
                self.started_unix_ms = at_unix_ms;
                self.clock = Stopwatch::started(at_unix_ms);
            }
            Event::StageStarted { stage } => {
                self.current_stage = Some(*stage);
                if let Some(state) = self.stages.get_mut(*stage) {
                    state.progress = StageProgress::Running;
                    state.started_unix_ms = at_unix_ms;
                    state.clock = Stopwatch::started(at_unix_ms);
                }
            }
            Event::Progress { stage, step, total_steps } => {
                if let Some(state) = self.stages.get_mut(*stage) {
                    state.step = *step;
                    state.plan.total_steps = *total_steps;
                }
            }
            Event::SuffixMeasured { suffix } => self.suffixes.push(suffix.clone()),
            Event::Objective { stage, step, evaluations, ce_train, ce_validation } => self.curve.push(CurvePoint {
                stage: *stage,
                step: *step,
                evaluations: *evaluations,
                elapsed_secs: self.clock.elapsed_secs(at_unix_ms),
                ce_train: *ce_train,
                ce_validation: *ce_validation,
            }),
            Event::Candidates { candidates, .. } => self.candidate_count += candidates.len() as u64,
            Event::Flip { flip } => {
                self.flip_count += 1;
                if self.flips.len() == KEPT_FLIPS {
                    self.flips.remove(0);
                }
                self.flips.push(flip.clone());
            }
            Event::Prefix { stage, step, prefix, ce_train, ce_validation } => {
                self.best = Some(BestPrefix {
                    stage: *stage,
                    step: *step,
                    prefix: prefix.clone(),
                    ce_train: *ce_train,
                    ce_validation: *ce_validation,
                });
            }
            Event::StageFinished { stage, summary } => {
                if let Some(state) = self.stages.get_mut(*stage) {
                    state.progress = StageProgress::Finished;
                    state.finished_unix_ms = at_unix_ms;
                    state.clock.hold(at_unix_ms);
                    state.summary.clone_from(summary);
                }
            }
            Event::SuffixEvaluated { suffix } => self.evaluations.push(suffix.clone()),
            Event::Pausing {} => self.pausing = true,
            Event::Paused {} => self.stand_still(RunPhase::Paused, at_unix_ms),
            Event::Resumed {} => {
                self.phase = RunPhase::Running;
                self.pausing = false;
                self.clock.go_on(at_unix_ms);
                for stage in self.stages.iter_mut().filter(|stage| stage.progress == StageProgress::Running) {
                    stage.clock.go_on(at_unix_ms);
                }
            }
            // It takes back a pause.
            Event::Finishing {} => (self.finishing, self.pausing) = (true, false),
            Event::Finished { result } => {
                self.stand_still(RunPhase::Finished, at_unix_ms);
                self.result = Some((**result).clone());
            }
            Event::Cancelled {} => self.stand_still(RunPhase::Cancelled, at_unix_ms),
            Event::Failed { error } => {
                self.stand_still(RunPhase::Failed, at_unix_ms);
                self.error = Some(error.clone());
            }
            Event::Interrupted {} => self.stand_still(RunPhase::Interrupted, at_unix_ms),
        }
    }

    /// From here on no time counts, for now or for good.
    fn stand_still(&mut self, phase: RunPhase, at_unix_ms: u64) {
        self.phase = phase;
        self.pausing = false;
        self.clock.hold(at_unix_ms);
        for stage in &mut self.stages {
            stage.clock.hold(at_unix_ms);
        }
    }
}

/// The two ends that every cross-entropy is read against, in nats a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Without a prefix.
    pub ce_none: f64,
    /// Under the reference prefix.
    pub ce_reference: f64,
}

impl StageState {
    fn new(plan: StagePlan) -> Self {
        StageState {
            plan,
            progress: StageProgress::Waiting,
            step: 0,
            started_unix_ms: 0,
            finished_unix_ms: 0,
            summary: String::new(),
            clock: Stopwatch::default(),
        }
    }

    /// Share of the stage that is done, 0 to 1.
    pub fn fraction_done(&self) -> f64 {
        match self.progress {
            StageProgress::Waiting => 0.0,
            StageProgress::Finished => 1.0,
            StageProgress::Running => (self.step as f64 / self.plan.total_steps.max(1) as f64).min(1.0),
        }
    }

    /// Seconds that the stage still takes at its pace so far; none before the first step.
    pub fn eta_secs(&self, now_unix_ms: u64) -> Option<f64> {
        if self.progress != StageProgress::Running || self.step == 0 {
            return None;
        }
        let left = self.plan.total_steps.saturating_sub(self.step) as f64;
        Some(self.clock.elapsed_secs(now_unix_ms) / self.step as f64 * left)
    }
}
