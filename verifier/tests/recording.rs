//! What the browser computes, held to the recorded run and to the reference model. The model is the default
//! one, which `cargo xtask test model` fetches.
#![allow(clippy::unwrap_used)]

use candle_core::Device;
use shared::event::Event;
use shared::metrics::weighted_ce;
use shared::model::load::gguf_file;
use shared::model::score::nll;
use shared::recording;
use shared::state::RunState;
use shared::tokens::PromptTokenizer;
use shared::verification::{Check, Claims, SuffixClaim, SuffixMeasurement, Under, compare};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock};
use verifier::{Hasher, Model, check_texts, memory_bytes};
use worker::models::{DEFAULT_MODEL, ModelStore};

fn path() -> PathBuf {
    ModelStore::from_env().path(DEFAULT_MODEL).expect("`cargo xtask test model` fetches it")
}

/// Loaded once for all tests.
fn model() -> MutexGuard<'static, Model> {
    static MODEL: OnceLock<Mutex<Model>> = OnceLock::new();
    let load = || Mutex::new(Model::load(std::fs::read(path()).unwrap()).unwrap());
    MODEL.get_or_init(load).lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The claims of the recorded run, after a change to its events.
fn claims(change: impl Fn(&mut Event)) -> Claims {
    let mut state = RunState::default();
    for mut stamped in recording::parse(include_str!("../../frontend/demo.jsonl")).unwrap() {
        change(&mut stamped.event);
        state.apply(&stamped);
    }
    Claims::of(&state).unwrap()
}

fn measure(model: &mut Model, claims: &Claims, claim: &SuffixClaim) -> SuffixMeasurement {
    let mut under = |under| model.measure(claims, claim, under).unwrap();
    SuffixMeasurement {
        none: under(Under::None).unwrap(),
        reference: under(Under::Reference).unwrap(),
        found: under(Under::Found),
    }
}

/// What does not agree in the suffix of an index, computed again under one prefix only: each takes a second.
fn problems(model: &mut Model, claims: &Claims, index: usize, under: Under) -> Vec<String> {
    let claim = claims.suffixes.iter().find(|claim| claim.index == index).unwrap();
    let again = model.measure(claims, claim, under).unwrap().unwrap();
    let mut measured = SuffixMeasurement::default();
    match under {
        Under::None => measured.none = again,
        Under::Reference => measured.reference = again,
        Under::Found => measured.found = Some(again),
    }
    let outcome = compare(claims, claim, &measured);
    outcome.problems().filter(|problem| problem.contains(under.phrase())).collect()
}

#[test]
fn the_recorded_run_agrees_with_the_model_and_with_the_reference_implementation() {
    let claims = claims(|_| {});
    let mut model = model();
    let texts = check_texts(model.tokenizer(), &claims).unwrap();
    assert!(texts.agrees(), "{:?}", texts.problems().collect::<Vec<_>>());
    assert!(texts.checks.len() > 100, "{}", texts.checks.len());

    let reference = gguf_file(&path(), &Device::Cpu).unwrap();
    let tokenizer = PromptTokenizer::new(&reference.tokenizer.unwrap()).unwrap();
    let judged: Vec<&SuffixClaim> = claims.suffixes.iter().filter(|claim| claim.found.is_some()).collect();
    let claim = judged[judged.len() - 1];
    let measured = measure(&mut model, &claims, claim);
    let outcome = compare(&claims, claim, &measured);
    assert_eq!(outcome.checks.len(), 6);
    assert!(outcome.agrees(), "suffix {}: {:?}", claim.index, outcome.problems().collect::<Vec<_>>());
    for check in &outcome.checks {
        // Far inside the tolerance: the same code on the same kind of processor.
        if let Check::Ce { under, recorded, computed } = check {
            assert!((recorded - computed).abs() < 5e-5, "{under:?}: {recorded}, {computed}");
        }
    }
    // The same suffix in plain candle operations.
    let found = claims.found.as_ref().unwrap().ids();
    let prompt = tokenizer.layout(&found, &claims.separator, &claim.text).unwrap().ids;
    let targets = &claim.reference.ids;
    let ids = [&prompt[..], &targets[..targets.len() - 1]].concat();
    let decoder = &reference.model;
    let (hidden, _) = decoder.forward(&decoder.embed(&ids).unwrap().unsqueeze(0).unwrap(), None).unwrap();
    let rows = hidden.squeeze(0).unwrap().narrow(0, prompt.len() - 1, targets.len()).unwrap();
    let (ce, _) = weighted_ce(&nll(decoder, &rows, targets).unwrap(), claims.early_k, claims.early_weight);
    let ours = measured.found.unwrap().ce;
    assert!((ce - ours).abs() < 1e-4, "the reference says {ce}, the verifier {ours}");
}

