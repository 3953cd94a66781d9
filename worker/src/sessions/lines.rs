//! Lines of a bounded length, as many at a time as have arrived together.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// Longer than allowed.
    #[error("a line is longer than {max_bytes} bytes")]
    TooLong {
        /// The bound.
        max_bytes: usize,
    },
    /// Not text.
    #[error("a line is not UTF-8")]
    NotText,
    /// The pipe broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Lines that arrived together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Complete lines, in order, without those that are empty.
    pub(super) lines: Vec<String>,
    /// What came after them, where it was not a pause.
    pub(super) end: Option<End>,
}

/// Why no more lines come.
#[derive(Debug)]
pub(super) enum End {
    /// The stream ended.
    Closed,
    /// What comes next is no line.
    Broken(LineError),
}

/// Cuts a stream into lines.
pub(super) struct LineReader<R> {
    source: R,
    /// What was read and not yet handed out.
    buffer: Vec<u8>,
    max_line_bytes: usize,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(super) fn new(source: R, max_line_bytes: usize) -> Self {
        LineReader { source, buffer: Vec::new(), max_line_bytes }
    }

    /// Waits for the next complete lines or the end. Loses nothing when it is cancelled. After a
    /// broken line it may be called again, and goes on with what was not yet read.
    pub(super) async fn next(&mut self) -> Batch {
        loop {
            self.buffer.reserve(CHUNK_BYTES);
            let closed = match self.source.read_buf(&mut self.buffer).await {
                Ok(bytes) => bytes == 0,
                Err(error) => return Batch { lines: Vec::new(), end: Some(End::Broken(error.into())) },
            };
            let complete = match self.buffer.iter().rposition(|&byte| byte == b'\n') {
                // The last line of a stream may lack its end.
                _ if closed => self.buffer.len(),
                Some(end) => end + 1,
                None => 0,
            };
            let mut batch = self.cut(complete);
            if batch.end.is_none() && self.buffer.len() > self.max_line_bytes {
                self.buffer.clear();
                batch.end = Some(End::Broken(LineError::TooLong { max_bytes: self.max_line_bytes }));
            }
            if batch.end.is_none() && closed {
                batch.end = Some(End::Closed);
            }
            if batch.end.is_some() || !batch.lines.is_empty() {
                return batch;
            }
        }
    }

    /// Takes complete lines off the buffer, up to the first that is none.
    fn cut(&mut self, complete: usize) -> Batch {
        let mut batch = Batch::default();
        for bytes in self.buffer[..complete].split(|&byte| byte == b'\n') {
            if bytes.len() > self.max_line_bytes {
                batch.end = Some(End::Broken(LineError::TooLong { max_bytes: self.max_line_bytes }));
                break;
            }
            let Ok(line) = std::str::from_utf8(bytes) else {
                batch.end = Some(End::Broken(LineError::NotText));
                break;
            };
            if !line.trim().is_empty() {
                batch.lines.push(line.trim().to_owned());
            }
        }
        self.buffer.drain(..complete);
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    async fn all(bytes: &[u8], max_line_bytes: usize) -> (Vec<String>, End) {
        let mut reader = LineReader::new(bytes, max_line_bytes);
        let mut lines = Vec::new();
        loop {
            let batch = reader.next().await;
            lines.extend(batch.lines);
            if let Some(end) = batch.end {
                return (lines, end);
            }
        }
    }

    #[tokio::test]
    async fn lines_come_out_whole_and_in_order() {
        let (lines, end) = all(b"one\r\n\ntwo\nthree", 9).await;
        assert!(lines == ["one", "two", "three"] && matches!(end, End::Closed), "{lines:?} {end:?}");
        let many: String = (0..50_000).map(|n| format!("{n}\n")).collect();
        let (lines, _) = all(many.as_bytes(), 9).await;
        assert!(lines.iter().enumerate().all(|(n, line)| *line == n.to_string()) && lines.len() == 50_000);
    }

    #[tokio::test]
    async fn a_line_may_have_the_bound_and_not_one_byte_more() {
        assert!(matches!(all(b"123456789\n1\n", 9).await, (lines, End::Closed) if lines.len() == 2));
        let too_long = |end: &End| matches!(end, End::Broken(LineError::TooLong { max_bytes: 9 }));
        let (lines, end) = all(b"1\n1234567890\n2\n", 9).await;
        assert!(lines == ["1"] && too_long(&end), "what came before is kept: {lines:?} {end:?}");
        let (lines, end) = all(&[b'x'; 1 << 20], 9).await;
        assert!(lines.is_empty() && too_long(&end), "{end:?}");
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_end_the_lines() {
        let (lines, end) = all(b"one\n\xff\ntwo\n", 9).await;
        assert!(lines == ["one"] && matches!(end, End::Broken(LineError::NotText)), "{lines:?} {end:?}");
    }

    #[tokio::test]
    async fn a_cancelled_read_loses_nothing() {
        let (mut writer, source) = tokio::io::duplex(64);
        let mut reader = LineReader::new(source, 100);
        writer.write_all(b"hel").await.unwrap();
        tokio::time::timeout(std::time::Duration::from_millis(20), reader.next()).await.unwrap_err();
        writer.write_all(b"lo\n").await.unwrap();
        assert_eq!(reader.next().await.lines, ["hello"]);
    }
}
