//! Every page in both themes: axe-core finds nothing of serious or critical impact.

use anyhow::Result;
use steerage_tests::accessibility::check;
use steerage_tests::browser::{SOON, Viewport, with_browser};
use steerage_tests::program::Worker;
use steerage_tests::static_site::StaticSite;

#[tokio::test]
async fn the_pages_of_a_worker_are_accessible() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("accessible", async |browser| {
        let page = browser.open(&worker.page("/"), Viewport::DESKTOP).await?;
        page.see("sign-in").await?;
        check(&page, "the way in").await?;

        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        page.see("start-example").await?;
        page.see_text("nontriviality-verdict", "ontrivial", SOON).await?;
        check(&page, "the start page").await?;

        page.follow("New run").await?;
        page.see("start-run").await?;
        check(&page, "the form").await?;

        page.follow("Sessions").await?;
        page.see("sessions").await?;
        check(&page, "the list of sessions").await?;

        page.follow("Compare").await?;
        page.see("compare-empty").await?;
        check(&page, "nothing to compare").await?;

        page.driver.goto(worker.page("/attach")).await?;
        page.click("attach-check").await?;
        page.see("check-address").await?;
        check(&page, "attaching, with a failed check").await?;

        page.driver.goto(worker.page("/nowhere")).await?;
        page.see("not-found").await?;
        check(&page, "an address that does not exist").await
    })
    .await
}

#[tokio::test]
async fn a_run_and_its_result_are_accessible() -> Result<()> {
    let site = StaticSite::start()?;
    with_browser("accessible-run", async |browser| {
        let page = browser.open(&site.address("/"), Viewport::DESKTOP).await?;
        page.see("no-worker").await?;
        check(&page, "a static folder").await?;
        page.click("open-demo").await?;
        page.see("verdict").await?;
        check(&page, "a result").await?;
        page.click("show-tokens").await?;
        page.click("figure-projection").await?;
        page.click("connection-pill").await?;
        page.see("figure-levels").await?;
        check(&page, "tokens, a figure and the connection").await?;
        // In the middle, where the search is on its way.
        page.driver.goto(site.address("/demo/?at=60")).await?;
        page.see("stepper").await?;
        check(&page, "a run that goes on").await?;
        page.driver.goto(site.address("/verify/")).await?;
        page.see("playground").await?;
        check(&page, "the verification").await?;
        page.forgive_console().await
    })
    .await
}
