//! Every stage that has no test of its own, in small searches on the default model: deterministic, never
//! worse than where it began, and with all that it tried within the constraints. One of them makes the whole
//! verdict; the others leave out what costs more than the search.

use anyhow::{Context as _, Result};
use candle_core::{Device, Tensor};
use shared::event::{Candidate, Event};
use shared::metrics::gap_closed;
use shared::spec::Split;
use std::collections::BTreeSet;
use steerage_tests::search::{candidates, hold_to_constraints, run_twice, selected};
use worker::models::ModelStore;

const GRADIENT: &str = r#"
[[stages]]
kind = "pez"
init = "random"
steps = 10

[[stages]]
kind = "pgd"
steps = 6
tokens = 64
learning_rate = 1.0

[[stages]]
kind = "evaluate"
samples = 0
transfer = "none"
"#;

const GROWN: &str = r#"
[[stages]]
kind = "beam"
width = 3
samples = 3

[[stages]]
kind = "compress"
bound = 0.8
replacements = 2

[[stages]]
kind = "hotflip"
steps = 1
candidates = 2

[[stages]]
kind = "evaluate"
samples = 0
transfer = "none"
"#;

const PROJECTIONS: &str = r#"
[[stages]]
kind = "soft_prompt"
steps = 3
learning_rate = 0.05

[[stages]]
kind = "projection"

[[stages]]
kind = "projection"
method = "beam"
top_k = 3
width = 2

[[stages]]
kind = "projection"
method = "viterbi"
top_k = 4

[[stages]]
kind = "evaluate"
"#;

const WALK: &str = r#"
[[stages]]
kind = "walk"
near = 6
screening_suffixes = 1
crossed = 6
finalists = 2
rounds = 2
edits = 6

[[stages]]
kind = "gcg"
proposals = "mixed"
scoring = "halving"
screening_suffixes = 1
steps = 3
candidates = 12

[[stages]]
kind = "evaluate"
samples = 0
transfer = "none"
"#;

const LAYER: &str = r#"
[[stages]]
kind = "soft_prompt"
objective = "hidden_state"
layer = 8
steps = 4
learning_rate = 0.05
validate_every = 1

[[stages]]
kind = "projection"

[[stages]]
kind = "soft_prompt"
kl_weight = 1.0
steps = 4
learning_rate = 0.01
validate_every = 1

[[stages]]
kind = "projection"

[[stages]]
kind = "soft_prompt"
objective = "sae_feature"
sae = "SAE"
feature = 2
layer = 8
steps = 3
learning_rate = 0.05
validate_every = 1

[[stages]]
kind = "evaluate"
samples = 0
transfer = "none"
"#;

/// Each next best prefix is better than the one before.
fn only_gets_better(selected: &[(usize, f64)]) {
    assert!(!selected.is_empty(), "no prefix was ever the best");
    assert!(selected.is_sorted_by(|before, after| before.1 > after.1), "{selected:?}");
}

/// The cross-entropies that a stage reported after its steps.
fn objective(events: &[Event], of: usize) -> Vec<f64> {
    let of_stage = |event: &Event| match event {
        Event::Objective { stage, ce_train, .. } if *stage == of => Some(*ce_train),
        _ => None,
    };
    events.iter().filter_map(of_stage).collect()
}

#[test]
fn pez_and_pgd_move_among_allowed_tokens_and_keep_the_best() -> Result<()> {
    let (events, result) = run_twice(GRADIENT)?;
    hold_to_constraints(&events)?;
    only_gets_better(&selected(&events));
    for stage in [1, 2] {
        let objective = objective(&events, stage);
        assert!(objective.iter().any(|ce| *ce != objective[0]), "stage {stage} never left its start: {objective:?}");
    }
    let lowest = selected(&events).last().context("no prefix")?.1;
    let validation = result["ce"]["final"]["validation"].as_f64().context("no cross-entropy")?;
    assert!((validation - lowest).abs() < 1e-5, "{validation}, but the best that was seen had {lowest}");
    Ok(())
}

