//! Exact pruning against brute force, on small real checkpoints: same winner, same score, less work.

// Helpers of tests may panic as tests do; clippy only knows functions marked as tests.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../../shared/tests/conformance/goldens.rs"]
mod goldens;

use goldens::named;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use shared::spec::Split;
use std::sync::Arc;
use worker::backend::CpuBackend;
use worker::contest::{Contest, Halving, KnownScores, Outcome, Racing, Screening, best};
use worker::control::Control;
use worker::objective::{Objective, PrefixInput, SuffixTarget, mean};
use worker::planner::Plan;

/// Suffixes whose completions are random tokens: some much harder than others.
fn objective(golden: &str, suffixes: usize, rng: &mut Pcg64) -> Objective {
    let backend = CpuBackend::new(named(golden).load().model).unwrap();
    let vocab = 90;
    let mut ids = |count: usize| -> Vec<u32> { (0..count).map(|_| rng.random_range(0..vocab)).collect() };
    let targets = (0..suffixes).map(|index| SuffixTarget {
        split: Split::Train,
        text: index.to_string(),
        tail: ids(3 + index % 3),
        tail_none: ids(2),
        completion: ids(1 + index % 5),
    });
    let targets = targets.collect();
    let plan = Plan::unbounded();
    let control = Arc::new(Control::new());
    Objective::new(Box::new(backend), plan, &[1, 2], targets, (2, 3.0), Vec::new(), control).unwrap()
}

fn candidates(count: usize, rng: &mut Pcg64) -> Vec<Vec<u32>> {
    let base: Vec<u32> = (0..5).map(|_| rng.random_range(0..90)).collect();
    let changed = (0..count).map(|_| {
        let mut ids = base.clone();
        ids[rng.random_range(0..5)] = rng.random_range(0..90);
        ids
    });
    changed.collect()
}

fn brute_force(objective: &Objective, candidates: &[Vec<u32>], suffixes: &[usize]) -> Vec<f64> {
    let prefixes: Vec<PrefixInput> = candidates.iter().cloned().map(PrefixInput::Ids).collect();
    objective.score(&prefixes, suffixes).unwrap().iter().map(|row| mean(row).unwrap()).collect()
}

/// Rounding differs with the company in which a sequence is scored.
const ROUNDING: f64 = 1e-6;

#[test]
fn pruning_finds_what_brute_force_finds_with_less_work() {
    let mut rng = Pcg64::seed_from_u64(1);
    let (mut saved, mut brute, mut won) = (0, 0, 0);
    for (trial, golden) in ["mha-tied", "gqa3-wide-heads", "gemma2-window"].iter().cycle().take(24).enumerate() {
        let objective = objective(golden, 7, &mut rng);
        // Every fifth has one suffix only.
        let suffixes: Vec<usize> = (0..if trial % 5 == 0 { 1 } else { 7 }).collect();
        let brute_forwards = 13 * suffixes.len() as u64;
        let mut candidates = candidates(12, &mut rng);
        candidates.push(candidates[3].clone()); // a duplicate
        let truth = brute_force(&objective, &candidates, &suffixes);
        let lowest = truth.iter().copied().fold(f64::INFINITY, f64::min);
        // An incumbent that few beat, one that all beat, none at all, one that nobody comes near.
        let incumbent = [lowest + 0.01, lowest + 5.0, f64::INFINITY, lowest * 0.5][trial % 4];
        let hardness: Vec<f64> = (0..7).map(|_| rng.random_range(0.0..1.0)).collect();
        let contest = Contest { incumbent, hardness: &hardness, ..Contest::new(&suffixes) };
        let before = objective.evaluations();
        let mut known = KnownScores::default();
        let standings = contest.run(&objective, &candidates, &mut known).unwrap();
        let spent = objective.evaluations() - before;
        assert_eq!(spent as i64 + standings.saved, brute_forwards as i64, "every forward is spent or saved");
        saved += standings.saved;
        brute += brute_forwards as i64;
        for (outcome, &truth) in standings.outcomes.iter().zip(&truth) {
            match *outcome {
                Outcome::Scored(ce) => assert!((ce - truth).abs() < ROUNDING, "{ce}, expected {truth}"),
                Outcome::AtLeast(bound) => {
                    assert!(truth > bound - ROUNDING, "{truth} is below its bound {bound}");
                    assert!(truth > incumbent.min(lowest) - ROUNDING, "a winner was dropped");
                }
                Outcome::Expected(_) => panic!("nothing was screened"),
            }
        }
        if lowest < incumbent {
            let best = best(&standings.outcomes).unwrap();
            assert!((truth[best] - lowest).abs() < ROUNDING, "{golden}: {} won, {lowest} is lower", truth[best]);
            let terms = standings.winner_terms.unwrap();
            assert!((mean(&terms).unwrap() - lowest).abs() < ROUNDING);
            won += 1;
        }
        // Asked again, nothing that is known exactly is scored again.
        let before = objective.evaluations();
        let again = contest.run(&objective, &candidates, &mut known).unwrap();
        let unknown = standings.outcomes.iter().filter(|outcome| outcome.score().is_none()).count() as u64;
        assert!(objective.evaluations() - before <= unknown * suffixes.len() as u64 * 2);
        for (first, again) in standings.outcomes.iter().zip(&again.outcomes) {
            if let Outcome::Scored(ce) = first {
                assert_eq!(*again, Outcome::Scored(*ce));
            }
        }
    }
    assert_eq!(won, 18, "three incumbents of four are beaten");
    // Duplicates alone save one thirteenth.
    assert!(saved > brute * 2 / 13, "only {saved} of {brute} forwards were saved");
}

