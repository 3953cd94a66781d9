//! The list of sessions: found again, named, tagged, deleted and brought back.
//!
//! The worker is the fake one, whose runs take no time; server, log, wire and page are the real ones.

use anyhow::{Context as _, Result, ensure};
use shared::wire::{Command, RunPhase};
use steerage_tests::browser::{Browser, Page, SOON, Viewport, quoted, with_browser};
use steerage_tests::client::Client;
use steerage_tests::script::{Ending, Script};
use steerage_tests::worker::FakeWorker;
use thirtyfour::prelude::{Key, TypingData};

const CATS: &str = "Talk only about cats.";
const FRENCH: &str = "Answer in French.";

async fn worker() -> Result<(tempfile::TempDir, FakeWorker, Client)> {
    let scratch = tempfile::tempdir()?;
    let worker = FakeWorker::start(scratch.path()).await?;
    let (client, _) = Client::connect(&worker).await?;
    Ok((scratch, worker, client))
}

/// Makes a run that ends at once.
async fn ended(client: &mut Client, teacher: &str, ending: Ending) -> Result<String> {
    let mut spec = Script::new(ending).spec();
    spec.teacher = teacher.to_owned();
    let run = client.start(spec).await?;
    let phase = if ending == Ending::Finish { RunPhase::Finished } else { RunPhase::Failed };
    client.wait_for(&run, phase).await?;
    Ok(run)
}

async fn label(client: &mut Client, run: &str, title: &str, tags: &[&str]) -> Result<()> {
    let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
    client.done(Command::LabelRun { run: run.to_owned(), title: Some(title.to_owned()), tags }).await?;
    Ok(())
}

async fn open(browser: &mut Browser, worker: &FakeWorker, query: &str, viewport: Viewport) -> Result<Page> {
    let page =
        browser.open(&format!("http://{}/sessions{query}#code={}", worker.address, worker.code), viewport).await?;
    page.see("sessions").await?;
    Ok(page)
}

async fn sees_count(page: &Page, text: &str) -> Result<()> {
    page.see_text("sessions-count", text, SOON).await.map(drop)
}

/// Waits until the address has a query.
async fn address_is(page: &Page, query: &str) -> Result<()> {
    let script = format!("return location.search === {}", quoted(query));
    page.until(&format!("the address ends in {query:?}"), SOON, &script).await.map(drop)
}

async fn has_focus(page: &Page, test_id: &str) -> Result<()> {
    let script = format!("return document.activeElement?.dataset.testid === '{test_id}'");
    page.until(&format!("{test_id} has the focus"), SOON, &script).await.map(drop)
}

async fn type_keys(page: &Page, keys: impl Into<TypingData>) -> Result<()> {
    let focused = page.driver.active_element().await?;
    focused.send_keys(keys).await.context("the focused element takes no keys")
}

fn enter() -> String {
    Key::Enter.value().to_string()
}

#[tokio::test]
async fn search_filters_and_order_live_in_the_address() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    for _ in 0..21 {
        ended(&mut client, CATS, Ending::Finish).await?;
    }
    let french = ended(&mut client, FRENCH, Ending::Finish).await?;
    label(&mut client, &french, "Zebra", &["paper"]).await?;
    let failed = ended(&mut client, FRENCH, Ending::Fail).await?;
    label(&mut client, &failed, "Aardvark", &["paper", "figure 2"]).await?;

    with_browser("sessions-find", async |browser| {
        let page = open(browser, &worker, "", Viewport::DESKTOP).await?;
        sees_count(&page, "Showing 20 of 23 runs.").await?;
        ensure!(page.count("session").await? == 20);
        page.click("sessions-more").await?;
        sees_count(&page, "Showing 23 of 23 runs.").await?;
        ensure!(page.count("sessions-more").await? == 0);
        address_is(&page, "?show=40").await?;

        page.fill("sessions-search", "zebra FRENCH").await?;
        sees_count(&page, "Showing 1 of 1 matching run; there are 23 in all.").await?;
        address_is(&page, "?q=zebra%20FRENCH").await?;
        page.driver.back().await?;
        sees_count(&page, "Showing 23 of 23 runs.").await?;
        page.until("the field is empty again", SOON, "return all('sessions-search')[0].value === ''").await?;
        page.driver.forward().await?;
        sees_count(&page, "Showing 1 of 1 matching run").await?;
        page.reload().await?;
        sees_count(&page, "Showing 1 of 1 matching run").await?;
        page.until("the field says so", SOON, "return all('sessions-search')[0].value === 'zebra FRENCH'").await?;

        // A run and back: the list is as it was.
        page.click("session-link").await?;
        page.see_text("run-teacher", FRENCH, SOON).await?;
        page.driver.back().await?;
        sees_count(&page, "Showing 1 of 1 matching run").await?;

        page.click("sessions-clear").await?;
        address_is(&page, "").await?;
        sees_count(&page, "Showing 20 of 23 runs.").await?;
        page.choose("sessions-state", "failed").await?;
        sees_count(&page, "Showing 1 of 1 matching run").await?;
        address_is(&page, "?state=failed").await?;
        page.choose("sessions-state", "").await?;
        page.choose("sessions-teacher", FRENCH).await?;
        sees_count(&page, "Showing 2 of 2 matching runs").await?;
        page.choose("sessions-order", "name").await?;
        page.see_text("session-link", "Aardvark", SOON).await?;
        page.choose("sessions-order", "gap").await?;
        page.see_text("session-link", "Zebra", SOON).await?;
        page.click("sessions-tag").await?;
        sees_count(&page, "Showing 1 of 1 matching run").await?;
        address_is(&page, "?teacher=Answer%20in%20French.&tag=figure%202&sort=gap").await?;

        let page = open(browser, &worker, "?q=no+such+words&state=finished", Viewport::DESKTOP).await?;
        page.see("sessions-none-match").await?;
        sees_count(&page, "Showing 0 of 0 matching runs; there are 23 in all.").await
    })
    .await
}

