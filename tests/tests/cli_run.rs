//! Whole searches on the default model from the command line: deterministic, nontrivial, and with
//! train and test suffixes apart.

use anyhow::{Context as _, Result};
use serde_json::Value;
use shared::event::{Completion, Event, SuffixBaseline};
use shared::metrics::weighted_ce;
use shared::nontriviality::Rule;
use shared::spec::Split;
use std::collections::BTreeSet;
use steerage_tests::command::steerage;
use steerage_tests::search::{COMMON, run_twice};

/// Every stage of the note's pipeline.
const HYBRID: &str = r#"
[[stages]]
kind = "soft_prompt"
steps = 3
learning_rate = 0.05

[[stages]]
kind = "projection"

[[stages]]
kind = "hotflip"
steps = 2
candidates = 6

[[stages]]
kind = "evaluate"
"#;

const GCG: &str = r#"
[[stages]]
kind = "gcg"
init = "random"
steps = 4
candidates = 8
swaps = 2
buffer = 2

[[stages]]
kind = "evaluate"
samples = 2
transfer = "all"
"#;

#[test]
fn the_same_seed_gives_the_same_events_and_a_nontrivial_prefix() -> Result<()> {
    let (events, result) = run_twice(HYBRID)?;
    for row in ["none", "reference", "random", "soft", "projected", "final"] {
        for split in Split::ALL {
            assert!(result["ce"][row][split.name()].is_f64(), "ce.{row}.{} is missing in {result}", split.name());
        }
    }

    let measured: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::SuffixMeasured { suffix } => Some(suffix),
            _ => None,
        })
        .collect();
    tokens_add_up(&measured, &events);
    let texts: BTreeSet<&str> = measured.iter().map(|suffix| suffix.text.as_str()).collect();
    assert_eq!(texts.len(), 5, "a suffix is in two splits");
    assert_eq!(measured.iter().filter(|suffix| suffix.split == Split::Test).count(), 2);
    // What the search itself scored: (candidate, train suffix) pairs only, all of them logged.
    let candidates: usize = events
        .iter()
        .filter_map(|event| match event {
            Event::Candidates { candidates, .. } => Some(candidates.len()),
            _ => None,
        })
        .sum();
    assert!(candidates > 6, "only {candidates} candidates are in the log");

    // What a user copies passes the same rules, read back from text.
    let text = result["prefix"]["text"].as_str().context("no text")?;
    let check = steerage(&["check", text, "--reference", "Talk only about cats."])?;
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
    Ok(())
}

/// What is logged of tokens is what the texts and the cross-entropies are made of.
fn tokens_add_up(measured: &[&SuffixBaseline], events: &[Event]) {
    let is_text = |completion: &Completion| {
        assert_eq!(completion.pieces.concat(), completion.text);
        assert_eq!(completion.pieces.len(), completion.ids.len(), "{completion:?}");
    };
    // The spec leaves both to their defaults.
    let weighted = |nll: &[f64]| weighted_ce(&nll.iter().map(|&nll| nll as f32).collect::<Vec<_>>(), 32, 3.0).0;
    for suffix in measured {
        is_text(&suffix.reference);
        assert!((weighted(&suffix.nll_none) - suffix.ce_none).abs() < 1e-3, "{suffix:?}");
        assert!((weighted(&suffix.nll_reference) - suffix.ce_reference).abs() < 1e-3, "{suffix:?}");
        assert_eq!(suffix.nll_none.len(), suffix.reference.ids.len());
    }
    let mut evaluated = 0;
    for event in events {
        if let Event::SuffixEvaluated { suffix } = event {
            is_text(&suffix.completion);
            is_text(&suffix.completion_none);
            assert!((weighted(&suffix.nll) - suffix.ce).abs() < 1e-3, "{suffix:?}");
            assert!(suffix.ce_projected.is_some_and(|ce| ce > 0.0), "the pipeline projects: {suffix:?}");
            evaluated += 1;
        }
    }
    assert_eq!(evaluated, measured.len());
}

