//! Who may talk: the token of the data directory, and the launch code of this process.

use super::limits::{BAD_ATTEMPTS, Rate};
use shared::event::ErrorBody;
use shared::wire::Credential;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use subtle::ConstantTimeEq;

/// Name of the token's file in the data directory.
pub(super) const TOKEN_FILE: &str = "token";

/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;

/// Addresses whose bad attempts are remembered; beyond that the oldest are forgotten.
const MAX_SOURCES: usize = 1024;

/// Why there is no token. For whoever runs the worker: it names the file.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file cannot be read or written.
    #[error("the token file {} cannot be used: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may have read it.
    #[error(
        "the token file {} can be read by others (mode {mode:o}); delete it to get a new token, or run chmod 600 on it",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It does not hold a token.
    #[error("the token file {} does not hold a token (64 hex digits); delete it to get a new one", path.display())]
    NotAToken {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gives no random bytes.
    #[error("no random bytes for a token: {0}")]
    Random(getrandom::Error),
}

/// A secret in hex. It never shows in a log, and comparing takes the same time however much matches.
struct Secret(String);

impl Secret {
    fn random() -> Result<Secret, AuthError> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(AuthError::Random)?;
        Ok(Secret(bytes.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })))
    }

    fn is(&self, claimed: &str) -> bool {
        self.0.as_bytes().ct_eq(claimed.as_bytes()).into()
    }
}

/// Decides who comes in.
pub(super) struct Gate {
    token: Secret,
    code: Secret,
    bad_attempts: Mutex<HashMap<IpAddr, [Rate; BAD_ATTEMPTS.len()]>>,
}

/// Someone who may talk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The token, where the client came with the launch code and needs it for next time.
    pub(super) token: Option<String>,
}

impl Gate {
    /// Reads the token, or makes one where there is none.
    pub(super) fn open(token_path: &Path) -> Result<Gate, AuthError> {
        let token = match read_token(token_path)? {
            Some(token) => token,
            None => make_token(token_path)?,
        };
        Ok(Gate { token, code: Secret::random()?, bad_attempts: Mutex::default() })
    }

    /// The code of this process's launch address.
    pub(super) fn launch_code(&self) -> &str {
        &self.code.0
    }

    /// Lets someone in who has the token or the code.
    ///
    /// Wrong ones are counted per address. The right one always gets in: programs of other users
    /// share the loopback address, and their guesses must not lock the owner out.
    pub(super) fn admit(&self, credential: &Credential, source: IpAddr, now: Instant) -> Result<Admitted, ErrorBody> {
        let (is_token, is_code) = match credential {
            Credential::Token(token) => (self.token.is(token), false),
            Credential::Code(code) => (false, self.code.is(code)),
            // It opens a share and never this gate.
            Credential::Share(_) => (false, false),
        };
        if is_token || is_code {
            return Ok(Admitted { token: is_code.then(|| self.token.0.clone()) });
        }
        if self.count_bad_attempt(source, now) {
            let hint = match credential {
                Credential::Token(_) | Credential::Share(_) => {
                    "Open the address that `steerage serve` prints, or paste the worker's token."
                }
                Credential::Code(_) => "A launch address is good while its worker runs; open the one it prints now.",
            };
            Err(ErrorBody::new("unauthorised", "This is not the worker's token or launch code.").with_hint(hint))
        } else {
            Err(ErrorBody::new("too_many_attempts", "Too many wrong tokens from this address.")
                .with_hint("Wait a minute, and an hour after 12 of them. The right token is accepted at any time."))
        }
    }

    /// Counts a wrong credential; false once there were too many.
    fn count_bad_attempt(&self, source: IpAddr, now: Instant) -> bool {
        let mut sources = self.bad_attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() >= MAX_SOURCES && !sources.contains_key(&source) {
            let oldest = sources.iter().min_by_key(|(_, rates)| rates.iter().filter_map(Rate::last).max());
            if let Some(oldest) = oldest.map(|(&source, _)| source) {
                sources.remove(&oldest);
            }
        }
        let rates = sources.entry(source).or_insert_with(|| BAD_ATTEMPTS.map(|(max, window)| Rate::new(max, window)));
        let allowed = rates.iter_mut().all(|rate| rate.is_free(now));
        if allowed {
            for rate in rates {
                rate.allows(now);
            }
        }
        allowed
    }
}

