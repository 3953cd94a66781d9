//! Whether a model's file is the one that was pinned.

use super::{KnownModel, ModelError, ModelStore};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A model file that was read in full and found to be the pinned one.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Its size, in bytes.
    pub size_bytes: u64,
    /// How long reading it took, in seconds.
    pub duration_secs: f64,
}

/// Read and written in pieces of this many bytes.
const CHUNK_BYTES: usize = 1 << 20;

impl ModelStore {
    /// Reads the whole file of a fetched model and compares it with the pinned size and SHA-256.
    pub fn verify(&self, name: &str) -> Result<Verified, ModelError> {
        let started = Instant::now();
        let path = self.path(name)?;
        let model = self.known(name)?;
        let mut file = File::open(&path).map_err(|e| ModelError::io("open", &path, e))?;
        let content =
            copy_hashed(&mut file, &mut io::sink(), &mut |_| {}).map_err(|e| ModelError::io("read", &path, e))?;
        content.check(model, &path)?;
        Ok(Verified {
            path,
            sha256: content.sha256,
            size_bytes: content.size_bytes,
            duration_secs: started.elapsed().as_secs_f64(),
        })
    }
}

/// Size and hash of what was copied.
pub(super) struct Content {
    pub size_bytes: u64,
    pub sha256: String,
}

impl Content {
    /// Compares with what is pinned; `path` is the file to name in the error.
    pub fn check(&self, model: &KnownModel, path: &Path) -> Result<(), ModelError> {
        if self.size_bytes != model.size_bytes {
            return Err(ModelError::WrongSize {
                name: model.name.to_owned(),
                path: path.to_owned(),
                expected_bytes: model.size_bytes,
                found_bytes: self.size_bytes,
            });
        }
        if self.sha256 != model.sha256 {
            return Err(ModelError::WrongHash {
                name: model.name.to_owned(),
                path: path.to_owned(),
                expected: model.sha256.to_owned(),
                found: self.sha256.clone(),
            });
        }
        Ok(())
    }
}

/// Copies everything, hashing on the way; `progress` is told the bytes copied so far.
pub(super) fn copy_hashed(
    from: &mut dyn Read,
    to: &mut dyn Write,
    progress: &mut dyn FnMut(u64),
) -> io::Result<Content> {
    let mut hasher = Sha256::new();
    let mut size_bytes = 0;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hasher.update(&chunk[..read]);
        to.write_all(&chunk[..read])?;
        size_bytes += read as u64;
        progress(size_bytes);
    }
    let sha256 = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Content { size_bytes, sha256 })
}
