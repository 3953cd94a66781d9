//! What the engine's work costs on this machine, beside what the machine could do at best.
//!
//! A work is one file's worth of code in [`works`] and one line in its list. Every work runs once to
//! warm up and then `repeats` times; the median counts.

mod cases;
mod subject;
mod works;

pub use cases::{Cases, GcgCase};
pub use subject::Subject;
pub use works::{WORKS, Work};

use crate::backend::{Backend, BackendError, Precision};
use crate::memory;
use serde::Serialize;
use std::time::Instant;

/// One work's measurement.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// The work's name.
    pub name: &'static str,
    /// Median of the repeats.
    pub seconds: f64,
    /// Positions a second.
    pub tokens_per_second: f64,
    /// Floating-point operations a second, in 10⁹.
    pub gflops: f64,
    /// Share of the measured peak of matrix products in the same precision, 0 to 1.
    pub peak_fraction: f64,
    /// Most memory that the process held during the work, the weights included; nothing where the
    /// system does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// What came out, for comparison with another implementation.
    pub result: Vec<f64>,
}

/// Peaks of large matrix products, in 10⁹ operations a second.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Peaks {
    /// Operands in f32.
    pub f32: f64,
    /// Operands in bfloat16.
    pub bf16: f64,
}

/// All that one call measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// In the order that was asked for.
    pub work: Vec<Measured>,
    /// The machine's own peaks, measured in the same run.
    pub gemm_peak_gflops: Peaks,
}

/// Measures some works; `done` is told each as it ends.
pub fn measure(
    subject: &mut Subject,
    works: &[&'static Work],
    cases: &Cases,
    repeats: usize,
    mut done: impl FnMut(&Measured),
) -> Result<Report, BackendError> {
    let peaks =
        Peaks { f32: peak(subject.backend(), Precision::F32)?, bf16: peak(subject.backend(), Precision::Bf16)? };
    let mut measured = Vec::with_capacity(works.len());
    for &work in works {
        subject.backend().begin(&[])?;
        memory::reset_peak();
        let mut result = (work.run)(subject, cases, work.precision)?;
        let mut seconds = Vec::with_capacity(repeats);
        for _ in 0..repeats {
            let start = Instant::now();
            result = (work.run)(subject, cases, work.precision)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        let seconds = median(&mut seconds);
        let gflops = result.flops as f64 / seconds / 1e9;
        let peak = if work.precision == Precision::Bf16 { peaks.bf16 } else { peaks.f32 };
        measured.push(Measured {
            name: work.name,
            seconds,
            tokens_per_second: result.positions as f64 / seconds,
            gflops,
            peak_fraction: gflops / peak,
            peak_memory_bytes: memory::peak_bytes(),
            result: result.values,
        });
        measured.iter().last().into_iter().for_each(&mut done);
    }
    Ok(Report { work: measured, gemm_peak_gflops: peaks })
}

/// Best of a few large square products.
fn peak(backend: &dyn Backend, precision: Precision) -> Result<f64, BackendError> {
    const SIZE: usize = 1536;
    const TRIES: usize = 8;
    let mut best = f64::INFINITY;
    for _ in 0..TRIES {
        best = best.min(backend.multiply_squares(SIZE, precision)?);
    }
    Ok(2.0 * (SIZE as f64).powi(3) / best / 1e9)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
