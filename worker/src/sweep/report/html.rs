//! The report as one page: no script, nothing loaded from elsewhere.

use super::Report;
use super::style::STYLE;
use super::text::escape;
use super::{experiment, sections};

/// The whole page.
pub fn page(report: &Report<'_>) -> String {
    let title = escape(&report.plan.spec.title);
    let sections = [
        sections::what_was_run(report),
        sections::grid(report),
        sections::methods(report),
        sections::duels(report),
        experiment::soft_projected_refined(report),
        sections::prefixes(report),
        sections::side_by_side(report),
        sections::failures(report),
        DEFINITIONS.to_owned(),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
<meta name=\"referrer\" content=\"no-referrer\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<title>{title}</title><style>{STYLE}</style></head>\n<body><main><h1>{title}</h1>\n{}\n</main></body></html>\n",
        sections.join("\n")
    )
}

/// A table that scrolls on its own where the screen is narrow. Heads and cells are HTML already.
pub fn table(caption: &str, heads: &[&str], rows: &[Vec<Cell>]) -> String {
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    let row = |cells: &Vec<Cell>| format!("<tr>{}</tr>\n", cells.iter().map(Cell::html).collect::<String>());
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table><caption>{caption}</caption>\
<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

/// A field of a table.
#[derive(Clone)]
pub enum Cell {
    /// Names its row; text.
    Head(String),
    /// Text of a user or a model.
    Text(String),
    /// The same, in the type of code and with room.
    Said(String),
    /// A number, formatted.
    Number(String),
    /// HTML of our own.
    Html(String),
}

impl Cell {
    fn html(&self) -> String {
        match self {
            Cell::Head(text) => format!("<th scope=\"row\">{}</th>", escape(text)),
            Cell::Text(text) => format!("<td>{}</td>", escape(text)),
            Cell::Said(text) => format!("<td class=\"said\">{}</td>", escape(text)),
            Cell::Number(text) => format!("<td class=\"n\">{}</td>", escape(text)),
            Cell::Html(html) => format!("<td>{html}</td>"),
        }
    }
}

/// A figure with a caption below it, which is text.
pub fn figure(svg: &str, caption: &str) -> String {
    format!("<figure>{svg}<figcaption>{}</figcaption></figure>", escape(caption))
}

const DEFINITIONS: &str = "<section><h2>How to read this</h2><ul>\
<li><b>Closed gap</b>: (CE without a prefix − CE under the found prefix) / (CE without a prefix − CE under the reference). \
0 is no better than no prefix, 1 as good as the reference.</li>\
<li><b>CE</b>: weighted cross-entropy of the reference’s completions, in nats a token.</li>\
<li><b>Test</b>: suffixes that no search saw. <b>Validation</b>: suffixes that choose among a search’s candidates, so that its \
numbers there are flattered; the difference to test says how much.</li>\
<li><b>Interval</b>: 95 %, by the bootstrap. In the grid, seeds are drawn and suffixes are drawn, each for all seeds that have it: it says nothing about \
other teachers. In comparisons, tasks (model and teacher) are drawn and then the pairs of each. With few seeds, tasks or pairs they cover \
too little.</li>\
<li><b>Adherence</b>: share of completions that are likelier under the reference than without a prefix. <b>By words</b>: share whose \
words do what the teacher asks for, where a rule knows the teacher; a prefix can close much of the gap by manner and still miss the topic.</li>\
<li><b>Round trip</b>: the prefix as text, inside the chat of every suffix, gives the ids that were scored.</li>\
<li><b>Evaluations</b>: forwards of one (candidate, suffix) of the search stages; a gradient counts as one a suffix.</li>\
<li>Characters that do not show are written as escapes, as in \\n or \\u{202e}.</li>\
</ul></section>";
