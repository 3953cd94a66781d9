//! What the worker and the browser must agree on.
//!
//! Without features this crate has no tensors, no clock, no sockets and no files: a [`spec::RunSpec`]
//! goes in, [`event::Event`]s come out, and [`state::RunState`] is what anyone makes of them.
//! Feature `tokens` adds tokenisation and chat templates; feature `model` the differentiable model; feature
//! `engine` the CPU engine with its weights.

pub mod adherence;
pub mod catalogue;
pub mod event;
pub mod labels;
pub mod metrics;
pub mod nontriviality;
mod random;
pub mod recording;
pub mod sampling;
pub mod spec;
pub mod state;
pub mod stopwatch;
pub mod suffixes;
pub mod verdict;
pub mod verification;
pub mod wire;

#[cfg(feature = "model")]
pub mod model;
#[cfg(feature = "tokens")]
pub mod tokens;
