//! `steerage` as a command that ends: its exit code and what it printed.

use crate::program::program;
use anyhow::{Context as _, Result};
use std::process::{Command, Stdio};

/// What a command left behind.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; 0 done, 1 failed, 2 bad input.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs `steerage` with these arguments and waits for its end.
pub fn steerage(args: &[&str]) -> Result<Finished> {
    steerage_with(args, &[])
}

/// The same with environment variables.
pub fn steerage_with(args: &[&str], environment: &[(&str, &str)]) -> Result<Finished> {
    let output = Command::new(program()?)
        .args(args)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .context("steerage does not start")?;
    Ok(Finished {
        code: output.status.code().context("steerage was ended by a signal")?,
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}
