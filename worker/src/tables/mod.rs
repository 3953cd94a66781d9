//! What runs found, as tables for other programs: every evaluated candidate, the sets that match the reference,
//! pairs that read alike and act differently, and completions.
//!
//! A table is declared once, by its columns; every format writes what is declared. `docs/exports.md` lists the
//! same columns, which a test holds it to.

mod candidates;
mod columnar;
mod completions;
mod hub;
mod matched;
mod runs;
mod text;

pub use columnar::write_parquet;
pub use hub::write_hub;
pub use text::{write_csv, write_jsonl};

use shared::event::Event;
use std::path::PathBuf;

/// What a column holds. Any value may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number that is not negative.
    Count,
    /// A real number.
    Real,
    /// True or false.
    Switch,
    /// Token ids.
    Ids,
}

impl Kind {
    /// The name in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Count => "count",
            Kind::Real => "real",
            Kind::Switch => "switch",
            Kind::Ids => "ids",
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it means, as the documentation says it.
    pub help: &'static str,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// There is none.
    Null,
    /// Of a [`Kind::Text`] column.
    Text(String),
    /// Of a [`Kind::Count`] column.
    Count(u64),
    /// Of a [`Kind::Real`] column.
    Real(f64),
    /// Of a [`Kind::Switch`] column.
    Switch(bool),
    /// Of a [`Kind::Ids`] column.
    Ids(Vec<u32>),
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its name, and that of its file.
    pub name: &'static str,
    /// What a row is.
    pub help: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// Its rows: one value a column.
    pub rows: Vec<Vec<Value>>,
}

/// A run whose log goes into the tables.
pub struct Source {
    /// Its id.
    pub run: String,
    /// The events of its last attempt.
    pub events: Vec<Event>,
}

/// Tells the text of tokens of a model; nothing where its tokenizer is not at hand.
pub type TextOf<'a> = dyn FnMut(&str, &[u32]) -> Option<String> + 'a;

/// Why a table could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be written: {reason}", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// All tables of some runs. Prefixes whose cross-entropy on train is at most the reference's plus `epsilon` are
/// the matched set.
pub fn tables(sources: &[Source], epsilon: f64, text_of: &mut TextOf<'_>) -> Vec<Table> {
    vec![
        runs::table(sources),
        candidates::table(sources, text_of),
        matched::equivalent(sources, epsilon, text_of),
        matched::contrast(sources, text_of),
        completions::table(sources),
    ]
}

const fn column(name: &'static str, kind: Kind, help: &'static str) -> Column {
    Column { name, kind, help }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(value)
    }
}
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Count(value)
    }
}
impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Value::Count(value as u64)
    }
}
impl From<f64> for Value {
    /// What is no number has no value.
    fn from(value: f64) -> Self {
        if value.is_finite() { Value::Real(value) } else { Value::Null }
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Switch(value)
    }
}
impl From<&[u32]> for Value {
    fn from(value: &[u32]) -> Self {
        Value::Ids(value.to_vec())
    }
}
