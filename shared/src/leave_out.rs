//! A log with parts left out, for those who are to see a result and not everything behind it.

use crate::event::{Completion, Event, Stamped};
use crate::recording::Part;
use crate::spec::RunSpec;

/// The events that are left, as they are left; what they say of the result stays.
pub fn leave_out(events: &[Stamped], parts: &[Part]) -> Vec<Stamped> {
    let has = |part| parts.contains(&part);
    let last_prefix = events.iter().rposition(|stamped| matches!(stamped.event, Event::Prefix { .. }));
    let kept = events
        .iter()
        .enumerate()
        .filter(|(at, stamped)| !has(Part::Log) || !is_search(&stamped.event) || Some(*at) == last_prefix);
    kept.map(|(_, stamped)| {
        let mut stamped = stamped.clone();
        if has(Part::SuffixTexts) {
            withhold_texts(&mut stamped.event);
        }
        if has(Part::Config) {
            withhold_config(&mut stamped.event);
        }
        stamped
    })
    .collect()
}

/// Whether an event tells of the search's way and not of where it began or ended.
fn is_search(event: &Event) -> bool {
    match event {
        Event::Progress { .. }
        | Event::Objective { .. }
        | Event::Candidates { .. }
        | Event::Flip { .. }
        | Event::Prefix { .. }
        | Event::Pausing {}
        | Event::Paused {}
        | Event::Resumed {}
        | Event::Finishing {} => true,
        Event::Queued { .. }
        | Event::Started { .. }
        | Event::StageStarted { .. }
        | Event::SuffixMeasured { .. }
        | Event::StageFinished { .. }
        | Event::SuffixEvaluated { .. }
        | Event::Finished { .. }
        | Event::Cancelled {}
        | Event::Failed { .. }
        | Event::Interrupted {} => false,
    }
}

fn withhold_texts(event: &mut Event) {
    let nothing = || Completion { text: String::new(), ids: Vec::new(), pieces: Vec::new() };
    match event {
        Event::Queued { spec } => {
            spec.suffixes.texts.clear();
            spec.suffixes.splits.clear();
        }
        Event::SuffixMeasured { suffix } => {
            suffix.text.clear();
            suffix.reference = nothing();
            // Numbers of tokens that are no longer there.
            suffix.nll_none.clear();
            suffix.nll_reference.clear();
        }
        Event::SuffixEvaluated { suffix } => {
            suffix.completion = nothing();
            suffix.completion_none = nothing();
            suffix.nll.clear();
        }
        _ => {}
    }
}

fn withhold_config(event: &mut Event) {
    if let Event::Queued { spec } = event {
        let suffixes = spec.suffixes.clone();
        **spec = RunSpec { suffixes, ..RunSpec::new(&spec.model, &spec.teacher) };
    }
}
