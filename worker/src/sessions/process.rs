//! One job as a child process: a crash or a lack of memory ends the job, not the worker.

use super::lines::{Batch, End, LineError, LineReader};
use crate::store::Wishes;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;

/// Longest event that a job may write, in bytes.
pub const MAX_EVENT_BYTES: usize = 1 << 20;

/// Longest piece of a job's log that is passed on as one line, in bytes.
const MAX_LOG_LINE_BYTES: usize = 8 * 1024;

/// Lines of a job's log that are repeated when it dies.
const KEPT_LOG_LINES: usize = 20;

/// How jobs are started.
#[derive(Clone, Debug)]
pub struct JobCommand {
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Environment variables on top of the worker's own.
    pub env: Vec<(OsString, OsString)>,
    /// Folders that a job's errors are likely to name. Clients see no folder of this machine; those
    /// with blanks in their names are found by this list.
    pub private_folders: Vec<PathBuf>,
    /// Folder for what jobs keep for another attempt, a file a run.
    pub journals: PathBuf,
}

/// A running job. Dropped, it is killed.
pub(super) struct JobProcess {
    child: Child,
    /// What it is asked on its stdin; dropped, its stdin ends.
    wishes: Option<watch::Sender<Wishes>>,
    stdout: LineReader<ChildStdout>,
    log_tail: Arc<Mutex<VecDeque<String>>>,
}

impl JobProcess {
    /// Starts a job and gives it its first line.
    pub(super) fn spawn(job: &JobCommand, run: &str, first_line: String) -> std::io::Result<JobProcess> {
        let [program, arguments @ ..] = job.command.as_slice() else {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "the job command is empty"));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(job.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // Ctrl-C in a terminal goes to the worker alone, which then ends the job in order. Should
        // the worker be killed, the end of its stdin ends the job.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let missing = || std::io::Error::other("a pipe to the job is missing");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let (wishes, asked) = watch::channel(Wishes::default());
        tokio::spawn(feed(stdin, first_line, asked));
        let log_tail = Arc::default();
        tokio::spawn(pass_on_log(stderr, run.to_owned(), Arc::clone(&log_tail)));
        Ok(JobProcess { child, wishes: Some(wishes), stdout: LineReader::new(stdout, MAX_EVENT_BYTES), log_tail })
    }

    /// The next lines of its stdout.
    pub(super) async fn lines(&mut self) -> Batch {
        self.stdout.next().await
    }

    /// Asks it for what is new in these; a job that does not read its stdin holds nobody up.
    pub(super) fn ask(&self, wishes: Wishes) {
        if let Some(asked) = &self.wishes {
            asked.send_if_modified(|before| std::mem::replace(before, wishes) != wishes);
        }
    }

    /// Ends its stdin, gives it some time to exit, then kills it.
    pub(super) async fn end(&mut self, patience: Duration) -> std::io::Result<ExitStatus> {
        self.wishes = None;
        match tokio::time::timeout(patience, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                self.child.start_kill()?;
                self.child.wait().await
            }
        }
    }

    /// The last lines of its log.
    pub(super) fn log_tail(&self) -> String {
        let tail = self.log_tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Writes lines to a job's stdin until the sender is dropped or the job stops reading.
async fn feed(mut stdin: ChildStdin, first_line: String, mut asked: watch::Receiver<Wishes>) {
    let mut lines = first_line;
    let mut told = Wishes::default();
    loop {
        // A job that is gone is noticed by whoever waits for it.
        if stdin.write_all(lines.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
        if asked.changed().await.is_err() {
            return;
        }
        let wishes = *asked.borrow_and_update();
        lines = news(told, wishes);
        told = wishes;
    }
}

/// The lines that tell a job what is new. That it is to finish comes before it goes on, so that it begins nothing
/// in between.
fn news(told: Wishes, wishes: Wishes) -> String {
    let pause = if wishes.pause { "pause\n" } else { "resume\n" };
    let lines = [
        (wishes.cancel != told.cancel, "cancel\n"),
        (wishes.finish != told.finish, "finish\n"),
        (wishes.pause != told.pause, pause),
    ];
    lines.into_iter().filter(|(is_new, _)| *is_new).map(|(_, line)| line).collect()
}

/// Passes a job's stderr on to the worker's log.
async fn pass_on_log(stderr: ChildStderr, run: String, tail: Arc<Mutex<VecDeque<String>>>) {
    let mut reader = LineReader::new(stderr, MAX_LOG_LINE_BYTES);
    loop {
        let Batch { mut lines, end } = reader.next().await;
        let ended = match end {
            None => false,
            Some(End::Closed | End::Broken(LineError::Io(_))) => true,
            Some(End::Broken(error)) => {
                lines.push(format!("({error})"));
                false
            }
        };
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            tracing::info!(run, "{line}");
            if tail.len() == KEPT_LOG_LINES {
                tail.pop_front();
            }
            tail.push_back(line);
        }
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_told_what_is_new_and_nothing_twice() {
        let (nothing, pause) = (Wishes::default(), Wishes { pause: true, ..Wishes::default() });
        let finish = Wishes { finish: true, ..Wishes::default() };
        assert_eq!(news(nothing, nothing), "");
        assert_eq!(news(nothing, pause), "pause\n");
        assert_eq!(news(pause, nothing), "resume\n");
        assert_eq!(news(pause, finish), "finish\nresume\n");
        assert_eq!(news(finish, Wishes { cancel: true, pause: true, ..finish }), "cancel\npause\n");
    }
}
