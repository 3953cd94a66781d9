//! What the cells of a sweep say together. Plain numbers, for the report in all its forms.

use super::outcome::Outcome;
use super::plan::Plan;
use serde::Serialize;
use shared::event::Interval;
use shared::metrics::{PairedComparison, Summary, bootstrap_gap_closed_over_seeds, compare_paired};
use shared::spec::Split;
use shared::verdict::PerPrefix;
use std::collections::BTreeMap;

/// One teacher under one method, over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GridCell {
    /// Model.
    pub model: String,
    /// Teacher.
    pub teacher: String,
    /// Method.
    pub method: String,
    /// Closed gap on the test suffixes.
    pub test_gap_closed: Option<Summary>,
    /// 95 % interval of its mean over the choice of seeds and of test suffixes.
    pub interval: Option<Interval>,
    /// Mean share of completions on test that do what the teacher asks for, by their words; empty where no rule knows
    /// the teacher.
    pub test_lexical_adherence: PerPrefix,
    /// Each seed with its closed gap on test, in the order of seeds; nothing where the run has none.
    pub seeds: Vec<(u64, Option<f64>)>,
}

/// One method over everything it was run on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodSummary {
    /// Method.
    pub method: String,
    /// Finished runs.
    pub finished: usize,
    /// Runs that failed.
    pub failed: usize,
    /// Closed gap on the test suffixes.
    pub test_gap_closed: Option<Summary>,
    /// Share of test completions that read as if the reference had been given.
    pub test_adherence: Option<Summary>,
    /// Forwards of one (candidate, suffix) that the search spent.
    pub search_evaluations: Option<Summary>,
    /// Wall time of the search, in seconds.
    pub search_seconds: Option<Summary>,
    /// Closed gap on validation less that on test: what choosing the best on validation flatters.
    pub validation_less_test: Option<Summary>,
    /// Distinct prefixes that were scored on the train suffixes, from which one was chosen.
    pub candidates: Option<Summary>,
    /// Share of runs whose prefix passes every rule.
    pub nontrivial: Option<f64>,
    /// Share of runs whose prefix reads back as the same ids in every suffix's chat.
    pub round_trip: Option<f64>,
    /// Against the baseline, on the same teachers and seeds; nothing for the baseline itself.
    pub against_baseline: Option<PairedComparison>,
}

/// One method against another, on the same model, teachers and seeds, by the closed gap on test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Duel {
    /// The method whose wins are counted.
    pub method: String,
    /// The other.
    pub against: String,
    /// What came out.
    pub comparison: PairedComparison,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Aggregates {
    /// Models × teachers × methods.
    pub grid: Vec<GridCell>,
    /// One a method.
    pub methods: Vec<MethodSummary>,
    /// Every ordered pair of methods.
    pub duels: Vec<Duel>,
}

impl Aggregates {
    /// Of the cells that are done.
    pub fn of(plan: &Plan, outcomes: &[Outcome]) -> Self {
        let methods: Vec<&str> = plan.spec.methods.iter().map(|method| method.name.as_str()).collect();
        let mut grid = Vec::new();
        for model in &plan.spec.models {
            for teacher in &plan.teachers {
                for method in &methods {
                    let here = |it: &&Outcome| {
                        it.key.model == *model && it.key.teacher == *teacher && it.key.method == *method
                    };
                    grid.push(grid_cell((model, teacher, method), &outcomes.iter().filter(here).collect::<Vec<_>>()));
                }
            }
        }
        let duel = |method: &str, against: &str| {
            let comparison = compare_paired(&pairs(outcomes, method, against))?;
            Some(Duel { method: method.to_owned(), against: against.to_owned(), comparison })
        };
        let mut duels = Vec::new();
        for method in &methods {
            let others = methods.iter().filter(|other| *other != method);
            duels.extend(others.filter_map(|other| duel(method, other)));
        }
        let summaries = methods.iter().map(|method| {
            let of_method: Vec<&Outcome> = outcomes.iter().filter(|it| it.key.method == *method).collect();
            let against_baseline =
                (*method != plan.baseline).then(|| compare_paired(&pairs(outcomes, method, &plan.baseline))).flatten();
            MethodSummary { against_baseline, ..method_summary(method, &of_method) }
        });
        let methods = summaries.collect();
        Aggregates { grid, methods, duels }
    }
}

