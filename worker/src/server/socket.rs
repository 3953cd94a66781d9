//! One client: its subscriptions, its commands, and everything it is told.
//!
//! Nothing is queued for a client. The log and the board say what is; the client has a cursor into
//! each subscribed run and the revision of the board that it knows. Whenever something was committed,
//! or the client can take more, it is sent what lies between.

use super::State;
use super::connections;
use super::hello::{self, Guest};
use super::limits::{COMMANDS_A_MINUTE, MAX_SUBSCRIPTIONS, MESSAGES_A_MINUTE, MINUTE, PING_EVERY, Rate};
use super::message::{self, Malformed};
use super::peer::{CloseCode, Gone, Peer, Received};
use super::shares;
use crate::sessions::unknown_run;
use crate::store::{Cursor, News, StoreError};
use axum::extract::ws::WebSocket;
use shared::event::ErrorBody;
use shared::wire::{ClientMessage, Command, Outcome, ServerMessage};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// Attends to a socket until it closes.
pub(super) async fn run(socket: WebSocket, state: &State, source: IpAddr) {
    let mut peer = Peer::new(socket);
    // Before the welcome, so that no change falls between.
    let ticks = state.store.ticks();
    let gone = match hello::exchange(&mut peer, state, source).await {
        Ok(Guest::Share { share, expires_unix_ms }) => {
            shares::hold(&mut peer, state, ticks, &share, expires_unix_ms).await
        }
        Ok(Guest::Client { revision }) => {
            let mut client = Client {
                peer,
                state,
                revision,
                subscriptions: BTreeMap::new(),
                commands: Rate::new(COMMANDS_A_MINUTE, MINUTE),
                messages: Rate::new(MESSAGES_A_MINUTE, MINUTE),
            };
            let gone = client.attend(ticks).await;
            peer = client.peer;
            gone
        }
        Err(gone) => gone,
    };
    tracing::debug!(%source, ?gone, "a client left");
    peer.end(gone).await;
}

struct Client<'a> {
    peer: Peer,
    state: &'a State,
    /// The board as the client knows it.
    revision: u64,
    subscriptions: BTreeMap<String, Subscription>,
    commands: Rate,
    messages: Rate,
}

struct Subscription {
    /// The last event that was sent.
    cursor: Cursor,
    /// Where the log ended when the client subscribed, until that has been sent.
    replay_until: Option<Cursor>,
    /// Whether a message may hold several events.
    batches: bool,
}

