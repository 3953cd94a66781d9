//! The log as a whole: what is committed, what is told, and what a full disk leaves.

use super::*;
use rusqlite::params;
use shared::event::{ErrorBody, Event};
use shared::labels::Labels;
use shared::spec::{Budget, Constraints, SuffixSpec};
use std::path::Path;

fn open(path: &Path) -> Store {
    Store::open(DataDirectory::lock(path).unwrap()).unwrap()
}

fn spec() -> RunSpec {
    RunSpec {
        preset: "p".into(),
        model: "m".into(),
        teacher: "t".into(),
        separator: "\n".into(),
        // Beyond what SQLite's signed integers count to.
        seed: u64::MAX,
        prefix_tokens: 1,
        max_completion_tokens: 1,
        early_k: 1,
        early_weight: 1.0,
        suffixes: SuffixSpec::default(),
        constraints: Constraints::default(),
        budget: Budget::default(),
        stages: Vec::new(),
    }
}

async fn start(store: &Store, command: &str, run: &str) -> Outcome {
    let queued = run.to_owned();
    store
        .command(command, "{}".into(), move |log| {
            log.queue(&queued, spec())?;
            Ok(Outcome::Done { run: queued })
        })
        .await
        .unwrap()
}

fn progress(step: usize) -> NewEvent {
    NewEvent::new(Event::Progress { stage: 0, step, total_steps: 9 }).unwrap()
}

/// Events too large for a small file.
fn bulk() -> Vec<NewEvent> {
    let summary = "x".repeat(100_000);
    (0..100).map(|stage| NewEvent::new(Event::StageFinished { stage, summary: summary.clone() }).unwrap()).collect()
}

async fn log(store: &Store, run: &str) -> Vec<(u32, u64)> {
    let (mut places, mut cursor) = (Vec::new(), Cursor::default());
    loop {
        let page = store.page(run, cursor).await.unwrap();
        places.extend(page.events.iter().map(|event| (event.at.epoch, event.at.seq)));
        let Some(last) = page.events.last() else { return places };
        cursor = last.at;
    }
}

#[tokio::test]
async fn the_board_and_the_log_agree_after_every_step_and_after_opening_again() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path());
    start(&store, "1", "a").await;
    start(&store, "2", "b").await;
    let task = store.take_next().await.unwrap().unwrap();
    assert_eq!((task.run.as_str(), task.epoch), ("a", 1));
    assert_eq!(serde_json::from_str::<RunSpec>(&task.spec_json).unwrap(), spec());
    store.append("a", 1, vec![progress(1), progress(2)]).await.unwrap();
    store.append("a", 1, vec![NewEvent::new(Event::Cancelled {}).unwrap()]).await.unwrap();
    let before = store.board(Board::runs);
    let states: Vec<_> = before.iter().map(|run| (run.run.as_str(), run.state, run.queue_position)).collect();
    assert_eq!(states, [("b", RunPhase::Queued, Some(1)), ("a", RunPhase::Cancelled, None)]);
    assert_eq!(before[0].seed, u64::MAX);
    assert_eq!(log(&store, "a").await, [(1, 1), (1, 2), (1, 3), (1, 4)]);
    assert_eq!(store.board(|board| board.head("a")), Some(Cursor { epoch: 1, seq: 4 }));
    store.close().await;
    assert!(matches!(store.take_next().await, Err(StoreError::Closed)));
    assert_eq!(open(scratch.path()).board(Board::runs), before);
}

