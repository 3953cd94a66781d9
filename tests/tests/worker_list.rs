//! What people do to the list of runs: names, tags, deletion and its undoing, seen by every client.

use anyhow::{Result, bail};
use shared::labels::{MAX_TAG_CHARS, MAX_TAGS, MAX_TITLE_CHARS};
use shared::wire::{ClientMessage, Command, Outcome, RunPhase, RunSummary, ServerMessage};
use steerage_tests::client::Client;
use steerage_tests::script::{Ending, Script};
use steerage_tests::worker::FakeWorker;

async fn worker() -> Result<(tempfile::TempDir, FakeWorker, Client)> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (client, _) = Client::connect(&worker).await?;
    Ok((scratch, worker, client))
}

fn label(run: &str, title: Option<&str>, tags: &[&str]) -> Command {
    let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
    Command::LabelRun { run: run.to_owned(), title: title.map(str::to_owned), tags }
}

fn delete(run: &str) -> Command {
    Command::DeleteRun { run: run.to_owned() }
}

fn restore(run: &str) -> Command {
    Command::RestoreRun { run: run.to_owned() }
}

async fn finished_run(client: &mut Client) -> Result<String> {
    let run = client.start(Script::new(Ending::Finish).spec()).await?;
    client.wait_for(&run, RunPhase::Finished).await?;
    Ok(run)
}

/// Waits until a client is told how a run is called.
async fn sees_title(client: &mut Client, run: &str, title: Option<&str>) -> Result<RunSummary> {
    let found = client.find(|message| match message {
        ServerMessage::RunChanged { run: changed } if changed.run == run && changed.title.as_deref() == title => {
            Some(changed.clone())
        }
        _ => None,
    });
    found.await
}

async fn sees_deletion(client: &mut Client, run: &str) -> Result<()> {
    let found = client.find(|message| match message {
        ServerMessage::RunDeleted { run: deleted } if deleted == run => Some(()),
        _ => None,
    });
    found.await
}

#[tokio::test]
async fn labels_reach_every_client_and_outlive_the_worker() -> Result<()> {
    let (scratch, worker, mut client) = worker().await?;
    let run = finished_run(&mut client).await?;
    let (mut other, _) = Client::connect(&worker).await?;
    let before = client.log(&run).await?;

    client.done(label(&run, Some("  Cats, take 2 "), &["paper", " figure 2 ", "", "paper"])).await?;
    for client in [&mut client, &mut other] {
        let summary = sees_title(client, &run, Some("Cats, take 2")).await?;
        assert_eq!(summary.tags, ["paper", "figure 2"]);
    }
    // Another client takes the tags away, and so the title stays only because it says it again.
    other.done(label(&run, Some("Cats, take 2"), &[])).await?;
    other.done(label(&run, Some("Cats"), &["paper"])).await?;
    assert_eq!(sees_title(&mut client, &run, Some("Cats")).await?.tags, ["paper"]);
    assert_eq!(client.log(&run).await?, before, "labels are no events");

    assert!(worker.stop().await?.success());
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, runs) = Client::connect(&worker).await?;
    assert_eq!((runs[0].title.as_deref(), &runs[0].tags[..]), (Some("Cats"), &["paper".to_owned()][..]));
    client.done(label(&run, None, &[])).await?;
    assert_eq!(sees_title(&mut client, &run, None).await?.tags, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_run_that_waits_or_runs_can_be_labelled() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    let running = client.start(Script::new(Ending::Wait).spec()).await?;
    let queued = client.start(Script::new(Ending::Finish).spec()).await?;
    client.wait_for(&running, RunPhase::Running).await?;
    for (run, phase, position) in [(&running, RunPhase::Running, None), (&queued, RunPhase::Queued, Some(1))] {
        client.done(label(run, Some("named"), &["tag"])).await?;
        let summary = sees_title(&mut client, run, Some("named")).await?;
        assert_eq!((summary.state, summary.queue_position), (phase, position));
    }
    client.done(Command::CancelRun { run: running.clone() }).await?;
    let ended = client.wait_for(&running, RunPhase::Cancelled).await?;
    assert_eq!(ended.title.as_deref(), Some("named"), "what a job reports leaves the labels alone");
    assert_eq!(client.wait_for(&queued, RunPhase::Finished).await?.tags, ["tag"]);
    Ok(())
}

