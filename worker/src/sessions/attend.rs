//! Attending to one job after another.

use super::lines::{Batch, End};
use super::process::{JobCommand, JobProcess};
use super::redact::Redactor;
use crate::store::{NewEvent, Store, StoreError, Task, Wishes};
use shared::event::{ErrorBody, Event};
use shared::spec::RunSpec;
use shared::wire::RunPhase;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a job may take to stop when it is asked to, or to exit after its last event.
const EXIT_PATIENCE: Duration = Duration::from_secs(10);

/// The same when the worker itself is to end.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

/// Pause before something is tried again that the log refused, as when the disk is full.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Takes runs off the queue, one after another.
pub struct Executor {
    store: Store,
    job: JobCommand,
    redactor: Redactor,
    /// True once the worker is to end.
    shutdown: watch::Receiver<bool>,
}

impl Executor {
    /// An executor of the runs in a log.
    pub fn new(store: Store, job: JobCommand, shutdown: watch::Receiver<bool>) -> Self {
        let redactor = Redactor::new(&job.private_folders);
        Executor { store, job, redactor, shutdown }
    }

    /// Works until the worker is to end; then the running job ends, and its run was interrupted.
    pub async fn run(mut self) {
        self.sweep_journals();
        let mut ticks = self.store.ticks();
        while !*self.shutdown.borrow() {
            ticks.borrow_and_update();
            match self.store.take_next().await {
                Ok(Some(task)) => self.work(task).await,
                Ok(None) => {
                    tokio::select! {
                        _ = ticks.changed() => {}
                        _ = self.shutdown.changed() => {}
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the queue cannot be read");
                    self.pause().await;
                }
            }
        }
    }

    async fn work(&mut self, task: Task) {
        tracing::info!(run = task.run, epoch = task.epoch, "run begins");
        let last = self.attend(&task).await;
        if matches!(last, None | Some(Event::Cancelled {})) {
            // It ended as it should: another attempt begins anew.
            let _ = std::fs::remove_file(self.journal(&task.run));
        }
        let Some(last) = last else {
            tracing::info!(run = task.run, epoch = task.epoch, "run ended");
            return;
        };
        // A run must not stay "running" because the disk was full when it ended.
        while let Err(error) = self.append(&task, last.clone()).await {
            tracing::error!(run = task.run, %error, "the end of the run cannot be recorded");
            if matches!(error, StoreError::NotRunning { .. } | StoreError::Closed) || *self.shutdown.borrow() {
                return;
            }
            self.pause().await;
        }
    }

    fn journal(&self, run: &str) -> PathBuf {
        self.job.journals.join(run)
    }

    /// Makes the folder of journals, and removes those that no run will go on with.
    fn sweep_journals(&self) {
        let folder = &self.job.journals;
        if let Err(error) = std::fs::create_dir_all(folder) {
            tracing::warn!(%error, "there is no folder for journals: an interrupted run will begin anew");
        }
        let runs = self.store.board(|board| board.runs());
        let is_wanted = |name: &str| runs.iter().any(|run| run.run == name && run.state != RunPhase::Finished);
        for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if !file.file_name().to_str().is_some_and(is_wanted) {
                let _ = std::fs::remove_file(file.path());
            }
        }
    }

    async fn append(&self, task: &Task, event: Event) -> Result<(), StoreError> {
        self.store.append(&task.run, task.epoch, vec![NewEvent::new(event)?]).await
    }

    /// Sees a job through. Returns the last event where the job did not write one itself.
    async fn attend(&mut self, task: &Task) -> Option<Event> {
        let journal = serde_json::to_string(&self.journal(&task.run)).unwrap_or_else(|_| "null".to_owned());
        let first_line = format!("{{\"run\":\"{}\",\"spec\":{},\"journal\":{journal}}}\n", task.run, task.spec_json);
        let mut process = match JobProcess::spawn(&self.job, &task.run, first_line) {
            Ok(process) => process,
            Err(error) => {
                tracing::error!(run = task.run, %error, command = ?self.job.command, "the job cannot be started");
                return Some(failed("job_not_started", "The worker could not start the job."));
            }
        };
        let mut ticks = self.store.ticks();
        let (mut cancel_deadline, mut told) = (None, Wishes::default());
        loop {
            let wishes = self.store.board(|board| board.wishes(&task.run, task.epoch));
            // Recorded first: what the job does about it comes after it in the log.
            let asked = [
                (wishes.finish && !told.finish, Event::Finishing {}),
                (wishes.pause && !told.pause, Event::Pausing {}),
            ];
            for (_, event) in asked.into_iter().filter(|(is_new, _)| *is_new) {
                if let Err(error) = self.append(task, event).await {
                    let _ = process.end(Duration::ZERO).await;
                    return Some(unrecorded(task, &error));
                }
            }
            process.ask(wishes);
            told = wishes;
            if wishes.cancel && cancel_deadline.is_none() {
                cancel_deadline = Some(Instant::now() + EXIT_PATIENCE);
            }
            tokio::select! {
                batch = process.lines() => match self.take_down(task, batch).await {
                    Progress::Goes => {}
                    Progress::WroteLast => {
                        self.let_exit(task, &mut process).await;
                        return None;
                    }
                    Progress::Broke(event) => {
                        tracing::error!(run = task.run, log = process.log_tail(), "the job is stopped");
                        let _ = process.end(Duration::ZERO).await;
                        return Some(*event);
                    }
                    Progress::Ended => {
                        let status = process.end(EXIT_PATIENCE).await;
                        let asked = cancel_deadline.is_some();
                        tracing::error!(run = task.run, ?status, asked, log = process.log_tail(), "the job died");
                        return Some(if asked { Event::Cancelled {} } else { died(status) });
                    }
                },
                _ = ticks.changed() => {}
                () = sleep_until(cancel_deadline.unwrap_or_else(Instant::now)), if cancel_deadline.is_some() => {
                    tracing::warn!(run = task.run, "the job did not stop when asked to, and is killed");
                    let _ = process.end(Duration::ZERO).await;
                    return Some(Event::Cancelled {});
                }
                _ = self.shutdown.changed() => {
                    let _ = process.end(SHUTDOWN_PATIENCE).await;
                    return Some(Event::Interrupted {});
                }
            }
        }
    }

