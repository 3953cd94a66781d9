//! Of questions that follow each other, only the latest counts.

/// One question at a time is under way; of those that come meanwhile only the newest is asked. However
/// fast somebody types, nothing piles up.
#[derive(Debug)]
pub struct Latest<Q> {
    wanted: Option<Q>,
    under_way: Option<Q>,
}

/// What to do after an answer.
#[derive(Debug, PartialEq)]
pub enum Next<Q> {
    /// It answers the latest question, this one: show it.
    Show(Q),
    /// It is out of date: ask this.
    Ask(Q),
    /// Nobody wants it.
    Nothing,
}

impl<Q> Default for Latest<Q> {
    fn default() -> Self {
        Latest { wanted: None, under_way: None }
    }
}

impl<Q: Clone + PartialEq> Latest<Q> {
    /// Takes the latest question, or that there is none, and returns what to ask now.
    pub fn want(&mut self, wanted: Option<Q>) -> Option<Q> {
        self.wanted = wanted;
        if self.under_way.is_some() {
            return None;
        }
        self.under_way.clone_from(&self.wanted);
        self.wanted.clone()
    }

    /// Takes note that the question under way was answered.
    pub fn answered(&mut self) -> Next<Q> {
        match (self.under_way.take(), self.wanted.clone()) {
            (Some(asked), Some(wanted)) if asked == wanted => Next::Show(asked),
            (_, Some(wanted)) => {
                self.under_way = Some(wanted.clone());
                Next::Ask(wanted)
            }
            (_, None) => Next::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn of_many_questions_the_first_and_the_last_are_asked_and_the_last_is_shown() {
        let mut latest = Latest::default();
        assert_eq!(latest.want(Some("T")), Some("T"));
        for text in ["Th", "The", "The "] {
            assert_eq!(latest.want(Some(text)), None, "one is under way");
        }
        assert_eq!(latest.answered(), Next::Ask("The "));
        assert_eq!(latest.answered(), Next::Show("The "));
        assert_eq!(latest.want(Some("The o")), Some("The o"), "nothing is under way any more");
    }

    #[test]
    fn an_answer_that_nobody_wants_is_not_shown() {
        let mut latest = Latest::default();
        latest.want(Some("T"));
        assert_eq!(latest.want(None), None);
        assert_eq!(latest.answered(), Next::Nothing);
        assert_eq!(latest.want(Some("T")), Some("T"));
    }

    #[test]
    fn a_question_that_came_back_is_not_asked_twice() {
        let mut latest = Latest::default();
        latest.want(Some("T"));
        latest.want(Some("Th"));
        latest.want(Some("T"));
        assert_eq!(latest.answered(), Next::Show("T"));
    }
}
