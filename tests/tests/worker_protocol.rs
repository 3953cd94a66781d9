//! docs/protocol.md is complete and true: its examples are messages, and nothing is missing in it.

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::catalogue::ParamDomain;
use shared::event::Event;
use shared::labels::{MAX_TAG_CHARS, MAX_TAGS, MAX_TITLE_CHARS};
use shared::session_file::MAX_CONTENT_BYTES;
use shared::share::{LIFETIME_SECS, MAX_OPEN_SHARES, MAX_VIEW_BYTES, ShareSummary};
use shared::spec::RunSpec;
use shared::tokens::TokenizerBundle;
use shared::wire::{ClientMessage, Command, Credential, MAX_CLIENT_MESSAGE_BYTES, Outcome, PROTOCOL, ServerMessage};
use std::collections::BTreeSet;
use std::path::Path;
use worker::server::limits;
use worker::sessions::{MAX_EVENT_BYTES, MAX_QUEUED_RUNS};
use worker::store::DELETED_KEPT_DAYS;

const DOCUMENT: &str = include_str!("../../docs/protocol.md");

/// The code blocks of the document that are JSON: what each shows, and its text.
fn examples() -> Vec<(&'static str, &'static str)> {
    let mut blocks = DOCUMENT.split("```");
    blocks.next();
    let blocks = blocks.step_by(2).filter_map(|block| block.split_once('\n'));
    blocks.filter_map(|(info, text)| Some((info.strip_prefix("json ")?, text))).collect()
}

/// Parses an example, and checks that it says nothing that the type does not: every field comes back.
fn parse<T: DeserializeOwned + Serialize>(text: &str) -> Result<T> {
    let value: T = serde_json::from_str(text).with_context(|| text.to_owned())?;
    let (back, written): (Value, Value) = (serde_json::to_value(&value)?, serde_json::from_str(text)?);
    ensure!(back == written, "the example says\n{written}\nand means\n{back}");
    Ok(value)
}

// Each of these matches is exhaustive, so that a new variant does not compile until it is named here,
// and then fails the test until the document shows it.

fn client_message(message: &ClientMessage) -> &'static str {
    match message {
        ClientMessage::Hello { credential: Credential::Token(_), .. } => "hello with a token",
        ClientMessage::Hello { credential: Credential::Code(_), .. } => "hello with a code",
        ClientMessage::Command { command: Command::StartRun { .. }, .. } => "start_run",
        ClientMessage::Command { command: Command::CancelRun { .. }, .. } => "cancel_run",
        ClientMessage::Command { command: Command::RestartRun { .. }, .. } => "restart_run",
        ClientMessage::Command { command: Command::PauseRun { .. }, .. } => "pause_run",
        ClientMessage::Command { command: Command::ResumeRun { .. }, .. } => "resume_run",
        ClientMessage::Command { command: Command::FinishRun { .. }, .. } => "finish_run",
        ClientMessage::Subscribe { .. } => "subscribe",
        ClientMessage::Unsubscribe { .. } => "unsubscribe",
        ClientMessage::Command { command: Command::LabelRun { .. }, .. } => "label_run",
        ClientMessage::Command { command: Command::DeleteRun { .. }, .. } => "delete_run",
        ClientMessage::Command { command: Command::RestoreRun { .. }, .. } => "restore_run",
        ClientMessage::Hello { credential: Credential::Share(_), .. } => "hello with a share",
        ClientMessage::Command { command: Command::CreateShare { .. }, .. } => "create_share",
        ClientMessage::Command { command: Command::RevokeShare { .. }, .. } => "revoke_share",
    }
}
const CLIENT_MESSAGES: [&str; 16] = [
    "hello with a token",
    "hello with a code",
    "start_run",
    "cancel_run",
    "restart_run",
    "pause_run",
    "resume_run",
    "finish_run",
    "subscribe",
    "unsubscribe",
    "label_run",
    "delete_run",
    "restore_run",
    "hello with a share",
    "create_share",
    "revoke_share",
];

