//! Replay: whoever subscribes, whenever, however often, gets the same log, without gap or repeat.

use anyhow::{Result, bail};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use shared::event::{Event, Stamped};
use shared::state::RunState;
use shared::wire::{ClientMessage, RunPhase, ServerMessage};
use std::time::Duration;
use steerage_tests::client::{Client, Incoming};
use steerage_tests::script::{Ending, Script};
use steerage_tests::worker::FakeWorker;
use tokio::time::sleep;

/// Reads what a subscription brings until it has caught up; returns the events and its last place.
async fn until_caught_up(client: &mut Client, run: &str) -> Result<(Vec<Stamped>, u64)> {
    let mut events = Vec::new();
    loop {
        match client.next().await? {
            ServerMessage::Event { stamped } if stamped.run == run => events.push(*stamped),
            ServerMessage::CaughtUp { run: caught_up, epoch, seq } if caught_up == run => {
                assert_eq!(epoch, 1);
                return Ok((events, seq));
            }
            ServerMessage::RunChanged { .. } | ServerMessage::Reply { .. } => {}
            other => bail!("unexpected: {other:?}"),
        }
    }
}

fn seqs(events: &[Stamped]) -> Vec<u64> {
    events.iter().map(|stamped| stamped.seq).collect()
}

/// The run that the next error names, and its code.
async fn refusal(client: &mut Client) -> Result<(Option<String>, String)> {
    let pick = |message: &ServerMessage| match message {
        ServerMessage::Error { run, error } => Some((run.clone(), error.code.clone())),
        _ => None,
    };
    client.find(pick).await
}

#[tokio::test]
async fn a_replay_begins_exactly_after_the_given_place() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    // Several pages long.
    let run = client.start(Script { events: 1000, ..Script::new(Ending::Finish) }.spec()).await?;
    client.wait_for(&run, RunPhase::Finished).await?;
    let total = 1 + 3 + 1000 + 1;
    for after in [0, 1, 255, 256, 257, total - 1, total] {
        client.subscribe(&run, 1, after).await?;
        let (events, caught_up) = until_caught_up(&mut client, &run).await?;
        assert_eq!(seqs(&events), (after + 1..=total).collect::<Vec<_>>());
        assert_eq!(caught_up, total);
    }
    for (epoch, after) in [(1, total + 1), (2, 0)] {
        client.subscribe(&run, epoch, after).await?;
        assert_eq!(refusal(&mut client).await?, (Some(run.clone()), "ahead_of_log".to_owned()));
    }
    client.subscribe("no such run", 0, 0).await?;
    assert_eq!(refusal(&mut client).await?, (Some("no such run".to_owned()), "unknown_run".to_owned()));
    Ok(())
}

#[tokio::test]
async fn progress_is_replayed_too() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    let run = client.start(Script { events: 900, score_every: 100, ..Script::new(Ending::Finish) }.spec()).await?;
    client.wait_for(&run, RunPhase::Finished).await?;
    let log = client.log(&run).await?;
    assert_eq!(seqs(&log), (1..=905).collect::<Vec<_>>(), "nothing is coalesced in a replay");
    Ok(())
}

#[tokio::test]
async fn live_and_replayed_logs_are_equal() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut first, _) = Client::connect(&worker).await?;
    let (mut second, _) = Client::connect(&worker).await?;
    let script = Script { events: 200, pause_ms: 1, ..Script::new(Ending::Finish) };
    let run = first.start(script.spec()).await?;
    first.subscribe(&run, 0, 0).await?;
    let (live, late) = tokio::try_join!(first.rest(&run), async {
        sleep(Duration::from_millis(100)).await;
        second.log(&run).await
    })?;
    let (mut third, _) = Client::connect(&worker).await?;
    let replayed = third.log(&run).await?;
    assert_eq!(live, replayed);
    assert_eq!(late, replayed);
    let state = |log: &[Stamped]| {
        let mut state = RunState::default();
        log.iter().for_each(|stamped| state.apply(stamped));
        state
    };
    assert_eq!(state(&live), state(&replayed));
    assert_eq!(state(&live).phase, RunPhase::Finished);
    Ok(())
}

#[tokio::test]
async fn an_ended_subscription_is_silent() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    let run = client.start(Script { events: 300, pause_ms: 5, ..Script::new(Ending::Finish) }.spec()).await?;
    client.subscribe(&run, 0, 0).await?;
    client.event(&run).await?;
    client.send(&ClientMessage::Unsubscribe { run: run.clone() }).await?;
    // An error comes back after all that was sent before it.
    client.send_text("marker").await?;
    client.error().await?;
    let finished = client.wait_for(&run, RunPhase::Finished);
    finished.await?;
    let mut later = 0;
    client.send_text("marker").await?;
    loop {
        match client.next().await? {
            ServerMessage::Event { .. } => later += 1,
            ServerMessage::Error { .. } => break,
            _ => {}
        }
    }
    assert!(later < 200, "{later} of 300 events came although nobody subscribed");
    Ok(())
}

/// What one client does: connect after a while, drop the socket after so many events, and so on; it
/// remembers the place of the last event that it got.
#[derive(Clone, Debug)]
struct Visits {
    pauses_ms: Vec<u64>,
    events: Vec<usize>,
}

