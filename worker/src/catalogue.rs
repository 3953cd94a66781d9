//! What this worker can do: the lists that forms, help and validation are made of.

use crate::models::{DEFAULT_MODEL, ModelStore};
use crate::stages::STAGES;
use crate::teachers::teachers;
use shared::catalogue::{Catalogue, Preset};
use shared::spec::{RunSpec, StageSpec, SuffixSpec};
use shared::suffixes;

/// Everything that a spec can name on this machine.
pub fn catalogue(models: &ModelStore) -> Catalogue {
    Catalogue {
        models: models.entries(),
        stages: STAGES.iter().map(|stage| stage.declaration()).collect(),
        presets: presets(),
        suffix_sets: suffixes::built_in(),
        teachers: teachers(),
    }
}

/// The ready-made specs.
pub fn presets() -> Vec<Preset> {
    let soft = |steps: i64| StageSpec::new("soft_prompt").with("steps", steps);
    let hotflip =
        |steps: i64, candidates: i64| StageSpec::new("hotflip").with("steps", steps).with("candidates", candidates);
    let gcg = |steps: i64, candidates: i64| {
        StageSpec::new("gcg").with("steps", steps).with("candidates", candidates).with("init", "reference")
    };
    let from_reference = |kind: &str, steps: i64| StageSpec::new(kind).with("steps", steps).with("init", "reference");
    let beam = |width: i64, samples: i64| StageSpec::new("beam").with("width", width).with("samples", samples);
    let hybrid = |name: &str, title: &str, help: &str, size: Size, stages: [StageSpec; 2]| {
        let [soft, hotflip] = stages;
        preset(name, title, help, size, vec![soft, StageSpec::new("projection"), hotflip])
    };
    // The first is what the page begins with.
    vec![
        best(
            "best-quick",
            "Best, quick",
            "A walk from the reference out of what is forbidden, on short completions: about 2 minutes on 2 cores.",
            Size { train: 24, validation: 12, test: 16, ..QUICK },
            vec![StageSpec::new("walk").with("crossed", 16i64).with("rounds", 2i64).with("edits", 64i64)],
        ),
        best(
            "best",
            "Best",
            "A walk from the reference out of what is forbidden, and on by edits; on the suffixes that the reference steers.",
            // Suffixes before steps and before length: with 13 to go by, prefixes that closed 0.88 of the gap on
            // train closed 0.76 on test; with 44, 0.87 and 0.85.
            Size { train: 48, validation: 20, test: 36, max_completion_tokens: 24, samples: 1 },
            vec![StageSpec::new("walk")],
        ),
        hybrid(
            "hybrid-quick",
            "Hybrid, quick",
            "Soft prompt, projection and HotFlip on few suffixes and short completions: about 3 minutes on 2 cores.",
            QUICK,
            [soft(20), hotflip(10, 12)],
        ),
        hybrid(
            "hybrid",
            "Hybrid",
            "The note's pipeline: soft prompt, projection to the nearest tokens, HotFlip.",
            FULL,
            [soft(60), hotflip(40, 32)],
        ),
        preset(
            "pure-hotflip-quick",
            "Pure HotFlip, quick",
            "HotFlip from random tokens on few suffixes and short completions: about 3 minutes on 2 cores.",
            QUICK,
            vec![hotflip(14, 12).with("init", "random")],
        ),
        preset(
            "pure-hotflip",
            "Pure HotFlip",
            "The note's baseline: HotFlip alone, from random tokens.",
            FULL,
            vec![hotflip(60, 32).with("init", "random")],
        ),
        preset(
            "pure-hotflip-reference-quick",
            "Pure HotFlip from the reference, quick",
            "HotFlip from the allowed tokens nearest to the reference, on few suffixes: about 3 minutes on 2 cores.",
            QUICK,
            vec![hotflip(14, 12).with("init", "reference")],
        ),
        preset(
            "pure-hotflip-reference",
            "Pure HotFlip from the reference",
            "HotFlip alone, from the allowed tokens nearest to the reference.",
            FULL,
            vec![hotflip(60, 32).with("init", "reference")],
        ),
        preset(
            "gcg-quick",
            "GCG, quick",
            "GCG from the allowed tokens nearest to the reference, on few suffixes: about 2 minutes on 2 cores.",
            QUICK,
            vec![gcg(12, 16)],
        ),
        preset("gcg", "GCG", "GCG from the allowed tokens nearest to the reference.", FULL, vec![gcg(40, 32)]),
        preset(
            "pez-quick",
            "PEZ, quick",
            "PEZ from the allowed tokens nearest to the reference, on few suffixes: about 2 minutes on 2 cores.",
            QUICK,
            vec![from_reference("pez", 30)],
        ),
        preset(
            "pez",
            "PEZ",
            "Free vectors moved by the gradient at their nearest allowed tokens.",
            FULL,
            vec![from_reference("pez", 100)],
        ),
        preset(
            "pgd-quick",
            "PGD, quick",
            "PGD from the allowed tokens nearest to the reference, on few suffixes: about 2 minutes on 2 cores.",
            QUICK,
            vec![from_reference("pgd", 24)],
        ),
        preset(
            "pgd",
            "PGD",
            "A distribution over tokens at each position, moved by projected gradient descent.",
            FULL,
            vec![from_reference("pgd", 100)],
        ),
        preset(
            "beam-quick",
            "Beam, quick",
            "Readable prefixes grown from what the model itself would write, on few suffixes: about 2 minutes on 2 cores.",
            QUICK,
            vec![beam(4, 5)],
        ),
        preset(
            "beam",
            "Beam",
            "Readable prefixes grown from what the model itself would write, without a gradient.",
            FULL,
            vec![beam(8, 8)],
        ),
        preset(
            "layer-sweep",
            "Layer match",
            "The note's internal state matching: a soft prompt whose residual stream after a layer is the reference's, projected to tokens.",
            FULL,
            vec![soft(100).with("objective", "hidden_state").with("patience", 8i64), StageSpec::new("projection")],
        ),
        preset(
            "sae-feature",
            "SAE feature",
            "The note's first experiment: a soft prompt that raises a feature of a sparse autoencoder, projected to tokens. Needs the parameters sae and feature.",
            FULL,
            vec![soft(100).with("objective", "sae_feature").with("patience", 8i64), StageSpec::new("projection")],
        ),
    ]
}

