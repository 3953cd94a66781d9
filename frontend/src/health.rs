//! What the worker says of itself to anyone, and how long it takes to.

use crate::{attachment, fetch};
use leptos::prelude::window;
use serde::Deserialize;

/// The answer of `/api/health`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Health {
    /// The protocol that it speaks.
    pub protocol: u32,
    /// Its version.
    pub version: String,
}

/// An answer with the time from question to answer, in milliseconds; none where there is no worker at this address or at
/// the one that the page is attached to.
pub async fn ask() -> Option<(Health, f64)> {
    let now_ms = || window().performance().map(|performance| performance.now());
    let asked_ms = now_ms()?;
    let address = attachment::origin().unwrap_or_default() + "/api/health";
    let text = fetch::text(&address).await.ok()?;
    let round_trip_ms = now_ms()? - asked_ms;
    // A static server may answer anything with its own page.
    Some((serde_json::from_str(&text).ok()?, round_trip_ms))
}
