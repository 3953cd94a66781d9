//! Charts, drawn as SVG by hand: one file each, and what they share.

mod ce;
mod curve;
mod downsample;
mod export;
mod gap_bar;
mod levels;
mod save;
mod scale;
mod slopes;
mod strip;
mod width;

pub use ce::CeChart;
pub use curve::{Axis, Shown, View};
pub use gap_bar::GapBar;
pub use levels::{Level, Levels};
pub use slopes::{Slope, Slopes};
pub use strip::Strip;
