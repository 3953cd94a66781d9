//! The runs as they are now, for everyone who waits for a change.

use super::page::Cursor;
use super::row::RunRow;
use shared::wire::{RunPhase, RunSummary};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// All runs, and since when each is as it is. Readers keep the revision up to which they know the
/// board and ask for what changed since; a reader that comes late gets the latest state of each run
/// once, so that nobody needs a queue.
#[derive(Default)]
pub struct Board {
    revision: u64,
    runs: HashMap<String, Entry>,
    /// Revision of a run's last change → the run.
    changes: BTreeMap<u64, String>,
    /// Links that were revoked since the worker began: those who have one open are waiting for this.
    revoked_shares: HashSet<String>,
}

struct Entry {
    row: RunRow,
    queue_position: Option<usize>,
    changed: u64,
    /// What is asked of an attempt.
    wishes: (u32, Wishes),
}

/// Something that a run can be asked while a job works on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To stop.
    Cancel,
    /// To stand still.
    Pause,
    /// To go on.
    Resume,
    /// To end its search and give the verdict.
    Finish,
}

/// All that a run is asked at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// To stop.
    pub cancel: bool,
    /// To stand still.
    pub pause: bool,
    /// To end its search and give the verdict.
    pub finish: bool,
}

impl Wishes {
    fn take_in(&mut self, wish: Wish) {
        match wish {
            Wish::Cancel => self.cancel = true,
            Wish::Pause => self.pause = true,
            Wish::Resume => self.pause = false,
            // Who stands still never gets there.
            Wish::Finish => *self = Wishes { finish: true, pause: false, ..*self },
        }
    }
}

/// What changed about a run for those who look at a list.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The run is new, or different, or restored.
    Changed(Box<RunSummary>),
    /// The run with this id is deleted.
    Deleted(String),
}

/// What a committed transaction changed.
pub(crate) enum Change {
    /// A run is new or different.
    Row(Box<RunRow>),
    /// A run that is worked on is asked something.
    Wish(String, Wish),
    /// A link is revoked.
    ShareRevoked(String),
}

impl Board {
    /// Number of changes so far.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// All runs but the deleted ones, newest first.
    pub fn runs(&self) -> Vec<RunSummary> {
        let listed = self.runs.values().filter(|entry| entry.is_listed());
        let mut runs: Vec<RunSummary> = listed.map(Entry::summary).collect();
        runs.sort_by(|a, b| (b.created_unix_ms, &b.run).cmp(&(a.created_unix_ms, &a.run)));
        runs
    }

    /// The runs that changed after a revision, in the order of their last changes.
    pub fn changed_since(&self, revision: u64) -> Vec<News> {
        self.changes.range(revision + 1..).filter_map(|(_, run)| self.runs.get(run)).map(Entry::news).collect()
    }

    /// Where a run's log ends; nothing where no such run exists, or only a deleted one.
    pub fn head(&self, run: &str) -> Option<Cursor> {
        let entry = self.runs.get(run).filter(|entry| entry.is_listed())?;
        Some(Cursor { epoch: entry.row.epoch, seq: entry.row.head_seq })
    }

    /// What is asked of this attempt.
    pub fn wishes(&self, run: &str, epoch: u32) -> Wishes {
        let asked = self.runs.get(run).map(|entry| entry.wishes).filter(|(asked, _)| *asked == epoch);
        asked.map(|(_, wishes)| wishes).unwrap_or_default()
    }

    /// Whether a link was revoked since the worker began.
    pub fn is_revoked(&self, share: &str) -> bool {
        self.revoked_shares.contains(share)
    }

    /// Runs that wait.
    pub fn queued(&self) -> usize {
        self.runs.values().filter(|entry| entry.row.phase == RunPhase::Queued).count()
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Row(row) => self.apply_row(*row),
            Change::ShareRevoked(share) => {
                self.revoked_shares.insert(share);
                self.revision += 1;
            }
            Change::Wish(run, wish) => {
                if let Some(Entry { row, wishes: (epoch, wishes), .. }) = self.runs.get_mut(&run) {
                    if *epoch != row.epoch {
                        (*epoch, *wishes) = (row.epoch, Wishes::default());
                    }
                    wishes.take_in(wish);
                }
                self.revision += 1;
            }
        }
    }

    fn apply_row(&mut self, row: RunRow) {
        let run = row.run.clone();
        let before = self.runs.get(&run).map(|entry| entry.row.clone());
        match self.runs.get_mut(&run) {
            Some(entry) => entry.row = row.clone(),
            None => {
                let wishes = (row.epoch, Wishes::default());
                let entry = Entry { row: row.clone(), queue_position: None, changed: 0, wishes };
                self.runs.insert(run.clone(), entry);
            }
        }
        if before.as_ref().map(|before| before.queue_order) != Some(row.queue_order) {
            self.number_queue();
        }
        // A longer log alone is no change of the run as a list shows it.
        let listed_as = |row: &RunRow| (row.deleted_unix_ms.is_some(), row.summary(None));
        if before.as_ref().map(listed_as) != Some(listed_as(&row)) {
            self.mark(&run);
        } else {
            self.revision += 1;
        }
    }

    fn number_queue(&mut self) {
        let mut queue: Vec<(i64, String)> =
            self.runs.values().filter_map(|entry| Some((entry.row.queue_order?, entry.row.run.clone()))).collect();
        queue.sort_unstable();
        let positions: HashMap<String, usize> = queue.into_iter().map(|(_, run)| run).zip(1..).collect();
        let mut moved = Vec::new();
        for (run, entry) in &mut self.runs {
            let position = positions.get(run).copied();
            if entry.queue_position != position {
                entry.queue_position = position;
                moved.push((position, run.clone()));
            }
        }
        moved.sort_unstable();
        for (_, run) in moved {
            self.mark(&run);
        }
    }

    fn mark(&mut self, run: &str) {
        self.revision += 1;
        if let Some(entry) = self.runs.get_mut(run) {
            self.changes.remove(&entry.changed);
            entry.changed = self.revision;
            self.changes.insert(self.revision, run.to_owned());
        }
    }
}

