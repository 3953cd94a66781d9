//! Pausing, resuming and finishing runs: what clients are told, when, and what a restart makes of it.

use anyhow::{Result, ensure};
use shared::event::{Event, Stamped};
use shared::state::RunState;
use shared::wire::{Command, RunPhase};
use std::time::{Duration, Instant};
use steerage_tests::client::Client;
use steerage_tests::script::{Ending, Script};
use steerage_tests::worker::FakeWorker;
use tokio::time::timeout;

/// How soon a user must see that a control was understood.
const ACKNOWLEDGED: Duration = Duration::from_secs(2);

/// Longer than the job pauses between two events.
const A_WHILE: Duration = Duration::from_millis(500);

/// A run that reports something every few milliseconds, and then finishes.
const BUSY: Script = Script { events: 100, score_every: 1, ids: 2, pause_ms: 20, ending: Ending::Finish };

async fn worker() -> Result<(tempfile::TempDir, FakeWorker, Client)> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (client, _) = Client::connect(&worker).await?;
    Ok((scratch, worker, client))
}

fn pause(run: &str) -> Command {
    Command::PauseRun { run: run.to_owned() }
}

fn resume(run: &str) -> Command {
    Command::ResumeRun { run: run.to_owned() }
}

fn finish(run: &str) -> Command {
    Command::FinishRun { run: run.to_owned() }
}

/// Reads a subscribed run's log up to an event.
async fn up_to(client: &mut Client, run: &str, wanted: impl Fn(&Event) -> bool) -> Result<Vec<Stamped>> {
    let mut log = Vec::new();
    loop {
        log.push(client.event(run).await?);
        let event = &log[log.len() - 1].event;
        if wanted(event) {
            return Ok(log);
        }
        ensure!(!event.is_last(), "the run ended before: {event:?}");
    }
}

fn is_score(event: &Event) -> bool {
    matches!(event, Event::Candidates { .. })
}

/// Starts a run, waits for its first score and pauses it; gives its log so far.
async fn paused(client: &mut Client, script: Script) -> Result<(String, Vec<Stamped>)> {
    let run = client.start(script.spec()).await?;
    client.subscribe(&run, 0, 0).await?;
    let mut log = up_to(client, &run, is_score).await?;
    let asked = Instant::now();
    client.done(pause(&run)).await?;
    log.extend(up_to(client, &run, |event| *event == Event::Paused {}).await?);
    client.wait_for(&run, RunPhase::Paused).await?;
    ensure!(asked.elapsed() < ACKNOWLEDGED, "paused after {:?}", asked.elapsed());
    Ok((run, log))
}

/// The events that are about controls or the end, in their order.
fn turns(log: &[Stamped]) -> Vec<&'static str> {
    let turn = |stamped: &Stamped| match stamped.event {
        Event::Pausing {} => Some("pausing"),
        Event::Paused {} => Some("paused"),
        Event::Resumed {} => Some("resumed"),
        Event::Finishing {} => Some("finishing"),
        Event::Finished { .. } => Some("finished"),
        Event::Cancelled {} => Some("cancelled"),
        Event::Interrupted {} => Some("interrupted"),
        _ => None,
    };
    log.iter().filter_map(turn).collect()
}

fn replay(log: &[Stamped]) -> RunState {
    let mut state = RunState::default();
    log.iter().for_each(|stamped| state.apply(stamped));
    state
}