fn server_message(message: &ServerMessage) -> &'static str {
    match message {
        ServerMessage::Welcome { .. } => "welcome",
        ServerMessage::Reply { outcome: Outcome::Done { .. }, .. } => "done",
        ServerMessage::Reply { outcome: Outcome::Refused { .. }, .. } => "refused",
        ServerMessage::RunChanged { .. } => "run_changed",
        ServerMessage::Event { .. } => "event",
        ServerMessage::CaughtUp { .. } => "caught_up",
        ServerMessage::Error { .. } => "error",
        ServerMessage::RunDeleted { .. } => "run_deleted",
        ServerMessage::Shared { .. } => "shared",
        ServerMessage::Batch { .. } => "batch",
    }
}
const SERVER_MESSAGES: [&str; 10] =
    ["welcome", "done", "refused", "run_changed", "event", "caught_up", "error", "run_deleted", "shared", "batch"];

fn event(event: &Event) -> &'static str {
    match event {
        Event::Queued { .. } => "queued",
        Event::Started { .. } => "started",
        Event::StageStarted { .. } => "stage_started",
        Event::Progress { .. } => "progress",
        Event::SuffixMeasured { .. } => "suffix_measured",
        Event::Objective { .. } => "objective",
        Event::Candidates { .. } => "candidates",
        Event::Flip { .. } => "flip",
        Event::Prefix { .. } => "prefix",
        Event::StageFinished { .. } => "stage_finished",
        Event::SuffixEvaluated { .. } => "suffix_evaluated",
        Event::Pausing {} => "pausing",
        Event::Paused {} => "paused",
        Event::Resumed {} => "resumed",
        Event::Finishing {} => "finishing",
        Event::Finished { .. } => "finished",
        Event::Cancelled {} => "cancelled",
        Event::Failed { .. } => "failed",
        Event::Interrupted {} => "interrupted",
    }
}
const EVENTS: [&str; 19] = [
    "queued",
    "started",
    "stage_started",
    "progress",
    "suffix_measured",
    "objective",
    "candidates",
    "flip",
    "prefix",
    "stage_finished",
    "suffix_evaluated",
    "pausing",
    "paused",
    "resumed",
    "finishing",
    "finished",
    "cancelled",
    "failed",
    "interrupted",
];

fn domain(domain: &ParamDomain) -> &'static str {
    match domain {
        ParamDomain::Switch => "switch",
        ParamDomain::Integer { .. } => "integer",
        ParamDomain::Real { .. } => "real",
        ParamDomain::Choice { .. } => "choice",
        ParamDomain::Name { .. } => "name",
    }
}
const DOMAINS: [&str; 4] = ["switch", "integer", "real", "choice"];

#[test]
fn every_example_is_what_it_shows_and_nothing_is_left_out() -> Result<()> {
    let mut shown = BTreeSet::new();
    for (what, text) in examples() {
        match what {
            "client" => {
                shown.insert(client_message(&parse(text)?));
            }
            "server" => {
                let message = parse(text)?;
                shown.insert(server_message(&message));
                if let ServerMessage::Welcome { protocol, catalogue, .. } = message {
                    assert_eq!(protocol, PROTOCOL);
                    let params = catalogue.stages.iter().flat_map(|stage| &stage.params);
                    shown.extend(params.map(|param| domain(&param.domain)));
                }
            }
            "event" => {
                shown.insert(event(&parse(text)?));
            }
            "tokenizer" => {
                parse::<TokenizerBundle>(text)?;
            }
            "shares" => {
                parse::<Vec<ShareSummary>>(text)?;
            }
            "job" => {
                let value: Value = serde_json::from_str(text)?;
                serde_json::from_value::<RunSpec>(value["spec"].clone())?;
                assert_eq!(text.trim().lines().count(), 1, "a task is one line");
            }
            other => panic!("a JSON block shows {other}"),
        }
    }
    let all = CLIENT_MESSAGES.into_iter().chain(SERVER_MESSAGES).chain(EVENTS).chain(DOMAINS);
    let missing: Vec<_> = all.filter(|name| !shown.contains(name)).collect();
    assert_eq!(missing, [""; 0], "no example shows these");
    assert!(DOCUMENT.contains(&format!("Version of this protocol: **{PROTOCOL}**")));
    Ok(())
}

