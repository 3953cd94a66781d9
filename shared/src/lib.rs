//! What the worker and the browser must agree on.
//!
//! Without features this crate has no tensors, no clock, no sockets and no files: a [`spec::RunSpec`]
//! goes in, [`event::Event`]s come out, and [`state::RunState`] is what anyone makes of them.
//! Feature `tokens` adds tokenisation and chat templates; feature `model` the differentiable model; feature
//! `engine` the CPU engine with its weights.

pub mod adherence;
pub mod catalogue;
pub mod divergence;
pub mod event;
mod json;
pub mod labels;
pub mod leave_out;
pub mod metrics;
pub mod nontriviality;
pub mod pieces;
mod random;
pub mod recording;
pub mod sampling;
pub mod session_file;
pub mod settings;
pub mod share;
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
