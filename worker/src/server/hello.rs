//! The first message of a socket: who is there, and do we speak the same protocol.

use super::State;
use super::limits::HANDSHAKE;
use super::message;
use super::peer::{CloseCode, Gone, Peer, Received};
use super::shares;
use serde::Deserialize;
use shared::event::ErrorBody;
use shared::wire::{ClientMessage, Credential, PROTOCOL, ServerMessage};
use std::net::IpAddr;
use std::time::Instant;
use tokio::time::timeout;

/// What any version of a hello has.
#[derive(Deserialize)]
struct AnyHello {
    r#type: String,
    protocol: u64,
}

/// Who was let in.
pub(super) enum Guest {
    /// Someone who may use the worker.
    Client {
        /// The board as the welcome showed it.
        revision: u64,
    },
    /// Someone who may look at a share.
    Share {
        /// Its name.
        share: String,
        /// When it ends.
        expires_unix_ms: u64,
    },
}

/// Lets a client in and welcomes it.
pub(super) async fn exchange(peer: &mut Peer, state: &State, source: IpAddr) -> Result<Guest, Gone> {
    let Ok(received) = timeout(HANDSHAKE, peer.receive()).await else {
        let secs = HANDSHAKE.as_secs();
        let error = ErrorBody::new("hello_timeout", format!("No hello came within {secs} seconds."));
        return refuse(peer, error, CloseCode::HelloTimeout).await;
    };
    let text = match received? {
        Received::Text(text) => text,
        Received::Binary => return refuse(peer, message::not_text(), CloseCode::NoHello).await,
    };
    if let Err(error) = message::check_bounds(&text) {
        return refuse(peer, error, CloseCode::NoHello).await;
    }
    // Another version may say hello differently; that it is another version is what matters.
    if let Ok(AnyHello { r#type, protocol }) = serde_json::from_str(&text)
        && r#type == "hello"
        && protocol != u64::from(PROTOCOL)
    {
        let message = format!("The client speaks protocol {protocol}, this worker speaks {PROTOCOL}.");
        let hint = if protocol < u64::from(PROTOCOL) {
            "Reload the page, or update the client."
        } else {
            "Update the worker."
        };
        let error = ErrorBody::new("version_mismatch", message).with_hint(hint).with_field("protocol");
        return refuse(peer, error, CloseCode::VersionMismatch).await;
    }
    let credential = match message::parse(&text) {
        Ok(ClientMessage::Hello { credential, .. }) => credential,
        Ok(_) => {
            let error = ErrorBody::new("hello_expected", "The first message must be a hello.");
            return refuse(peer, error, CloseCode::NoHello).await;
        }
        Err(malformed) => return refuse(peer, malformed.error, CloseCode::NoHello).await,
    };
    if let Credential::Share(secret) = &credential {
        let Some((share, expires_unix_ms)) = shares::admit(state, secret).await else {
            return refuse(peer, shares::nothing_here(), CloseCode::NoShare).await;
        };
        peer.send(&ServerMessage::Shared { expires_unix_ms }).await?;
        return Ok(Guest::Share { share, expires_unix_ms });
    }
    let admitted = match state.gate.admit(&credential, source, Instant::now()) {
        Ok(admitted) => admitted,
        Err(error) => {
            tracing::warn!(%source, code = error.code, "a client was refused");
            let code = if error.code == "too_many_attempts" { CloseCode::TooMany } else { CloseCode::Unauthorised };
            return refuse(peer, error, code).await;
        }
    };
    let catalogue = Box::new(state.sessions.catalogue().await);
    let (runs, revision) = state.store.board(|board| (board.runs(), board.revision()));
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let (token, device) = (admitted.token, state.device.clone());
    peer.send(&ServerMessage::Welcome { protocol: PROTOCOL, version, token, device, catalogue, runs }).await?;
    Ok(Guest::Client { revision })
}

async fn refuse<T>(peer: &mut Peer, error: ErrorBody, code: CloseCode) -> Result<T, Gone> {
    peer.send_error(error).await?;
    Err(Gone::Close(code, "see the error before"))
}
