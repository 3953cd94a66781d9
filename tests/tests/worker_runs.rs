//! Runs from command to end: queued, worked on, cancelled, started again; and jobs that misbehave.

use anyhow::Result;
use shared::event::{Event, Stamped};
use shared::spec::ParamValue;
use shared::wire::{ClientMessage, Command, Outcome, RunPhase, ServerMessage};
use std::time::{Duration, Instant};
use steerage_tests::client::Client;
use steerage_tests::script::{Ending, Script};
use steerage_tests::worker::FakeWorker;

async fn worker() -> Result<(tempfile::TempDir, FakeWorker, Client)> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (client, runs) = Client::connect(&worker).await?;
    assert_eq!(runs, []);
    Ok((scratch, worker, client))
}

fn cancel(run: &str) -> Command {
    Command::CancelRun { run: run.to_owned() }
}

fn restart(run: &str) -> Command {
    Command::RestartRun { run: run.to_owned() }
}

fn assert_gapless(log: &[Stamped], epoch: u32) {
    for (stamped, seq) in log.iter().zip(1..) {
        assert_eq!((stamped.epoch, stamped.seq), (epoch, seq));
    }
    let ends = log.iter().filter(|stamped| stamped.event.is_last()).count();
    assert_eq!(ends, 1, "an epoch ends once");
}

fn last(log: &[Stamped]) -> &Event {
    &log.last().expect("the log is empty").event
}

#[tokio::test]
async fn a_run_is_queued_started_and_finished() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    let spec = Script { events: 5, ..Script::new(Ending::Finish) }.spec();
    let run = client.start(spec.clone()).await?;
    let log = client.log(&run).await?;
    assert_gapless(&log, 1);
    assert_eq!(log[0].event, Event::Queued { spec: Box::new(spec) });
    assert!(matches!(log[1].event, Event::Started { .. }));
    assert_eq!(log.len(), 1 + 3 + 5 + 1);
    assert!(matches!(last(&log), Event::Finished { .. }));
    assert!(log.iter().all(|stamped| stamped.at_unix_ms > 1_600_000_000_000), "stamped with the time");
    let summary = client.wait_for(&run, RunPhase::Finished).await?;
    assert_eq!((summary.gap_closed_test, summary.prefix_text.as_deref()), (Some(0.25), Some("purr")));
    Ok(())
}

#[tokio::test]
async fn runs_are_worked_on_one_after_another_in_the_order_of_their_commands() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    let blocker = client.start(Script::new(Ending::Wait).spec()).await?;
    client.wait_for(&blocker, RunPhase::Running).await?;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(client.start(Script::new(Ending::Finish).spec()).await?);
    }
    let (_, runs) = Client::connect(&worker).await?;
    let positions: Vec<_> = runs.iter().map(|run| (run.run.as_str(), run.state, run.queue_position)).collect();
    let queued = |n: usize| (waiting[n].as_str(), RunPhase::Queued, Some(n + 1));
    let newest_first = [queued(2), queued(1), queued(0), (blocker.as_str(), RunPhase::Running, None)];
    assert_eq!(positions, newest_first);

    client.done(cancel(&waiting[0])).await?;
    let moved = client
        .find(|message| match message {
            ServerMessage::RunChanged { run } if run.run == waiting[2] && run.queue_position == Some(2) => Some(()),
            _ => None,
        })
        .await;
    moved?;
    client.done(cancel(&blocker)).await?;
    let mut ended = Vec::new();
    while ended.len() < 2 {
        let next = client.find(|message| match message {
            ServerMessage::RunChanged { run } if run.state == RunPhase::Finished => Some(run.run.clone()),
            _ => None,
        });
        ended.push(next.await?);
    }
    assert_eq!(ended, waiting[1..]);
    Ok(())
}

