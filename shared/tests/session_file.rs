//! Session files: the round trip, what is wrong with a file, and files of every version that ever was.

#[allow(dead_code, reason = "each test file uses its part of the generators")]
mod arbitrary;

use proptest::prelude::*;
use shared::event::Stamped;
use shared::leave_out::leave_out;
use shared::recording::{About, Part, Recording, RecordingError, write};
use shared::session_file::{MAX_CONTENT_BYTES, Session, SessionFileError, decode, encode, sha256_hex};
use shared::state::RunState;
use shared::wire::RunPhase;

fn recording(mut events: Vec<Stamped>, title: Option<String>) -> Recording {
    for (stamped, seq) in events.iter_mut().zip(1..) {
        (stamped.run, stamped.epoch, stamped.seq) = ("r".to_owned(), 1, seq);
    }
    Recording { about: About { title, ..About::new("0.1.0") }, events }
}

proptest! {
    #[test]
    fn what_was_packed_is_opened(events in arbitrary::log(), title in proptest::option::of(arbitrary::text())) {
        prop_assume!(!events.is_empty());
        let recording = recording(events, title);
        let content = write(&recording);
        let session = decode(&encode(&content, "0.1.0").unwrap()).unwrap();
        prop_assert_eq!(&session.content, &content);
        prop_assert_eq!(session.sha256, sha256_hex(content.as_bytes()));
        prop_assert_eq!(&session.recording, &recording);
        // Written again from what was read, it is the same file.
        prop_assert_eq!(write(&session.recording), content);
    }

    #[test]
    fn a_damaged_file_never_panics_and_never_says_something_else(at in 0..10_000usize, bit in 0..8u32) {
        let mut file = golden_v1();
        let at = at % file.len();
        file[at] ^= 1 << bit;
        // Bytes of the compression's own header mean nothing; all else is noticed.
        if let Ok(session) = decode(&file) {
            prop_assert_eq!(session.content, decode(&golden_v1()).unwrap().content);
        }
    }
}

fn golden_v1() -> Vec<u8> {
    include_bytes!("../../tests/goldens/sessions/v1.steerage").to_vec()
}

fn replayed(session: &Session) -> RunState {
    let mut state = RunState::default();
    session.recording.events.iter().for_each(|stamped| state.apply(stamped));
    state
}

/// Files that were written by every version of the format. A file is added for a new version, and none is ever
/// changed or taken away.
#[test]
fn files_of_every_version_open() {
    let session = decode(&golden_v1()).unwrap();
    let state = replayed(&session);
    assert_eq!(session.sha256, "f42bc6ab321871c516c927465f7614c16a34f1f5675e2bb654103ce9eb45eaaf");
    assert_eq!(session.recording.about.title.as_deref(), Some("Cats, recorded"));
    assert_eq!((state.phase, session.recording.events.len()), (RunPhase::Finished, 131));
    assert_eq!(state.result.unwrap().prefix.text, " Speak just on pets.");

    let trimmed = decode(include_bytes!("../../tests/goldens/sessions/v1-trimmed.steerage")).unwrap();
    assert_eq!(trimmed.recording.about.left_out, [Part::SuffixTexts, Part::Log]);
    assert!(replayed(&trimmed).suffixes.iter().all(|suffix| suffix.text.is_empty()));

    // A recording that was never packed, of the recording's own first version.
    let plain = decode(include_bytes!("../../tests/goldens/sessions/recording-v1.jsonl")).unwrap();
    assert_eq!((plain.recording.about.recording, plain.recording.events.len()), (1, 3));
}

#[test]
fn every_cut_is_told_and_says_where() {
    let file = golden_v1();
    for length in (0..file.len()).step_by(97).chain([file.len() - 1]) {
        match decode(&file[..length]) {
            Err(SessionFileError::Truncated { offset }) => assert_eq!(offset, length),
            Err(SessionFileError::NotASession) => assert!(length < 25, "{length}"),
            other => panic!("{length}: {other:?}"),
        }
    }
    let mut longer = golden_v1();
    longer.extend(b"more");
    assert_eq!(decode(&longer), Err(SessionFileError::Trailing { offset: file.len() }));
}

