//! Origins of pages that may attach to a worker, as its owner names them.

use std::fmt;
use std::str::FromStr;

/// Names of this machine, as browsers write them in an origin.
const LOOPBACK_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// The origin of a page: scheme, host and port, exactly as a browser writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// Why a text is no origin that may be allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    /// It is no origin at all.
    #[error("expected an origin without a path, as in http://127.0.0.1:7468, found \"{0}\"")]
    NotAnOrigin(String),
    /// Whoever is on the way could put scripts into such a page.
    #[error("pages over plain http are allowed from this machine only (127.0.0.1, localhost, [::1]), found \"{0}\"")]
    Unprotected(String),
}

impl Origin {
    /// Whether a browser means this origin.
    pub(super) fn is(&self, named: &str) -> bool {
        self.0 == named
    }
}

impl FromStr for Origin {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        let wrong = || BadOrigin::NotAnOrigin(text.to_owned());
        let lower = text.trim().trim_end_matches('/').to_ascii_lowercase();
        let (scheme, authority) = lower.split_once("://").ok_or_else(wrong)?;
        let (host, port) = host_and_port(authority).ok_or_else(wrong)?;
        let default_port = match scheme {
            "https" => 443,
            "http" if LOOPBACK_NAMES.contains(&host) => 80,
            "http" => return Err(BadOrigin::Unprotected(text.to_owned())),
            _ => return Err(wrong()),
        };
        // Browsers leave out the default port.
        let port = port.filter(|&port| port != default_port).map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Origin(format!("{scheme}://{host}{port}")))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an origin is a page of this machine. Such a page may learn that a worker is here and what to do
/// to be let in, and no more.
pub(super) fn is_loopback(named: &str) -> bool {
    let host = named.strip_prefix("http://").and_then(host_and_port);
    host.is_some_and(|(host, _)| LOOPBACK_NAMES.contains(&host))
}

/// Takes a host and its port apart; none where it is neither a name nor an address in brackets.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')? + 2;
            let (host, rest) = authority.split_at(end);
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    (!host.is_empty() && host.chars().all(is_host) && port != Some(0)).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_do() {
        for (text, expected) in [
            ("http://127.0.0.1:7468", "http://127.0.0.1:7468"),
            (" HTTP://LocalHost:7468/ ", "http://localhost:7468"),
            ("http://[::1]:7468", "http://[::1]:7468"),
            ("http://localhost:80", "http://localhost"),
            ("https://bench.example", "https://bench.example"),
            ("https://bench.example:443", "https://bench.example"),
            ("https://bench.example:8443", "https://bench.example:8443"),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!(origin.to_string(), expected);
            assert!(origin.is(expected));
        }
    }

    #[test]
    fn anything_wider_than_one_origin_is_refused() {
        for text in [
            "",
            "*",
            "null",
            "127.0.0.1:7468",
            "http://",
            "http://*:7468",
            "http://localhost:*",
            "https://*.example",
            "http://localhost:7468/page",
            "http://localhost:0",
            "http://localhost:+80",
            "http://localhost:70000",
            "http://[::1",
            "https://user@bench.example",
            "file://localhost",
        ] {
            assert!(matches!(text.parse::<Origin>(), Err(BadOrigin::NotAnOrigin(_))), "{text}");
        }
        for text in ["http://bench.example", "http://127.0.0.1.evil.example", "http://192.168.0.7:7468"] {
            assert!(matches!(text.parse::<Origin>(), Err(BadOrigin::Unprotected(_))), "{text}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for origin in ["http://127.0.0.1:7468", "http://localhost:1", "http://[::1]:9", "http://localhost"] {
            assert!(is_loopback(origin), "{origin}");
        }
        for origin in ["null", "http://localhost.evil.example", "https://localhost", "http://127.0.0.2:1", "http://"] {
            assert!(!is_loopback(origin), "{origin}");
        }
    }
}
