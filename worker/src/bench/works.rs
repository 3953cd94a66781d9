//! The works: what is run, and how much arithmetic it is.

use super::cases::{Cases, GcgCase};
use super::subject::Subject;
use crate::backend::{Backend, BackendError, Input, Precision, Segment};
use crate::contest::{Contest, KnownScores, best};
use crate::forest::Forest;
use crate::objective::SuffixTarget;
use shared::model::Config;
use shared::spec::Split;

/// A piece of work that is measured.
pub struct Work {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, for help and documentation.
    pub help: &'static str,
    /// Of the linear layers.
    pub precision: Precision,
    /// Does it once.
    pub run: fn(&mut Subject, &Cases, Precision) -> Result<Done, BackendError>,
}

/// What one run of a work did.
pub struct Done {
    /// What came out.
    pub values: Vec<f64>,
    /// Positions that went through the layers.
    pub positions: usize,
    /// Floating-point operations that the result needs.
    pub flops: u64,
}

const fn work(
    name: &'static str,
    precision: Precision,
    run: fn(&mut Subject, &Cases, Precision) -> Result<Done, BackendError>,
    help: &'static str,
) -> Work {
    Work { name, help, precision, run }
}

/// All works, in the order of the report.
pub const WORKS: &[Work] = &[
    work("score-32x90-f32", Precision::F32, score, "32 sequences of 90 tokens, cross-entropy of the last 32"),
    work("score-32x90-bf16", Precision::Bf16, score, "the same for screening"),
    work("grad-8x90-f32", Precision::F32, gradient, "8 sequences of 90 tokens, gradient to all input embeddings"),
    work("grad-8x90-bf16", Precision::Bf16, gradient, "the same for screening"),
    work("gcg-step", Precision::F32, gcg_step, "one gradient, then 64 candidates on one message of 24 target tokens"),
    work("gcg-step-pruned", Precision::F32, gcg_step_pruned, "the same, dropping candidates that cannot win"),
    work("gcg-step-bf16", Precision::Bf16, gcg_step, "the same, screened in bf16, the best 8 scored again in f32"),
    work("decode", Precision::F32, decode, "32 greedy tokens for 8 prompts"),
    work("gemm-layers-f32", Precision::F32, layers, "the linear layers alone, 720 rows at a time"),
    work("gemm-layers-bf16", Precision::Bf16, layers, "the same for screening"),
];

/// Sequences that one scoring pass takes.
const BATCH: usize = 8;

/// Sequences that a gradient is taken of, and how many a pass takes: as many positions as in a search.
const GRADIENT_SEQUENCES: usize = 8;
const GRADIENT_BATCH: usize = 4;

/// Replacements that a step would draw from at each position, as GCG's authors do.
const TOP_K: usize = 256;

/// Finalists of a screened step.
const FINALISTS: usize = 8;

/// Floating-point operations of one forward pass.
#[derive(Default)]
struct Flops {
    positions: usize,
    /// Pairs of a position and one that it sees.
    pairs: usize,
    scored: usize,
}

impl Flops {
    /// Adds a run of positions after `before` others.
    fn add(&mut self, before: usize, positions: usize, scored: usize) {
        self.positions += positions;
        self.pairs += positions * before + positions * (positions + 1) / 2;
        self.scored += scored;
    }

    /// Two operations for each weight and position, and for each query–key and weight–value product.
    fn forward(&self, config: &Config) -> u64 {
        let (query, key) = (config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim);
        let layer = config.hidden_size * (2 * query + 2 * key + 3 * config.intermediate_size);
        let layers = config.num_hidden_layers * (self.positions * layer + 2 * self.pairs * query);
        2 * (layers + self.scored * config.hidden_size * config.vocab_size) as u64
    }

    /// Backwards to the embeddings: as much again for the linear layers and the head, twice as much
    /// for the attention.
    fn gradient(&self, config: &Config) -> u64 {
        let query = config.num_attention_heads * config.head_dim;
        2 * self.forward(config) + (4 * config.num_hidden_layers * self.pairs * query) as u64
    }
}

/// A sequence without its last token, scored on the last ones.
fn segment(ids: &[u32]) -> Segment<'_> {
    let input = Input::Ids(&ids[..ids.len() - 1]);
    Segment { parent: None, input, targets: &ids[ids.len() - Cases::SCORED..] }
}

