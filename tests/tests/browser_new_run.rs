//! The form of a new run: it refuses what the worker would refuse, and says why beside the field.

use anyhow::{Result, ensure};
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::program::Worker;
use steerage_tests::small_run;

#[tokio::test]
async fn a_wrong_value_is_refused_with_the_reason_beside_its_field() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("new-run-refused", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        page.follow("New run").await?;
        may_start(&page, true).await?;
        page.see_text("banned-count", "Bans ", SOON).await?;
        page.unfold("fold-walk").await?;
        page.unfold("fold-objective").await?;
        for (field, wrong, reason) in [
            ("prefix_tokens", "0", "1 to 64"),
            ("prefix_tokens", "many", "many"),
            ("prefix_tokens", "", "number"),
            ("suffixes.test", "9999", "test"),
            ("stages[0].near", "0", "1 to 4096"),
            ("early_weight", "NaN", "NaN"),
            ("teacher", "", "empty"),
        ] {
            page.fill(&format!("field-{field}"), wrong).await?;
            page.see_text(&format!("error-{field}"), reason, SOON).await?;
            may_start(&page, false).await?;
            page.click("reset-draft").await?;
            may_start(&page, true).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_the_form_says_is_what_runs() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("new-run", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        small_run::finish(&page).await?;
        let rows = page.count("result-row").await?;
        ensure!(rows == 5, "2 train, 1 validation and 2 test suffixes are 5 rows, found {rows}");
        let splits = page.evaluate("return all('result-row').map((row) => row.dataset.split).join(' ')").await?;
        ensure!(splits.as_str().is_some_and(|splits| splits.matches("test").count() == 2), "{splits}");
        page.see("completions").await?;
        page.see("flip-log").await
    })
    .await
}

async fn may_start(page: &Page, may: bool) -> Result<()> {
    let script = format!(r#"return all("start-run").some((button) => button.disabled !== {may})"#);
    page.until(if may { "the run may start" } else { "the run may not start" }, SOON, &script).await?;
    Ok(())
}