#[test]
fn a_beam_grows_and_compression_keeps_its_bound() -> Result<()> {
    let (events, result) = run_twice(GROWN)?;
    hold_to_constraints(&events)?;
    let grown: Vec<(usize, f64)> = selected(&events).into_iter().filter(|(stage, _)| *stage == 1).collect();
    only_gets_better(&grown);
    let lengths: Vec<usize> = candidates(&events).iter().map(|candidate| candidate.ids.len()).collect();
    assert!(lengths.contains(&1) && lengths.contains(&2), "{lengths:?}");

    // What compression was asked for, worked out again from the log.
    let validation = events.iter().find_map(|event| match event {
        Event::SuffixMeasured { suffix } if suffix.split == Split::Validation => Some(suffix),
        _ => None,
    });
    let validation = validation.context("no validation suffix")?;
    let closed = |ce: f64| gap_closed(validation.ce_none, validation.ce_reference, ce);
    let start = closed(grown.last().context("nothing grew")?.1).context("no gap")?;
    if let Some((_, ce)) = selected(&events).into_iter().find(|(stage, _)| *stage == 2) {
        let kept = closed(ce).context("no gap")?;
        assert!(start > 0.0 && kept >= 0.8 * start, "{kept} of {start} is left");
    }
    let best = |of: usize| {
        events.iter().rev().find_map(|event| match event {
            Event::Prefix { stage, prefix, .. } if *stage <= of => Some(prefix.tokens.len()),
            _ => None,
        })
    };
    assert!(best(2) <= best(1), "compression made it longer");
    // A search goes on from whatever length that is, and so does the verdict.
    let ids = result["prefix"]["ids"].as_array().context("no prefix")?;
    assert_eq!(Some(ids.len()), best(3));
    assert_eq!(result["nontrivial"], true);
    Ok(())
}

#[test]
fn every_projection_gives_allowed_tokens() -> Result<()> {
    let (events, result) = run_twice(PROJECTIONS)?;
    hold_to_constraints(&events)?;
    only_gets_better(&selected(&events));
    for stage in [2, 3, 4] {
        assert_eq!(objective(&events, stage).len(), 1, "stage {stage} has one projection");
    }
    assert!(result["ce"]["projected"]["train"].is_f64(), "{result}");
    Ok(())
}

/// The walk passes through what is forbidden, but nothing forbidden is ever the best prefix; then edits may
/// change its length.
#[test]
fn a_walk_ends_outside_of_what_is_forbidden_and_edits_stay_there() -> Result<()> {
    let (events, result) = run_twice(WALK)?;
    let (walk, edits): (Vec<Event>, Vec<Event>) = events.iter().cloned().partition(|event| match event {
        Event::Candidates { stage, .. } => *stage < 2,
        _ => false,
    });
    assert!(!candidates(&walk).is_empty());
    hold_to_constraints(&edits)?;
    let lengths: BTreeSet<usize> = candidates(&edits).iter().map(|candidate| candidate.ids.len()).collect();
    assert!(lengths.len() > 1, "no edit changed the length: {lengths:?}");
    for event in &events {
        if let Event::Prefix { prefix, .. } = event {
            hold_to_constraints(&with_candidate(&events, &prefix.tokens))?;
        }
    }
    // A walk goes by train and validation together, each counted by its suffixes.
    let pooled = events.iter().filter_map(|event| match event {
        Event::Prefix { stage: 1, ce_train, ce_validation: Some(ce_validation), .. } => {
            let (train, validation) = (count(&events, Split::Train), count(&events, Split::Validation));
            Some((1, (train * ce_train + validation * ce_validation) / (train + validation)))
        }
        _ => None,
    });
    only_gets_better(&pooled.collect::<Vec<_>>());
    assert_eq!(result["nontrivial"], true);
    assert!(result["candidates_scored"].as_u64().is_some_and(|count| count > 12), "{result}");
    Ok(())
}

