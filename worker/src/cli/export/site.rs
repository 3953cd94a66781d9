//! `steerage export --site`: the page and a session, for any web server.

use super::super::{CliError, print_line};
use super::make_folder;
use crate::server::page_files;
use std::path::Path;

/// Name of the session in the folder; the page looks for it where its index says so.
const SESSION_FILE: &str = "session.steerage";

/// Where the index says it.
const HEAD_END: &str = "</head>";

/// Writes the folder.
pub fn write(session: &[u8], folder: &Path) -> Result<(), CliError> {
    let files = page_files();
    if !files.iter().any(|(name, _)| name == "index.html") {
        return Err(CliError::failed("this program was built without the page; `cargo xtask page` builds it"));
    }
    make_folder(folder)?;
    let keep = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, bytes));
        written.map_err(|error| CliError::failed(format!("{} cannot be written: {error}", path.display())))
    };
    for (name, bytes) in &files {
        match String::from_utf8(bytes.to_vec()) {
            Ok(text) if text.contains(HEAD_END) => keep(name, with_session(&text).as_bytes())?,
            _ => keep(name, bytes)?,
        }
    }
    keep(SESSION_FILE, session)?;
    eprintln!("{} files; any web server shows it at the root of its address", files.len() + 1);
    eprintln!("to look at it here: python3 -m http.server --directory {}", folder.display());
    print_line(&folder.display().to_string());
    Ok(())
}

/// The page's index, saying that there is a session and that no search engine is to list it.
fn with_session(index: &str) -> String {
    let meta = format!(
        "  <meta name=\"steerage-session\" content=\"/{SESSION_FILE}\">\n    <meta name=\"robots\" content=\"noindex\">\n  "
    );
    index.replacen(HEAD_END, &format!("{meta}{HEAD_END}"), 1)
}
