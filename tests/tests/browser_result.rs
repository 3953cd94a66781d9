//! A result looked at in detail: its parts, its tokens and its figures, all of it in the address; where a run stood
//! when its worker died; and what the connection's pill tells.

use anyhow::{Result, ensure};
use shared::wire::RunPhase;
use std::time::Duration;
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::client::Client;
use steerage_tests::script::{Ending, Script};
use steerage_tests::static_site::StaticSite;
use steerage_tests::whole_run::{K, SUFFIXES};
use steerage_tests::worker::FakeWorker;
use thirtyfour::Key;

/// Where a worker lets a browser in.
fn way_in(worker: &FakeWorker) -> String {
    format!("http://{}/#code={}", worker.address, worker.code)
}

/// Waits until the address has a part of a query.
async fn address_has(page: &Page, part: &str) -> Result<()> {
    page.until(&format!("the address has {part}"), SOON, &format!("return location.search.includes('{part}')"))
        .await
        .map(drop)
}

#[tokio::test]
async fn a_result_is_looked_at_in_parts_tokens_and_figures_that_the_address_keeps() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = FakeWorker::start(data.path()).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    let first = client.start(Script::new(Ending::Whole).spec()).await?;
    client.wait_for(&first, RunPhase::Finished).await?;
    // The same preset with another setting is another method.
    let mut other = Script::new(Ending::Whole).spec();
    other.prefix_tokens += 1;
    let other = client.start(other).await?;
    client.wait_for(&other, RunPhase::Finished).await?;
    with_browser("result", async |browser| {
        let page = browser.open(&way_in(&worker), Viewport::DESKTOP).await?;
        page.see_text("connection-pill", "Live", SOON).await?;
        page.driver.goto(format!("http://{}/run/{first}", worker.address)).await?;
        page.see("verdict").await?;
        parts_come_and_go(&page).await?;
        suffixes_are_narrowed_and_ordered(&page).await?;
        tokens_are_read(&page).await?;
        the_chart_keeps_its_view(&page).await?;
        figures_are_one_click_away(&page).await?;
        the_pill_tells_more(&page, &worker.address.to_string()).await
    })
    .await
}

async fn parts_come_and_go(page: &Page) -> Result<()> {
    page.click("part-log").await?;
    address_has(page, "part=log").await?;
    page.until("the verdict is away", SOON, "return !shown('verdict') && shown('stepper') && shown('flip-log')")
        .await?;
    page.click("part-chart").await?;
    page.until("the chart is there alone", SOON, "return shown('ce-chart') && !shown('stepper')").await?;
    page.driver.back().await?;
    page.until("back shows the log", SOON, "return shown('stepper') && !shown('ce-chart')").await?;
    page.driver.forward().await?;
    page.see("ce-chart").await?;
    page.reload().await?;
    page.until("a reload shows the same", SOON, "return shown('ce-chart') && !shown('verdict')").await?;
    page.click("part-overview").await?;
    page.see("verdict").await
}

async fn suffixes_are_narrowed_and_ordered(page: &Page) -> Result<()> {
    page.choose("suffixes-split", "test").await?;
    page.see_text("suffixes-count", &format!("2 of {}", SUFFIXES.len()), SOON).await?;
    page.click("sort-found").await?;
    address_has(page, "sort=-found").await?;
    let in_order = "const rows = all('result-row').map((row) => row.dataset.suffix).join(); return rows === ";
    page.until("the larger one is first", SOON, &format!("{in_order}'3,4'")).await?;
    page.click("sort-found").await?;
    page.until("the smaller one is first", SOON, &format!("{in_order}'4,3'")).await?;
    page.reload().await?;
    page.until("a reload keeps both", SOON, &format!("{in_order}'4,3'")).await?;
    page.driver.back().await?;
    page.until("back turns the order", SOON, &format!("{in_order}'3,4'")).await?;
    page.choose("suffixes-split", "").await?;
    page.fill("suffixes-find", "NAME").await?;
    address_has(page, "find=NAME").await?;
    page.until("words narrow too", SOON, &format!("{in_order}'1,4'")).await?;
    page.fill("suffixes-find", "").await?;
    page.see_text("suffixes-count", &format!("All {}", SUFFIXES.len()), SOON).await.map(drop)
}

