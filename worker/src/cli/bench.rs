//! `steerage bench`.

use super::{CliError, print_line, read_input};
use crate::backend::{self, BackendError};
use crate::bench::{self, Cases, Measured, Subject, WORKS, Work};
use crate::checkpoint::Checkpoint;
use crate::device::Machine;
use crate::models::{DEFAULT_MODEL, ModelStore};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;

/// Measures forward passes, gradients, decoding and a search step, beside the machine's own peak of
/// matrix products.
#[derive(Args)]
pub struct BenchArgs {
    /// A model by name, a GGUF file, or a directory in Hugging Face layout.
    #[arg(long, default_value = DEFAULT_MODEL)]
    model: String,
    /// A work to measure, as often as you like; all of them otherwise.
    #[arg(long = "work", value_name = "NAME")]
    works: Vec<String>,
    /// Timed repeats of each work, after one to warm up; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeats: u32,
    /// Sequences and candidates from a file (see docs/benchmarks.md) instead of random ones.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Prints one line of JSON instead of a table.
    #[arg(long)]
    json: bool,
}

pub fn bench(args: BenchArgs, machine: &Machine) -> Result<(), CliError> {
    let works = works(&args.works)?;
    let start = Instant::now();
    let model = Checkpoint::find(&args.model, &ModelStore::from_env())?.load(&machine.device.open()?)?.model;
    let failed = |error: BackendError| CliError::failed(error.to_string());
    let mut subject = Subject::new(backend::fastest(model).map_err(failed)?);
    let load_secs = start.elapsed().as_secs_f64();
    let config = subject.backend().config().clone();
    let cases = match &args.cases {
        None => Cases::random(config.vocab_size),
        Some(file) => {
            let wrong = |problem: String| CliError::bad_input(format!("{}: {problem}", file.display()));
            let cases: Cases = serde_json::from_str(&read_input(file)?).map_err(|error| wrong(error.to_string()))?;
            match cases.problem(config.vocab_size, config.context_length) {
                Some(problem) => return Err(wrong(problem)),
                None => cases,
            }
        }
    };
    if !args.json {
        print_line(&format!("{} loaded in {load_secs:.2} s", args.model));
        print_line("work                    seconds    tokens/s   GFLOP/s   of peak   peak memory");
    }
    let report = bench::measure(&mut subject, &works, &cases, args.repeats as usize, |measured| {
        if !args.json {
            print_line(&row(measured));
        }
    });
    let report = report.map_err(failed)?;
    if args.json {
        print_line(&serde_json::to_string(&report).map_err(|error| CliError::failed(error.to_string()))?);
    } else {
        let peaks = report.gemm_peak_gflops;
        print_line(&format!("peak of large matrix products: {:.0} GFLOP/s f32, {:.0} bf16", peaks.f32, peaks.bf16));
    }
    Ok(())
}

fn row(measured: &Measured) -> String {
    let memory = measured.peak_memory_bytes.map_or("unknown".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000));
    format!(
        "{:<22} {:>8.3} {:>11.0} {:>9.1} {:>8.0} % {:>13}",
        measured.name,
        measured.seconds,
        measured.tokens_per_second,
        measured.gflops,
        100.0 * measured.peak_fraction,
        memory
    )
}

fn works(names: &[String]) -> Result<Vec<&'static Work>, CliError> {
    if names.is_empty() {
        return Ok(WORKS.iter().collect());
    }
    let find = |name: &String| {
        WORKS.iter().find(|work| work.name == name).ok_or_else(|| {
            let known: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
            CliError::bad_input(format!("--work: no work is called \"{name}\"; known are {}", known.join(", ")))
        })
    };
    names.iter().map(find).collect()
}