#[tokio::test]
async fn events_for_an_attempt_that_is_over_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path());
    start(&store, "1", "a").await;
    let refused = |epoch| {
        let store = store.clone();
        async move { matches!(store.append("a", epoch, vec![progress(1)]).await, Err(StoreError::NotRunning { .. })) }
    };
    assert!(refused(1).await, "it waits");
    store.take_next().await.unwrap();
    assert!(refused(2).await, "another attempt");
    store.append("a", 1, vec![NewEvent::new(Event::Cancelled {}).unwrap()]).await.unwrap();
    assert!(refused(1).await, "it is over");
    assert_eq!(log(&store, "a").await, [(1, 1), (1, 2)]);
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_tells_nobody() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path());
    start(&store, "1", "a").await;
    store.take_next().await.unwrap();
    store.limit_pages(40).await;
    let (before, revision, ticks) = (store.board(Board::runs), store.board(Board::revision), store.ticks());

    // The first events of the batch would fit.
    let error = store.append("a", 1, bulk()).await.unwrap_err();
    assert!(matches!(error, StoreError::Sqlite(_)), "{error}");
    let fat = "x".repeat(400_000);
    let result = store.command("2", "{}".into(), move |log| {
        log.queue("b", RunSpec { teacher: fat, ..spec() })?;
        Ok(Outcome::Done { run: "b".into() })
    });
    assert!(matches!(result.await, Err(StoreError::Sqlite(_))));
    assert_eq!((store.board(Board::runs), store.board(Board::revision)), (before, revision));
    assert!(!ticks.has_changed().unwrap());
    assert_eq!(log(&store, "a").await, [(1, 1)]);

    store.limit_pages(1_000_000).await;
    store.append("a", 1, bulk()).await.unwrap();
    assert_eq!(log(&store, "a").await, (1..=101).map(|seq| (1, seq)).collect::<Vec<_>>());
    assert_eq!(start(&store, "2", "b").await, Outcome::Done { run: "b".into() }, "its id is still free");
}

#[tokio::test]
async fn a_command_is_decided_once_and_forgotten_after_a_month() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path());
    let refuse = |_: &mut Transaction<'_>| {
        Ok(Outcome::Refused { errors: vec![ErrorBody::new("bad_spec", "The first decision.")] })
    };
    let refused = store.command("1", "{}".into(), refuse).await.unwrap();
    assert_eq!(start(&store, "1", "a").await, refused, "a refusal is a reply too");
    let later = store.writer.run(|writer| {
        let month_ms = 31 * 24 * 3600 * 1000_i64;
        writer.connection.execute("UPDATE commands SET at_unix_ms = at_unix_ms - ?1", params![month_ms]).unwrap()
    });
    assert_eq!(later.await.unwrap(), 1);
    store.close().await;
    let store = open(scratch.path());
    assert_eq!(start(&store, "1", "a").await, Outcome::Done { run: "a".into() });
}

#[tokio::test]
async fn runs_that_were_running_are_interrupted_and_the_queue_keeps_its_order() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path());
    for (command, run) in [("1", "a"), ("2", "c"), ("3", "b")] {
        start(&store, command, run).await;
    }
    store.take_next().await.unwrap();
    store.close().await;
    let store = open(scratch.path());
    let mut states: Vec<_> =
        store.board(Board::runs).into_iter().map(|run| (run.queue_position, run.run, run.state)).collect();
    states.sort_by_key(|(position, ..)| *position);
    assert_eq!(
        states,
        [
            (None, "a".into(), RunPhase::Interrupted),
            (Some(1), "c".into(), RunPhase::Queued),
            (Some(2), "b".into(), RunPhase::Queued)
        ]
    );
    assert_eq!(log(&store, "a").await, [(1, 1), (1, 2)]);
}

#[tokio::test]
async fn an_event_is_kept_to_the_letter() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path());
    start(&store, "1", "a").await;
    store.take_next().await.unwrap();
    let line =
        r#"{"event":"objective","stage":0,"step":1,"evaluations":3,"ce_train":0.1000000000000000055511151231257827}"#;
    store.append("a", 1, vec![NewEvent::parse(line).unwrap()]).await.unwrap();
    let page = store.page("a", Cursor { epoch: 1, seq: 1 }).await.unwrap();
    assert_eq!(page.events[0].json, line);
    assert!(page.events[0].message("a").unwrap().contains(line));
}

/// Runs a finished attempt, so that the run may be deleted.
async fn start_and_cancel(store: &Store, run: &str) {
    start(store, run, run).await;
    store.take_next().await.unwrap();
    store.append(run, 1, vec![NewEvent::new(Event::Cancelled {}).unwrap()]).await.unwrap();
}

fn labels(title: &str, tags: &[&str]) -> Labels {
    Labels::new(Some(title), tags).unwrap()
}