#[test]
fn edits_are_caught_where_they_were_made() {
    let honest = claims(|_| {});
    let index = honest.suffixes.iter().find(|claim| claim.found.is_some()).unwrap().index;
    let mut model = model();
    let edited = claims(|event| match event {
        Event::SuffixMeasured { suffix } if suffix.index == index => suffix.ce_reference += 0.001,
        _ => {}
    });
    let found = problems(&mut model, &edited, index, Under::Reference);
    assert!(found.len() == 1 && found[0].starts_with("cross-entropy under the reference: "), "{found:?}");

    // The fifth token of a completion is another one; its text was not changed with it.
    let swapped = claims(|event| match event {
        Event::SuffixEvaluated { suffix } if suffix.index == index => suffix.completion.ids[4] += 1,
        _ => {}
    });
    let found = problems(&mut model, &swapped, index, Under::Found);
    assert!(
        found.len() == 1 && found[0].starts_with("completion under the found prefix: token 5 is recorded as "),
        "{found:?}"
    );
    let texts: Vec<String> = check_texts(model.tokenizer(), &swapped).unwrap().problems().collect();
    let place = format!("the completion under the found prefix of suffix {}: ", index + 1);
    assert!(texts.len() == 1 && texts[0].starts_with(&place), "{texts:?}");

    // A token of the found prefix: every number under it is then another, and so is its text.
    let prefix = claims(|event| {
        if let Event::Finished { result } = event {
            result.prefix.tokens[2].id += 1;
        }
    });
    assert!(!problems(&mut model, &prefix, index, Under::Found).is_empty());
    let texts: Vec<String> = check_texts(model.tokenizer(), &prefix).unwrap().problems().collect();
    assert!(texts.iter().any(|text| text.starts_with("token 3 of the found prefix: ")), "{texts:?}");

    // A completion that was cut short, which the model goes on from.
    let cut = claims(|event| match event {
        Event::SuffixEvaluated { suffix } if suffix.index == index => suffix.completion.ids.truncate(6),
        _ => {}
    });
    let found = problems(&mut model, &cut, index, Under::Found);
    assert!(found.len() == 1 && found[0].contains("the recording ends before token 7"), "{found:?}");
}

#[test]
fn a_prefix_is_tried_as_it_is_verified() {
    let claims = claims(|_| {});
    let claim = claims.suffixes.iter().find(|claim| claim.found.is_some()).unwrap();
    let mut model = model();
    let found = claims.found.as_ref().unwrap();
    let ids = model.tokenizer().encode(&found.text).unwrap();
    let ce = model.score_prefix(&ids, &claims, claim).unwrap();
    let recorded = claim.found.as_ref().unwrap();
    assert!((ce - recorded.ce).abs() < 5e-5, "{ce}");
    let (mut past, mut next) = model.begin(&ids, &claims, claim).unwrap();
    let mut written = Vec::new();
    while let Some(token) = model.next_token(&mut past, &next).unwrap() {
        written.push(token);
        if written.len() == 4 {
            break;
        }
        next = vec![token];
    }
    assert_eq!(written, recorded.completion.ids[..4]);
}

#[test]
fn the_file_is_known_by_its_hash_and_its_memory_is_estimated_before_it_is_loaded() {
    let file = std::fs::read(path()).unwrap();
    let mut hasher = Hasher::default();
    file.chunks(1 << 20).for_each(|chunk| hasher.update(chunk));
    assert_eq!(Some(hasher.finish()), claims(|_| {}).model.sha256);
    let megabytes = memory_bytes(&file).unwrap() / 1_000_000;
    assert!((600..900).contains(&megabytes), "{megabytes} MB");
    assert!(memory_bytes(&file[..1000]).is_err());
    assert!(Model::load(b"no model".to_vec()).is_err());
}
