//! What a first visit downloads: the page's own program must stay small, and free of what its
//! tokeniser was split off for.

use crate::shell::{self, Result};
use crate::{page, setup};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Bound of the page's own program, compressed. The tokeniser's comes later and does not count.
const MAX_GZIP_BYTES: u64 = 1_000_000;

/// Crates that only the tokeniser may link.
const TOKENISER_ONLY: [&str; 4] = ["tokenizers", "minijinja", "fancy-regex", "regex-automata"];

/// Checks what was built last.
pub fn check(label: &str) -> Result {
    let program = page::dist().join("steerage-frontend_bg.wasm");
    links(&read(&program)?, &read(&page::dist().join("tokeniser_bg.wasm"))?)?;
    let bytes = gzip_bytes(&program)?;
    eprintln!("{label} page: its program is {}, compressed", in_kb(bytes));
    within_bound(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// The standard library cannot compress, and Python is there for pip.
fn gzip_bytes(path: &Path) -> Result<u64> {
    let python = setup::python();
    let program = "import gzip, sys; print(len(gzip.compress(open(sys.argv[1], 'rb').read(), 9)))";
    let size = shell::try_read(Command::new(&python).args(["-c", program]).arg(path));
    let size = size.and_then(|size| size.parse().ok());
    size.ok_or_else(|| format!("`{python}` cannot compress {}; install Python 3 with its zlib", path.display()))
}

fn within_bound(bytes: u64) -> Result {
    if bytes <= MAX_GZIP_BYTES {
        return Ok(());
    }
    Err(format!(
        "the page's program is {}, compressed, and may be {}; move what a first visit does not need into the tokeniser",
        in_kb(bytes),
        in_kb(MAX_GZIP_BYTES)
    ))
}

fn in_kb(bytes: u64) -> String {
    format!("{} kB", bytes.div_ceil(1000))
}

/// Panics name the source file that they come from, so a program shows which crates are in it.
fn links(page: &[u8], tokeniser: &[u8]) -> Result {
    for name in TOKENISER_ONLY {
        if has_crate(page, name) {
            return Err(format!(
                "the page's program links {name}, which only the tokeniser may; look for what in frontend/src uses it"
            ));
        }
        // Were it in neither, this check would see nothing.
        if !has_crate(tokeniser, name) {
            return Err(format!("no trace of {name} in the tokeniser's program; bring xtask/src/weight.rs up to date"));
        }
    }
    Ok(())
}

/// Whether a source path of a crate, as in `/minijinja-2.24.0/src/`, stands in a program.
fn has_crate(program: &[u8], name: &str) -> bool {
    let start = format!("/{name}-");
    program
        .windows(start.len() + 1)
        .any(|bytes| bytes.starts_with(start.as_bytes()) && bytes[start.len()].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_too_much_is_too_much() {
        assert_eq!(within_bound(1_000_000), Ok(()));
        let error = within_bound(1_000_001).unwrap_err();
        assert!(error.contains("is 1001 kB") && error.contains("may be 1000 kB"), "{error}");
    }

    #[test]
    fn crates_are_found_by_their_source_paths() {
        let program = |names: &[&str]| {
            let paths: Vec<String> = names.iter().map(|name| format!("\0/registry/{name}-2.0.1/src/lib.rs")).collect();
            paths.concat().into_bytes()
        };
        let tokeniser = program(&TOKENISER_ONLY);
        assert_eq!(links(&program(&["leptos", "tokenizers-like"]), &tokeniser), Ok(()));
        for name in TOKENISER_ONLY {
            let error = links(&program(&["leptos", name]), &tokeniser).unwrap_err();
            assert!(error.contains(&format!("links {name},")), "{error}");
        }
        let error = links(&program(&["leptos"]), &program(&TOKENISER_ONLY[1..])).unwrap_err();
        assert!(error.contains("no trace of tokenizers"), "{error}");
    }

    #[test]
    fn the_size_is_that_of_the_compressed_file() {
        let path = std::env::temp_dir().join(format!("steerage-weight-{}", std::process::id()));
        fs::write(&path, vec![0; 100_000]).unwrap();
        let bytes = gzip_bytes(&path);
        fs::remove_file(&path).unwrap();
        assert!(bytes.as_ref().is_ok_and(|bytes| (20..1_000).contains(bytes)), "{bytes:?}");
    }
}
