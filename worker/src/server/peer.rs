//! The other end of a WebSocket: sending with a bound on patience, receiving, closing.

use super::limits::{SILENT, STALLED};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt;
use shared::event::ErrorBody;
use shared::wire::ServerMessage;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a client may take to answer a close.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a socket is closed: codes from 4000 are the protocol's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum CloseCode {
    GoingAway = 1001,
    TooBig = 1009,
    TryAgainLater = 1013,
    NoHello = 4400,
    Unauthorised = 4401,
    NoShare = 4404,
    HelloTimeout = 4408,
    VersionMismatch = 4426,
    TooMany = 4429,
}

/// The socket is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The client has closed it or vanished.
    Closed,
    /// We close it, and say why.
    Close(CloseCode, &'static str),
}

/// The client at the other end.
pub(super) struct Peer {
    socket: WebSocket,
    last_heard: Instant,
}

impl Peer {
    pub(super) fn new(socket: WebSocket) -> Self {
        Peer { socket, last_heard: Instant::now() }
    }

    /// The next text; whatever else may come is dealt with. Loses nothing when it is cancelled.
    pub(super) async fn receive(&mut self) -> Result<Received, Gone> {
        loop {
            let message = self.socket.recv().await.ok_or(Gone::Closed)?;
            self.last_heard = Instant::now();
            match message {
                Ok(Message::Text(text)) => return Ok(Received::Text(text.as_str().to_owned())),
                Ok(Message::Binary(_)) => return Ok(Received::Binary),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(_)) => return Err(Gone::Closed),
                Err(error) => return Err(broke(error)),
            }
        }
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, message: &ServerMessage) -> Result<(), Gone> {
        // Our own types always serialise.
        let text = serde_json::to_string(message).map_err(|_| Gone::Closed)?;
        self.queue(text).await?;
        self.flush().await
    }

    /// Says that something was wrong.
    pub(super) async fn send_error(&mut self, error: ErrorBody) -> Result<(), Gone> {
        self.send(&ServerMessage::Error { run: None, error }).await
    }

    /// Says that something was wrong about a run.
    pub(super) async fn send_error_about(&mut self, run: &str, error: ErrorBody) -> Result<(), Gone> {
        self.send(&ServerMessage::Error { run: Some(run.to_owned()), error }).await
    }

    /// Hands over a message, to go out with others; see [`Peer::flush`].
    pub(super) async fn queue(&mut self, text: String) -> Result<(), Gone> {
        patiently(self.socket.feed(Message::Text(text.into()))).await
    }

    /// Sends what was handed over.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        patiently(self.socket.flush()).await
    }

    /// Asks the client for a sign of life; gives up where there has been none for long.
    pub(super) async fn ping(&mut self) -> Result<(), Gone> {
        if self.last_heard.elapsed() > SILENT {
            return Err(Gone::Closed);
        }
        patiently(self.socket.send(Message::Ping(Vec::new().into()))).await
    }

    /// Ends the socket.
    pub(super) async fn end(mut self, gone: Gone) {
        if let Gone::Close(code, reason) = gone {
            let frame = CloseFrame { code: code as u16, reason: reason.into() };
            // A client that takes nothing gets a last chance to learn why.
            let sent = timeout(STALLED, self.socket.send(Message::Close(Some(frame)))).await;
            if matches!(sent, Ok(Ok(()))) {
                // Closing while the client's messages are still unread would take the reason back.
                let answered = async { while let Some(Ok(_)) = self.socket.recv().await {} };
                let _ = timeout(FAREWELL, answered).await;
            }
        }
    }
}

/// What a client sent.
pub(super) enum Received {
    Text(String),
    Binary,
}

async fn patiently(sending: impl Future<Output = Result<(), axum::Error>>) -> Result<(), Gone> {
    match timeout(STALLED, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Gone::Closed),
        Err(_) => Err(Gone::Close(CloseCode::TryAgainLater, "the client reads too slowly; resume by seq")),
    }
}

fn broke(error: axum::Error) -> Gone {
    use tokio_tungstenite::tungstenite::Error;
    match error.into_inner().downcast_ref::<Error>() {
        Some(Error::Capacity(_)) => Gone::Close(CloseCode::TooBig, "the message is too big"),
        _ => Gone::Closed,
    }
}
