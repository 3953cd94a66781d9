//! A search that takes seconds, started in the form as a person would.

use crate::browser::Page;
use anyhow::Result;
use std::time::Duration;

/// How long it may take where the processor is slow and shared.
pub const SMALL_RUN: Duration = Duration::from_secs(300);

/// Opens the form and fills it in for the least that still goes through every stage.
pub async fn fill_in(page: &Page) -> Result<()> {
    page.follow("New run").await?;
    page.choose("field-preset", "hybrid-quick").await?;
    for (field, value) in [("train", "2"), ("validation", "1"), ("test", "2")] {
        page.fill(&format!("field-suffixes.{field}"), value).await?;
    }
    page.unfold("fold-objective").await?;
    page.fill("field-max_completion_tokens", "6").await?;
    page.unfold("fold-soft_prompt").await?;
    page.fill("field-stages[0].steps", "3").await?;
    page.unfold("fold-hotflip").await?;
    page.fill("field-stages[2].steps", "2").await?;
    page.fill("field-stages[2].candidates", "3").await
}

/// Starts it and waits for its result.
pub async fn finish(page: &Page) -> Result<()> {
    fill_in(page).await?;
    page.click("start-run").await?;
    page.see_text("run-state", "finished", SMALL_RUN).await?;
    page.see("verdict").await
}
