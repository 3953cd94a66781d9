//! Runs the cells of a sweep that are not done yet, one after the other. Several processes may share a folder:
//! each claims a cell before it runs it.

use super::log::{CellLog, Footer, LogWriter};
use super::outcome::Outcome;
use super::plan::{Cell, CellKey, Plan};
use crate::control::Control;
use crate::device::Machine;
use crate::job;
use crate::loaded::LoadedModel;
use crate::models::ModelStore;
use crate::stages::Sink;
use shared::catalogue::Catalogue;
use shared::event::{ErrorBody, Event};
use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Why a sweep ended early.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A file of the folder belongs to another sweep.
    #[error("{} holds a run of another spec: {difference}", .path.display())]
    OtherSpec {
        /// The file.
        path: PathBuf,
        /// Where the specs differ.
        difference: String,
    },
    /// The folder or a file in it cannot be used.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The model cannot be loaded.
    #[error("{0}")]
    Model(#[from] ErrorBody),
    /// The model cannot run a cell; none was run.
    #[error("{} · {} · {} · seed {}: {error}", .key.model, .key.teacher, .key.method, .key.seed)]
    Refused {
        /// The cell.
        key: Box<CellKey>,
        /// Why.
        error: ErrorBody,
    },
    /// The user stopped it.
    #[error("stopped; {done} of {total} cells are done")]
    Stopped {
        /// Finished cells.
        done: usize,
        /// All cells.
        total: usize,
    },
}

/// Hears how a sweep goes on.
pub trait Watch {
    /// A file is damaged, so that its cell is run again.
    fn damaged(&mut self, path: &Path, reason: &str);
    /// A cell begins; so many of all are done.
    fn begins(&mut self, cell: &Cell, done: usize, total: usize);
    /// Something happened in it.
    fn event(&mut self, event: &Event);
    /// It is done and stored.
    fn ends(&mut self, cell: &Cell, footer: Footer);
}

/// Where processes that share a sweep lock the cells that they run.
const CLAIMS: &str = "claims";

/// How often a process that has nothing else to do looks whether the others are done.
const BETWEEN_CLAIMS: Duration = Duration::from_millis(500);

/// A folder with the cells of a sweep.
pub struct SweepFolder<'a> {
    /// The sweep.
    pub plan: &'a Plan,
    /// The folder.
    pub path: &'a Path,
    /// Runs cells again that failed.
    pub retry_failed: bool,
}

