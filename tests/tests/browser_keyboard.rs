//! The page by keyboard alone: shortcuts, their sheet, and the command palette.

use anyhow::{Result, ensure};
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::program::Worker;
use thirtyfour::prelude::*;

#[tokio::test]
async fn keys_open_pages_the_sheet_and_the_palette() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("keyboard", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        page.see("start-example").await?;

        // 1. The sheet, closed by Escape as dialogs are.
        press(&page, "?").await?;
        page.see_text("shortcut-sheet", "New run", SOON).await?;
        press(&page, Key::Escape).await?;
        page.until("the sheet is closed", SOON, "return !shown('shortcut-sheet')").await?;

        // 2. Two keys open a page.
        press(&page, "g").await?;
        press(&page, "n").await?;
        page.see("start-run").await?;

        // 3. In a field keys are text; Ctrl+K works there too.
        page.fill("field-teacher", "g s ?").await?;
        ensure!(page.count("shortcut-sheet").await? == 0, "a question mark in a field opened the sheet");
        press(&page, Key::Control + "k").await?;
        page.see("palette").await?;
        page.fill("palette-input", "start").await?;
        page.until("one entry is left", SOON, "return all('palette-entry').length === 1").await?;
        press(&page, Key::Enter).await?;
        page.see("start-example").await?;
        page.until("the palette is closed", SOON, "return !shown('palette')").await?;
        Ok(())
    })
    .await
}

/// Presses a key wherever the focus is.
async fn press(page: &Page, keys: impl Into<TypingData>) -> Result<()> {
    page.driver.active_element().await?.send_keys(keys).await?;
    Ok(())
}