#[tokio::test]
async fn a_paused_run_stands_still_until_it_is_resumed() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    let (run, mut log) = paused(&mut client, BUSY).await?;
    let next = client.start(Script::new(Ending::Finish).spec()).await?;
    let event = timeout(A_WHILE, client.event(&run)).await;
    assert!(event.is_err(), "a paused run goes on: {event:?}");

    // Whoever comes now sees the same, and the next run waits.
    let (mut other, runs) = Client::connect(&worker).await?;
    let states: Vec<_> = runs.iter().map(|run| (run.run.as_str(), run.state)).collect();
    assert_eq!(states, [(next.as_str(), RunPhase::Queued), (run.as_str(), RunPhase::Paused)]);
    other.subscribe(&run, 0, 0).await?;
    let again = up_to(&mut other, &run, |event| *event == Event::Paused {}).await?;
    assert_eq!(again, log);
    assert_eq!(replay(&again).phase, RunPhase::Paused);

    let asked = Instant::now();
    client.done(resume(&run)).await?;
    log.push(client.event(&run).await?);
    assert_eq!(log.last().map(|stamped| &stamped.event), Some(&Event::Resumed {}), "nothing comes in between");
    client.wait_for(&run, RunPhase::Running).await?;
    assert!(asked.elapsed() < ACKNOWLEDGED, "resumed after {:?}", asked.elapsed());
    log.extend(client.rest(&run).await?);
    assert!(log.iter().zip(1..).all(|(stamped, seq)| (stamped.epoch, stamped.seq) == (1, seq)));
    assert_eq!(turns(&log), ["pausing", "paused", "resumed", "finished"]);
    assert_eq!(log.iter().filter(|stamped| is_score(&stamped.event)).count(), 100, "nothing is left out");
    client.wait_for(&next, RunPhase::Finished).await?;

    // The pause took time, the run did not.
    let state = replay(&log);
    let age_secs = (state.last_unix_ms - state.started_unix_ms) as f64 / 1e3;
    let elapsed_secs = state.clock.elapsed_secs(u64::MAX);
    assert!(elapsed_secs + A_WHILE.as_secs_f64() <= age_secs, "{elapsed_secs} s of {age_secs} s counted");
    Ok(())
}

#[tokio::test]
async fn a_run_can_be_paused_again_and_again() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    let (run, _) = paused(&mut client, Script::new(Ending::Wait)).await?;
    for _ in 0..3 {
        client.done(resume(&run)).await?;
        up_to(&mut client, &run, |event| *event == Event::Resumed {}).await?;
        client.done(pause(&run)).await?;
        up_to(&mut client, &run, |event| *event == Event::Paused {}).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_run_that_is_to_finish_gives_its_verdict_now() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    // It would take an hour.
    let endless = Script { events: 1_000_000, pause_ms: 5, ..Script::new(Ending::Finish) };
    let run = client.start(endless.spec()).await?;
    client.subscribe(&run, 0, 0).await?;
    let mut log = up_to(&mut client, &run, is_score).await?;
    let asked = Instant::now();
    client.done(finish(&run)).await?;
    log.extend(up_to(&mut client, &run, |event| *event == Event::Finishing {}).await?);
    assert!(asked.elapsed() < ACKNOWLEDGED, "understood after {:?}", asked.elapsed());
    log.extend(client.rest(&run).await?);
    assert_eq!(turns(&log), ["finishing", "finished"]);
    assert!(replay(&log).finishing && replay(&log).result.is_some());
    let summary = client.wait_for(&run, RunPhase::Finished).await?;
    assert_eq!(summary.prefix_text.as_deref(), Some("purr"));
    assert_eq!(client.refused(finish(&run)).await?, "run_is_over");
    Ok(())
}

#[tokio::test]
async fn finishing_ends_a_pause_and_is_recorded_once() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    let (run, _) = paused(&mut client, Script::new(Ending::Wait)).await?;
    let (first, second) = ("5a0e2d7c-62a5-4d6c-8f0b-0f8f6f3b9c01", "5a0e2d7c-62a5-4d6c-8f0b-0f8f6f3b9c02");
    // Both are on their way before the first is answered.
    for id in [first, second] {
        let command = finish(&run);
        client.send(&shared::wire::ClientMessage::Command { id: id.to_owned(), command }).await?;
    }
    assert_eq!(turns(&client.rest(&run).await?), ["finishing", "resumed", "finished"]);
    Ok(())
}

