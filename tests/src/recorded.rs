//! The run that ships with the page.

use crate::command::steerage;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};

/// Its recording.
pub fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../frontend/demo.jsonl")
}

/// Makes it a run of a data folder that no worker uses; returns its id.
pub fn imported(data: &Path) -> Result<String> {
    let (recording, data) = (recording().display().to_string(), data.display().to_string());
    let finished = steerage(&["import", &recording, "--data-dir", &data])?;
    ensure!(finished.code == 0, "{}", finished.stderr);
    Ok(finished.stdout.trim().to_owned())
}
