//! Whether a model's files are the ones that were pinned.

use super::known::{KnownFile, KnownModel};
use super::{ModelError, ModelStore};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A model whose files were read in full and found to be the pinned ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The file, or the directory where there are several.
    pub path: PathBuf,
    /// SHA-256 of the model as the list has it, in hex.
    pub sha256: String,
    /// Size of all files, in bytes.
    pub size_bytes: u64,
    /// How long reading it took, in seconds.
    pub duration_secs: f64,
}

/// Read and written in pieces of this many bytes.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

impl ModelStore {
    /// Reads every file of a fetched model and compares it with the pinned size and SHA-256.
    pub fn verify(&self, name: &str) -> Result<Verified, ModelError> {
        let started = Instant::now();
        let path = self.path(name)?;
        let model = self.known(name)?;
        for known in &model.files {
            check_file(model.name, known, &self.dir(model).join(known.name))?;
        }
        Ok(Verified {
            path,
            sha256: sha256_of(model),
            size_bytes: model.size_bytes(),
            duration_secs: started.elapsed().as_secs_f64(),
        })
    }
}

/// Reads a file in full and compares it with what is pinned.
pub(super) fn check_file(model: &str, known: &KnownFile, path: &Path) -> Result<(), ModelError> {
    let mut file = File::open(path).map_err(|e| ModelError::io("open", path, e))?;
    let content = copy_hashed(&mut file, &mut io::sink(), &mut |_| {}).map_err(|e| ModelError::io("read", path, e))?;
    content.check(model, known, path)
}

/// One SHA-256 for a model: that of its file; with several, that of the list which `sha256sum` would
/// print for them.
pub(super) fn sha256_of(model: &KnownModel) -> String {
    match &model.files[..] {
        [only] => only.sha256.to_owned(),
        files => {
            let list: String = files.iter().map(|file| format!("{}  {}\n", file.sha256, file.name)).collect();
            hex(&Sha256::digest(list))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Size and hash of what was copied.
pub(super) struct Content {
    pub size_bytes: u64,
    pub sha256: String,
}

impl Content {
    /// Compares with what is pinned; `path` is the file to name in the error.
    pub fn check(&self, model: &str, known: &KnownFile, path: &Path) -> Result<(), ModelError> {
        if self.size_bytes != known.size_bytes {
            return Err(ModelError::WrongSize {
                name: model.to_owned(),
                path: path.to_owned(),
                expected_bytes: known.size_bytes,
                found_bytes: self.size_bytes,
            });
        }
        if self.sha256 != known.sha256 {
            return Err(ModelError::WrongHash {
                name: model.to_owned(),
                path: path.to_owned(),
                expected: known.sha256.to_owned(),
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
    Ok(Content { size_bytes, sha256: hex(&hasher.finalize()) })
}
