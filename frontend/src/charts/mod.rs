//! Charts, drawn as SVG by hand: one file each, and what they share.

mod ce;
mod curve;
mod downsample;
mod gap_bar;
mod scale;

pub use ce::CeChart;
pub use gap_bar::GapBar;