#[test]
fn as_many_of_the_best_as_are_kept_have_exact_scores() {
    let mut rng = Pcg64::seed_from_u64(3);
    for keep in [2, 4, 20] {
        let objective = objective("gqa3-wide-heads", 5, &mut rng);
        let suffixes: Vec<usize> = (0..5).collect();
        let candidates = candidates(12, &mut rng);
        let truth = brute_force(&objective, &candidates, &suffixes);
        let contest = Contest { keep, ..Contest::new(&suffixes) };
        let outcomes = contest.run(&objective, &candidates, &mut KnownScores::default()).unwrap().outcomes;
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|&a, &b| truth[a].total_cmp(&truth[b]));
        for &at in order.iter().take(keep) {
            assert!(
                matches!(outcomes[at], Outcome::Scored(ce) if (ce - truth[at]).abs() < ROUNDING),
                "{:?}",
                outcomes[at]
            );
        }
    }
}

#[test]
fn racing_reports_only_exact_scores_and_spends_less() {
    let mut rng = Pcg64::seed_from_u64(2);
    let (mut found, mut spent, mut brute) = (0, 0, 0);
    for _ in 0..10 {
        let objective = objective("gqa3-wide-heads", 16, &mut rng);
        let suffixes: Vec<usize> = (0..16).collect();
        let candidates = candidates(20, &mut rng);
        let truth = brute_force(&objective, &candidates, &suffixes);
        let lowest = truth.iter().copied().fold(f64::INFINITY, f64::min);
        let racing = Some(Screening::Racing(Racing { error: 0.2 }));
        let contest = Contest { screening: racing, ..Contest::new(&suffixes) };
        let before = objective.evaluations();
        let standings = contest.run(&objective, &candidates, &mut KnownScores::default()).unwrap();
        spent += objective.evaluations() - before;
        brute += 20 * 16;
        let winner = best(&standings.outcomes).unwrap();
        for (outcome, truth) in standings.outcomes.iter().zip(&truth) {
            if let Outcome::Scored(ce) = outcome {
                assert!((ce - truth).abs() < ROUNDING, "{ce}, expected {truth}");
            }
        }
        found += usize::from((truth[winner] - lowest).abs() < ROUNDING);
    }
    assert!(found >= 8, "the best candidate won {found} of 10 races");
    // Rounds in bf16 count as forwards too, and survivors are run again.
    assert!(spent < 2 * brute, "{spent} forwards, brute force {brute}");
}

#[test]
fn a_race_leaves_as_many_as_are_kept() {
    let mut rng = Pcg64::seed_from_u64(5);
    for keep in [2, 4, 12] {
        let objective = objective("gqa3-wide-heads", 16, &mut rng);
        let suffixes: Vec<usize> = (0..16).collect();
        let candidates = candidates(20, &mut rng);
        // Whoever is behind has hardly a chance, so that nearly all are dropped that may be.
        let screening = Some(Screening::Racing(Racing { error: 0.9 }));
        let contest = Contest { keep, screening, ..Contest::new(&suffixes) };
        let outcomes = contest.run(&objective, &candidates, &mut KnownScores::default()).unwrap().outcomes;
        let scored = outcomes.iter().filter(|outcome| outcome.score().is_some()).count();
        assert!((keep..20).contains(&scored), "{scored} scored, {keep} to keep");
    }
}

#[test]
fn halving_reports_only_exact_scores_and_spends_a_fraction() {
    let mut rng = Pcg64::seed_from_u64(3);
    let (mut good, mut spent) = (0, 0);
    for trial in 0..10 {
        let objective = objective("gqa3-wide-heads", 16, &mut rng);
        let suffixes: Vec<usize> = (0..16).collect();
        let candidates = candidates(40, &mut rng);
        let truth = brute_force(&objective, &candidates, &suffixes);
        let mut ranked = truth.clone();
        ranked.sort_by(f64::total_cmp);
        let screening = Some(Screening::Halving(Halving { suffixes: 4, offset: trial * 3 }));
        let contest = Contest { screening, ..Contest::new(&suffixes) };
        let before = objective.evaluations();
        let standings = contest.run(&objective, &candidates, &mut KnownScores::default()).unwrap();
        spent += objective.evaluations() - before;
        let winner = best(&standings.outcomes).unwrap();
        for (outcome, truth) in standings.outcomes.iter().zip(&truth) {
            if let Outcome::Scored(ce) = outcome {
                assert!((ce - truth).abs() < ROUNDING, "{ce}, expected {truth}");
            }
        }
        let outcomes = candidates.iter().zip(&standings.outcomes);
        let exact = outcomes.filter(|(_, outcome)| matches!(outcome, Outcome::Scored(_)));
        // Equal candidates are scored once.
        let exact = exact.map(|(ids, _)| ids).collect::<std::collections::BTreeSet<_>>().len();
        assert!((1..=4).contains(&exact), "{exact} candidates were scored exactly");
        good += usize::from(truth[winner] <= ranked[5]);
    }
    assert!(good >= 8, "the winner was among the best 6 of 40 in {good} of 10 contests");
    assert!(spent < 10 * 40 * 16 / 2, "{spent} forwards");
}
