//! The model's answers to a run, on disk: with them a run whose process died is soon where it was.
//!
//! A run is a function of its spec and of what the model answers. Whoever starts it again and is given the same answers
//! gets the same run, and needs no other state: neither that of random numbers nor of an optimiser nor of any stage. What a
//! run takes long for are the answers, and they are small. So this is the checkpoint of every stage, those to come included.
//!
//! An entry is written whole after each answer. A torn one at the end, as a crash of the machine may leave it, is cut off.
//! The first request that differs from what is written (another program, another memory plan) ends the replay: from there
//! on the model answers again. Hashes are compared with those of the same program only.

use crate::control::Control;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// First word of the first line.
const MAGIC: &str = "steerage-journal-1";

/// Largest entry that is read back, in bytes: more is damage.
const MAX_ENTRY_BYTES: u32 = 1 << 28;

/// Length, request, time worked, hash of the rest.
const HEAD_BYTES: usize = 4 + 8 + 8 + 8;

/// What can be kept of an answer.
pub trait Answer: Sized {
    /// Appends it.
    fn write(&self, bytes: &mut Vec<u8>);

    /// Takes it off the front; nothing where it is none.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

/// An open journal.
pub struct Journal {
    state: State,
    control: Arc<Control>,
    replayed: usize,
}

enum State {
    Replaying {
        reader: BufReader<File>,
        /// Bytes that are good.
        good: u64,
    },
    Recording(File),
    /// The disk took no more.
    Off,
}

impl Journal {
    /// Opens the journal of a run, or begins one. `key` stands for everything that answers depend on but requests: spec,
    /// model, program.
    pub fn open(path: &Path, key: &str, control: Arc<Control>) -> std::io::Result<Self> {
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let first = format!("{MAGIC} {key}\n");
        let mut reader = BufReader::new(file.try_clone()?);
        let mut line = String::new();
        let is_ours = reader.by_ref().take(first.len() as u64).read_line(&mut line).is_ok() && line == first;
        let state = if is_ours {
            State::Replaying { reader, good: first.len() as u64 }
        } else {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(first.as_bytes())?;
            State::Recording(file)
        };
        Ok(Journal { state, control, replayed: 0 })
    }

    /// The answer that an earlier attempt got to this request, if that comes next. The time that it had worked by then
    /// counts as worked.
    pub fn replay<A: Answer>(&mut self, request: u64) -> Option<A> {
        let State::Replaying { reader, good } = &mut self.state else { return None };
        let entry = read_entry(reader).filter(|entry| entry.request == request);
        let answer = entry.as_ref().and_then(|entry| A::read(&mut &entry.answer[..]));
        if let (Some(entry), Some(answer)) = (entry, answer) {
            *good += (HEAD_BYTES + entry.answer.len()) as u64;
            self.replayed += 1;
            self.control.catch_up(entry.worked);
            return Some(answer);
        }
        let (good, file) = (*good, reader.get_ref().try_clone());
        let cut = file.and_then(|mut file| {
            file.set_len(good)?;
            file.seek(SeekFrom::Start(good))?;
            Ok(file)
        });
        eprintln!("went on after {} answers of an earlier attempt", self.replayed);
        self.state = cut.map_or_else(|error| given_up(&error), State::Recording);
        None
    }

