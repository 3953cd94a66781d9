//! A result that travels: a link made in one browser and opened in another, a file, and a folder without a worker.

use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use steerage_tests::accessibility::check;
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::command::steerage;
use steerage_tests::program::Worker;
use steerage_tests::recorded::{imported, recording};
use steerage_tests::static_site::StaticSite;
use steerage_tests::verification::{rows, verdict};

async fn whole_number(page: &Page, script: &str) -> Result<u64> {
    page.evaluate(script).await?.as_u64().context("a number")
}

#[tokio::test]
async fn a_link_opens_elsewhere_and_dies_when_it_is_revoked() -> Result<()> {
    let data = tempfile::tempdir()?;
    let run = imported(data.path())?;
    let worker = Worker::start(data.path())?;
    with_browser("share", async |browser| {
        // 1. Whoever owns the worker sees what leaves, and decides.
        let owner = browser.open(worker.address(), Viewport::DESKTOP).await?;
        owner.see("start-example").await?;
        owner.driver.goto(worker.page(&format!("/run/{run}"))).await?;
        owner.see("verdict").await?;
        let prefix = owner.exact_prefix().await?;
        owner.click("share").await?;
        owner.see_text("share-summary", "0 prompts", SOON).await?;
        let lines = "return all('share-lines')[0].textContent.includes";
        ensure!(owner.evaluate(&format!("{lines}('suffix_texts')")).await? == true, "the preview names no part");
        check(&owner, "the dialog for sharing").await?;
        owner.click("share-suffix_texts").await?;
        owner.see_text("share-summary", "52 prompts", SOON).await?;
        owner.click("share-make").await?;
        let link = owner.see_text("share-link", "/s#", SOON).await?;
        ensure!(link.trim().rsplit('#').next().is_some_and(|secret| secret.len() == 64), "{link}");
        owner.see_text("share-list", "never opened", SOON).await?;

        // 2. Somebody without a token sees the run, and can play it.
        let guest = browser.open(link.trim(), Viewport::DESKTOP).await?;
        guest.see_text("read-only", "Read only", SOON).await?;
        guest.see("verdict").await?;
        ensure!(guest.exact_prefix().await? == prefix, "another prefix is shown");
        ensure!(
            guest.evaluate("return localStorage.getItem('steerage.token')").await?.is_null(),
            "a guest has a token"
        );
        for control in ["cancel", "share", "vary", "download-session"] {
            ensure!(guest.count(control).await? == 0, "a guest is offered {control}");
        }
        guest.see("fork").await?;
        // The link lets its guest have the model, and with it the numbers.
        guest.click("verify-session").await?;
        guest.click("verify-start").await?;
        ensure!(verdict(&guest).await?, "the shared run is said to differ:\n{}", guest.whole_text().await?);
        guest.see_text("model-state", "from the worker", SOON).await?;
        ensure!(rows(&guest, true).await? == 2, "two suffixes were asked for");
        guest.driver.back().await?;
        guest.see("verdict").await?;
        let href = guest.evaluate("return all('fork-elsewhere')[0].href").await?;
        ensure!(href.as_str().is_some_and(|href| href.starts_with("http://127.0.0.1:7468/new#spec=")), "{href}");
        check(&guest, "a shared run").await?;
        guest.reload().await?;
        guest.see("verdict").await?;
        let phone = browser.open(link.trim(), Viewport::PHONE).await?;
        phone.see("verdict").await?;
        let width = whole_number(&phone, "return document.documentElement.scrollWidth").await?;
        ensure!(width <= u64::from(Viewport::PHONE.width), "the page is {width} pixels wide");

        // 3. Revoked, it is gone at once, and says no more than a link that never was.
        owner.click("share-revoke").await?;
        let start = Instant::now();
        guest.see("no-share").await?;
        // The poll of this test is part of it.
        ensure!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
        ensure!(guest.count("verdict").await? == 0, "the run is still shown");
        let said = guest.text("no-share").await?;
        guest.driver.goto(worker.page(&format!("/s#{}", "0".repeat(64)))).await?;
        guest.reload().await?;
        guest.see("no-share").await?;
        ensure!(guest.text("no-share").await? == said, "an unknown link says something else");
        check(&guest, "a link that shows nothing").await?;
        owner.see_text("share-list", "revoked", SOON).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_session_file_opens_without_a_worker() -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let recording = recording().display().to_string();
    let file = scratch.path().join("cats.steerage");
    let finished = steerage(&["export", &recording, "--to", &file.display().to_string()])?;
    ensure!(finished.code == 0, "{}", finished.stderr);
    let cut = scratch.path().join("cut.steerage");
    std::fs::write(&cut, &std::fs::read(&file)?[..4000])?;
    let folder = scratch.path().join("site");
    let finished = steerage(&["export", &recording, "--site", &folder.display().to_string(), "--with-model"])?;
    ensure!(finished.code == 0, "{}", finished.stderr);

    let (page_only, with_session) = (StaticSite::start()?, StaticSite::start_in(&folder)?);
    with_browser("session-file", async |browser| {
        let page = browser.open(&page_only.address("/"), Viewport::DESKTOP).await?;
        page.see("session-drop").await?;
        page.element("session-file").await?.send_keys(cut.display().to_string()).await?;
        page.see_text("session-file-error", "cut off", SOON).await?;
        page.element("session-file").await?.send_keys(file.display().to_string()).await?;
        page.see_text("read-only", "cats.steerage", SOON).await?;
        page.see("verdict").await?;
        ensure!(page.count("cancel").await? == 0, "a file can be cancelled");
        check(&page, "an open session file").await?;
        page.forgive_console().await?;

        // A folder that somebody exported: its front is the run.
        let page = browser.open(&with_session.address("/"), Viewport::DESKTOP).await?;
        page.see_text("read-only", "needs no worker", SOON).await?;
        page.see("verdict").await?;
        let robots = page.evaluate("return document.querySelector('meta[name=robots]').content").await?;
        ensure!(robots == "noindex", "{robots}");
        page.click("verify-session").await?;
        page.click("verify-start").await?;
        ensure!(verdict(&page).await?, "the folder's run is said to differ:\n{}", page.whole_text().await?);
        page.see_text("model-state", "from the folder of this page", SOON).await?;
        page.driver.goto(with_session.address("/?at=60")).await?;
        page.see("stepper").await?;
        page.forgive_console().await
    })
    .await
}

#[tokio::test]
async fn a_shared_run_begins_again_on_a_worker() -> Result<()> {
    let data = tempfile::tempdir()?;
    imported(data.path())?;
    let worker = Worker::start(data.path())?;
    let recording = recording();
    with_browser("fork", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        page.see("start-example").await?;
        page.element("session-file").await?.send_keys(recording.canonicalize()?.display().to_string()).await?;
        page.see("verdict").await?;
        // The worker has this very run: nothing differs.
        page.click("compare-log-start").await?;
        page.see_text("compare-log-outcome", "all 131 events are equal", SOON).await?;
        // The exact spec: the form shows it, with what is unlike any preset.
        page.click("fork-change").await?;
        page.see("start-run").await?;
        let tokens = page.evaluate("return all('field-prefix_tokens')[0].value").await?;
        ensure!(tokens == "8", "the form has {tokens} tokens");
        page.driver.back().await?;
        page.see("fork").await?;
        page.click("fork-run").await?;
        page.see("run").await?;
        page.see_text("run-teacher", "Talk only about cats.", SOON).await?;
        page.click("cancel").await?;
        page.see_text("run-state", "cancelled", SOON).await?;
        Ok(())
    })
    .await
}
