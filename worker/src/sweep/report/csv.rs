//! One row a cell, and how texts stand in a table of numbers.

use super::super::outcome::Outcome;
use shared::event::PerSplit;
use shared::spec::Split;

/// A text as JSON writes it, in quotes: nothing is lost, line breaks stay in their row, and no spreadsheet takes
/// a prefix for a formula.
pub fn text(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    format!("\"{}\"", json.replace('"', "\"\""))
}

/// Ids, separated by spaces.
pub fn ids(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

/// The table, with its header.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut table = header().join(",");
    table.push('\n');
    for outcome in outcomes {
        table.push_str(&row(outcome).join(","));
        table.push('\n');
    }
    table
}

const CES: [&str; 5] = ["none", "reference", "soft", "projected", "final"];

fn header() -> Vec<String> {
    let mut names: Vec<String> =
        ["model", "teacher", "method", "seed", "state", "prefix_text", "prefix_ids"].map(str::to_owned).to_vec();
    let per_split = |name: &str| Split::ALL.map(|split| format!("{name}_{}", split.name()));
    names.extend(CES.iter().flat_map(|name| per_split(&format!("ce_{name}"))));
    names.extend(
        ["gap_closed", "adherence", "exact", "exact_at_k", "overlap_at_k"].iter().flat_map(|name| per_split(name)),
    );
    names.extend(["none", "reference", "found"].map(|prefix| format!("lexical_adherence_{prefix}_test")));
    names.extend(["none", "found"].map(|prefix| format!("forward_kl_{prefix}_test")));
    let rest = [
        "test_gap_closed_low",
        "test_gap_closed_high",
        "search_evaluations",
        "search_seconds",
        "evaluations",
        "seconds",
        "candidates_scored",
        "nontrivial",
        "round_trip",
        "error",
    ];
    names.extend(rest.map(str::to_owned));
    names
}

fn row(outcome: &Outcome) -> Vec<String> {
    let result = outcome.result();
    let some = |value: Option<String>| value.unwrap_or_default();
    let key = &outcome.key;
    let mut row = vec![
        text(&key.model),
        text(&key.teacher),
        text(&key.method),
        key.seed.to_string(),
        outcome.state.phase.name().to_owned(),
        some(result.map(|it| text(&it.prefix.text))),
        some(result.map(|it| ids(&it.prefix.ids()))),
    ];
    let mut splits = |values: Option<PerSplit>| {
        let values = values.unwrap_or_default();
        row.extend(Split::ALL.map(|split| some(values.get(split).map(|value| value.to_string()))));
    };
    let ce = result.map(|it| it.ce);
    for values in [ce.map(|ce| ce.none), ce.map(|ce| ce.reference), ce.map(|ce| ce.soft), ce.map(|ce| ce.projected)] {
        splits(values);
    }
    splits(ce.map(|ce| ce.final_));
    splits(result.map(|it| it.gap_closed));
    splits(result.map(|it| it.adherence.found));
    splits(result.map(|it| it.exact));
    splits(result.map(|it| it.exact_at_k));
    splits(result.map(|it| it.overlap_at_k));
    let (lexical, kl) = (outcome.lexical_adherence(), result.map(|it| it.forward_kl).unwrap_or_default());
    let per_prefix = [lexical.none, lexical.reference, lexical.found, kl.none, kl.found];
    row.extend(per_prefix.map(|value| some(value.map(|value| value.to_string()))));
    let interval = result.and_then(|it| it.test_intervals.gap_closed);
    row.extend([
        some(interval.map(|it| it.low.to_string())),
        some(interval.map(|it| it.high.to_string())),
        outcome.footer.search_evaluations.to_string(),
        outcome.footer.search_seconds.to_string(),
        some(result.map(|it| it.evaluations.to_string())),
        outcome.footer.seconds.to_string(),
        some(result.map(|it| it.candidates_scored.to_string())),
        some(result.map(|it| it.nontriviality.passed.to_string())),
        some(outcome.round_trip().map(|it| it.to_string())),
        some(outcome.state.error.as_ref().map(|error| text(&error.message))),
    ]);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_one_field_and_is_no_formula() {
        assert_eq!(text("=SUM(A1)\n\"x\", y"), r#""""=SUM(A1)\n\""x\"", y""""#);
        assert_eq!(ids(&[3, 40]), "3 40");
    }
}
