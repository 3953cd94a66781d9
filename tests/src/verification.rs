//! What the page says after it computed a recording again.

use crate::browser::Page;
use anyhow::{Context as _, Result};
use std::time::Duration;

/// How long loading the model and computing two suffixes may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether recording and model agree, once that is known.
pub async fn verdict(page: &Page) -> Result<bool> {
    let agrees = "return all('verification-verdict')[0]?.dataset.agrees ?? null";
    let agrees = page.until("there is a verdict", PATIENCE, agrees).await?;
    Ok(agrees == "true")
}

/// Suffixes that agree, or do not.
pub async fn rows(page: &Page, agrees: bool) -> Result<u64> {
    let script = format!("return all('verified-row').filter((row) => row.dataset.agrees === '{agrees}').length");
    page.evaluate(&script).await?.as_u64().context("a count is a number")
}
