//! Charts, drawn as SVG by hand: one file each, and what they share.

mod ce;
mod curve;
mod downsample;
mod export;
mod gap_bar;
mod scale;
mod strip;
mod width;

pub use ce::CeChart;
pub use gap_bar::GapBar;
pub use strip::Strip;