fn score(subject: &mut Subject, cases: &Cases, precision: Precision) -> Result<Done, BackendError> {
    let backend = subject.backend();
    let (mut values, mut flops) = (Vec::new(), Flops::default());
    for batch in cases.sequences.chunks(BATCH) {
        let segments: Vec<Segment<'_>> = batch.iter().map(|ids| segment(ids)).collect();
        let scores = backend.score(&segments, precision)?;
        values.extend(scores.chunks(Cases::SCORED).map(|scores| mean(scores.iter().map(|score| score.nll))));
        batch.iter().for_each(|ids| flops.add(0, ids.len() - 1, Cases::SCORED));
    }
    Ok(Done { values, positions: flops.positions, flops: flops.forward(backend.config()) })
}

fn gradient(subject: &mut Subject, cases: &Cases, precision: Precision) -> Result<Done, BackendError> {
    let backend = subject.backend();
    let sequences = &cases.sequences[..GRADIENT_SEQUENCES];
    let count = GRADIENT_SEQUENCES * Cases::SCORED;
    let (mut nll, mut square, mut flops) = (Vec::new(), 0.0, Flops::default());
    for batch in sequences.chunks(GRADIENT_BATCH) {
        let segments: Vec<Segment<'_>> = batch.iter().map(|ids| segment(ids)).collect();
        let weights = vec![1.0 / count as f32; batch.len() * Cases::SCORED];
        let gradient = backend.gradient(&segments, &weights, 0..batch.len(), precision)?;
        square += f64::from(gradient.embeds.sqr()?.sum_all()?.to_scalar::<f32>()?);
        nll.extend(gradient.nll);
        batch.iter().for_each(|ids| flops.add(0, ids.len() - 1, Cases::SCORED));
    }
    let values = vec![mean(nll), square.sqrt()];
    Ok(Done { values, positions: flops.positions, flops: flops.gradient(backend.config()) })
}