async fn tokens_are_read(page: &Page) -> Result<()> {
    page.click("row-tokens").await?;
    page.see("token-grid").await?;
    address_has(page, "suffix=").await?;
    // Cats=Cats, then what only one side has, the token that stands elsewhere on the other, and the end.
    let relations = "return all('token-pair').map((pair) => pair.dataset.relation).join()";
    let found = page.until("there are tokens", SOON, relations).await?;
    ensure!(found == "same,different,different,different,moved,moved", "{found}");
    page.see_text("k-mark", &format!("k = {K}"), SOON).await?;
    let numbers = page.evaluate("return all('token-pair').map((pair) => pair.dataset.nll).join()").await?;
    ensure!(numbers == "1.2,0.2,0.9,0.6,0.02,0.01", "{numbers}");
    let first = page.evaluate("return all('token-pair')[0].innerText").await?;
    ensure!(first.as_str().is_some_and(|text| text.contains("1.20") && text.contains('=')), "{first}");

    // One tab stop, arrow keys for the rest; what is read out has the id.
    page.evaluate("all('token-pair')[0].focus()").await?;
    page.see_text("token-readout", "id 30", SOON).await?;
    let stops = page.evaluate("return all('token-pair').filter((pair) => pair.tabIndex === 0).length").await?;
    ensure!(stops == 1, "{stops} tab stops");
    for _ in 0..2 {
        page.driver.active_element().await?.send_keys(Key::Right).await?;
    }
    page.see_text("token-readout", "🐱", SOON).await?;
    page.see_text("token-readout", "id 32", SOON).await?;
    address_has(page, "token=2").await?;

    // Other colours, and another completion beside it; a reload keeps all of it.
    page.choose("token-heat", "reference").await?;
    page.until("the numbers are others", SOON, "return all('token-pair')[0].dataset.nll === '0.4'").await?;
    page.choose("token-against", "none").await?;
    page.until(
        "no token is the same",
        SOON,
        "return all('token-pair').every((pair) => pair.dataset.relation === 'different')",
    )
    .await?;
    page.reload().await?;
    page.until("a reload keeps both", SOON, "return all('token-pair')[0]?.dataset.nll === '0.4'").await?;
    let width = page.evaluate("return document.documentElement.scrollWidth <= window.innerWidth").await?;
    ensure!(width == true, "the page is wider than the window");
    page.click("show-tokens").await?;
    Ok(())
}

async fn the_chart_keeps_its_view(page: &Page) -> Result<()> {
    page.until(
        "random prefixes are a line",
        SOON,
        "return document.querySelector('.chart-svg .baseline-random') !== null",
    )
    .await?;
    page.click("chart-x-seconds").await?;
    address_has(page, "x=seconds").await?;
    page.click("chart-log").await?;
    page.click("chart-show-validation").await?;
    address_has(page, "hide=validation").await?;
    let hidden = "return document.querySelectorAll('.chart-svg path.series-validation').length === 0 \
        && document.querySelector('.chart-svg')?.textContent.includes('log scale')";
    page.reload().await?;
    page.until("a reload keeps the view", SOON, hidden).await?;
    page.driver.back().await?;
    page.until(
        "back shows the line",
        SOON,
        "return document.querySelectorAll('.chart-svg path.series-validation').length > 0",
    )
    .await
    .map(drop)
}

