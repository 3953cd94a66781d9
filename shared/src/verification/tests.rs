use super::*;
use crate::event::Event;
use crate::recording;
use crate::state::RunState;

/// The recorded run, after a change to its events.
fn state(change: impl Fn(&mut Event)) -> RunState {
    let mut state = RunState::default();
    for mut stamped in recording::parse(include_str!("../../../frontend/demo.jsonl")).unwrap() {
        change(&mut stamped.event);
        state.apply(&stamped);
    }
    state
}

/// What a model would measure that agrees with the recording.
fn measured(claim: &SuffixClaim) -> SuffixMeasurement {
    let path = |ids: &[u32]| GreedyPath { tokens: ids.len(), matching: ids.len(), ..GreedyPath::default() };
    let of = |ce: f64, ids: Option<&[u32]>| PrefixMeasurement { ce, greedy: ids.map(path) };
    SuffixMeasurement {
        none: of(claim.ce_none, claim.found.as_ref().map(|found| &found.completion_none.ids[..])),
        reference: of(claim.ce_reference, Some(&claim.reference.ids)),
        found: claim.found.as_ref().map(|found| of(found.ce, Some(&found.completion.ids))),
    }
}

#[test]
fn the_recorded_run_adds_up_and_claims_something_of_every_suffix() {
    let state = state(|_| {});
    let sums = sums(&state);
    assert!(sums.agrees(), "{:?}", sums.problems().collect::<Vec<_>>());
    assert!(sums.checks.len() > 100, "{}", sums.checks.len());
    let claims = Claims::of(&state).unwrap();
    assert_eq!(claims.suffixes.len(), state.suffixes.len());
    assert_eq!(claims.reference.text, claims.teacher);
    assert!(claims.suffixes.is_sorted_by_key(|suffix| (suffix.split, suffix.index)));
    let judged = claims.suffixes.iter().filter(|suffix| suffix.found.is_some()).count();
    assert_eq!(judged, state.evaluations.len());
    let outcome = compare(&claims, &claims.suffixes[0], &measured(&claims.suffixes[0]));
    assert!(outcome.agrees() && outcome.checks.len() == 6, "{outcome:?}");
}

#[test]
fn a_log_that_ends_early_claims_nothing() {
    assert_eq!(Claims::of(&RunState::default()), Err(ClaimsError::NothingMeasured));
}

#[test]
fn an_edited_cross_entropy_is_caught_twice_and_its_suffix_is_named() {
    let honest = Claims::of(&state(|_| {})).unwrap();
    let edited = state(|event| match event {
        Event::SuffixEvaluated { suffix } if suffix.index == 3 => suffix.ce -= 0.002,
        _ => {}
    });
    let problems: Vec<String> = sums(&edited).problems().collect();
    assert!(problems.iter().any(|problem| problem.starts_with("cross-entropy under the found prefix")), "{problems:?}");
    let claims = Claims::of(&edited).unwrap();
    let caught: Vec<usize> = claims
        .suffixes
        .iter()
        .zip(&honest.suffixes)
        .filter(|(claim, honest)| !compare(&claims, claim, &measured(honest)).agrees())
        .map(|(claim, _)| claim.index)
        .collect();
    assert_eq!(caught, [3]);
    let at = claims.suffixes.iter().position(|claim| claim.index == 3).unwrap();
    let outcome = compare(&claims, &claims.suffixes[at], &measured(&honest.suffixes[at]));
    let problems: Vec<String> = outcome.problems().collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("cross-entropy under the found prefix: recorded "), "{problems:?}");
}

#[test]
fn an_edited_verdict_does_not_add_up() {
    let edited = state(|event| {
        if let Event::Finished { result } = event {
            result.gap_closed.test = result.gap_closed.test.map(|gap| gap + 0.01);
        }
    });
    let problems: Vec<String> = sums(&edited).problems().collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("closed gap, test suffixes: recorded "), "{problems:?}");
}

#[test]
fn what_lies_within_the_tolerance_is_the_same() {
    let check = |computed: f64| Check::Ce { under: Under::Found, recorded: 1.5, computed };
    assert!(check(1.5 + 0.9 * CE_TOLERANCE).passes() && check(1.5 - 0.9 * CE_TOLERANCE).passes());
    assert!(!check(1.5 + 1.1 * CE_TOLERANCE).passes() && !check(f64::NAN).passes());
}

/// Token 9 ends a completion; the likeliest tokens are 1, 2, 3, 9.
fn walk(recorded: &[u32], ahead: &[f64]) -> GreedyPath {
    let likeliest = [1, 2, 3, 9];
    let behind: Vec<(f64, u32)> = ahead.iter().copied().zip(likeliest).collect();
    GreedyPath::along(recorded, &behind, 4, |id| id == 9, |id| id.to_string())
}

#[test]
fn a_swapped_token_is_caught_at_its_place() {
    assert_eq!(walk(&[1, 2, 3, 9], &[0.0; 4]).departure, None);
    let path = walk(&[1, 7, 3, 9], &[0.0, 0.4, 0.0, 0.0]);
    assert_eq!((path.tokens, path.matching, path.near_ties), (4, 1, 0));
    let said = path.departure.unwrap().to_string();
    assert_eq!(said, "token 2 is recorded as \"7\", but the model writes \"2\"");
}

#[test]
fn a_near_tie_is_no_departure_and_is_counted() {
    let path = walk(&[1, 7, 3, 9], &[0.0, 0.5 * TIE_NATS, 0.0, 0.0]);
    assert_eq!((path.matching, path.near_ties, path.departure), (4, 1, None));
}

#[test]
fn a_completion_ends_where_the_model_ends_it() {
    let ends = |id| id == 9;
    // More behind the end.
    let path = GreedyPath::along(&[9, 1], &[(0.0, 9), (0.0, 1)], 4, ends, |id| id.to_string());
    assert!(path.departure.unwrap().to_string().contains("but the model ends"));
    // Longer than the run allowed.
    let path = GreedyPath::along(&[1, 2], &[(0.0, 1), (0.0, 2)], 1, ends, |id| id.to_string());
    assert_eq!(path.departure.map(|departure| departure.at), Some(1));
    // Cut short.
    assert!(walk(&[1, 2], &[0.0; 2]).stops_early(&[1, 2], 4, ends));
    assert!(!walk(&[1, 2, 3, 9], &[0.0; 4]).stops_early(&[1, 2, 3, 9], 5, ends));
    assert!(!walk(&[1, 2], &[0.0; 2]).stops_early(&[1, 2], 2, ends));
}
