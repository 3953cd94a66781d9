//! A run's log as a file that anyone can replay: a header, then one stamped event a line (JSON lines).
//!
//! `steerage run --record FILE` writes one, the page replays it without any worker.

use crate::event::Stamped;
use serde::{Deserialize, Serialize};

/// Version of the file; a reader refuses later ones.
pub const VERSION: u32 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    /// [`VERSION`] of the file.
    recording: u32,
    /// Version of the program that wrote it.
    steerage: String,
}

/// Why a text is no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordingError {
    /// The first line is something else.
    #[error("this is no recording of a run: the first line is not its header")]
    NotARecording,
    /// A later program wrote it.
    #[error(
        "the recording is of version {version}, written by Steerage {steerage}; this program reads up to version {VERSION}: use a newer one"
    )]
    Newer {
        /// Version of the file.
        version: u32,
        /// Version of the program that wrote it.
        steerage: String,
    },
    /// A line is no event.
    #[error("line {line} is no event: {reason}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// An event is not the next one of the same run.
    #[error("line {line} does not go on where the line before it ended: lines are missing or of another run")]
    Gap {
        /// From 1.
        line: usize,
    },
    /// There is no event at all.
    #[error("the recording holds no event")]
    Empty,
}

/// The first line of a recording, without its end.
pub fn header(steerage: &str) -> String {
    let header = Header { recording: VERSION, steerage: steerage.to_owned() };
    serde_json::to_string(&header).unwrap_or_default()
}

/// The events of a recording, in order: all of one run and one attempt, without gaps.
pub fn parse(text: &str) -> Result<Vec<Stamped>, RecordingError> {
    let mut lines =
        text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim().is_empty());
    let header = lines.next().map(|(_, line)| serde_json::from_str::<Header>(line));
    let Some(Ok(header)) = header else { return Err(RecordingError::NotARecording) };
    if header.recording > VERSION {
        return Err(RecordingError::Newer { version: header.recording, steerage: header.steerage });
    }
    let mut events: Vec<Stamped> = Vec::new();
    for (line, text) in lines {
        let stamped: Stamped =
            serde_json::from_str(text).map_err(|error| RecordingError::Line { line, reason: error.to_string() })?;
        let follows = match events.last() {
            None => stamped.seq == 1,
            Some(last) => (&stamped.run, stamped.epoch, stamped.seq) == (&last.run, last.epoch, last.seq + 1),
        };
        if !follows {
            return Err(RecordingError::Gap { line });
        }
        events.push(stamped);
    }
    if events.is_empty() { Err(RecordingError::Empty) } else { Ok(events) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn line(seq: u64) -> String {
        let event = Event::StageStarted { stage: seq as usize };
        let stamped = Stamped { run: "local".to_owned(), epoch: 1, seq, at_unix_ms: 1000 * seq, event };
        serde_json::to_string(&stamped).unwrap()
    }

    fn file(lines: &[String]) -> String {
        format!("{}\n{}\n", header("0.1.0"), lines.join("\n"))
    }

    #[test]
    fn what_was_written_is_read() {
        let events = parse(&file(&[line(1), line(2), line(3)])).unwrap();
        assert_eq!(events.iter().map(|stamped| stamped.at_unix_ms).collect::<Vec<_>>(), [1000, 2000, 3000]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let cut = line(2)[..20].to_owned();
        assert!(matches!(parse(&file(&[line(1), cut])), Err(RecordingError::Line { line: 3, .. })));
        assert_eq!(parse(&file(&[line(1), line(3)])), Err(RecordingError::Gap { line: 3 }));
        assert_eq!(parse(&file(&[line(2)])), Err(RecordingError::Gap { line: 2 }));
        assert_eq!(parse(&file(&[])), Err(RecordingError::Empty));
        for text in ["", "hello", &line(1)] {
            assert_eq!(parse(text), Err(RecordingError::NotARecording), "{text}");
        }
        let newer = format!("{}\n{}", header("9.0.0").replace(":1,", ":2,"), line(1));
        assert_eq!(parse(&newer), Err(RecordingError::Newer { version: 2, steerage: "9.0.0".to_owned() }));
    }
}
