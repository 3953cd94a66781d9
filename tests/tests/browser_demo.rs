//! The recorded run, replayed by a page that has no worker.

use anyhow::{Result, ensure};
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::static_site::StaticSite;

#[tokio::test]
async fn a_static_folder_replays_the_recorded_run() -> Result<()> {
    let site = StaticSite::start()?;
    with_browser("demo", async |browser| {
        let page = browser.open(&site.address("/"), Viewport::DESKTOP).await?;
        page.see_text("no-worker", "cargo xtask run", SOON).await?;
        page.click("open-demo").await?;
        // 1. It opens with what came out.
        page.see("verdict").await?;
        page.see_text("connection-pill", "Demo", SOON).await?;
        let prefix = page.exact_prefix().await?;
        ensure!(!prefix.trim().is_empty(), "the found prefix is empty");
        ensure!(page.count("cancel").await? == 0, "a recording cannot be cancelled");
        let events = place(&page).await?;

        // 2. Before the end there is no verdict yet, and the address says where we are.
        scrub_to(&page, events / 2).await?;
        page.until("the verdict is gone", SOON, "return !shown('verdict') && shown('stepper')").await?;
        page.see_text("run-state", "running", SOON).await?;
        let half = place(&page).await?;
        page.until("the address follows", SOON, "return location.search.startsWith('?at=')").await?;

        // 3. Also after a reload, from a server that knows files only.
        page.reload().await?;
        page.see("stepper").await?;
        ensure!(place(&page).await? == half, "a reload shows another place");

        // 4. Playing goes on from there, and stands still when asked to.
        page.click("replay-toggle").await?;
        let further = format!("return Number(all('replay-place')[0].dataset.place) > {half}");
        page.until("the replay goes on", SOON, &further).await?;
        page.click("replay-toggle").await?;
        page.see_text("replay-toggle", "Play", SOON).await?;

        // 5. The end is the same as at first.
        scrub_to(&page, events).await?;
        page.see("verdict").await?;
        ensure!(page.exact_prefix().await? == prefix, "the replay ends with another prefix");
        // The folder has no worker to ask, and the browser reports that.
        page.forgive_console().await
    })
    .await
}

#[tokio::test]
async fn the_replay_fits_a_phone() -> Result<()> {
    let site = StaticSite::start()?;
    with_browser("demo-phone", async |browser| {
        let page = browser.open(&site.address("/demo"), Viewport::PHONE).await?;
        page.see("verdict").await?;
        let width = page.evaluate("return document.documentElement.scrollWidth").await?;
        let fits = width.as_u64().is_some_and(|width| width <= u64::from(Viewport::PHONE.width));
        ensure!(fits, "the page is {width} pixels wide");
        page.forgive_console().await
    })
    .await
}

/// Events that are shown.
async fn place(page: &Page) -> Result<u64> {
    let place =
        page.until("a place is shown", SOON, "return Number(all('replay-place')[0]?.dataset.place ?? 0)").await?;
    Ok(place.as_u64().unwrap_or_default())
}

/// Moves the scrubber as its own keys would.
async fn scrub_to(page: &Page, place: u64) -> Result<()> {
    let script = format!(
        "const scrubber = all('scrubber')[0]; scrubber.value = {place}; \
         scrubber.dispatchEvent(new Event('input', {{ bubbles: true }}));"
    );
    page.evaluate(&script).await.map(drop)
}
