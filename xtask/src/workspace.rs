//! Where things are.

use crate::shell::Result;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the root Cargo.toml.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Cargo's target folder: the one that this program was built into, however it was chosen.
pub fn target() -> Result<PathBuf> {
    let exe = env::current_exe().map_err(|error| format!("cannot tell where cargo put this program: {error}"))?;
    match exe.parent().and_then(Path::parent) {
        Some(target) => Ok(target.to_owned()),
        None => Err(format!("{} is not inside a cargo target folder; use `cargo xtask`", exe.display())),
    }
}

/// A program of this workspace, as built with the profile whose folder is named.
pub fn binary(profile: &str, name: &str) -> Result<PathBuf> {
    Ok(target()?.join(profile).join(format!("{name}{}", env::consts::EXE_SUFFIX)))
}

/// The user's cache folder for this project, as the worker finds it too.
pub fn cache() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("STEERAGE_CACHE_DIR") {
        return Ok(folder);
    }
    // The XDG specification: a relative path is to be ignored.
    if let Some(folder) = set("XDG_CACHE_HOME").filter(|folder| folder.is_absolute()) {
        return Ok(folder.join("steerage"));
    }
    match set("HOME").or_else(|| set("USERPROFILE")) {
        Some(home) => Ok(home.join(".cache/steerage")),
        None => Err("no cache folder: neither HOME nor STEERAGE_CACHE_DIR is set; set one".to_owned()),
    }
}

/// The cargo that runs us, working in the root and building into [`target`].
pub fn cargo() -> Result<Command> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).env("CARGO_TARGET_DIR", target()?);
    Ok(cargo)
}

/// The version of a package in Cargo.lock.
pub fn locked_version(package: &str) -> Result<String> {
    let path = root().join("Cargo.lock");
    let lock = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}; check it out again", path.display()))?;
    version_in(&lock, package).ok_or_else(|| format!("{} names no {package}; check it out again", path.display()))
}

fn version_in(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_tells_versions_of_exactly_that_package() {
        let lock =
            "[[package]]\nname = \"a-b\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"2.0.1\"\n";
        assert_eq!(version_in(lock, "a").as_deref(), Some("2.0.1"));
        assert_eq!(version_in(lock, "b"), None);
        assert!(locked_version("wasm-bindgen").is_ok_and(|version| version.starts_with("0.2.")));
    }

    #[test]
    fn this_test_was_built_into_the_target_folder() {
        // Test programs lie one folder deeper than the command itself.
        assert!(target().is_ok_and(|folder| folder.join("deps").is_dir()));
    }
}
