//! A new run from an old one.

use crate::connection::Connection;
use crate::pages::new_run::keep_as_draft;
use shared::event::{Event, Stamped};

/// Keeps a run's spec as the draft of the next run, and tells when it is there.
pub fn duplicate(connection: Connection, run: String, on_kept: impl Fn() + 'static) {
    let id = run.clone();
    // The list does not carry specs; the first event of a log is one.
    connection.subscribe(&run, move |stamped: &Stamped| {
        if let Event::Queued { spec } = &stamped.event {
            connection.unsubscribe(&id);
            keep_as_draft(spec);
            on_kept();
        }
    });
}
