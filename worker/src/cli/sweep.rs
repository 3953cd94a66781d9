//! `steerage sweep`: many runs from one file, and one report on them.

use super::run::{allow_path, cancel_on_interrupt};
use super::{CliError, print_line, read_input};
use crate::catalogue::catalogue;
use crate::checkpoint::Checkpoint;
use crate::device::Machine;
use crate::models::ModelStore;
use crate::sweep::aggregate::Aggregates;
use crate::sweep::log::Footer;
use crate::sweep::plan::{Cell, Plan};
use crate::sweep::report::{Report, write_all};
use crate::sweep::runner::{SweepError, SweepFolder, Watch};
use crate::sweep::spec::SweepSpec;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use shared::event::{ErrorBody, Event};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Runs every model, teacher, method and seed of a file, and writes a report on all of them.
#[derive(Args)]
pub struct SweepArgs {
    /// The sweep (TOML); docs/sweeps.md says what it may hold.
    spec: PathBuf,
    /// Folder of the cells' logs and of the report [default: the file without its extension].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs nothing; makes the report from the cells that are done.
    #[arg(long)]
    report_only: bool,
    /// Runs cells again that failed.
    #[arg(long, conflicts_with = "report_only")]
    retry_failed: bool,
}

pub fn sweep(args: SweepArgs, machine: &Machine) -> Result<(), CliError> {
    let models = ModelStore::from_env();
    let mut catalogue = catalogue(&models);
    let text = read_input(&args.spec)?;
    let spec: SweepSpec = toml::from_str(&text)
        .map_err(|error| CliError::bad_input(format!("{} is not a sweep: {error}", args.spec.display())))?;
    for model in &spec.models {
        allow_path(&mut catalogue, model);
    }
    let plan = Plan::new(spec, &catalogue).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        CliError::bad_input(format!("{} is not valid:\n  {}", args.spec.display(), lines.join("\n  ")))
    })?;
    let out = args.out.clone().unwrap_or_else(|| args.spec.with_extension(""));
    if out == args.spec {
        return Err(CliError::bad_input("the sweep's file has no extension, so it needs --out DIR"));
    }
    let folder = SweepFolder { plan: &plan, path: &out, retry_failed: args.retry_failed };
    let mut terminal = Terminal::new(&plan);
    if !args.report_only {
        for model in &plan.spec.models {
            Checkpoint::find(model, &models)?;
        }
        let control = cancel_on_interrupt()?;
        let result = folder.run(&catalogue, &models, machine, &mut terminal, &control);
        terminal.bar.finish_and_clear();
        result.map_err(|error| explain(error, &args.spec))?;
    }
    let outcomes = folder.outcomes(&mut terminal).map_err(|error| explain(error, &args.spec))?;
    if outcomes.is_empty() {
        return Err(CliError::bad_input(format!("no cell in {} is done yet", out.display())));
    }
    let aggregates = Aggregates::of(&plan, &outcomes);
    let mut command = format!("steerage sweep {}", args.spec.display());
    if let Some(out) = &args.out {
        command.push_str(&format!(" --out {}", out.display()));
    }
    let report = Report { plan: &plan, outcomes: &outcomes, aggregates: &aggregates, command: &command };
    for path in write_all(&report, &out).map_err(|error| CliError::failed(error.to_string()))? {
        print_line(&path.display().to_string());
    }
    let (done, total) = (outcomes.len(), plan.cells.len());
    let failed = outcomes.iter().filter(|it| it.result().is_none()).count();
    if done < total || failed > 0 {
        eprintln!("{done} of {total} cells are done, {failed} of them failed");
    }
    if failed == done { Err(CliError::failed("every cell failed; the report says why")) } else { Ok(()) }
}

fn explain(error: SweepError, spec: &Path) -> CliError {
    let message = error.to_string();
    match error {
        SweepError::OtherSpec { .. } => CliError::BadInput(
            ErrorBody::new("other_spec", message).with_hint("delete the file, or choose another folder with --out"),
        ),
        SweepError::Stopped { .. } => {
            CliError::Failed(ErrorBody::new("stopped", message).with_hint(format!(
                "`steerage sweep {}` with the same options goes on where it stopped",
                spec.display()
            )))
        }
        SweepError::Refused { error, .. } => CliError::BadInput(ErrorBody { message, ..error }),
        SweepError::Model(body) if body.code != "model_failed" => CliError::BadInput(body),
        SweepError::Model(body) => CliError::Failed(body),
        SweepError::Io { .. } => CliError::failed(message),
    }
}

/// Progress on stderr: a bar where there is a terminal, and one line a cell.
struct Terminal {
    bar: ProgressBar,
    began: Instant,
    done_before: Option<usize>,
    done: usize,
    total: usize,
    verdict: String,
}

impl Terminal {
    fn new(plan: &Plan) -> Self {
        let bar = ProgressBar::new(plan.cells.len() as u64);
        let style = ProgressStyle::with_template("[{bar:28}] {pos}/{len} {elapsed} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ "));
        let total = plan.cells.len();
        Terminal { bar, began: Instant::now(), done_before: None, done: 0, total, verdict: String::new() }
    }

    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// Time that the rest takes at the pace of the cells so far.
    fn left(&self) -> Duration {
        let here = self.done - self.done_before.unwrap_or(0);
        self.began.elapsed() / here.max(1) as u32 * (self.total - self.done) as u32
    }
}

impl Watch for Terminal {
    fn damaged(&mut self, path: &Path, reason: &str) {
        self.line(&format!("{} is damaged and counts as not run: {reason}", path.display()));
    }

    fn begins(&mut self, cell: &Cell, done: usize, total: usize) {
        if self.done_before.is_none() {
            self.done_before = Some(done);
            self.began = Instant::now();
            self.bar.enable_steady_tick(Duration::from_millis(500));
            if done > 0 {
                self.line(&format!("{done} of {total} cells were done before"));
            }
        }
        self.bar.set_position(done as u64);
        self.bar.set_message(format!("{} · {} · seed {}", cell.key.teacher, cell.key.method, cell.key.seed));
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Finished { result } => {
                let gap = result.gap_closed.test.map_or("–".to_owned(), |gap| format!("{gap:.3}"));
                self.verdict = format!("gap closed on test {gap}");
            }
            Event::Failed { error } => self.verdict = format!("failed: {}", error.message),
            _ => {}
        }
    }

    fn ends(&mut self, cell: &Cell, footer: Footer) {
        let before = self.done_before.unwrap_or(0);
        self.done = self.done.max(before) + 1;
        let (done, total, key) = (self.done, self.total, &cell.key);
        let left = match self.left().as_secs() {
            _ if done == total => String::new(),
            secs if secs < 120 => format!("; about {secs} s left"),
            secs => format!("; about {} min left", secs / 60),
        };
        self.line(&format!(
            "[{done}/{total}] {} · {} · {} · seed {}: {}, {} evaluations in {:.0} s{left}",
            key.model,
            key.teacher,
            key.method,
            key.seed,
            self.verdict,
            footer.search_evaluations,
            footer.search_seconds
        ));
        self.bar.set_position(done as u64);
    }
}
