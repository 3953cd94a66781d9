//! Files read through the system's page cache instead of into memory of our own.

use super::LoadError;
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// Maps a file for reading; pages come from the disk when they are first touched.
// Mapping is unsafe because another process may shorten the file meanwhile, and a read past the new
// end kills this one. Checkpoints are written once, and by us only under another name.
#[allow(unsafe_code)]
pub fn map(path: &Path) -> Result<Mmap, LoadError> {
    let io = |source| LoadError::Io { file: path.display().to_string(), source };
    let file = File::open(path).map_err(io)?;
    // SAFETY: the bytes are only read, and every offset that they claim is checked against the
    // length that the file has now.
    unsafe { Mmap::map(&file) }.map_err(io)
}
