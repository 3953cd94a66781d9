//! A stand-in for the hub: one answer a connection, in the order given, the last for all that follow.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What a connection gets.
#[derive(Clone)]
pub enum Answer {
    /// Only a status.
    Status(u16),
    /// The bytes, or the part of them that was asked for.
    File(Vec<u8>),
    /// The same, but the connection breaks after so many bytes.
    Cut(Vec<u8>, usize),
    /// All bytes whatever part was asked for.
    WholeFile(Vec<u8>),
    /// All bytes, without saying how many.
    Unmeasured(Vec<u8>),
    /// A part that begins elsewhere than where it was asked for.
    WrongPart(Vec<u8>),
    /// The same path on another host.
    Redirect(String),
}

/// What a connection asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

pub struct Stub {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, mut answers) = (Arc::clone(&requests), VecDeque::from_iter(answers));
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let request = read(&stream);
                let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
                let range = request.range.clone();
                let path = request.path.clone();
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                // The client may have gone.
                let _ = answer.unwrap().write(&stream, range.as_deref(), &path);
            }
        });
        Stub { port, requests }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn ranges(&self) -> Vec<Option<String>> {
        self.requests().into_iter().map(|request| request.range).collect()
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next().and_then(|line| Some(line.split(' ').nth(1)?.to_owned())).unwrap_or_default();
    let mut request = Request { path, ..Request::default() };
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value.to_owned()),
            "authorization" => request.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    request
}

impl Answer {
    fn write(&self, mut stream: &TcpStream, range: Option<&str>, path: &str) -> std::io::Result<()> {
        let start: usize =
            range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()).unwrap_or_default();
        let part = |bytes: &[u8], start: usize| match range {
            None => format!("200 OK\r\ncontent-length: {}", bytes.len()),
            Some(_) => {
                let (length, last, total) = (bytes.len() - start, bytes.len() - 1, bytes.len());
                format!("206 Partial\r\ncontent-length: {length}\r\ncontent-range: bytes {start}-{last}/{total}")
            }
        };
        let (head, body) = match self {
            Answer::Status(status) => (format!("{status} Status\r\ncontent-length: 0"), &[][..]),
            Answer::File(bytes) if start >= bytes.len() && start > 0 => {
                ("416 Range\r\ncontent-length: 0".to_owned(), &[][..])
            }
            Answer::File(bytes) => (part(bytes, start), &bytes[start..]),
            Answer::Cut(bytes, after) => (part(bytes, start), &bytes[start..start + after]),
            Answer::WholeFile(bytes) => (format!("200 OK\r\ncontent-length: {}", bytes.len()), &bytes[..]),
            Answer::Unmeasured(bytes) => ("200 OK".to_owned(), &bytes[..]),
            Answer::WrongPart(bytes) => (part(bytes, 1), &bytes[1..]),
            Answer::Redirect(to) => (format!("302 Found\r\nlocation: {to}{path}\r\ncontent-length: 0"), &[][..]),
        };
        stream.write_all(format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes())?;
        stream.write_all(body)
    }
}
