//! Several tabs of one browser: they share a socket, and none needs another.

use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::program::Worker;
use steerage_tests::small_run::{self, SMALL_RUN};

/// A worker closes HTTP connections that are idle for 5 seconds; sockets remain.
const ONLY_SOCKETS_REMAIN: Duration = Duration::from_secs(30);

/// Waits until as many connections to the worker are open, as the system counts them.
async fn connections(worker: &Worker, wanted: usize) -> Result<()> {
    let start = Instant::now();
    loop {
        let open = worker.connections()?;
        if open == wanted {
            return Ok(());
        }
        ensure!(start.elapsed() < ONLY_SOCKETS_REMAIN, "{open} connections are open, not {wanted}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Opens the details of the connection and waits until they say whose the socket is; they are closed again, because as
/// long as they are open they measure.
async fn socket_is(page: &Page, says: &str) -> Result<()> {
    page.click("connection-pill").await?;
    page.see_text("connection-socket", says, SOON).await?;
    page.click("connection-pill").await
}

/// Lets an interrupted run go on, and waits until it is further than it was.
async fn resumes(page: &Page) -> Result<()> {
    let label = page.see_text("restart", "Resume from step", SOON).await?;
    let step: u64 = label.rsplit(' ').next().context("a step")?.parse()?;
    let clicked = Instant::now();
    page.click("restart").await?;
    page.see_text("run-state", "running", SOON).await?;
    let progress = "all('step').find((step) => step.dataset.stage === 'hotflip')?.querySelector('progress')";
    let is_further = format!("const bar = {progress}; return bar && bar.value / bar.max * 500 > {step}");
    page.until(&format!("it is beyond step {step}"), SMALL_RUN, &is_further).await?;
    eprintln!("beyond step {step} again after {:?}", clicked.elapsed());
    Ok(())
}

#[tokio::test]
async fn tabs_share_one_socket_and_each_gets_its_own() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    let port = worker.port()?;
    with_browser("tabs", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        page.see_text("connection-pill", "Live", SOON).await?;
        socket_is(&page, "of this page alone").await?;
        small_run::fill_in(&page).await?;
        page.fill("field-stages[2].steps", "500").await?;
        page.fill("field-stages[2].patience", "500").await?;
        page.click("start-run").await?;
        page.until("there is a best prefix", SMALL_RUN, "return shown('best-prefix')").await?;
        let run = page.driver.current_url().await?;
        let first = page.driver.window().await?;

        // A second tab gets the whole log, the first goes on, and the worker sees one client.
        let second = page.driver.new_tab().await?;
        page.driver.switch_to_window(second.clone()).await?;
        page.driver.goto(run.as_str()).await?;
        page.see_text("run-state", "running", SOON).await?;
        page.until("the log is replayed", SOON, "return shown('best-prefix') && chartHasPoints()").await?;
        let third = page.driver.new_tab().await?;
        page.driver.switch_to_window(third.clone()).await?;
        page.driver.goto(&worker.page("/")).await?;
        socket_is(&page, "one for 3 pages of this browser").await?;
        connections(&worker, 1).await?;

        // What one tab asks for, the others see.
        page.driver.switch_to_window(second.clone()).await?;
        page.click("pause").await?;
        page.see_text("control-status", "Paused", SOON).await?;
        page.driver.switch_to_window(first.clone()).await?;
        page.see_text("run-state", "paused", SOON).await?;

        // The tab that had the socket first goes; the others do not notice.
        page.driver.close_window().await?;
        page.driver.switch_to_window(second.clone()).await?;
        socket_is(&page, "one for 2 pages of this browser").await?;
        page.click("resume").await?;
        page.see_text("run-state", "running", SOON).await?;
        connections(&worker, 1).await?;

        // The worker goes and comes again: all come back, to one socket.
        worker.stop()?;
        page.see_text("connection-pill", "Reconnecting", SOON).await?;
        let worker = Worker::start_on(data.path(), port)?;
        page.see_text("connection-pill", "Live", SMALL_RUN).await?;
        page.see_text("run-state", "interrupted", SOON).await?;
        resumes(&page).await?;
        page.driver.switch_to_window(third).await?;
        page.see_text("connection-pill", "Live", SMALL_RUN).await?;
        socket_is(&page, "one for 2 pages of this browser").await?;
        connections(&worker, 1).await?;
        // The sockets that failed meanwhile are on the console.
        page.forgive_console().await?;

        // The last tab takes the socket with it.
        page.driver.goto("about:blank").await?;
        page.driver.switch_to_window(second).await?;
        page.driver.goto("about:blank").await?;
        connections(&worker, 0).await
    })
    .await
}

#[tokio::test]
async fn without_a_shared_worker_a_page_has_its_own_socket() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    let lacks = "delete globalThis.SharedWorker";
    let fails = "const Real = SharedWorker;
        globalThis.SharedWorker = function (script, options) { return new Real('/no-such-script.js', options) }";
    with_browser("tabs-fallback", async |browser| {
        for (index, browsers) in [lacks, fails].into_iter().enumerate() {
            let page = browser.new_page(Viewport::DESKTOP).await?;
            let script = serde_json::json!({ "source": browsers });
            page.driver.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", script).await?;
            page.driver.goto(worker.address()).await?;
            page.see_text("connection-pill", "Live", SOON).await?;
            socket_is(&page, "of this page alone").await?;
            connections(&worker, index + 1).await.with_context(|| browsers.to_owned())?;
            page.forgive_console().await?;
        }
        Ok(())
    })
    .await
}
