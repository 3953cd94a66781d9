//! Pausing, resuming and finishing a run from its page, and the queue meanwhile.

use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::program::Worker;
use steerage_tests::small_run::{self, SMALL_RUN};

/// A run that nobody waits for to its end, after its first prefix.
async fn searching(page: &Page) -> Result<()> {
    small_run::fill_in(page).await?;
    page.fill("field-stages[2].steps", "500").await?;
    page.fill("field-stages[2].patience", "500").await?;
    page.click("start-run").await?;
    page.see_text("run-state", "running", SOON).await?;
    page.until("there is a best prefix", SMALL_RUN, "return shown('best-prefix')").await?;
    Ok(())
}

/// Clicks a control, and says after how long the page shows that it was understood.
async fn acknowledged(page: &Page, control: &str, element: &str, says: &str) -> Result<Duration> {
    let asked = Instant::now();
    page.click(control).await?;
    page.see_text(element, says, SOON).await?;
    Ok(asked.elapsed())
}

const DONE: &str = "all('step').find((step) => step.dataset.stage === 'hotflip').querySelector('progress').value";

/// How far the page says that the search is, from 0 to 1.
async fn done(page: &Page) -> Result<f64> {
    page.evaluate(&format!("return {DONE}")).await?.as_f64().context("no progress")
}

#[tokio::test]
async fn a_run_is_paused_resumed_and_finished_now() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("controls", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        searching(&page).await?;
        ensure!(page.count("resume").await? == 0, "a run that goes on cannot be resumed");

        let pausing = acknowledged(&page, "pause", "run-state", "paused").await?;
        page.see_text("control-status", "Paused", SOON).await?;
        ensure!(page.count("pause").await? == 0, "a paused run cannot be paused");
        let before = done(&page).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        ensure!(done(&page).await? == before, "a paused run goes on");
        page.reload().await?;
        page.see_text("run-state", "paused", SOON).await?;
        page.until("the log is replayed", SOON, "return stages('paused') === 1").await?;
        let after = done(&page).await?;
        ensure!(after == before, "after the reload {after}, before it {before}");

        let resuming = acknowledged(&page, "resume", "run-state", "running").await?;
        page.until("the search goes on", SMALL_RUN, &format!("return {DONE} > {before}")).await?;

        let finishing = acknowledged(&page, "finish", "control-status", "Finishing").await?;
        ensure!(page.count("finish").await? == 0, "it is asked for once");
        page.see_text("run-state", "finished", SMALL_RUN).await?;
        page.see("verdict").await?;
        ensure!(page.count("pause").await? == 0 && page.count("cancel").await? == 0, "nothing is left to control");
        eprintln!("seen after: paused {pausing:?}, resumed {resuming:?}, finishing {finishing:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_run_in_the_queue_says_its_place_and_what_it_waits_for() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("controls-queue", async |browser| {
        let page = browser.open(worker.address(), Viewport::PHONE).await?;
        searching(&page).await?;
        acknowledged(&page, "pause", "run-state", "paused").await?;
        let ahead = page.driver.current_url().await?;

        small_run::fill_in(&page).await?;
        page.click("start-run").await?;
        page.see_text("queued", "Place 1 in the queue", SOON).await?;
        page.see_text("queue-outlook", "paused", SOON).await?;
        ensure!(page.count("pause").await? == 0, "what waits cannot be paused");
        let wide = page.evaluate("return document.documentElement.scrollWidth > innerWidth").await?;
        ensure!(wide == serde_json::Value::Bool(false), "the page is wider than the phone");
        let queued = page.driver.current_url().await?;

        page.driver.goto(ahead.as_str()).await?;
        page.click("cancel").await?;
        page.see_text("run-state", "cancelled", SOON).await?;
        page.driver.goto(queued.as_str()).await?;
        page.see_text("run-state", "finished", SMALL_RUN).await?;
        Ok(())
    })
    .await
}
