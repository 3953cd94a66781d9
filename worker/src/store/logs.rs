//! Whole logs: a run's events as the text of a recording, exactly as they were recorded.

use super::page::{self, Cursor, LoggedEvent};
use super::{StoreError, row};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::recording::About;
use shared::session_file::MAX_CONTENT_BYTES;

/// A run's whole log.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredLog {
    /// The run.
    pub run: String,
    /// What people call it.
    pub title: Option<String>,
    /// The first line of the recording that it was imported from, if it was.
    pub header: Option<String>,
    /// All attempts, in order.
    pub events: Vec<LoggedEvent>,
}

/// A line of a recording with its event's very text.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<'a> {
    pub(super) run: String,
    pub(super) epoch: u32,
    pub(super) seq: u64,
    pub(super) at_unix_ms: u64,
    #[serde(borrow)]
    pub(super) event: &'a RawValue,
}

impl StoredLog {
    /// The log as the text of a recording. One that was imported begins with the line that it came with, as
    /// long as it is called the same, so that it is the same text to the last byte.
    pub fn recording(&self, steerage: &str) -> Result<String, StoreError> {
        let damaged = |error: serde_json::Error| StoreError::Damaged(format!("log of {}: {error}", self.run));
        let kept: Option<About> = self.header.as_deref().map(serde_json::from_str).transpose().map_err(damaged)?;
        let mut text = match (&self.header, kept) {
            (Some(line), Some(about)) if about.title == self.title => line.clone(),
            (_, Some(about)) => About { title: self.title.clone(), ..about }.line(),
            _ => About { title: self.title.clone(), ..About::new(steerage) }.line(),
        };
        text.push('\n');
        for event in &self.events {
            let LoggedEvent { at: Cursor { epoch, seq }, at_unix_ms, ref json, .. } = *event;
            let event: &RawValue = serde_json::from_str(json).map_err(damaged)?;
            let line = Line { run: self.run.clone(), epoch, seq, at_unix_ms, event };
            text.push_str(&serde_json::to_string(&line).map_err(damaged)?);
            text.push('\n');
        }
        Ok(text)
    }
}

/// Reads the whole log of a run that is not deleted.
pub(super) fn read(connection: &Connection, run: &str) -> Result<Option<StoredLog>, StoreError> {
    let Some(row) = row::one(connection, run)?.filter(|row| row.deleted_unix_ms.is_none()) else { return Ok(None) };
    let header: Option<String> = connection
        .query_row("SELECT recording_header FROM runs WHERE run = ?1", [run], |row| row.get(0))
        .optional()?
        .flatten();
    let (mut events, mut bytes, mut cursor): (Vec<LoggedEvent>, usize, Cursor) = Default::default();
    loop {
        let page = page::read(connection, run, cursor)?;
        bytes += page.events.iter().map(|event| event.json.len()).sum::<usize>();
        if bytes > MAX_CONTENT_BYTES {
            return Err(StoreError::TooLong { run: run.to_owned(), max_bytes: MAX_CONTENT_BYTES });
        }
        let Some(last) = page.events.last() else { break };
        cursor = last.at;
        let is_full = page.full;
        events.extend(page.events);
        if !is_full {
            break;
        }
    }
    Ok(Some(StoredLog { run: run.to_owned(), title: row.title, header, events }))
}
