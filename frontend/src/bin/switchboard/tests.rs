//! The board between pages and a worker that are played here, in the worker's and the page's own types.

use crate::board::{Board, LineId, PageId, Step};
use crate::envelope::Place;
use programs::switchboard::MAX_UNREAD;
use shared::event::{ErrorBody, Event, Stamped};
use shared::wire::{ClientMessage, Command, Credential, Outcome, PROTOCOL, RunPhase, RunSummary, ServerMessage};
use std::collections::{BTreeMap, VecDeque};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ADDRESS: &str = "ws://127.0.0.1:7468/ws";

fn json(message: &impl serde::Serialize) -> String {
    serde_json::to_string(message).unwrap()
}

fn hello(credential: Credential) -> String {
    json(&ClientMessage::Hello { protocol: PROTOCOL, credential })
}

fn token(text: &str) -> Credential {
    Credential::Token(text.to_owned())
}

fn run(id: &str, created_unix_ms: u64) -> RunSummary {
    RunSummary {
        run: id.to_owned(),
        epoch: 1,
        state: RunPhase::Running,
        queue_position: None,
        preset: String::new(),
        model: String::new(),
        teacher: "Talk only about \"cats\".".to_owned(),
        seed: 0,
        created_unix_ms,
        gap_closed_test: None,
        prefix_text: None,
        title: None,
        tags: Vec::new(),
        settings: Default::default(),
    }
}

fn welcome(token: Option<&str>, runs: Vec<RunSummary>) -> String {
    json(&ServerMessage::Welcome {
        protocol: PROTOCOL,
        version: "0.1.0".to_owned(),
        token: token.map(str::to_owned),
        device: None,
        catalogue: Box::default(),
        runs,
    })
}

fn subscribe(run: &str, Place { epoch, seq }: Place) -> String {
    json(&ClientMessage::Subscribe { run: run.to_owned(), epoch, after_seq: seq, batches: true })
}

/// A board with pages 1 to `pages` on line 1, welcomed.
fn board_with(pages: PageId) -> Board {
    let mut board = Board::default();
    for page in 1..=pages {
        board.dial(page, ADDRESS.to_owned());
        board.said_by_page(page, hello(token("t")));
    }
    board.opened(1);
    board.said_by_worker(1, &welcome(None, vec![run("r", 1)]));
    board
}

#[test]
fn pages_with_the_same_token_share_a_line() {
    let mut board = Board::default();
    assert_eq!(board.dial(1, ADDRESS.to_owned()), [Step::Open(1)]);
    assert_eq!(board.said_by_page(1, hello(token("t"))), [Step::Dial(1, ADDRESS.to_owned())]);
    board.dial(2, ADDRESS.to_owned());
    assert_eq!(board.said_by_page(2, hello(token("t"))), [], "it waits for the line that is being dialled");
    assert_eq!(board.opened(1), [Step::Send(1, hello(token("t")))]);
    let steps = board.said_by_worker(1, &welcome(None, vec![]));
    assert_eq!(steps, [Step::Relay(1), Step::Relay(2), Step::Pages(1, 2), Step::Pages(2, 2)]);

    let changed = |run| json(&ServerMessage::RunChanged { run });
    for (id, created) in [("old", 1), ("new", 3), ("between", 2), ("gone", 4)] {
        assert_eq!(board.said_by_worker(1, &changed(run(id, created))), [Step::Relay(1), Step::Relay(2)]);
    }
    board.said_by_worker(1, &changed(RunSummary { state: RunPhase::Finished, ..run("old", 1) }));
    board.said_by_worker(1, &json(&ServerMessage::RunDeleted { run: "gone".to_owned() }));
    board.dial(3, ADDRESS.to_owned());
    let steps = board.said_by_page(3, hello(token("t")));
    let [Step::Tell(3, text), Step::Pages(1, 3), Step::Pages(2, 3), Step::Pages(3, 3)] = &steps[..] else {
        panic!("{steps:?}")
    };
    let old = RunSummary { state: RunPhase::Finished, ..run("old", 1) };
    let expected = welcome(None, vec![run("new", 3), run("between", 2), old]);
    let parse = |text: &str| serde_json::from_str::<ServerMessage>(text).unwrap();
    assert_eq!(parse(text), parse(&expected), "as the worker would say it now");

    assert_eq!(board.hung_up(1), [Step::Pages(2, 2), Step::Pages(3, 2)]);
    assert_eq!(board.hung_up(3), [Step::Pages(2, 1)]);
    assert_eq!(board.hung_up(2), [Step::HangUp(1)], "nobody has the line any more");
}

