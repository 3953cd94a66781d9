//! The page's side of the protocol as a plain state machine: messages go in, [`Step`]s come out.
//!
//! No socket, no clock and no signals here, so that what happens on reconnecting can be tested row by
//! row. [`crate::connection`] carries the steps out.

use shared::catalogue::Catalogue;
use shared::event::{ErrorBody, Stamped};
use shared::wire::{ClientMessage, Command, Credential, Outcome, PROTOCOL, RunSummary, ServerMessage};
use std::collections::BTreeMap;

/// Where the connection stands, as the pill shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// Nothing proves who we are.
    SignedOut,
    /// The first attempt is under way.
    Connecting,
    /// A subscription is being replayed.
    CatchingUp,
    /// What is shown is what the worker has.
    Live,
    /// Waits for the next attempt.
    Reconnecting {
        /// When it will be made, in milliseconds since the Unix epoch.
        retry_at_unix_ms: f64,
    },
    /// Several attempts failed; goes on trying.
    Offline {
        /// When the worker was last heard, in milliseconds since the Unix epoch; none: never.
        heard_at_unix_ms: Option<f64>,
    },
    /// The worker refused the credential.
    Unauthorised,
    /// The worker speaks another version of the protocol.
    VersionMismatch {
        /// Its version, where it said so.
        worker: Option<u32>,
    },
}

/// What is to be done about a message.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Send this.
    Send(ClientMessage),
    /// Keep this token for the next visit.
    KeepToken(String),
    /// Forget the kept token.
    ForgetToken,
    /// Take over what the worker can do and has.
    Welcomed {
        /// The worker's version.
        version: String,
        /// What it can do.
        catalogue: Box<Catalogue>,
        /// All runs, newest first.
        runs: Vec<RunSummary>,
    },
    /// A run is new or changed.
    RunChanged(RunSummary),
    /// A run is deleted.
    RunDeleted(String),
    /// A command was answered.
    Replied {
        /// The command's id.
        id: String,
        /// What came of it.
        outcome: Outcome,
    },
    /// Hand an event to its subscriber.
    Deliver(Box<Stamped>),
    /// Show an error that belongs to no command.
    Notice(ErrorBody),
    /// Close the socket and do not come back by yourself.
    GiveUp,
    /// Close the socket and connect again at once.
    ConnectAgain,
}

/// The state of the protocol.
#[derive(Debug, Default)]
pub struct Link {
    /// Best first; a refused one is dropped.
    credentials: Vec<Credential>,
    welcomed: bool,
    refused: Option<Standing>,
    failed_attempts: u32,
    /// Commands without a reply, by id; sent again after a reconnect, the worker answers each once.
    pending: BTreeMap<String, Command>,
    /// By run.
    subscriptions: BTreeMap<String, Cursor>,
}

/// How far a run's log was received.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cursor {
    epoch: u32,
    seq: u64,
    caught_up: bool,
}

impl Link {
    /// A link that has not talked yet; the launch code is tried before the kept token.
    pub fn new(code: Option<String>, token: Option<String>) -> Self {
        let credentials = code.map(Credential::Code).into_iter().chain(token.map(Credential::Token)).collect();
        Link { credentials, ..Link::default() }
    }

    /// Starts over with a token that the user gave.
    pub fn sign_in(&mut self, token: String) {
        self.credentials = vec![Credential::Token(token)];
        self.refused = None;
        self.failed_attempts = 0;
    }

    /// Whether there is any use in connecting.
    pub fn may_connect(&self) -> bool {
        self.refused.is_none() && !self.credentials.is_empty()
    }

    /// The socket opened.
    pub fn opened(&mut self) -> Vec<Step> {
        self.welcomed = false;
        let hello = self
            .credentials
            .first()
            .map(|credential| Step::Send(ClientMessage::Hello { protocol: PROTOCOL, credential: credential.clone() }));
        hello.into_iter().collect()
    }

    /// The socket closed or never opened. Returns how many attempts failed in a row.
    pub fn closed(&mut self) -> u32 {
        self.failed_attempts = if self.welcomed { 1 } else { self.failed_attempts.saturating_add(1) };
        self.welcomed = false;
        for cursor in self.subscriptions.values_mut() {
            cursor.caught_up = false;
        }
        self.failed_attempts
    }

