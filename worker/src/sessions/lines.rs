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

    /// Waits for the next complete lines; none: the stream ended. Loses nothing when it is
    /// cancelled.
    pub(super) async fn next(&mut self) -> Result<Vec<String>, LineError> {
        loop {
            self.buffer.reserve(CHUNK_BYTES);
            let ended = self.source.read_buf(&mut self.buffer).await? == 0;
            let complete = match self.buffer.iter().rposition(|&byte| byte == b'\n') {
                Some(end) => end + 1,
                // The last line of a stream may lack its end.
                None if ended => self.buffer.len(),
                None => 0,
            };
            if self.buffer.len() - complete > self.max_line_bytes {
                return Err(LineError::TooLong { max_bytes: self.max_line_bytes });
            }
            let lines = self.cut(complete)?;
            if ended || !lines.is_empty() {
                return Ok(lines);
            }
        }
    }

    /// Forgets a line that was too long, up to where it was read.
    pub(super) fn discard(&mut self) {
        self.buffer.clear();
    }

    fn cut(&mut self, complete: usize) -> Result<Vec<String>, LineError> {
        let mut lines = Vec::new();
        for line in self.buffer[..complete].split(|&byte| byte == b'\n') {
            if line.len() > self.max_line_bytes {
                return Err(LineError::TooLong { max_bytes: self.max_line_bytes });
            }
            let line = std::str::from_utf8(line).map_err(|_| LineError::NotText)?.trim();
            if !line.is_empty() {
                lines.push(line.to_owned());
            }
        }
        self.buffer.drain(..complete);
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    async fn all(bytes: &[u8], max_line_bytes: usize) -> Result<Vec<String>, LineError> {
        let mut reader = LineReader::new(bytes, max_line_bytes);
        let mut lines = Vec::new();
        loop {
            match reader.next().await? {
                batch if batch.is_empty() => return Ok(lines),
                batch => lines.extend(batch),
            }
        }
    }

    #[tokio::test]
    async fn lines_come_out_whole_and_in_order() {
        assert_eq!(all(b"one\r\n\ntwo\nthree", 9).await.unwrap(), ["one", "two", "three"]);
        let many: String = (0..50_000).map(|n| format!("{n}\n")).collect();
        let lines = all(many.as_bytes(), 9).await.unwrap();
        assert!(lines.iter().enumerate().all(|(n, line)| *line == n.to_string()) && lines.len() == 50_000);
    }

    #[tokio::test]
    async fn a_line_may_have_the_bound_and_not_one_byte_more() {
        assert_eq!(all(b"123456789\n1\n", 9).await.unwrap().len(), 2);
        assert!(matches!(all(b"1\n1234567890\n2\n", 9).await, Err(LineError::TooLong { max_bytes: 9 })));
        assert!(matches!(all(&[b'x'; 1 << 20], 1000).await, Err(LineError::TooLong { max_bytes: 1000 })));
        assert!(matches!(all(b"\xff\n", 9).await, Err(LineError::NotText)));
    }

    #[tokio::test]
    async fn a_cancelled_read_loses_nothing() {
        let (mut writer, source) = tokio::io::duplex(64);
        let mut reader = LineReader::new(source, 100);
        writer.write_all(b"hel").await.unwrap();
        tokio::time::timeout(std::time::Duration::from_millis(20), reader.next()).await.unwrap_err();
        writer.write_all(b"lo\n").await.unwrap();
        assert_eq!(reader.next().await.unwrap(), ["hello"]);
    }
}