#[tokio::test]
async fn cancelling_keeps_what_was_found() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    let running = client.start(Script::new(Ending::Wait).spec()).await?;
    let queued = client.start(Script::new(Ending::Finish).spec()).await?;
    client.wait_for(&running, RunPhase::Running).await?;

    client.done(cancel(&queued)).await?;
    let log = client.log(&queued).await?;
    assert_gapless(&log, 1);
    assert_eq!((log.len(), last(&log)), (2, &Event::Cancelled {}), "a queued run ends without a job");

    client.done(cancel(&running)).await?;
    let log = client.log(&running).await?;
    assert_gapless(&log, 1);
    assert_eq!(last(&log), &Event::Cancelled {});
    assert!(log.iter().any(|stamped| matches!(stamped.event, Event::Candidates { .. })));
    assert_eq!(client.refused(cancel(&running)).await?, "run_is_over");
    assert_eq!(client.refused(cancel("no such run")).await?, "unknown_run");
    Ok(())
}

#[tokio::test]
async fn a_job_that_does_not_stop_is_killed() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    let run = client.start(Script::new(Ending::Stubborn).spec()).await?;
    let next = client.start(Script::new(Ending::Finish).spec()).await?;
    client.wait_for(&run, RunPhase::Running).await?;
    let asked = Instant::now();
    client.done(cancel(&run)).await?;
    let log = client.log(&run).await?;
    assert_eq!(last(&log), &Event::Cancelled {});
    assert!(asked.elapsed() >= Duration::from_secs(9), "it had time to stop by itself");
    client.wait_for(&next, RunPhase::Finished).await?;
    Ok(())
}

#[tokio::test]
async fn a_job_that_finishes_but_does_not_exit_does_not_hold_up_the_next() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    let first = client.start(Script::new(Ending::Linger).spec()).await?;
    let second = client.start(Script::new(Ending::Finish).spec()).await?;
    client.wait_for(&first, RunPhase::Finished).await?;
    client.wait_for(&second, RunPhase::Finished).await?;
    Ok(())
}

#[tokio::test]
async fn a_job_that_misbehaves_fails_its_run_and_no_other() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    for (ending, code, part) in [
        (Ending::Fail, "scripted", "script"),
        (Ending::FailAtFile, "bad_model", "the model fake: weights.gguf is truncated"),
        (Ending::Exit, "job_died", "exit status 3"),
        (Ending::Abort, "job_died", "signal 6"),
        (Ending::Garbage, "bad_job_output", "not an event"),
        (Ending::Foreign, "bad_job_output", "not an event"),
        (Ending::Endless, "bad_job_output", "not an event"),
        (Ending::Binary, "bad_job_output", "not an event"),
    ] {
        let run = client.start(Script::new(ending).spec()).await?;
        let log = client.log(&run).await?;
        assert_gapless(&log, 1);
        let Event::Failed { error } = last(&log) else { panic!("{ending:?}: {:?}", last(&log)) };
        assert!(error.code == code && error.message.contains(part), "{ending:?}: {error:?}");
        assert!(!error.to_string().contains('/'), "a path for clients: {error:?}");
        assert_eq!(log.len(), 1 + 3 + 3 + 1, "{ending:?}: what came before is kept");
    }
    let run = client.start(Script::new(Ending::Finish).spec()).await?;
    client.wait_for(&run, RunPhase::Finished).await?;
    Ok(())
}

#[tokio::test]
async fn a_run_that_is_over_starts_again_as_its_next_epoch() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    let run = client.start(Script::new(Ending::Fail).spec()).await?;
    client.log(&run).await?;
    for epoch in 2..4 {
        // The subscription goes on into the next attempt.
        client.done(restart(&run)).await?;
        assert_gapless(&client.rest(&run).await?, epoch);
    }
    // Who subscribes now sees the current attempt only, whatever attempt was known.
    for known in [0, 1, 2] {
        client.subscribe(&run, known, 5).await?;
        assert_gapless(&client.rest(&run).await?, 3);
    }

    let finished = client.start(Script::new(Ending::Finish).spec()).await?;
    let running = client.start(Script::new(Ending::Wait).spec()).await?;
    client.wait_for(&finished, RunPhase::Finished).await?;
    client.wait_for(&running, RunPhase::Running).await?;
    assert_eq!(client.refused(restart(&finished)).await?, "run_cannot_restart");
    assert_eq!(client.refused(restart(&running)).await?, "run_cannot_restart");
    assert_eq!(client.refused(restart("no such run")).await?, "unknown_run");
    Ok(())
}