async fn figures_are_one_click_away(page: &Page) -> Result<()> {
    page.click("figure-training").await?;
    page.until(
        "the soft stage is drawn",
        SOON,
        "return document.querySelector('[data-testid=figure-chart] path.series-train') !== null",
    )
    .await?;
    page.click("figure-projection").await?;
    let levels = page.see_text("figure-levels", "Projected", SOON).await?;
    ensure!(levels.contains("Random prefixes") && levels.contains("2.500"), "{levels}");
    page.click("figure-hotflip").await?;
    page.see_text("figure-summary", &format!("{0} of {0}", SUFFIXES.len()), SOON).await?;
    ensure!(page.count("figure-slope").await? == SUFFIXES.len() as u64, "a line a suffix");
    page.reload().await?;
    page.see("figure-slope").await?;
    page.click("figure-methods").await?;
    page.until("each method has its runs", SOON, "return all('figure-method').length === 2").await?;
    page.click("figure-compare").await?;
    address_has(page, "teacher=").await?;
    let difference = page.see_text("compare-difference", "prefix_tokens", SOON).await?;
    ensure!(difference.contains('2') && difference.contains('3'), "{difference}");
    ensure!(page.count("compare-difference").await? == 1, "settings that are the same are shown");
    page.see_text("compare-count", "All 1 row", SOON).await?;
    page.click("compare-cell").await?;
    address_has(page, "method=").await?;
    page.until("one cell is left", SOON, "return all('compare-cell').length === 1").await.map(drop)
}

async fn the_pill_tells_more(page: &Page, address: &str) -> Result<()> {
    page.click("connection-pill").await?;
    page.see_text("connection-address", address, SOON).await?;
    page.see_text("connection-round-trip", "ms", SOON).await?;
    page.see_text("connection-protocol", "the same on both sides", SOON).await?;
    page.driver.active_element().await?.send_keys(Key::Escape).await?;
    page.until("Escape closes it", SOON, "return !shown('connection-details')").await.map(drop)
}

#[tokio::test]
async fn a_run_whose_worker_died_says_where_it_stood() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = FakeWorker::start(data.path()).await?;
    let (mut client, _) = Client::connect(&worker).await?;
    let script = Script { events: 500, score_every: 1_000, pause_ms: 20, ..Script::new(Ending::Wait) };
    let run = client.start(script.spec()).await?;
    client.wait_for(&run, RunPhase::Running).await?;
    with_browser("interrupted", async |browser| {
        let page = browser.open(&way_in(&worker), Viewport::PHONE).await?;
        page.see_text("connection-pill", "Live", SOON).await?;
        page.driver.goto(format!("http://{}/run/{run}", worker.address)).await?;
        page.see_text("run-state", "running", SOON).await?;
        // 1. It dies: the page says that what it shows is old.
        worker.kill().await?;
        page.see_text("connection-pill", "Reconnecting", SOON).await?;
        page.see("stale").await?;
        page.forgive_console().await?;
        // 2. Another worker has the same log.
        let worker = FakeWorker::start(data.path()).await?;
        page.driver.goto(way_in(&worker)).await?;
        page.see_text("connection-pill", "Live", SOON).await?;
        page.driver.goto(format!("http://{}/run/{run}", worker.address)).await?;
        page.see_text("run-state", "interrupted", SOON).await?;
        let failure = page.see_text("failure", "at step", SOON).await?;
        ensure!(failure.contains("Scripted") && failure.contains("of 500"), "{failure}");
        page.see_text("restart", "Resume from step", SOON).await?;
        page.click("restart").await?;
        page.until("it runs again", Duration::from_secs(30), "return textOf('run-state') === 'running'").await?;
        page.forgive_console().await
    })
    .await
}

#[tokio::test]
async fn a_static_folder_is_a_demo_on_every_page() -> Result<()> {
    let site = StaticSite::start()?;
    with_browser("static-pill", async |browser| {
        let page = browser.open(&site.address("/"), Viewport::PHONE).await?;
        page.see_text("connection-pill", "Demo", SOON).await?;
        page.click("connection-pill").await?;
        page.see_text("connection-round-trip", "no worker", SOON).await?;
        page.forgive_console().await
    })
    .await
}
