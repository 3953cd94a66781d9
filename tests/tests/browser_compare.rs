//! Runs side by side.

use anyhow::{Result, ensure};
use steerage_tests::browser::{SOON, Viewport, with_browser};
use steerage_tests::program::Worker;
use steerage_tests::small_run;

#[tokio::test]
async fn runs_of_a_method_stand_in_one_cell_and_the_baseline_in_the_address() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("compare", async |browser| {
        let page = browser.open(worker.address(), Viewport::PHONE).await?;
        page.follow("Compare").await?;
        page.see("compare-empty").await?;

        small_run::finish(&page).await?;
        let gap = page.text("gap-closed").await?.unwrap_or_default();
        page.follow("Compare").await?;
        let cell = page.see_text("compare-seed", "seed 0", SOON).await?;
        ensure!(gap.contains(cell.trim_start_matches("seed 0: ")), "{cell}, but the run says {gap}");
        let width = page.evaluate("return document.documentElement.scrollWidth").await?;
        ensure!(width.as_u64().is_some_and(|width| width <= 360), "the page is {width} pixels wide");

        // Another method on the same reference and seed makes a pair.
        small_run::fill_in(&page).await?;
        page.choose("field-preset", "pure-hotflip-quick").await?;
        for (field, value) in [("train", "2"), ("validation", "1"), ("test", "2")] {
            page.fill(&format!("field-suffixes.{field}"), value).await?;
        }
        page.fill("field-max_completion_tokens", "6").await?;
        page.unfold("fold-hotflip").await?;
        page.fill("field-stages[0].steps", "1").await?;
        page.fill("field-stages[0].candidates", "2").await?;
        page.click("start-run").await?;
        page.see_text("run-state", "finished", small_run::SMALL_RUN).await?;
        page.follow("Compare").await?;
        page.choose("compare-baseline", "pure-hotflip-quick").await?;
        page.until("the address says so", SOON, "return location.search === '?baseline=pure-hotflip-quick'").await?;
        page.see_text("compare-pair", "hybrid-quick", SOON).await?;
        page.reload().await?;
        page.see_text("compare-pair", "hybrid-quick", SOON).await?;
        page.click("compare-seed").await?;
        page.see("verdict").await
    })
    .await
}
