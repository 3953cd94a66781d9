//! The session that is open in this page without a worker: a file, a link, or that of a static folder.

use leptos::prelude::*;
use shared::session_file::Session;
use std::sync::Arc;

/// A session and the file that it came in.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// What the file is called.
    pub name: String,
    /// The file, byte by byte, to be kept or passed on.
    pub file: Vec<u8>,
    /// What it says.
    pub session: Session,
    /// The secret of the link that showed it; the worker that served this page knows it.
    pub link: Option<String>,
}

/// A handle to what is open; copies share it. Pages that do more with it (verify, fork) find it here.
#[derive(Clone, Copy)]
pub struct OpenedSession {
    /// What is open, if anything is.
    pub opened: RwSignal<Option<Arc<Opened>>>,
}

impl OpenedSession {
    /// Nothing is open yet.
    pub fn new() -> Self {
        OpenedSession { opened: RwSignal::new(None) }
    }

    /// The handle that the page provides.
    pub fn get() -> Self {
        expect_context()
    }
}

/// Opens a file; the reason why it cannot is for people.
pub fn open(name: &str, file: Vec<u8>) -> Result<Arc<Opened>, String> {
    let session = shared::session_file::decode(&file).map_err(|error| format!("{name}: {error}."))?;
    Ok(Arc::new(Opened { name: name.to_owned(), file, session, link: None }))
}
