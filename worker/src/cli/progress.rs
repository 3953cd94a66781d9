//! What `steerage run` shows while it works, and at the end.

use super::record::Recorder;
use super::{check, print_line, verdict};
use crate::stages::Sink;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use shared::event::{Event, Interval, PerSplit, RunResult, Stamped, TestIntervals};
use shared::spec::{RunSpec, Split};
use shared::state::RunState;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One progress bar a stage on stderr, or one event a line on stdout.
pub struct Terminal {
    json: bool,
    recorder: Option<Recorder>,
    started: Instant,
    seq: u64,
    state: RunState,
    bars: MultiProgress,
    bar: ProgressBar,
}

impl Terminal {
    pub fn new(json: bool, recorder: Option<Recorder>) -> Self {
        let (bars, bar) = (MultiProgress::new(), ProgressBar::hidden());
        Terminal { json, recorder, started: Instant::now(), seq: 0, state: RunState::default(), bars, bar }
    }

    /// The run's first event; the rest comes from the job.
    pub fn queued(&mut self, spec: &RunSpec) {
        self.push(Event::Queued { spec: Box::new(spec.clone()) });
    }

    pub fn elapsed_secs(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    pub fn into_parts(self) -> (RunState, Option<Recorder>) {
        self.bar.finish_and_clear();
        (self.state, self.recorder)
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Started { model, .. } => {
                self.line(&format!(
                    "{} ({}), {} tokens in the vocabulary",
                    model.name, model.architecture, model.vocab_size
                ));
                self.line("steerability of each suffix: cross-entropy without prefix less that under the reference, in nats a token");
            }
            Event::StageStarted { stage } => {
                let Some(plan) = self.state.stages.get(*stage).map(|stage| stage.plan.clone()) else { return };
                let style = ProgressStyle::with_template(
                    "{prefix:>12.bold} [{bar:28}] {pos}/{len} {elapsed}, {eta} left {msg}",
                );
                self.bar = self.bars.add(ProgressBar::new(plan.total_steps as u64));
                self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ "));
                self.bar.set_prefix(plan.title);
                self.bar.enable_steady_tick(std::time::Duration::from_millis(500));
            }
            Event::Progress { step, total_steps, .. } => {
                self.bar.set_length(*total_steps as u64);
                self.bar.set_position(*step as u64);
            }
            Event::Objective { ce_train, ce_validation, .. } => {
                let validation = ce_validation.map_or(String::new(), |ce| format!(", validation {ce:.3}"));
                self.bar.set_message(format!("cross-entropy {ce_train:.3}{validation}"));
            }
            Event::StageFinished { stage, summary } => {
                self.bar.finish_and_clear();
                let title = self.state.stages.get(*stage).map_or("", |stage| stage.plan.title.as_str());
                self.line(&format!("{title:>12}: {summary} ({:.0} s)", self.elapsed_secs()));
            }
            Event::SuffixMeasured { suffix } => {
                let steerability = suffix.steerability();
                let left_out = if suffix.dominated { "left out: " } else { "" };
                self.line(&format!("{:>12}  {steerability:>6.2}  {left_out}{}", suffix.split.name(), suffix.text));
            }
            Event::Flip { flip } if flip.accepted => {
                let (old, new) = (&flip.old.text, &flip.new.text);
                self.line(&format!(
                    "{:>12}  {old:?} → {new:?} at {}: {:.3} → {:.3}",
                    "", flip.position, flip.ce_before, flip.ce_after
                ));
            }
            _ => {}
        }
    }

    /// On a terminal above the bars; elsewhere plainly, so that a log file shows it too.
    fn line(&self, text: &str) {
        if self.bars.is_hidden() || self.bars.println(text).is_err() {
            eprintln!("{text}");
        }
    }
}

impl Sink for Terminal {
    fn push(&mut self, event: Event) {
        self.seq += 1;
        let at_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        if self.json
            && let Ok(line) = serde_json::to_string(&event)
        {
            print_line(&line);
        }
        let stamped = Stamped { run: "local".to_owned(), epoch: 1, seq: self.seq, at_unix_ms, event };
        if let Some(recorder) = &mut self.recorder {
            recorder.write(&stamped);
        }
        self.state.apply(&stamped);
        self.show(&stamped.event);
    }
}

/// The verdict, for people.
pub fn print_result(state: &RunState, result: &RunResult, seconds: f64) {
    print_line("");
    print_line(&format!("prefix  {:?}", result.prefix.text));
    print_line(&format!("ids     {:?}", result.prefix.ids()));
    print_line("");
    print_line(&format!("{:<26}{:>10}{:>12}{:>10}", "weighted cross-entropy", "train", "validation", "test"));
    let rows = [
        ("no prefix", &result.ce.none),
        ("reference", &result.ce.reference),
        ("random", &result.ce.random),
        ("soft", &result.ce.soft),
        ("projected", &result.ce.projected),
        ("final", &result.ce.final_),
        ("gap closed", &result.gap_closed),
        ("exact", &result.exact),
        ("exact@k", &result.exact_at_k),
        ("overlap@k", &result.overlap_at_k),
        ("adherence, no prefix", &result.adherence.none),
        ("adherence, reference", &result.adherence.reference),
        ("adherence, final", &result.adherence.found),
    ];
    for (name, values) in rows {
        print_line(&row(name, values));
    }
    let TestIntervals { suffixes, gap_closed, exact, adherence, .. } = result.test_intervals;
    for (name, interval) in [("gap closed", gap_closed), ("exact", exact), ("adherence", adherence)] {
        if let Some(Interval { low, high }) = interval {
            print_line(&format!("  95 % interval of {name} over the {suffixes} test suffixes: {low:.3} to {high:.3}"));
        }
    }
    verdict::print(result);
    print_line("");
    for evaluation in state.evaluations.iter().filter(|evaluation| is_test(state, evaluation.index)).take(3) {
        let Some(baseline) = state.suffixes.get(evaluation.index) else { continue };
        print_line(&format!("test suffix: {}", baseline.text));
        print_line(&format!("  reference: {:?}", baseline.reference.text));
        print_line(&format!("  no prefix: {:?}", evaluation.completion_none.text));
        print_line(&format!("  found:     {:?}", evaluation.completion.text));
    }
    print_line("");
    check::print(&result.nontriviality);
    let saved = match result.evaluations_saved {
        0 => String::new(),
        saved => format!(" ({saved} more were not needed)"),
    };
    print_line(&format!("{} evaluations in {seconds:.0} s{saved}", result.evaluations));
}

fn is_test(state: &RunState, index: usize) -> bool {
    state.suffixes.get(index).is_some_and(|suffix| suffix.split == Split::Test)
}

fn row(name: &str, values: &PerSplit) -> String {
    let cell = |split: Split| values.get(split).map_or("–".to_owned(), |value| format!("{value:.3}"));
    format!("  {name:<24}{:>10}{:>12}{:>10}", cell(Split::Train), cell(Split::Validation), cell(Split::Test))
}
