//! Models from the Hugging Face hub: the files of a repository at a pinned commit.
//!
//! A file grows as `.partial/<file>` next to its place. A broken connection is taken up where it
//! stopped, by this fetch or a later one. The file is renamed into its place only after its length and
//! its SHA-256, both of the whole file as it lies on the disk, were found to be the pinned ones.

use super::fetch::FetchProgress;
use super::known::{HubSource, KnownFile};
use super::verify::{CHUNK_BYTES, check_file};
use super::{KnownModel, ModelError, ModelStore};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;
use ureq::Agent;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};

/// Where the hub is for everyone.
pub const PUBLIC: &str = "https://huggingface.co";

/// So many times in a row a connection may bring nothing before a fetch gives up.
const MAX_VAIN_ATTEMPTS: u32 = 4;
/// Waited after the first vain attempt; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 500 });
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection that brings nothing for so long is given up.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

impl ModelStore {
    /// Puts the model's files into `dir`, those that are not there yet.
    pub(super) fn fetch_from_hub(
        &self,
        model: &KnownModel,
        source: &HubSource,
        dir: &Path,
        progress: &mut dyn FnMut(FetchProgress),
    ) -> Result<(), ModelError> {
        let partial_dir = dir.join(".partial");
        fs::create_dir_all(&partial_dir).map_err(|e| ModelError::io("create", &partial_dir, e))?;
        let (agent, total_bytes) = (agent(), model.size_bytes());
        let mut done_before = 0;
        for file in &model.files {
            let (path, partial) = (dir.join(file.name), partial_dir.join(file.name));
            if length(&path) != Some(file.size_bytes) {
                let download = Download { store: self, agent: &agent, model, source, file, partial: &partial };
                download.run(&mut |done| {
                    progress(FetchProgress::Downloading { done_bytes: done_before + done, total_bytes });
                })?;
                fs::rename(&partial, &path).map_err(|e| ModelError::io("move the model to", &path, e))?;
            }
            done_before += file.size_bytes;
        }
        fs::remove_dir_all(&partial_dir).map_err(|e| ModelError::io("clear", &partial_dir, e))
    }
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .user_agent(concat!("steerage/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        // The hub sends large files from another host, with the permission in the address.
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(READ_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT))
        // The system's list: a lab's own proxy may be in it.
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .build();
    Agent::new_with_config(config)
}

fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.len())
}

/// One file on its way.
struct Download<'a> {
    store: &'a ModelStore,
    agent: &'a Agent,
    model: &'a KnownModel,
    source: &'a HubSource,
    file: &'a KnownFile,
    partial: &'a Path,
}