#[tokio::test]
async fn a_command_is_done_once() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    let id = "0b9d6e0e-6a4f-4d07-9d0c-6c6a3a1f8a55";
    let start = |ending| Command::StartRun { spec: Box::new(Script::new(ending).spec()) };
    let first = client.command_as(id, start(Ending::Finish)).await?;
    assert_eq!(client.command_as(id, start(Ending::Finish)).await?, first);
    let (mut other, runs) = Client::connect(&worker).await?;
    assert_eq!(other.command_as(id, start(Ending::Finish)).await?, first, "from another client too");
    assert_eq!(runs.len(), 1);
    let Outcome::Refused { errors } = other.command_as(id, start(Ending::Fail)).await? else {
        panic!("another command under the same id was done")
    };
    assert_eq!(errors[0].code, "command_id_reused");
    Ok(())
}

#[tokio::test]
async fn clients_that_send_the_same_command_together_start_one_run() -> Result<()> {
    let (_scratch, worker, _client) = worker().await?;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(Client::connect(&worker).await?.0);
    }
    let spec = Box::new(Script::new(Ending::Finish).spec());
    let sent = clients.into_iter().map(|mut client| {
        let command = Command::StartRun { spec: spec.clone() };
        async move { client.command_as("5f2d9d2c-0b56-4a9b-8f0e-2d8f0d6b1a11", command).await }
    });
    let outcomes = futures_util::future::try_join_all(sent).await?;
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    assert_eq!(Client::connect(&worker).await?.1.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_bad_spec_is_refused_with_every_reason_and_nothing_is_stored() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    let mut spec = Script::new(Ending::Finish).spec();
    spec.model = "unheard-of".to_owned();
    spec.prefix_tokens = 0;
    spec.stages[0].params.insert("events".to_owned(), ParamValue::Integer(-1));
    let Outcome::Refused { errors } = client.command(Command::StartRun { spec: Box::new(spec) }).await? else {
        panic!("a bad spec was accepted")
    };
    assert!(errors.iter().all(|error| error.code == "bad_spec"));
    let mut fields: Vec<_> = errors.iter().filter_map(|error| error.field.as_deref()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["model", "prefix_tokens", "stages[0].events"]);

    let mut spec = serde_json::to_value(Script::new(Ending::Finish).spec())?;
    spec["constraints"]["colour"] = "blue".into();
    let id = "9a4e9f0c-1f63-4a0b-b8a9-64b1f4f7c0de";
    let command = serde_json::json!({ "kind": "start_run", "spec": spec });
    client.send_text(&serde_json::json!({ "type": "command", "id": id, "command": command }).to_string()).await?;
    let outcome = client
        .find(|message| match message {
            ServerMessage::Reply { id: replied, outcome } if replied == id => Some(outcome.clone()),
            _ => None,
        })
        .await?;
    let Outcome::Refused { errors } = outcome else { panic!("an unknown key was accepted") };
    assert_eq!((errors[0].code.as_str(), errors[0].field.as_deref()), ("bad_spec", Some("constraints.colour")));
    assert_eq!(Client::connect(&worker).await?.1, []);
    Ok(())
}

#[tokio::test]
async fn the_queue_has_an_end() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    let spec = Box::new(Script::new(Ending::Wait).spec());
    let mut accepted = 0;
    // A client may send 120 commands a minute, so this takes a few.
    let code = loop {
        match client.command(Command::StartRun { spec: spec.clone() }).await? {
            Outcome::Done { .. } => accepted += 1,
            Outcome::Refused { errors } if errors[0].code == "too_many_commands" => {
                client = Client::connect(&worker).await?.0;
            }
            Outcome::Refused { errors } => break errors[0].code.clone(),
        }
    };
    assert_eq!((code.as_str(), accepted), ("queue_full", 256 + 1), "one runs, 256 wait");
    let unsubscribe = ClientMessage::Unsubscribe { run: "no such run".to_owned() };
    client.send(&unsubscribe).await?;
    assert_eq!(client.error().await?.code, "not_subscribed", "the worker goes on serving");
    Ok(())
}
