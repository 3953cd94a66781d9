//! Bodies of responses: compressed where the client likes, not sent again where it has them.

use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use shared::event::ErrorBody;
use std::fmt::Write as _;
use std::io::Write as _;

/// A body in both encodings, ready to be sent any number of times.
pub(super) struct Content {
    content_type: &'static str,
    /// Hash of the plain bytes, in hex.
    hash: String,
    plain: Bytes,
    /// Absent where it would not be smaller.
    gzip: Option<Bytes>,
}

impl Content {
    /// Hashes and compresses a body; takes a moment for a large one.
    pub(super) fn new(content_type: &'static str, plain: Bytes) -> Content {
        let hash = Sha256::digest(&plain).iter().take(16).fold(String::new(), |mut hex, byte| {
            // Writing to a string does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let gzip = gzip(&plain).filter(|gzip| gzip.len() < plain.len());
        Content { content_type, hash, plain, gzip }
    }

    /// The answer to a request with these headers. `no-cache` lets the client keep it and ask
    /// whether it is still good.
    pub(super) fn response(&self, request: &HeaderMap) -> Response<Body> {
        let gzip = self.gzip.as_ref().filter(|_| accepts_gzip(request));
        // Each encoding is a representation of its own.
        let etag = format!("\"{}{}\"", self.hash, if gzip.is_some() { "-gz" } else { "" });
        let mut response = if has(request, &etag) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let mut response = Response::new(Body::from(gzip.unwrap_or(&self.plain).clone()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            if gzip.is_some() {
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(header::ETAG, etag);
        }
        response
    }
}

/// A small JSON answer that is not to be kept.
pub(super) fn json_response(status: StatusCode, body: &impl serde::Serialize) -> Response<Body> {
    // Our own types always serialise.
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An error as an answer.
pub(super) fn error_response(status: StatusCode, error: &ErrorBody) -> Response<Body> {
    json_response(status, error)
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn accepts_gzip(request: &HeaderMap) -> bool {
    let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = parameters.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

fn has(request: &HeaderMap, etag: &str) -> bool {
    let values = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|known| known.trim().trim_start_matches("W/") == etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn gzip_is_sent_to_those_who_accept_it_and_unpacks_to_the_same() {
        let text = "steerage ".repeat(1000);
        let content = Content::new("text/plain", Bytes::from(text.clone()));
        let response = content.response(&headers(&[(header::ACCEPT_ENCODING, "br, gzip;q=0.8")]));
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&content.gzip.clone().unwrap()[..]).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
        for other in ["", "br", "gzip;q=0", "x-gzip"] {
            let response = content.response(&headers(&[(header::ACCEPT_ENCODING, other)]));
            assert!(!response.headers().contains_key(header::CONTENT_ENCODING), "{other}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let content = Content::new("text/plain", Bytes::from("steerage ".repeat(1000)));
        let plain = content.response(&HeaderMap::new());
        let etag = plain.headers()[header::ETAG].to_str().unwrap();
        let again = content.response(&headers(&[(header::IF_NONE_MATCH, &format!("\"other\", W/{etag}"))]));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let packed = content.response(&headers(&[(header::IF_NONE_MATCH, etag), (header::ACCEPT_ENCODING, "gzip")]));
        assert_eq!(packed.status(), StatusCode::OK, "the other encoding is another body");
        let changed = Content::new("text/plain", Bytes::from("another"));
        assert_eq!(changed.response(&headers(&[(header::IF_NONE_MATCH, etag)])).status(), StatusCode::OK);
    }

    #[test]
    fn what_does_not_shrink_is_sent_as_it_is() {
        assert!(Content::new("text/plain", Bytes::from("x")).gzip.is_none());
    }
}