impl Download<'_> {
    /// Downloads what is missing of the file and checks it.
    fn run(&self, progress: &mut dyn FnMut(u64)) -> Result<(), ModelError> {
        let mut vain_attempts = 0;
        loop {
            let before = length(self.partial).unwrap_or(0);
            if before > self.file.size_bytes {
                self.discard()?;
                continue;
            }
            if before == self.file.size_bytes {
                return self.check();
            }
            progress(before);
            let Err(reason) = self.attempt(before, progress)? else { continue };
            let after = length(self.partial).unwrap_or(0);
            vain_attempts = if after > before { 0 } else { vain_attempts + 1 };
            if vain_attempts == MAX_VAIN_ATTEMPTS {
                return Err(self.failed(reason));
            }
            thread::sleep(FIRST_PAUSE * 2_u32.pow(vain_attempts));
        }
    }

    /// One connection. The outer error ends the fetch, the inner one is worth another attempt.
    fn attempt(&self, from: u64, progress: &mut dyn FnMut(u64)) -> Result<Result<(), String>, ModelError> {
        let mut request = self.agent.get(self.url());
        if let Some(token) = &self.store.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if starts_at(&response) == Some(from) => from,
            StatusCode::PARTIAL_CONTENT => {
                return Ok(Err("the hub sent another part than it was asked for".to_owned()));
            }
            // What we have is not a beginning of what the hub has.
            StatusCode::RANGE_NOT_SATISFIABLE => {
                self.discard()?;
                return Ok(Err("the hub has fewer bytes than were downloaded".to_owned()));
            }
            status => return self.refused(status),
        };
        if let Some(found) = total_bytes(&response).filter(|&found| found != self.file.size_bytes) {
            return Err(self.wrong_size(found));
        }
        self.append(response, start, progress)
    }

    /// Writes a response to the file, from position `start` on.
    fn append(
        &self,
        response: Response<ureq::Body>,
        start: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Result<(), String>, ModelError> {
        let write = |e| ModelError::io("write", self.partial, e);
        let mut out = File::options().create(true).append(true).open(self.partial).map_err(write)?;
        out.set_len(start).map_err(write)?;
        // One byte more than expected is enough to know that the hub has something else.
        let mut body = response.into_body().into_reader().take(self.file.size_bytes - start + 1);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut done = start;
        let outcome = loop {
            match body.read(&mut chunk) {
                Ok(0) => break Ok(()),
                Ok(read) => {
                    out.write_all(&chunk[..read]).map_err(write)?;
                    done += read as u64;
                    progress(done.min(self.file.size_bytes));
                }
                Err(error) => break Err(error.to_string()),
            }
        };
        out.sync_all().map_err(write)?;
        if done > self.file.size_bytes {
            self.discard()?;
            return Err(self.wrong_size(done));
        }
        Ok(outcome.and_then(|()| {
            if done == self.file.size_bytes { Ok(()) } else { Err("the connection ended early".to_owned()) }
        }))
    }

    /// What an answer without content means.
    fn refused(&self, status: StatusCode) -> Result<Result<(), String>, ModelError> {
        let repository = self.source.repository.to_owned();
        let page = format!("{PUBLIC}/{repository}");
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.store.token.is_none() => {
                Err(ModelError::NoToken { repository, page })
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(ModelError::Refused { repository, page, status: status.as_u16() })
            }
            // The hub is busy, or something between it and us is.
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                Ok(Err(format!("HTTP {status}")))
            }
            status => Err(self.failed(format!("HTTP {status}"))),
        }
    }

    /// Checks length and hash; a file that fails is not kept.
    fn check(&self) -> Result<(), ModelError> {
        match check_file(self.model.name, self.file, self.partial) {
            Err(ModelError::WrongHash { expected, found, .. }) => {
                self.discard()?;
                Err(ModelError::WrongDownload { url: self.url(), expected: format!("SHA-256 {expected}"), found })
            }
            outcome => outcome,
        }
    }

    fn wrong_size(&self, found: u64) -> ModelError {
        let expected = format!("{} bytes", self.file.size_bytes);
        ModelError::WrongDownload { url: self.url(), expected, found: found.to_string() }
    }

    fn failed(&self, reason: String) -> ModelError {
        ModelError::Hub {
            name: self.model.name.to_owned(),
            url: self.url(),
            reason,
            done_bytes: length(self.partial).unwrap_or(0),
            total_bytes: self.file.size_bytes,
            path: self.store.dir(self.model),
        }
    }

    fn url(&self) -> String {
        let HubSource { repository, revision } = self.source;
        format!("{}/{repository}/resolve/{revision}/{}", self.store.hub, self.file.name)
    }

    fn discard(&self) -> Result<(), ModelError> {
        fs::remove_file(self.partial).map_err(|e| ModelError::io("delete", self.partial, e))
    }
}

/// Where a part begins: `bytes START-END/TOTAL`.
fn starts_at(response: &Response<ureq::Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// Size of the whole file, where the answer tells: of a part, it stands behind the slash.
fn total_bytes(response: &Response<ureq::Body>) -> Option<u64> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    match response.status() {
        StatusCode::PARTIAL_CONTENT => text(header::CONTENT_RANGE)?.rsplit('/').next()?.parse().ok(),
        _ => text(header::CONTENT_LENGTH)?.parse().ok(),
    }
}
