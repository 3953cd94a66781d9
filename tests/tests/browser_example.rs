//! The example of the start page: one click, and the result stays.

use anyhow::{Result, ensure};
use std::time::Duration;
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::program::Worker;

/// How long the whole search may take. It takes about three minutes where nothing else runs.
const SEARCH: Duration = Duration::from_secs(20 * 60);

#[tokio::test]
async fn one_click_finds_a_prefix_and_the_result_stays() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut worker = Worker::start(data.path())?;
    with_browser("example", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        page.click("start-example").await?;

        page.see_text("run-teacher", "Talk only about cats.", SOON).await?;
        page.until("a stage is done", SEARCH, "return stages('finished') >= 1").await?;
        page.until("the chart has points", SEARCH, "return chartHasPoints()").await?;

        // In the middle of it: nothing of what was there is lost, and it goes on.
        let stages_before = page.evaluate("return stages('finished')").await?.as_u64();
        page.reload().await?;
        page.see_text("run-state", "running", SOON).await?;
        page.until("the finished stages are back", SOON, "return stages('finished') >= 1").await?;
        let stages_after = page.evaluate("return stages('finished')").await?.as_u64();
        ensure!(stages_after >= stages_before, "{stages_after:?} stages after the reload, {stages_before:?} before");
        page.until("the points are back", SOON, "return chartHasPoints()").await?;

        page.see_text("run-state", "finished", SEARCH).await?;
        page.until("every stage is done", SOON, "return stages('finished') === all('step').length").await?;
        let result = outcome(&page).await?;
        ensure!(result.rows >= 4, "test suffixes are listed one by one: {result:?}");
        ensure!(result.nontriviality.starts_with("Nontrivial"), "{result:?}");
        ensure!(!result.prefix.to_lowercase().contains("cat"), "{result:?}");

        page.reload().await?;
        same(&result, &page, "after a reload").await?;

        // A worker that stops and starts again on its port: the open page comes back by itself.
        let address = page.driver.current_url().await?;
        let port = worker.port()?;
        worker.stop()?;
        page.see_text("connection-pill", "Reconnecting", SOON).await?;
        worker = Worker::start_on(data.path(), port)?;
        page.see_text("connection-pill", "Live", Duration::from_secs(60)).await?;
        page.reload().await?;
        same(&result, &page, "after a restart of the worker").await?;
        // The browser reports each attempt to reach the worker while it was away.
        page.forgive_console().await?;

        // A second browser that opens the printed address finds the run in the list.
        let second = browser.open(worker.address(), Viewport::DESKTOP).await?;
        second.click("run-link").await?;
        ensure!(second.driver.current_url().await?.path() == address.path(), "another run was opened");
        same(&result, &second, "in a second browser").await
    })
    .await
}

/// What a person takes from a result.
#[derive(Debug, PartialEq)]
struct Shown {
    gap_closed: String,
    prefix: String,
    ids: String,
    nontriviality: String,
    rows: u64,
}

async fn outcome(page: &Page) -> Result<Shown> {
    page.see("verdict").await?;
    let text = async |test_id: &str| anyhow::Ok(page.text(test_id).await?.unwrap_or_default());
    Ok(Shown {
        gap_closed: text("gap-closed").await?,
        prefix: page.exact_prefix().await?,
        ids: text("prefix-ids").await?,
        nontriviality: text("nontriviality-verdict").await?,
        rows: page.count("result-row").await?,
    })
}

async fn same(before: &Shown, page: &Page, when: &str) -> Result<()> {
    let now = outcome(page).await?;
    ensure!(now == *before, "{when} the page shows {now:?} instead of {before:?}");
    Ok(())
}
