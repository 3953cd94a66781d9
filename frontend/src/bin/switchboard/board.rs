//! Which page hears what: a plain state machine, texts of pages and workers go in, [`Step`]s come out.
//!
//! Pages that ask for the same address with the same credential share one line. To each of them the worker seems to
//! talk to it alone. Nothing is kept for pages but the list of runs, with which those who come later are welcomed.

use crate::envelope::{Asked, Place, Welcome};
use crate::line::Line;
use programs::switchboard::MAX_UNREAD;
use std::collections::BTreeMap;

/// A page, by the order in which they came.
pub type PageId = u32;

/// A line, by the order in which they were dialled.
pub type LineId = u32;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Open a socket to this address.
    Dial(LineId, String),
    /// Send a text to the worker.
    Send(LineId, String),
    /// Close the socket and listen to it no more.
    HangUp(LineId),
    /// Tell a page that it may say hello.
    Open(PageId),
    /// Hand a page the text that just came, as it is.
    Relay(PageId),
    /// Hand a page this text.
    Tell(PageId, String),
    /// Tell a page how many have its line.
    Pages(PageId, u32),
    /// Tell a page that its socket closed, and forget the page.
    Close(PageId),
}

/// All pages and lines.
#[derive(Debug, Default)]
pub struct Board {
    pages: BTreeMap<PageId, Page>,
    lines: BTreeMap<LineId, Line>,
    dialled: LineId,
}

#[derive(Debug)]
struct Page {
    address: String,
    /// Once it has said hello.
    line: Option<LineId>,
    /// Texts that it was handed and did not say to have read.
    unread: u32,
}

impl Board {
    /// A page came and wants a socket to an address.
    pub fn dial(&mut self, page: PageId, address: String) -> Vec<Step> {
        self.pages.insert(page, Page { address, line: None, unread: 0 });
        vec![Step::Open(page)]
    }

    /// A page says something to its worker.
    pub fn said_by_page(&mut self, page: PageId, text: String) -> Vec<Step> {
        let line = self.pages.get(&page).and_then(|page| page.line);
        let steps = match (serde_json::from_str::<Asked<'_>>(&text), line) {
            (Ok(asked), None) if asked.kind == "hello" => {
                let credential = asked.credential.map_or("", |credential| credential.get()).to_owned();
                self.join(page, credential, text)
            }
            // A worker would not wait for the hello any longer either.
            (_, None) => self.drop_page(page, true),
            (Ok(asked), Some(line)) => self.ask(page, line, &asked, &text),
            // The worker says best what is wrong with it.
            (Err(_), Some(line)) => vec![Step::Send(line, text)],
        };
        self.bounded(steps)
    }

    /// A page has read so many texts more.
    pub fn read(&mut self, page: PageId, texts: u32) {
        if let Some(page) = self.pages.get_mut(&page) {
            page.unread = page.unread.saturating_sub(texts);
        }
    }

    /// A page goes.
    pub fn hung_up(&mut self, page: PageId) -> Vec<Step> {
        self.drop_page(page, false)
    }

    /// A line's socket is open.
    pub fn opened(&self, line: LineId) -> Vec<Step> {
        self.lines.get(&line).map(|of| Step::Send(line, of.hello.clone())).into_iter().collect()
    }

    /// A line's socket closed, or could not be opened. Its pages dial again, each in its own time.
    pub fn closed(&mut self, line: LineId) -> Vec<Step> {
        let pages = self.lines.remove(&line).map(|of| of.pages).unwrap_or_default();
        self.pages.retain(|page, _| !pages.contains(page));
        pages.into_iter().map(Step::Close).collect()
    }

    /// A worker says something.
    pub fn said_by_worker(&mut self, line: LineId, text: &str) -> Vec<Step> {
        let Some(of) = self.lines.get_mut(&line) else { return Vec::new() };
        let steps = match of.welcome.is_none().then(|| Welcome::read(text)).flatten() {
            Some(welcome) => self.welcomed(line, welcome),
            None => of.hear(text),
        };
        self.bounded(steps)
    }

