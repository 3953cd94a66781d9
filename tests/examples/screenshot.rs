//! Makes the pictures of the README anew: `cargo xtask screenshot`.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use anyhow::{Context as _, Result};
use std::path::Path;
use std::time::Duration;
use steerage_tests::browser::{Page, Viewport, with_browser};
use steerage_tests::program::Worker;

const SEARCH: Duration = Duration::from_secs(20 * 60);
const VIEWPORT: Viewport = Viewport { width: 1100, height: 860 };

#[tokio::main]
async fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the root")?.join("docs/images");
    std::fs::create_dir_all(&folder)?;
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("screenshot", async |browser| {
        let page = browser.open(worker.address(), VIEWPORT).await?;
        page.click("start-example").await?;
        page.until("flips are shown", SEARCH, "return all('flip').length > 8").await?;
        keep(&page, &folder.join("live.png")).await?;
        page.see_text("run-state", "finished", SEARCH).await?;
        page.see("verdict").await?;
        keep(&page, &folder.join("result.png")).await
    })
    .await
}

async fn keep(page: &Page, path: &Path) -> Result<()> {
    page.evaluate("window.scrollTo(0, 0)").await?;
    page.driver.screenshot(path).await.with_context(|| format!("{} cannot be written", path.display()))?;
    println!("{}", path.display());
    Ok(())
}
