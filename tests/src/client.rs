//! A client of the worker's protocol, as anyone could write one.

use crate::worker::{FakeWorker, PATIENCE};
use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use shared::event::{ErrorBody, Stamped};
use shared::spec::RunSpec;
use shared::wire::{ClientMessage, Command, Credential, Outcome, PROTOCOL, RunPhase, RunSummary, ServerMessage};
use std::collections::VecDeque;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use uuid::Uuid;

/// A socket, with or without a hello.
pub struct Client {
    socket: WebSocketStream<TcpStream>,
    /// Messages that came while another was waited for.
    passed_over: VecDeque<ServerMessage>,
}

/// What a socket brought.
#[derive(Debug)]
pub enum Incoming {
    /// A message.
    Message(Box<ServerMessage>),
    /// The end, with the code and reason where there were any.
    Closed(Option<CloseFrame>),
}

impl Client {
    /// Connects as the page does, without a hello.
    pub async fn open(worker: &FakeWorker) -> Result<Client> {
        let origin = format!("http://{}", worker.address);
        Client::open_with(worker, &[("origin", &origin)]).await?.map_err(|status| anyhow::anyhow!("status {status}"))
    }

    /// Connects with headers of one's choice; a refusal is the HTTP status.
    pub async fn open_with(worker: &FakeWorker, headers: &[(&'static str, &str)]) -> Result<Result<Client, u16>> {
        let mut request = format!("ws://{}/ws", worker.address).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse()?);
        }
        let stream = TcpStream::connect(worker.address).await?;
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Ok(Client { socket, passed_over: VecDeque::new() })),
            Err(Error::Http(response)) => Ok(Err(response.status().as_u16())),
            Err(error) => Err(error.into()),
        }
    }

    /// Connects and says hello with the token; also returns the runs of the welcome.
    pub async fn connect(worker: &FakeWorker) -> Result<(Client, Vec<RunSummary>)> {
        let mut client = Client::open(worker).await?;
        client.hello(Credential::Token(worker.token()?)).await?;
        match client.next().await? {
            ServerMessage::Welcome { runs, .. } => Ok((client, runs)),
            other => bail!("no welcome but {other:?}"),
        }
    }

    /// Says hello.
    pub async fn hello(&mut self, credential: Credential) -> Result<()> {
        self.send(&ClientMessage::Hello { protocol: PROTOCOL, credential }).await
    }

    /// Sends a message.
    pub async fn send(&mut self, message: &ClientMessage) -> Result<()> {
        self.send_text(&serde_json::to_string(message)?).await
    }

    /// Sends any text.
    pub async fn send_text(&mut self, text: &str) -> Result<()> {
        self.send_frame(Message::text(text)).await
    }

    /// Sends any frame.
    pub async fn send_frame(&mut self, frame: Message) -> Result<()> {
        Ok(self.socket.send(frame).await?)
    }

    /// The next message or the end, in order of arrival.
    pub async fn incoming(&mut self) -> Result<Incoming> {
        if let Some(message) = self.passed_over.pop_front() {
            return Ok(Incoming::Message(Box::new(message)));
        }
        self.receive().await
    }

    /// The next message.
    pub async fn next(&mut self) -> Result<ServerMessage> {
        match self.incoming().await? {
            Incoming::Message(message) => Ok(*message),
            Incoming::Closed(frame) => bail!("the worker closed the socket: {frame:?}"),
        }
    }

    /// The first message, old or new, that `pick` wants; those before it stay.
    pub async fn find<T>(&mut self, mut pick: impl FnMut(&ServerMessage) -> Option<T>) -> Result<T> {
        if let Some((index, found)) = self.passed_over.iter().enumerate().find_map(|(i, m)| Some((i, pick(m)?))) {
            self.passed_over.remove(index);
            return Ok(found);
        }
        loop {
            match self.receive().await? {
                Incoming::Message(message) => match pick(&message) {
                    Some(found) => return Ok(found),
                    None => self.passed_over.push_back(*message),
                },
                Incoming::Closed(frame) => bail!("the worker closed the socket: {frame:?}"),
            }
        }
    }

    /// The next error.
    pub async fn error(&mut self) -> Result<ErrorBody> {
        self.find(|message| match message {
            ServerMessage::Error { error, .. } => Some(error.clone()),
            _ => None,
        })
        .await
    }

    /// The code and the close with which the worker ends the socket after an error.
    pub async fn refusal(&mut self) -> Result<(String, u16)> {
        let error = self.error().await?;
        loop {
            if let Incoming::Closed(frame) = self.incoming().await? {
                return Ok((error.code, frame.context("closed without a code")?.code.into()));
            }
        }
    }

    /// Sends a command under an id and waits for its reply.
    pub async fn command_as(&mut self, id: &str, command: Command) -> Result<Outcome> {
        self.send(&ClientMessage::Command { id: id.to_owned(), command }).await?;
        self.find(|message| match message {
            ServerMessage::Reply { id: replied, outcome } if replied == id => Some(outcome.clone()),
            _ => None,
        })
        .await
    }

    /// Sends a new command and waits for its reply.
    pub async fn command(&mut self, command: Command) -> Result<Outcome> {
        self.command_as(&Uuid::new_v4().to_string(), command).await
    }

    /// Does a command that must not be refused; returns the run.
    pub async fn done(&mut self, command: Command) -> Result<String> {
        match self.command(command).await? {
            Outcome::Done { run } => Ok(run),
            Outcome::Refused { errors } => bail!("refused: {errors:?}"),
        }
    }

    /// Does a command that must be refused; returns the code of the first error.
    pub async fn refused(&mut self, command: Command) -> Result<String> {
        match self.command(command).await? {
            Outcome::Done { run } => bail!("not refused: {run}"),
            Outcome::Refused { errors } => Ok(errors.first().context("no reason")?.code.clone()),
        }
    }

    /// Queues a run.
    pub async fn start(&mut self, spec: RunSpec) -> Result<String> {
        self.done(Command::StartRun { spec: Box::new(spec) }).await
    }

    /// Subscribes to a run.
    pub async fn subscribe(&mut self, run: &str, epoch: u32, after_seq: u64) -> Result<()> {
        self.send(&ClientMessage::Subscribe { run: run.to_owned(), epoch, after_seq, batches: false }).await
    }

    /// The next event of a run.
    pub async fn event(&mut self, run: &str) -> Result<Stamped> {
        self.find(|message| match message {
            ServerMessage::Event { stamped } if stamped.run == run => Some((**stamped).clone()),
            _ => None,
        })
        .await
    }

    /// Subscribes from the beginning and reads to the last event of the attempt.
    pub async fn log(&mut self, run: &str) -> Result<Vec<Stamped>> {
        self.subscribe(run, 0, 0).await?;
        self.rest(run).await
    }

    /// Reads on to the last event of the attempt.
    pub async fn rest(&mut self, run: &str) -> Result<Vec<Stamped>> {
        let mut log = Vec::new();
        loop {
            log.push(self.event(run).await?);
            if log.last().is_some_and(|stamped| stamped.event.is_last()) {
                return Ok(log);
            }
        }
    }

    /// Waits until a list shows a run in a phase.
    pub async fn wait_for(&mut self, run: &str, phase: RunPhase) -> Result<RunSummary> {
        self.find(|message| match message {
            ServerMessage::RunChanged { run: changed } if changed.run == run && changed.state == phase => {
                Some(changed.clone())
            }
            _ => None,
        })
        .await
    }

    async fn receive(&mut self) -> Result<Incoming> {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await.context("the worker says nothing")?;
            match frame {
                Some(Ok(Message::Text(text))) => {
                    let message = serde_json::from_str(&text).with_context(|| text.to_string())?;
                    return Ok(Incoming::Message(Box::new(message)));
                }
                Some(Ok(Message::Close(frame))) => return Ok(Incoming::Closed(frame)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(Incoming::Closed(None)),
            }
        }
    }
}
