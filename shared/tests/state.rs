//! A run's state is what its log says, however often and in whatever pieces the log arrives.

#[allow(dead_code, reason = "each test file uses its part of the generators")]
mod arbitrary;

use arbitrary::log;
use proptest::prelude::*;
use proptest::sample::Index;
use shared::event::{Event, Stamped};
use shared::state::{KEPT_FLIPS, RunState};
use shared::wire::RunPhase;

fn replay(log: &[Stamped]) -> RunState {
    let mut state = RunState::default();
    log.iter().for_each(|stamped| state.apply(stamped));
    state
}

/// The log as whoever kept it reads it again.
fn stored(log: &[Stamped]) -> Vec<Stamped> {
    let lines = log.iter().map(|stamped| serde_json::to_string(stamped).expect("events are JSON"));
    lines.map(|line| serde_json::from_str(&line).expect("JSON is the event")).collect()
}

proptest! {
    #[test]
    fn after_every_event_the_live_state_is_the_replayed_one(log in log()) {
        let stored = stored(&log);
        let mut live = RunState::default();
        for (at, stamped) in log.iter().enumerate() {
            live.apply(stamped);
            prop_assert_eq!(&live, &replay(&stored[..=at]));
            prop_assert_eq!((live.epoch, live.seq), (stamped.epoch, stamped.seq));
        }
    }

    #[test]
    fn events_that_come_again_change_nothing(log in log(), again in prop::collection::vec(any::<Index>(), 1..20)) {
        prop_assume!(!log.is_empty());
        let mut live = RunState::default();
        for (at, stamped) in log.iter().enumerate() {
            live.apply(stamped);
            let before = live.clone();
            // Anything up to here, as after a reconnection that replays too much.
            for index in &again {
                live.apply(&log[index.index(at + 1)]);
            }
            prop_assert_eq!(&live, &before);
        }
    }

    #[test]
    fn a_reconnection_goes_on_where_it_was(log in log(), (cut, overlap) in any::<(Index, Index)>()) {
        let cut = cut.index(log.len() + 1);
        let from = overlap.index(cut + 1);
        let mut state = replay(&log[..cut]);
        log[from..].iter().for_each(|stamped| state.apply(stamped));
        prop_assert_eq!(state, replay(&log));
    }

    #[test]
    fn the_last_epoch_alone_decides(log in log()) {
        let last = log.last().map_or(0, |stamped| stamped.epoch);
        let epoch: Vec<Stamped> = log.iter().filter(|stamped| stamped.epoch == last).cloned().collect();
        prop_assert_eq!(replay(&log), replay(&epoch));
    }

    #[test]
    fn the_state_says_what_the_log_says(log in log()) {
        let state = replay(&log);
        let last = log.last().map_or(0, |stamped| stamped.epoch);
        let events: Vec<&Event> =
            log.iter().filter(|stamped| stamped.epoch == last).map(|stamped| &stamped.event).collect();
        fn all<'a, T>(events: &[&'a Event], pick: impl Fn(&'a Event) -> Option<T>) -> Vec<T> {
            events.iter().filter_map(|event| pick(event)).collect()
        }

        let flips = all(&events, |event| match event { Event::Flip { flip } => Some(flip.clone()), _ => None });
        prop_assert_eq!(state.flip_count, flips.len() as u64);
        prop_assert_eq!(state.flips, flips);
        let suffixes = all(&events, |event| match event { Event::SuffixMeasured { suffix } => Some(suffix.clone()), _ => None });
        prop_assert_eq!(state.suffixes, suffixes);
        let evaluated = all(&events, |event| match event { Event::SuffixEvaluated { suffix } => Some(suffix.clone()), _ => None });
        prop_assert_eq!(state.evaluations, evaluated);
        let best = all(&events, |event| match event { Event::Prefix { prefix, .. } => Some(prefix), _ => None });
        prop_assert_eq!(state.best.as_ref().map(|best| &best.prefix), best.last().copied());
        let curve = all(&events, |event| match event { Event::Objective { ce_train, .. } => Some(*ce_train), _ => None });
        prop_assert_eq!(state.curve.iter().map(|point| point.ce_train).collect::<Vec<_>>(), curve);
        let candidates = all(&events, |event| match event { Event::Candidates { candidates, .. } => Some(candidates.len()), _ => None });
        prop_assert_eq!(state.candidate_count, candidates.iter().sum::<usize>() as u64);
        let phases = all(&events, |event| match event {
            Event::Started { .. } | Event::Resumed {} => Some(RunPhase::Running),
            Event::Paused {} => Some(RunPhase::Paused),
            Event::Finished { .. } => Some(RunPhase::Finished),
            Event::Cancelled {} => Some(RunPhase::Cancelled),
            Event::Failed { .. } => Some(RunPhase::Failed),
            Event::Interrupted {} => Some(RunPhase::Interrupted),
            _ => None,
        });
        prop_assert_eq!(state.phase, phases.last().copied().unwrap_or_default());
        let pausing = all(&events, |event| match event {
            Event::Pausing {} => Some(true),
            Event::Paused {} | Event::Resumed {} | Event::Finishing {} => Some(false),
            event if event.is_last() => Some(false),
            _ => None,
        });
        prop_assert_eq!(state.pausing, pausing.last().copied().unwrap_or_default());
        prop_assert_eq!(state.finishing, events.contains(&&Event::Finishing {}));
    }

    #[test]
    fn the_clock_counts_only_while_the_run_goes_on(log in log()) {
        let mut state = RunState::default();
        let (mut epoch, mut counted_ms) = (0, None);
        let mut before: Option<(u64, RunPhase)> = None;
        for stamped in &log {
            if stamped.epoch > epoch {
                (epoch, counted_ms, before) = (stamped.epoch, None, None);
            }
            if let (Some(counted_ms), Some((at_unix_ms, RunPhase::Running))) = (&mut counted_ms, before) {
                *counted_ms += stamped.at_unix_ms - at_unix_ms;
            }
            state.apply(stamped);
            if matches!(stamped.event, Event::Started { .. }) {
                counted_ms = Some(0);
            }
            let counted_secs = counted_ms.unwrap_or(0) as f64 / 1e3;
            prop_assert_eq!(state.clock.elapsed_secs(stamped.at_unix_ms), counted_secs);
            if let Event::Objective { .. } = stamped.event {
                prop_assert_eq!(state.curve.last().map(|point| point.elapsed_secs), Some(counted_secs));
            }
            before = Some((stamped.at_unix_ms, state.phase));
        }
    }

    #[test]
    fn no_log_makes_nonsense_of_shares_and_times(log in log(), now_unix_ms in any::<u64>()) {
        let state = replay(&log);
        for stage in &state.stages {
            prop_assert!((0.0..=1.0).contains(&stage.fraction_done()));
            prop_assert!(stage.eta_secs(now_unix_ms).is_none_or(|secs| secs.is_finite() && secs >= 0.0));
        }
        prop_assert!((0.0..=1.0).contains(&state.fraction_done()));
        prop_assert!(state.eta_secs(now_unix_ms).is_none_or(|secs| secs.is_finite() && secs >= 0.0));
        prop_assert!(state.curve.iter().all(|point| point.elapsed_secs >= 0.0));
    }
}

