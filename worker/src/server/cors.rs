//! Which pages of other origins may read answers, so that a page can attach to a worker that is not its own.
//!
//! Pages that the owner allowed read the API. Pages of this machine read whether a worker is here, which host
//! name it wants and whether they are allowed, so that they can say what is missing. All others read nothing.
//! None of this lets anybody in: the API wants the token, and the socket a hello.

use super::guard::Allowed;
use super::origin::is_loopback;
use axum::body::Body;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, Request, Response, StatusCode};

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_SECS: &str = "600";

/// What a request says of the page that it comes from.
pub(super) struct Asker {
    origin: Option<HeaderValue>,
    is_allowed: bool,
    is_loopback: bool,
    is_api: bool,
    is_health: bool,
    is_preflight: bool,
}

impl Asker {
    pub(super) fn of<B>(request: &Request<B>, allowed: &Allowed) -> Self {
        let headers = request.headers();
        let origin = headers.get(header::ORIGIN).cloned();
        let named = origin.as_ref().and_then(|origin| origin.to_str().ok()).unwrap_or_default();
        let path = request.uri().path();
        Asker {
            is_allowed: allowed.origin_is_allowed(headers) == Some(true),
            is_loopback: is_loopback(named),
            is_api: path.starts_with("/api/"),
            is_health: path == "/api/health",
            is_preflight: request.method() == Method::OPTIONS
                && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD),
            origin,
        }
    }

    /// The answer to a browser that asks whether it may send the token along.
    pub(super) fn preflight(&self) -> Option<Response<Body>> {
        if !(self.is_preflight && self.is_api && self.is_allowed) {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization"),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECS),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Some(response)
    }

    /// Says who may read an answer.
    pub(super) fn add_headers(self, status: StatusCode, headers: &mut HeaderMap) {
        if self.is_api {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        // Nothing but the refusal of the host is answered under a host that is not ours.
        let wrong_host = status == StatusCode::MISDIRECTED_REQUEST;
        let may_read = if self.is_allowed && !wrong_host {
            self.is_api
        } else {
            self.is_loopback && (self.is_health || wrong_host && self.is_api)
        };
        if let Some(origin) = self.origin.filter(|_| may_read) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}
