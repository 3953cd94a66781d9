//! The worker ends, in order or not, and another one goes on with its data.

use anyhow::{Context as _, Result};
use shared::event::Event;
use shared::wire::{Command, RunPhase};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};
use steerage_tests::client::Client;
use steerage_tests::script::{Ending, Script};
use steerage_tests::worker::{FakeWorker, PATIENCE};
use tokio::time::sleep;

/// The process id that the fake job tells in its log.
async fn job_pid(client: &mut Client, run: &str) -> Result<u32> {
    client.subscribe(run, 0, 0).await?;
    loop {
        if let Event::StageFinished { summary, .. } = client.event(run).await?.event {
            return Ok(summary.parse()?);
        }
    }
}

/// Waits until a process is gone or only waits to be reaped.
#[cfg(target_os = "linux")]
async fn assert_ends(pid: u32) -> Result<()> {
    let began = Instant::now();
    while let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        if stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')) {
            return Ok(());
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "process {pid} still runs");
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test]
async fn results_and_tokens_outlive_the_worker() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    let run = client.start(Script { events: 300, ..Script::new(Ending::Finish) }.spec()).await?;
    let before = client.log(&run).await?;
    let token = worker.token()?;
    assert!(worker.stop().await?.success());

    let worker = FakeWorker::start(scratch.path()).await?;
    assert_eq!(worker.token()?, token);
    let (mut client, runs) = Client::connect(&worker).await?;
    assert_eq!((runs.len(), runs[0].state, runs[0].gap_closed_test), (1, RunPhase::Finished, Some(0.25)));
    assert_eq!(client.log(&run).await?, before);
    Ok(())
}

#[tokio::test]
async fn a_killed_worker_leaves_interrupted_runs_a_waiting_queue_and_no_process() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    let running = client.start(Script::new(Ending::Wait).spec()).await?;
    let queued = client.start(Script::new(Ending::Finish).spec()).await?;
    let _pid = job_pid(&mut client, &running).await?;
    worker.kill().await?;
    #[cfg(target_os = "linux")]
    assert_ends(_pid).await?;

    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, runs) = Client::connect(&worker).await?;
    assert_eq!(runs.iter().find(|run| run.run == running).map(|run| run.state), Some(RunPhase::Interrupted));
    let log = client.log(&running).await?;
    assert_eq!(log.last().map(|stamped| &stamped.event), Some(&Event::Interrupted {}));
    assert!(log.iter().zip(1..).all(|(stamped, seq)| stamped.epoch == 1 && stamped.seq == seq));
    let log = client.log(&queued).await?;
    assert!(matches!(log.last().map(|stamped| &stamped.event), Some(Event::Finished { .. })), "the queue went on");

    client.done(Command::RestartRun { run: running.clone() }).await?;
    loop {
        let stamped = client.event(&running).await?;
        if matches!(stamped.event, Event::Candidates { .. }) {
            assert_eq!(stamped.epoch, 2);
            return Ok(());
        }
    }
}

#[tokio::test]
async fn a_worker_that_ends_in_order_says_so_and_takes_its_job_along() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    // Neither is told to stop, nor notices that it should.
    let run = client.start(Script::new(Ending::Stubborn).spec()).await?;
    let _pid = job_pid(&mut client, &run).await?;
    let (status, log) = tokio::try_join!(worker.stop(), client.rest(&run))?;
    assert!(status.success());
    assert_eq!(log.last().map(|stamped| &stamped.event), Some(&Event::Interrupted {}));
    let closed = loop {
        if let steerage_tests::client::Incoming::Closed(frame) = client.incoming().await? {
            break frame.context("closed without a code")?;
        }
    };
    assert_eq!(u16::from(closed.code), 1001);
    #[cfg(target_os = "linux")]
    assert_ends(_pid).await?;
    Ok(())
}