fn read_token(path: &Path) -> Result<Option<Secret>, AuthError> {
    let failed = |source| AuthError::File { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    #[cfg(unix)]
    {
        let metadata = file.metadata().map_err(failed)?;
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777;
        if mode & 0o077 != 0 {
            return Err(AuthError::Exposed { path: path.to_owned(), mode });
        }
    }
    let mut text = String::new();
    // A little more than a token, so that a longer file is noticed and a huge one not read.
    file.take(256).read_to_string(&mut text).map_err(failed)?;
    let token = text.trim();
    let is_token = token.len() == 2 * SECRET_BYTES && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_token { Ok(Some(Secret(token.to_owned()))) } else { Err(AuthError::NotAToken { path: path.to_owned() }) }
}

/// Writes a new token under another name first, so that the file is whole or absent.
fn make_token(path: &Path) -> Result<Secret, AuthError> {
    let token = Secret::random()?;
    let unfinished = path.with_extension("new");
    let write = || {
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&unfinished)?;
        writeln!(file, "{}", token.0)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)
    };
    write().map_err(|source| AuthError::File { path: path.to_owned(), source })?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn gate() -> (tempfile::TempDir, Gate) {
        let scratch = tempfile::tempdir().unwrap();
        let gate = Gate::open(&scratch.path().join(TOKEN_FILE)).unwrap();
        (scratch, gate)
    }

    #[test]
    fn the_token_outlives_the_process_and_the_code_does_not() {
        let (scratch, first) = gate();
        let second = Gate::open(&scratch.path().join(TOKEN_FILE)).unwrap();
        assert!(first.token.0 == second.token.0 && first.code.0 != second.code.0);
        assert_eq!(first.token.0.len(), 64, "256 bits in hex");
    }

    #[test]
    fn the_code_brings_the_token() {
        let (_scratch, gate) = gate();
        let now = Instant::now();
        let code = Credential::Code(gate.code.0.clone());
        let token = gate.admit(&code, HERE, now).unwrap().token.unwrap();
        assert_eq!(gate.admit(&Credential::Token(token), HERE, now).unwrap(), Admitted { token: None });
        // Neither is good in the other's place.
        gate.admit(&Credential::Token(gate.code.0.clone()), HERE, now).unwrap_err();
        gate.admit(&Credential::Code(gate.token.0.clone()), HERE, now).unwrap_err();
    }

    #[test]
    fn bad_attempts_are_bounded_a_minute_and_an_hour_and_do_not_lock_the_owner_out() {
        let (_scratch, gate) = gate();
        let (start, minute) = (Instant::now(), Duration::from_secs(60));
        let code = |now| gate.admit(&Credential::Token("guess".into()), HERE, now).unwrap_err().code;
        let mut wrong = 0;
        for n in 0..60 {
            let now = start + minute * n;
            let codes = [code(now), code(now), code(now)];
            wrong += codes.iter().filter(|code| *code == "unauthorised").count();
            assert_eq!(codes[2], "too_many_attempts", "the third in minute {n}");
        }
        assert_eq!(wrong, 12, "in the first hour");
        let elsewhere = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
        let other = gate.admit(&Credential::Token("guess".into()), elsewhere, start + minute * 59).unwrap_err();
        assert_eq!(other.code, "unauthorised", "another address has its own count");
        gate.admit(&Credential::Token(gate.token.0.clone()), HERE, start + minute * 59).unwrap();
        assert_eq!(code(start + minute * 60), "unauthorised", "an hour later");
    }

    #[test]
    fn many_addresses_do_not_fill_the_memory() {
        let (_scratch, gate) = gate();
        let now = Instant::now();
        for n in 0..5000_u32 {
            let source = IpAddr::V4(Ipv4Addr::from(0x7f00_0000 + n));
            gate.admit(&Credential::Token("guess".into()), source, now + Duration::from_millis(n.into())).unwrap_err();
        }
        assert!(gate.bad_attempts.lock().unwrap().len() <= MAX_SOURCES);
    }

    #[cfg(unix)]
    #[test]
    fn the_token_file_is_private_or_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (scratch, _gate) = gate();
        let path = scratch.path().join(TOKEN_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Gate::open(&path).err().unwrap().to_string();
        assert!(error.contains("640") && error.contains(path.to_str().unwrap()), "{error}");
    }

    #[test]
    fn a_file_without_a_token_is_refused() {
        let (scratch, _gate) = gate();
        let path = scratch.path().join(TOKEN_FILE);
        for text in ["", "short\n", &"g".repeat(64), &"a".repeat(300)] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Gate::open(&path), Err(AuthError::NotAToken { .. })), "{text:?}");
        }
    }
}
