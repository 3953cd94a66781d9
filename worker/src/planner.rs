//! How many positions one pass may hold, from the memory that is free.
//!
//! Planned once when a model is ready. Should a device run out of memory all the same, the plan is
//! halved once, and that is remembered; a second time ends the run.

use crate::memory;
use shared::model::Config;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Positions that no pass goes beyond. Small enough that a stop is noticed within about a second on
/// two cores, large enough for the matrix products to run at full speed.
const MOST_POSITIONS: usize = 1024;

/// The same for passes with a gradient, which keep something of every layer for each position.
const MOST_GRADIENT_POSITIONS: usize = 512;

/// Fewest positions that are worth a pass: one prefix with one short suffix.
const FEWEST_POSITIONS: usize = 64;

/// Rows whose logits exist at a time, in every backend.
const LOGIT_ROWS: usize = 128;

/// What one pass may hold.
#[derive(Debug)]
pub struct Plan {
    score_positions: AtomicUsize,
    gradient_positions: AtomicUsize,
    halved: AtomicBool,
}

/// Memory that passes need, beside the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassMemory {
    /// Whatever the number of positions.
    pub fixed_bytes: usize,
    /// For each position that is scored.
    pub score_bytes_per_position: usize,
    /// For each position that a gradient goes through.
    pub gradient_bytes_per_position: usize,
}

/// The memory does not suffice for the smallest pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the smallest pass needs {needed_bytes} bytes beside the weights, {available_bytes} are available")]
pub struct TooLittleMemory {
    /// For [`FEWEST_POSITIONS`] positions.
    pub needed_bytes: usize,
    /// Under the limit, or free on the machine.
    pub available_bytes: usize,
}

impl PassMemory {
    /// Buffers of the engine: one of each kind for scoring, what every layer keeps for a gradient.
    pub fn of_cpu_engine(config: &Config) -> Self {
        let (query, key) = (config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim);
        let (hidden, intermediate) = (config.hidden_size, config.intermediate_size);
        let score = 4 * hidden + (2 * query + 2 * key) + 3 * intermediate;
        // Stream twice, queries, keys, values, gate and up; block outputs twice where norms follow them.
        let tape = config.num_hidden_layers * (4 * hidden + query + 2 * key + 2 * intermediate);
        PassMemory {
            // Logits of a chunk, and their probabilities while a gradient is taken.
            fixed_bytes: 2 * LOGIT_ROWS * config.vocab_size * size_of::<f32>(),
            score_bytes_per_position: score * size_of::<f32>(),
            gradient_bytes_per_position: (score + hidden + tape) * size_of::<f32>(),
        }
    }

    /// The reference model keeps every intermediate result of every layer for its graph; measured on
    /// checkpoints of several shapes, about six times what the engine keeps.
    pub fn of_candle(config: &Config) -> Self {
        let engine = Self::of_cpu_engine(config);
        PassMemory {
            fixed_bytes: 3 * engine.fixed_bytes,
            score_bytes_per_position: 6 * engine.score_bytes_per_position,
            gradient_bytes_per_position: 6 * engine.gradient_bytes_per_position,
        }
    }
}

impl Plan {
    /// Plans for so much memory.
    pub fn new(pass: PassMemory, available_bytes: usize) -> Result<Self, TooLittleMemory> {
        let fitting = |bytes_per_position: usize| available_bytes.saturating_sub(pass.fixed_bytes) / bytes_per_position;
        let score = fitting(pass.score_bytes_per_position).min(MOST_POSITIONS);
        let gradient = fitting(pass.gradient_bytes_per_position).min(MOST_GRADIENT_POSITIONS);
        if score.min(gradient) < FEWEST_POSITIONS {
            let most = pass.score_bytes_per_position.max(pass.gradient_bytes_per_position);
            return Err(TooLittleMemory { needed_bytes: pass.fixed_bytes + FEWEST_POSITIONS * most, available_bytes });
        }
        Ok(Plan { score_positions: score.into(), gradient_positions: gradient.into(), halved: false.into() })
    }

    /// Passes of the usual size, whatever the memory.
    pub fn unbounded() -> Self {
        Plan {
            score_positions: MOST_POSITIONS.into(),
            gradient_positions: MOST_GRADIENT_POSITIONS.into(),
            halved: false.into(),
        }
    }

    /// Plans for what the limit leaves beside what the process already holds, or for the memory that is
    /// free on the machine where there is no limit.
    pub fn for_process(pass: PassMemory, limit_bytes: Option<usize>) -> Result<Self, TooLittleMemory> {
        let available = match limit_bytes {
            Some(limit) => limit.saturating_sub(memory::resident_bytes().unwrap_or(0)),
            None => memory::available_bytes().unwrap_or(usize::MAX),
        };
        Plan::new(pass, available)
    }

    /// Positions of a scoring pass.
    pub fn score_positions(&self) -> usize {
        self.score_positions.load(Ordering::Relaxed)
    }

    /// Positions of a pass with a gradient.
    pub fn gradient_positions(&self) -> usize {
        self.gradient_positions.load(Ordering::Relaxed)
    }

    /// Halves both, the first time; `false` afterwards.
    pub fn halve_once(&self) -> bool {
        if self.halved.swap(true, Ordering::Relaxed) {
            return false;
        }
        for positions in [&self.score_positions, &self.gradient_positions] {
            positions.store((positions.load(Ordering::Relaxed) / 2).max(1), Ordering::Relaxed);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASS: PassMemory =
        PassMemory { fixed_bytes: 1000, score_bytes_per_position: 10, gradient_bytes_per_position: 100 };

    #[test]
    fn a_plan_fits_the_memory() {
        let plan = Plan::new(PASS, 1000 + 300 * 100).unwrap();
        assert_eq!((plan.score_positions(), plan.gradient_positions()), (MOST_POSITIONS, 300));
        assert!(plan.halve_once());
        assert_eq!((plan.score_positions(), plan.gradient_positions()), (MOST_POSITIONS / 2, 150));
        assert!(!plan.halve_once());
        assert_eq!(plan.gradient_positions(), 150);
    }

    #[test]
    fn too_little_memory_says_how_much_is_needed() {
        let error = Plan::new(PASS, 3000).unwrap_err();
        assert_eq!(error, TooLittleMemory { needed_bytes: 1000 + 64 * 100, available_bytes: 3000 });
        assert!(Plan::new(PASS, 7400).is_ok());
    }
}
