//! `steerage job`: one run in a process of its own, for the worker. Not for people.
//!
//! Stdin: a line `{"run": …, "spec": …}`, then control lines; `cancel` or the end of stdin stops the
//! run. Stdout: one event a line. Stderr: log text.

use super::{CliError, print_line};
use crate::catalogue::catalogue;
use crate::device::Machine;
use crate::job;
use crate::models::ModelStore;
use crate::stages::Sink;
use serde::Deserialize;
use shared::event::Event;
use shared::spec::RunSpec;
use std::io::{BufRead, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Deserialize)]
struct Order {
    spec: RunSpec,
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
    let stop = Arc::new(AtomicBool::new(false));
    let listener_stop = Arc::clone(&stop);
    std::thread::spawn(move || {
        // The worker's end of the pipe closes when it dies, so no job outlives it.
        let ended = stdin().lock().lines().map_while(Result::ok).find(|line| line.trim() == "cancel");
        eprintln!("{}", if ended.is_some() { "cancelled" } else { "the worker is gone" });
        listener_stop.store(true, Ordering::Relaxed);
    });
    let models = ModelStore::from_env();
    job::run(&order.spec, &catalogue(&models), &models, machine, &mut Lines, &stop);
    Ok(())
}