#[test]
fn gcg_only_gets_better_and_ends_at_the_best_that_it_logged() -> Result<()> {
    let (events, result) = run_twice(GCG)?;
    let (mut objective, mut scored) = (Vec::new(), Vec::new());
    for event in &events {
        match event {
            Event::Objective { ce_train, .. } => objective.push(*ce_train),
            Event::Candidates { candidates, .. } => {
                scored.extend(candidates.iter().filter(|candidate| !candidate.dropped));
            }
            _ => {}
        }
    }
    assert_eq!(objective.len(), 5, "the start and four steps");
    assert!(objective.is_sorted_by(|before, after| before >= after), "{objective:?}");
    let best = scored.iter().min_by(|a, b| a.ce_train.total_cmp(&b.ce_train)).context("nothing was scored")?;
    assert_eq!(objective.last(), Some(&best.ce_train));
    let distinct: BTreeSet<Vec<u32>> = events
        .iter()
        .filter_map(|event| match event {
            Event::Candidates { candidates, .. } => Some(candidates.iter().map(|candidate| candidate.ids.clone())),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(result["candidates_scored"], distinct.len(), "the k of best of k");
    the_verdict_has_its_ends(&result)?;
    // Without a better one on validation, the best on train need not be the verdict's.
    let prefix: Vec<u32> = serde_json::from_value(result["prefix"]["ids"].clone())?;
    assert!(scored.iter().any(|candidate| candidate.ids == prefix), "the found prefix was never scored");
    assert_eq!(result["test_intervals"]["suffixes"], 2);
    assert!(result["test_intervals"]["exact"]["high"].is_f64(), "{result}");
    Ok(())
}

#[test]
fn suffixes_that_dominate_are_shown_and_left_out() -> Result<()> {
    /// In nats a token; some suffixes of the set are below.
    const LEAST: f64 = 0.1;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("spec.toml");
    std::fs::write(&file, format!("{COMMON}{GCG}"))?;
    let file = file.display().to_string();
    let run = |least: &str| steerage(&["run", &file, "--json", "--seed", "7", "--min-steerability", least]);
    let events =
        |stdout: &str| stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Event>>();
    let measured = |events: &[Event]| -> Vec<SuffixBaseline> {
        let suffix = |event: &Event| match event {
            Event::SuffixMeasured { suffix } => Some(suffix.clone()),
            _ => None,
        };
        events.iter().filter_map(suffix).collect()
    };
    let none_stays = run("100")?;
    assert_eq!(none_stays.code, 2, "{none_stays:?}");
    assert!(none_stays.stderr.contains("suffixes.min_steerability"), "{}", none_stays.stderr);
    let all = measured(&events(&none_stays.stdout));
    assert!(all.len() == 5 && all.iter().all(|suffix| suffix.dominated), "{all:?}");

    let (stay, left_out): (Vec<_>, Vec<_>) = all.iter().partition(|suffix| suffix.steerability() >= LEAST);
    let in_test = stay.iter().filter(|suffix| suffix.split == Split::Test).count();
    assert!(in_test == 1 && stay.len() == 3, "choose other suffixes: {all:?}");
    let finished = run(&LEAST.to_string())?;
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let events = events(&finished.stdout);
    let shown = measured(&events);
    let texts = |suffixes: &[&SuffixBaseline]| suffixes.iter().map(|suffix| suffix.text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&shown.iter().collect::<Vec<_>>()), [texts(&stay), texts(&left_out)].concat());
    for (index, suffix) in shown.iter().enumerate() {
        assert_eq!((suffix.index, suffix.dominated), (index, suffix.steerability() < LEAST), "{suffix:?}");
    }
    let evaluated: Vec<usize> = events
        .iter()
        .filter_map(|event| match event {
            Event::SuffixEvaluated { suffix } => Some(suffix.index),
            _ => None,
        })
        .collect();
    assert_eq!(evaluated, [0, 1, 2]);
    let result: Value = serde_json::from_str(finished.stdout.lines().last().context("no result line")?)?;
    let kept = shown.iter().find(|suffix| suffix.split == Split::Test).context("no test suffix")?;
    let none = result["ce"]["none"]["test"].as_f64().context("no cross-entropy")?;
    assert!((none - kept.ce_none).abs() < 1e-9, "{none} of all, {} of the one that stays", kept.ce_none);
    assert_eq!(result["test_intervals"]["suffixes"], 1);
    // A user may type the prefix in front of any prompt: those that are left out are read back too.
    let finding = |event: &Event| match event {
        Event::Finished { result } => {
            result.nontriviality.findings.iter().find(|finding| finding.rule == Rule::RoundTrip).cloned()
        }
        _ => None,
    };
    let round_trip = events.iter().find_map(finding).context("no round trip")?;
    assert_eq!(round_trip.evidence, "the same ids inside all 5 chats");
    Ok(())
}

/// Everything about the test suffixes is there, and the reference is as near to itself as can be.
fn the_verdict_has_its_ends(result: &Value) -> Result<()> {
    let number = |path: &str| result.pointer(path).and_then(Value::as_f64).context(format!("no {path} in {result}"));
    assert_eq!(number("/forward_kl/reference")?, 0.0);
    assert!(number("/forward_kl/none")? > 0.0 && number("/forward_kl/found")? > 0.0);
    assert_eq!(number("/argmax_agreement/reference")?, 1.0);
    assert!(number("/argmax_agreement/none")? < 1.0);
    assert!(result["lexical_adherence"]["rule"].as_str().is_some_and(|rule| rule.contains("cat")), "{result}");
    for prefix in ["none", "reference", "found"] {
        assert!((0.0..=1.0).contains(&number(&format!("/lexical_adherence/{prefix}/share"))?));
        assert!((0.0..=1.0).contains(&number(&format!("/sampled/adherence/{prefix}"))?));
        assert!((0.0..=1.0).contains(&number(&format!("/sampled/lexical_adherence/{prefix}"))?));
    }
    assert_eq!(number("/sampled/reverse_kl/reference")?, 0.0);
    assert!(number("/sampled/reverse_kl/found")? > 0.0);
    let transfer = result["transfer"].as_array().context("no transfer")?;
    assert_eq!(transfer.len(), 5, "{transfer:?}");
    // Rounding to bf16 moves a cross-entropy by little, and by something.
    let (f32, bf16) = (number("/ce/none/test")?, transfer[0]["ce_none"].as_f64().context("no ce_none")?);
    assert!(f32 != bf16 && (f32 - bf16).abs() < 0.05, "{f32} and {bf16}");
    let fell = number("/gap_closed/validation")? - number("/gap_closed/test")?;
    assert!((number("/validation_test_drop")? - fell).abs() < 1e-9);
    Ok(())
}
