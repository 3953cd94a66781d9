//! Messages that are wrong: each gets an answer that says so, and the socket stays open.

use anyhow::Result;
use shared::wire::{Command, MAX_CLIENT_MESSAGE_BYTES, Outcome};
use steerage_tests::client::{Client, Incoming};
use steerage_tests::script::{Ending, Script};
use steerage_tests::worker::FakeWorker;
use tokio_tungstenite::tungstenite::Message;

async fn worker() -> Result<(tempfile::TempDir, FakeWorker, Client)> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (client, _) = Client::connect(&worker).await?;
    Ok((scratch, worker, client))
}

async fn assert_open(client: &mut Client) -> Result<()> {
    let code = client.refused(Command::CancelRun { run: "no such run".to_owned() }).await?;
    assert_eq!(code, "unknown_run");
    Ok(())
}

#[tokio::test]
async fn nonsense_is_answered_and_the_socket_stays_open() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    for (text, code, part) in [
        ("", "bad_message", "EOF"),
        ("{", "bad_message", "EOF"),
        ("[]", "bad_message", "cannot be understood"),
        (r#"{"type":"dance"}"#, "bad_message", "dance"),
        (r#"{"type":"unsubscribe"}"#, "bad_message", "run"),
        (r#"{"type":"unsubscribe","run":1}"#, "bad_message", "1"),
        (r#"{"type":"unsubscribe","run":"r","extra":true}"#, "bad_message", "extra"),
        (r#"{"type":"subscribe","run":"r","epoch":99999999999,"after_seq":0}"#, "bad_message", "99999999999"),
        (r#"{"type":"command","id":"x","command":{"kind":"cancel_run","run":"r"}}"#, "bad_message", "UUID"),
        (r#"{"type":"hello","protocol":1,"credential":{"token":"x"}}"#, "hello_repeated", "hello"),
        (r#"{"type":"unsubscribe","run":"r"}"#, "not_subscribed", "subscription"),
    ] {
        client.send_text(text).await?;
        let error = client.error().await?;
        assert!(error.code == code && error.message.contains(part), "{text}: {error:?}");
    }
    client.send_frame(Message::binary(vec![1, 2, 3])).await?;
    assert_eq!(client.error().await?.code, "bad_message");
    assert_open(&mut client).await
}

#[tokio::test]
async fn a_malformed_command_is_a_refusal_of_that_command() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    let id = "d7a4f2b8-3f0c-4c1e-9b7a-6e5d4c3b2a19";
    client.send_text(&format!(r#"{{"type":"command","id":"{id}","command":{{"kind":"fly"}}}}"#)).await?;
    let errors = client
        .find(|message| match message {
            shared::wire::ServerMessage::Reply { id: replied, outcome: Outcome::Refused { errors } }
                if replied == id =>
            {
                Some(errors.clone())
            }
            _ => None,
        })
        .await?;
    assert!(errors[0].code == "bad_message" && errors[0].message.contains("fly"), "{errors:?}");
    // It was not understood, so it was not stored: the id is still free.
    let command = Command::StartRun { spec: Box::new(Script::new(Ending::Finish).spec()) };
    assert!(matches!(client.command_as(id, command).await?, Outcome::Done { .. }));
    Ok(())
}

#[tokio::test]
async fn a_deep_message_is_refused() -> Result<()> {
    let (_scratch, _worker, mut client) = worker().await?;
    for depth in [33, 10_000] {
        client.send_text(&"[".repeat(depth)).await?;
        let error = client.error().await?;
        assert!(error.code == "bad_message" && error.message.contains("nested"), "{error:?}");
    }
    client.send_text(&"[".repeat(32)).await?;
    assert!(!client.error().await?.message.contains("nested"), "32 is within the bound");
    assert_open(&mut client).await
}

#[tokio::test]
async fn a_big_message_is_refused_and_a_huge_one_ends_the_socket() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    client.send_text(&" ".repeat(MAX_CLIENT_MESSAGE_BYTES)).await?;
    assert_eq!(client.error().await?.code, "bad_message", "empty, but not too big");
    client.send_text(&" ".repeat(MAX_CLIENT_MESSAGE_BYTES + 1)).await?;
    assert_eq!(client.error().await?.code, "message_too_big");
    assert_open(&mut client).await?;

    // The socket may be gone before all of it is sent.
    let _ = client.send_text(&" ".repeat(4 << 20)).await;
    loop {
        match client.incoming().await? {
            Incoming::Message(_) => {}
            Incoming::Closed(frame) => {
                assert!(frame.is_none_or(|frame| u16::from(frame.code) == 1009));
                break;
            }
        }
    }
    Client::connect(&worker).await?;
    Ok(())
}

#[tokio::test]
async fn commands_are_bounded_and_messages_too() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    for n in 0..121 {
        let code = client.refused(Command::CancelRun { run: "no such run".to_owned() }).await?;
        assert_eq!(code, if n < 120 { "unknown_run" } else { "too_many_commands" }, "command {n}");
    }
    let (mut other, _) = Client::connect(&worker).await?;
    assert_open(&mut other).await?;

    for _ in 0..600 - 121 {
        client.send_text("nonsense").await?;
        assert_eq!(client.error().await?.code, "bad_message");
    }
    client.send_text("nonsense").await?;
    assert_eq!(client.refusal().await?, ("too_many_messages".to_owned(), 4429));
    Ok(())
}

#[tokio::test]
async fn subscriptions_are_bounded() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    let mut runs = Vec::new();
    for _ in 0..65 {
        runs.push(client.start(Script { events: 0, ..Script::new(Ending::Finish) }.spec()).await?);
    }
    let (mut client, _) = Client::connect(&worker).await?;
    for run in &runs {
        client.subscribe(run, 0, 0).await?;
    }
    assert_eq!(client.error().await?.code, "too_many_subscriptions");
    // One that exists may be renewed.
    client.subscribe(&runs[0], 0, 0).await?;
    client.log(&runs[0]).await?;
    Ok(())
}
