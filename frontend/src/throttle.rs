//! At most so many updates a second, without losing the last one.

use leptos::prelude::*;
use std::time::Duration;

/// Time between two updates of the page, in milliseconds: at most ten a second.
pub const UPDATE_INTERVAL_MS: f64 = 100.0;

/// Decides when a stream of changes is shown. The first change shows at once, what follows within the
/// interval shows together at its end.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    interval_ms: f64,
    shown_at_ms: f64,
    scheduled: bool,
}

/// What to do about a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// Show it now.
    Show,
    /// Show it after so many milliseconds.
    ShowAfter(f64),
    /// A showing that is already scheduled will include it.
    Included,
}

impl Throttle {
    /// A throttle that has shown nothing yet.
    pub fn new(interval_ms: f64) -> Self {
        Throttle { interval_ms, shown_at_ms: f64::NEG_INFINITY, scheduled: false }
    }

    /// Takes note of a change. Times are in milliseconds on one monotonic clock.
    pub fn changed(&mut self, now_ms: f64) -> Decision {
        if self.scheduled {
            return Decision::Included;
        }
        let wait_ms = self.shown_at_ms + self.interval_ms - now_ms;
        if wait_ms <= 0.0 {
            self.shown_at_ms = now_ms;
            Decision::Show
        } else {
            self.scheduled = true;
            Decision::ShowAfter(wait_ms)
        }
    }

    /// Takes note that a scheduled showing happened.
    pub fn shown(&mut self, now_ms: f64) {
        self.scheduled = false;
        self.shown_at_ms = now_ms;
    }
}

/// A signal that follows a stream of changes at most ten times a second.
#[derive(Clone, Copy)]
pub struct Pulse {
    throttle: StoredValue<Throttle>,
    revision: RwSignal<u64>,
}

impl Pulse {
    /// A pulse that has not beaten yet; it lives as long as the current owner.
    pub fn new() -> Self {
        Pulse { throttle: StoredValue::new(Throttle::new(UPDATE_INTERVAL_MS)), revision: RwSignal::new(0) }
    }

    /// Makes the current reactive computation run again on the next beat.
    pub fn track(&self) {
        self.revision.track();
    }

    /// Takes note of a change.
    pub fn changed(&self) {
        let this = *self;
        match this.throttle.try_update_value(|throttle| throttle.changed(now_ms())) {
            Some(Decision::Show) => this.beat(),
            Some(Decision::ShowAfter(wait_ms)) => set_timeout(
                move || {
                    // The page may have been left meanwhile.
                    this.throttle.try_update_value(|throttle| throttle.shown(now_ms()));
                    this.beat();
                },
                Duration::from_secs_f64(wait_ms / 1e3),
            ),
            Some(Decision::Included) | None => {}
        }
    }

    fn beat(&self) {
        self.revision.try_update(|revision| *revision += 1);
    }
}

fn now_ms() -> f64 {
    window().performance().map_or_else(js_sys::Date::now, |performance| performance.now())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Feeds a change every `gap_ms` and returns the times at which something was shown.
    fn shown_times(changes: u32, gap_ms: f64) -> Vec<f64> {
        let mut throttle = Throttle::new(100.0);
        let (mut shown, mut due) = (Vec::new(), None);
        for change in 0..changes {
            let now = f64::from(change) * gap_ms;
            if let Some(at) = due.take_if(|at| *at <= now) {
                throttle.shown(at);
                shown.push(at);
            }
            match throttle.changed(now) {
                Decision::Show => shown.push(now),
                Decision::ShowAfter(wait) => due = Some(now + wait),
                Decision::Included => {}
            }
        }
        shown.extend(due);
        shown
    }

    #[test]
    fn ten_thousand_changes_a_second_show_ten_times() {
        let shown = shown_times(10_000, 0.1);
        assert_eq!(shown[0], 0.0, "the first shows at once");
        assert!((10..=11).contains(&shown.len()), "{shown:?}");
        assert!(shown.windows(2).all(|pair| pair[1] - pair[0] >= 99.9), "{shown:?}");
    }

    #[test]
    fn the_last_change_is_never_lost() {
        let shown = shown_times(3, 10.0);
        assert_eq!(shown, [0.0, 100.0], "changes at 0, 10 and 20 ms");
    }

    #[test]
    fn rare_changes_show_at_once() {
        assert_eq!(shown_times(4, 250.0), [0.0, 250.0, 500.0, 750.0]);
    }
}