#[tokio::test]
async fn labels_beyond_the_bounds_are_refused_field_by_field() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    let run = finished_run(&mut client).await?;
    client.done(label(&run, Some("kept"), &["kept"])).await?;
    let (long_title, long_tag) = ("x".repeat(MAX_TITLE_CHARS + 1), "x".repeat(MAX_TAG_CHARS + 1));
    let many: Vec<String> = (0..=MAX_TAGS).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (title, tags, fields) in [
        (Some(long_title.as_str()), &[][..], &["title"][..]),
        (Some("two\nlines"), &["fine", "bell\u{7}", "a,b"], &["title", "tags[1]", "tags[2]"]),
        (None, &[long_tag.as_str()], &["tags[0]"]),
        (None, &many[..], &["tags"]),
    ] {
        let Outcome::Refused { errors } = client.command(label(&run, title, tags)).await? else {
            bail!("accepted: {title:?} {tags:?}")
        };
        let wrong: Vec<_> = errors.iter().map(|error| error.field.as_deref().unwrap_or_default()).collect();
        assert_eq!(wrong, fields, "{errors:?}");
        assert!(errors.iter().all(|error| error.code == "bad_label"), "{errors:?}");
    }
    assert_eq!(client.refused(label("no such run", None, &[])).await?, "unknown_run");
    let (_, runs) = Client::connect(&worker).await?;
    assert_eq!((runs[0].title.as_deref(), &runs[0].tags[..]), (Some("kept"), &["kept".to_owned()][..]));
    Ok(())
}

#[tokio::test]
async fn a_deleted_run_is_gone_for_everyone_until_it_is_restored() -> Result<()> {
    let (scratch, worker, mut client) = worker().await?;
    let kept = finished_run(&mut client).await?;
    let run = finished_run(&mut client).await?;
    client.done(label(&run, Some("named"), &["tag"])).await?;
    let (mut other, before) = Client::connect(&worker).await?;
    let log = other.log(&run).await?;

    client.done(delete(&run)).await?;
    sees_deletion(&mut client, &run).await?;
    sees_deletion(&mut other, &run).await?;
    let listed = |runs: &[RunSummary]| runs.iter().map(|run| run.run.clone()).collect::<Vec<_>>();
    let (mut late, runs) = Client::connect(&worker).await?;
    assert_eq!(listed(&runs), [kept.as_str()]);

    // It is as unknown as one that never was, and whoever followed it follows it no more.
    late.subscribe(&run, 0, 0).await?;
    assert_eq!(late.error().await?.code, "unknown_run");
    other.send(&ClientMessage::Unsubscribe { run: run.clone() }).await?;
    assert_eq!(other.error().await?.code, "not_subscribed");
    for command in
        [label(&run, None, &[]), Command::CancelRun { run: run.clone() }, Command::RestartRun { run: run.clone() }]
    {
        assert_eq!(late.refused(command.clone()).await?, "unknown_run", "{command:?}");
    }
    other.done(delete(&run)).await?;

    assert!(worker.stop().await?.success());
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, runs) = Client::connect(&worker).await?;
    assert_eq!(listed(&runs), [kept.as_str()], "also for the next worker");
    let (mut other, _) = Client::connect(&worker).await?;
    other.done(restore(&run)).await?;
    let summary = sees_title(&mut client, &run, Some("named")).await?;
    assert_eq!(before.iter().find(|before| before.run == run), Some(&summary));
    assert_eq!(client.log(&run).await?, log);
    assert_eq!(listed(&Client::connect(&worker).await?.1), listed(&before), "in its old place");
    Ok(())
}

#[tokio::test]
async fn only_what_is_over_can_be_deleted() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    let running = client.start(Script::new(Ending::Wait).spec()).await?;
    let queued = client.start(Script::new(Ending::Finish).spec()).await?;
    client.wait_for(&running, RunPhase::Running).await?;
    for run in [&running, &queued] {
        assert_eq!(client.refused(delete(run)).await?, "run_is_not_over");
    }
    client.done(Command::PauseRun { run: running.clone() }).await?;
    client.wait_for(&running, RunPhase::Paused).await?;
    assert_eq!(client.refused(delete(&running)).await?, "run_is_not_over", "it stands still, and keeps the worker");
    assert_eq!(client.refused(delete("no such run")).await?, "unknown_run");
    assert_eq!(client.refused(restore("no such run")).await?, "unknown_run");
    client.done(restore(&running)).await?;
    let (_, runs) = Client::connect(&worker).await?;
    assert_eq!(runs.len(), 2);

    // As the refusal says: cancelled first, it can be.
    client.done(Command::CancelRun { run: running.clone() }).await?;
    client.wait_for(&running, RunPhase::Cancelled).await?;
    client.done(delete(&running)).await?;
    client.wait_for(&queued, RunPhase::Finished).await?;
    Ok(())
}

#[tokio::test]
async fn a_repeated_deletion_does_not_undo_the_undoing() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    let run = finished_run(&mut client).await?;
    let id = "7e9f1a2b-3c4d-4e5f-8a6b-0c1d2e3f4a5b";
    let first = client.command_as(id, delete(&run)).await?;
    client.done(restore(&run)).await?;
    // As a page sends it again that lost its connection before the reply came.
    assert_eq!(client.command_as(id, delete(&run)).await?, first);
    assert_eq!(Client::connect(&worker).await?.1.len(), 1);
    Ok(())
}
