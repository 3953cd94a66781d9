//! Files of models, for clients that compute with them: sent piece by piece, as they lie on the disk.

use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::http::header::{self, HeaderValue};
use futures_util::stream;
use shared::event::ErrorBody;
use std::path::Path;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// Bytes of one piece; a slow client holds back one of them.
const CHUNK_BYTES: usize = 256 * 1024;

/// The whole file. Clients check its hash themselves, which the catalogue names.
pub(super) async fn response(path: &Path) -> Result<Response<Body>, ErrorBody> {
    let unavailable = |error: std::io::Error| {
        // The path stays here.
        tracing::warn!(path = %path.display(), %error, "a model's file cannot be read");
        ErrorBody::new("model_unavailable", "The file of this model cannot be read.")
            .with_hint("The worker's log tells more.")
    };
    let file = File::open(path).await.map_err(unavailable)?;
    let length = file.metadata().await.map_err(unavailable)?.len();
    // What is there now is what is sent: the length was promised.
    let chunks = stream::unfold(Some(file.take(length)), |file| async {
        let mut file = file?;
        let mut chunk = vec![0; CHUNK_BYTES];
        match file.read(&mut chunk).await {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some((Ok(Bytes::from(chunk)), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    // Clients that want it again keep it themselves; a second copy in a browser's cache would be waste.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
