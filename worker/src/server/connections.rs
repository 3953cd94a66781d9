//! TCP connections: a bounded number, each with little time to say what it wants.

use super::State;
use super::limits::{HANDSHAKE, MAX_CONNECTIONS, MAX_REQUEST_HEAD_BYTES, MAX_SOCKETS};
use super::routes;
use axum::Router;
use axum::body::Body;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Pause after the system had no more file handles or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time for what is under way when the worker ends.
const CLOSING: Duration = Duration::from_secs(3);

/// Accepts connections until `shutdown` resolves; returns those that are open.
pub(super) async fn accept(
    listener: &TcpListener,
    state: &Arc<State>,
    shutdown: impl Future<Output = ()>,
) -> JoinSet<()> {
    let router = routes::router(Arc::clone(state));
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut open = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            // The semaphore is never closed, so the permit is always there in the end.
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = &mut shutdown => return open,
            Some(_) = open.join_next() => {}
            (permit, accepted) = next => match accepted {
                Ok((stream, peer)) => {
                    let (state, router) = (Arc::clone(state), router.clone());
                    open.spawn(async move {
                        attend(stream, peer, state, router).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Waits a moment for connections and sockets to end by themselves, which they were asked to.
pub(super) async fn close(mut open: JoinSet<()>, state: &State) {
    let ended = async {
        while open.join_next().await.is_some() {}
        // A socket holds its permit for as long as it lives.
        let _all = state.sockets.acquire_many(MAX_SOCKETS as u32).await;
    };
    if timeout(CLOSING, ended).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}

async fn attend(stream: TcpStream, peer: SocketAddr, state: Arc<State>, router: Router) {
    // Small messages are what this is about.
    let _ = stream.set_nodelay(true);
    let mut stop = state.stop.clone();
    let service = service_fn(|request| {
        let (state, router) = (Arc::clone(&state), router.clone());
        async move { Ok::<_, Infallible>(routes::respond(&state, router, peer.ip(), request_body(request)).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE)
        .max_buf_size(MAX_REQUEST_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}

/// Resolves once the sockets are to close.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender lives as long as the server; without it there is nothing to stop for.
    let _ = stop.wait_for(|&stop| stop).await;
}

fn request_body(request: hyper::Request<hyper::body::Incoming>) -> axum::http::Request<Body> {
    request.map(Body::new)
}
