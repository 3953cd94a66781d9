//! The report for programs: the cells and what they say together.

use super::super::outcome::Outcome;
use super::Report;
use serde_json::{Value, json};

/// Everything of the report, as one object.
pub fn object(report: &Report<'_>) -> Value {
    json!({
        "title": report.plan.spec.title,
        "command": report.command,
        "spec": report.plan.spec,
        "baseline": report.plan.baseline,
        "cells_planned": report.plan.cells.len(),
        "cells": report.outcomes.iter().map(cell).collect::<Vec<_>>(),
        "aggregates": report.aggregates,
    })
}

fn cell(outcome: &Outcome) -> Value {
    let prefix = outcome.result().map(|it| json!({ "text": it.prefix.text, "ids": it.prefix.ids() }));
    json!({
        "model": outcome.key.model,
        "model_sha256": outcome.state.model.as_ref().and_then(|model| model.sha256.as_ref()),
        "teacher": outcome.key.teacher,
        "method": outcome.key.method,
        "seed": outcome.key.seed,
        "state": outcome.state.phase.name(),
        "log": format!("cells/{}.jsonl", outcome.slug),
        "spec": outcome.spec,
        "prefix": prefix,
        "result": outcome.result(),
        "search_evaluations": outcome.footer.search_evaluations,
        "search_seconds": outcome.footer.search_seconds,
        "seconds": outcome.footer.seconds,
        "threads": outcome.footer.threads,
        "round_trip": outcome.round_trip(),
        "error": outcome.state.error,
    })
}
