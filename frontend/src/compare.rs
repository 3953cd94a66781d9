//! Finished runs side by side: teachers × methods, each cell over its seeds.

use shared::catalogue::StageDeclaration;
use shared::metrics::{PairedComparison, Summary, compare_paired};
use shared::settings::{BETWEEN_STAGES, STAGES, Settings, default_of, differing};
use shared::wire::{RunPhase, RunSummary};
use std::collections::{BTreeMap, BTreeSet};

/// Banned concepts belong to the task and not to the method: they come with the reference prefix.
const CONCEPTS: &str = "constraints.ban_concepts";

/// Most settings that a method's name has.
const NAMED_SETTINGS: usize = 3;

/// What is searched for: methods are compared on the same task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    /// Model.
    pub model: String,
    /// Reference prefix.
    pub teacher: String,
    /// Words that the prefix may not have.
    pub concepts: String,
}

/// How it is searched for: a preset, and what was changed about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Method {
    /// The preset, and the settings that tell it from others of this preset.
    pub name: String,
    /// All settings that differ from the defaults, and those of its stages.
    pub settings: Settings,
}

/// One method on one task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// By seed: the newest run of that seed, a finished one before all others.
    pub seeds: BTreeMap<u64, RunSummary>,
}

impl Cell {
    /// Gap closed on test, by seed, of the runs that have it.
    pub fn gaps(&self) -> impl Iterator<Item = (u64, f64)> {
        self.seeds.iter().filter_map(|(&seed, run)| Some((seed, run.gap_closed_test?)))
    }

    /// The same in a few numbers.
    pub fn summary(&self) -> Option<Summary> {
        Summary::of(&self.gaps().map(|(_, gap)| gap).collect::<Vec<_>>())
    }
}

/// All runs, sorted into cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// The methods, by name.
    pub methods: Vec<Method>,
    /// By task, then by the method's name.
    pub tasks: BTreeMap<Task, BTreeMap<String, Cell>>,
    /// Runs that another one of the same task, method and seed stands for.
    pub left_out: usize,
}

/// A setting that differs, with its value for each method.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The setting.
    pub key: String,
    /// In the order of the methods; nothing where it has no meaning.
    pub values: Vec<Option<String>>,
}

/// Sorts runs, newest first, into a grid. `stages` says which parameters a stage has where a run gives none.
pub fn grid(runs: &[RunSummary], stages: &[StageDeclaration]) -> Grid {
    let kinds: Vec<(String, Settings)> = runs.iter().map(|run| (run.preset.clone(), own(run, stages))).collect();
    let distinct: BTreeSet<&(String, Settings)> = kinds.iter().collect();
    let names = names(&distinct);
    let mut grid = Grid::default();
    for (run, kind) in runs.iter().zip(&kinds) {
        let concepts = run.settings.get(CONCEPTS).cloned().unwrap_or_default();
        let task = Task { model: run.model.clone(), teacher: run.teacher.clone(), concepts };
        let name = names.get(kind).cloned().unwrap_or_default();
        let cell = grid.tasks.entry(task).or_default().entry(name).or_default();
        let is_finished = |run: &RunSummary| run.state == RunPhase::Finished;
        match cell.seeds.get(&run.seed) {
            None => drop(cell.seeds.insert(run.seed, run.clone())),
            Some(newer) => {
                grid.left_out += 1;
                if !is_finished(newer) && is_finished(run) {
                    cell.seeds.insert(run.seed, run.clone());
                }
            }
        }
    }
    grid.methods = names.iter().map(|(kind, name)| Method { name: name.clone(), settings: kind.1.clone() }).collect();
    grid.methods.sort_by(|a, b| a.name.cmp(&b.name));
    grid
}

/// A run's own settings, with the parameters of its stages, but for what belongs to the task.
fn own(run: &RunSummary, stages: &[StageDeclaration]) -> Settings {
    let mut settings = run.settings.clone();
    settings.remove(CONCEPTS);
    let kinds: Vec<String> =
        settings.get(STAGES).iter().flat_map(|kinds| kinds.split(BETWEEN_STAGES)).map(str::to_owned).collect();
    for (at, kind) in kinds.iter().enumerate() {
        let before = kinds[..at].iter().filter(|other| *other == kind).count();
        let number = if before == 0 { String::new() } else { format!(" {}", before + 1) };
        let declared = stages.iter().find(|stage| stage.kind == *kind);
        for param in declared.iter().flat_map(|stage| &stage.params) {
            let default = || param.default.to_string();
            settings.entry(format!("{kind}{number}.{}", param.name)).or_insert_with(default);
        }
    }
    settings
}

