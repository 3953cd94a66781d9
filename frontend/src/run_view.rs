//! How a run is looked at: a pure function of the query in the page's address, so that a link, a reload, back and
//! forward bring the same view again.

use crate::charts::{Axis, Shown, View};
use crate::query_string;
use shared::spec::Split;

/// A part of the page; the overview has all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All parts under each other.
    #[default]
    Overview,
    /// What came out.
    Verdict,
    /// The table of suffixes.
    Suffixes,
    /// What the model wrote.
    Completions,
    /// Curves and figures.
    Chart,
    /// Stages and flips.
    Log,
}

/// A figure of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Training loss of the soft stage.
    Training,
    /// Cross-entropy after projection.
    Projection,
    /// Cross-entropy before and after HotFlip.
    Hotflip,
    /// Methods beside each other.
    Methods,
}

/// A completion that the reference's is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Against {
    /// Under the found prefix.
    #[default]
    Found,
    /// Without a prefix.
    None,
}

/// A prefix under which tokens are as likely as their colours say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heat {
    /// The found one; before there is one, none.
    #[default]
    Found,
    /// No prefix.
    None,
    /// The reference.
    Reference,
}

/// What the rows of the table of suffixes are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuffixOrder {
    /// The prompt.
    Text,
    /// What the reference takes off the cross-entropy.
    Steerability,
    /// Cross-entropy without a prefix.
    None,
    /// Cross-entropy under the reference.
    Reference,
    /// Cross-entropy under the found prefix.
    Found,
    /// Overlap of the first k tokens.
    Overlap,
    /// Where the completion parts from the reference's.
    Divergence,
}

/// A choice that has a name in an address.
pub trait Named: Copy + PartialEq + 'static {
    /// All of them with their names.
    const ALL: &'static [(Self, &'static str)];

    /// The name in an address.
    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, name)| name)
    }

    /// The choice of a name.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(one, _)| *one)
    }
}

impl Named for Part {
    const ALL: &'static [(Self, &'static str)] = &[
        (Part::Overview, "overview"),
        (Part::Verdict, "verdict"),
        (Part::Suffixes, "suffixes"),
        (Part::Completions, "completions"),
        (Part::Chart, "chart"),
        (Part::Log, "log"),
    ];
}

impl Named for Figure {
    const ALL: &'static [(Self, &'static str)] = &[
        (Figure::Training, "training"),
        (Figure::Projection, "projection"),
        (Figure::Hotflip, "hotflip"),
        (Figure::Methods, "methods"),
    ];
}

impl Named for Against {
    const ALL: &'static [(Self, &'static str)] = &[(Against::Found, "found"), (Against::None, "none")];
}

impl Named for Heat {
    const ALL: &'static [(Self, &'static str)] =
        &[(Heat::Found, "found"), (Heat::None, "none"), (Heat::Reference, "reference")];
}

impl Named for SuffixOrder {
    const ALL: &'static [(Self, &'static str)] = &[
        (SuffixOrder::Text, "text"),
        (SuffixOrder::Steerability, "steerability"),
        (SuffixOrder::None, "none"),
        (SuffixOrder::Reference, "reference"),
        (SuffixOrder::Found, "found"),
        (SuffixOrder::Overlap, "overlap"),
        (SuffixOrder::Divergence, "divergence"),
    ];
}

impl Named for Split {
    const ALL: &'static [(Self, &'static str)] =
        &[(Split::Train, "train"), (Split::Validation, "validation"), (Split::Test, "test")];
}

/// How a run is looked at. The default is the overview with everything in its usual order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunView {
    /// The part that is shown.
    pub part: Part,
    /// How the curves are drawn.
    pub chart: View,
    /// The curves are shown as a table.
    pub as_table: bool,
    /// The figure that is open.
    pub figure: Option<Figure>,
    /// The one split whose suffixes are shown.
    pub split: Option<Split>,
    /// Words that a suffix must have.
    pub find: String,
    /// What the suffixes are ordered by, and whether the largest comes first.
    pub sort: Option<(SuffixOrder, bool)>,
    /// The suffix whose tokens are shown.
    pub suffix: Option<usize>,
    /// The column of its tokens that is read out.
    pub token: Option<usize>,
    /// What its reference completion stands beside.
    pub against: Against,
    /// What its tokens are coloured by.
    pub heat: Heat,
    /// Only flips that were accepted are shown.
    pub accepted_only: bool,
    /// What other parts of the page keep in the address.
    pub other: Vec<(String, String)>,
}

impl RunView {
    /// Reads the query of an address, without its question mark. What makes no sense is left out.
    pub fn parse(query: &str) -> RunView {
        let mut view = RunView::default();
        for (name, value) in query_string::read(query) {
            match name.as_str() {
                "part" => view.part = Part::named(&value).unwrap_or_default(),
                "x" if value == "seconds" => view.chart.axis = Axis::Seconds,
                "log" => view.chart.log = value == "1",
                "zoom" => view.chart.zoom = zoom(&value),
                "hide" => value.split('.').for_each(|name| hide(&mut view.chart.shown, name)),
                "table" => view.as_table = value == "1",
                "figure" => view.figure = Figure::named(&value),
                "split" => view.split = Split::named(&value),
                "find" => view.find = value,
                "sort" => view.sort = sort(&value),
                "suffix" => view.suffix = value.parse().ok(),
                "token" => view.token = value.parse().ok(),
                "against" => view.against = Against::named(&value).unwrap_or_default(),
                "heat" => view.heat = Heat::named(&value).unwrap_or_default(),
                "flips" => view.accepted_only = value == "accepted",
                "x" => {}
                _ => view.other.push((name, value)),
            }
        }
        view
    }

