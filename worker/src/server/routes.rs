//! What is where. Nothing here changes anything: all that acts goes over the socket.

use super::State;
use super::cors::Asker;
use super::limits::{MAX_READ_BYTES, MAX_SOCKETS};
use super::negotiate::{error_response, json_response};
use super::{guard, model_files, shares, socket};
use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, Path, State as Shared};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Request, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::get;
use shared::event::ErrorBody;
use shared::wire::{Credential, PROTOCOL};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tower::ServiceExt;

/// Bytes that a socket may hold back until they make a write worth while.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// Largest message to a client, in bytes. The welcome lists all runs; an event has at most a megabyte.
const MAX_WRITE_BUFFER_BYTES: usize = 64 << 20;

/// Where a request came from.
#[derive(Clone, Copy)]
pub(super) struct Source(IpAddr);

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/ws", get(open_socket))
        .route("/api/health", get(health))
        .route("/api/models/{name}/tokenizer", get(tokenizer))
        .route("/api/runs/{run}/session", get(shares::session))
        .route("/api/runs/{run}/snapshot", get(shares::preview))
        .route("/api/runs/{run}/site", get(shares::site))
        .route("/api/runs/{run}/shares", get(shares::list))
        .route("/api/share", get(shares::open))
        .route("/api/models/{name}/file", get(model_file))
        .route("/api/{*rest}", get(no_such_api))
        .fallback(get(page))
        .with_state(state)
}

/// Answers a request: the host is checked before anything is routed, and every answer gets the
/// headers.
pub(super) async fn respond(
    state: &State,
    router: Router,
    source: IpAddr,
    mut request: Request<Body>,
) -> Response<Body> {
    request.extensions_mut().insert(Source(source));
    let asker = Asker::of(&request, &state.allowed);
    let mut response = match (state.allowed.check_host(&request), asker.preflight()) {
        (Err(refusal), _) => *refusal,
        (Ok(()), Some(preflight)) => preflight,
        (Ok(()), None) => match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
    };
    guard::add_headers(response.headers_mut());
    asker.add_headers(response.status(), response.headers_mut());
    response
}

/// That there is a worker, and whether the page that asks may talk to it.
async fn health(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response<Body> {
    let mut health = serde_json::json!({ "status": "ok", "protocol": PROTOCOL, "version": env!("CARGO_PKG_VERSION") });
    if let Some(allowed) = state.allowed.origin_is_allowed(&headers) {
        health["origin_allowed"] = allowed.into();
    }
    json_response(StatusCode::OK, &health)
}

async fn tokenizer(
    Shared(state): Shared<Arc<State>>,
    Extension(source): Extension<Source>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    if let Err(refusal) = check_model(&state, source, &name, &headers).await {
        return *refusal;
    }
    match state.tokenizers.get(&name).await {
        Ok(content) => content.response(&headers),
        Err(error) => error_response(StatusCode::SERVICE_UNAVAILABLE, &error),
    }
}

async fn model_file(
    Shared(state): Shared<Arc<State>>,
    Extension(source): Extension<Source>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    // Whoever has a link may compute again what it shows.
    let admitted = match shares::secret_of(&headers) {
        Some(secret) => shares::check_model(&state, secret, &name).await,
        None => check_model(&state, source, &name, &headers).await,
    };
    if let Err(refusal) = admitted {
        return *refusal;
    }
    let file = match (state.model_file)(&name) {
        Ok(path) => model_files::response(&path).await,
        Err(error) => Err(error),
    };
    file.unwrap_or_else(|error| error_response(StatusCode::SERVICE_UNAVAILABLE, &error))
}

/// Demands the token, and the name of a model of the catalogue.
async fn check_model(
    state: &State,
    source: Source,
    name: &str,
    headers: &HeaderMap,
) -> Result<(), Box<Response<Body>>> {
    check_bearer(state, source, headers)?;
    if state.sessions.catalogue().await.models.iter().any(|model| model.name == name) {
        return Ok(());
    }
    let error = ErrorBody::new("unknown_model", "No model has this name.")
        .with_hint("The welcome's catalogue names all models.");
    Err(Box::new(error_response(StatusCode::NOT_FOUND, &error)))
}

async fn page(Shared(state): Shared<Arc<State>>, uri: Uri, headers: HeaderMap) -> Response<Body> {
    state.assets.get(uri.path(), &headers).await
}

async fn no_such_api() -> Response<Body> {
    error_response(StatusCode::NOT_FOUND, &ErrorBody::new("not_found", "There is no such address."))
}

/// Turns a request into a WebSocket: pages of ours or allowed ones may ask, and programs that have the token.
async fn open_socket(
    Shared(state): Shared<Arc<State>>,
    Extension(source): Extension<Source>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response<Body> {
    match state.allowed.origin_is_allowed(&headers) {
        Some(true) => {}
        Some(false) => {
            let error = ErrorBody::new("bad_origin", "Pages of other sites may not talk to this worker.")
                .with_hint("Open the page at the worker's own address, or start the worker with --allow-origin.");
            return error_response(StatusCode::FORBIDDEN, &error);
        }
        None => {
            if let Err(refusal) = check_bearer(&state, source, &headers) {
                return *refusal;
            }
        }
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let Ok(permit) = Arc::clone(&state.sockets).try_acquire_owned() else {
        let message = format!("{MAX_SOCKETS} clients are connected already.");
        let error = ErrorBody::new("too_many_sockets", message).with_hint("Close some pages and try again.");
        return error_response(StatusCode::SERVICE_UNAVAILABLE, &error);
    };
    upgrade
        .max_message_size(MAX_READ_BYTES)
        .max_frame_size(MAX_READ_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .on_upgrade(move |socket| async move {
            socket::run(socket, &state, source.0).await;
            drop(permit);
        })
}

/// Demands the token in the `Authorization` header.
pub(super) fn check_bearer(
    state: &State,
    Source(source): Source,
    headers: &HeaderMap,
) -> Result<(), Box<Response<Body>>> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
    let bearer = authorization.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token);
    let (status, error) = match bearer {
        None => {
            let error = ErrorBody::new("unauthorised", "This needs the worker's token.")
                .with_hint("Send the header \"Authorization: Bearer TOKEN\".");
            (StatusCode::UNAUTHORIZED, error)
        }
        Some(token) => match state.gate.admit(&Credential::Token(token.trim().to_owned()), source, Instant::now()) {
            Ok(_) => return Ok(()),
            Err(error) if error.code == "too_many_attempts" => (StatusCode::TOO_MANY_REQUESTS, error),
            Err(error) => (StatusCode::UNAUTHORIZED, error),
        },
    };
    let mut response = error_response(status, &error);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Err(Box::new(response))
}
