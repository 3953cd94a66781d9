//! Where two logs of what should be the same run first differ.
//!
//! The same spec gives the same events, so a run that somebody else made is checked by making it again: either
//! nothing differs, or the first difference says where the two went apart.

use crate::event::{Event, Stamped};
use crate::json;
use serde_json::Value;

/// The first difference of two logs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Events that are the same before it.
    pub same_events: usize,
    /// What the event is about, as in "candidates of stage 1, step 3".
    pub event: String,
    /// The field that differs, as in `candidates[2].ce_train`; empty where the events are of different kinds.
    pub field: String,
    /// What the first log says there; nothing where it has no such event or field.
    pub first: Option<String>,
    /// What the second log says there, likewise.
    pub second: Option<String>,
}

/// What two logs have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Events that were compared.
    pub events: usize,
    /// Where they first differ, if they do.
    pub difference: Option<Difference>,
}

/// The events of the last attempt: what the run came to.
pub fn last_attempt(events: &[Stamped]) -> Vec<Event> {
    let epoch = events.last().map_or(0, |stamped| stamped.epoch);
    events.iter().filter(|stamped| stamped.epoch == epoch).map(|stamped| stamped.event.clone()).collect()
}

/// Compares two logs event by event. When somebody paused a run is not compared: it changes nothing.
pub fn compare(first: &[Event], second: &[Event]) -> Comparison {
    let compared = |event: &&Event| !matches!(event, Event::Pausing {} | Event::Paused {} | Event::Resumed {});
    let (mut first, mut second) = (first.iter().filter(compared), second.iter().filter(compared));
    let mut events = 0;
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) {
            return Comparison { events, difference: None };
        }
        if pair.0 != pair.1 {
            let difference = Some(difference(events, pair.0, pair.1));
            return Comparison { events, difference };
        }
        events += 1;
    }
}

fn difference(same_events: usize, first: Option<&Event>, second: Option<&Event>) -> Difference {
    let json = |event: Option<&Event>| event.map_or(Value::Null, json::tree);
    let values = (json(first), json(second));
    let name = |value: &Value| value["event"].as_str().map(str::to_owned);
    let event = first.or(second).map(describe).unwrap_or_default();
    if name(&values.0) != name(&values.1) {
        return Difference {
            same_events,
            event,
            field: String::new(),
            first: name(&values.0),
            second: name(&values.1),
        };
    }
    let mut field = String::new();
    let (first, second) = first_in(Some(&values.0), Some(&values.1), &mut field).unwrap_or_default();
    Difference { same_events, event, field, first, second }
}

/// Both sides of the first difference; `path` is extended to where it is.
fn first_in(
    first: Option<&Value>,
    second: Option<&Value>,
    path: &mut String,
) -> Option<(Option<String>, Option<String>)> {
    if first == second {
        return None;
    }
    let length = path.len();
    match (first, second) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            for name in names {
                path.push_str(if length == 0 { "" } else { "." });
                path.push_str(name);
                if let Some(found) = first_in(a.get(name), b.get(name), path) {
                    return Some(found);
                }
                path.truncate(length);
            }
            None
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for at in 0..a.len().max(b.len()) {
                path.push_str(&format!("[{at}]"));
                if let Some(found) = first_in(a.get(at), b.get(at), path) {
                    return Some(found);
                }
                path.truncate(length);
            }
            None
        }
        _ => Some((first.map(Value::to_string), second.map(Value::to_string))),
    }
}

/// What an event is about, for people.
fn describe(event: &Event) -> String {
    let value = json::tree(event);
    let name = value["event"].as_str().unwrap_or_default().replace('_', " ");
    let inside = ["flip", "suffix"].iter().find_map(|name| value.get(name)).unwrap_or(&value);
    let number = |field: &str| inside[field].as_u64().or_else(|| value[field].as_u64());
    let mut text = match (number("stage"), number("index")) {
        (Some(stage), _) => format!("{name} of stage {stage}"),
        (None, Some(index)) => format!("{name}, number {index}"),
        (None, None) => name,
    };
    if let Some(step) = number("step") {
        text.push_str(&format!(", step {step}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Candidate;
    use crate::spec::RunSpec;

    fn log(ce_train: f64) -> Vec<Event> {
        let candidate = |ce_train| Candidate { ids: vec![1, 2], ce_train, dropped: false, estimated: false };
        vec![
            Event::Queued { spec: Box::new(RunSpec::new("m", "t")) },
            Event::Candidates { stage: 1, step: 3, candidates: vec![candidate(1.5), candidate(ce_train)] },
            Event::Cancelled {},
        ]
    }

    #[test]
    fn the_first_difference_is_named_down_to_its_field() {
        let mut paused = log(2.0);
        paused.insert(1, Event::Paused {});
        assert_eq!(compare(&log(2.0), &paused), Comparison { events: 3, difference: None });
        let found = compare(&log(2.0), &log(2.25)).difference.unwrap();
        assert_eq!((found.same_events, found.event.as_str()), (1, "candidates of stage 1, step 3"));
        assert_eq!(found.field, "candidates[1].ce_train");
        assert_eq!((found.first.as_deref(), found.second.as_deref()), (Some("2.0"), Some("2.25")));
    }

    #[test]
    fn a_log_that_ends_earlier_or_takes_another_way_differs() {
        let found = compare(&log(2.0), &log(2.0)[..2]).difference.unwrap();
        assert_eq!((found.first.as_deref(), found.second), (Some("cancelled"), None));
        let found = compare(&log(2.0)[..1], &[Event::Interrupted {}]).difference.unwrap();
        assert_eq!((found.first.as_deref(), found.second.as_deref()), (Some("queued"), Some("interrupted")));
    }
}