#[tokio::test]
async fn replies_outlive_the_worker() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let id = "3c0f4f0a-1a5d-4a57-8d7c-0a4b5c6d7e8f";
    let command = Command::StartRun { spec: Box::new(Script::new(Ending::Finish).spec()) };
    let worker = FakeWorker::start(scratch.path()).await?;
    let first = Client::connect(&worker).await?.0.command_as(id, command.clone()).await?;
    worker.kill().await?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, runs) = Client::connect(&worker).await?;
    assert_eq!(runs.len(), 1, "what was replied to was on disk");
    assert_eq!(client.command_as(id, command).await?, first);
    Ok(())
}

#[tokio::test]
async fn what_a_client_saw_survives_a_kill_at_any_moment() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    for pause_ms in [20, 60, 140] {
        let worker = FakeWorker::start(scratch.path()).await?;
        let (mut client, _) = Client::connect(&worker).await?;
        let script = Script { events: 100_000, ids: 50, ..Script::new(Ending::Finish) };
        let run = client.start(script.spec()).await?;
        client.subscribe(&run, 0, 0).await?;
        let mut seen = vec![client.event(&run).await?];
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(pause_ms) {
            seen.push(client.event(&run).await?);
        }
        worker.kill().await?;
        // What was under way to the client counts as seen.
        while let Ok(stamped) = client.event(&run).await {
            seen.push(stamped);
        }
        let worker = FakeWorker::start(scratch.path()).await?;
        let (mut client, _) = Client::connect(&worker).await?;
        let log = client.log(&run).await?;
        assert!(log.len() > seen.len(), "an interruption is logged on top");
        assert_eq!(log.last().map(|stamped| &stamped.event), Some(&Event::Interrupted {}));
        assert!(seen.iter().all(|stamped| log[stamped.seq as usize - 1] == *stamped));
        assert!(worker.stop().await?.success());
    }
    Ok(())
}

#[tokio::test]
async fn a_data_directory_has_one_worker() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let said = FakeWorker::start_refused(scratch.path()).await?;
    let directory = scratch.path().to_str().context("a path")?;
    assert!(said.contains("another worker") && said.contains(directory), "{said}");
    worker.kill().await?;
    FakeWorker::start(scratch.path()).await?;
    Ok(())
}

/// Ends a worker that has a finished run, and hands its log's file to `damage`.
async fn damaged(scratch: &Path, damage: impl FnOnce(&Path) -> Result<()>) -> Result<String> {
    let worker = FakeWorker::start(scratch).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    let run = client.start(Script { events: 2000, ..Script::new(Ending::Finish) }.spec()).await?;
    client.wait_for(&run, RunPhase::Finished).await?;
    assert!(worker.stop().await?.success());
    damage(&scratch.join("log.sqlite3"))?;
    Ok(run)
}

#[tokio::test]
async fn a_log_that_is_no_log_is_refused_by_name() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    damaged(scratch.path(), |file| {
        let mut log = std::fs::File::options().write(true).open(file)?;
        Ok(log.write_all(b"no database at all")?)
    })
    .await?;
    let said = FakeWorker::start_refused(scratch.path()).await?;
    assert!(said.contains("log.sqlite3") && said.contains("not a Steerage log"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_log_with_a_damaged_page_is_an_error_where_it_is_read() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let run = damaged(scratch.path(), |file| {
        let mut log = std::fs::File::options().write(true).open(file)?;
        // The tables come first, the events make up most of the rest.
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length / 2))?;
        Ok(log.write_all(&vec![0xff; usize::try_from(length / 4)?])?)
    })
    .await?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, runs) = Client::connect(&worker).await?;
    assert_eq!(runs.len(), 1);
    client.subscribe(&run, 0, 0).await?;
    let error = client.error().await?;
    assert_eq!(error.code, "store_failed");
    assert!(!error.to_string().contains('/') && error.hint.is_some_and(|hint| !hint.contains('/')));
    let health = worker.http("GET /api/health HTTP/1.1\r\n")?;
    assert_eq!(health.status, 200, "the worker goes on serving");
    Ok(())
}
