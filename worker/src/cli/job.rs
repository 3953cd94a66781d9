//! `steerage job`: one run in a process of its own, for the worker. Not for people.
//!
//! Stdin: a line `{"run": …, "spec": …, "journal": …}`, where the last is a file or left out, then what the run is asked: `pause`, `resume`, `finish` or `cancel`;
//! the end of stdin cancels too. Stdout: one event a line. Stderr: log text.

use super::{CliError, print_line};
use crate::catalogue::catalogue;
use crate::control::{Control, Standstill};
use crate::device::Machine;
use crate::job;
use crate::models::ModelStore;
use crate::stages::Sink;
use serde::Deserialize;
use shared::event::Event;
use shared::spec::RunSpec;
use std::io::{BufRead, stdin};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Deserialize)]
struct Order {
    spec: RunSpec,
    /// Where the model's answers are kept for another attempt.
    journal: Option<PathBuf>,
}

struct Lines;

impl Sink for Lines {
    fn push(&mut self, event: Event) {
        match serde_json::to_string(&event) {
            Ok(line) => print_line(&line),
            Err(error) => eprintln!("an event could not be written: {error}"),
        }
    }
}

pub fn job(machine: &Machine) -> Result<(), CliError> {
    let mut line = String::new();
    stdin().lock().read_line(&mut line).map_err(|error| CliError::failed(format!("stdin: {error}")))?;
    let order: Order = serde_json::from_str(&line)
        .map_err(|error| CliError::bad_input(format!("the first line of stdin: {error}")))?;
    // Told on the thread that makes the events, so that none comes between these two.
    let control = Arc::new(Control::new().telling(|standstill| match standstill {
        Standstill::Begins => Lines.push(Event::Paused {}),
        Standstill::Ends => Lines.push(Event::Resumed {}),
    }));
    let asked = Arc::clone(&control);
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            eprintln!("asked to {}", line.trim());
            asked.obey(&line);
        }
        // The worker's end of the pipe closes when it dies, so no job outlives it.
        eprintln!("the worker is gone");
        asked.cancel();
    });
    let models = ModelStore::from_env();
    job::run(&order.spec, &catalogue(&models), &models, machine, &mut Lines, &control, order.journal.as_deref());
    Ok(())
}