#[tokio::test]
async fn a_run_is_renamed_and_tagged_with_the_keyboard() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    ended(&mut client, CATS, Ending::Finish).await?;
    with_browser("sessions-label", async |browser| {
        let page = open(browser, &worker, "", Viewport::DESKTOP).await?;
        let other = open(browser, &worker, "", Viewport::DESKTOP).await?;
        page.see_text("session-link", CATS, SOON).await?;

        page.click("session-rename").await?;
        has_focus(&page, "session-editor-input").await?;
        type_keys(&page, "Nine lives" + Key::Enter).await?;
        page.see_text("session-link", "Nine lives", SOON).await?;
        has_focus(&page, "session-rename").await?;
        other.see_text("session-link", "Nine lives", SOON).await?;

        // Escape leaves everything as it was.
        type_keys(&page, enter()).await?;
        has_focus(&page, "session-editor-input").await?;
        type_keys(&page, "Another name" + Key::Escape).await?;
        has_focus(&page, "session-rename").await?;
        ensure!(page.count("session-editor").await? == 0);
        page.see_text("session-link", "Nine lives", SOON).await?;

        page.click("session-edit-tags").await?;
        has_focus(&page, "session-editor-input").await?;
        type_keys(&page, "x".repeat(41)).await?;
        page.see_text("session-editor-error", "at most 40 characters", SOON).await?;
        type_keys(&page, enter()).await?;
        ensure!(page.count("session-editor").await? == 1, "what is wrong is not saved");
        page.fill("session-editor-input", "paper, figure 2").await?;
        type_keys(&page, enter()).await?;
        page.until("both tags are there", SOON, "return all('session-tag').length === 2").await?;
        other.until("both tags are there", SOON, "return all('session-tag').length === 2").await?;

        page.reload().await?;
        page.see_text("session-link", "Nine lives", SOON).await?;
        ensure!(page.count("session-tag").await? == 2, "the labels stay");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_deletion_is_undone_with_one_key_and_everyone_sees_both() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    let run = ended(&mut client, CATS, Ending::Finish).await?;
    label(&mut client, &run, "Nine lives", &[]).await?;
    let running = client.start(Script::new(Ending::Wait).spec()).await?;
    client.wait_for(&running, RunPhase::Running).await?;
    with_browser("sessions-delete", async |browser| {
        let page = open(browser, &worker, "?sort=name", Viewport::DESKTOP).await?;
        let run_page = open(browser, &worker, "?sort=name", Viewport::DESKTOP).await?;
        run_page.click("session-link").await?;
        run_page.see("verdict").await?;

        sees_count(&page, "Showing 2 of 2 runs.").await?;
        let disabled = page.evaluate("return all('session-delete').map((button) => button.disabled)").await?;
        ensure!(disabled == serde_json::json!([false, true]), "what runs cannot be deleted: {disabled}");
        page.click("session-delete").await?;
        page.see_text("undo-status", "Deleted Nine lives.", SOON).await?;
        sees_count(&page, "Showing 1 of 1 run.").await?;
        run_page.see_text("unknown-run", "deleted", SOON).await?;

        has_focus(&page, "undo-delete").await?;
        type_keys(&page, enter()).await?;
        sees_count(&page, "Showing 2 of 2 runs.").await?;
        page.see_text("session-link", "Nine lives", SOON).await?;
        page.until("nothing is left to undo", SOON, "return !shown('undo')").await?;
        run_page.see("verdict").await
    })
    .await
}

#[tokio::test]
async fn the_list_says_when_it_is_empty_and_when_the_worker_is_away_and_fits_a_phone() -> Result<()> {
    let (_scratch, worker, mut client) = worker().await?;
    with_browser("sessions-states", async |browser| {
        let page = open(browser, &worker, "", Viewport::PHONE).await?;
        page.see_text("sessions-empty", "No runs yet", SOON).await?;
        let run = ended(&mut client, &format!("Say {}.", "meow".repeat(40)), Ending::Finish).await?;
        label(&mut client, &run, &"w".repeat(200), &["x".repeat(40).as_str(), "y"]).await?;
        page.until("the tags are there", SOON, "return all('session-tag').length === 2").await?;
        page.click("session-edit-tags").await?;
        page.see("session-editor").await?;
        let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        let overflow = page.evaluate(overflow).await?;
        ensure!(overflow == 0, "the page scrolls sideways by {overflow} pixels");

        worker.kill().await?;
        page.see_text("sessions-offline", "Not connected", SOON).await?;
        page.until("nothing can be deleted", SOON, "return all('session-delete')[0].disabled").await?;
        page.see_text("session-editor-error", "Not connected", SOON).await?;
        // The browser reports each attempt to reach the worker while it is away.
        page.forgive_console().await
    })
    .await
}