    /// Keeps what the model answered.
    pub fn record(&mut self, request: u64, answer: &impl Answer) {
        let State::Recording(file) = &mut self.state else { return };
        let mut bytes = vec![0; HEAD_BYTES];
        answer.write(&mut bytes);
        let worked = self.control.worked().as_micros() as u64;
        let (length, check) = ((bytes.len() - HEAD_BYTES) as u32, check(request, worked, &bytes[HEAD_BYTES..]));
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[4..12].copy_from_slice(&request.to_le_bytes());
        bytes[12..20].copy_from_slice(&worked.to_le_bytes());
        bytes[20..HEAD_BYTES].copy_from_slice(&check.to_le_bytes());
        if let Err(error) = file.write_all(&bytes) {
            self.state = given_up(&error);
        }
    }
}

/// A run does not end because nothing can be kept of it.
fn given_up(error: &std::io::Error) -> State {
    eprintln!("the journal cannot be written ({error}): interrupted now, the run would begin anew");
    State::Off
}

struct Entry {
    request: u64,
    worked: Duration,
    answer: Vec<u8>,
}

fn read_entry(reader: &mut impl Read) -> Option<Entry> {
    let mut head = [0; HEAD_BYTES];
    reader.read_exact(&mut head).ok()?;
    let mut head = &head[..];
    let length = u32::from_le_bytes(take(&mut head)?);
    let [request, worked, expected] = [take(&mut head)?, take(&mut head)?, take(&mut head)?].map(u64::from_le_bytes);
    if length > MAX_ENTRY_BYTES {
        return None;
    }
    let mut answer = Vec::new();
    reader.take(u64::from(length)).read_to_end(&mut answer).ok()?;
    let is_whole = answer.len() == length as usize && check(request, worked, &answer) == expected;
    is_whole.then(|| Entry { request, worked: Duration::from_micros(worked), answer })
}

fn check(request: u64, worked: u64, answer: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (request, worked, answer).hash(&mut hasher);
    hasher.finish()
}

/// Takes so many bytes off the front.
pub fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Number(u32);

    impl Answer for Number {
        fn write(&self, bytes: &mut Vec<u8>) {
            bytes.extend(self.0.to_le_bytes());
        }

        fn read(bytes: &mut &[u8]) -> Option<Self> {
            take(bytes).map(u32::from_le_bytes).map(Number)
        }
    }

    fn open(path: &Path, key: &str) -> Journal {
        Journal::open(path, key, Arc::new(Control::new())).unwrap()
    }

    /// Plays so many requests, each of which is its own answer, and says how many were replayed.
    fn play(journal: &mut Journal, requests: std::ops::Range<u32>) -> usize {
        for request in requests {
            match journal.replay::<Number>(request.into()) {
                Some(answer) => assert_eq!(answer, Number(request)),
                None => journal.record(request.into(), &Number(request)),
            }
        }
        journal.replayed
    }

    #[test]
    fn a_second_attempt_gets_the_answers_of_the_first_and_goes_on() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("run");
        assert_eq!(play(&mut open(&path, "k"), 0..5), 0);
        assert_eq!(play(&mut open(&path, "k"), 0..8), 5);
        assert_eq!(play(&mut open(&path, "k"), 0..8), 8);
        assert_eq!(play(&mut open(&path, "another spec"), 0..3), 0);
        assert_eq!(play(&mut open(&path, "another spec"), 0..3), 3);
    }

    #[test]
    fn another_request_ends_the_replay_for_good() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("run");
        play(&mut open(&path, "k"), 0..5);
        let mut journal = open(&path, "k");
        assert_eq!(play(&mut journal, 0..2), 2);
        assert_eq!(play(&mut journal, 7..9), 2, "the third was another");
        let mut journal = open(&path, "k");
        assert_eq!(play(&mut journal, 0..2), 2);
        assert_eq!(play(&mut journal, 7..9), 4, "what came after the other request is gone");
    }

    #[test]
    fn whatever_is_torn_or_damaged_is_answered_again() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("run");
        play(&mut open(&path, "k"), 0..5);
        let whole = std::fs::read(&path).unwrap();
        let header = MAGIC.len() + 3;
        let entry = (whole.len() - header) / 5;
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(play(&mut open(&path, "k"), 0..5), length.saturating_sub(header) / entry, "cut to {length}");
            assert_eq!(std::fs::read(&path).unwrap().len(), whole.len(), "it is whole again");
        }
        for at in header..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(play(&mut open(&path, "k"), 0..5), (at - header) / entry, "byte {at}");
        }
    }

    #[test]
    fn what_was_worked_before_counts() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("run");
        let first = Arc::new(Control::new());
        first.catch_up(Duration::from_secs(3600));
        let mut journal = Journal::open(&path, "k", first).unwrap();
        journal.record(1, &Number(1));
        let second = Arc::new(Control::new());
        let mut journal = Journal::open(&path, "k", Arc::clone(&second)).unwrap();
        assert!(second.worked() < Duration::from_secs(1800));
        assert_eq!(journal.replay(1), Some(Number(1)));
        assert!(second.worked() >= Duration::from_secs(3600));
    }
}