/// The codes of errors that the server's sources make.
fn codes_in_sources(folder: &Path, codes: &mut BTreeSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            codes_in_sources(&path, codes)?;
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        for opening in ["ErrorBody::new(", "failed("] {
            let calls = text.split(opening).skip(1).map(str::trim_start);
            let firsts = calls.filter_map(|call| call.strip_prefix('"')?.split('"').next());
            codes.extend(firsts.map(str::to_owned));
        }
    }
    Ok(())
}

#[test]
fn the_table_of_errors_is_that_of_the_sources() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the root")?;
    let mut used = BTreeSet::new();
    for folder in ["worker/src/server", "worker/src/sessions", "worker/src/store"] {
        codes_in_sources(&root.join(folder), &mut used)?;
    }
    assert!(used.len() > 20, "the sources were not read: {used:?}");
    let table = DOCUMENT.split("## Errors").nth(1).and_then(|text| text.split("## Limits").next());
    let rows = table.context("no table of errors")?.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<String> = rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect();
    assert_eq!(documented, used);
    Ok(())
}

#[test]
fn the_table_of_limits_is_that_of_the_sources() {
    let [(a_minute, _), (an_hour, _)] = limits::BAD_ATTEMPTS;
    let secs = |duration: std::time::Duration| format!("{} s", duration.as_secs());
    let bytes = |bytes: usize| format!("{bytes} bytes");
    for (what, limit) in [
        ("message to the worker", format!("{MAX_CLIENT_MESSAGE_BYTES} bytes, nested {} deep", limits::MAX_DEPTH)),
        ("message that is read at all; beyond, the socket closes with 1009", bytes(limits::MAX_READ_BYTES)),
        ("head of a request", bytes(limits::MAX_REQUEST_HEAD_BYTES)),
        ("head of a request, hello", secs(limits::HANDSHAKE)),
        ("connections", limits::MAX_CONNECTIONS.to_string()),
        ("sockets", limits::MAX_SOCKETS.to_string()),
        ("subscriptions of a socket", limits::MAX_SUBSCRIPTIONS.to_string()),
        ("commands of a socket", format!("{} a minute", limits::COMMANDS_A_MINUTE)),
        ("messages of a socket", format!("{} a minute", limits::MESSAGES_A_MINUTE)),
        ("wrong tokens from an address", format!("{a_minute} a minute, {an_hour} an hour")),
        ("a client that takes nothing", secs(limits::STALLED)),
        ("a client that is silent, not even answering pings (sent every 20 s)", secs(limits::SILENT)),
        ("runs that wait", MAX_QUEUED_RUNS.to_string()),
        ("an event that a job reports", bytes(MAX_EVENT_BYTES)),
        ("title of a run", format!("{MAX_TITLE_CHARS} characters")),
        ("tags of a run", format!("{MAX_TAGS}, each of {MAX_TAG_CHARS} characters")),
        ("open links of a run", MAX_OPEN_SHARES.to_string()),
        ("life of a link", format!("{} s to {} days", LIFETIME_SECS.start(), LIFETIME_SECS.end() / 86_400)),
        ("view of a link", bytes(MAX_VIEW_BYTES)),
        ("a session that is unpacked or shared", bytes(MAX_CONTENT_BYTES)),
        ("a deleted run can be restored", format!("{DELETED_KEPT_DAYS} days")),
    ] {
        let row = format!("| {what} | {limit} |");
        assert!(DOCUMENT.contains(&row), "missing: {row}");
    }
    assert_eq!(limits::PING_EVERY.as_secs(), 20);
}
