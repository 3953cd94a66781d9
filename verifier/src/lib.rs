//! Computes again what a recording claims: tokens, cross-entropies and greedy completions.
//!
//! It computes as the worker on a CPU does: weights as `shared::model` loads them, in the CPU engine. Plain
//! candle operations would do too, but in a browser they decode a third as fast. All of this runs natively as
//! well, which is how the tests hold it to the reference model; only the program in `bin/` knows the browser.

mod hash;
mod measure;
mod model;
mod texts;

pub use hash::Hasher;
pub use model::{Model, ModelError, memory_bytes};
pub use texts::check_texts;
