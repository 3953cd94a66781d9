//! Where the replay of a recording stands: events on their own time, faster or slower.

use shared::event::Stamped;

/// A place in a recording that moves with time.
#[derive(Clone, Debug)]
pub struct Player {
    /// When each event happened, in milliseconds after the first.
    at_ms: Vec<f64>,
    /// How far the replay is, likewise.
    now_ms: f64,
}

impl Player {
    /// A player at the recording's end, where the verdict is.
    pub fn new(events: &[Stamped]) -> Self {
        let first = events.first().map_or(0, |stamped| stamped.at_unix_ms);
        let at_ms: Vec<f64> = events.iter().map(|stamped| stamped.at_unix_ms.saturating_sub(first) as f64).collect();
        let now_ms = at_ms.last().copied().unwrap_or(0.0);
        Player { at_ms, now_ms }
    }

    /// Events in all.
    pub fn len(&self) -> usize {
        self.at_ms.len()
    }

    /// Events that have happened by now; at least the first.
    pub fn place(&self) -> usize {
        self.at_ms.partition_point(|&at_ms| at_ms <= self.now_ms).max(1)
    }

    /// Time since the first event, in seconds.
    pub fn elapsed_secs(&self) -> f64 {
        self.now_ms / 1e3
    }

    /// Length of the recording, in seconds.
    pub fn total_secs(&self) -> f64 {
        self.at_ms.last().copied().unwrap_or(0.0) / 1e3
    }

    /// Whether everything has happened.
    pub fn is_over(&self) -> bool {
        self.place() >= self.len()
    }

    /// Goes to where `place` events have happened, the last of them just now.
    pub fn seek(&mut self, place: usize) {
        let last = place.clamp(1, self.len().max(1)) - 1;
        self.now_ms = self.at_ms.get(last).copied().unwrap_or(0.0);
    }

    /// Lets time pass.
    pub fn advance(&mut self, by_ms: f64) {
        self.now_ms = (self.now_ms + by_ms).min(self.total_secs() * 1e3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::Event;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn player(times: &[u64]) -> Player {
        let stamped = |(at, &at_unix_ms): (usize, &u64)| {
            let event = Event::StageStarted { stage: at };
            Stamped { run: "r".to_owned(), epoch: 1, seq: at as u64 + 1, at_unix_ms, event }
        };
        Player::new(&times.iter().enumerate().map(stamped).collect::<Vec<_>>())
    }

    #[test]
    fn a_recording_opens_at_its_end_and_plays_from_anywhere() {
        let mut player = player(&[5000, 5000, 7000, 9000]);
        assert!(player.is_over() && player.place() == 4 && player.total_secs() == 4.0);
        player.seek(1);
        // What happened at the same moment shows together.
        assert_eq!((player.place(), player.elapsed_secs()), (2, 0.0));
        player.advance(1999.0);
        assert_eq!(player.place(), 2);
        player.advance(1.0);
        assert_eq!(player.place(), 3);
        player.advance(1e9);
        assert!(player.is_over() && player.elapsed_secs() == 4.0);
    }

    #[test]
    fn places_outside_of_the_recording_are_its_ends() {
        let mut player = player(&[0, 1000]);
        player.seek(99);
        assert_eq!(player.place(), 2);
        player.seek(0);
        assert_eq!(player.place(), 1);
    }
}