/// The best candidate's index and mean cross-entropy.
fn gcg_step(subject: &mut Subject, cases: &Cases, precision: Precision) -> Result<Done, BackendError> {
    let backend = subject.backend();
    let GcgCase { before, after, target, candidates, .. } = &cases.gcg;
    backend.begin(before)?;
    let rest = [&after[..], &target[..target.len() - 1]].concat();
    gcg_gradient(backend, &cases.gcg, precision)?;
    // The candidates that were drawn from there, each once.
    let mut distinct: Vec<&[u32]> = candidates.iter().map(Vec::as_slice).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let mut values = score_candidates(backend, &distinct, &rest, target, precision)?;
    if precision == Precision::Bf16 {
        let mut order: Vec<usize> = (0..distinct.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let finalists: Vec<&[u32]> = order.iter().take(FINALISTS).map(|&at| distinct[at]).collect();
        let exact = score_candidates(backend, &finalists, &rest, target, Precision::F32)?;
        values.fill(f64::INFINITY);
        order.iter().zip(exact).for_each(|(&at, exact)| values[at] = exact);
    }
    let best = (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0);
    let index = candidates.iter().position(|candidate| candidate == distinct[best]).unwrap_or(0);
    Ok(gcg_done(backend.config(), &cases.gcg, index, values[best]))
}

/// The same by way of a search's own contest: candidates that cannot win are dropped.
fn gcg_step_pruned(subject: &mut Subject, cases: &Cases, precision: Precision) -> Result<Done, BackendError> {
    let GcgCase { before, after, target, candidates, .. } = &cases.gcg;
    subject.backend().begin(before)?;
    gcg_gradient(subject.backend(), &cases.gcg, precision)?;
    let message = SuffixTarget {
        split: Split::Train,
        text: String::new(),
        tail: after.clone(),
        tail_none: after.clone(),
        completion: target.clone(),
    };
    let (found, config) = subject.with_objective(before, message, |objective| {
        let contest = Contest::new(&[0]);
        let standings = contest.run(objective, candidates, &mut KnownScores::default())?;
        let found = best(&standings.outcomes).map(|at| (at, standings.outcomes[at].value()));
        Ok((found, objective.backend().config().clone()))
    })?;
    let (index, ce) = found.unwrap_or((0, f64::INFINITY));
    Ok(gcg_done(&config, &cases.gcg, index, ce))
}

/// Where would a change of one token help? The gradient at the prefix, times every embedding.
fn gcg_gradient(backend: &dyn Backend, case: &GcgCase, precision: Precision) -> Result<(), BackendError> {
    let GcgCase { prefix, after, target, .. } = case;
    let rest = [&after[..], &target[..target.len() - 1]].concat();
    let leaf = backend.embed(prefix)?;
    let segments = [
        Segment { parent: None, input: Input::Embeds(&leaf), targets: &[] },
        Segment { parent: Some(0), input: Input::Ids(&rest), targets: target },
    ];
    let weights = vec![1.0 / target.len() as f32; target.len()];
    let gradient = backend.gradient(&segments, &weights, 0..1, precision)?;
    for changes in backend.embedding_products(&gradient.embeds)?.to_vec2::<f32>()? {
        std::hint::black_box(lowest(&changes, TOP_K));
    }
    Ok(())
}

/// What a step's result needs, whether all of it was run or not.
fn gcg_done(config: &Config, case: &GcgCase, index: usize, ce: f64) -> Done {
    let GcgCase { before, prefix, after, target, candidates } = case;
    let rest = after.len() + target.len() - 1;
    let (mut gradient, mut scoring) = (Flops::default(), Flops::default());
    gradient.add(before.len(), prefix.len() + rest, target.len());
    candidates.iter().for_each(|ids| scoring.add(before.len(), ids.len() + rest, target.len()));
    let flops = gradient.gradient(config) + scoring.forward(config);
    Done { values: vec![index as f64, ce], positions: scoring.positions, flops }
}

/// The `count` tokens with the lowest values.
fn lowest(values: &[f32], count: usize) -> Vec<u32> {
    let mut ids: Vec<u32> = (0..values.len() as u32).collect();
    if count < ids.len() {
        ids.select_nth_unstable_by(count, |&a, &b| values[a as usize].total_cmp(&values[b as usize]));
        ids.truncate(count);
    }
    ids
}

/// Mean cross-entropy of the target under each candidate.
fn score_candidates(
    backend: &dyn Backend,
    candidates: &[&[u32]],
    rest: &[u32],
    target: &[u32],
    precision: Precision,
) -> Result<Vec<f64>, BackendError> {
    let mut values = Vec::with_capacity(candidates.len());
    for batch in candidates.chunks(16) {
        let Forest { mut segments, ends } = Forest::new(batch);
        segments.extend(ends.into_iter().map(|parent| Segment { parent, input: Input::Ids(rest), targets: target }));
        let scores = backend.score(&segments, precision)?;
        values.extend(scores.chunks(target.len()).map(|scores| mean(scores.iter().map(|score| score.nll))));
    }
    Ok(values)
}

fn decode(subject: &mut Subject, cases: &Cases, _: Precision) -> Result<Done, BackendError> {
    let backend = subject.backend();
    const TOKENS: usize = 32;
    let prompts: Vec<Vec<u32>> = cases.sequences[..BATCH].to_vec();
    let completions = backend.greedy(&prompts, TOKENS, &[], &mut |_| true)?;
    let mut flops = Flops::default();
    prompts.iter().for_each(|ids| flops.add(0, ids.len() + TOKENS - 1, TOKENS));
    let values = completions.iter().flatten().map(|&id| f64::from(id)).collect();
    Ok(Done { values, positions: prompts.len() * TOKENS, flops: flops.forward(backend.config()) })
}

/// The matrix products of [`score`]'s layers and nothing else.
fn layers(subject: &mut Subject, cases: &Cases, precision: Precision) -> Result<Done, BackendError> {
    let backend = subject.backend();
    let rows: usize = cases.sequences[..BATCH].iter().map(Vec::len).sum();
    backend.multiply_layers(rows, precision)?;
    let flops = Flops { positions: rows, ..Flops::default() };
    Ok(Done { values: Vec::new(), positions: rows, flops: flops.forward(backend.config()) })
}

fn mean(values: impl IntoIterator<Item = f32>) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for value in values {
        sum += f64::from(value);
        count += 1;
    }
    sum / f64::from(count)
}
