//! Attaching the page of one worker to another one: every check fails for its own reason, and passes once what
//! it names is done.

use anyhow::{Result, ensure};
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::program::Worker;

#[tokio::test]
async fn a_page_attaches_to_another_worker_once_every_check_passes_and_finds_its_way_back() -> Result<()> {
    let (own_data, other_data) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let own = Worker::start(own_data.path())?;
    // A port that is free for the rest of the test, as far as that can be had.
    let other = Worker::start(other_data.path())?;
    let port = other.port()?;
    other.stop()?;
    let token = std::fs::read_to_string(other_data.path().join("token"))?.trim().to_owned();
    let (origin, own_origin) = (format!("http://127.0.0.1:{port}"), own.page(""));
    let option = format!("--allow-origin {own_origin}");
    with_browser("attach", async |browser| {
        let page = browser.open(own.address(), Viewport::DESKTOP).await?;
        page.see_text("connection-pill", "Live", SOON).await?;
        page.driver.goto(own.page("/attach")).await?;
        page.fill("field-address", "https://lab.example:7469").await?;
        page.see_text("error-address", "does not speak https", SOON).await?;
        page.fill("field-address", &format!("{origin}/?token={token}")).await?;
        page.see_text("error-address", "never belongs in an address", SOON).await?;

        page.fill("field-address", &origin).await?;
        page.click("attach-check").await?;
        state(&page, "reachable", "failed").await?;
        state(&page, "origin", "waiting").await?;
        page.see_text("check-command", &option, SOON).await?;
        // The browser itself reports that nobody answers.
        page.forgive_console().await?;

        let other = Worker::start_on(other_data.path(), port)?;
        page.click("attach-check").await?;
        state(&page, "reachable", "passed").await?;
        state(&page, "origin", "failed").await?;
        let command = page.see_text("check-command", &option, SOON).await?;
        ensure!(command.trim() == format!("steerage serve --port {port} {option}"), "{command}");
        may_attach(&page, false).await?;
        other.stop()?;

        let other = Worker::start_with(other_data.path(), port, &["--allow-origin", &own_origin])?;
        page.fill("attach-token", &"0".repeat(64)).await?;
        page.click("attach-check").await?;
        for check in ["address", "reachable", "origin", "protocol"] {
            state(&page, check, "passed").await?;
        }
        state(&page, "token", "failed").await?;
        page.see_text("check-token", "/token", SOON).await?;
        may_attach(&page, false).await?;

        page.fill("attach-token", &token).await?;
        page.click("attach-check").await?;
        state(&page, "token", "passed").await?;
        state(&page, "models", "passed").await?;
        state(&page, "device", "passed").await?;
        may_attach(&page, true).await?;
        page.click("attach").await?;
        attached_to(&page, &origin).await?;
        page.see_text("connection-pill", "Live", SOON).await?;
        // Its tokenizer comes from there too.
        page.see_text("nontriviality-verdict", "ontrivial", SOON).await?;
        let address = page.driver.current_url().await?;
        ensure!(address.query().is_none() && address.fragment().is_none(), "{address} says too much");

        page.reload().await?;
        attached_to(&page, &origin).await?;
        page.see_text("connection-pill", "Live", SOON).await?;

        // The page was attached, and not its own worker that answered.
        other.stop()?;
        page.see_text("connection-pill", "Reconnecting", SOON).await?;
        page.click("detach").await?;
        page.see_text("connection-pill", "Live", SOON).await?;
        ensure!(page.count("attached").await? == 0, "the page says that it is attached");
        page.forgive_console().await?;

        page.driver.goto(own.page("/attach")).await?;
        page.fill("field-port", &port.to_string()).await?;
        page.fill("field-host", "-oProxyCommand=x").await?;
        page.see("error-host").await?;
        ensure!(page.count("ssh-command").await? == 0, "an option is no host");
        page.fill("field-host", "me@lab.example").await?;
        let tunnel = page.see_text("ssh-command", "me@lab.example", SOON).await?;
        ensure!(tunnel.trim() == format!("ssh -N -L {port}:127.0.0.1:{port} me@lab.example"), "{tunnel}");
        page.see_text("serve-command", &option, SOON).await?;
        Ok(())
    })
    .await
}

async fn state(page: &Page, check: &str, state: &str) -> Result<()> {
    let script = format!(r#"return all("check-{check}").some((row) => row.dataset.state === "{state}")"#);
    page.until(&format!("the check {check} is {state}"), SOON, &script).await?;
    Ok(())
}

async fn may_attach(page: &Page, may: bool) -> Result<()> {
    let script = format!(r#"return all("attach").some((button) => button.disabled !== {may})"#);
    page.until(if may { "the page may attach" } else { "the page may not attach" }, SOON, &script).await?;
    Ok(())
}

async fn attached_to(page: &Page, origin: &str) -> Result<()> {
    let script = format!(r#"return all("attached").some((bar) => bar.dataset.origin === "{origin}")"#);
    page.until(&format!("the page is attached to {origin}"), SOON, &script).await?;
    Ok(())
}