impl Entry {
    /// A deleted run stays on the board, so that whoever looks late learns that it is gone.
    fn is_listed(&self) -> bool {
        self.row.deleted_unix_ms.is_none()
    }

    fn news(&self) -> News {
        if self.is_listed() { News::Changed(Box::new(self.summary())) } else { News::Deleted(self.row.run.clone()) }
    }

    fn summary(&self) -> RunSummary {
        self.row.summary(self.queue_position)
    }
}

/// The board and the bell that rings when it changed.
#[derive(Default)]
pub(super) struct Shared {
    board: Mutex<Board>,
    tick: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        // Nothing in here panics half-way; a poisoned board is as good as any.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ticks(&self) -> watch::Receiver<u64> {
        self.tick.subscribe()
    }

    pub(super) fn publish(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        let mut board = self.board();
        for change in changes {
            board.apply(change);
        }
        let revision = board.revision;
        drop(board);
        self.tick.send_replace(revision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(run: &str, queue_order: Option<i64>) -> RunRow {
        RunRow {
            run: run.to_owned(),
            created_unix_ms: 0,
            epoch: 1,
            head_seq: 1,
            phase: if queue_order.is_some() { RunPhase::Queued } else { RunPhase::Running },
            queue_order,
            preset: String::new(),
            model: String::new(),
            teacher: String::new(),
            seed: 0,
            gap_closed_test: None,
            prefix_text: None,
            title: None,
            tags: Vec::new(),
            settings: Default::default(),
            deleted_unix_ms: None,
        }
    }

    fn changed(board: &Board, since: u64) -> Vec<(String, Option<usize>)> {
        let changed = |news| match news {
            News::Changed(run) => Some((run.run, run.queue_position)),
            News::Deleted(_) => None,
        };
        board.changed_since(since).into_iter().filter_map(changed).collect()
    }

    #[test]
    fn taking_the_first_run_moves_the_others_up() {
        let mut board = Board::default();
        for (run, order) in [("a", 1), ("b", 2), ("c", 3)] {
            board.apply(Change::Row(Box::new(row(run, Some(order)))));
        }
        assert_eq!(changed(&board, 0), [("a".into(), Some(1)), ("b".into(), Some(2)), ("c".into(), Some(3))]);
        let seen = board.revision();
        board.apply(Change::Row(Box::new(row("a", None))));
        let mut moved = changed(&board, seen);
        moved.sort();
        assert_eq!(moved, [("a".into(), None), ("b".into(), Some(1)), ("c".into(), Some(2))]);
    }

    #[test]
    fn a_longer_log_ticks_without_changing_the_run() {
        let mut board = Board::default();
        board.apply(Change::Row(Box::new(row("a", None))));
        let seen = board.revision();
        board.apply(Change::Row(Box::new(RunRow { head_seq: 9, ..row("a", None) })));
        assert!(board.revision() > seen && board.changed_since(seen).is_empty());
        assert_eq!(board.head("a"), Some(Cursor { epoch: 1, seq: 9 }));
    }

    #[test]
    fn a_deleted_run_is_news_to_whoever_looks_late_and_comes_back_as_it_was() {
        let mut board = Board::default();
        board.apply(Change::Row(Box::new(row("a", None))));
        let (seen, before) = (board.revision(), board.runs());
        board.apply(Change::Row(Box::new(RunRow { deleted_unix_ms: Some(1), ..row("a", None) })));
        for since in [0, seen] {
            assert_eq!(board.changed_since(since), [News::Deleted("a".into())]);
        }
        assert_eq!((board.runs(), board.head("a")), (Vec::new(), None));
        board.apply(Change::Row(Box::new(row("a", None))));
        assert_eq!(board.changed_since(seen), [News::Changed(Box::new(before[0].clone()))]);
        assert_eq!((board.runs(), board.head("a")), (before, Some(Cursor { epoch: 1, seq: 1 })));
    }

    #[test]
    fn a_wish_is_for_one_attempt() {
        let mut board = Board::default();
        board.apply(Change::Row(Box::new(row("a", None))));
        board.apply(Change::Wish("a".into(), Wish::Cancel));
        assert_eq!(board.wishes("a", 1), Wishes { cancel: true, ..Wishes::default() });
        assert_eq!(board.wishes("a", 2), Wishes::default());
        board.apply(Change::Row(Box::new(RunRow { epoch: 2, ..row("a", None) })));
        board.apply(Change::Wish("a".into(), Wish::Pause));
        assert_eq!(board.wishes("a", 2), Wishes { pause: true, ..Wishes::default() });
        assert_eq!(board.wishes("a", 1), Wishes::default());
    }

    #[test]
    fn a_pause_is_wished_for_until_it_is_taken_back_or_the_verdict_is_wanted() {
        let mut wishes = Wishes::default();
        let pauses = [Wish::Pause, Wish::Resume, Wish::Pause, Wish::Finish, Wish::Pause].map(|wish| {
            wishes.take_in(wish);
            wishes.pause
        });
        assert_eq!(pauses, [true, false, true, false, true]);
        assert!(wishes.finish && !wishes.cancel, "a verdict that was asked for stays asked for");
    }
}
