//! What a run may be asked while it works: to stop, to stand still, to end its search early.
//!
//! Whoever asks and the thread that works share one [`Control`]. The working thread asks it before each batch
//! ([`Control::proceed`]), which is where it stands still, and before each step whether to end the search.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Somebody asked the run to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

/// What a run that was asked to pause does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standstill {
    /// It stands still.
    Begins,
    /// It goes on.
    Ends,
}

/// Hears of standstills, on the thread that works.
type Listener = Box<dyn Fn(Standstill) + Send + Sync>;

/// What a run is asked.
pub struct Control {
    began: Instant,
    asked: Mutex<Asked>,
    changed: Condvar,
    listener: Option<Listener>,
}

#[derive(Default)]
struct Asked {
    cancel: bool,
    pause: bool,
    finish: bool,
    /// How long the run stood still so far.
    stood: Duration,
    /// What an earlier attempt had worked on what was not done again.
    ahead: Duration,
}

impl Default for Control {
    fn default() -> Self {
        Control::new()
    }
}

impl Control {
    /// Asks for nothing yet.
    pub fn new() -> Self {
        Control { began: Instant::now(), asked: Mutex::default(), changed: Condvar::new(), listener: None }
    }

    /// The same, and tells somebody when the run really stands still and when it goes on.
    pub fn telling(mut self, listener: impl Fn(Standstill) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Asks the run to stop, also while it stands still.
    pub fn cancel(&self) {
        self.ask(|asked| asked.cancel = true);
    }

    /// Asks the run to stand still before its next batch.
    pub fn pause(&self) {
        self.ask(|asked| asked.pause = true);
    }

    /// Lets the run go on.
    pub fn resume(&self) {
        self.ask(|asked| asked.pause = false);
    }

    /// Asks the run to end its search with what it has. One that stands still does so once it goes on.
    pub fn finish(&self) {
        self.ask(|asked| asked.finish = true);
    }

    /// Takes a line as the worker sends it to a job. A line that is none of these asks for nothing.
    pub fn obey(&self, line: &str) {
        match line.trim() {
            "cancel" => self.cancel(),
            "pause" => self.pause(),
            "resume" => self.resume(),
            "finish" => self.finish(),
            _ => {}
        }
    }

    /// Whether the run is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.asked().cancel
    }

    /// Whether the search is to end with what it has.
    pub fn is_finishing(&self) -> bool {
        self.asked().finish
    }

    /// Stands still as long as that is asked for, then says whether to go on. For the one thread that works.
    pub fn proceed(&self) -> Result<(), Cancelled> {
        let asked = self.asked();
        if asked.cancel {
            return Err(Cancelled);
        }
        if !asked.pause {
            return Ok(());
        }
        // Nobody who asks something has to wait until the listener is through.
        drop(asked);
        self.stand_still()
    }

    /// How long the run has worked: the time since the control was made, without the standstills, and with what an
    /// earlier attempt had worked.
    pub fn worked(&self) -> Duration {
        let asked = self.asked();
        (self.began.elapsed() + asked.ahead).saturating_sub(asked.stood)
    }

    /// Counts as worked what an earlier attempt had worked up to here.
    pub fn catch_up(&self, worked: Duration) {
        let missing = worked.saturating_sub(self.worked());
        self.asked().ahead += missing;
    }

    fn stand_still(&self) -> Result<(), Cancelled> {
        let since = Instant::now();
        self.tell(Standstill::Begins);
        let asked = self.asked();
        let wait = self.changed.wait_while(asked, |asked| asked.pause && !asked.cancel);
        let mut asked = wait.unwrap_or_else(PoisonError::into_inner);
        asked.stood += since.elapsed();
        if asked.cancel {
            return Err(Cancelled);
        }
        drop(asked);
        self.tell(Standstill::Ends);
        Ok(())
    }

    fn tell(&self, standstill: Standstill) {
        if let Some(listener) = &self.listener {
            listener(standstill);
        }
    }

    fn ask(&self, change: impl FnOnce(&mut Asked)) {
        change(&mut self.asked());
        self.changed.notify_all();
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        // Nothing in here panics half-way.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, channel};

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(50);

    /// A control that was asked to pause, what its listener hears, and a thread that asks it once.
    fn paused() -> (Arc<Control>, Receiver<Standstill>, std::thread::JoinHandle<Result<(), Cancelled>>) {
        let (tell, told) = channel();
        let control = Arc::new(Control::new().telling(move |standstill| tell.send(standstill).unwrap()));
        control.obey("pause");
        let worker = std::thread::spawn({
            let control = Arc::clone(&control);
            move || control.proceed()
        });
        assert_eq!(told.recv_timeout(LONG), Ok(Standstill::Begins));
        (control, told, worker)
    }

    #[test]
    fn a_pause_lasts_until_it_is_taken_back_and_counts_as_no_work() {
        let (control, told, worker) = paused();
        assert!(told.recv_timeout(SHORT).is_err() && !worker.is_finished(), "it went on by itself");
        control.obey(" resume\n");
        assert_eq!(told.recv_timeout(LONG), Ok(Standstill::Ends));
        assert_eq!(worker.join().unwrap(), Ok(()));
        let age = control.began.elapsed();
        assert!(control.worked() + SHORT <= age, "worked {:?} of {age:?}", control.worked());
        assert_eq!(control.proceed(), Ok(()), "it is not paused any more");
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn a_cancel_wakes_what_stands_still() {
        let (control, told, worker) = paused();
        control.obey("cancel");
        assert_eq!(worker.join().unwrap(), Err(Cancelled));
        assert!(told.try_recv().is_err(), "what ends does not go on");
        assert!(control.is_cancelled() && control.proceed() == Err(Cancelled));
    }

    #[test]
    fn a_finish_is_kept_through_a_pause() {
        let (control, told, worker) = paused();
        control.obey("finish");
        assert!(told.recv_timeout(SHORT).is_err(), "only resuming ends a pause");
        control.resume();
        assert_eq!(worker.join().unwrap(), Ok(()));
        assert!(control.is_finishing() && !control.is_cancelled());
    }

    #[test]
    fn who_is_asked_for_nothing_goes_on() {
        let control = Control::new().telling(|_| panic!("nobody asked for a pause"));
        for line in ["", "dance", "cancelled", "Pause"] {
            control.obey(line);
        }
        control.pause();
        control.resume();
        assert_eq!(control.proceed(), Ok(()));
        assert!(!control.is_finishing());
    }
}