/// A name for each kind of run: its preset, and what tells it from others of this preset.
fn names<'a>(kinds: &BTreeSet<&'a (String, Settings)>) -> BTreeMap<&'a (String, Settings), String> {
    let mut names: BTreeMap<&(String, Settings), String> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for kind in kinds {
        let (preset, settings) = kind;
        let same: Vec<&Settings> =
            kinds.iter().filter(|(other, _)| other == preset).map(|(_, settings)| settings).collect();
        let keys = differing(same);
        let told: Vec<String> = keys
            .iter()
            .take(NAMED_SETTINGS)
            .map(|key| format!("{key} {}", value(settings, key).unwrap_or_else(|| "–".to_owned())))
            .collect();
        let more = keys.len().saturating_sub(NAMED_SETTINGS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let name = if told.is_empty() { preset.clone() } else { format!("{preset} ({}{more})", told.join(", ")) };
        let mut unique = name.clone();
        for number in 2.. {
            if taken.insert(unique.clone()) {
                break;
            }
            unique = format!("{name} #{number}");
        }
        names.insert(kind, unique);
    }
    names
}

/// A setting's value, given or not; nothing where it is a parameter of a stage that the run does not have.
fn value(settings: &Settings, key: &str) -> Option<String> {
    settings.get(key).cloned().or_else(|| default_of(key))
}

impl Grid {
    /// The same with only some tasks and methods.
    pub fn narrowed(&self, fits: impl Fn(&Task) -> bool, method: Option<&str>) -> Grid {
        let is_method = |name: &str| method.is_none_or(|wanted| wanted == name);
        let mut tasks: BTreeMap<Task, BTreeMap<String, Cell>> = self
            .tasks
            .iter()
            .filter(|(task, _)| fits(task))
            .map(|(task, cells)| (task.clone(), cells.clone()))
            .collect();
        tasks.values_mut().for_each(|cells| cells.retain(|name, _| is_method(name)));
        tasks.retain(|_, cells| !cells.is_empty());
        let is_there = |method: &&Method| tasks.values().any(|cells| cells.contains_key(&method.name));
        let methods = self.methods.iter().filter(is_there).cloned().collect();
        Grid { methods, tasks, left_out: self.left_out }
    }

    /// Settings in which the methods differ, and no others.
    pub fn differences(&self) -> Vec<Difference> {
        let keys = differing(self.methods.iter().map(|method| &method.settings).collect::<Vec<_>>());
        let difference = |key: String| {
            let values: Vec<_> = self.methods.iter().map(|method| value(&method.settings, &key)).collect();
            Difference { key, values }
        };
        // One that says explicitly what the others leave to the default differs only in how it was written.
        let differs = |difference: &Difference| difference.values.windows(2).any(|pair| pair[0] != pair[1]);
        keys.into_iter().map(difference).filter(differs).collect()
    }

