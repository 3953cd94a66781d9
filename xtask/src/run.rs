//! `cargo xtask run`: from a fresh checkout to the page.

use crate::shell::{self, Result};
use crate::tools::Tools;
use crate::{page, setup, workspace};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// The model that is there after the first start.
pub const DEFAULT_MODEL: &str = "smollm2-135m";

/// The hidden command that passes the worker's output on and opens the first address in it.
pub const OPEN_BROWSER: &str = "open-browser";

/// Sets up, builds and starts the worker.
pub fn run(serve_args: &[String]) -> Result {
    eprintln!("[1/6] C compiler: {}", setup::c_compiler()?);
    // A model that is there needs no pip.
    if !workspace::cache()?.join("models").join(DEFAULT_MODEL).is_dir() {
        eprintln!("[1/6] pip: {}", setup::pip()?);
    }
    setup::wasm_target("[2/6]")?;
    let tools = Tools::install("[3/6]")?;
    page::build("[4/6]", &tools)?;
    eprintln!("[5/6] worker: building it (about 6 minutes on 2 cores the first time)");
    shell::timed(|| shell::run(workspace::cargo()?.args(["build", "--locked", "--release", "--package", "steerage"])))?;
    eprintln!("[6/6] model {DEFAULT_MODEL}: fetching it unless it is there (98 MB)");
    let steerage = workspace::binary("release", "steerage")?;
    shell::timed(|| shell::run(Command::new(&steerage).args(["models", "fetch", DEFAULT_MODEL])))?;
    eprintln!("Starting the worker; Ctrl-C stops it. The page is at this address:");
    let mut serve = Command::new(&steerage);
    serve.arg("serve").args(serve_args);
    start(serve)
}

/// Becomes the worker, so that signals reach it and nothing else is left to clean up.
#[cfg(unix)]
fn start(mut serve: Command) -> Result {
    use std::os::unix::process::CommandExt;
    if let Some(opener) = desktop_opener() {
        // A helper reads the address from the worker's output and echoes it. In a process group of
        // its own, so that Ctrl-C reaches the worker only and its last words still come through.
        let exe = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let mut helper = Command::new(exe);
        helper.arg(OPEN_BROWSER).arg(opener).stdin(Stdio::piped()).process_group(0);
        let mut helper = helper.spawn().map_err(|error| shell::cannot_start(&helper, &error))?;
        if let Some(stdin) = helper.stdin.take() {
            serve.stdout(stdin);
        }
    }
    let error = serve.exec();
    Err(shell::cannot_start(&serve, &error))
}

#[cfg(not(unix))]
fn start(mut serve: Command) -> Result {
    shell::run(&mut serve)
}

/// The program that opens an address in the desktop's browser, where there is a desktop.
fn desktop_opener() -> Option<&'static str> {
    if cfg!(target_os = "macos") {
        return Some("open");
    }
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_there = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| Path::new(&folder).join("xdg-open").is_file())
    };
    ((set("DISPLAY") || set("WAYLAND_DISPLAY")) && is_there()).then_some("xdg-open")
}

/// The helper: echoes standard input and opens the first address in it.
pub fn open_browser() -> Result {
    let opener = std::env::args().nth(2).unwrap_or_default();
    let mut is_open = false;
    for line in BufReader::new(std::io::stdin()).lines() {
        let line = line.map_err(|error| format!("cannot read the worker's output: {error}"))?;
        // Whoever reads us may be gone; the worker must not notice.
        let _ = writeln!(std::io::stdout(), "{line}");
        if let (false, Some(address)) = (is_open, address_in(&line)) {
            is_open = true;
            // The address is on screen: a browser that does not start is no error.
            let _ = Command::new(&opener)
                .arg(address)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
        }
    }
    Ok(())
}

fn address_in(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:") || word.starts_with("http://localhost:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_address_is_opened() {
        let line = "Steerage is at http://127.0.0.1:7468/#code=ab_C-1";
        assert_eq!(address_in(line), Some("http://127.0.0.1:7468/#code=ab_C-1"));
        assert_eq!(address_in("see https://example.org/"), None);
    }
}