/// A preset on the suffixes that the reference steers: others tell a search nothing.
fn best(name: &str, title: &str, help: &str, size: Size, stages: Vec<StageSpec>) -> Preset {
    let mut preset = preset(name, title, help, size, stages);
    preset.spec.suffixes.set = "varied".to_owned();
    preset.spec.suffixes.min_steerability = Some(0.1);
    preset.spec.prefix_tokens = 8;
    preset
}

/// How many suffixes, and how long their completions are.
#[derive(Clone, Copy)]
struct Size {
    train: usize,
    validation: usize,
    test: usize,
    max_completion_tokens: usize,
    /// Completions drawn for each test suffix, for the verdict.
    samples: i64,
}

const QUICK: Size = Size { train: 4, validation: 2, test: 4, max_completion_tokens: 24, samples: 0 };
const FULL: Size = Size { train: 8, validation: 4, test: 8, max_completion_tokens: 48, samples: 1 };

fn preset(name: &str, title: &str, help: &str, size: Size, mut stages: Vec<StageSpec>) -> Preset {
    let Size { train, validation, test, max_completion_tokens, samples } = size;
    stages.push(StageSpec::new("evaluate").with("samples", samples));
    let spec = RunSpec {
        preset: name.to_owned(),
        max_completion_tokens,
        suffixes: SuffixSpec { train, validation, test, ..SuffixSpec::default() },
        stages,
        ..RunSpec::new(DEFAULT_MODEL, "Talk only about cats.")
    };
    Preset { name: name.to_owned(), title: title.to_owned(), help: help.to_owned(), spec }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_a_valid_spec() {
        let catalogue = catalogue(&ModelStore::new(std::env::temp_dir()));
        for preset in &catalogue.presets {
            assert_eq!(crate::job::validate(&preset.spec, &catalogue), Ok(()), "{}", preset.name);
            let toml = toml::to_string(&preset.spec).unwrap();
            assert_eq!(toml::from_str::<RunSpec>(&toml).unwrap(), preset.spec, "{toml}");
        }
    }
}
