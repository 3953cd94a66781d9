//! The page on a narrow phone.

use anyhow::{Result, ensure};
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::program::Worker;
use steerage_tests::small_run;

#[tokio::test]
async fn no_page_scrolls_sideways_at_360_pixels() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("phone", async |browser| {
        let page = browser.open(&worker.page("/"), Viewport::PHONE).await?;
        page.see("sign-in").await?;
        fits(&page, "the way in").await?;

        let page = browser.open(worker.address(), Viewport::PHONE).await?;
        page.see("start-example").await?;
        page.see_text("nontriviality-verdict", "ontrivial", SOON).await?;
        fits(&page, "the start page").await?;

        page.driver.goto(worker.page("/attach")).await?;
        page.fill("field-host", "somebody-with-a-long-name@a-machine-with-a-long-name.lab.example").await?;
        page.see("ssh-command").await?;
        fits(&page, "attaching").await?;

        small_run::fill_in(&page).await?;
        fits(&page, "the form").await?;
        page.click("start-run").await?;
        page.see("run").await?;
        fits(&page, "a run that has just begun").await?;
        page.see_text("run-state", "finished", small_run::SMALL_RUN).await?;
        page.see("verdict").await?;
        page.click("chart-as-table").await?;
        fits(&page, "a result").await
    })
    .await
}

async fn fits(page: &Page, what: &str) -> Result<()> {
    let widest = page.evaluate("const root = document.documentElement; return [root.scrollWidth, root.clientWidth]");
    let (content, window): (u64, u64) = serde_json::from_value(widest.await?)?;
    ensure!(window <= 360, "the window is {window} pixels wide");
    ensure!(content <= window, "{what} is {content} pixels wide in a window of {window}");
    Ok(())
}
