//! The tokeniser on the start page: everything in it is computed in the page.

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
