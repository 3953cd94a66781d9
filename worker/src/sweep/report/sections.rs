//! The sections of the page, one function each.

use super::super::aggregate::{GridCell, MethodSummary};
use super::super::outcome::Outcome;
use super::Report;
use super::charts::{SeedValue, strip};
use super::html::{Cell, table};
use super::svg::Range;
use super::text::{escape, interval, number, percent};
use shared::event::ModelCard;
use shared::metrics::Summary;
use shared::spec::Split;
use shared::verdict::PerPrefix;
use std::collections::BTreeMap;

/// Test suffixes of a cell whose completions are shown.
const SHOWN_SUFFIXES: usize = 3;

/// What was run, and how to run it again.
pub fn what_was_run(report: &Report<'_>) -> String {
    let (plan, outcomes) = (report.plan, report.outcomes);
    let models: BTreeMap<&str, &ModelCard> =
        outcomes.iter().filter_map(|it| it.state.model.as_ref()).map(|model| (&*model.name, model)).collect();
    let mut rows: Vec<Vec<Cell>> = models
        .values()
        .map(|model| {
            let hash = model.sha256.as_deref().unwrap_or("not pinned");
            let text = format!("{} ({}), SHA-256 {hash}", model.name, model.architecture);
            vec![Cell::Head("Model".to_owned()), Cell::Text(text)]
        })
        .collect();
    let mut row = |name: &str, text: String| rows.push(vec![Cell::Head(name.to_owned()), Cell::Text(text)]);
    let seeds: Vec<String> = plan.spec.seeds.list().iter().map(u64::to_string).collect();
    let failed = outcomes.iter().filter(|it| it.result().is_none()).count();
    row("Cells", format!("{} of {} done, {failed} of them failed", outcomes.len(), plan.cells.len()));
    row("Seeds", seeds.join(", "));
    let suffixes = &plan.spec.suffixes;
    let source = if suffixes.texts.is_empty() { format!("set {}", suffixes.set) } else { "own texts".to_owned() };
    row(
        "Suffixes",
        format!("{source}: {} train, {} validation, {} test", suffixes.train, suffixes.validation, suffixes.test),
    );
    let budget = plan.spec.budget;
    let limits = [
        budget.evaluations.map(|evaluations| format!("{evaluations} evaluations")),
        budget.seconds.map(|seconds| format!("{seconds} s")),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    row("Budget of each search", if limits.is_empty() { "not limited".to_owned() } else { limits.join(", ") });
    let threads: std::collections::BTreeSet<usize> = outcomes.iter().map(|it| it.footer.threads).collect();
    row("Threads", threads.iter().map(usize::to_string).collect::<Vec<_>>().join(", "));
    row("Compared with", plan.baseline.clone());
    row("Made by", report.command.to_owned());
    let toml = toml::to_string(&plan.spec).unwrap_or_else(|error| error.to_string());
    format!(
        "<section><h2>What was run</h2>{}<details><summary>The sweep’s file</summary><pre>{}</pre></details></section>",
        table("What was run", &["what", "value"], &rows),
        toml.lines().map(escape).collect::<Vec<_>>().join("\n")
    )
}

fn mean_sd(summary: Option<Summary>) -> String {
    let Some(Summary { n, mean, sd, min, max }) = summary else { return "–".to_owned() };
    let sd = sd.map_or(String::new(), |sd| format!(" ± {}", number(Some(sd))));
    format!("{}{sd} ({} to {}, n = {n})", number(Some(mean)), number(Some(min)), number(Some(max)))
}

/// Teachers × methods: mean ± sd, interval, and every seed.
pub fn grid(report: &Report<'_>) -> String {
    let grid = &report.aggregates.grid;
    let seeds = |cell: &GridCell| -> Vec<SeedValue> {
        cell.seeds.iter().filter_map(|&(seed, value)| Some(SeedValue { seed, value: value? })).collect()
    };
    let range = Range::around(grid.iter().flat_map(seeds).map(|seed| seed.value).chain([0.0, 1.0]));
    let mut tables = String::new();
    for model in &report.plan.spec.models {
        let rows = report.plan.teachers.iter().map(|teacher| {
            let here = grid.iter().filter(|cell| cell.model == *model && cell.teacher == *teacher);
            let cells = here.map(|cell| {
                let title = format!("{}, {}: closed gap on test of each seed", cell.teacher, cell.method);
                let missing = cell.seeds.iter().filter(|(_, gap)| gap.is_none()).count();
                let note = match missing {
                    0 => String::new(),
                    n => format!("<br><span class=\"bad\">{n} without a value</span>"),
                };
                Cell::Html(format!(
                    "{}<br><span class=\"soft\">interval {}{}</span>{note}<br>{}",
                    mean_sd(cell.test_gap_closed),
                    interval(cell.interval),
                    by_words(cell.test_lexical_adherence),
                    strip(&title, &seeds(cell), range)
                ))
            });
            std::iter::once(Cell::Head(teacher.clone())).chain(cells).collect()
        });
        let rows: Vec<Vec<Cell>> = rows.collect();
        let names: Vec<String> = report.plan.spec.methods.iter().map(|method| escape(&method.name)).collect();
        let heads: Vec<&str> = std::iter::once("teacher").chain(names.iter().map(String::as_str)).collect();
        let caption = format!(
            "{}: closed gap on test, mean ± sd (min to max, n seeds), its 95 % interval, mean adherence by words, and each seed as a dot",
            escape(model)
        );
        tables.push_str(&table(&caption, &heads, &rows));
    }
    format!("<section><h2>Closed gap on test</h2>{tables}</section>")
}

/// Whether what closes the gap also does what the teacher asks for.
fn by_words(adherence: PerPrefix) -> String {
    let PerPrefix { none, reference, found } = adherence;
    let [none, reference, found] = [none, reference, found].map(percent);
    if found == percent(None) {
        return String::new();
    }
    format!("<br>adherence by words {found} (reference {reference}, none {none})")
}

/// What each method spent, and how honest its choice on validation was.
pub fn methods(report: &Report<'_>) -> String {
    let row = |it: &MethodSummary| {
        vec![
            Cell::Head(it.method.clone()),
            Cell::Number(format!("{} / {}", it.finished, it.failed)),
            Cell::Number(mean_sd(it.test_gap_closed)),
            Cell::Number(number(it.test_adherence.map(|it| it.mean))),
            Cell::Number(
                it.search_evaluations
                    .map_or("–".to_owned(), |it| format!("{:.0} ({:.0} to {:.0})", it.mean, it.min, it.max)),
            ),
            Cell::Number(
                it.search_seconds
                    .map_or("–".to_owned(), |it| format!("{:.1} ({:.1} to {:.1})", it.mean, it.min, it.max)),
            ),
            Cell::Number(chosen(it)),
            Cell::Number(percent(it.nontrivial)),
            Cell::Number(percent(it.round_trip)),
        ]
    };
    let rows: Vec<Vec<Cell>> = report.aggregates.methods.iter().map(row).collect();
    let heads = [
        "method",
        "finished / failed",
        "closed gap on test",
        "adherence on test",
        "evaluations spent (min to max)",
        "seconds spent (min to max)",
        "validation − test, closed gap (best of so many candidates, chosen on validation)",
        "nontrivial",
        "round trip",
    ];
    let caption = "Every method over all its cells; evaluations and seconds are those of the search stages";
    format!("<section><h2>Methods and what they spent</h2>{}</section>", table(caption, &heads, &rows))
}

/// How far the closed gap falls from validation, on which the best candidate was chosen, to test.
fn chosen(it: &MethodSummary) -> String {
    match (it.validation_less_test, it.candidates) {
        (Some(drop), Some(candidates)) => format!("{} (best of {:.0})", mean_sd(Some(drop)), candidates.mean),
        _ => "–".to_owned(),
    }
}

/// Methods against each other on the same model, teacher and seed.
pub fn duels(report: &Report<'_>) -> String {
    if report.aggregates.duels.is_empty() {
        return String::new();
    }
    let row = |method: &str, against: &str, it: &shared::metrics::PairedComparison| {
        vec![
            Cell::Head(method.to_owned()),
            Cell::Text(against.to_owned()),
            Cell::Number(it.pairs.to_string()),
            Cell::Number(percent(Some(it.wins as f64 / it.pairs as f64))),
            Cell::Number(it.ties.to_string()),
            Cell::Number(number(Some(it.mean_difference))),
            Cell::Number(interval(it.interval)),
        ]
    };
    let heads = ["method", "against", "pairs", "pairs won", "ties", "mean difference", "95 % interval"];
    let against_baseline = report
        .aggregates
        .methods
        .iter()
        .filter_map(|it| Some(row(&it.method, &report.plan.baseline, it.against_baseline.as_ref()?)));
    let against_baseline: Vec<Vec<Cell>> = against_baseline.collect();
    let all: Vec<Vec<Cell>> =
        report.aggregates.duels.iter().map(|it| row(&it.method, &it.against, &it.comparison)).collect();
    format!(
        "<section><h2>Paired differences</h2>{}<details><summary>Every method against every other</summary>{}</details></section>",
        table(
            "Closed gap on test against the baseline, on the same model, teacher and seed",
            &heads,
            &against_baseline
        ),
        table("Every ordered pair of methods", &heads, &all)
    )
}

/// Every prefix that was found.
pub fn prefixes(report: &Report<'_>) -> String {
    let row = |it: &Outcome| {
        let result = it.result()?;
        let failed = result.nontriviality.findings.iter().filter(|finding| !finding.passed);
        let failed: Vec<String> =
            failed.map(|finding| format!("{}: {}", finding.rule.name(), finding.evidence)).collect();
        let ids = result.prefix.ids().iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        Some(vec![
            Cell::Head(it.key.teacher.clone()),
            Cell::Text(it.key.method.clone()),
            Cell::Number(it.key.seed.to_string()),
            Cell::Said(result.prefix.text.clone()),
            Cell::Said(ids),
            Cell::Number(number(result.gap_closed.validation)),
            Cell::Number(number(result.gap_closed.test)),
            Cell::Number(interval(result.test_intervals.gap_closed)),
            Cell::Number(number(result.adherence.found.get(Split::Test))),
            Cell::Number(percent(it.lexical_adherence().found)),
            Cell::Text(if failed.is_empty() { "yes".to_owned() } else { failed.join("; ") }),
            Cell::Text(it.round_trip().map_or("–", |passed| if passed { "yes" } else { "no" }).to_owned()),
        ])
    };
    let heads = [
        "teacher",
        "method",
        "seed",
        "prefix",
        "ids",
        "closed gap, validation",
        "closed gap, test",
        "95 % interval",
        "adherence, test",
        "adherence by words, test",
        "nontrivial",
        "round trip",
    ];
    let tables = report.plan.spec.models.iter().map(|model| {
        let rows: Vec<Vec<Cell>> = report.outcomes.iter().filter(|it| it.key.model == *model).filter_map(row).collect();
        table(&format!("{}: the prefixes that were found", escape(model)), &heads, &rows)
    });
    format!("<section><h2>Prefixes</h2>{}</section>", tables.collect::<String>())
}

/// The reference's completions beside those under the found prefixes.
pub fn side_by_side(report: &Report<'_>) -> String {
    let mut folds = String::new();
    for it in report.outcomes {
        let rows = it.judged(Split::Test).take(SHOWN_SUFFIXES).map(|(suffix, found)| {
            vec![
                Cell::Head(suffix.text.clone()),
                Cell::Said(suffix.reference.text.clone()),
                Cell::Said(found.completion.text.clone()),
                Cell::Said(found.completion_none.text.clone()),
            ]
        });
        let rows: Vec<Vec<Cell>> = rows.collect();
        let Some(result) = it.result() else { continue };
        let name = format!("{} · {} · {} · seed {}", it.key.model, it.key.teacher, it.key.method, it.key.seed);
        let caption = format!("Completions under the reference and under “{}”", escape(&result.prefix.text));
        let heads = ["test suffix", "under the reference", "under the found prefix", "without a prefix"];
        folds.push_str(&format!(
            "<details><summary>{}</summary>{}</details>",
            escape(&name),
            table(&caption, &heads, &rows)
        ));
    }
    format!("<section><h2>Side by side</h2>{folds}</section>")
}

/// Cells that came to no verdict, and why; cells that are not done.
pub fn failures(report: &Report<'_>) -> String {
    let done: std::collections::BTreeSet<_> = report.outcomes.iter().map(|it| &it.key).collect();
    let key = |key: &super::super::plan::CellKey| {
        vec![
            Cell::Head(key.model.clone()),
            Cell::Text(key.teacher.clone()),
            Cell::Text(key.method.clone()),
            Cell::Number(key.seed.to_string()),
        ]
    };
    let mut rows = Vec::new();
    for it in report.outcomes.iter().filter(|it| it.result().is_none()) {
        let why = it.state.error.as_ref().map_or("no reason is given", |error| &error.message);
        rows.push([key(&it.key), vec![Cell::Text(format!("failed: {why}"))]].concat());
    }
    for cell in report.plan.cells.iter().filter(|cell| !done.contains(&cell.key)) {
        rows.push([key(&cell.key), vec![Cell::Text("not run yet".to_owned())]].concat());
    }
    if rows.is_empty() {
        return String::new();
    }
    let heads = ["model", "teacher", "method", "seed", "what became of it"];
    format!("<section><h2>Cells without a verdict</h2>{}</section>", table("Cells without a verdict", &heads, &rows))
}