    /// A message arrived.
    pub fn received(&mut self, message: ServerMessage) -> Vec<Step> {
        match message {
            ServerMessage::Welcome { protocol, .. } if protocol != PROTOCOL => {
                self.refuse(Standing::VersionMismatch { worker: Some(protocol) })
            }
            ServerMessage::Welcome { version, token, catalogue, runs, .. } => {
                self.welcome(version, token, catalogue, runs)
            }
            ServerMessage::Reply { id, outcome } => match self.pending.remove(&id) {
                Some(_) => vec![Step::Replied { id, outcome }],
                None => Vec::new(),
            },
            ServerMessage::RunChanged { run } => vec![Step::RunChanged(run)],
            ServerMessage::RunDeleted { run } => {
                // The worker has ended the subscription too.
                self.subscriptions.remove(&run);
                vec![Step::RunDeleted(run)]
            }
            ServerMessage::Event { stamped } => self.deliver(stamped).into_iter().collect(),
            ServerMessage::Batch { events } => {
                events.into_iter().filter_map(|stamped| self.deliver(Box::new(stamped))).collect()
            }
            ServerMessage::CaughtUp { run, .. } => {
                if let Some(cursor) = self.subscriptions.get_mut(&run) {
                    cursor.caught_up = true;
                }
                Vec::new()
            }
            // For guests with a link, who never get here.
            ServerMessage::Shared { .. } => Vec::new(),
            ServerMessage::Error { error, .. } if !self.welcomed => self.refused_hello(error),
            ServerMessage::Error { error, .. } => vec![Step::Notice(error)],
        }
    }

    /// An event of a run that is followed, and its place noted.
    fn deliver(&mut self, stamped: Box<Stamped>) -> Option<Step> {
        let cursor = self.subscriptions.get_mut(&stamped.run)?;
        (cursor.epoch, cursor.seq) = (stamped.epoch, stamped.seq);
        Some(Step::Deliver(stamped))
    }

    /// Begins to follow a run from the start of its log.
    pub fn subscribe(&mut self, run: &str) -> Vec<Step> {
        self.subscriptions.insert(run.to_owned(), Cursor::default());
        self.when_welcomed(subscribe(run, Cursor::default()))
    }

    /// Ends following a run.
    pub fn unsubscribe(&mut self, run: &str) -> Vec<Step> {
        match self.subscriptions.remove(run) {
            Some(_) => self.when_welcomed(ClientMessage::Unsubscribe { run: run.to_owned() }),
            None => Vec::new(),
        }
    }

    /// Sends a command now or after the next welcome.
    pub fn command(&mut self, id: String, command: Command) -> Vec<Step> {
        self.pending.insert(id.clone(), command.clone());
        self.when_welcomed(ClientMessage::Command { id, command })
    }

    /// Where an open or opening connection stands.
    pub fn standing(&self) -> Standing {
        match self.refused {
            Some(refused) => refused,
            None if self.credentials.is_empty() => Standing::SignedOut,
            None if !self.welcomed => Standing::Connecting,
            None if self.subscriptions.values().any(|cursor| !cursor.caught_up) => Standing::CatchingUp,
            None => Standing::Live,
        }
    }

    fn welcome(
        &mut self,
        version: String,
        token: Option<String>,
        catalogue: Box<Catalogue>,
        runs: Vec<RunSummary>,
    ) -> Vec<Step> {
        self.welcomed = true;
        self.failed_attempts = 0;
        let mut steps = Vec::new();
        let token = token.or_else(|| match self.credentials.first() {
            Some(Credential::Token(token)) => Some(token.clone()),
            _ => None,
        });
        if let Some(token) = token {
            self.credentials = vec![Credential::Token(token.clone())];
            steps.push(Step::KeepToken(token));
        }
        // A run that the worker no longer has cannot be followed.
        self.subscriptions.retain(|run, _| runs.iter().any(|known| known.run == *run));
        steps.push(Step::Welcomed { version, catalogue, runs });
        let commands = self
            .pending
            .iter()
            .map(|(id, command)| Step::Send(ClientMessage::Command { id: id.clone(), command: command.clone() }));
        steps.extend(commands);
        steps.extend(self.subscriptions.iter().map(|(run, cursor)| Step::Send(subscribe(run, *cursor))));
        steps
    }

