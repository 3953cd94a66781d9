//! A run that pages follow over one subscription: who gets which of the events that come.
//!
//! A worker sends a run's log from the place that was asked for, without gaps, says `caught_up` where the log ended when it was
//! asked, and goes on live; live, a slow client misses reports of progress that later ones supersede. So a page that is
//! not caught up takes only the event that comes next in its log: whatever else comes belongs to another page's part of
//! the log, or was under way before the subscription began anew. A page that is caught up takes whatever is later than
//! what it has.

use crate::board::{PageId, Step};
use crate::envelope::{self, Place};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A followed run.
#[derive(Debug, Default)]
pub struct Follow {
    /// The highest place that came since the worker was asked, or after which it was asked to begin: all beyond is yet to
    /// come, be it from a subscription that was under way when the last one replaced it.
    at: Place,
    stream: Stream,
    readers: BTreeMap<PageId, Reader>,
}

/// What is known of the worker's side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Stream {
    /// It was not asked yet, or refused.
    #[default]
    None,
    /// It was asked, and has not said `caught_up` since.
    Replaying,
    /// It has.
    Live,
}

/// How far a page has come.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reader {
    at: Place,
    is_live: bool,
}

impl Follow {
    /// A page wants what comes after a place. Returns where the worker is to begin anew, unless the page gets it all
    /// from what is under way, and whether the page has all there is.
    pub fn subscribe(&mut self, page: PageId, after: Place) -> (Option<Place>, bool) {
        let is_live = self.stream == Stream::Live && after == self.at;
        let will_come = self.stream == Stream::Replaying && after >= self.at;
        self.readers.insert(page, Reader { at: after, is_live });
        if is_live || will_come {
            return (None, is_live);
        }
        let from = self.readers.values().map(|reader| reader.at).min().unwrap_or(after);
        (self.at, self.stream) = (from, Stream::Replaying);
        (Some(from), false)
    }

    /// A page follows no longer; whether nobody is left.
    pub fn unsubscribe(&mut self, page: PageId) -> bool {
        self.readers.remove(&page).is_some() && self.readers.is_empty()
    }

    /// The worker said that something is wrong with the subscription. Whoever waits for a part of the log waits in vain.
    pub fn refused(&mut self) -> Vec<Step> {
        let told = self.readers.keys().map(|&page| Step::Relay(page)).collect();
        self.readers.retain(|_, reader| reader.is_live);
        self.stream = Stream::None;
        told
    }

    /// Whether nobody follows.
    pub fn is_over(&self) -> bool {
        self.readers.is_empty()
    }

    /// Events came, in order.
    pub fn events(&mut self, events: &[(Place, &RawValue)]) -> Vec<Step> {
        if let Some((last, _)) = events.last() {
            self.at = self.at.max(*last);
        }
        let take = |(&page, reader): (&PageId, &mut Reader)| {
            let taken: Vec<_> =
                events.iter().filter(|(place, _)| reader.takes(*place)).map(|(_, json)| *json).collect();
            match taken.len() {
                0 => None,
                all if all == events.len() => Some(Step::Relay(page)),
                _ => Some(Step::Tell(page, envelope::batch(&taken))),
            }
        };
        self.readers.iter_mut().filter_map(take).collect()
    }

    /// All up to a place has come.
    pub fn caught_up(&mut self, place: Place) -> Vec<Step> {
        self.at = self.at.max(place);
        if self.stream == Stream::Replaying {
            self.stream = Stream::Live;
        }
        let tell = |(&page, reader): (&PageId, &mut Reader)| {
            // Who has less waits for a part of the log that was asked for since.
            let is_news = !reader.is_live && (reader.at >= place || place.seq == 0);
            reader.is_live |= is_news;
            is_news.then_some(Step::Relay(page))
        };
        self.readers.iter_mut().filter_map(tell).collect()
    }
}

impl Reader {
    /// Whether it takes an event; it has it then.
    fn takes(&mut self, place: Place) -> bool {
        let is_next =
            place == Place { seq: self.at.seq + 1, ..self.at } || (place.epoch > self.at.epoch && place.seq == 1);
        let takes = is_next || (self.is_live && place > self.at);
        if takes {
            self.at = place;
        }
        takes
    }
}
