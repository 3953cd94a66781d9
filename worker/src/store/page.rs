//! Reading the log from a place on.

use super::StoreError;
use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::HashSet;

/// Most events of a page.
pub const PAGE_EVENTS: usize = 256;

/// A page ends after the event with which it reaches this size.
pub const PAGE_BYTES: usize = 256 * 1024;

/// A place in a run's log: the last event that was read. `(0, 0)` is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The attempt.
    pub epoch: u32,
    /// Place in it.
    pub seq: u64,
}

/// One event as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its place.
    pub at: Cursor,
    /// When it was recorded, in milliseconds since the Unix epoch.
    pub at_unix_ms: u64,
    /// The stage whose progress it reports, where it is a progress report.
    pub progress_stage: Option<usize>,
    /// The event as JSON, exactly as it was recorded.
    pub json: String,
}

/// Consecutive events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub events: Vec<LoggedEvent>,
    /// The page ended at a limit, so there may be more.
    pub full: bool,
}

impl Page {
    /// Leaves out reports of progress that a later report in this page makes obsolete. Whoever is so
    /// far behind that pages are full catches up sooner, and ends in the same state.
    pub fn coalesce_progress(&mut self) {
        let mut seen = HashSet::new();
        let mut kept: Vec<bool> = Vec::with_capacity(self.events.len());
        for event in self.events.iter().rev() {
            kept.push(event.progress_stage.is_none_or(|stage| seen.insert((event.at.epoch, stage))));
        }
        let mut kept = kept.into_iter().rev();
        self.events.retain(|_| kept.next().unwrap_or(true));
    }

    /// The page as messages to a client: one with all events for whoever takes batches, else one an event.
    pub fn messages(&self, run: &str, batches: bool) -> Result<Vec<String>, StoreError> {
        #[derive(Serialize)]
        struct Message<'a> {
            r#type: &'static str,
            events: Vec<Stamped<'a>>,
        }
        if !batches || self.events.len() < 2 {
            return self.events.iter().map(|event| event.message(run)).collect();
        }
        let events = self.events.iter().map(|event| event.stamped(run)).collect::<Result<Vec<_>, _>>()?;
        let text = serde_json::to_string(&Message { r#type: "batch", events });
        Ok(vec![text.map_err(|error| StoreError::Damaged(format!("events of {run}: {error}")))?])
    }
}

/// An event and its place, with the recorded JSON as it is.
#[derive(Serialize)]
struct Stamped<'a> {
    run: &'a str,
    epoch: u32,
    seq: u64,
    at_unix_ms: u64,
    event: &'a RawValue,
}

impl LoggedEvent {
    /// The event as a message to a client.
    pub(super) fn message(&self, run: &str) -> Result<String, StoreError> {
        #[derive(Serialize)]
        struct Message<'a> {
            r#type: &'static str,
            stamped: Stamped<'a>,
        }
        let message = Message { r#type: "event", stamped: self.stamped(run)? };
        serde_json::to_string(&message).map_err(|error| self.damaged(run, &error))
    }

    fn stamped<'a>(&'a self, run: &'a str) -> Result<Stamped<'a>, StoreError> {
        let event: &RawValue = serde_json::from_str(&self.json).map_err(|error| self.damaged(run, &error))?;
        let Cursor { epoch, seq } = self.at;
        Ok(Stamped { run, epoch, seq, at_unix_ms: self.at_unix_ms, event })
    }

    fn damaged(&self, run: &str, error: &serde_json::Error) -> StoreError {
        StoreError::Damaged(format!("event {} of {run}: {error}", self.at.seq))
    }
}

/// Reads the next page.
pub(super) fn read(connection: &Connection, run: &str, after: Cursor) -> Result<Page, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT epoch, seq, at_unix_ms, progress_stage, event FROM events
         WHERE run = ?1 AND (epoch, seq) > (?2, ?3) ORDER BY epoch, seq LIMIT ?4",
    )?;
    let mut rows = statement.query(params![run, after.epoch, after.seq, PAGE_EVENTS])?;
    let (mut page, mut bytes) = (Page::default(), 0);
    while let Some(row) = rows.next()? {
        let event = LoggedEvent {
            at: Cursor { epoch: row.get(0)?, seq: row.get(1)? },
            at_unix_ms: row.get(2)?,
            progress_stage: row.get(3)?,
            json: row.get(4)?,
        };
        bytes += event.json.len();
        page.events.push(event);
        page.full = page.events.len() == PAGE_EVENTS || bytes >= PAGE_BYTES;
        if page.full {
            break;
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::Event;
    use shared::wire::ServerMessage;

    fn logged(seq: u64, progress_stage: Option<usize>) -> LoggedEvent {
        let json = r#"{"event":"stage_started","stage":0}"#.to_owned();
        LoggedEvent { at: Cursor { epoch: 1, seq }, at_unix_ms: 7, progress_stage, json }
    }

    #[test]
    fn only_obsolete_progress_is_left_out() {
        let stages = [Some(0), None, Some(0), Some(1), None, Some(0), None];
        let events = stages.iter().zip(1..).map(|(stage, seq)| logged(seq, *stage)).collect();
        let mut page = Page { events, full: true };
        page.coalesce_progress();
        let left: Vec<u64> = page.events.iter().map(|event| event.at.seq).collect();
        assert_eq!(left, [2, 4, 5, 6, 7]);
    }

    #[test]
    fn the_message_is_one_that_a_client_understands() {
        let message = serde_json::from_str(&logged(3, None).message("r").unwrap()).unwrap();
        let ServerMessage::Event { stamped } = message else { panic!("{message:?}") };
        assert_eq!((stamped.run.as_str(), stamped.epoch, stamped.seq, stamped.at_unix_ms), ("r", 1, 3, 7));
        assert_eq!(stamped.event, Event::StageStarted { stage: 0 });
    }

    #[test]
    fn a_batch_holds_what_single_messages_hold() {
        let page = Page { events: (1..=3).map(|seq| logged(seq, None)).collect(), full: false };
        let read = |text: &String| serde_json::from_str::<ServerMessage>(text).unwrap();
        let single = page.messages("r", false).unwrap();
        let single: Vec<_> = single.iter().map(read).collect();
        let [ServerMessage::Batch { events }] =
            &page.messages("r", true).unwrap().iter().map(read).collect::<Vec<_>>()[..]
        else {
            panic!("one message holds all")
        };
        let events: Vec<_> =
            events.iter().map(|stamped| ServerMessage::Event { stamped: Box::new(stamped.clone()) }).collect();
        assert_eq!(events, single);
        let one = Page { events: vec![logged(9, None)], full: false };
        assert_eq!(one.messages("r", true).unwrap(), one.messages("r", false).unwrap(), "one event needs no batch");
    }
}
