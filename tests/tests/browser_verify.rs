//! Verification: the page loads the real model, computes the recorded run again, and catches edits.

use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::program::Worker;
use steerage_tests::recorded;
use steerage_tests::verification::{PATIENCE, rows, verdict};

#[tokio::test]
async fn the_recorded_run_is_computed_again_and_edits_are_caught() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("verify", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        page.see("start-example").await?;
        page.driver.goto(worker.page("/demo")).await?;
        page.click("verify-link").await?;
        page.see("verify-subject").await?;

        // 1. Another file is refused before anything is computed with it.
        let other = data.path().join("other.gguf");
        std::fs::write(&other, "GGUF, but not the one")?;
        upload(&page, "model-file", &other).await?;
        page.until("the file is refused", SOON, "return all('model-failed')[0]?.dataset.code === 'wrong_model'")
            .await?;

        // 2. The worker has the right one. Two suffixes agree, number by number and token by token.
        page.click("verify-start").await?;
        ensure!(verdict(&page).await?, "the recorded run is said to differ:\n{}", page.whole_text().await?);
        page.see_text("model-state", "from the worker", SOON).await?;
        ensure!(rows(&page, true).await? == 2, "two suffixes were asked for");
        ensure!(page.count("verification-problems").await? == 0, "there are no problems to list");

        // 3. Any prefix gets a number and a completion of its own; another prefix another number.
        page.fill("playground-prefix", "Whiskers").await?;
        let first = tried(&page, "").await?;
        page.fill("playground-prefix", "Write about trains").await?;
        tried(&page, &first).await?;
        page.until("the model writes", PATIENCE, "return (textOf('playground-text') ?? '').length > 10").await?;

        // 4. A recording with one number and one token edited, on the first two test suffixes.
        let edited = data.path().join("edited.jsonl");
        std::fs::write(&edited, edited_recording()?)?;
        upload(&page, "verify-file", &edited).await?;
        page.see_text("verify-subject", "edited.jsonl", SOON).await?;
        page.click("verify-start").await?;
        ensure!(!verdict(&page).await?, "the edits were not seen");
        // The model is still there from the first time.
        page.see_text("model-state", "out of this browser's storage", SOON).await?;
        ensure!(rows(&page, false).await? == 2, "both suffixes were edited");
        let problems = page.text("verification-problems").await?.unwrap_or_default();
        for place in ["cross-entropy under the found prefix: recorded", "completion under the found prefix: token 3"] {
            ensure!(problems.contains(place), "\"{place}\" is not among the problems:\n{problems}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_verdict_and_the_model_outlive_the_worker() -> Result<()> {
    let data = tempfile::tempdir()?;
    let run = recorded::imported(data.path())?;
    let worker = Worker::start(data.path())?;
    with_browser("verify-offline", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        page.see("start-example").await?;
        page.driver.goto(worker.page(&format!("/verify?run={run}"))).await?;
        page.click("verify-start").await?;
        ensure!(verdict(&page).await?, "the run is said to differ:\n{}", page.whole_text().await?);
        worker.stop()?;
        page.until("the page sees that", SOON, "return textOf('connection-pill') !== 'Live'").await?;
        ensure!(verdict(&page).await? && rows(&page, true).await? == 2, "the verdict went with the worker");
        page.fill("playground-prefix", "Whiskers").await?;
        tried(&page, "").await?;
        // The browser reports every attempt to connect.
        page.forgive_console().await
    })
    .await
}

#[tokio::test]
async fn without_a_source_the_page_says_so_and_fits_a_phone() -> Result<()> {
    let site = steerage_tests::static_site::StaticSite::start()?;
    with_browser("verify-phone", async |browser| {
        let page = browser.open(&site.address("/verify/"), Viewport::PHONE).await?;
        page.click("model-load").await?;
        page.see_text("model-failed", "Pick the file", SOON).await?;
        let width = page.evaluate("return document.documentElement.scrollWidth").await?;
        let fits = width.as_u64().is_some_and(|width| width <= u64::from(Viewport::PHONE.width));
        ensure!(fits, "the page is {width} pixels wide");
        // The folder has no model, and the browser reports that.
        page.forgive_console().await
    })
    .await
}

/// The cross-entropy of the playground, once it is another than `before`.
async fn tried(page: &Page, before: &str) -> Result<String> {
    let script = format!(
        "const value = all('playground-ce')[0]?.dataset.value; \
         return shown('playground-speed') && value !== '{before}' && value"
    );
    let value = page.until("a prefix is scored", PATIENCE, &script).await?;
    Ok(value.as_str().context("a number as text")?.to_owned())
}

async fn upload(page: &Page, test_id: &str, path: &Path) -> Result<()> {
    let field = page.element(test_id).await?;
    field.send_keys(path.to_str().context("a path that is text")?).await.context("the file cannot be chosen")
}

/// The recorded run, in which the first test suffix has a better cross-entropy and the second another
/// third token.
fn edited_recording() -> Result<String> {
    let recording = std::fs::read_to_string(recorded::recording())?;
    let (mut lines, mut tests) = (Vec::new(), Vec::new());
    for line in recording.lines() {
        let mut value: serde_json::Value = serde_json::from_str(line)?;
        let event = &mut value["event"];
        let suffix = &event["suffix"];
        if event["event"] == "suffix_measured" && suffix["split"] == "test" && suffix["dominated"] != true {
            tests.push(suffix["index"].as_u64());
        }
        if event["event"] == "suffix_evaluated" {
            let index = event["suffix"]["index"].as_u64();
            if tests.first() == Some(&index) {
                let ce = event["suffix"]["ce"].as_f64().context("a cross-entropy")?;
                event["suffix"]["ce"] = (ce - 0.01).into();
            } else if tests.get(1) == Some(&index) {
                let id = event["suffix"]["completion"]["ids"][2].as_u64().context("an id")?;
                event["suffix"]["completion"]["ids"][2] = (id + 1).into();
            }
        }
        lines.push(value.to_string());
    }
    ensure!(tests.len() >= 2, "the recording has test suffixes");
    Ok(lines.join("\n"))
}