impl Client<'_> {
    async fn attend(&mut self, mut ticks: watch::Receiver<u64>) -> Gone {
        let mut stop = self.state.stop.clone();
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Looked at first, so that whatever was recorded before the stop is still sent.
            let stopping = *stop.borrow();
            let more = match self.send_news().await {
                Ok(more) => more,
                Err(gone) => return gone,
            };
            if stopping {
                return Gone::Close(CloseCode::GoingAway, "the worker is stopping");
            }
            let result = tokio::select! {
                biased;
                () = connections::stopped(&mut stop) => Ok(()),
                received = self.peer.receive() => match received {
                    Ok(received) => self.handle(received).await,
                    Err(gone) => Err(gone),
                },
                _ = ping.tick() => self.peer.ping().await,
                () = std::future::ready(()), if more => Ok(()),
                changed = ticks.changed() => changed.map_err(|_| Gone::Closed),
            };
            if let Err(gone) = result {
                return gone;
            }
        }
    }

    /// Sends what the client does not know yet, at most a page a subscription; tells whether there
    /// is more.
    async fn send_news(&mut self) -> Result<bool, Gone> {
        let (changed, revision) =
            self.state.store.board(|board| (board.changed_since(self.revision), board.revision()));
        self.revision = revision;
        for news in changed {
            let message = match news {
                News::Changed(run) => ServerMessage::RunChanged { run: *run },
                News::Deleted(run) => {
                    self.subscriptions.remove(&run);
                    ServerMessage::RunDeleted { run }
                }
            };
            self.peer.send(&message).await?;
        }
        let mut more = false;
        for run in self.subscriptions.keys().cloned().collect::<Vec<_>>() {
            more |= self.send_page(&run).await?;
        }
        Ok(more)
    }

    /// Sends the next events of a subscription; tells whether there are more.
    async fn send_page(&mut self, run: &str) -> Result<bool, Gone> {
        let Some(subscription) = self.subscriptions.get_mut(run) else { return Ok(false) };
        let Some(head) = head(self.state, run) else { return Ok(false) };
        let mut more = false;
        if subscription.cursor < head {
            let page = self.state.store.page(run, subscription.cursor).await.and_then(|mut page| {
                // A replay is exact. Whoever has caught up once and now finds pages full is slow.
                let last = page.events.last().map(|event| event.at);
                if page.full && subscription.replay_until.is_none() {
                    page.coalesce_progress();
                }
                let texts = page.messages(run, subscription.batches)?;
                Ok((texts, last, page.full))
            });
            let (texts, last, full) = match page {
                Ok(page) => page,
                Err(error) => {
                    self.subscriptions.remove(run);
                    return self.peer.send_error_about(run, not_readable(&error)).await.map(|()| false);
                }
            };
            for text in texts {
                self.peer.queue(text).await?;
            }
            self.peer.flush().await?;
            subscription.cursor = last.unwrap_or(head);
            more = full;
        }
        if subscription.replay_until.is_some_and(|until| subscription.cursor >= until) {
            subscription.replay_until = None;
            let Cursor { epoch, seq } = subscription.cursor;
            self.peer.send(&ServerMessage::CaughtUp { run: run.to_owned(), epoch, seq }).await?;
        }
        Ok(more)
    }

    async fn handle(&mut self, received: Received) -> Result<(), Gone> {
        if !self.messages.allows(Instant::now()) {
            let message = format!("More than {MESSAGES_A_MINUTE} messages came within a minute.");
            self.peer.send_error(ErrorBody::new("too_many_messages", message)).await?;
            return Err(Gone::Close(CloseCode::TooMany, "see the error before"));
        }
        let text = match received {
            Received::Text(text) => text,
            Received::Binary => return self.peer.send_error(message::not_text()).await,
        };
        match message::parse(&text) {
            Ok(ClientMessage::Hello { .. }) => {
                self.peer.send_error(ErrorBody::new("hello_repeated", "The hello was said already.")).await
            }
            Ok(ClientMessage::Command { id, command }) => self.command(id, command).await,
            Ok(ClientMessage::Subscribe { run, epoch, after_seq, batches }) => {
                match self.subscribe(&run, Cursor { epoch, seq: after_seq }, batches) {
                    Ok(()) => Ok(()),
                    Err(error) => self.peer.send_error_about(&run, error).await,
                }
            }
            Ok(ClientMessage::Unsubscribe { run }) => match self.subscriptions.remove(&run) {
                Some(_) => Ok(()),
                None => self.peer.send_error_about(&run, not_subscribed()).await,
            },
            Err(Malformed { command_id: Some(id), error }) => {
                self.peer.send(&ServerMessage::Reply { id, outcome: Outcome::Refused { errors: vec![error] } }).await
            }
            Err(Malformed { command_id: None, error }) => self.peer.send_error(error).await,
        }
    }

    async fn command(&mut self, id: String, command: Command) -> Result<(), Gone> {
        let outcome = if self.commands.allows(Instant::now()) {
            self.state.sessions.execute(&id, command).await.unwrap_or_else(|error| {
                tracing::error!(%error, "a command could not be done");
                let error = ErrorBody::new("store_failed", "The worker could not record the command; nothing changed.")
                    .with_hint("Its disk may be full; its log tells more. The same command may be sent again.");
                Outcome::Refused { errors: vec![error] }
            })
        } else {
            let message = format!("More than {COMMANDS_A_MINUTE} commands came within a minute.");
            let error = ErrorBody::new("too_many_commands", message).with_hint("Send it again in a minute.");
            Outcome::Refused { errors: vec![error] }
        };
        self.peer.send(&ServerMessage::Reply { id, outcome }).await
    }

    /// Subscribes to a run; a second subscription takes the place of the first.
    fn subscribe(&mut self, run: &str, known: Cursor, batches: bool) -> Result<(), ErrorBody> {
        let head = head(self.state, run).ok_or_else(unknown_run)?;
        if known > head {
            let message = format!("The log ends at epoch {}, seq {}.", head.epoch, head.seq);
            return Err(ErrorBody::new("ahead_of_log", message)
                .with_hint("Forget what you have of this run and subscribe from the beginning.")
                .with_field("after_seq"));
        }
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS && !self.subscriptions.contains_key(run) {
            let message = format!("A client may subscribe to {MAX_SUBSCRIPTIONS} runs at a time.");
            return Err(ErrorBody::new("too_many_subscriptions", message).with_hint("Unsubscribe from some."));
        }
        // An earlier attempt is of no use to anyone who asks now.
        let cursor = if known.epoch == head.epoch { known } else { Cursor { epoch: head.epoch, seq: 0 } };
        self.subscriptions.insert(run.to_owned(), Subscription { cursor, replay_until: Some(head), batches });
        Ok(())
    }
}

/// Where a run's log ends; nothing where no such run exists.
fn head(state: &State, run: &str) -> Option<Cursor> {
    state.store.board(|board| board.head(run))
}

fn not_readable(error: &StoreError) -> ErrorBody {
    tracing::error!(%error, "a run's log cannot be read");
    ErrorBody::new("store_failed", "The worker could not read the run's log; the subscription has ended.")
        .with_hint("The worker's log tells more.")
}

fn not_subscribed() -> ErrorBody {
    ErrorBody::new("not_subscribed", "There is no subscription to this run.").with_field("run")
}
