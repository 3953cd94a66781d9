//! Opening the address that the worker printed.

use anyhow::{Result, ensure};
use steerage_tests::browser::{SOON, Viewport, with_browser};
use steerage_tests::program::Worker;

#[tokio::test]
async fn the_printed_address_opens_a_live_page_and_the_code_leaves_the_address_bar() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("open-live", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        page.see_text("connection-pill", "Live", SOON).await?;
        page.see("start-example").await?;
        let address = page.driver.current_url().await?;
        ensure!(address.fragment().is_none(), "the launch code is still in the address bar");

        page.reload().await?;
        page.see_text("connection-pill", "Live", SOON).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn without_the_code_the_page_says_how_to_get_in_and_takes_the_token() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    let token = std::fs::read_to_string(data.path().join("token"))?;
    with_browser("open-signed-out", async |browser| {
        let page = browser.open(&worker.page("/"), Viewport::DESKTOP).await?;
        let text = page.see_text("sign-in", "steerage serve", SOON).await?;
        ensure!(page.count("start-example").await? == 0, "a stranger sees more than the way in: {text}");

        page.fill("token-input", &"0".repeat(64)).await?;
        page.click("token-submit").await?;
        page.see("sign-in-refused").await?;

        page.fill("token-input", token.trim()).await?;
        page.click("token-submit").await?;
        page.see_text("connection-pill", "Live", SOON).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_page_reads_well_before_its_program_is_there_and_says_why_it_never_comes() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("open-shell", async |browser| {
        let page = browser.new_page(Viewport::PHONE).await?;
        let cdp = page.driver.cdp();
        cdp.send_raw("Network.enable", serde_json::json!({})).await?;
        cdp.send_raw("Network.setBlockedURLs", serde_json::json!({ "urls": ["*.wasm"] })).await?;
        page.driver.goto(worker.address()).await?;
        page.see_text("boot", "Finds short texts that steer a language model", SOON).await?;
        page.see_text("boot-status", "Check that the worker still runs, then reload.", SOON).await?;
        // The browser itself reports what we blocked.
        page.forgive_console().await
    })
    .await
}
