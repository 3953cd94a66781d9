//! Which questions wait for which answers.

use programs::messages::{Answer, Asked, Question, Said};
use shared::event::ErrorBody;
use std::collections::BTreeMap;

/// Gets what came of a question.
pub type OnOutcome = Box<dyn FnOnce(Result<Answer, ErrorBody>)>;

/// The questions to one tokeniser.
#[derive(Default)]
pub struct Exchange {
    is_ready: bool,
    /// What is to be posted once it is.
    held: Vec<String>,
    last_id: u64,
    /// By the question's number.
    waiting: BTreeMap<u64, OnOutcome>,
}

/// What a message of the tokeniser means.
pub enum Heard {
    /// It listens: these are to be posted.
    Ready(Vec<String>),
    /// An outcome for this one.
    Outcome(OnOutcome, Result<Answer, ErrorBody>),
    /// It stopped, for this reason.
    Stopped(String),
    /// Nothing that anyone waits for.
    Nothing,
}

impl Exchange {
    /// Takes a question and returns what is to be posted now.
    pub fn ask(&mut self, question: Question, on_outcome: OnOutcome) -> Vec<String> {
        self.last_id += 1;
        let asked = Asked { id: self.last_id, question };
        let Ok(text) = serde_json::to_string(&asked) else { return Vec::new() };
        self.waiting.insert(self.last_id, on_outcome);
        if self.is_ready {
            return vec![text];
        }
        self.held.push(text);
        Vec::new()
    }

    /// Takes a message.
    pub fn hear(&mut self, text: &str) -> Heard {
        match serde_json::from_str(text) {
            Ok(Said::Ready {}) => {
                self.is_ready = true;
                Heard::Ready(std::mem::take(&mut self.held))
            }
            Ok(Said::Answered { id, outcome }) => {
                self.waiting.remove(&id).map_or(Heard::Nothing, |on_outcome| Heard::Outcome(on_outcome, outcome))
            }
            Ok(Said::Stopped { reason }) => Heard::Stopped(reason),
            Err(error) => Heard::Stopped(format!("it said something that is no message ({error})")),
        }
    }

    /// All who still wait, in the order of their questions.
    pub fn give_up(self) -> Vec<OnOutcome> {
        self.waiting.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn question(text: &str) -> Question {
        Question::Tokenise { model: "m".to_owned(), text: text.to_owned() }
    }

    fn say(said: &Said) -> String {
        serde_json::to_string(said).unwrap()
    }

    /// Who got an outcome, in order, and whether it was an answer.
    type Log = Rc<RefCell<Vec<(&'static str, bool)>>>;

    fn note(log: &Log, who: &'static str) -> OnOutcome {
        let log = Rc::clone(log);
        Box::new(move |outcome| log.borrow_mut().push((who, outcome.is_ok())))
    }

    fn deliver(heard: Heard) {
        let Heard::Outcome(on_outcome, outcome) = heard else { panic!("no outcome") };
        on_outcome(outcome);
    }

    #[test]
    fn what_is_asked_too_early_is_posted_once_the_tokeniser_listens() {
        let (mut exchange, log) = (Exchange::default(), Log::default());
        assert!(exchange.ask(question("a"), note(&log, "a")).is_empty());
        assert!(exchange.ask(question("b"), note(&log, "b")).is_empty());
        let Heard::Ready(due) = exchange.hear(&say(&Said::Ready {})) else { panic!("not ready") };
        let asked: Vec<Asked> = due.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let expected = [(1, question("a")), (2, question("b"))].map(|(id, question)| Asked { id, question });
        assert_eq!(asked, expected);
        assert_eq!(exchange.ask(question("c"), note(&log, "c")).len(), 1, "now at once");
    }

    #[test]
    fn answers_find_their_questions_in_any_order_and_once() {
        let (mut exchange, log) = (Exchange::default(), Log::default());
        exchange.ask(question("a"), note(&log, "a"));
        exchange.ask(question("b"), note(&log, "b"));
        let answer = |id| say(&Said::Answered { id, outcome: Ok(Answer::Loaded {}) });
        deliver(exchange.hear(&answer(2)));
        deliver(exchange.hear(&say(&Said::Answered { id: 1, outcome: Err(ErrorBody::new("c", "m")) })));
        assert_eq!(*log.borrow(), [("b", true), ("a", false)]);
        assert!(matches!(exchange.hear(&answer(2)), Heard::Nothing), "it was answered before");
    }

    #[test]
    fn who_waits_when_the_tokeniser_stops_hears_of_it() {
        let (mut exchange, log) = (Exchange::default(), Log::default());
        exchange.ask(question("a"), note(&log, "a"));
        // As start-tokeniser.js says it.
        let Heard::Stopped(why) = exchange.hear(r#"{"stopped":{"reason":"no memory"}}"#) else { panic!("goes on") };
        assert_eq!(why, "no memory");
        assert!(matches!(exchange.hear("nonsense"), Heard::Stopped(_)));
        for on_outcome in exchange.give_up() {
            on_outcome(Err(ErrorBody::new("c", "m")));
        }
        assert_eq!(*log.borrow(), [("a", false)]);
    }
}