    /// Writes the query of an address, without a question mark; empty for the default.
    pub fn to_query(&self) -> String {
        let mut pairs = self.other.clone();
        let mut add = |name: &str, value: String| pairs.push((name.to_owned(), value));
        if self.part != Part::default() {
            add("part", self.part.name().to_owned());
        }
        if self.chart.axis == Axis::Seconds {
            add("x", "seconds".to_owned());
        }
        if self.chart.log {
            add("log", "1".to_owned());
        }
        if let Some((low, high)) = self.chart.zoom {
            add("zoom", format!("{}~{}", rounded(low), rounded(high)));
        }
        let Shown { train, validation, baselines } = self.chart.shown;
        let hidden = [("train", train), ("validation", validation), ("baselines", baselines)];
        let hidden: Vec<&str> = hidden.into_iter().filter(|(_, shown)| !shown).map(|(name, _)| name).collect();
        if !hidden.is_empty() {
            add("hide", hidden.join("."));
        }
        if self.as_table {
            add("table", "1".to_owned());
        }
        if let Some(figure) = self.figure {
            add("figure", figure.name().to_owned());
        }
        if let Some(split) = self.split {
            add("split", Named::name(split).to_owned());
        }
        if !self.find.is_empty() {
            add("find", self.find.clone());
        }
        if let Some((order, descending)) = self.sort {
            add("sort", format!("{}{}", if descending { "-" } else { "" }, order.name()));
        }
        if let Some(suffix) = self.suffix {
            add("suffix", suffix.to_string());
        }
        if let Some(token) = self.token {
            add("token", token.to_string());
        }
        if self.against != Against::default() {
            add("against", self.against.name().to_owned());
        }
        if self.heat != Heat::default() {
            add("heat", self.heat.name().to_owned());
        }
        if self.accepted_only {
            add("flips", "accepted".to_owned());
        }
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        query_string::write(&pairs)
    }

    /// Whether a part is on the page.
    pub fn shows(&self, part: Part) -> bool {
        self.part == Part::Overview || self.part == part
    }

    /// Sets or takes away what another part of the page keeps in the address.
    pub fn set_other(&mut self, name: &str, value: Option<String>) {
        self.other.retain(|(known, _)| known != name);
        self.other.extend(value.map(|value| (name.to_owned(), value)));
    }
}

fn zoom(value: &str) -> Option<(f64, f64)> {
    let (low, high) = value.split_once('~')?;
    let (low, high) = (low.parse::<f64>().ok()?, high.parse::<f64>().ok()?);
    (low.is_finite() && high.is_finite() && low < high).then_some((low, high))
}

/// A thousandth of a second or of an evaluation is less than a pixel.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn hide(shown: &mut Shown, name: &str) {
    match name {
        "train" => shown.train = false,
        "validation" => shown.validation = false,
        "baselines" => shown.baselines = false,
        _ => {}
    }
}

fn sort(value: &str) -> Option<(SuffixOrder, bool)> {
    let (name, descending) = value.strip_prefix('-').map_or((value, false), |name| (name, true));
    Some((SuffixOrder::named(name)?, descending))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_view_survives_the_address() {
        let pick = |n: usize| -> RunView {
            let odd = n % 2 == 1;
            let zoom = [None, Some((0.0, 1.5)), Some((1234.125, 98_765.0))][n % 3];
            let shown = Shown {
                train: !n.is_multiple_of(5),
                validation: !n.is_multiple_of(3),
                baselines: !n.is_multiple_of(7),
            };
            RunView {
                part: Part::ALL[n % 6].0,
                chart: View {
                    axis: if odd { Axis::Seconds } else { Axis::Evaluations },
                    log: odd,
                    zoom,
                    shown,
                    ..View::default()
                },
                as_table: n.is_multiple_of(4),
                figure: Figure::ALL.get(n % 5).map(|(figure, _)| *figure),
                split: Split::ALL.get(n % 4).copied(),
                find: ["", "two words", "a+b&c=d %41", "né 漢字 🙂"][n % 4].to_owned(),
                sort: SuffixOrder::ALL.get(n % 8).map(|(order, _)| (*order, odd)),
                suffix: [None, Some(0), Some(63)][n % 3],
                token: [None, Some(7)][n % 2],
                against: Against::ALL[n % 2].0,
                heat: Heat::ALL[n % 3].0,
                accepted_only: n.is_multiple_of(2),
                other: if odd { vec![("at".to_owned(), "60".to_owned())] } else { Vec::new() },
            }
        };
        for n in 0..840 {
            let view = pick(n);
            let text = view.to_query();
            assert_eq!(RunView::parse(&text), view, "{text}");
        }
        assert_eq!((RunView::default().to_query().as_str(), RunView::parse("")), ("", RunView::default()));
    }

    #[test]
    fn an_address_that_makes_no_sense_shows_the_overview() {
        for query in [
            "part=dance",
            "x=miles",
            "log=yes",
            "zoom=5~1",
            "zoom=a~b",
            "zoom=0~inf",
            "hide=all",
            "table=",
            "figure=9",
            "split=half",
            "sort=-colour",
            "suffix=-1",
            "token=x",
            "against=me",
            "heat=death",
        ] {
            assert_eq!(RunView::parse(query), RunView::default(), "{query}");
        }
    }

    #[test]
    fn what_others_keep_stays_first() {
        let mut view = RunView { part: Part::Log, ..RunView::parse("at=60&x=seconds") };
        assert_eq!(view.to_query(), "at=60&part=log&x=seconds");
        view.set_other("at", Some("61".to_owned()));
        assert_eq!(view.to_query(), "at=61&part=log&x=seconds");
        view.set_other("at", None);
        assert_eq!(view.to_query(), "part=log&x=seconds");
    }
}