    /// A method against another on the tasks and seeds that both finished; nothing where there are none.
    pub fn paired(&self, method: &str, baseline: &str) -> Option<PairedComparison> {
        let pairs = self.tasks.values().filter_map(|cells| Some((cells.get(method)?, cells.get(baseline)?)));
        let pairs: Vec<Vec<(f64, f64)>> = pairs
            .map(|(first, second)| {
                let second: BTreeMap<u64, f64> = second.gaps().collect();
                first.gaps().filter_map(move |(seed, gap)| Some((gap, *second.get(&seed)?))).collect::<Vec<_>>()
            })
            .collect();
        compare_paired(&pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::catalogue::{ParamDeclaration, ParamDomain};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn run(id: &str, teacher: &str, preset: &str, seed: u64, gap: Option<f64>) -> RunSummary {
        let state = if gap.is_some() { "finished" } else { "failed" };
        serde_json::from_value(serde_json::json!({
            "run": id, "epoch": 1, "state": state, "preset": preset, "model": "m", "teacher": teacher, "seed": seed,
            "created_unix_ms": 0, "gap_closed_test": gap,
        }))
        .unwrap()
    }

    fn with(mut run: RunSummary, settings: &[(&str, &str)]) -> RunSummary {
        run.settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        run
    }

    fn hotflip() -> Vec<StageDeclaration> {
        let steps = ParamDeclaration {
            name: "steps".to_owned(),
            unit: String::new(),
            help: String::new(),
            domain: ParamDomain::Integer { min: 1, max: 100 },
            default: 40.into(),
        };
        let (title, help) = Default::default();
        vec![StageDeclaration { kind: "hotflip".to_owned(), title, help, params: vec![steps] }]
    }

    fn names(grid: &Grid) -> Vec<&str> {
        grid.methods.iter().map(|method| method.name.as_str()).collect()
    }

    #[test]
    fn cells_hold_the_newest_finished_run_of_a_seed() {
        let runs = [
            run("d", "cats", "best", 0, None),
            run("c", "cats", "best", 0, Some(0.8)),
            run("b", "cats", "best", 1, Some(0.6)),
            run("a", "cats", "best", 0, Some(0.1)),
        ];
        let grid = grid(&runs, &[]);
        let cell = &grid.tasks.values().next().unwrap()["best"];
        assert_eq!(cell.gaps().collect::<Vec<_>>(), [(0, 0.8), (1, 0.6)]);
        assert_eq!(grid.left_out, 2);
        let summary = cell.summary().unwrap();
        assert!((summary.mean - 0.7).abs() < 1e-12 && summary.n == 2);
    }

    #[test]
    fn only_the_same_task_and_seed_make_a_pair() {
        let runs = [
            run("a", "cats", "best", 0, Some(0.75)),
            run("b", "cats", "hybrid", 0, Some(0.25)),
            run("c", "cats", "hybrid", 1, Some(0.9)),
            run("d", "pirate", "best", 0, Some(0.5)),
            run("e", "ocean", "hybrid", 0, Some(0.5)),
            run("f", "cats", "best", 1, None),
        ];
        let grid = grid(&runs, &[]);
        let found = grid.paired("best", "hybrid").unwrap();
        assert_eq!((found.pairs, found.wins, found.mean_difference), (1, 1, 0.5));
        assert!(grid.paired("best", "gcg").is_none());
        assert_eq!(names(&grid), ["best", "hybrid"]);
        assert_eq!(grid.differences(), []);
    }

    #[test]
    fn what_was_changed_about_a_preset_makes_another_method() {
        let runs = [
            with(run("a", "cats", "flip", 0, Some(0.5)), &[("stages", "hotflip"), ("constraints.ban_concepts", "cat")]),
            with(
                run("b", "cats", "flip", 0, Some(0.6)),
                &[("stages", "hotflip"), ("hotflip.steps", "9"), ("constraints.ban_concepts", "cat")],
            ),
            // The default, said and not said; other concepts are another task and no other method.
            with(run("c", "pirate", "flip", 0, Some(0.7)), &[("stages", "hotflip"), ("hotflip.steps", "40")]),
            with(run("d", "cats", "flip", 0, Some(0.8)), &[("stages", "hotflip"), ("prefix_tokens", "8")]),
        ];
        let grid = grid(&runs, &hotflip());
        let expected = [
            "flip (hotflip.steps 40, prefix_tokens 6)",
            "flip (hotflip.steps 40, prefix_tokens 8)",
            "flip (hotflip.steps 9, prefix_tokens 6)",
        ];
        assert_eq!(names(&grid), expected);
        assert_eq!((grid.tasks.len(), grid.left_out), (3, 0));
        let keys: Vec<_> =
            grid.differences().into_iter().map(|difference| (difference.key, difference.values)).collect();
        let some = |values: [&str; 3]| values.map(|value| Some(value.to_owned())).to_vec();
        let expected = [
            ("hotflip.steps".to_owned(), some(["40", "40", "9"])),
            ("prefix_tokens".to_owned(), some(["6", "8", "6"])),
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn a_narrowed_grid_has_the_methods_that_are_left() {
        let runs = [
            run("a", "cats", "best", 0, Some(0.75)),
            run("b", "cats", "hybrid", 0, Some(0.25)),
            run("c", "pirate", "gcg", 0, Some(0.5)),
        ];
        let grid = grid(&runs, &[]);
        let cats = grid.narrowed(|task| task.teacher == "cats", None);
        assert_eq!((names(&cats), cats.tasks.len()), (vec!["best", "hybrid"], 1));
        assert_eq!(names(&grid.narrowed(|task| task.teacher == "cats", Some("hybrid"))), ["hybrid"]);
        assert!(grid.narrowed(|_| true, Some("none")).tasks.is_empty());
    }

    #[test]
    fn methods_that_differ_in_much_have_short_names_of_their_own() {
        let many = |last: &str| {
            let settings: Vec<(String, &str)> = (0..5).map(|n| (format!("k{n}"), last)).collect();
            let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (key.as_str(), *value)).collect();
            with(run(last, "cats", "best", 0, None), &settings)
        };
        let grid = grid(&[many("1"), many("2")], &[]);
        assert_eq!(names(&grid), ["best (k0 1, k1 1, k2 1 and 2 more)", "best (k0 2, k1 2, k2 2 and 2 more)"]);
    }
}
