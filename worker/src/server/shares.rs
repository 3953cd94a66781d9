//! Links to results, and session files. What a link opens is a snapshot that never changes; nothing that is
//! asked here changes anything, and whoever has no link learns nothing, not even that there was one.

use super::State;
use super::connections;
use super::limits::PING_EVERY;
use super::negotiate::{error_response, json_response};
use super::peer::{CloseCode, Gone, Peer};
use super::routes::{Source, check_bearer};
use super::site::{site_files, zipped};
use crate::sessions::unknown_run;
use crate::store::StoreError;
use axum::body::Body;
use axum::extract::{Extension, Path, Query, State as Shared};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use shared::event::{ErrorBody, Event};
use shared::recording::Part;
use shared::session_file;
use shared::share::{is_hex_256, is_view, name_of};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// What is to be left out of a preview.
#[derive(Deserialize)]
pub(super) struct Preview {
    /// Names of parts, separated by commas.
    #[serde(default)]
    left_out: String,
    #[serde(default)]
    view: Option<String>,
}

/// The session file of a run: its whole log.
pub(super) async fn session(
    Shared(state): Shared<Arc<State>>,
    Extension(source): Extension<Source>,
    Path(run): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    if let Err(refusal) = check_bearer(&state, source, &headers) {
        return *refusal;
    }
    let log = match state.store.log(&run).await {
        Ok(Some(log)) => log,
        Ok(None) => return error_response(StatusCode::NOT_FOUND, &unknown_run()),
        Err(error) => return unreadable(&error),
    };
    let packed = tokio::task::spawn_blocking(move || {
        let version = env!("CARGO_PKG_VERSION");
        let content = log.recording(version)?;
        session_file::encode(&content, version).map_err(|error| StoreError::Damaged(error.to_string()))
    });
    match packed.await {
        Ok(Ok(file)) => file_response(file),
        Ok(Err(error)) => unreadable(&error),
        Err(error) => unreadable(&StoreError::Damaged(error.to_string())),
    }
}

/// The session file that a link would show, for whoever thinks of making one.
pub(super) async fn preview(
    Shared(state): Shared<Arc<State>>,
    Extension(source): Extension<Source>,
    Path(run): Path<String>,
    Query(preview): Query<Preview>,
    headers: HeaderMap,
) -> Response<Body> {
    match snapshot(&state, source, &run, preview, &headers).await {
        Ok(file) => file_response(file),
        Err(refusal) => *refusal,
    }
}

/// The page and that file, as an archive for any web server.
pub(super) async fn site(
    Shared(state): Shared<Arc<State>>,
    Extension(source): Extension<Source>,
    Path(run): Path<String>,
    Query(preview): Query<Preview>,
    headers: HeaderMap,
) -> Response<Body> {
    let file = match snapshot(&state, source, &run, preview, &headers).await {
        Ok(file) => file,
        Err(refusal) => return *refusal,
    };
    let packed = tokio::task::spawn_blocking(move || site_files(file).map(|files| zipped(&files))).await;
    match packed {
        Ok(Some(Ok(archive))) => attachment(archive, "application/zip", "attachment; filename=\"steerage-site.zip\""),
        Ok(None) => {
            let error = ErrorBody::new("no_page", "This worker was built without the page.");
            error_response(StatusCode::NOT_FOUND, &error.with_hint("`cargo xtask page` builds it."))
        }
        Ok(Some(Err(error))) => unreadable(&StoreError::Damaged(error.to_string())),
        Err(error) => unreadable(&StoreError::Damaged(error.to_string())),
    }
}

/// What leaves of a run, as one file.
async fn snapshot(
    state: &State,
    source: Source,
    run: &str,
    preview: Preview,
    headers: &HeaderMap,
) -> Result<Vec<u8>, Box<Response<Body>>> {
    check_bearer(state, source, headers)?;
    let names = preview.left_out.split(',').filter(|name| !name.is_empty());
    let parts: Option<Vec<Part>> = names.map(|name| Part::ALL.into_iter().find(|part| part.name() == name)).collect();
    let view = preview.view.filter(|view| !view.is_empty());
    let Some(parts) = parts.filter(|_| view.as_deref().is_none_or(is_view)) else {
        let error = ErrorBody::new("bad_share", "No such part can be left out, or the view is no query.");
        return Err(Box::new(error_response(StatusCode::BAD_REQUEST, &error.with_field("left_out"))));
    };
    match state.sessions.snapshot(run, &parts, view.as_deref()).await {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(Box::new(error_response(StatusCode::NOT_FOUND, &unknown_run()))),
        Err(error) => Err(Box::new(unreadable(&error))),
    }
}

