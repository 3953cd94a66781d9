//! The same work as the page's playground, without a browser: what WebAssembly costs is the ratio of the two.
//!
//! `RAYON_NUM_THREADS=1 cargo run --release --package steerage-verifier --example speed`

use shared::recording;
use shared::state::RunState;
use shared::verification::Claims;
use std::time::Instant;
use verifier::{Model, ModelError};
use worker::models::{DEFAULT_MODEL, ModelStore};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut state = RunState::default();
    for stamped in recording::parse(include_str!("../../frontend/demo.jsonl"))? {
        state.apply(&stamped);
    }
    let claims = Claims::of(&state)?;
    let claim = claims.suffixes.iter().rfind(|claim| claim.found.is_some()).ok_or("nothing was judged")?;
    let prefix = claims.found.as_ref().ok_or("nothing was found")?.ids();
    let begun = Instant::now();
    let mut model = Model::load(std::fs::read(ModelStore::from_env().path(DEFAULT_MODEL)?)?)?;
    eprintln!("loaded in {:.2} s", begun.elapsed().as_secs_f64());
    for _ in 0..3 {
        let begun = Instant::now();
        model.score_prefix(&prefix, &claims, claim)?;
        let score_secs = begun.elapsed().as_secs_f64();
        let speed = decode(&mut model, &prefix, &claims)?;
        eprintln!("cross-entropy of one suffix {score_secs:.3} s, decoding {speed:.1} tokens a second");
    }
    Ok(())
}

/// Tokens a second, the first one left out.
fn decode(model: &mut Model, prefix: &[u32], claims: &Claims) -> Result<f64, ModelError> {
    let (mut past, mut next) = model.begin(prefix, claims, &claims.suffixes[0])?;
    let mut begun = Instant::now();
    let mut tokens = 0;
    while let Some(token) = model.next_token(&mut past, &next)? {
        next = vec![token];
        if tokens == 0 {
            begun = Instant::now();
        }
        tokens += 1;
        if tokens == claims.max_completion_tokens {
            break;
        }
    }
    Ok(f64::from(tokens as u32 - 1) / begun.elapsed().as_secs_f64())
}
