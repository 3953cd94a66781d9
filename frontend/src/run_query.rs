//! Which runs the list of sessions shows, and in which order: a pure function of the runs and of the
//! query in the page's address, so that a link, back and forward bring the same list again.

use crate::query_string;
use shared::wire::{RunPhase, RunSummary};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Runs that are drawn at first, and how many more each time that more are asked for.
pub const PAGE_RUNS: usize = 20;

/// What the list is narrowed to. The default is everything, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunQuery {
    /// Words that must all occur somewhere in a run; case does not count.
    pub search: String,
    /// The one state that is shown.
    pub state: Option<RunPhase>,
    /// The one model that is shown.
    pub model: Option<String>,
    /// The one reference prefix that is shown.
    pub teacher: Option<String>,
    /// Tags that a run must all have.
    pub tags: BTreeSet<String>,
    /// What comes first.
    pub order: Order,
    /// Most runs that are drawn.
    pub limit: usize,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The run that was started last.
    #[default]
    Newest,
    /// The run that closed most of the gap on test; those without a result come last.
    GapClosed,
    /// The run whose name is first in the alphabet.
    Name,
}

impl Order {
    /// All orders.
    pub const ALL: [Order; 3] = [Order::Newest, Order::GapClosed, Order::Name];

    /// The name in an address.
    pub fn name(self) -> &'static str {
        match self {
            Order::Newest => "newest",
            Order::GapClosed => "gap",
            Order::Name => "name",
        }
    }

    /// The name on screen.
    pub fn title(self) -> &'static str {
        match self {
            Order::Newest => "Newest first",
            Order::GapClosed => "Most of the gap closed",
            Order::Name => "By name",
        }
    }

    /// The order of a name in an address.
    pub fn named(name: &str) -> Option<Order> {
        Order::ALL.into_iter().find(|order| order.name() == name)
    }
}

/// The state of a name in an address.
pub fn phase_named(name: &str) -> Option<RunPhase> {
    serde_json::from_str(&serde_json::to_string(name).ok()?).ok()
}

/// How a run is called: its title, or else its reference prefix.
pub fn name_of(run: &RunSummary) -> &str {
    run.title.as_deref().unwrap_or(&run.teacher)
}

impl Default for RunQuery {
    fn default() -> Self {
        RunQuery {
            search: String::new(),
            state: None,
            model: None,
            teacher: None,
            tags: BTreeSet::new(),
            order: Order::default(),
            limit: PAGE_RUNS,
        }
    }
}

impl RunQuery {
    /// Reads the query of an address, without its question mark. What makes no sense is left out: an
    /// address that was cut off still shows a list.
    pub fn parse(query: &str) -> RunQuery {
        let mut parsed = RunQuery::default();
        for (name, value) in query_string::read(query).into_iter().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "q" => parsed.search = value,
                "state" => parsed.state = phase_named(&value),
                "model" => parsed.model = Some(value),
                "teacher" => parsed.teacher = Some(value),
                "tag" => drop(parsed.tags.insert(value)),
                "sort" => parsed.order = Order::named(&value).unwrap_or_default(),
                "show" => parsed.limit = value.parse().unwrap_or(PAGE_RUNS).max(PAGE_RUNS),
                _ => {}
            }
        }
        parsed
    }

    /// Writes the query of an address, without a question mark; empty for everything, newest first.
    pub fn to_query(&self) -> String {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        if !self.search.is_empty() {
            pairs.push(("q", &self.search));
        }
        pairs.extend(self.state.map(|state| ("state", state.name())));
        pairs.extend(self.model.as_deref().map(|model| ("model", model)));
        pairs.extend(self.teacher.as_deref().map(|teacher| ("teacher", teacher)));
        pairs.extend(self.tags.iter().map(|tag| ("tag", tag.as_str())));
        if self.order != Order::default() {
            pairs.push(("sort", self.order.name()));
        }
        let limit = self.limit.to_string();
        if self.limit != PAGE_RUNS {
            pairs.push(("show", &limit));
        }
        query_string::write(&pairs)
    }

    /// Whether some runs may be left out.
    pub fn is_narrowed(&self) -> bool {
        self.search.split_whitespace().next().is_some()
            || self.state.is_some()
            || self.model.is_some()
            || self.teacher.is_some()
            || !self.tags.is_empty()
    }

    /// All runs that fit, in order; the limit is not applied.
    pub fn select(&self, runs: &[RunSummary]) -> Vec<RunSummary> {
        let words: Vec<String> = self.search.split_whitespace().map(str::to_lowercase).collect();
        let mut selected: Vec<RunSummary> = runs.iter().filter(|run| self.fits(run, &words)).cloned().collect();
        selected.sort_by_key(|run| Reverse((run.created_unix_ms, run.run.clone())));
        // The sorts below are stable: among equals the newest comes first.
        match self.order {
            Order::Newest => {}
            Order::GapClosed => selected.sort_by(|a, b| {
                let gap = |run: &RunSummary| run.gap_closed_test.unwrap_or(f64::NEG_INFINITY);
                gap(b).total_cmp(&gap(a))
            }),
            Order::Name => selected.sort_by_cached_key(|run| name_of(run).to_lowercase()),
        }
        selected
    }

    fn fits(&self, run: &RunSummary, words: &[String]) -> bool {
        let is = |wanted: &Option<String>, found: &String| wanted.as_ref().is_none_or(|wanted| wanted == found);
        self.state.is_none_or(|state| state == run.state)
            && is(&self.model, &run.model)
            && is(&self.teacher, &run.teacher)
            && self.tags.iter().all(|tag| run.tags.contains(tag))
            && contains_all(run, words)
    }
}

