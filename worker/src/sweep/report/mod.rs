//! The report of a sweep: HTML for people, CSV and JSON for programs, all from the cells' logs.

pub mod charts;
pub mod csv;
mod experiment;
mod html;
mod json;
mod sections;
mod style;
pub mod svg;
pub mod text;

use super::aggregate::Aggregates;
use super::outcome::Outcome;
use super::plan::Plan;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The sweep.
    pub plan: &'a Plan,
    /// Its finished cells, in the plan's order.
    pub outcomes: &'a [Outcome],
    /// What they say together.
    pub aggregates: &'a Aggregates,
    /// The command that makes the same sweep again.
    pub command: &'a str,
}

impl Report<'_> {
    /// The page: one file that needs nothing else.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// One row a cell.
    pub fn csv(&self) -> String {
        csv::table(self.outcomes)
    }

    /// Cells and aggregates as one object.
    pub fn json(&self) -> serde_json::Value {
        json::object(self)
    }
}

/// Writes the report in all its forms into a folder; gives the files.
pub fn write_all(report: &Report<'_>, folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let json = serde_json::to_string_pretty(&report.json())? + "\n";
    let files = [("report.html", report.html()), ("report.csv", report.csv()), ("report.json", json)];
    files
        .into_iter()
        .map(|(name, contents)| {
            let path = folder.join(name);
            // A report that is half written never has its name; processes that share a sweep may write at once.
            let partial = folder.join(format!("{name}.{}.tmp", std::process::id()));
            fs::write(&partial, contents)?;
            fs::rename(&partial, &path)?;
            Ok(path)
        })
        .collect()
}
