//! `cargo xtask bench-ui` and `cargo xtask screenshot`: the page in a real browser, without being tests.

use crate::shell::{self, Result};
use crate::{test, workspace};

/// Streams 10,000 events into the page and reports the frames per second that the page itself measures.
pub fn bench_ui() -> Result {
    example("bench_ui")
}

/// Makes the pictures of the README anew.
pub fn screenshot() -> Result {
    example("screenshot")
}

fn example(name: &str) -> Result {
    let needs = ["page", "build", "model", "chromium"].map(str::to_owned);
    test::test(&needs)?;
    shell::run(workspace::cargo()?.args(["run", "--locked", "--package", "steerage-tests", "--example", name]))
}