    /// An error before the welcome is about the hello.
    fn refused_hello(&mut self, error: ErrorBody) -> Vec<Step> {
        match error.code.as_str() {
            // The right credential always gets in, so this one was wrong too.
            "unauthorised" | "too_many_attempts" => {
                let refused = (!self.credentials.is_empty()).then(|| self.credentials.remove(0));
                let mut steps = Vec::new();
                if matches!(refused, Some(Credential::Token(_))) {
                    steps.push(Step::ForgetToken);
                }
                if error.code == "too_many_attempts" {
                    steps.push(Step::Notice(error));
                }
                if self.credentials.is_empty() {
                    steps.extend(self.refuse(Standing::Unauthorised));
                } else {
                    steps.push(Step::ConnectAgain);
                }
                steps
            }
            "version_mismatch" => self.refuse(Standing::VersionMismatch { worker: None }),
            _ => vec![Step::Notice(error)],
        }
    }

    fn refuse(&mut self, standing: Standing) -> Vec<Step> {
        self.refused = Some(standing);
        vec![Step::GiveUp]
    }

    fn when_welcomed(&self, message: ClientMessage) -> Vec<Step> {
        if self.welcomed { vec![Step::Send(message)] } else { Vec::new() }
    }
}

fn subscribe(run: &str, cursor: Cursor) -> ClientMessage {
    ClientMessage::Subscribe { run: run.to_owned(), epoch: cursor.epoch, after_seq: cursor.seq, batches: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::Event;
    use shared::wire::RunPhase;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn welcome(token: Option<&str>) -> ServerMessage {
        ServerMessage::Welcome {
            protocol: PROTOCOL,
            version: "0.1.0".to_owned(),
            token: token.map(str::to_owned),
            device: None,
            catalogue: Box::default(),
            runs: vec![run("r")],
        }
    }

    fn run(id: &str) -> RunSummary {
        RunSummary {
            run: id.to_owned(),
            epoch: 1,
            state: RunPhase::Running,
            queue_position: None,
            preset: String::new(),
            model: String::new(),
            teacher: String::new(),
            seed: 0,
            created_unix_ms: 0,
            gap_closed_test: None,
            prefix_text: None,
            title: None,
            tags: Vec::new(),
            settings: Default::default(),
        }
    }

    fn event(run: &str, epoch: u32, seq: u64) -> ServerMessage {
        let stamped =
            Stamped { run: run.to_owned(), epoch, seq, at_unix_ms: 0, event: Event::StageStarted { stage: 0 } };
        ServerMessage::Event { stamped: Box::new(stamped) }
    }

    fn caught_up(run: &str) -> ServerMessage {
        ServerMessage::CaughtUp { run: run.to_owned(), epoch: 1, seq: 1 }
    }

    fn error(code: &str) -> ServerMessage {
        ServerMessage::Error { run: None, error: ErrorBody::new(code, "no") }
    }

    fn sent(steps: Vec<Step>) -> Vec<ClientMessage> {
        let sent = |step| match step {
            Step::Send(message) => Some(message),
            _ => None,
        };
        steps.into_iter().filter_map(sent).collect()
    }

    fn live(token: &str) -> Link {
        let mut link = Link::new(None, Some(token.to_owned()));
        link.opened();
        link.received(welcome(None));
        link
    }

    #[test]
    fn the_code_is_exchanged_for_a_token() {
        let mut link = Link::new(Some("code".to_owned()), None);
        let hello = |credential| ClientMessage::Hello { protocol: PROTOCOL, credential };
        assert_eq!(sent(link.opened()), [hello(Credential::Code("code".to_owned()))]);
        assert_eq!(link.standing(), Standing::Connecting);
        assert!(link.received(welcome(Some("token"))).contains(&Step::KeepToken("token".to_owned())));
        assert_eq!(link.standing(), Standing::Live);
        link.closed();
        assert_eq!(sent(link.opened()), [hello(Credential::Token("token".to_owned()))], "the code is used once");
    }

    #[test]
    fn a_stale_code_falls_back_to_the_kept_token() {
        let mut link = Link::new(Some("old".to_owned()), Some("token".to_owned()));
        link.opened();
        assert_eq!(link.received(error("unauthorised")), [Step::ConnectAgain]);
        assert!(link.may_connect());
        link.closed();
        link.opened();
        assert_eq!(link.received(error("unauthorised")), [Step::ForgetToken, Step::GiveUp]);
        assert_eq!(link.standing(), Standing::Unauthorised);
        assert!(!link.may_connect());
        link.sign_in("good".to_owned());
        assert!(link.may_connect());
    }

    #[test]
    fn too_many_wrong_tokens_are_said_to_be_so() {
        let mut link = Link::new(None, Some("wrong".to_owned()));
        link.opened();
        let steps = link.received(error("too_many_attempts"));
        assert!(matches!(steps[..], [Step::ForgetToken, Step::Notice(_), Step::GiveUp]), "{steps:?}");
        assert_eq!(link.standing(), Standing::Unauthorised);
    }

    #[test]
    fn another_protocol_version_is_final() {
        let mut link = Link::new(None, Some("token".to_owned()));
        link.opened();
        let mut message = welcome(None);
        if let ServerMessage::Welcome { protocol, .. } = &mut message {
            *protocol = PROTOCOL + 1;
        }
        assert_eq!(link.received(message), [Step::GiveUp]);
        assert_eq!(link.standing(), Standing::VersionMismatch { worker: Some(PROTOCOL + 1) });
    }

    #[test]
    fn a_reconnect_resumes_after_the_last_event() {
        let mut link = live("token");
        let subscribe =
            |epoch, after_seq| ClientMessage::Subscribe { run: "r".to_owned(), epoch, after_seq, batches: true };
        assert_eq!(sent(link.subscribe("r")), [subscribe(0, 0)]);
        assert_eq!(link.standing(), Standing::CatchingUp);
        assert!(matches!(link.received(event("r", 1, 1))[..], [Step::Deliver(_)]));
        link.received(event("r", 2, 5));
        link.received(caught_up("r"));
        assert_eq!(link.standing(), Standing::Live);
        link.closed();
        link.opened();
        assert_eq!(sent(link.received(welcome(None))), [subscribe(2, 5)]);
        assert_eq!(link.standing(), Standing::CatchingUp);
    }

    #[test]
    fn events_of_a_left_run_are_dropped() {
        let mut link = live("token");
        link.subscribe("r");
        link.unsubscribe("r");
        assert_eq!(link.received(event("r", 1, 1)), []);
        assert_eq!(link.standing(), Standing::Live);
    }

    #[test]
    fn a_run_that_the_worker_no_longer_has_is_not_waited_for() {
        let mut link = live("token");
        link.subscribe("gone");
        link.closed();
        link.opened();
        assert_eq!(sent(link.received(welcome(None))), []);
        assert_eq!(link.standing(), Standing::Live);
        assert_eq!(sent(link.unsubscribe("gone")), [], "the worker knows of no subscription");
    }

    #[test]
    fn a_deleted_run_is_followed_no_more_until_someone_subscribes_again() {
        let mut link = live("token");
        link.subscribe("r");
        link.received(event("r", 1, 5));
        let deleted = ServerMessage::RunDeleted { run: "r".to_owned() };
        assert_eq!(link.received(deleted), [Step::RunDeleted("r".to_owned())]);
        assert_eq!(link.standing(), Standing::Live);
        assert_eq!(sent(link.unsubscribe("r")), [], "the worker has ended the subscription");
        let subscribe = ClientMessage::Subscribe { run: "r".to_owned(), epoch: 0, after_seq: 0, batches: true };
        assert_eq!(sent(link.subscribe("r")), [subscribe]);
        assert!(matches!(link.received(event("r", 1, 1))[..], [Step::Deliver(_)]));
    }

    #[test]
    fn a_command_without_reply_is_repeated_with_its_id() {
        let mut link = live("token");
        let cancel = Command::CancelRun { run: "r".to_owned() };
        let message = ClientMessage::Command { id: "u1".to_owned(), command: cancel.clone() };
        assert_eq!(sent(link.command("u1".to_owned(), cancel)), std::slice::from_ref(&message));
        link.closed();
        link.opened();
        assert_eq!(sent(link.received(welcome(None))), [message]);
        let reply = ServerMessage::Reply { id: "u1".to_owned(), outcome: Outcome::Done { run: "r".to_owned() } };
        assert_eq!(link.received(reply.clone()).len(), 1);
        assert_eq!(link.received(reply), [], "a repeated reply is answered to nobody");
    }

    #[test]
    fn failed_attempts_count_from_the_last_welcome() {
        let mut link = Link::new(None, Some("token".to_owned()));
        assert_eq!([link.closed(), link.closed(), link.closed()], [1, 2, 3]);
        link.opened();
        link.received(welcome(None));
        assert_eq!([link.closed(), link.closed()], [1, 2]);
    }
}
