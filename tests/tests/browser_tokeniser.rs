//! The tokeniser on the start page: everything in it is computed in the browser, in a web worker.

use anyhow::{Result, ensure};
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::program::Worker;

#[tokio::test]
async fn tokens_show_while_typing_and_the_verdict_flips_with_a_banned_word() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("tokeniser", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        page.fill("tokeniser-input", "The old sofa").await?;
        let tokens = tokens(&page, 4).await?;
        ensure!(tokens == ["The", "·old", "·so", "fa"], "{tokens:?}");
        page.see_text("nontriviality-verdict", "Nontrivial", SOON).await?;

        page.fill("tokeniser-input", "The old sofa of cats").await?;
        page.see_text("nontriviality-verdict", "Not nontrivial", SOON).await?;
        broken(&page, "concepts").await?;

        // However it is spelled and however it is tokenised.
        page.fill("tokeniser-input", "The old sofa of f e-L i N e things").await?;
        page.see_text("nontriviality-verdict", "Not nontrivial", SOON).await?;
        broken(&page, "concepts").await?;

        page.fill("tokeniser-input", "The old sofa of fe").await?;
        page.see_text("nontriviality-verdict", "Nontrivial", SOON).await?;
        Ok(())
    })
    .await
}

/// Makes the script of every web worker one that is not there, for as long as `noWorkers` is true.
const NO_WORKERS: &str = r#"
window.noWorkers = true;
const RealWorker = window.Worker;
window.Worker = class extends RealWorker {
    constructor(address, options) { super(window.noWorkers ? "/no-such-script.js" : address, options); }
};
"#;

#[tokio::test]
async fn a_tokeniser_that_cannot_start_says_so_and_starts_when_tried_again() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("tokeniser-retry", async |browser| {
        let page = browser.new_page(Viewport::DESKTOP).await?;
        let before_any_script = serde_json::json!({ "source": NO_WORKERS });
        page.driver.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", before_any_script).await?;
        page.driver.goto(worker.address()).await?;
        page.see_text("tokeniser-error", "could not be fetched", SOON).await?;
        ensure!(page.count("tokeniser-loading").await? == 0, "it is not being loaded any more");
        ensure!(page.count("nontriviality-verdict").await? == 0, "nobody can have judged");
        // The browser itself complains about the missing script, and rightly.
        page.forgive_console().await?;

        page.evaluate("window.noWorkers = false").await?;
        page.click("tokeniser-retry").await?;
        page.see_text("nontriviality-verdict", "ontrivial", SOON).await?;
        ensure!(page.count("tokeniser-error").await? == 0, "there is no error any more");
        Ok(())
    })
    .await
}

/// The tokens as they are shown, once there are so many.
async fn tokens(page: &Page, count: usize) -> Result<Vec<String>> {
    let script = format!(
        r#"const tokens = [...all("tokeniser-tokens")[0].querySelectorAll("li[data-token-id] .token-text")];
        return tokens.length === {count} && tokens.map((token) => token.innerText)"#
    );
    let tokens = page.until("tokens are shown", SOON, &script).await?;
    Ok(serde_json::from_value(tokens)?)
}

async fn broken(page: &Page, rule: &str) -> Result<()> {
    let script = format!(r#"return all("finding-{rule}").some((finding) => finding.dataset.passed === "false")"#);
    page.until(&format!("the rule {rule} is shown as broken"), SOON, &script).await?;
    Ok(())
}
