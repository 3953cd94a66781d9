//! Passes through one layer of SmolLM2-135M's shape, with random weights: what a change to the engine costs
//! or saves, without a model. `steerage bench` measures whole models.
//!
//! `cargo bench --package steerage-engine`

// Helpers of benches may panic as benches do.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::{Activation, DecodeOptions, Input, Parent, Precision, Segment, Shape, Workspace};
use support::{Random, engine};

const SEQUENCES: usize = 8;
const TOKENS: usize = 90;
const SCORED: usize = 32;

/// One layer, and a small vocabulary, so that the head does not hide it.
fn shape() -> Shape {
    Shape {
        hidden_size: 576,
        intermediate_size: 1536,
        num_attention_heads: 9,
        num_key_value_heads: 3,
        head_dim: 64,
        vocab_size: 4096,
        context_length: 2048,
        rms_norm_eps: 1e-5,
        activation: Activation::Silu,
        embedding_scale: 1.0,
        query_scale: 0.125,
        attention_softcap: None,
        final_softcap: None,
        sliding_windows: vec![None],
        rope_frequencies: (0..32).map(|i| 10_000f32.powf(-(i as f32) / 32.0)).collect(),
    }
}

fn passes(criterion: &mut Criterion) {
    let engine = engine(shape());
    let mut random = Random(1);
    let sequences: Vec<Vec<u32>> = (0..SEQUENCES).map(|_| random.ids(TOKENS, 4096)).collect();
    let segment = |ids: &'static [u32]| Segment {
        parent: Parent::Nothing,
        input: Input::Ids(&ids[..TOKENS - 1]),
        targets: &ids[TOKENS - SCORED..],
    };
    let segments: Vec<Segment<'static>> = sequences.into_iter().map(|ids| segment(ids.leak())).collect();
    let weights = vec![1.0 / (SEQUENCES * SCORED) as f32; SEQUENCES * SCORED];
    let mut workspace = Workspace::default();

    let mut group = criterion.benchmark_group("layer");
    group.throughput(Throughput::Elements((SEQUENCES * (TOKENS - 1)) as u64));
    for (name, precision) in [("f32", Precision::F32), ("bf16", Precision::Bf16)] {
        group.bench_function(format!("score-{name}"), |bencher| {
            bencher.iter(|| engine.score(&segments, precision, &mut workspace).unwrap());
        });
        group.bench_function(format!("gradient-{name}"), |bencher| {
            bencher.iter(|| engine.gradient(&segments, &weights, 0..SEQUENCES, precision, &mut workspace).unwrap());
        });
    }
    group.throughput(Throughput::Elements((SEQUENCES * SCORED) as u64));
    let prompts: Vec<Vec<u32>> = (0..SEQUENCES).map(|_| random.ids(8, 4096)).collect();
    let options = || DecodeOptions { max_tokens: SCORED, stop_ids: &[] };
    group.bench_function("decode", |bencher| {
        bencher.iter(|| engine.greedy(None, &prompts, options(), &mut workspace, |_| true).unwrap());
    });
    group.finish();
}

criterion_group!(benches, passes);
criterion_main!(benches);