    /// Records the lines that a job wrote; what came before a bad one is kept.
    async fn take_down(&self, task: &Task, Batch { lines, end }: Batch) -> Progress {
        let mut events = Vec::new();
        let mut wrong = None;
        for line in lines {
            match parse(&line).and_then(|event| self.for_clients(task, event)) {
                Ok(event) => events.push(event),
                Err(reason) => {
                    wrong = Some(reason);
                    break;
                }
            }
            if events.last().is_some_and(|event| event.event().is_last()) {
                break;
            }
        }
        let wrote_last = events.last().is_some_and(|event| event.event().is_last());
        if !events.is_empty()
            && let Err(error) = self.store.append(&task.run, task.epoch, events).await
        {
            return Progress::Broke(Box::new(unrecorded(task, &error)));
        }
        match (wrong, end) {
            _ if wrote_last => Progress::WroteLast,
            (Some(reason), _) => bad_output(task, &reason),
            (None, Some(End::Broken(error))) => bad_output(task, &error.to_string()),
            (None, Some(End::Closed)) => Progress::Ended,
            (None, None) => Progress::Goes,
        }
    }

    /// A job's failure names files of this machine. The log keeps that; clients get less.
    fn for_clients(&self, task: &Task, event: NewEvent) -> Result<NewEvent, String> {
        let Event::Failed { error } = event.event() else { return Ok(event) };
        tracing::warn!(run = task.run, %error, "the job failed");
        let error = self.redactor.error(error, &model_of(task));
        NewEvent::new(Event::Failed { error }).map_err(|error| error.to_string())
    }

    /// Waits for a job that is done to exit: the next one needs its memory.
    async fn let_exit(&mut self, task: &Task, process: &mut JobProcess) {
        let status = tokio::select! {
            status = process.end(EXIT_PATIENCE) => status,
            _ = self.shutdown.changed() => process.end(Duration::ZERO).await,
        };
        tracing::debug!(run = task.run, ?status, "the job exited");
    }

    async fn pause(&mut self) {
        tokio::select! {
            () = sleep(RETRY_PAUSE) => {}
            _ = self.shutdown.changed() => {}
        }
    }
}

/// What became of a job with the lines that it wrote.
enum Progress {
    Goes,
    /// It wrote the last event.
    WroteLast,
    /// It closed its stdout without one.
    Ended,
    /// It cannot go on; this is the last event.
    Broke(Box<Event>),
}

/// The model that a task asks for, as clients call it.
fn model_of(task: &Task) -> String {
    let spec: Option<RunSpec> = serde_json::from_str(&task.spec_json).ok();
    spec.map(|spec| spec.model).unwrap_or_default()
}

fn parse(line: &str) -> Result<NewEvent, String> {
    let event = NewEvent::parse(line).map_err(|error| error.to_string())?;
    match event.event() {
        // These are the worker's own to say.
        Event::Queued { .. } | Event::Pausing {} | Event::Finishing {} | Event::Interrupted {} => {
            Err("an event that a job cannot report".to_owned())
        }
        _ => Ok(event),
    }
}

fn bad_output(task: &Task, reason: &str) -> Progress {
    tracing::error!(run = task.run, reason, "the job wrote something that is not an event");
    Progress::Broke(Box::new(failed("bad_job_output", "The job wrote something that is not an event.")))
}

fn unrecorded(task: &Task, error: &StoreError) -> Event {
    tracing::error!(run = task.run, %error, "events cannot be recorded");
    failed("store_failed", "The worker could not record what the job reported.")
}

fn failed(code: &str, message: impl Into<String>) -> Event {
    Event::Failed { error: ErrorBody::new(code, message).with_hint("The worker's log tells more.") }
}

/// How a job died, for a client: no paths, nothing from its log.
fn died(status: std::io::Result<ExitStatus>) -> Event {
    let Ok(status) = status else { return failed("job_died", "The job ended without a result.") };
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let error = ErrorBody::new("job_died", format!("The job was killed by signal {signal}."));
        // 9 is what the kernel sends when memory runs out.
        let hint = if signal == 9 { "The machine may have run out of memory." } else { "The worker's log tells more." };
        return Event::Failed { error: error.with_hint(hint) };
    }
    let code = status.code().map_or_else(|| "unknown".to_owned(), |code| code.to_string());
    failed("job_died", format!("The job ended without a result (exit status {code})."))
}