    /// A page says hello: it gets the line that there is, or a new one.
    fn join(&mut self, page: PageId, credential: String, hello: String) -> Vec<Step> {
        let Some(address) = self.pages.get(&page).map(|page| page.address.clone()) else { return Vec::new() };
        let mut steps = Vec::new();
        let id = self.line_for(&address, &credential).unwrap_or_else(|| {
            self.dialled += 1;
            steps.push(Step::Dial(self.dialled, address.clone()));
            self.lines.insert(self.dialled, Line::new(self.dialled, address, credential, hello));
            self.dialled
        });
        if let Some(page) = self.pages.get_mut(&page) {
            page.line = Some(id);
        }
        if let Some(line) = self.lines.get_mut(&id) {
            line.pages.insert(page);
            if let Some(welcome) = &line.welcome {
                steps.push(Step::Tell(page, welcome.say()));
                steps.extend(line.census());
            }
        }
        steps
    }

    fn line_for(&self, address: &str, credential: &str) -> Option<LineId> {
        let fits = |line: &Line| line.address == address && line.credentials.iter().any(|known| known == credential);
        self.lines.iter().find(|(_, line)| fits(line)).map(|(&id, _)| id)
    }

    /// A worker lets a line in. Who came with a launch code has the token now; where another line came with that, it is
    /// one too many.
    fn welcomed(&mut self, id: LineId, welcome: Welcome) -> Vec<Step> {
        let Some(mut line) = self.lines.remove(&id) else { return Vec::new() };
        let mut steps: Vec<Step> = line.pages.iter().copied().map(Step::Relay).collect();
        line.credentials.extend(welcome.credential.clone());
        line.welcome = Some(welcome);
        let earlier = line.credentials.iter().find_map(|credential| self.line_for(&line.address, credential));
        match earlier.and_then(|earlier| Some((earlier, self.lines.get_mut(&earlier)?))) {
            Some((earlier, of)) if of.welcome.is_some() => {
                for page in &line.pages {
                    self.pages.get_mut(page).into_iter().for_each(|page| page.line = Some(earlier));
                }
                of.pages.append(&mut line.pages);
                steps.push(Step::HangUp(id));
                steps.extend(of.census());
            }
            _ => {
                steps.extend(line.census());
                self.lines.insert(id, line);
            }
        }
        steps
    }

    /// A page that has a line asks its worker for something.
    fn ask(&mut self, page: PageId, line: LineId, asked: &Asked<'_>, text: &str) -> Vec<Step> {
        let Some(of) = self.lines.get_mut(&line) else { return Vec::new() };
        let step = match (asked.kind.as_ref(), &asked.id, &asked.run) {
            ("subscribe", _, Some(run)) => of.subscribe(page, run, Place { epoch: asked.epoch, seq: asked.after_seq }),
            ("unsubscribe", _, Some(run)) => of.unsubscribe(page, run),
            ("command", Some(id), _) => Some(of.command(page, id.to_string(), text.to_owned())),
            _ => Some(Step::Send(line, text.to_owned())),
        };
        step.into_iter().collect()
    }

    /// Forgets a page, and its line where that was its last.
    fn drop_page(&mut self, page: PageId, tell: bool) -> Vec<Step> {
        let Some(dropped) = self.pages.remove(&page) else { return Vec::new() };
        let mut steps: Vec<Step> = tell.then_some(Step::Close(page)).into_iter().collect();
        let Some((id, line)) = dropped.line.and_then(|id| Some((id, self.lines.get_mut(&id)?))) else { return steps };
        steps.extend(line.leave(page));
        if line.pages.is_empty() {
            self.lines.remove(&id);
            steps.push(Step::HangUp(id));
        } else {
            steps.extend(line.census());
        }
        steps
    }

    /// The same steps, but that pages which read nothing are dropped instead of served.
    fn bounded(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let mut served = Vec::with_capacity(steps.len());
        for step in steps {
            if let Step::Relay(page) | Step::Tell(page, _) = step {
                let Some(of) = self.pages.get_mut(&page) else { continue };
                of.unread += 1;
                if of.unread > MAX_UNREAD {
                    served.extend(self.drop_page(page, true));
                    continue;
                }
            }
            served.push(step);
        }
        served
    }
}
