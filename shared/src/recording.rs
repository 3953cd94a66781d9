//! A run's log as a text that anyone can replay: a header, then one stamped event a line (JSON lines).
//!
//! `steerage run --record FILE` writes one, the page replays it without any worker, and a session file
//! ([`crate::session_file`]) holds one, compressed. `docs/session-file.md` describes both.

use crate::event::Stamped;
use serde::{Deserialize, Serialize};

/// Version of the text; a reader refuses later ones. Version 2 may leave parts out and hold several attempts.
pub const VERSION: u32 = 2;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// [`VERSION`] of the text.
    pub recording: u32,
    /// Version of the program that wrote it.
    pub steerage: String,
    /// What people call the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What was left out of the log; where nothing was, it has no gaps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Part>,
    /// The view to open it with: the query of a page's address, without the question mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
}

/// A part of a log that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The prompts, and with them the completions, which would give them away.
    SuffixTexts,
    /// The settings of the method: parameters, constraints, budget, seed.
    Config,
    /// How the search went: progress, curve, candidates, flips.
    Log,
}

impl Part {
    /// All parts.
    pub const ALL: [Part; 3] = [Part::SuffixTexts, Part::Config, Part::Log];

    /// The name in a file and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Part::SuffixTexts => "suffix_texts",
            Part::Config => "config",
            Part::Log => "log",
        }
    }
}

/// A recording, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its first line.
    pub about: About,
    /// Its events, in order, all of one run.
    pub events: Vec<Stamped>,
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

impl About {
    /// The first line of a whole log, written by this version of the program.
    pub fn new(steerage: &str) -> Self {
        About { recording: VERSION, steerage: steerage.to_owned(), title: None, left_out: Vec::new(), view: None }
    }

    /// The line, without its end.
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The first line of a recording of a whole log, without its end.
pub fn header(steerage: &str) -> String {
    About::new(steerage).line()
}

/// The text of a recording.
pub fn write(recording: &Recording) -> String {
    let mut text = recording.about.line();
    text.push('\n');
    for stamped in &recording.events {
        text.push_str(&serde_json::to_string(stamped).unwrap_or_default());
        text.push('\n');
    }
    text
}

/// The events of a recording, in order.
pub fn parse(text: &str) -> Result<Vec<Stamped>, RecordingError> {
    read(text).map(|recording| recording.events)
}

/// Reads a recording: all of one run, attempt after attempt, without gaps unless its header says that something
/// was left out.
pub fn read(text: &str) -> Result<Recording, RecordingError> {
    /// What the first line has in every version.
    #[derive(Deserialize)]
    struct AnyHeader {
        recording: u32,
        steerage: String,
    }
    let mut lines =
        text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim().is_empty());
    let Some((at, first)) = lines.next() else { return Err(RecordingError::NotARecording) };
    let Ok(AnyHeader { recording, steerage }) = serde_json::from_str(first) else {
        return Err(RecordingError::NotARecording);
    };
    if recording > VERSION {
        return Err(RecordingError::Newer { version: recording, steerage });
    }
    let wrong = |line: usize, error: serde_json::Error| RecordingError::Line { line, reason: error.to_string() };
    let about: About = serde_json::from_str(first).map_err(|error| wrong(at, error))?;
    let is_whole = about.left_out.is_empty();
    let mut events: Vec<Stamped> = Vec::new();
    for (line, text) in lines {
        let stamped: Stamped = serde_json::from_str(text).map_err(|error| wrong(line, error))?;
        if !follows(events.last(), &stamped, is_whole) {
            return Err(RecordingError::Gap { line });
        }
        events.push(stamped);
    }
    if events.is_empty() { Err(RecordingError::Empty) } else { Ok(Recording { about, events }) }
}

/// Whether an event may come after another. An attempt counts its events from 1.
fn follows(last: Option<&Stamped>, next: &Stamped, is_whole: bool) -> bool {
    let Some(last) = last else { return !is_whole || next.seq == 1 };
    let is_later = (next.epoch, next.seq) > (last.epoch, last.seq);
    let expected = if next.epoch == last.epoch { last.seq.saturating_add(1) } else { 1 };
    next.run == last.run && is_later && (!is_whole || next.seq == expected)
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
        let newer = format!("{}\n{}", header("9.0.0").replace(":2,", ":3,"), line(1));
        assert_eq!(parse(&newer), Err(RecordingError::Newer { version: 3, steerage: "9.0.0".to_owned() }));
    }
    #[test]
    fn a_log_with_parts_left_out_may_have_gaps_and_only_goes_forward() {
        let about = About { left_out: vec![Part::Log], ..About::new("0.1.0") }.line();
        let trimmed = |lines: &[String]| parse(&format!("{about}\n{}\n", lines.join("\n")));
        assert_eq!(trimmed(&[line(2), line(9)]).unwrap().len(), 2);
        assert_eq!(trimmed(&[line(9), line(2)]), Err(RecordingError::Gap { line: 3 }));
    }

    #[test]
    fn a_second_attempt_counts_from_one_again() {
        let again = |seq| line(seq).replace("\"epoch\":1", "\"epoch\":2");
        assert_eq!(parse(&file(&[line(1), line(2), again(1)])).unwrap().len(), 3);
        assert_eq!(parse(&file(&[line(1), again(2)])), Err(RecordingError::Gap { line: 3 }));
        assert_eq!(parse(&file(&[again(1), line(1)])), Err(RecordingError::Gap { line: 3 }));
    }
}
