//! Sweeps without a model: what a file means, what is read back from the cells' logs, and what the report and the
//! archive make of them.

// Helpers of tests may panic as tests do; clippy only knows functions marked as tests.
#![allow(clippy::unwrap_used)]

#[path = "sweep/logs.rs"]
mod logs;

use logs::{Gaps, catalogue, outcomes, plan, write_cell};
use shared::event::Event;
use worker::sweep::aggregate::Aggregates;
use worker::sweep::archive::Archive;
use worker::sweep::log::CellLog;
use worker::sweep::plan::Plan;
use worker::sweep::report::{Report, write_all};
use worker::sweep::runner::{SweepError, SweepFolder};

const FILE: &str = r#"
title = "Two <b>methods</b>"
models = ["smollm2-135m"]
seeds = 2
teachers = [{ text = "Talk only about cats." }, { text = "<script>alert('&')</script>", name = "Bad <script> teacher" }]

[[methods]]
name = "hybrid"
preset = "hybrid-quick"
set = { "hotflip.steps" = 3 }

[[methods]]
name = "gcg"
prefix_tokens = 4
budget = { evaluations = 70 }
stages = [{ kind = "gcg", init = "random" }, { kind = "evaluate" }]
"#;

#[test]
fn a_file_becomes_cells_with_what_is_compared_side_by_side() {
    let plan = plan(FILE).unwrap();
    let keys: Vec<(&str, u64, &str)> =
        plan.cells.iter().map(|cell| (&*cell.key.teacher, cell.key.seed, &*cell.key.method)).collect();
    assert_eq!(keys.len(), 8);
    assert_eq!(
        keys[..3],
        [
            ("Talk only about cats.", 0, "hybrid"),
            ("Talk only about cats.", 0, "gcg"),
            ("Talk only about cats.", 1, "hybrid"),
        ]
    );
    let (hybrid, gcg) = (&plan.cells[0].spec, &plan.cells[1].spec);
    assert_eq!((hybrid.preset.as_str(), hybrid.prefix_tokens, gcg.prefix_tokens), ("hybrid", 6, 4));
    assert_eq!((hybrid.budget.evaluations, gcg.budget.evaluations), (None, Some(70)));
    let hotflip = hybrid.stages.iter().find(|stage| stage.kind == "hotflip").unwrap();
    assert_eq!(hotflip.params["steps"], 3i64.into());
    let slugs: std::collections::BTreeSet<&str> = plan.cells.iter().map(|cell| cell.slug.as_str()).collect();
    assert_eq!(slugs.len(), 8, "every cell has a file of its own");
    assert!(slugs.iter().all(|slug| slug.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')), "{slugs:?}");
}

#[test]
fn regimes_ban_what_they_say() {
    let teacher = |line: &str| {
        format!(
            "models = [\"smollm2-135m\"]\nseeds = [1]\nteachers = [{line}]\nmethods = [{{ name = \"h\", preset = \"hybrid\" }}]\n[constraints]\nban_reference_tokens = false\n"
        )
    };
    let banned = |line: &str| {
        let constraints = plan(&teacher(line)).unwrap().cells[0].spec.constraints.clone();
        (constraints.ban_reference_tokens, constraints.ban_concepts)
    };
    assert_eq!(banned("{ text = \"Talk only about cats.\" }"), (false, vec![]));
    assert_eq!(banned("{ text = \"Talk only about cats.\", ban = \"reference-tokens\" }"), (true, vec![]));
    let (tokens, concepts) =
        banned("{ text = \"Talk only about cats.\", ban = \"concepts\", ban_concepts = [\"purr\", \"cat\"] }");
    assert!(tokens && concepts == ["cat", "feline", "kitten", "kitty", "purr"], "{concepts:?}");
    assert_eq!(banned("{ text = \"Mine.\", ban = \"concepts\", ban_concepts = [\"x\"] }").1, ["x"]);
    let unknown = plan(&teacher("{ text = \"Mine.\", ban = \"concepts\" }")).unwrap_err();
    assert!(unknown[0].field == "teachers.ban" && unknown[0].message.contains("ban_concepts"), "{unknown:?}");
}

#[test]
fn every_mistake_names_its_field() {
    let rows: [(&str, &str, &str, &str); 13] = [
        ("seeds = 2", "seeds = 0", "seeds", "empty"),
        ("seeds = 2", "seeds = [4, 4]", "seeds[1]", "twice"),
        ("models = [\"smollm2-135m\"]", "models = []", "models", "empty"),
        ("models = [\"smollm2-135m\"]", "models = [\"gpt-9\"]", "models", "gpt-9"),
        ("text = \"Talk only about cats.\"", "text = \" \"", "teachers[0]", "empty"),
        ("name = \"Bad <script> teacher\"", "name = \"Talk only about cats.\"", "teachers[1]", "another `name`"),
        ("preset = \"hybrid-quick\"", "preset = \"magic\"", "methods[0].preset", "known are best-quick"),
        ("preset = \"hybrid-quick\"\n", "", "methods[0].preset", "needs a preset or stages"),
        ("name = \"gcg\"\n", "name = \"hybrid\"\n", "methods[1]", "twice"),
        ("\"hotflip.steps\"", "\"pez.steps\"", "methods[0].set", "pez.steps"),
        ("kind = \"gcg\"", "kind = \"gsg\"", "methods[1].stages[0].kind", "gsg"),
        ("evaluations = 70", "evaluations = 0", "methods[1].budget.evaluations", "1 or more"),
        ("seeds = 2", "seeds = 2\nbaseline = \"best\"", "baseline", "best"),
    ];
    for (from, to, field, part) in rows {
        assert!(FILE.contains(from), "{from}");
        let errors = plan(&FILE.replacen(from, to, 1)).unwrap_err();
        assert_eq!(errors[0].field, field, "{errors:?}");
        assert!(errors[0].message.contains(part), "{errors:?}");
        assert_eq!(errors.len(), 1, "one mistake is told once: {errors:?}");
    }
    assert!(toml::from_str::<worker::sweep::spec::SweepSpec>(&format!("sedes = 1\n{FILE}")).is_err());
}

/// Closed gaps of the cells, in the plan's order: teacher by teacher, seed by seed, hybrid before gcg.
const GAPS: Gaps = [Some(0.25), Some(0.5), Some(0.75), Some(0.5), Some(0.5), Some(1.0), Some(0.0), None];

#[test]
fn aggregates_are_those_of_pencil_and_paper() {
    let plan = plan(FILE).unwrap();
    let outcomes = outcomes(&plan, &GAPS);
    let all = Aggregates::of(&plan, &outcomes);
    let means: Vec<Option<f64>> = all.grid.iter().map(|cell| cell.test_gap_closed.map(|it| it.mean)).collect();
    assert_eq!(means, [Some(0.5), Some(0.5), Some(0.25), Some(1.0)]);
    let first = all.grid[0].test_gap_closed.unwrap();
    assert!((first.sd.unwrap() - 0.125f64.sqrt()).abs() < 1e-12 && (first.min, first.max, first.n) == (0.25, 0.75, 2));
    assert_eq!(all.grid[3].seeds, [(0, Some(1.0)), (1, None)], "a failed cell is shown as such");
    assert_eq!(all.grid[3].interval, None, "one seed has no spread");
    let interval = all.grid[0].interval.unwrap();
    assert_eq!((interval.low, interval.high), (0.25, 0.75));
    // gcg − hybrid in the three pairs that both have: 0.25, −0.25, 0.5.
    let gcg = &all.methods[1];
    let paired = gcg.against_baseline.unwrap();
    assert_eq!((paired.pairs, paired.wins, paired.ties), (3, 2, 0));
    assert!((paired.mean_difference - 0.5 / 3.0).abs() < 1e-12);
    assert_eq!((gcg.finished, gcg.failed, all.methods[0].against_baseline), (3, 1, None));
    // The logs say a gap of 0.875 on validation everywhere.
    assert!((gcg.validation_less_test.unwrap().mean - (0.875 - 2.0 / 3.0)).abs() < 1e-12);
    assert_eq!(all.methods[0].search_evaluations.unwrap().mean, 100.0);
    let wins: Vec<(&str, usize)> = all.duels.iter().map(|it| (&*it.method, it.comparison.wins)).collect();
    assert_eq!(wins, [("hybrid", 1), ("gcg", 2)]);
}

#[test]
fn the_report_is_one_page_that_holds_everything_and_runs_nothing() {
    let plan = plan(FILE).unwrap();
    let outcomes = outcomes(&plan, &GAPS);
    let aggregates = Aggregates::of(&plan, &outcomes);
    let report = Report { plan: &plan, outcomes: &outcomes, aggregates: &aggregates, command: "steerage sweep a.toml" };
    let html = report.html();
    for forbidden in ["<script", "http://", "https://", "src=", "url(", "@import", "<b>methods", "\u{202E}", "NaN"] {
        assert!(!html.contains(forbidden), "the page contains {forbidden}");
    }
    let policy = "content=\"default-src 'none'; style-src 'unsafe-inline'\"";
    for part in [policy, "&lt;script&gt;", "steerage sweep a.toml", "no token is allowed", "\\u{202e}evil"] {
        assert!(html.contains(part), "the page lacks {part}");
    }
    for cell in outcomes.iter().filter(|it| it.result().is_some()) {
        assert!(html.contains(&format!("{} · seed {}<", cell.key.method, cell.key.seed)), "{:?} is missing", cell.key);
    }
    assert_eq!(html.matches("<svg").count(), html.matches("<svg role=\"img\"").count());
    assert_eq!(html.matches("<svg").count(), 4 + 2 * 3, "strips of the grid, and three figures a teacher of hybrid");
    assert_eq!(html.matches("<svg").count(), html.matches("<desc>").count());
    assert!(html.contains("adherence by words 25 % (reference 50 %, none 0 %)"), "what steers stands beside what fits");
    let csv = report.csv();
    assert!(csv.lines().next().is_some_and(|header| header.contains("lexical_adherence_found_test")));
    assert_eq!(csv.lines().count(), 1 + 8, "a row a cell, whatever the texts hold");
    let columns = csv.lines().next().unwrap().split(',').count();
    let last = csv.lines().nth(2).unwrap();
    assert!(last.contains("gcg") && last.matches(',').count() + 1 >= columns, "{last}");
    let json = report.json();
    assert_eq!(json["cells"].as_array().unwrap().len(), 8);
    assert_eq!(json["cells"][1]["result"]["gap_closed"]["test"], 0.5);
    assert_eq!(json["aggregates"]["duels"][1]["comparison"]["wins"], 2);

    let folder = tempfile::tempdir().unwrap();
    let files = write_all(&report, folder.path()).unwrap();
    assert_eq!(files.len(), 3);
    assert_eq!(std::fs::read_to_string(folder.path().join("report.html")).unwrap(), html);
}

#[derive(Default)]
struct Notes(Vec<String>);

impl worker::sweep::runner::Watch for Notes {
    fn damaged(&mut self, path: &std::path::Path, reason: &str) {
        self.0.push(format!("{}: {reason}", path.display()));
    }
    fn begins(&mut self, _: &worker::sweep::plan::Cell, _: usize, _: usize) {}
    fn event(&mut self, _: &Event) {}
    fn ends(&mut self, _: &worker::sweep::plan::Cell, _: worker::sweep::log::Footer) {}
}

#[test]
fn a_damaged_file_is_told_and_that_of_another_spec_refused() {
    let plan = plan(FILE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sweep = SweepFolder { plan: &plan, path: folder.path(), retry_failed: false };
    for (cell, gap) in plan.cells.iter().zip(GAPS) {
        write_cell(&sweep.file(cell), cell, gap);
    }
    let mut notes = Notes::default();
    assert_eq!(sweep.outcomes(&mut notes).unwrap(), outcomes(&plan, &GAPS));
    assert!(notes.0.is_empty());

    let whole = std::fs::read_to_string(sweep.file(&plan.cells[0])).unwrap();
    let cut = &whole[..whole.len() - 30];
    let swapped = whole.replacen("\"event\":\"started\"", "\"event\":\"strated\"", 1);
    let without_end: String =
        whole.lines().filter(|line| !line.contains("finished\",\"result")).map(|line| format!("{line}\n")).collect();
    for damaged in [cut, &swapped, &without_end, "", "\u{0}\u{0}"] {
        std::fs::write(sweep.file(&plan.cells[0]), damaged).unwrap();
        let mut notes = Notes::default();
        assert_eq!(sweep.outcomes(&mut notes).unwrap().len(), 7);
        assert!(notes.0.len() == 1 && notes.0[0].contains(&plan.cells[0].slug), "{:?}", notes.0);
    }

    std::fs::write(sweep.file(&plan.cells[0]), &whole).unwrap();
    let other = Plan::new(toml::from_str(&FILE.replace("= 3 }", "= 4 }")).unwrap(), &catalogue()).unwrap();
    let sweep = SweepFolder { plan: &other, path: folder.path(), retry_failed: false };
    match sweep.outcomes(&mut Notes::default()) {
        Err(error @ SweepError::OtherSpec { .. }) => {
            let message = error.to_string();
            assert!(message.contains(&plan.cells[0].slug) && message.contains("stages"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_archive_finds_the_ball_of_the_reference_and_the_contrasts() {
    let plan = plan(FILE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    write_cell(&path, &plan.cells[0], Some(0.5));
    let events = CellLog::read(&path).unwrap().events;
    let mut archive = Archive::default();
    archive.add(&events);
    // The same log again: other evaluations of the same candidates.
    archive.add(&events);
    // `logs.rs` scores [1, 2] with 1.75, [1, 3] with 1.25, [9, 9] with 1.0 and [1] with 1.5, and drops [4, 3] at
    // 1.875; of [9, 8] and once more of [4, 3] there are estimates, which are no evidence. The reference has 1.0.
    assert_eq!(archive.candidates.len(), 14);
    let ids = |epsilon: f64| -> Vec<Vec<u32>> { archive.within(epsilon).iter().map(|it| it.ids.clone()).collect() };
    assert_eq!(ids(0.0), [vec![9, 9]]);
    assert_eq!(ids(0.25), [vec![9, 9], vec![1, 3]]);
    assert_eq!(ids(9.0).len(), 4, "dropped ones have no score");
    assert!(ids(-0.5).is_empty());
    let contrasts = archive.contrasts();
    let pairs: Vec<(&[u32], &[u32], f64)> =
        contrasts.iter().map(|it| (&*it.better.ids, &*it.worse.ids, it.ce_difference)).collect();
    let expected: [(&[u32], &[u32], f64); 4] =
        [(&[1, 3], &[4, 3], 0.625), (&[1, 3], &[1, 2], 0.5), (&[1], &[1, 2], 0.25), (&[1, 3], &[1], 0.25)];
    assert_eq!(pairs, expected);
    // Candidates of another teacher were scored on other completions: they do not compare.
    write_cell(&path, &plan.cells[4], Some(0.5));
    let mut mixed = Archive::default();
    mixed.add(&events);
    mixed.add(&CellLog::read(&path).unwrap().events);
    assert_eq!(mixed.contrasts().len(), 8);
    assert_eq!(mixed.within(0.0).len(), 2);
}
