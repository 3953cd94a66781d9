//! A run as the page follows it: events go into one [`RunState`], pages look at it ten times a second.

use crate::clock::Clock;
use crate::connection::Connection;
use crate::throttle::Pulse;
use leptos::prelude::*;
use shared::event::Stamped;
use shared::state::RunState;

/// A handle to a followed run; copies share it.
///
/// The state itself is not reactive: ten thousand events a second change it without anybody looking.
/// A [`Pulse`] tells the page when to look.
#[derive(Clone, Copy)]
pub struct RunFeed {
    state: StoredValue<RunState>,
    pulse: Pulse,
    /// Tells the time of a run that goes on; a recording has its own.
    clock: Option<Clock>,
}

impl RunFeed {
    /// A feed that nothing flows into yet; it lives as long as the current owner.
    pub fn new() -> Self {
        RunFeed { state: StoredValue::new(RunState::default()), pulse: Pulse::new(), clock: Some(Clock::get()) }
    }

    /// A feed for a recording: its time is that of the last event shown.
    pub fn recorded() -> Self {
        RunFeed { clock: None, ..Self::new() }
    }

    /// Whether this is a recording, to which nothing can be done.
    pub fn is_recorded(&self) -> bool {
        self.clock.is_none()
    }

    /// The time for what counts up or down, in milliseconds since the Unix epoch.
    pub fn now_unix_ms(&self) -> f64 {
        match self.clock {
            Some(clock) => clock.now_unix_ms(),
            None => self.with(|state| state.last_unix_ms) as f64,
        }
    }

    /// Shows a recording up to the end of `events`, all from its first one.
    pub fn replay(&self, events: &[Stamped]) {
        self.state.update_value(|state| {
            // Counted by their places: where parts were left out, there are gaps.
            let end = events.last().map_or((0, 0), |stamped| (stamped.epoch, stamped.seq));
            if (state.epoch, state.seq) > end {
                *state = RunState::default();
            }
            events.iter().for_each(|stamped| state.apply(stamped));
        });
        self.pulse.changed();
    }

    /// Follows a run until the current owner is cleaned up.
    pub fn follow(&self, connection: Connection, run: String) {
        let this = *self;
        connection.subscribe(&run, move |stamped| this.apply(stamped));
        on_cleanup(move || connection.unsubscribe(&run));
    }

    /// Takes one event in.
    pub fn apply(&self, stamped: &Stamped) {
        if self.state.try_update_value(|state| state.apply(stamped)).is_some() {
            self.pulse.changed();
        }
    }

    /// Looks at the state, and again on every beat.
    pub fn with<T>(&self, look: impl FnOnce(&RunState) -> T) -> T {
        self.pulse.track();
        self.state.with_value(look)
    }

    /// A part of the state; whatever depends on it runs only when that part changed.
    pub fn part<T: PartialEq + Send + Sync + 'static>(
        &self,
        look: impl Fn(&RunState) -> T + Send + Sync + 'static,
    ) -> Memo<T> {
        let this = *self;
        Memo::new(move |_| this.with(&look))
    }
}