/// All links of a run.
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    Extension(source): Extension<Source>,
    Path(run): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    if let Err(refusal) = check_bearer(&state, source, &headers) {
        return *refusal;
    }
    match state.store.shares(&run).await {
        Ok(shares) => json_response(StatusCode::OK, &shares),
        Err(error) => unreadable(&error),
    }
}

/// What a link shows; the secret is in the header, so that it is in no log of addresses.
pub(super) async fn open(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response<Body> {
    match shown(&state, secret_of(&headers).unwrap_or_default()).await {
        Ok(file) => file_response(file),
        Err(refusal) => *refusal,
    }
}

/// The secret of the link by which somebody asks, if that is how.
pub(super) fn secret_of(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("share").then(|| secret.trim())
}

/// Demands that a link shows a run of this model.
pub(super) async fn check_model(state: &State, secret: &str, model: &str) -> Result<(), Box<Response<Body>>> {
    let file = shown(state, secret).await?;
    let used = tokio::task::spawn_blocking(move || {
        let session = session_file::decode(&file).ok()?;
        session.recording.events.into_iter().find_map(|stamped| match stamped.event {
            Event::Started { model, .. } => Some(model.name),
            _ => None,
        })
    });
    match used.await {
        Ok(Some(used)) if used == model => Ok(()),
        _ => Err(Box::new(error_response(StatusCode::NOT_FOUND, &nothing_here()))),
    }
}

/// The snapshot that a secret opens.
async fn shown(state: &State, secret: &str) -> Result<Vec<u8>, Box<Response<Body>>> {
    let snapshot = match is_hex_256(secret) {
        true => state.store.share_snapshot(&name_of(secret)).await,
        false => Ok(None),
    };
    match snapshot {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(Box::new(error_response(StatusCode::NOT_FOUND, &nothing_here()))),
        Err(error) => Err(Box::new(unreadable(&error))),
    }
}

/// The same for a link that never was, that was revoked, and that has ended.
pub(super) fn nothing_here() -> ErrorBody {
    ErrorBody::new("no_share", "There is nothing at this link.")
        .with_hint("It may have ended, or been mistyped or cut off. Ask whoever sent it for a new one.")
}

/// The name and the end of the share that a secret opens, which is opened by this.
pub(super) async fn admit(state: &State, secret: &str) -> Option<(String, u64)> {
    let share = name_of(Some(secret).filter(|secret| is_hex_256(secret))?);
    let expires_unix_ms = state.store.share_expiry(&share).await.unwrap_or_else(|error| {
        tracing::error!(%error, "the links cannot be read");
        None
    })?;
    if let Err(error) = state.store.share_was_opened(&share).await {
        tracing::warn!(%error, "that a link was opened could not be recorded");
    }
    Some((share, expires_unix_ms))
}

/// Keeps a socket for as long as its share is good. Nothing that the guest says is answered.
pub(super) async fn hold(
    peer: &mut Peer,
    state: &State,
    mut ticks: watch::Receiver<u64>,
    share: &str,
    expires_unix_ms: u64,
) -> Gone {
    let mut stop = state.stop.clone();
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if *stop.borrow() {
            return Gone::Close(CloseCode::GoingAway, "the worker is stopping");
        }
        let left = Duration::from_millis(expires_unix_ms.saturating_sub(now_unix_ms()));
        if left.is_zero() || state.store.board(|board| board.is_revoked(share)) {
            // Said as a message too: a page is told more of messages than of closes.
            let told = peer.send_error(nothing_here()).await;
            return told.err().unwrap_or(Gone::Close(CloseCode::NoShare, "there is nothing at this link"));
        }
        let result = tokio::select! {
            () = connections::stopped(&mut stop) => Ok(()),
            received = peer.receive() => match received {
                Ok(_) => Err(Gone::Close(CloseCode::TooMany, "a link only shows")),
                Err(gone) => Err(gone),
            },
            _ = ping.tick() => peer.ping().await,
            // A long sleep may be cut into pieces; the loop looks again.
            () = tokio::time::sleep(left) => Ok(()),
            changed = ticks.changed() => changed.map_err(|_| Gone::Closed),
        };
        if let Err(gone) = result {
            return gone;
        }
    }
}

fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn file_response(file: Vec<u8>) -> Response<Body> {
    attachment(file, "application/octet-stream", "attachment; filename=\"session.steerage\"")
}

fn attachment(file: Vec<u8>, content_type: &'static str, disposition: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(file));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    response
}

fn unreadable(error: &StoreError) -> Response<Body> {
    tracing::error!(%error, "a session cannot be read");
    let error = ErrorBody::new("store_failed", "The worker could not read the run's log.")
        .with_hint("The worker's log tells more.");
    error_response(StatusCode::INTERNAL_SERVER_ERROR, &error)
}