#[test]
fn another_token_or_address_gets_another_line() {
    let mut board = board_with(1);
    for (page, address, credential) in [(2, ADDRESS, "wrong"), (3, "ws://127.0.0.1:7469/ws", "t")] {
        board.dial(page, address.to_owned());
        assert_eq!(board.said_by_page(page, hello(token(credential))), [Step::Dial(page, address.to_owned())]);
    }
    let refusal = json(&ServerMessage::Error { run: None, error: ErrorBody::new("unauthorised", "no") });
    assert_eq!(board.said_by_worker(2, &refusal), [Step::Relay(2)], "none of the others' business");
    assert_eq!(board.closed(2), [Step::Close(2)]);
}

#[test]
fn whoever_comes_with_a_code_ends_on_the_line_of_its_token() {
    let mut board = board_with(1);
    let code = || hello(Credential::Code("c".to_owned()));
    board.dial(2, ADDRESS.to_owned());
    assert_eq!(board.said_by_page(2, code()), [Step::Dial(2, ADDRESS.to_owned())]);
    let steps = board.said_by_worker(2, &welcome(Some("t"), vec![]));
    assert_eq!(steps, [Step::Relay(2), Step::HangUp(2), Step::Pages(1, 2), Step::Pages(2, 2)]);
    let step = board.said_by_page(2, subscribe("r", Place::default()));
    assert!(matches!(step[..], [Step::Send(1, _)]), "{step:?}");

    // Where there is no other line, the code's becomes the token's, and who comes with the code learns the token.
    let mut board = Board::default();
    board.dial(1, ADDRESS.to_owned());
    board.said_by_page(1, code());
    board.said_by_worker(1, &welcome(Some("t"), vec![]));
    for (page, hello) in [(2, hello(token("t"))), (3, code())] {
        board.dial(page, ADDRESS.to_owned());
        let steps = board.said_by_page(page, hello);
        assert!(matches!(&steps[0], Step::Tell(_, text) if text.contains(r#""token":"t""#)), "{steps:?}");
    }
}

#[test]
fn a_reply_goes_to_who_asked() {
    let mut board = board_with(2);
    let command = |id: &str| {
        let command = Command::PauseRun { run: "r".to_owned() };
        json(&ClientMessage::Command { id: id.to_owned(), command })
    };
    let reply =
        |id: &str| json(&ServerMessage::Reply { id: id.to_owned(), outcome: Outcome::Done { run: "r".to_owned() } });
    assert_eq!(board.said_by_page(1, command("one")), [Step::Send(1, command("one"))]);
    assert_eq!(board.said_by_page(2, command("two")), [Step::Send(1, command("two"))]);
    assert_eq!(board.said_by_worker(1, &reply("two")), [Step::Relay(2)]);
    board.hung_up(1);
    assert_eq!(board.said_by_worker(1, &reply("one")), [], "who asked is gone");
}

#[test]
fn an_error_about_a_run_goes_to_its_readers() {
    let mut board = board_with(2);
    board.said_by_page(1, subscribe("none", Place::default()));
    let error = |run: Option<&str>| {
        json(&ServerMessage::Error { run: run.map(str::to_owned), error: ErrorBody::new("unknown_run", "no") })
    };
    assert_eq!(board.said_by_worker(1, &error(Some("none"))), [Step::Relay(1)]);
    assert_eq!(board.said_by_worker(1, &error(Some("none"))), [], "it follows no longer");
    assert_eq!(board.said_by_worker(1, &error(None)), [Step::Relay(1), Step::Relay(2)]);
    let asked_again = board.said_by_page(2, subscribe("none", Place::default()));
    assert!(matches!(asked_again[..], [Step::Send(1, _)]), "{asked_again:?}");
}

#[test]
fn a_page_that_reads_nothing_is_dropped_and_the_others_are_not() {
    let mut board = board_with(2);
    let text = json(&ServerMessage::RunChanged { run: run("r", 1) });
    // The welcome was the first.
    for _ in 1..MAX_UNREAD {
        assert_eq!(board.said_by_worker(1, &text), [Step::Relay(1), Step::Relay(2)]);
    }
    board.read(2, MAX_UNREAD);
    assert_eq!(board.said_by_worker(1, &text), [Step::Close(1), Step::Pages(2, 1), Step::Relay(2)]);
    assert_eq!(board.said_by_worker(1, &text), [Step::Relay(2)]);
}

#[test]
fn a_page_that_does_not_begin_with_hello_is_closed() {
    let mut board = Board::default();
    board.dial(1, ADDRESS.to_owned());
    assert_eq!(board.said_by_page(1, subscribe("r", Place::default())), [Step::Close(1)]);
    assert_eq!(board.said_by_page(1, hello(token("t"))), [], "it is known no more");
}

#[test]
fn what_cannot_be_read_is_passed_on() {
    let mut board = board_with(2);
    assert_eq!(board.said_by_page(1, "{".to_owned()), [Step::Send(1, "{".to_owned())]);
    assert_eq!(board.said_by_worker(1, "{"), [Step::Relay(1), Step::Relay(2)]);
    assert_eq!(board.said_by_worker(1, r#"{"type":"of a later version"}"#), [Step::Relay(1), Step::Relay(2)]);
}

/// Numbers that look random and are the same each time (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }
}

/// A worker, as `docs/protocol.md` describes it; messages take their time in both directions.
#[derive(Default)]
struct PlayedWorker {
    logs: BTreeMap<String, Vec<Place>>,
    lines: BTreeMap<LineId, PlayedSocket>,
}

#[derive(Default)]
struct PlayedSocket {
    to_worker: VecDeque<String>,
    to_board: VecDeque<String>,
    is_welcomed: bool,
    /// By run: the last event sent, and where the log ended when it was asked for, until that was sent.
    subscriptions: BTreeMap<String, (Place, Option<Place>)>,
}

impl PlayedWorker {
    fn head(&self, run: &str) -> Place {
        self.logs[run].last().copied().unwrap_or(Place { epoch: 1, seq: 0 })
    }

    fn append(&mut self, run: &str, is_restart: bool) {
        let head = self.head(run);
        let next = match is_restart {
            true => Place { epoch: head.epoch + 1, seq: 1 },
            false => Place { seq: head.seq + 1, ..head },
        };
        self.logs.get_mut(run).unwrap().push(next);
    }

    /// Reads a message of a line's.
    fn read(&mut self, line: LineId) {
        let Some(text) = self.lines.get_mut(&line).and_then(|socket| socket.to_worker.pop_front()) else { return };
        let heads: BTreeMap<String, Place> = self.logs.keys().map(|run| (run.clone(), self.head(run))).collect();
        let socket = self.lines.get_mut(&line).unwrap();
        match serde_json::from_str(&text).unwrap() {
            ClientMessage::Hello { .. } => {
                socket.is_welcomed = true;
                socket.to_board.push_back(welcome(None, heads.keys().map(|id| run(id, 1)).collect()));
            }
            ClientMessage::Subscribe { run, epoch, after_seq: seq, batches: true } => {
                let (head, known) = (heads[&run], Place { epoch, seq });
                assert!(known <= head, "ahead of the log");
                let from = if epoch == head.epoch { known } else { Place { epoch: head.epoch, seq: 0 } };
                socket.subscriptions.insert(run, (from, Some(head)));
            }
            ClientMessage::Unsubscribe { run } => {
                assert!(socket.subscriptions.remove(&run).is_some(), "not subscribed");
            }
            other => panic!("{other:?}"),
        }
    }

    /// Sends a page of each log at most; live, a client that is behind may miss some.
    fn send(&mut self, line: LineId, dice: &mut Dice) {
        let Some(socket) = self.lines.get_mut(&line) else { return };
        for (run, (at, until)) in &mut socket.subscriptions {
            let mut page: Vec<Place> = self.logs[run].iter().copied().filter(|place| place > at).collect();
            page.truncate(1 + dice.roll(5));
            let Some(&last) = page.last() else {
                tell_caught_up(&mut socket.to_board, run, *at, until);
                continue;
            };
            if until.is_none() && dice.roll(4) == 0 {
                page = vec![last];
            }
            let stamped = |place: Place| Stamped {
                run: run.clone(),
                epoch: place.epoch,
                seq: place.seq,
                at_unix_ms: 0,
                event: Event::StageStarted { stage: 0 },
            };
            socket.to_board.push_back(match page[..] {
                [only] => json(&ServerMessage::Event { stamped: Box::new(stamped(only)) }),
                _ => json(&ServerMessage::Batch { events: page.iter().copied().map(stamped).collect() }),
            });
            *at = last;
            tell_caught_up(&mut socket.to_board, run, *at, until);
        }
    }
}

fn tell_caught_up(to_board: &mut VecDeque<String>, run: &str, at: Place, until: &mut Option<Place>) {
    if until.is_some_and(|until| at >= until) {
        *until = None;
        let Place { epoch, seq } = at;
        to_board.push_back(json(&ServerMessage::CaughtUp { run: run.to_owned(), epoch, seq }));
    }
}

/// A page that checks what it is told.
#[derive(Default)]
struct PlayedPage {
    is_welcomed: bool,
    /// By run: the last event that it has, and whether it was told that it has all.
    follows: BTreeMap<String, (Place, bool)>,
}

impl PlayedPage {
    fn hear(&mut self, text: &str) {
        match serde_json::from_str(text).unwrap() {
            ServerMessage::Welcome { .. } => self.is_welcomed = true,
            ServerMessage::Event { stamped } => self.take(&stamped),
            ServerMessage::Batch { events } => events.iter().for_each(|stamped| self.take(stamped)),
            ServerMessage::CaughtUp { run, epoch, seq } => {
                let (at, is_live) = self.follows.get_mut(&run).expect("caught up with a run that it does not follow");
                assert!(*at >= Place { epoch, seq } || seq == 0, "caught up without having all");
                assert!(!*is_live, "caught up twice");
                *is_live = true;
            }
            other => panic!("{other:?}"),
        }
    }

    fn take(&mut self, stamped: &Stamped) {
        let place = Place { epoch: stamped.epoch, seq: stamped.seq };
        let (at, is_live) = self.follows.get_mut(&stamped.run).expect("an event of a run that it does not follow");
        let is_next = place == Place { seq: at.seq + 1, ..*at } || (place.epoch > at.epoch && place.seq == 1);
        assert!(is_next || (*is_live && place > *at), "{place:?} after {at:?}, live: {is_live}");
        *at = place;
    }
}

/// Pages, the board, a worker.
struct Play {
    board: Board,
    worker: PlayedWorker,
    pages: BTreeMap<PageId, PlayedPage>,
    came: PageId,
}

impl Play {
    fn act(&mut self, text: &str, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Dial(line, _) => {
                    self.worker.lines.insert(line, PlayedSocket::default());
                    let steps = self.board.opened(line);
                    self.act("", steps);
                }
                Step::Send(line, text) => {
                    self.worker.lines.get_mut(&line).expect("a line").to_worker.push_back(text);
                }
                Step::HangUp(line) => drop(self.worker.lines.remove(&line)),
                Step::Relay(page) => self.pages.get_mut(&page).expect("a page").hear(text),
                Step::Tell(page, text) => self.pages.get_mut(&page).expect("a page").hear(&text),
                Step::Close(page) => {
                    // It comes again, and goes on where it was.
                    let was = self.pages.remove(&page).expect("a page");
                    let follows = was.follows.into_iter().map(|(run, (at, _))| (run, (at, false))).collect();
                    self.come(PlayedPage { is_welcomed: false, follows });
                }
                Step::Open(_) | Step::Pages(..) => {}
            }
        }
    }

    fn come(&mut self, page: PlayedPage) {
        self.came += 1;
        let id = self.came;
        self.pages.insert(id, page);
        self.board.dial(id, ADDRESS.to_owned());
        let steps = self.board.said_by_page(id, hello(token("t")));
        self.act("", steps);
        self.resume(vec![id]);
    }

    fn say(&mut self, page: PageId, text: String) {
        let steps = self.board.said_by_page(page, text);
        self.act("", steps);
    }

    fn deliver(&mut self, line: LineId) -> bool {
        let Some(text) = self.worker.lines.get_mut(&line).and_then(|socket| socket.to_board.pop_front()) else {
            return false;
        };
        let before: Vec<PageId> = self.waiting();
        let steps = self.board.said_by_worker(line, &text);
        self.act(&text, steps);
        self.resume(before);
        true
    }

    fn waiting(&self) -> Vec<PageId> {
        self.pages.iter().filter(|(_, page)| !page.is_welcomed).map(|(&id, _)| id).collect()
    }

    /// Pages that are welcome since then subscribe to what they followed.
    fn resume(&mut self, waited: Vec<PageId>) {
        for id in waited {
            let Some(page) = self.pages.get(&id).filter(|page| page.is_welcomed) else { continue };
            let texts: Vec<String> = page.follows.iter().map(|(run, (at, _))| subscribe(run, *at)).collect();
            texts.into_iter().for_each(|text| self.say(id, text));
        }
    }
}

#[test]
fn every_page_gets_its_log_whatever_the_others_do() {
    for seed in 0..500 {
        play(seed);
    }
}

fn play(seed: u64) {
    let mut dice = Dice(seed);
    let mut play = Play { board: Board::default(), worker: PlayedWorker::default(), pages: BTreeMap::new(), came: 0 };
    for run in ["a", "b"] {
        play.worker.logs.insert(run.to_owned(), Vec::new());
    }
    for _ in 0..300 {
        let run = ["a", "b"][dice.roll(2)];
        let lines: Vec<LineId> = play.worker.lines.keys().copied().collect();
        let line = if lines.is_empty() { 0 } else { lines[dice.roll(lines.len())] };
        let pages: Vec<PageId> = play.pages.iter().filter(|(_, page)| page.is_welcomed).map(|(&id, _)| id).collect();
        let page = if pages.is_empty() { 0 } else { pages[dice.roll(pages.len())] };
        match dice.roll(20) {
            0..=3 => play.worker.append(run, dice.roll(15) == 0),
            4..=6 => play.worker.read(line),
            7..=9 => play.worker.send(line, &mut dice),
            10..=14 => drop(play.deliver(line)),
            15 if play.pages.len() < 4 => play.come(PlayedPage::default()),
            16..=17 if page != 0 => {
                // From the start, or from what an earlier visit left.
                let log = &play.worker.logs[run];
                let known = dice.roll(log.len() + 1);
                let after = if known == 0 { Place::default() } else { log[known - 1] };
                play.pages.get_mut(&page).unwrap().follows.insert(run.to_owned(), (after, false));
                play.say(page, subscribe(run, after));
            }
            18 if page != 0 => {
                let followed = play.pages.get_mut(&page).unwrap().follows.remove(run);
                let text = followed.map(|_| json(&ClientMessage::Unsubscribe { run: run.to_owned() }));
                text.into_iter().for_each(|text| play.say(page, text));
            }
            19 if page != 0 && dice.roll(2) == 0 => {
                play.pages.remove(&page);
                let steps = play.board.hung_up(page);
                play.act("", steps);
            }
            19 if line != 0 && dice.roll(4) == 0 => {
                play.worker.lines.remove(&line);
                let steps = play.board.closed(line);
                play.act("", steps);
            }
            _ => {}
        }
    }
    // Whatever is under way arrives.
    for _ in 0..1000 {
        for line in play.worker.lines.keys().copied().collect::<Vec<_>>() {
            play.worker.read(line);
            play.worker.send(line, &mut dice);
            while play.deliver(line) {}
        }
    }
    assert!(play.worker.lines.len() <= 1, "one token, one line");
    for (id, page) in &play.pages {
        assert!(page.is_welcomed, "page {id}");
        for (run, (at, is_live)) in &page.follows {
            let head = play.worker.head(run);
            assert!(*is_live && (*at == head || head.seq == 0), "seed {seed}, page {id}, {run}: {at:?} of {head:?}");
        }
    }
}
