//! Makes the pictures in `docs/images` anew: `cargo xtask screenshot`.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use anyhow::{Context as _, Result};
use std::path::Path;
use std::time::Duration;
use steerage_tests::accessibility::{THEMES, show_theme};
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::program::Worker;

const SEARCH: Duration = Duration::from_secs(20 * 60);
const README: Viewport = Viewport { width: 1100, height: 860 };

/// Every page: its name in the file, its address, and what is there once it can be seen.
const PAGES: [(&str, &str, &str); 6] = [
    ("start", "/", "start-example"),
    ("new-run", "/new", "start-run"),
    ("sessions", "/sessions", "session-list"),
    ("compare", "/compare", "compare-grid"),
    ("attach", "/attach", "serve-command"),
    ("recorded-run", "/demo?at=60", "stepper"),
];

#[tokio::main]
async fn main() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the root")?.join("docs/images");
    std::fs::create_dir_all(folder.join("pages"))?;
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("screenshot", async |browser| {
        let page = browser.open(worker.address(), README).await?;
        page.click("start-example").await?;
        page.see_text("run-state", "finished", SEARCH).await?;
        page.see("verdict").await?;
        keep(&page, &folder.join("result.png")).await?;
        let result = page.driver.current_url().await?.path().to_owned();

        for (device, viewport) in [("desktop", Viewport::DESKTOP), ("phone", Viewport::PHONE)] {
            // The launch code signs the new profile in.
            let page = browser.open(worker.address(), viewport).await?;
            page.see_text("connection-pill", "Live", SOON).await?;
            let pages = PAGES.into_iter().chain([("result", result.as_str(), "verdict")]);
            for (name, path, sign) in pages {
                page.driver.goto(worker.page(path)).await?;
                page.see(sign).await?;
                for theme in THEMES {
                    show_theme(&page, theme).await?;
                    keep(&page, &folder.join(format!("pages/{name}-{device}-{theme}.png"))).await?;
                }
            }
        }
        Ok(())
    })
    .await
}

async fn keep(page: &Page, path: &Path) -> Result<()> {
    page.evaluate("window.scrollTo(0, 0)").await?;
    page.driver.screenshot(path).await.with_context(|| format!("{} cannot be written", path.display()))?;
    println!("{}", path.display());
    Ok(())
}