#[test]
fn what_is_no_session_says_so() {
    for bytes in [&b""[..], b"PK\x03\x04", b"{}", b"\x1f\x8b\x08", b"hello\nworld", &[0xff; 5000]] {
        assert_eq!(decode(bytes), Err(SessionFileError::NotASession), "{bytes:?}");
    }
    let file = golden_v1();
    let end = file.iter().position(|&byte| byte == b'\n').unwrap();
    let header = std::str::from_utf8(&file[..end]).unwrap();
    let with = |header: &str| decode(&[header.as_bytes(), &file[end..]].concat());
    let newer = header.replace("\"steerage_session\":1", "\"steerage_session\":7");
    assert!(matches!(with(&newer), Err(SessionFileError::Newer { version: 7, .. })));
    let sha = decode(&file).unwrap().sha256;
    assert!(matches!(with(&header.replace(&sha, &"0".repeat(64))), Err(SessionFileError::Altered { .. })));
    assert!(matches!(with("{\"steerage_session\":1,\"x"), Err(SessionFileError::Header { .. })));
    assert!(matches!(
        decode(format!("{{\"steerage_session\":1{}", " ".repeat(9000)).as_bytes()),
        Err(SessionFileError::Header { .. })
    ));
}

/// A few bytes that would unpack to more than any machine has.
#[test]
fn a_bomb_is_not_unpacked() {
    let packed = encode(&"\n".repeat(1 << 20), "0.1.0").unwrap();
    let end = packed.iter().position(|&byte| byte == b'\n').unwrap();
    let with = |bytes: usize| {
        let header = format!("{{\"steerage_session\":1,\"steerage\":\"0\",\"sha256\":\"\",\"content_bytes\":{bytes}}}");
        decode(&[header.as_bytes(), &packed[end..]].concat())
    };
    let error = with(10).unwrap_err().to_string();
    assert!(error.contains("10 bytes are packed, and there are more"), "{error}");
    assert_eq!(with(MAX_CONTENT_BYTES + 1), Err(SessionFileError::TooLarge { bytes: MAX_CONTENT_BYTES + 1 }));
}

#[test]
fn a_wrong_line_is_named() {
    let content = decode(&golden_v1()).unwrap().content;
    let broken: Vec<&str> = content.lines().enumerate().map(|(at, line)| if at == 4 { "{" } else { line }).collect();
    let error = decode(&encode(&broken.join("\n"), "0.1.0").unwrap()).unwrap_err();
    assert!(matches!(error, SessionFileError::Recording(RecordingError::Line { line: 5, .. })), "{error:?}");
}

#[test]
fn what_is_left_out_is_gone_and_the_result_stays() {
    let session = decode(&golden_v1()).unwrap();
    let whole = replayed(&session);
    let left = leave_out(&session.recording.events, &Part::ALL);
    let about = About { left_out: Part::ALL.to_vec(), ..session.recording.about.clone() };
    let trimmed = decode(&encode(&write(&Recording { about, events: left }), "0.1.0").unwrap()).unwrap();
    let state = replayed(&trimmed);
    assert_eq!((&state.result, state.phase), (&whole.result, whole.phase));
    assert_eq!(state.best.map(|best| best.prefix), whole.best.map(|best| best.prefix));
    assert!(state.curve.is_empty() && state.candidate_count == 0 && !whole.curve.is_empty());
    for (suffix, before) in state.suffixes.iter().zip(&whole.suffixes) {
        assert!(!trimmed.content.contains(&before.text), "{}", before.text);
        assert!(suffix.text.is_empty() && suffix.ce_none == before.ce_none);
    }
    let (spec, before) = (state.spec.unwrap(), whole.spec.unwrap());
    assert!(spec.stages.is_empty() && spec.teacher == before.teacher && !before.stages.is_empty());
}
