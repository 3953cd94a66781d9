//! What the switchboard reads of a message: where it belongs. The rest is passed on as it is, so that a field that
//! only page and worker know needs nothing here.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A page's message ([`shared::wire::ClientMessage`]).
#[derive(Deserialize)]
pub struct Asked<'a> {
    /// Its type.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// Of a command.
    #[serde(borrow, default)]
    pub id: Option<Cow<'a, str>>,
    /// What is subscribed to, or no longer.
    #[serde(borrow, default)]
    pub run: Option<Cow<'a, str>>,
    /// Where a subscription begins.
    #[serde(default)]
    pub epoch: u32,
    /// Where a subscription begins.
    #[serde(default)]
    pub after_seq: u64,
    /// Of a hello.
    #[serde(borrow, default)]
    pub credential: Option<&'a RawValue>,
}

/// A worker's message ([`shared::wire::ServerMessage`]).
#[derive(Deserialize)]
pub struct Said<'a> {
    /// Its type.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    /// Of the command that is replied to.
    #[serde(borrow, default)]
    pub id: Option<Cow<'a, str>>,
    /// A run's id, or a run.
    #[serde(borrow, default)]
    run: Option<&'a RawValue>,
    /// Of the place that is caught up with.
    #[serde(default)]
    pub epoch: u32,
    /// Of the place that is caught up with.
    #[serde(default)]
    pub seq: u64,
    /// An event.
    #[serde(borrow, default)]
    pub stamped: Option<&'a RawValue>,
    /// Several.
    #[serde(borrow, default)]
    pub events: Vec<&'a RawValue>,
}

impl Said<'_> {
    /// The id of the run that it is about.
    pub fn run_id(&self) -> Option<String> {
        serde_json::from_str(self.run?.get()).ok()
    }

    /// The run that it brings.
    pub fn run(&self) -> Option<Run> {
        Run::read(self.run?)
    }
}

/// Where an event belongs.
#[derive(Deserialize)]
pub struct Stamp<'a> {
    /// The run.
    #[serde(borrow)]
    pub run: Cow<'a, str>,
    epoch: u32,
    seq: u64,
}

impl Stamp<'_> {
    /// Its place in the run's log.
    pub fn place(&self) -> Place {
        Place { epoch: self.epoch, seq: self.seq }
    }
}

/// A place in a run's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The attempt; from 1.
    pub epoch: u32,
    /// The event's number in the attempt; from 1.
    pub seq: u64,
}

/// The message that brings these events.
pub fn batch(events: &[&RawValue]) -> String {
    #[derive(Serialize)]
    #[serde(tag = "type", rename = "batch")]
    struct Batch<'a> {
        events: &'a [&'a RawValue],
    }
    text(&Batch { events })
}

/// The message that says that a page has all of a run's log up to a place.
pub fn caught_up(run: &str, Place { epoch, seq }: Place) -> String {
    #[derive(Serialize)]
    #[serde(tag = "type", rename = "caught_up")]
    struct CaughtUp<'a> {
        run: &'a str,
        epoch: u32,
        seq: u64,
    }
    text(&CaughtUp { run, epoch, seq })
}

/// The message that subscribes to what comes after a place.
pub fn subscribe(run: &str, Place { epoch, seq }: Place) -> String {
    #[derive(Serialize)]
    #[serde(tag = "type", rename = "subscribe")]
    struct Subscribe<'a> {
        run: &'a str,
        epoch: u32,
        after_seq: u64,
        batches: bool,
    }
    text(&Subscribe { run, epoch, after_seq: seq, batches: true })
}

/// The message that ends a subscription.
pub fn unsubscribe(run: &str) -> String {
    #[derive(Serialize)]
    #[serde(tag = "type", rename = "unsubscribe")]
    struct Unsubscribe<'a> {
        run: &'a str,
    }
    text(&Unsubscribe { run })
}

/// The credential of whoever has this token.
pub fn token_credential(token: &RawValue) -> String {
    format!("{{\"token\":{}}}", token.get())
}

/// Our own types always serialise.
fn text(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

/// A welcome, kept up to date: as the worker would say it now to whoever came as the line did.
#[derive(Debug)]
pub struct Welcome {
    fields: BTreeMap<String, Box<RawValue>>,
    /// Newest first.
    runs: Vec<Run>,
    /// What proves who one is, where the worker said it.
    pub credential: Option<String>,
}

/// A run in the list.
#[derive(Debug)]
pub struct Run {
    created_unix_ms: u64,
    id: String,
    /// All of it.
    json: Box<RawValue>,
}

impl Welcome {
    /// A welcome as it was said; nothing where it is none.
    pub fn read(text: &str) -> Option<Self> {
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
        let runs: Vec<&RawValue> = serde_json::from_str(fields.get("runs")?.get()).ok()?;
        let runs = runs.into_iter().map(Run::read).collect::<Option<_>>()?;
        let credential = fields.get("token").map(|token| token_credential(token));
        Some(Welcome { fields, runs, credential })
    }

    /// As it would be said now.
    pub fn say(&self) -> String {
        let mut fields: BTreeMap<&str, &RawValue> =
            self.fields.iter().map(|(name, json)| (name.as_str(), &**json)).collect();
        let runs: Vec<&RawValue> = self.runs.iter().map(|run| &*run.json).collect();
        let Ok(runs) = serde_json::value::to_raw_value(&runs) else { return String::new() };
        fields.insert("runs", &runs);
        text(&fields)
    }

    /// A run is new or changed.
    pub fn run_changed(&mut self, run: Run) {
        match self.runs.iter_mut().find(|known| known.id == run.id) {
            Some(known) => *known = run,
            None => {
                // A restored one need not be the newest.
                let newer = self.runs.partition_point(|known| known.age() > run.age());
                self.runs.insert(newer, run);
            }
        }
    }

    /// A run is deleted.
    pub fn run_deleted(&mut self, id: &str) {
        self.runs.retain(|known| known.id != id);
    }
}

impl Run {
    fn read(json: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Head {
            run: String,
            created_unix_ms: u64,
        }
        let Head { run: id, created_unix_ms } = serde_json::from_str(json.get()).ok()?;
        Some(Run { created_unix_ms, id, json: json.to_owned() })
    }

    fn age(&self) -> (u64, &str) {
        (self.created_unix_ms, &self.id)
    }
}
