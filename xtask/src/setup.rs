//! What the machine itself must have: a C compiler, pip, parts of the Rust toolchain, a browser.

use crate::shell::{self, Result};
use std::path::Path;
use std::process::Command;

/// The target of the page.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// SQLite and a few numeric crates are compiled from C.
pub fn c_compiler() -> Result<String> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let version = shell::try_read(Command::new(&compiler).arg("--version")).ok_or_else(|| {
        format!(
            "no C compiler: `{compiler} --version` fails; {}",
            install_hint("build-essential", "gcc", "xcode-select --install")
        )
    })?;
    Ok(version.lines().next().unwrap_or(&compiler).to_owned())
}

/// The Python interpreter, by the variable with which the worker is told another one.
pub fn python() -> String {
    std::env::var("STEERAGE_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// The default model comes from PyPI.
pub fn pip() -> Result<String> {
    let python = python();
    let version = shell::try_read(Command::new(&python).args(["-m", "pip", "--version"])).ok_or_else(|| {
        format!(
            "no pip: `{python} -m pip --version` fails; {}",
            install_hint("python3-pip", "python3-pip", "brew install python")
        )
    })?;
    Ok(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

fn install_hint(debian: &str, fedora: &str, macos: &str) -> String {
    if cfg!(target_os = "macos") {
        return format!("install it with `{macos}`");
    }
    let has = |program: &str| shell::try_read(Command::new(program).arg("--version")).is_some();
    if has("apt-get") {
        format!("install it with `apt-get install {debian}`")
    } else if has("dnf") {
        format!("install it with `dnf install {fedora}`")
    } else {
        "install it with your system's package manager".to_owned()
    }
}

/// Adds the standard library of the page's target.
pub fn wasm_target(label: &str) -> Result {
    let sysroot = shell::try_read(Command::new("rustc").args(["--print", "sysroot"]))
        .ok_or("no Rust compiler: `rustc --print sysroot` fails; install Rust with rustup")?;
    if Path::new(&sysroot).join("lib/rustlib").join(WASM_TARGET).join("lib").is_dir() {
        eprintln!("{label} {WASM_TARGET}: found");
        return Ok(());
    }
    eprintln!("{label} {WASM_TARGET}: adding it to the Rust toolchain");
    rustup(&["target", "add", WASM_TARGET])
}

/// Adds rustfmt or clippy, which a minimal toolchain lacks.
pub fn component(name: &str, cargo_command: &str) -> Result {
    if shell::try_read(Command::new("cargo").args([cargo_command, "--version"])).is_some() {
        return Ok(());
    }
    eprintln!("{name}: adding it to the Rust toolchain");
    rustup(&["component", "add", name])
}

fn rustup(args: &[&str]) -> Result {
    if shell::try_read(Command::new("rustup").arg("--version")).is_none() {
        let what = args[args.len() - 1];
        return Err(format!("this Rust has no {what}, and there is no rustup to add it; add it by your own means"));
    }
    shell::timed(|| shell::run(Command::new("rustup").args(args)))
}

/// A browser and its driver, for the tests.
pub fn chromium() -> Result {
    let version = |program: &str| shell::try_read(Command::new(program).arg("--version"));
    let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(version);
    if let (Some(browser), Some(_)) = (&browser, version("chromedriver")) {
        eprintln!("{browser} and its driver: found");
        return Ok(());
    }
    let missing = if browser.is_some() { "chromedriver" } else { "Chromium and chromedriver" };
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let is_debian = release.lines().any(|line| line == "ID=debian");
    let is_root = shell::try_read(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    if !is_debian {
        return Err(format!("no {missing} in PATH; install Chromium and the chromedriver of the same version"));
    }
    if !is_root {
        return Err(format!("no {missing} in PATH; as root, run `apt-get install chromium chromium-driver`"));
    }
    eprintln!("{missing}: installing Debian's packages");
    let apt = |args: &[&str]| shell::run(Command::new("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive"));
    shell::timed(|| {
        apt(&["-q", "update"])?;
        apt(&["-q", "install", "-y", "--no-install-recommends", "chromium", "chromium-driver"])
    })
}
