//! A thread that owns something blocking and does jobs with it one after another.

use super::StoreError;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait; whoever brings one more waits too.
const WAITING_JOBS: usize = 64;

enum Job<S> {
    Run(Box<dyn FnOnce(&mut S) + Send>),
    Close,
}

/// The thread's handle. The thread ends when this is dropped or closed.
pub(super) struct DatabaseThread<S> {
    jobs: mpsc::Sender<Job<S>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<S: Send + 'static> DatabaseThread<S> {
    /// Starts the thread and hands it what it owns.
    pub(super) fn start(name: &str, mut state: S) -> Result<Self, StoreError> {
        let (jobs, mut incoming) = mpsc::channel(WAITING_JOBS);
        let body = move || {
            while let Some(Job::Run(job)) = incoming.blocking_recv() {
                job(&mut state);
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(StoreError::Thread)?;
        Ok(DatabaseThread { jobs, thread: Mutex::new(Some(thread)) })
    }

    /// Runs a job there. It runs to its end even where the caller stops waiting.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |state: &mut S| {
            // The caller may have gone; the work is done all the same.
            let _ = reply.send(job(state));
        });
        self.jobs.send(Job::Run(job)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }

    /// Ends the thread after the jobs that wait, and waits for it to let go of what it owns.
    pub(super) async fn close(&self) {
        let _ = self.jobs.send(Job::Close).await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that panicked has let go as well.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}