fn contains_all(run: &RunSummary, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let texts = [Some(&run.run), Some(&run.teacher), run.title.as_ref(), run.prefix_text.as_ref()];
    let texts: Vec<String> = texts.into_iter().flatten().chain(&run.tags).map(|text| text.to_lowercase()).collect();
    words.iter().all(|word| texts.iter().any(|text| text.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn run(id: &str, created_unix_ms: u64) -> RunSummary {
        RunSummary {
            run: id.to_owned(),
            epoch: 1,
            state: RunPhase::Finished,
            queue_position: None,
            preset: "hybrid".to_owned(),
            model: "small".to_owned(),
            teacher: "Talk only about cats.".to_owned(),
            seed: 0,
            created_unix_ms,
            gap_closed_test: None,
            prefix_text: None,
            title: None,
            tags: Vec::new(),
            settings: Default::default(),
        }
    }

    fn ids(query: &str, runs: &[RunSummary]) -> Vec<String> {
        RunQuery::parse(query).select(runs).into_iter().map(|run| run.run).collect()
    }

    /// Texts that an address could garble.
    const ODD: [&str; 12] = [
        "cats",
        "two words ",
        "a+b",
        "%41",
        "100%",
        "%",
        "&tag=x",
        "a=b?c#d",
        "né\u{202e}e 漢字 🙂",
        "\"<>'\\`",
        "line\nbreak\ttab\u{0}",
        "/../;,:@",
    ];

    #[test]
    fn every_query_survives_the_address() {
        let states = [None, phase_named("queued"), phase_named("finished"), phase_named("interrupted")];
        let mut tried = 0;
        for (n, search) in ODD.iter().enumerate() {
            for (m, other) in ODD.iter().enumerate() {
                for state in states {
                    let query = RunQuery {
                        search: (*search).to_owned(),
                        state,
                        model: (n % 2 == 0).then(|| (*other).to_owned()),
                        teacher: (m % 3 == 0).then(|| (*search).to_owned()),
                        tags: ODD[m..ODD.len().min(m + n % 4)].iter().map(|&tag| tag.to_owned()).collect(),
                        order: Order::ALL[(n + m) % 3],
                        limit: PAGE_RUNS * (1 + n % 3),
                    };
                    let text = query.to_query();
                    assert_eq!(RunQuery::parse(&text), query, "{text}");
                    tried += 1;
                }
            }
        }
        assert_eq!(tried, ODD.len() * ODD.len() * states.len());
        assert_eq!((RunQuery::default().to_query().as_str(), RunQuery::parse("")), ("", RunQuery::default()));
    }

    #[test]
    fn an_address_that_makes_no_sense_shows_everything() {
        for query in ["=", "&&", "q", "state=dancing", "sort=9", "show=-3", "show=1", "colour=blue", "tag=", "%%%"] {
            assert_eq!(RunQuery::parse(query), RunQuery::default(), "{query}");
        }
    }

    #[test]
    fn each_filter_leaves_out_what_does_not_fit() {
        let mut runs = vec![run("a", 1), run("b", 2), run("c", 3), run("d", 4)];
        runs[0].state = RunPhase::Failed;
        runs[1].model = "large".to_owned();
        runs[2].teacher = "Answer in French.".to_owned();
        runs[2].tags = vec!["paper".to_owned(), "fig 2".to_owned()];
        runs[3].tags = vec!["paper".to_owned()];
        for (query, expected) in [
            ("", &["d", "c", "b", "a"][..]),
            ("state=failed", &["a"]),
            ("model=large", &["b"]),
            ("teacher=Answer%20in%20French.", &["c"]),
            ("tag=paper", &["d", "c"]),
            ("tag=paper&tag=fig+2", &["c"]),
            ("tag=paper&state=failed", &[]),
        ] {
            assert_eq!(ids(query, &runs), expected, "{query}");
            assert_eq!(RunQuery::parse(query).is_narrowed(), !query.is_empty(), "{query}");
        }
        assert!(!RunQuery::parse("sort=name&show=40&q=+").is_narrowed());
    }

    #[test]
    fn every_word_must_occur_somewhere_whatever_its_case() {
        let mut runs = vec![run("019a-x", 1), run("019b-y", 2)];
        runs[0].title = Some("Überraschung".to_owned());
        runs[0].tags = vec!["Paper".to_owned()];
        runs[1].prefix_text = Some(" Purring litter".to_owned());
        for (search, expected) in [
            ("CATS", &["019b-y", "019a-x"][..]),
            ("überRASCH", &["019a-x"]),
            ("cats paper", &["019a-x"]),
            ("purring", &["019b-y"]),
            ("019b", &["019b-y"]),
            ("cats dogs", &[]),
            ("  ", &["019b-y", "019a-x"]),
        ] {
            let query = RunQuery { search: search.to_owned(), ..RunQuery::default() };
            assert_eq!(ids(&query.to_query(), &runs), expected, "{search}");
        }
    }

    #[test]
    fn among_equals_the_newest_comes_first() {
        let mut runs = vec![run("a", 1), run("b", 2), run("c", 3), run("d", 3), run("e", 5)];
        runs[0].gap_closed_test = Some(0.4);
        runs[1].gap_closed_test = Some(-0.2);
        runs[2].gap_closed_test = Some(0.4);
        runs[0].title = Some("zebra".to_owned());
        runs[3].title = Some("Aardvark".to_owned());
        assert_eq!(ids("", &runs), ["e", "d", "c", "b", "a"]);
        assert_eq!(ids("sort=gap", &runs), ["c", "a", "b", "e", "d"]);
        assert_eq!(ids("sort=name", &runs), ["d", "e", "c", "b", "a"]);
    }
}
