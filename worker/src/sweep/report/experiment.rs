//! The note's experiment: what a soft prompt gains, what projection loses of it, and what the discrete search wins
//! back, over the seeds (the note, section 5).

use super::super::outcome::Outcome;
use super::Report;
use super::charts::{SeedCurve, SeedValue, after_projection, before_and_after, training_loss};
use super::html::{Cell, figure, table};
use super::text::{escape, number};
use shared::event::{CrossEntropies, PerSplit};
use shared::metrics::{Summary, gap_closed};
use shared::spec::Split;

/// Picks one row of a run's cross-entropies.
type Level = fn(&CrossEntropies) -> PerSplit;

/// A share that a run's cross-entropies on a split give.
type Share = fn(&CrossEntropies, Split) -> Option<f64>;

/// One fold for each model, teacher and method whose pipeline has a soft prompt and a projection.
pub fn soft_projected_refined(report: &Report<'_>) -> String {
    let mut folds = String::new();
    for model in &report.plan.spec.models {
        for teacher in &report.plan.teachers {
            for method in &report.plan.spec.methods {
                let here = |it: &&Outcome| {
                    it.key.model == *model && it.key.teacher == *teacher && it.key.method == method.name
                };
                let outcomes: Vec<&Outcome> = report.outcomes.iter().filter(here).filter(|it| has_both(it)).collect();
                if !outcomes.is_empty() {
                    folds.push_str(&fold(&format!("{model} · {teacher} · {}", method.name), &outcomes));
                }
            }
        }
    }
    if folds.is_empty() {
        return String::new();
    }
    format!("<section><h2>Soft, projected, refined</h2>{folds}</section>")
}

fn has_both(outcome: &Outcome) -> bool {
    outcome.result().is_some_and(|it| it.ce.soft.train.is_some() && it.ce.projected.train.is_some())
}

fn fold(name: &str, outcomes: &[&Outcome]) -> String {
    let values = |of: Level, split: Split| -> Vec<SeedValue> {
        let value = |it: &&Outcome| Some(SeedValue { seed: it.key.seed, value: of(&it.result()?.ce).get(split)? });
        outcomes.iter().filter_map(value).collect()
    };
    let mean = |of: Level, split: Split| summary(&values(of, split)).map(|it| it.mean);
    let mut rows = Vec::new();
    let levels: [(&str, Level); 5] = [
        ("without a prefix", |ce| ce.none),
        ("reference", |ce| ce.reference),
        ("soft", |ce| ce.soft),
        ("projected", |ce| ce.projected),
        ("refined", |ce| ce.final_),
    ];
    for (level, of) in levels {
        for split in Split::ALL {
            let Some(it) = summary(&values(of, split)) else { continue };
            rows.push(row(level, split, &it));
        }
    }
    let heads = ["prefix", "suffixes", "mean", "sd", "min", "max", "n seeds"];
    let mut survival = Vec::new();
    let shares: [(&str, Share); 3] = [
        ("closed gap of the soft prompt", |ce, split| closed(ce, ce.soft, split)),
        ("closed gap, refined", |ce, split| closed(ce, ce.final_, split)),
        ("refined / soft", |ce, split| Some(closed(ce, ce.final_, split)? / closed(ce, ce.soft, split)?)),
    ];
    for (share, of) in shares {
        for split in Split::ALL {
            let values: Vec<f64> = outcomes.iter().filter_map(|it| of(&it.result()?.ce, split)).collect();
            let Some(it) = Summary::of(&values) else { continue };
            survival.push(row(share, split, &it));
        }
    }
    let curves: Vec<SeedCurve> = outcomes.iter().map(|it| soft_curve(it)).collect();
    let projected = values(|ce| ce.projected, Split::Train);
    let refined = values(|ce| ce.final_, Split::Train);
    let (none, reference) = (mean(|ce| ce.none, Split::Train), mean(|ce| ce.reference, Split::Train));
    let figures = [
        figure(
            &training_loss(&format!("{name}: training loss"), &curves),
            "Training loss of the soft prompt, one line a seed",
        ),
        figure(
            &after_projection(&format!("{name}: after projection"), &projected, none, reference),
            "Cross-entropy after projection; dashed: without a prefix and under the reference, mean over the seeds",
        ),
        figure(
            &before_and_after(&format!("{name}: before and after refinement"), &projected, &refined),
            "Cross-entropy before and after the discrete search, one line a seed",
        ),
    ];
    let losses = table("Weighted cross-entropy, in nats a token, over the seeds", &heads, &rows);
    let survival = table("What of the soft prompt’s gain survives as tokens, over the seeds", &heads, &survival);
    format!("<details><summary>{}</summary>{losses}{survival}{}</details>", escape(name), figures.concat())
}

fn row(name: &str, split: Split, it: &Summary) -> Vec<Cell> {
    vec![
        Cell::Head(name.to_owned()),
        Cell::Text(split.name().to_owned()),
        Cell::Number(number(Some(it.mean))),
        Cell::Number(number(it.sd)),
        Cell::Number(number(Some(it.min))),
        Cell::Number(number(Some(it.max))),
        Cell::Number(it.n.to_string()),
    ]
}

/// Share of the gap that a prefix with these cross-entropies closes.
fn closed(ce: &CrossEntropies, level: PerSplit, split: Split) -> Option<f64> {
    gap_closed(ce.none.get(split)?, ce.reference.get(split)?, level.get(split)?)
}

fn summary(values: &[SeedValue]) -> Option<Summary> {
    Summary::of(&values.iter().map(|seed| seed.value).collect::<Vec<f64>>())
}

fn soft_curve(outcome: &Outcome) -> SeedCurve {
    let stage = outcome.state.stages.iter().position(|stage| stage.plan.kind == "soft_prompt");
    let points = outcome.state.curve.iter().filter(|point| Some(point.stage) == stage);
    SeedCurve { seed: outcome.key.seed, points: points.map(|point| (point.step as f64, point.ce_train)).collect() }
}
