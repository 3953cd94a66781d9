//! What every request must pass and every response carries.

use super::negotiate::error_response;
use super::origin::Origin;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use shared::event::ErrorBody;

/// Scripts and WebAssembly of our own, nothing inline, nothing from elsewhere, no framing. Connections stay on
/// this machine: to this worker, and to the ports at which others end in an SSH tunnel.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
     connect-src 'self' http://127.0.0.1:* http://localhost:* ws://127.0.0.1:* ws://localhost:*; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // A worker is nobody's to list, and least of all its links.
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// The names under which the worker may be reached, and the pages that may talk to it.
pub(super) struct Allowed {
    hosts: Vec<String>,
    port: u16,
    /// Of pages that are not ours.
    origins: Vec<Origin>,
}

impl Allowed {
    /// The loopback names with a port. A name that points here by someone else's doing (DNS
    /// rebinding) is none of them. Besides our own pages, those of `origins` may talk.
    pub(super) fn at_port(port: u16, origins: Vec<Origin>) -> Self {
        let names = ["127.0.0.1", "localhost", "[::1]"];
        let mut hosts: Vec<String> = names.iter().map(|name| format!("{name}:{port}")).collect();
        if port == 80 {
            // Browsers leave out the default port.
            hosts.extend(names.map(str::to_owned));
        }
        Allowed { hosts, port, origins }
    }

    /// Refuses a request that names another host.
    pub(super) fn check_host<B>(&self, request: &Request<B>) -> Result<(), Box<Response>> {
        let mut named = request.headers().get_all(header::HOST).iter();
        let host_is_ours = match (named.next(), named.next()) {
            (Some(host), None) => host.to_str().is_ok_and(|host| self.is_host(host)),
            _ => false,
        };
        // The absolute form of a request line names a host too.
        let line_is_ours = request.uri().authority().is_none_or(|authority| self.is_host(authority.as_str()));
        if host_is_ours && line_is_ours {
            return Ok(());
        }
        let port = self.port;
        let error = ErrorBody::new("bad_host", "This worker does not answer under that host name.").with_hint(format!(
            "Use http://127.0.0.1:{port} or http://localhost:{port}; through a tunnel, keep the port: \
             ssh -L {port}:127.0.0.1:{port}"
        ));
        Err(Box::new(error_response(StatusCode::MISDIRECTED_REQUEST, &error)))
    }

    /// Whether the request comes from a page of ours, or one that the owner allowed; nothing where it names
    /// no origin at all.
    pub(super) fn origin_is_allowed(&self, headers: &HeaderMap) -> Option<bool> {
        let mut named = headers.get_all(header::ORIGIN).iter();
        let origin = named.next()?.to_str().unwrap_or_default();
        let is_own = origin.strip_prefix("http://").is_some_and(|host| self.hosts.iter().any(|ours| ours == host));
        let is_allowed = is_own || self.origins.iter().any(|allowed| allowed.is(origin));
        Some(named.next().is_none() && is_allowed)
    }

    fn is_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))
    }
}

/// Adds what every response carries.
pub(super) fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_with_our_port_are_hosts() {
        let allowed = Allowed::at_port(7468, Vec::new());
        let check = |hosts: &[&str], uri: &str| {
            let mut request = Request::builder().uri(uri);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            allowed.check_host(&request.body(()).unwrap()).is_ok()
        };
        for good in ["127.0.0.1:7468", "localhost:7468", "LOCALHOST:7468", "[::1]:7468"] {
            assert!(check(&[good], "/"), "{good}");
        }
        for bad in
            ["127.0.0.1", "localhost:80", "evil.example:7468", "localhost:7468.evil.example", "127.0.0.2:7468", ""]
        {
            assert!(!check(&[bad], "/"), "{bad}");
        }
        assert!(!check(&[], "/"), "no host");
        assert!(!check(&["localhost:7468", "evil.example"], "/"), "two hosts");
        assert!(!check(&["localhost:7468"], "http://evil.example/"), "another host in the request line");
    }

    #[test]
    fn origins_are_compared_exactly() {
        let allowed = Allowed::at_port(7468, vec!["http://127.0.0.1:7000".parse().unwrap()]);
        let check = |origins: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            allowed.origin_is_allowed(&headers)
        };
        assert_eq!(check(&[]), None);
        assert_eq!(check(&["http://localhost:7468"]), Some(true));
        assert_eq!(check(&["http://127.0.0.1:7000"]), Some(true), "the owner allowed it");
        for bad in [
            "null",
            "https://localhost:7468",
            "http://localhost:7469",
            "http://localhost:7468/",
            "localhost:7468",
            "http://localhost:7000",
            "http://127.0.0.1:70001",
        ] {
            assert_eq!(check(&[bad]), Some(false), "{bad}");
        }
        assert_eq!(check(&["http://localhost:7468", "http://evil.example"]), Some(false));
    }
}
