//! Finished runs side by side: teachers × methods, each cell over its seeds.

use shared::metrics::{PairedComparison, Summary, compare_paired};
use shared::wire::{RunPhase, RunSummary};
use std::collections::BTreeMap;

/// What is searched for: methods are compared on the same task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    /// Model.
    pub model: String,
    /// Reference prefix.
    pub teacher: String,
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
    /// Names of the methods: the presets that runs began as.
    pub methods: Vec<String>,
    /// By task, then by method.
    pub tasks: BTreeMap<Task, BTreeMap<String, Cell>>,
    /// Runs that another one of the same task, method and seed stands for.
    pub left_out: usize,
}

/// Sorts runs, newest first, into a grid.
pub fn grid(runs: &[RunSummary]) -> Grid {
    let mut grid = Grid::default();
    for run in runs {
        let task = Task { model: run.model.clone(), teacher: run.teacher.clone() };
        let cell = grid.tasks.entry(task).or_default().entry(run.preset.clone()).or_default();
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
        if !grid.methods.contains(&run.preset) {
            grid.methods.push(run.preset.clone());
        }
    }
    grid.methods.sort();
    grid
}

impl Grid {
    /// A method against another on the tasks and seeds that both finished; nothing where there are none.
    pub fn paired(&self, method: &str, baseline: &str) -> Option<PairedComparison> {
        let pairs = self.tasks.values().filter_map(|cells| Some((cells.get(method)?, cells.get(baseline)?)));
        let pairs: Vec<(f64, f64)> = pairs
            .flat_map(|(first, second)| {
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

    #[test]
    fn cells_hold_the_newest_finished_run_of_a_seed() {
        let runs = [
            run("d", "cats", "best", 0, None),
            run("c", "cats", "best", 0, Some(0.8)),
            run("b", "cats", "best", 1, Some(0.6)),
            run("a", "cats", "best", 0, Some(0.1)),
        ];
        let grid = grid(&runs);
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
        let found = grid(&runs).paired("best", "hybrid").unwrap();
        assert_eq!((found.pairs, found.wins, found.mean_difference), (1, 1, 0.5));
        assert!(grid(&runs).paired("best", "gcg").is_none());
        assert_eq!(grid(&runs).methods, ["best", "hybrid"]);
    }
}
