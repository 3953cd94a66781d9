//! How long something took, but for the times at which it stood still.

/// A stopwatch that is read and stopped at given times: it has no clock of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopwatch {
    /// What it showed when it was last held, in milliseconds; nothing before it was started.
    held_at_ms: Option<u64>,
    /// Since when it runs, in milliseconds since the Unix epoch; nothing while it is held.
    since_unix_ms: Option<u64>,
}

impl Stopwatch {
    /// Starts at zero.
    pub fn started(at_unix_ms: u64) -> Self {
        Stopwatch { held_at_ms: Some(0), since_unix_ms: Some(at_unix_ms) }
    }

    /// Stands still from now on; one that does already goes on doing so.
    pub fn hold(&mut self, at_unix_ms: u64) {
        let shown_ms = self.elapsed_ms(at_unix_ms);
        if self.since_unix_ms.take().is_some() {
            self.held_at_ms = Some(shown_ms);
        }
    }

    /// Runs on from where it was held; one that was never started stays at zero.
    pub fn go_on(&mut self, at_unix_ms: u64) {
        if self.held_at_ms.is_some() && self.since_unix_ms.is_none() {
            self.since_unix_ms = Some(at_unix_ms);
        }
    }

    /// What it shows at a time, in seconds.
    pub fn elapsed_secs(&self, now_unix_ms: u64) -> f64 {
        self.elapsed_ms(now_unix_ms) as f64 / 1e3
    }

    fn elapsed_ms(&self, now_unix_ms: u64) -> u64 {
        // A client's clock may be behind the worker's.
        let running_ms = self.since_unix_ms.map_or(0, |since| now_unix_ms.saturating_sub(since));
        self.held_at_ms.unwrap_or(0).saturating_add(running_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_while_it_runs() {
        let mut watch = Stopwatch::started(1_000);
        assert_eq!(watch.elapsed_secs(3_500), 2.5);
        watch.hold(4_000);
        watch.hold(9_000);
        assert_eq!(watch.elapsed_secs(60_000), 3.0, "held once is held");
        watch.go_on(100_000);
        watch.go_on(100_900);
        assert_eq!(watch.elapsed_secs(101_000), 4.0, "going on twice takes nothing back");
        assert_eq!(watch.elapsed_secs(0), 3.0, "a clock that is behind takes nothing back");
    }

    #[test]
    fn one_that_was_never_started_shows_nothing() {
        let mut watch = Stopwatch::default();
        watch.go_on(5);
        watch.hold(900);
        assert_eq!(watch.elapsed_secs(1_000_000), 0.0);
    }
}
