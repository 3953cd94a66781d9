//! A session in one file, `*.steerage`: a line that says what it is, then a recording, compressed.
//!
//! ```text
//! {"steerage_session":1,"steerage":"0.1.0","sha256":"…","content_bytes":68158}⏎
//! gzip( recording )
//! ```
//!
//! The SHA-256 is of the recording's text, so that the same log has the same address however it was compressed.
//! `docs/session-file.md` is the schema. Reading trusts nothing: neither lengths nor compression nor text.

use crate::recording::{self, Recording, RecordingError};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write as _};

/// Version of the file; a reader refuses later ones.
pub const VERSION: u32 = 1;

/// The ending of a session file's name, without the dot.
pub const EXTENSION: &str = "steerage";

/// Longest recording that is unpacked, in bytes.
pub const MAX_CONTENT_BYTES: usize = 128 << 20;

/// Longest first line, in bytes.
const MAX_HEADER_BYTES: usize = 4096;

/// Set aside before anything is known to be there, in bytes.
const FIRST_BYTES: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    /// [`VERSION`] of the file.
    steerage_session: u32,
    /// Version of the program that wrote it.
    steerage: String,
    /// Of the recording's text, in hex.
    sha256: String,
    /// Length of the recording's text.
    content_bytes: usize,
}

/// A session file, read and found whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// SHA-256 of [`Session::content`], in hex: the session's address.
    pub sha256: String,
    /// The recording as it stands in the file.
    pub content: String,
    /// What it says.
    pub recording: Recording,
}

/// Why a file is no session that can be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionFileError {
    /// It is something else.
    #[error("this is no Steerage session: it does not begin with a session's header")]
    NotASession,
    /// Its first line is a session's and says something impossible.
    #[error("line 1, the header, is damaged: {reason}")]
    Header {
        /// What is wrong.
        reason: String,
    },
    /// A later program wrote it.
    #[error(
        "the session is of version {version}, written by Steerage {steerage}; this program reads up to version {VERSION}: use a newer one"
    )]
    Newer {
        /// Version of the file.
        version: u64,
        /// Version of the program that wrote it.
        steerage: String,
    },
    /// It would need too much memory.
    #[error("the session holds {bytes} bytes; at most {MAX_CONTENT_BYTES} are unpacked")]
    TooLarge {
        /// What it says that it holds, or does hold.
        bytes: usize,
    },
    /// Its end is missing.
    #[error("the file ends too early, at byte {offset}: it was cut off, as by a download that broke")]
    Truncated {
        /// Its length.
        offset: usize,
    },
    /// It cannot be unpacked.
    #[error("the file is damaged near byte {offset}: {reason}")]
    Damaged {
        /// How far it was unpacked.
        offset: usize,
        /// What is wrong.
        reason: String,
    },
    /// There is something after its end.
    #[error("the session ends at byte {offset}, and something else follows in the file")]
    Trailing {
        /// Where it ends.
        offset: usize,
    },
    /// It is not what its header says.
    #[error(
        "the content is not the one that the header names: it was altered or damaged (SHA-256 {found}, expected {expected})"
    )]
    Altered {
        /// As the header says.
        expected: String,
        /// As it is.
        found: String,
    },
    /// What was unpacked is no recording.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// It could not be compressed.
    #[error("the session cannot be compressed: {0}")]
    Compression(String),
}

/// SHA-256 of a text, in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The file that holds a recording's text.
pub fn encode(content: &str, steerage: &str) -> Result<Vec<u8>, SessionFileError> {
    if content.len() > MAX_CONTENT_BYTES {
        return Err(SessionFileError::TooLarge { bytes: content.len() });
    }
    let failed = |error: &dyn std::fmt::Display| SessionFileError::Compression(error.to_string());
    let header = Header {
        steerage_session: VERSION,
        steerage: steerage.to_owned(),
        sha256: sha256_hex(content.as_bytes()),
        content_bytes: content.len(),
    };
    let mut file = serde_json::to_vec(&header).map_err(|error| failed(&error))?;
    file.push(b'\n');
    let mut encoder = GzEncoder::new(file, Compression::best());
    encoder.write_all(content.as_bytes()).map_err(|error| failed(&error))?;
    encoder.finish().map_err(|error| failed(&error))
}

