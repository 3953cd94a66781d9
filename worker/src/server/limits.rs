//! Every bound that a client can run into, in one place; `docs/protocol.md` names them all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// TCP connections at a time; further ones wait.
pub const MAX_CONNECTIONS: usize = 256;

/// WebSockets at a time; one more is refused with 503.
pub const MAX_SOCKETS: usize = 64;

/// Largest head of a request, in bytes.
pub const MAX_REQUEST_HEAD_BYTES: usize = 32 * 1024;

/// Time for the head of a request, from when the connection is idle, and for the hello of a socket.
pub const HANDSHAKE: Duration = Duration::from_secs(5);

/// A client message beyond [`shared::wire::MAX_CLIENT_MESSAGE_BYTES`] is answered with an error; one
/// beyond this is not even read, and closes the socket.
pub const MAX_READ_BYTES: usize = 256 * 1024;

/// How deeply a client message may be nested.
pub const MAX_DEPTH: usize = 32;

/// Subscriptions of one socket.
pub const MAX_SUBSCRIPTIONS: usize = 64;

/// Commands of one socket a minute; one more is refused.
pub const COMMANDS_A_MINUTE: usize = 120;

/// Messages of one socket a minute, whatever they say; one more closes it.
pub const MESSAGES_A_MINUTE: usize = 600;

/// A socket that takes nothing for so long is closed.
pub const STALLED: Duration = Duration::from_secs(5);

/// How often a silent client is pinged.
pub const PING_EVERY: Duration = Duration::from_secs(20);

/// A client from which nothing was heard for so long, not even an answer to a ping, is gone.
pub const SILENT: Duration = Duration::from_secs(60);

/// Wrong credentials from one address a minute and an hour; after that the answer is "later".
pub const BAD_ATTEMPTS: [(usize, Duration); 2] = [(2, MINUTE), (12, Duration::from_secs(3600))];

/// The unit of rates.
pub const MINUTE: Duration = Duration::from_secs(60);

/// Counts what happened within a sliding window.
#[derive(Debug)]
pub(super) struct Rate {
    max: usize,
    window: Duration,
    happened: VecDeque<Instant>,
}

impl Rate {
    /// At most `max` times within any stretch of `window`.
    pub(super) fn new(max: usize, window: Duration) -> Self {
        Rate { max, window, happened: VecDeque::new() }
    }

    /// Counts one more, unless that would be too many.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let free = self.is_free(now);
        if free {
            self.happened.push_back(now);
        }
        free
    }

    /// Whether one more would be allowed.
    pub(super) fn is_free(&mut self, now: Instant) -> bool {
        while self.happened.front().is_some_and(|&then| now.duration_since(then) >= self.window) {
            self.happened.pop_front();
        }
        self.happened.len() < self.max
    }

    /// When it last happened, as far as it still counts.
    pub(super) fn last(&self) -> Option<Instant> {
        self.happened.back().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_forgets_what_is_older_than_its_window() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut rate = Rate::new(2, MINUTE);
        assert!(rate.allows(at(0)) && rate.allows(at(30)));
        assert!(!rate.allows(at(59)), "two within the last minute");
        assert!(rate.allows(at(60)), "the first is a minute old");
        assert!(!rate.allows(at(61)));
    }
}
