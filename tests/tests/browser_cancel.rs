//! Cancelling a run.

use anyhow::{Result, ensure};
use steerage_tests::browser::{SOON, Viewport, with_browser};
use steerage_tests::program::Worker;
use steerage_tests::small_run::{self, SMALL_RUN};

#[tokio::test]
async fn cancel_keeps_the_best_prefix_so_far() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("cancel", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        small_run::fill_in(&page).await?;
        // Far more than anyone waits for.
        page.fill("field-stages[2].steps", "500").await?;
        page.click("start-run").await?;
        page.see_text("run-state", "running", SOON).await?;
        page.until("there is a best prefix", SMALL_RUN, "return shown('best-prefix')").await?;

        page.click("cancel").await?;
        page.see_text("run-state", "cancelled", SOON).await?;
        let kept = page.exact_prefix().await?;
        ensure!(!kept.is_empty(), "no prefix is left");
        ensure!(page.count("cancel").await? == 0, "a run that is over cannot be cancelled");

        page.reload().await?;
        page.see_text("run-state", "cancelled", SOON).await?;
        let after = page.exact_prefix().await?;
        ensure!(after == kept, "{after:?} after the reload, {kept:?} before");
        Ok(())
    })
    .await
}