/// Opens a session file, or a recording that was never packed.
pub fn decode(bytes: &[u8]) -> Result<Session, SessionFileError> {
    let first = &bytes[..bytes.len().min(MAX_HEADER_BYTES)];
    let line_end = first.iter().position(|&byte| byte == b'\n');
    let line = &first[..line_end.unwrap_or(first.len())];
    if begins_as(line, "recording") {
        return plain(bytes);
    }
    if !begins_as(line, "steerage_session") {
        return Err(SessionFileError::NotASession);
    }
    let Some(line_end) = line_end else {
        let is_cut = bytes.len() < MAX_HEADER_BYTES;
        let reason = format!("it does not end within {MAX_HEADER_BYTES} bytes");
        return Err(match is_cut {
            true => SessionFileError::Truncated { offset: bytes.len() },
            false => SessionFileError::Header { reason },
        });
    };
    let header = read_header(line)?;
    if header.content_bytes > MAX_CONTENT_BYTES {
        return Err(SessionFileError::TooLarge { bytes: header.content_bytes });
    }
    let content = unpack(bytes, line_end + 1, header.content_bytes)?;
    let found = sha256_hex(&content);
    if found != header.sha256 {
        return Err(SessionFileError::Altered { expected: header.sha256, found });
    }
    open(content, found)
}

/// Whether a line is the beginning of an object whose first field has this name.
fn begins_as(line: &[u8], field: &str) -> bool {
    let expected = format!("{{\"{field}\":");
    line.starts_with(expected.as_bytes())
}

fn plain(bytes: &[u8]) -> Result<Session, SessionFileError> {
    if bytes.len() > MAX_CONTENT_BYTES {
        return Err(SessionFileError::TooLarge { bytes: bytes.len() });
    }
    open(bytes.to_vec(), sha256_hex(bytes))
}

fn open(content: Vec<u8>, sha256: String) -> Result<Session, SessionFileError> {
    let content = String::from_utf8(content).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count() + 1;
        RecordingError::Line { line, reason: "it is not UTF-8 text".to_owned() }
    })?;
    let recording = recording::read(&content)?;
    Ok(Session { sha256, content, recording })
}

fn read_header(line: &[u8]) -> Result<Header, SessionFileError> {
    /// What the first line has in every version.
    #[derive(Deserialize)]
    struct AnyHeader {
        steerage_session: u64,
        steerage: String,
    }
    let wrong = |error: serde_json::Error| SessionFileError::Header { reason: error.to_string() };
    // The page reads all JSON from text: reading it from bytes as well would make its program some kilobytes larger.
    let line = std::str::from_utf8(line)
        .map_err(|_| SessionFileError::Header { reason: "it is not UTF-8 text".to_owned() })?;
    let AnyHeader { steerage_session: version, steerage } = serde_json::from_str(line).map_err(wrong)?;
    if version > u64::from(VERSION) {
        return Err(SessionFileError::Newer { version, steerage });
    }
    serde_json::from_str(line).map_err(wrong)
}

/// Unpacks what begins at `start` and must have `length` bytes.
fn unpack(bytes: &[u8], start: usize, length: usize) -> Result<Vec<u8>, SessionFileError> {
    let mut decoder = GzDecoder::new(&bytes[start..]);
    let mut content = Vec::with_capacity(length.min(FIRST_BYTES));
    // One byte more than there may be: reading it is how the end is seen, and no file unpacks further.
    let read = decoder.by_ref().take(length as u64 + 1).read_to_end(&mut content);
    let offset = bytes.len() - decoder.get_ref().len();
    match read {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(SessionFileError::Truncated { offset: bytes.len() })
        }
        Err(error) => Err(SessionFileError::Damaged { offset, reason: error.to_string() }),
        Ok(_) if content.len() != length => {
            let found = if content.len() > length { "more".to_owned() } else { content.len().to_string() };
            let reason = format!("the header says that {length} bytes are packed, and there are {found}");
            Err(SessionFileError::Damaged { offset, reason })
        }
        Ok(_) if offset != bytes.len() => Err(SessionFileError::Trailing { offset }),
        Ok(_) => Ok(content),
    }
}
