//! A run for any web server: the page's files with one session among them.

use super::assets::page_files;
use std::borrow::Cow;
use std::io::{Cursor, Write as _};
use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Name of the session in the folder; the page looks for it where its index says so.
const SESSION_FILE: &str = "session.steerage";

/// Where the index says it.
const HEAD_END: &str = "</head>";

/// The one folder inside of an archive, so that unpacking it does not strew files.
const FOLDER: &str = "steerage-site";

/// The files of the folder, by their paths; nothing where this program was built without the page.
pub fn site_files(session: Vec<u8>) -> Option<Vec<(String, Cow<'static, [u8]>)>> {
    let mut files = page_files();
    if !files.iter().any(|(name, _)| name == "index.html") {
        return None;
    }
    for (_, bytes) in &mut files {
        let told = std::str::from_utf8(bytes).ok().filter(|text| text.contains(HEAD_END)).map(with_session);
        if let Some(text) = told {
            *bytes = Cow::Owned(text.into_bytes());
        }
    }
    files.push((SESSION_FILE.to_owned(), Cow::Owned(session)));
    Some(files)
}

/// The folder as a zip archive. Same files, same bytes: times of files are left out.
pub(super) fn zipped(files: &[(String, Cow<'static, [u8]>)]) -> ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default());
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(format!("{FOLDER}/{name}"), options)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// The page's index, saying that there is a session and that no search engine is to list it.
fn with_session(index: &str) -> String {
    let meta = format!(
        "  <meta name=\"steerage-session\" content=\"/{SESSION_FILE}\">\n    <meta name=\"robots\" content=\"noindex\">\n  "
    );
    index.replacen(HEAD_END, &format!("{meta}{HEAD_END}"), 1)
}