#[test]
fn a_pause_is_no_part_of_what_a_stage_takes_or_will_take() {
    let plan = |kind: &str| shared::event::StagePlan { kind: kind.to_owned(), title: kind.to_owned(), total_steps: 10 };
    let model = shared::event::ModelCard {
        name: "m".to_owned(),
        architecture: "a".to_owned(),
        sha256: None,
        vocab_size: 2,
        context_length: 8,
    };
    let stages = vec![plan("hotflip"), plan("evaluate")];
    let progress = |step| Event::Progress { stage: 0, step, total_steps: 10 };
    let events = [
        (0, Event::Started { model, stages, reference: Vec::new() }),
        (1_000, Event::StageStarted { stage: 0 }),
        (3_000, progress(1)),
        (4_000, Event::Paused {}),
        (64_000, Event::Resumed {}),
        (65_000, progress(2)),
    ];
    let log: Vec<Stamped> = (1..)
        .zip(events)
        .map(|(seq, (at_unix_ms, event))| Stamped { run: "r".to_owned(), epoch: 1, seq, at_unix_ms, event })
        .collect();
    let paused = replay(&log[..4]);
    assert_eq!((paused.phase, paused.clock.elapsed_secs(50_000)), (RunPhase::Paused, 4.0));
    assert_eq!(paused.eta_secs(50_000), None, "nobody knows how long a pause takes");
    let state = replay(&log);
    // Two steps in four seconds, eight are left; of the whole run a tenth is done in five seconds.
    assert_eq!(state.stages[0].eta_secs(65_000), Some(16.0));
    assert_eq!((state.clock.elapsed_secs(65_000), state.eta_secs(65_000)), (5.0, Some(45.0)));
    let mut ended = state;
    let last = Stamped { run: "r".to_owned(), epoch: 1, seq: 7, at_unix_ms: 66_000, event: Event::Cancelled {} };
    ended.apply(&last);
    assert_eq!((ended.clock.elapsed_secs(90_000), ended.stages[0].clock.elapsed_secs(90_000)), (6.0, 5.0));
}

#[test]
fn the_oldest_flips_are_forgotten_first() {
    let flip = |position| {
        let token = shared::event::TokenPiece { id: 0, text: String::new() };
        let flip = shared::event::Flip {
            stage: 0,
            step: 0,
            position,
            old: token.clone(),
            new: token,
            ce_before: 1.0,
            ce_after: 0.5,
            accepted: true,
            reason: None,
        };
        Stamped { run: "r".to_owned(), epoch: 1, seq: position as u64 + 1, at_unix_ms: 0, event: Event::Flip { flip } }
    };
    let log: Vec<Stamped> = (0..KEPT_FLIPS + 3).map(flip).collect();
    let state = replay(&log);
    assert_eq!(state.flip_count, KEPT_FLIPS as u64 + 3);
    let kept: Vec<usize> = state.flips.iter().map(|flip| flip.position).collect();
    assert_eq!(kept, (3..KEPT_FLIPS + 3).collect::<Vec<_>>());
}
