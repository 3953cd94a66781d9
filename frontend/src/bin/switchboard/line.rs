//! A line: a socket to a worker, and the pages that have it in common.

use crate::board::{LineId, PageId, Step};
use crate::envelope::{self, Place, Said, Stamp, Welcome};
use crate::follow::Follow;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A line.
#[derive(Debug)]
pub struct Line {
    id: LineId,
    /// Where the worker is.
    pub address: String,
    /// Whoever shows one of these may have the line, as JSON.
    pub credentials: Vec<String>,
    /// What is sent once the socket is open.
    pub hello: String,
    /// As the worker would say it now, once it has said it.
    pub welcome: Option<Welcome>,
    /// Who has it.
    pub pages: BTreeSet<PageId>,
    /// By run.
    follows: BTreeMap<String, Follow>,
    /// Who waits for the reply to a command, by its id.
    asked: HashMap<String, PageId>,
}

impl Line {
    /// A line that is being dialled.
    pub fn new(id: LineId, address: String, credential: String, hello: String) -> Self {
        Line {
            id,
            address,
            credentials: vec![credential],
            hello,
            welcome: None,
            pages: BTreeSet::new(),
            follows: BTreeMap::new(),
            asked: HashMap::new(),
        }
    }

    /// A page sends a command.
    pub fn command(&mut self, page: PageId, id: String, text: String) -> Step {
        self.asked.insert(id, page);
        Step::Send(self.id, text)
    }

    /// A page follows a run from a place.
    pub fn subscribe(&mut self, page: PageId, run: &str, after: Place) -> Option<Step> {
        let (from, is_caught_up) = self.follows.entry(run.to_owned()).or_default().subscribe(page, after);
        match from {
            Some(from) => Some(Step::Send(self.id, envelope::subscribe(run, from))),
            None => is_caught_up.then(|| Step::Tell(page, envelope::caught_up(run, after))),
        }
    }

    /// A page follows a run no longer.
    pub fn unsubscribe(&mut self, page: PageId, run: &str) -> Option<Step> {
        if self.follows.get_mut(run)?.unsubscribe(page) {
            self.follows.remove(run);
            return Some(Step::Send(self.id, envelope::unsubscribe(run)));
        }
        None
    }

    /// A page has left.
    pub fn leave(&mut self, page: PageId) -> Vec<Step> {
        self.pages.remove(&page);
        self.asked.retain(|_, asking| *asking != page);
        let runs: Vec<String> = self.follows.keys().cloned().collect();
        runs.iter().filter_map(|run| self.unsubscribe(page, run)).collect()
    }

    /// How many have it, for each of them.
    pub fn census(&self) -> Vec<Step> {
        let pages = self.pages.len() as u32;
        self.pages.iter().map(|&page| Step::Pages(page, pages)).collect()
    }

    /// The worker says something, other than welcome.
    pub fn hear(&mut self, text: &str) -> Vec<Step> {
        // What cannot be read is for the pages to say so.
        let Ok(said) = serde_json::from_str::<Said<'_>>(text) else { return self.to_all() };
        match said.kind.as_ref() {
            "reply" => {
                let page = said.id.and_then(|id| self.asked.remove(id.as_ref()));
                page.map(Step::Relay).into_iter().collect()
            }
            "run_changed" => {
                if let (Some(welcome), Some(run)) = (&mut self.welcome, said.run()) {
                    welcome.run_changed(run);
                }
                self.to_all()
            }
            "run_deleted" => {
                if let (Some(welcome), Some(run)) = (&mut self.welcome, said.run_id()) {
                    welcome.run_deleted(&run);
                    // The worker has ended the subscription too.
                    self.follows.remove(&run);
                }
                self.to_all()
            }
            "event" => self.events(said.stamped.as_slice()),
            "batch" => self.events(&said.events),
            "caught_up" => {
                let follow = said.run_id().and_then(|run| self.follows.get_mut(&run));
                follow.map(|follow| follow.caught_up(Place { epoch: said.epoch, seq: said.seq })).unwrap_or_default()
            }
            "error" => match said.run_id() {
                Some(run) => {
                    let steps = self.follows.get_mut(&run).map(Follow::refused).unwrap_or_default();
                    self.follows.retain(|_, follow| !follow.is_over());
                    steps
                }
                None => self.to_all(),
            },
            _ => self.to_all(),
        }
    }

    /// Events of one run, in order.
    fn events(&mut self, events: &[&RawValue]) -> Vec<Step> {
        let stamps: Vec<Stamp<'_>> = events.iter().filter_map(|json| serde_json::from_str(json.get()).ok()).collect();
        let follow = stamps.first().and_then(|stamp| self.follows.get_mut(stamp.run.as_ref()));
        let events: Vec<_> = stamps.iter().map(Stamp::place).zip(events.iter().copied()).collect();
        follow.map(|follow| follow.events(&events)).unwrap_or_default()
    }

    fn to_all(&self) -> Vec<Step> {
        self.pages.iter().copied().map(Step::Relay).collect()
    }
}