#[tokio::test]
async fn a_paused_run_can_be_cancelled_and_started_again() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    let (run, _) = paused(&mut client, Script::new(Ending::Wait)).await?;
    let asked = Instant::now();
    client.done(Command::CancelRun { run: run.clone() }).await?;
    assert_eq!(turns(&client.rest(&run).await?), ["cancelled"]);
    assert!(asked.elapsed() < ACKNOWLEDGED, "cancelled after {:?}", asked.elapsed());
    client.wait_for(&run, RunPhase::Cancelled).await?;

    client.done(Command::RestartRun { run: run.clone() }).await?;
    let log = up_to(&mut client, &run, is_score).await?;
    assert!(log.iter().all(|stamped| stamped.epoch == 2), "what was asked before is forgotten");
    let event = timeout(A_WHILE, client.event(&run)).await?;
    assert!(event.is_ok_and(|stamped| is_score(&stamped.event)), "the second attempt is paused too");
    Ok(())
}

#[tokio::test]
async fn a_killed_worker_leaves_a_paused_run_interrupted() -> Result<()> {
    let (scratch, worker, mut client) = worker().await?;
    let (run, seen) = paused(&mut client, Script::new(Ending::Wait)).await?;
    worker.kill().await?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, runs) = Client::connect(&worker).await?;
    assert_eq!(runs[0].state, RunPhase::Interrupted);
    let log = client.log(&run).await?;
    assert_eq!((&log[..seen.len()], turns(&log)), (&seen[..], vec!["pausing", "paused", "interrupted"]));
    client.done(Command::RestartRun { run: run.clone() }).await?;
    client.wait_for(&run, RunPhase::Running).await?;
    Ok(())
}

#[tokio::test]
async fn a_worker_that_ends_in_order_interrupts_a_paused_run() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    let (run, _) = paused(&mut client, Script::new(Ending::Wait)).await?;
    let (status, log) = tokio::try_join!(worker.stop(), client.rest(&run))?;
    assert!(status.success());
    assert_eq!(turns(&log), ["interrupted"]);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_the_reason() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    for command in [pause, resume, finish] {
        assert_eq!(client.refused(command("no such run")).await?, "unknown_run");
    }
    let run = client.start(Script::new(Ending::Wait).spec()).await?;
    let queued = client.start(Script::new(Ending::Finish).spec()).await?;
    client.wait_for(&run, RunPhase::Running).await?;
    assert_eq!(client.refused(pause(&queued)).await?, "run_not_running");
    assert_eq!(client.refused(finish(&queued)).await?, "run_not_running");
    assert_eq!(client.refused(resume(&queued)).await?, "run_not_paused");
    assert_eq!(client.refused(resume(&run)).await?, "run_not_paused");

    client.done(pause(&run)).await?;
    client.wait_for(&run, RunPhase::Paused).await?;
    assert_eq!(client.refused(pause(&run)).await?, "run_not_running");
    assert_eq!(client.refused(Command::RestartRun { run: run.clone() }).await?, "run_cannot_restart");

    client.done(Command::CancelRun { run: run.clone() }).await?;
    client.wait_for(&run, RunPhase::Cancelled).await?;
    client.wait_for(&queued, RunPhase::Finished).await?;
    for command in [pause, resume, finish] {
        assert_eq!(client.refused(command(&run)).await?, "run_is_over");
        assert_eq!(client.refused(command(&queued)).await?, "run_is_over");
    }
    Ok(())
}

#[tokio::test]
async fn a_job_that_is_deaf_to_all_of_it_is_killed_when_it_is_cancelled() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    let run = client.start(Script::new(Ending::Stubborn).spec()).await?;
    client.subscribe(&run, 0, 0).await?;
    let mut log = up_to(&mut client, &run, is_score).await?;
    let asked = Instant::now();
    client.done(pause(&run)).await?;
    log.extend(up_to(&mut client, &run, |event| *event == Event::Pausing {}).await?);
    assert!(asked.elapsed() < ACKNOWLEDGED, "understood after {:?}", asked.elapsed());
    assert!(replay(&log).pausing && replay(&log).phase == RunPhase::Running, "it does not stand still");
    client.done(finish(&run)).await?;
    log.extend(up_to(&mut client, &run, |event| *event == Event::Finishing {}).await?);
    assert!(!replay(&log).pausing, "it need not stand still any more");
    client.done(Command::CancelRun { run: run.clone() }).await?;
    log.extend(client.rest(&run).await?);
    assert_eq!(turns(&log), ["pausing", "finishing", "cancelled"]);
    Ok(())
}