/// The second walk is too short to find anything as good.
#[test]
fn a_walk_keeps_what_a_search_before_it_found() -> Result<()> {
    let walk = |crossed: usize, rounds: usize| {
        format!(
            "[[stages]]\nkind = \"walk\"\nnear = 6\ncrossed = {crossed}\nfinalists = 1\nrounds = {rounds}\nedits = 12\n\n"
        )
    };
    let verdict = "[[stages]]\nkind = \"evaluate\"\nsamples = 0\ntransfer = \"none\"\n";
    let (events, result) = run_twice(&format!("{}{}{verdict}", walk(6, 6), walk(1, 1)))?;
    let found: Vec<(usize, Vec<u32>)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Prefix { stage, prefix, .. } => Some((*stage, prefix.ids())),
            _ => None,
        })
        .collect();
    assert!(found.len() > 1 && found.iter().all(|(stage, _)| *stage == 1), "{found:?}");
    let scored = |event: &&Event| matches!(event, Event::Objective { stage: 2, .. });
    assert!(events.iter().any(|event| scored(&event)), "the second walk did nothing");
    let last = found.last().map(|(_, ids)| ids.clone());
    assert_eq!(serde_json::from_value::<Vec<u32>>(result["prefix"]["ids"].clone()).ok(), last);
    Ok(())
}

/// Suffixes of a split that count.
fn count(events: &[Event], split: Split) -> f64 {
    let counts = |event: &&Event| match event {
        Event::SuffixMeasured { suffix } => suffix.split == split && !suffix.dominated,
        _ => false,
    };
    events.iter().filter(counts).count() as f64
}

/// What was measured of the suffixes, and one candidate.
fn with_candidate(events: &[Event], tokens: &[shared::event::TokenPiece]) -> Vec<Event> {
    let ids = tokens.iter().map(|token| token.id).collect();
    let candidate = Candidate { ids, ce_train: 0.0, dropped: false, estimated: false };
    let measured = events.iter().filter(|event| matches!(event, Event::SuffixMeasured { .. })).cloned();
    measured.chain([Event::Candidates { stage: 1, step: 0, candidates: vec![candidate] }]).collect()
}

#[test]
fn soft_prompts_approach_a_layer_a_feature_and_a_teacher() -> Result<()> {
    let (_file, sae) = synthetic_autoencoder()?;
    let (events, result) = run_twice(&LAYER.replace("SAE", &sae))?;
    hold_to_constraints(&events)?;
    let summary = |of: usize| {
        events.iter().find_map(|event| match event {
            Event::StageFinished { stage, summary } if *stage == of => Some(summary.clone()),
            _ => None,
        })
    };
    assert!(summary(1).context("no summary")?.contains("after layer 8"), "{:?}", summary(1));
    // The bias lifts the feature over its threshold everywhere; the first step measures the start.
    let raised = summary(5).context("no summary")?;
    assert!(raised.contains("the feature fires at 100 % of tokens") && !raised.contains("at step 1 "), "{raised}");
    // On the way to the teacher's distributions the cross-entropy of its completions falls too.
    let objective = objective(&events, 3);
    assert!(objective.iter().any(|ce| *ce < objective[0]), "{objective:?}");
    assert!(result["ce"]["soft"]["test"].is_f64());
    Ok(())
}

/// An autoencoder of three features of the default model's width, where a search finds it by the name given back
/// while the file is there.
fn synthetic_autoencoder() -> Result<(tempfile::NamedTempFile, String)> {
    const HIDDEN_SIZE: usize = 576;
    const FEATURES: usize = 3;
    let folder = ModelStore::from_env().cache_dir().join("saes");
    std::fs::create_dir_all(&folder)?;
    let file = tempfile::Builder::new().prefix("test-").suffix(".npz").tempfile_in(folder)?;
    let waves = (0..HIDDEN_SIZE * FEATURES).map(|at| (at as f32).sin());
    let tensor = |values: Vec<f32>, shape: &[usize]| Tensor::from_vec(values, shape, &Device::Cpu);
    let tensors = [
        ("W_enc", tensor(waves.collect(), &[HIDDEN_SIZE, FEATURES])?),
        ("b_enc", tensor(vec![1e4; FEATURES], &[FEATURES])?),
        ("threshold", tensor(vec![1.0; FEATURES], &[FEATURES])?),
    ];
    Tensor::write_npz(&tensors, file.path())?;
    let name = file.path().file_stem().and_then(|name| name.to_str()).context("the file's name is no text")?.to_owned();
    Ok((file, name))
}
