//! Builds the page, unless nothing that it is made of has changed.
//!
//! Trunk writes its output anew each time, and the worker embeds that output: without this check
//! every start would build page and worker again.

use crate::shell::{self, Result};
use crate::tools::Tools;
use crate::{setup, weight, workspace};
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Cargo's profile for the page's own program.
const PROFILE: &str = "wasm-release";

/// Its profile for what the page starts in web workers.
const THREAD_PROFILE: &str = "wasm-thread";

/// What the page is made of, as arguments for cargo; `frontend/index.html` says the same.
const PROGRAMS: [&[&str]; 4] = [
    &["--package", "steerage-frontend", "--bin", "steerage-frontend", "--profile", PROFILE],
    &["--package", "steerage-frontend", "--bin", "tokeniser", "--no-default-features", "--profile", THREAD_PROFILE],
    &["--package", "steerage-frontend", "--bin", "switchboard", "--no-default-features", "--profile", THREAD_PROFILE],
    &["--package", "steerage-verifier", "--bin", "verifier", "--features", "web", "--profile", THREAD_PROFILE],
];

/// `cargo xtask page`.
pub fn command() -> Result {
    setup::wasm_target("[1/3]")?;
    let tools = Tools::install("[2/3]")?;
    build("[3/3]", &tools)?;
    weight::check("[3/3]")
}

/// Brings `frontend/dist` up to date.
pub fn build(label: &str, tools: &Tools) -> Result {
    let stamp_path = workspace::target()?.join("page.stamp");
    let inputs = hash_of(&inputs())?;
    let is_current = |stamp: &str| Ok::<_, String>(stamp == stamp_of(inputs, hash_of(&[dist()])?));
    if dist().join("index.html").is_file() && is_current(&fs::read_to_string(&stamp_path).unwrap_or_default())? {
        eprintln!("{label} page: up to date");
        return Ok(());
    }
    eprintln!("{label} page: building it into {} (about 4 minutes on 2 cores the first time)", dist().display());
    shell::timed(|| {
        let _ = fs::remove_file(&stamp_path);
        // Cargo downloads and builds with its own progress. Trunk finds that done, and works offline,
        // so that it cannot fetch tools of its own. One call a program, as trunk does: together they would
        // be built with other features.
        for program in PROGRAMS {
            let target = ["--target", setup::WASM_TARGET];
            shell::run(workspace::cargo()?.args(["build", "--locked"]).args(program).args(target))?;
        }
        let mut trunk = tools.command("trunk")?;
        trunk.current_dir(workspace::root().join("frontend"));
        trunk.args(["build", "--cargo-profile", PROFILE, "--offline", "--locked"]);
        trunk.env("CARGO_TARGET_DIR", workspace::target()?);
        // Trunk rejects the usual `NO_COLOR=1`: it wants `true`.
        if std::env::var_os("NO_COLOR").is_some() {
            trunk.env("NO_COLOR", "true");
        }
        shell::run(&mut trunk)?;
        let stamp = stamp_of(inputs, hash_of(&[dist()])?);
        fs::write(&stamp_path, stamp).map_err(|error| format!("cannot write {}: {error}", stamp_path.display()))
    })
}

/// Where the page is built to.
pub fn dist() -> PathBuf {
    workspace::root().join("frontend/dist")
}

/// Both sides: another checkout or a hand may have changed the output as well.
fn stamp_of(inputs: u64, outputs: u64) -> String {
    format!("{inputs:016x} {outputs:016x}")
}

/// Everything that decides what the page is.
fn inputs() -> Vec<PathBuf> {
    let root = workspace::root();
    let settings = ["Cargo.toml", "Cargo.lock", "Trunk.toml", ".cargo", "rust-toolchain.toml"];
    let sources = ["frontend", "shared", "engine", "verifier"];
    let names = settings.into_iter().chain(sources);
    names.map(|name| root.join(name)).collect()
}

/// A hash of the names and contents of all files in the folders, and of the compiler's version.
fn hash_of(paths: &[PathBuf]) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    shell::try_read(Command::new("rustc").arg("-V")).hash(&mut hasher);
    for path in paths {
        hash_into(path, &mut hasher).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    }
    Ok(hasher.finish())
}

fn hash_into(path: &Path, hasher: &mut DefaultHasher) -> std::io::Result<()> {
    if path.is_dir() {
        let mut entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        entries.sort();
        // The output lies within an input, and tests are no part of the page.
        entries.retain(|entry| {
            !entry.ends_with("frontend/dist") && !entry.ends_with("shared/tests") && !entry.ends_with("verifier/tests")
        });
        return entries.iter().try_for_each(|entry| hash_into(entry, hasher));
    }
    if path.is_file() {
        path.hash(hasher);
        fs::read(path)?.hash(hasher);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_to_an_input_changes_the_hash() {
        let folder = std::env::temp_dir().join(format!("steerage-xtask-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let hash = || hash_of(&[folder.join("frontend")]).unwrap();
        write("frontend/src/a.rs", "one");
        let first = hash();
        assert_eq!(first, hash(), "nothing changed");
        write("frontend/dist/index.html", "output");
        assert_eq!(first, hash(), "output is no input");
        write("frontend/src/a.rs", "two");
        let changed = hash();
        assert_ne!(first, changed, "content");
        write("frontend/src/b.rs", "");
        assert_ne!(changed, hash(), "a new file");
        fs::remove_dir_all(folder).unwrap();
    }
}
