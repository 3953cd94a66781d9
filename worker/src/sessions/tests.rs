//! The executor with jobs that are shell scripts, so that the log can be unwritable and programs missing.
#![cfg(unix)]

use super::*;
use crate::store::{Cursor, DataDirectory};
use shared::wire::RunPhase;
use std::ffi::OsString;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// A log with one run in it, which an executor works on.
struct Bench {
    store: Store,
    stop: watch::Sender<bool>,
    executor: tokio::task::JoinHandle<()>,
    _scratch: tempfile::TempDir,
}

impl Bench {
    async fn start(command: &[&str], env: &[(&str, &str)]) -> Bench {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(DataDirectory::lock(scratch.path()).unwrap()).unwrap();
        let spec = serde_json::from_str(r#"{"model":"m","teacher":"t","stages":[]}"#).unwrap();
        let queue = store.command("1", "{}".into(), move |log| {
            log.queue("a", spec)?;
            Ok(Outcome::Done { run: "a".into() })
        });
        queue.await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let command = command.iter().map(OsString::from).collect();
        let env = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let journals = scratch.path().join("journals");
        let executor = tokio::spawn(
            Executor::new(store.clone(), JobCommand { command, env, private_folders: Vec::new(), journals }, stopped)
                .run(),
        );
        Bench { store, stop, executor, _scratch: scratch }
    }

    /// Waits until the run stands there.
    async fn reaches(&self, phase: RunPhase) {
        let mut ticks = self.store.ticks();
        while self.store.board(|board| board.runs()[0].state) != phase {
            timeout(Duration::from_secs(30), ticks.changed()).await.unwrap().unwrap();
        }
    }

    /// Waits until the run has failed; returns the failure as it was recorded.
    async fn failure(&self) -> String {
        self.reaches(RunPhase::Failed).await;
        let head = self.store.board(|board| board.head("a")).unwrap();
        let page = self.store.page("a", Cursor { seq: head.seq - 1, ..head }).await.unwrap();
        page.events[0].json.clone()
    }
}

#[tokio::test]
async fn a_run_that_cannot_be_recorded_fails_once_its_failure_can_be() {
    let endless = r#"read task; while :; do echo '{"event":"stage_started","stage":1}'; done"#;
    let bench = Bench::start(&["sh", "-c", endless], &[]).await;
    bench.reaches(RunPhase::Running).await;
    bench.store.refuse_writes(true).await;
    let mut ticks = bench.store.ticks();
    // As on a full disk: nothing more is recorded, not even that.
    while timeout(Duration::from_secs(2), ticks.changed()).await.is_ok() {}
    assert_eq!(bench.store.board(|board| board.runs()[0].state), RunPhase::Running);
    bench.store.refuse_writes(false).await;
    assert!(bench.failure().await.contains("store_failed"));
    bench.stop.send_replace(true);
    bench.executor.await.unwrap();
}

#[tokio::test]
async fn a_job_that_cannot_be_started_fails_its_run() {
    let bench = Bench::start(&["/no/such/program"], &[]).await;
    let last = bench.failure().await;
    assert!(last.contains("job_not_started") && !last.contains("/no/such"), "{last}");
}

#[tokio::test]
async fn a_job_gets_its_environment_and_its_task() {
    let script = r#"read -r task
        case "$task" in '{"run":"a","spec":{"'*) seen=task ;; *) seen=nothing ;; esac
        printf '{"event":"failed","error":{"code":"%s","message":"%s"}}' "$COLOUR" "$seen""#;
    let bench = Bench::start(&["sh", "-c", script], &[("COLOUR", "blue")]).await;
    let last = bench.failure().await;
    assert!(last.contains("blue") && last.contains("task"), "{last}");
}