fn visits() -> impl Strategy<Value = Visits> {
    let lengths = 1..6_usize;
    lengths.prop_flat_map(|n| {
        let pauses = proptest::collection::vec(0..60_u64, n);
        let events = proptest::collection::vec(0..150_usize, n);
        (pauses, events).prop_map(|(pauses_ms, events)| Visits { pauses_ms, events })
    })
}

async fn visit(worker: &FakeWorker, run: &str, visits: Visits) -> Result<Vec<Stamped>> {
    let mut log: Vec<Stamped> = Vec::new();
    for (pause_ms, events) in visits.pauses_ms.into_iter().zip(visits.events) {
        sleep(Duration::from_millis(pause_ms)).await;
        let (mut client, _) = Client::connect(worker).await?;
        let (epoch, seq) = log.last().map_or((0, 0), |last| (last.epoch, last.seq));
        client.subscribe(run, epoch, seq).await?;
        for _ in 0..events {
            if log.last().is_some_and(|last| last.event.is_last()) {
                return Ok(log);
            }
            log.push(client.event(run).await?);
        }
    }
    let (mut client, _) = Client::connect(worker).await?;
    let (epoch, seq) = log.last().map_or((0, 0), |last| (last.epoch, last.seq));
    if !log.last().is_some_and(|last| last.event.is_last()) {
        client.subscribe(run, epoch, seq).await?;
        log.extend(client.rest(run).await?);
    }
    Ok(log)
}

#[test]
fn any_interleaving_of_subscriptions_gives_the_same_log() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let scratch = tempfile::tempdir()?;
    let worker = runtime.block_on(FakeWorker::start(scratch.path()))?;
    let config = ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 20, ..Default::default() };
    let strategy = (proptest::collection::vec(visits(), 1..4), 0..3_i64, 50..400_i64);
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&strategy, |(clients, pause_ms, events)| {
        let all: Result<Vec<Vec<Stamped>>> = runtime.block_on(async {
            let (mut starter, _) = Client::connect(&worker).await?;
            let script = Script { events, pause_ms, score_every: 3, ..Script::new(Ending::Finish) };
            let run = starter.start(script.spec()).await?;
            let logs = clients.into_iter().map(|visits| visit(&worker, &run, visits));
            let mut logs = futures_util::future::try_join_all(logs).await?;
            logs.push(starter.log(&run).await?);
            Ok(logs)
        });
        let mut logs = all.map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
        let reference = logs.pop().unwrap_or_default();
        prop_assert_eq!(seqs(&reference), (1..=events as u64 + 5).collect::<Vec<_>>());
        for log in logs {
            // Whoever was slow may miss obsolete progress, and nothing else.
            let missing = reference.iter().filter(|stamped| !log.contains(stamped));
            for stamped in missing {
                prop_assert!(matches!(stamped.event, Event::Progress { .. }), "lost {:?}", stamped);
            }
            prop_assert!(log.windows(2).all(|pair| pair[0].seq < pair[1].seq), "out of order or repeated");
            let end = |log: &[Stamped]| {
                let mut state = RunState::default();
                log.iter().for_each(|stamped| state.apply(stamped));
                state
            };
            prop_assert_eq!(end(&log), end(&reference));
        }
        Ok(())
    });
    outcome.map_err(|error| anyhow::anyhow!("{error}"))
}

#[tokio::test]
async fn a_slow_client_loses_obsolete_progress_and_nothing_else() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    // Enough that the pipe to a client that does not read is full for most of it: 4000 scores of
    // 10 kB among 40,000 reports of progress.
    let script = Script { events: 40_000, score_every: 10, ids: 2_000, ..Script::new(Ending::Finish) };
    let run = client.start(script.spec()).await?;
    client.subscribe(&run, 0, 0).await?;
    client.event(&run).await?;
    // Long enough to fall behind, short enough not to be given up.
    sleep(Duration::from_secs(3)).await;
    let log = client.rest(&run).await?;
    let count = |want: fn(&Event) -> bool| log.iter().filter(|stamped| want(&stamped.event)).count();
    assert_eq!(count(|event| matches!(event, Event::Candidates { .. })), 4000, "a result was dropped");
    let progress = count(|event| matches!(event, Event::Progress { .. }));
    assert!(progress < 36_000, "all progress was sent to a client that could not keep up");
    assert!(log.windows(2).all(|pair| pair[0].seq < pair[1].seq));
    Ok(())
}

#[tokio::test]
async fn a_client_that_stops_reading_is_closed_and_can_resume() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    // 40 MB: more than the pipe holds.
    let script = Script { events: 1000, ids: 8_000, ..Script::new(Ending::Finish) };
    let run = client.start(script.spec()).await?;
    client.subscribe(&run, 0, 0).await?;
    let mut log = vec![client.event(&run).await?];
    sleep(Duration::from_secs(8)).await;
    let code = loop {
        match client.incoming().await? {
            Incoming::Message(message) => match *message {
                ServerMessage::Event { stamped } => log.push(*stamped),
                _ => continue,
            },
            Incoming::Closed(frame) => break frame.map(|frame| u16::from(frame.code)),
        }
    };
    assert_eq!(code, Some(1013));
    assert!(log.len() < 1005, "everything was sent to a client that did not read");
    let (mut client, _) = Client::connect(&worker).await?;
    let last = log.last().expect("events").clone();
    client.subscribe(&run, last.epoch, last.seq).await?;
    log.extend(client.rest(&run).await?);
    assert_eq!(seqs(&log), (1..=1005).collect::<Vec<_>>());
    Ok(())
}