#[tokio::test]
async fn a_log_of_the_first_format_opens_with_all_it_has_and_takes_labels() {
    let scratch = tempfile::tempdir().unwrap();
    let connection = Connection::open(scratch.path().join(FILE_NAME)).unwrap();
    connection.execute_batch(include_str!("format_1.sql")).unwrap();
    drop(connection);

    let store = open(scratch.path());
    let runs = store.board(Board::runs);
    let kept: Vec<_> = runs.iter().map(|run| (run.run.as_str(), run.epoch, run.state, run.seed)).collect();
    let finished = ("old-finished", 2, RunPhase::Finished, u64::MAX);
    assert_eq!(kept, [finished, ("old-cancelled", 1, RunPhase::Cancelled, 7)]);
    assert_eq!((runs[0].gap_closed_test, runs[0].prefix_text.as_deref()), (Some(0.25), Some("purr")));
    assert!(runs.iter().all(|run| run.title.is_none() && run.tags.is_empty()));
    assert_eq!(log(&store, "old-cancelled").await, [(1, 1), (1, 2)]);

    store.write(|log| log.label("old-cancelled", labels("Cats", &["first"]))).await.unwrap();
    store.write(|log| log.delete("old-finished")).await.unwrap();
    let labelled = store.board(Board::runs);
    assert_eq!((labelled.len(), labelled[0].title.as_deref()), (1, Some("Cats")));
    store.close().await;
    assert_eq!(open(scratch.path()).board(Board::runs), labelled);
}

#[tokio::test]
async fn labels_stay_through_every_later_change_of_the_run() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path());
    start(&store, "1", "a").await;
    store.write(|log| log.label("a", labels("Cats, \"take 2\"", &["böse", "b c"]))).await.unwrap();
    store.take_next().await.unwrap();
    store.append("a", 1, vec![progress(1), NewEvent::new(Event::Cancelled {}).unwrap()]).await.unwrap();
    store.write(|log| log.queue_again("a")).await.unwrap();
    store.close().await;
    let store = open(scratch.path());
    let runs = store.board(Board::runs);
    assert_eq!((runs[0].epoch, runs[0].title.as_deref()), (2, Some("Cats, \"take 2\"")));
    assert_eq!(runs[0].tags, ["böse", "b c"]);
    store.write(|log| log.label("a", Labels::default())).await.unwrap();
    let runs = store.board(Board::runs);
    assert_eq!((&runs[0].title, runs[0].tags.len()), (&None, 0));
    assert_eq!(log(&store, "a").await, [(1, 1), (1, 2), (1, 3), (2, 1)], "labels are no events");
}

#[tokio::test]
async fn a_deleted_run_is_unknown_until_it_is_restored_also_by_a_later_worker() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path());
    start_and_cancel(&store, "a").await;
    let before = store.board(Board::runs);
    store.write(|log| log.delete("a")).await.unwrap();
    let known = |log: &mut Transaction<'_>| Ok((log.phase("a")?, log.is_deleted("a")?));
    assert_eq!(store.write(known).await.unwrap(), (None, true));
    store.close().await;

    let store = open(scratch.path());
    assert_eq!((store.board(Board::runs), store.board(|board| board.head("a"))), (Vec::new(), None));
    store.write(|log| log.restore("a")).await.unwrap();
    assert_eq!(store.write(known).await.unwrap(), (Some(RunPhase::Cancelled), false));
    assert_eq!(store.board(Board::runs), before);
    assert_eq!(log(&store, "a").await, [(1, 1), (1, 2)]);
}

#[tokio::test]
async fn only_what_was_deleted_long_ago_is_purged_with_its_events() {
    let scratch = tempfile::tempdir().unwrap();
    let store = open(scratch.path());
    for run in ["kept", "recent", "old"] {
        start_and_cancel(&store, run).await;
    }
    for run in ["recent", "old"] {
        store.write(move |log| log.delete(run)).await.unwrap();
    }
    for (run, days) in [("recent", DELETED_KEPT_DAYS - 1), ("old", DELETED_KEPT_DAYS + 1)] {
        let earlier = move |writer: &mut Writer| {
            let sql = "UPDATE runs SET deleted_unix_ms = deleted_unix_ms - ?1 WHERE run = ?2";
            writer.connection.execute(sql, params![days * 24 * 3600 * 1000, run]).unwrap()
        };
        assert_eq!(store.writer.run(earlier).await.unwrap(), 1);
    }
    store.close().await;

    let store = open(scratch.path());
    for run in ["recent", "old"] {
        let deleted = store.write(move |log| log.is_deleted(run)).await.unwrap();
        assert_eq!(deleted, run == "recent", "{run}");
    }
    assert_eq!(log(&store, "old").await, []);
    assert_eq!(log(&store, "recent").await, [(1, 1), (1, 2)]);
    assert_eq!(log(&store, "kept").await, [(1, 1), (1, 2)]);
}
