//! Links to results: who may see what, for how long, and that nothing else can be done with one.

use anyhow::{Context as _, Result, ensure};
use shared::event::Event;
use shared::recording::Part;
use shared::session_file::{Session, decode};
use shared::share::{ShareSummary, name_of};
use shared::wire::{ClientMessage, Command, Credential, PROTOCOL, RunPhase, ServerMessage};
use std::io::{Cursor, Read as _};
use std::time::{Duration, Instant};
use steerage_tests::client::{Client, Incoming};
use steerage_tests::script::{Ending, Script};
use steerage_tests::worker::{FakeWorker, HttpResponse};
use zip::ZipArchive;

async fn worker_with_run(ending: Ending, phase: RunPhase) -> Result<(tempfile::TempDir, FakeWorker, Client, String)> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    let run = client.start(Script::new(ending).spec()).await?;
    client.wait_for(&run, phase).await?;
    Ok((scratch, worker, client, run))
}

fn secret(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn create(run: &str, secret: &str, lifetime_secs: u64, left_out: &[Part]) -> Command {
    let (run, share, left_out) = (run.to_owned(), name_of(secret), left_out.to_vec());
    Command::CreateShare { run, share, lifetime_secs, left_out, view: Some("split=test".to_owned()) }
}

fn revoke(secret: &str) -> Command {
    Command::RevokeShare { share: name_of(secret) }
}

fn open(worker: &FakeWorker, secret: &str) -> Result<HttpResponse> {
    worker.http(&format!("GET /api/share HTTP/1.1\r\nAuthorization: Share {secret}\r\n"))
}

fn opened(worker: &FakeWorker, secret: &str) -> Result<Session> {
    let response = open(worker, secret)?;
    ensure!(response.status == 200, "{response:?}");
    Ok(decode(&response.body)?)
}

async fn guest(worker: &FakeWorker, secret: &str) -> Result<Client> {
    let mut guest = Client::open(worker).await?;
    guest.hello(Credential::Share(secret.to_owned())).await?;
    Ok(guest)
}

fn shares(worker: &FakeWorker, run: &str) -> Result<Vec<ShareSummary>> {
    let request = format!("GET /api/runs/{run}/shares HTTP/1.1\r\nAuthorization: Bearer {}\r\n", worker.token()?);
    Ok(serde_json::from_slice(&worker.http(&request)?.body)?)
}

#[tokio::test]
async fn a_link_shows_a_snapshot_until_it_is_revoked() -> Result<()> {
    let (scratch, worker, mut client, run) = worker_with_run(Ending::Finish, RunPhase::Finished).await?;
    let (whole, trimmed) = (secret('a'), secret('b'));
    client.done(create(&run, &whole, 3600, &[])).await?;
    client.done(create(&run, &trimmed, 3600, &[Part::Log, Part::Config])).await?;

    let session = opened(&worker, &whole)?;
    let log = client.log(&run).await?;
    assert_eq!(session.recording.events.len(), log.len());
    assert_eq!(session.recording.about.view.as_deref(), Some("split=test"));
    let short = opened(&worker, &trimmed)?;
    assert_eq!(short.recording.about.left_out, [Part::Config, Part::Log]);
    ensure!(!short.content.contains("candidates\":["), "the search is in it");
    // What comes later to the run does not change the snapshot.
    let label = Command::LabelRun { run: run.clone(), title: Some("private".to_owned()), tags: Vec::new() };
    client.done(label).await?;
    assert_eq!(opened(&worker, &whole)?, session);

    // The socket of somebody who has it open.
    let mut watcher = guest(&worker, &whole).await?;
    ensure!(matches!(watcher.next().await?, ServerMessage::Shared { .. }));
    let listed = shares(&worker, &run)?;
    assert_eq!(listed.len(), 2);
    let open_one = listed.iter().find(|share| share.share == name_of(&whole)).context("not listed")?;
    ensure!(open_one.opened_unix_ms.is_some() && open_one.bytes > 0 && open_one.revoked_unix_ms.is_none());
    ensure!(!serde_json::to_string(&listed)?.contains(&whole), "a list shows a secret");

    client.done(revoke(&whole)).await?;
    let start = Instant::now();
    assert_eq!(watcher.refusal().await?, ("no_share".to_owned(), 4404));
    ensure!(start.elapsed() < Duration::from_secs(1), "it took {:?}", start.elapsed());
    assert_eq!(open(&worker, &whole)?.status, 404);
    ensure!(opened(&worker, &trimmed).is_ok(), "the other link ended too");
    client.done(revoke(&whole)).await?;
    let revoked = shares(&worker, &run)?.into_iter().find(|share| share.share == name_of(&whole));
    assert_eq!(revoked.context("not listed")?.bytes, 0, "the snapshot is still there");

    // It stays so over a restart; only hashes are on the disk.
    assert!(worker.stop().await?.success());
    for entry in std::fs::read_dir(scratch.path())? {
        let path = entry?.path();
        if path.is_file() {
            let bytes = std::fs::read(&path)?;
            let found = bytes.windows(64).any(|window| window == trimmed.as_bytes());
            ensure!(!found, "{} holds a secret", path.display());
        }
    }
    let worker = FakeWorker::start(scratch.path()).await?;
    ensure!(opened(&worker, &trimmed).is_ok() && open(&worker, &whole)?.status == 404);

    // Deleting the run ends its links, and restoring it does not bring them back.
    let (mut client, _) = Client::connect(&worker).await?;
    client.done(Command::DeleteRun { run: run.clone() }).await?;
    assert_eq!(open(&worker, &trimmed)?.status, 404);
    client.done(Command::RestoreRun { run }).await?;
    assert_eq!(open(&worker, &trimmed)?.status, 404);
    Ok(())
}

#[tokio::test]
async fn unknown_revoked_and_ended_links_are_the_same() -> Result<()> {
    let (_scratch, worker, mut client, run) = worker_with_run(Ending::Finish, RunPhase::Finished).await?;
    let (short, gone) = (secret('c'), secret('d'));
    client.done(create(&run, &short, 1, &[])).await?;
    client.done(create(&run, &gone, 3600, &[])).await?;
    let mut watcher = guest(&worker, &short).await?;
    client.done(revoke(&gone)).await?;
    assert_eq!(watcher.refusal().await?, ("no_share".to_owned(), 4404), "it ended while it was open");
    let answer = |response: HttpResponse| {
        let headers: Vec<_> = response.headers.into_iter().filter(|(name, _)| name != "date").collect();
        (response.status, headers, response.body)
    };
    let unknown = answer(open(&worker, &secret('e'))?);
    assert_eq!(unknown.0, 404);
    for (what, secret) in [("ended", short.as_str()), ("revoked", &gone), ("malformed", "x"), ("empty", "")] {
        assert_eq!(answer(open(&worker, secret)?), unknown, "{what}");
        assert_eq!(guest(&worker, secret).await?.refusal().await?, ("no_share".to_owned(), 4404), "{what}");
    }
    for secret in [&short, &gone, &secret('e')] {
        let request = format!("GET /api/models/fake/file HTTP/1.1\r\nAuthorization: Share {secret}\r\n");
        assert_eq!(answer(worker.http(&request)?), unknown, "the model");
    }
    let without = answer(worker.http("GET /api/share HTTP/1.1\r\n")?);
    assert_eq!(without, unknown, "no secret at all");
    Ok(())
}

#[tokio::test]
async fn a_guest_can_only_look() -> Result<()> {
    let (_scratch, worker, mut client, run) = worker_with_run(Ending::Finish, RunPhase::Finished).await?;
    let secret = secret('f');
    client.done(create(&run, &secret, 3600, &[])).await?;
    let messages = [
        ClientMessage::Command {
            id: uuid::Uuid::new_v4().to_string(),
            command: Command::DeleteRun { run: run.clone() },
        },
        ClientMessage::Subscribe { run: run.clone(), epoch: 0, after_seq: 0, batches: false },
        ClientMessage::Hello { protocol: PROTOCOL, credential: Credential::Token(worker.token()?) },
    ];
    for message in messages {
        let mut guest = guest(&worker, &secret).await?;
        ensure!(matches!(guest.next().await?, ServerMessage::Shared { .. }));
        guest.send(&message).await?;
        ensure!(matches!(guest.incoming().await?, Incoming::Closed(_)), "{message:?} was answered");
    }
    ensure!(client.log(&run).await?.len() > 3, "the run is gone");
    // A secret is no token, and the other way round.
    for path in
        [format!("/api/runs/{run}/shares"), format!("/api/runs/{run}/session"), "/api/models/fake/tokenizer".to_owned()]
    {
        let request = format!("GET {path} HTTP/1.1\r\nAuthorization: Share {secret}\r\n");
        assert_eq!(worker.http(&request)?.status, 401, "{path}");
    }
    // What the run was made with can be had, so that it can be computed again; nothing else of its kind.
    for (model, status) in [("fake", 200), ("other", 404)] {
        let request = format!("GET /api/models/{model}/file HTTP/1.1\r\nAuthorization: Share {secret}\r\n");
        assert_eq!(worker.http(&request)?.status, status, "{model}");
    }
    let as_token = Client::open(&worker).await;
    let mut as_token = as_token?;
    as_token.hello(Credential::Token(secret.clone())).await?;
    assert_eq!(as_token.refusal().await?.0, "unauthorised");
    assert_eq!(open(&worker, &worker.token()?)?.status, 404);
    // Nothing but reading, and never in the address.
    for request in [
        format!("POST /api/share HTTP/1.1\r\nAuthorization: Share {secret}\r\n"),
        format!("GET /api/share?secret={secret} HTTP/1.1\r\n"),
    ] {
        assert_ne!(worker.http(&request)?.status, 200, "{request}");
    }
    Ok(())
}

#[tokio::test]
async fn a_snapshot_names_neither_folders_nor_machine_nor_token() -> Result<()> {
    let (scratch, worker, mut client, run) = worker_with_run(Ending::FailAtFile, RunPhase::Failed).await?;
    let label =
        Command::LabelRun { run: run.clone(), title: Some("my own title".to_owned()), tags: vec!["mine".to_owned()] };
    client.done(label).await?;
    let secret = secret('1');
    client.done(create(&run, &secret, 60, &[])).await?;
    let session = opened(&worker, &secret)?;
    ensure!(matches!(session.recording.events.last().map(|it| &it.event), Some(Event::Failed { .. })));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let folder = scratch.path().display().to_string();
    let token = worker.token()?;
    for private in [
        folder.as_str(),
        &token,
        &worker.code,
        &secret,
        &name_of(&secret),
        &run,
        "my own title",
        "mine",
        "/cache/",
        "127.0.0.1",
    ] {
        ensure!(!session.content.contains(private), "{private} is in {}", session.content);
    }
    ensure!(host.len() <= 3 || !session.content.contains(&host), "{host} is in {}", session.content);
    // The preview is the same file, and so is the one in the folder for web servers.
    let ask = |what: &str, authorization: &str| {
        let address = format!("/api/runs/{run}/{what}?view=split%3Dtest");
        worker.http(&format!("GET {address} HTTP/1.1\r\nAuthorization: {authorization}\r\n"))
    };
    let bearer = format!("Bearer {token}");
    assert_eq!(decode(&ask("snapshot", &bearer)?.body)?, session);
    let mut site = ZipArchive::new(Cursor::new(ask("site", &bearer)?.body))?;
    let mut file = |name: &str| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        site.by_name(&format!("steerage-site/{name}"))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    assert_eq!(decode(&file("session.steerage")?)?, session);
    for page in ["index.html", "verify/index.html"] {
        let page = String::from_utf8(file(page)?)?;
        ensure!(page.contains("name=\"steerage-session\" content=\"/session.steerage\""), "{page}");
    }
    ensure!(file("steerage-frontend_bg.wasm")?.starts_with(b"\0asm"), "the page's program is no WebAssembly");
    for what in ["snapshot", "site"] {
        assert_eq!(ask(what, &format!("Share {secret}"))?.status, 401, "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn links_beyond_the_bounds_are_refused() -> Result<()> {
    let (_scratch, _worker, mut client, run) = worker_with_run(Ending::Wait, RunPhase::Running).await?;
    assert_eq!(client.refused(create(&run, &secret('2'), 60, &[])).await?, "run_is_not_over");
    client.done(Command::CancelRun { run: run.clone() }).await?;
    client.wait_for(&run, RunPhase::Cancelled).await?;
    assert_eq!(client.refused(create("none", &secret('2'), 60, &[])).await?, "unknown_run");
    for lifetime_secs in [0, u64::MAX] {
        assert_eq!(client.refused(create(&run, &secret('2'), lifetime_secs, &[])).await?, "bad_share");
    }
    let odd = |share: &str, view: &str| {
        let (run, share, view) = (run.clone(), share.to_owned(), Some(view.to_owned()));
        Command::CreateShare { run, share, lifetime_secs: 60, left_out: Vec::new(), view }
    };
    assert_eq!(client.refused(odd("not a hash", "")).await?, "bad_share");
    assert_eq!(client.refused(odd(&name_of("x"), "a#b")).await?, "bad_share");
    client.done(create(&run, &secret('2'), 60, &[])).await?;
    assert_eq!(client.refused(create(&run, &secret('2'), 60, &[])).await?, "bad_share");
    assert_eq!(client.refused(revoke(&secret('3'))).await?, "unknown_share");
    Ok(())
}