fn grid_cell((model, teacher, method): (&str, &str, &str), outcomes: &[&Outcome]) -> GridCell {
    let judged: Vec<&&Outcome> = outcomes.iter().filter(|it| it.test_gap().is_some()).collect();
    let gaps: Vec<f64> = judged.iter().filter_map(|it| it.test_gap()).collect();
    let suffixes: Vec<_> = judged.iter().map(|it| it.test_suffix_gaps()).collect();
    let lexical = |of: fn(PerPrefix) -> Option<f64>| {
        let shares: Vec<f64> = judged.iter().filter_map(|it| of(it.lexical_adherence())).collect();
        Summary::of(&shares).map(|shares| shares.mean)
    };
    GridCell {
        model: model.to_owned(),
        teacher: teacher.to_owned(),
        method: method.to_owned(),
        test_gap_closed: Summary::of(&gaps),
        interval: bootstrap_gap_closed_over_seeds(&suffixes),
        test_lexical_adherence: PerPrefix {
            none: lexical(|it| it.none),
            reference: lexical(|it| it.reference),
            found: lexical(|it| it.found),
        },
        seeds: outcomes.iter().map(|it| (it.key.seed, it.test_gap())).collect(),
    }
}

/// Closed gaps on test of two methods, where both have one, by model and teacher.
fn pairs(outcomes: &[Outcome], method: &str, against: &str) -> Vec<Vec<(f64, f64)>> {
    let of = |method: &str| -> BTreeMap<(&str, &str, u64), f64> {
        let of_method = outcomes.iter().filter(|it| it.key.method == method);
        of_method.filter_map(|it| Some(((&*it.key.model, &*it.key.teacher, it.key.seed), it.test_gap()?))).collect()
    };
    let other = of(against);
    let mut tasks: BTreeMap<(&str, &str), Vec<(f64, f64)>> = BTreeMap::new();
    for ((model, teacher, seed), gap) in of(method) {
        let pair = other.get(&(model, teacher, seed)).map(|&other| (gap, other));
        tasks.entry((model, teacher)).or_default().extend(pair);
    }
    tasks.into_values().collect()
}

fn method_summary(method: &str, outcomes: &[&Outcome]) -> MethodSummary {
    let finished: Vec<&&Outcome> = outcomes.iter().filter(|it| it.result().is_some()).collect();
    let summary = |value: &dyn Fn(&Outcome) -> Option<f64>| {
        Summary::of(&finished.iter().filter_map(|it| value(it)).collect::<Vec<f64>>())
    };
    let share = |holds: &dyn Fn(&Outcome) -> Option<bool>| {
        summary(&|it| holds(it).map(|holds| f64::from(u8::from(holds)))).map(|summary| summary.mean)
    };
    MethodSummary {
        method: method.to_owned(),
        finished: finished.len(),
        failed: outcomes.len() - finished.len(),
        test_gap_closed: summary(&Outcome::test_gap),
        test_adherence: summary(&|it| it.result()?.adherence.found.get(Split::Test)),
        search_evaluations: summary(&|it| Some(it.footer.search_evaluations as f64)),
        search_seconds: summary(&|it| Some(it.footer.search_seconds)),
        validation_less_test: summary(&|it| Some(it.result()?.gap_closed.validation? - it.test_gap()?)),
        candidates: summary(&|it| Some(it.result()?.candidates_scored as f64)),
        nontrivial: share(&|it| Some(it.result()?.nontriviality.passed)),
        round_trip: share(&Outcome::round_trip),
        against_baseline: None,
    }
}