impl SweepFolder<'_> {
    /// A cell's file.
    pub fn file(&self, cell: &Cell) -> PathBuf {
        self.path.join("cells").join(format!("{}.jsonl", cell.slug))
    }

    /// The log of a cell; nothing where there is none, or where `watch` was told that it is damaged.
    ///
    /// # Errors
    /// Where the file is a run of another spec.
    pub fn read(&self, cell: &Cell, watch: &mut dyn Watch) -> Result<Option<CellLog>, SweepError> {
        let path = self.file(cell);
        if !path.exists() {
            return Ok(None);
        }
        let log = match CellLog::read(&path) {
            Ok(log) => log,
            Err(reason) => {
                watch.damaged(&path, &reason);
                return Ok(None);
            }
        };
        match log.spec() {
            Some(spec) if *spec == cell.spec => Ok(Some(log)),
            other => Err(SweepError::OtherSpec { path, difference: difference(other, cell) }),
        }
    }

    /// The outcomes of all cells that are done, in the plan's order.
    pub fn outcomes(&self, watch: &mut dyn Watch) -> Result<Vec<Outcome>, SweepError> {
        let mut outcomes = Vec::new();
        for cell in &self.plan.cells {
            outcomes.extend(self.read(cell, watch)?.map(|log| Outcome::new(cell, log)));
        }
        Ok(outcomes)
    }

    /// Runs what is missing.
    pub fn run(
        &self,
        catalogue: &Catalogue,
        models: &ModelStore,
        machine: &Machine,
        watch: &mut dyn Watch,
        control: &Arc<Control>,
    ) -> Result<(), SweepError> {
        for folder in ["cells", CLAIMS] {
            let folder = self.path.join(folder);
            fs::create_dir_all(&folder).map_err(|error| SweepError::Io { path: folder, error })?;
        }
        let mut missing = VecDeque::new();
        for cell in &self.plan.cells {
            let failed = |log: &CellLog| matches!(log.events.last(), Some(Event::Failed { .. }));
            let stamp = self.stamp(cell);
            if self.read(cell, watch)?.is_none_or(|log| self.retry_failed && failed(&log)) {
                missing.push_back((cell, stamp));
            }
        }
        let total = self.plan.cells.len();
        let mut done = total - missing.len();
        let mut loaded: Option<LoadedModel> = None;
        let mut held_by_others = 0;
        while let Some((cell, stamp)) = missing.pop_front() {
            if control.is_cancelled() {
                return Err(SweepError::Stopped { done, total });
            }
            let Some(claim) = self.claim(cell)? else {
                // Later: it may be done then, or its process dead.
                missing.push_back((cell, stamp));
                held_by_others += 1;
                if held_by_others >= missing.len() {
                    std::thread::sleep(BETWEEN_CLAIMS);
                    held_by_others = 0;
                }
                continue;
            };
            held_by_others = 0;
            // Whoever had the claim before may be done with it.
            if self.stamp(cell) != stamp {
                done += 1;
                continue;
            }
            let is_ready = loaded.as_ref().is_some_and(|model| model.card.name == cell.key.model && model.is_there());
            let model = match loaded.take() {
                Some(model) if is_ready => model,
                // The other model's memory is free before this one is loaded.
                other => {
                    drop(other);
                    let model = LoadedModel::load(&cell.key.model, models, machine, |_| Ok(()))?;
                    let waiting = missing.iter().map(|&(cell, _)| cell).chain([cell]);
                    preflight(waiting.filter(|it| it.key.model == cell.key.model), catalogue, &model)?;
                    model.remembering()
                }
            };
            let model = loaded.insert(model);
            watch.begins(cell, done, total);
            let footer = self.run_cell(cell, model, catalogue, machine, watch, control)?;
            match footer {
                Some(footer) => watch.ends(cell, footer),
                None => return Err(SweepError::Stopped { done, total }),
            }
            done += 1;
            drop(claim);
        }
        Ok(())
    }

    /// When a cell's file was written; nothing where there is none.
    fn stamp(&self, cell: &Cell) -> Option<SystemTime> {
        fs::metadata(self.file(cell)).ok()?.modified().ok()
    }

    /// The right to run a cell, for as long as the file is open; nothing where another process has it. The system
    /// takes it back from a process that dies. The files stay: one that is removed while another process is about to
    /// lock it would give both the right.
    fn claim(&self, cell: &Cell) -> Result<Option<File>, SweepError> {
        let path = self.path.join(CLAIMS).join(&cell.slug);
        let io_error = |error| SweepError::Io { path: path.clone(), error };
        let file = File::create(&path).map_err(io_error)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io_error(error)),
        }
    }

    /// Runs one cell into its file; nothing where it was stopped.
    fn run_cell(
        &self,
        cell: &Cell,
        model: &mut LoadedModel,
        catalogue: &Catalogue,
        machine: &Machine,
        watch: &mut dyn Watch,
        control: &Arc<Control>,
    ) -> Result<Option<Footer>, SweepError> {
        let path = self.file(cell);
        let io_error = |error| SweepError::Io { path: path.clone(), error };
        let log = LogWriter::begin(&path, &cell.spec).map_err(io_error)?;
        let mut sink = CellSink { log, watch, control, cancelled: false };
        let start = Instant::now();
        let spent = job::run_on(model, &cell.spec, catalogue, machine, &mut sink, control);
        let footer = Footer {
            search_evaluations: spent.evaluations,
            search_seconds: spent.seconds,
            seconds: start.elapsed().as_secs_f64(),
            threads: threads(),
        };
        let CellSink { log, cancelled, .. } = sink;
        if cancelled && log.is_well() {
            log.discard().map_err(io_error)?;
            return Ok(None);
        }
        log.finish(footer).map_err(io_error)?;
        Ok(Some(footer))
    }
}

/// Refuses cells that a model cannot run before it runs any: a mistake in the last one would show after hours.
fn preflight<'a>(
    cells: impl Iterator<Item = &'a Cell>,
    catalogue: &Catalogue,
    model: &LoadedModel,
) -> Result<(), SweepError> {
    for cell in cells {
        job::preflight(&cell.spec, catalogue, model)
            .map_err(|error| SweepError::Refused { key: Box::new(cell.key.clone()), error })?;
    }
    Ok(())
}

/// Threads of the CPU engine, as rayon counts them.
fn threads() -> usize {
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|threads| threads.parse().ok());
    let there = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.filter(|&threads| threads > 0).unwrap_or_else(there)
}

/// Stores and shows what happens; a disk that takes nothing more ends the run.
struct CellSink<'a> {
    log: LogWriter,
    watch: &'a mut dyn Watch,
    control: &'a Control,
    cancelled: bool,
}

impl Sink for CellSink<'_> {
    fn push(&mut self, event: Event) {
        self.watch.event(&event);
        self.cancelled |= matches!(event, Event::Cancelled {});
        self.log.push(event);
        if !self.log.is_well() {
            self.control.cancel();
        }
    }
}

/// The first field in which a file's spec is not the cell's.
fn difference(found: Option<&shared::spec::RunSpec>, cell: &Cell) -> String {
    let fields = |spec| match serde_json::to_value(spec) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (Some(found), wanted) = (found.map(fields), fields(&cell.spec)) else {
        return "it has none".to_owned();
    };
    let names: std::collections::BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
    let differs = names.into_iter().find(|&name| found.get(name) != wanted.get(name));
    let show = |value: Option<&serde_json::Value>| value.map_or("nothing".to_owned(), ToString::to_string);
    differs.map_or("nothing differs that can be shown".to_owned(), |name| {
        format!("{name} is {}, the sweep says {}", show(found.get(name)), show(wanted.get(name)))
    })
}
