//! The form of a new run while it is filled in: what the constraints ban, prompts from files, the same run on
//! the command line, and a form that begins as an earlier run.

use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::Command;
use steerage_tests::browser::{Page, SOON, Viewport, quoted, with_browser};
use steerage_tests::program::{Worker, program};

#[tokio::test]
async fn the_form_shows_what_it_means_while_it_is_filled_in() -> Result<()> {
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    let files = tempfile::tempdir()?;
    with_browser("constraints", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        page.follow("New run").await?;
        bans(&page).await?;
        pages_of_prompts(&page).await?;
        files_of_prompts(&page, files.path()).await?;
        command_line(&page, files.path()).await?;
        duplicates(&page).await
    })
    .await
}

async fn bans(page: &Page) -> Result<()> {
    page.see_text("banned-count", "of 49,152 tokens", SOON).await?;
    let reference = page.text("reference-tokens").await?.context("the reference's tokens")?;
    ensure!(reference.contains("Talk") && reference.contains("cats"), "{reference}");
    ensure!(page.count("banned-warning").await? == 0, "the default is not too broad");

    page.fill("concept-input", "++").await?;
    page.see_text("concept-input-error", "neither letter nor digit", SOON).await?;
    page.fill("concept-input", "whiskerless, of, the, and, for, with, from, time, work, water, house, tree").await?;
    page.click("concept-add").await?;
    page.see_text("banned-warning", "\"of\" is short", SOON).await?;
    page.unfold("fold-concept-tokens").await?;
    // A word that the vocabulary does not have is a group of tokens, and all of it is banned.
    let group = r#"return all("concept-tokens").filter((word) => word.innerText.includes("whiskerless"))
        .flatMap((word) => [...word.querySelectorAll(".spelling")])
        .some((spelling) => spelling.dataset.ids.split(" ").length > 1)"#;
    page.until("a word is shown as a group of tokens", SOON, group).await?;

    page.see_text("banned-shown", "Showing 40 of ", SOON).await?;
    ensure!(page.count("banned-token").await? == 40, "40 chips are 40 tokens");
    page.click("banned-more").await?;
    page.until("more tokens are shown", SOON, "return all('banned-token').length > 40").await?;
    page.click("banned-fewer").await?;
    page.see_text("banned-shown", "Showing 40 of ", SOON).await?;
    page.click("reset-draft").await?;
    Ok(())
}

async fn pages_of_prompts(page: &Page) -> Result<()> {
    page.see_text("suffix-rows-shown", "Showing 1 to 10 of ", SOON).await?;
    page.see_text("suffix-rows-summary", "Steerability shows here once", SOON).await?;
    page.click("suffix-rows-on").await?;
    page.see_text("suffix-rows-shown", "Showing 11 to ", SOON).await?;
    page.click("suffix-rows-back").await?;
    page.see_text("suffix-rows-shown", "Showing 1 to 10 of ", SOON).await?;
    page.fill("field-suffixes.min_steerability", "-1").await?;
    page.see_text("error-suffixes.min_steerability", "0 to 100", SOON).await?;
    page.fill("field-suffixes.min_steerability", "").await?;
    Ok(())
}

async fn files_of_prompts(page: &Page, folder: &Path) -> Result<()> {
    page.click("suffixes-own").await?;
    page.fill("field-suffixes.texts", "Name a river.\nName a river.").await?;
    page.see_text("error-suffixes.texts", "line 2: the suffix stands there twice", SOON).await?;
    // Pasted JSON lines are no prompts, one a line; they are read when asked for.
    page.fill("field-suffixes.texts", "{\"prompt\": \"Name a river.\"}\n{\"prompt\": 7}").await?;
    page.click("suffixes-read-pasted").await?;
    page.see_text("suffix-file-error", "pasted text: line 2, column 1", SOON).await?;
    page.fill("field-suffixes.texts", "{\"prompt\": \"Name a river.\"}\n{\"prompt\": \"Sing.\"}").await?;
    page.click("suffixes-read-pasted").await?;
    let lines = "return all('field-suffixes.texts')[0].value === 'Name a river.\\nSing.'";
    page.until("pasted JSON lines are prompts", SOON, lines).await?;
    page.fill("field-suffixes.texts", "Name a river.\nSing a song.").await?;

    pick(page, &folder.join("wrong.csv"), "id,text\n1,What is rain?\n2, \n").await?;
    page.see_text("suffix-file-error", "wrong.csv: line 3, column 2", SOON).await?;
    let typed = page.evaluate("return all('field-suffixes.texts')[0].value").await?;
    ensure!(typed == "Name a river.\nSing a song.", "a wrong file changed the form: {typed}");
    let bytes = r#"new Uint8Array([79, 110, 101, 10, 255])"#;
    drop_file(page, "bytes.txt", bytes).await?;
    page.see_text("suffix-file-error", "bytes.txt: line 2, column 1", SOON).await?;

    let lines = "{\"text\": \"One\", \"split\": \"test\"}\n{\"text\": \"Two\\nlines\", \"split\": \"train\"}\n";
    pick(page, &folder.join("prompts.jsonl"), lines).await?;
    page.see_text("suffix-file-status", "2 prompts were taken from prompts.jsonl", SOON).await?;
    page.see_text("suffixes-listed", "2 prompts", SOON).await?;
    ensure!(page.count("suffix-file-error").await? == 0, "the error is still there");
    let rows = "return all('suffix-row').map((row) => row.dataset.split).join(' ') === 'train test'";
    page.until("the file's splits are kept", SOON, rows).await?;
    may_start(page).await?;

    drop_file(page, "dropped.txt", &quoted("What is rain?\nSummarise the text above.\nName a river.")).await?;
    page.see_text("suffix-file-status", "3 prompts were taken from dropped.txt", SOON).await?;
    page.see_text("suffix-refers", "text above", SOON).await?;
    may_start(page).await
}

/// What the form offers for the command line is taken there, and means the same.
async fn command_line(page: &Page, folder: &Path) -> Result<()> {
    page.unfold("fold-export").await?;
    let line = page.see_text("cli-line", "steerage run", SOON).await?;
    ensure!(line.trim() == "steerage run steerage-run.toml", "prompts have no option: {line}");
    same_run(page, folder).await?;

    page.click("suffixes-built-in").await?;
    page.click("reset-draft").await?;
    page.fill("field-teacher", "-Don't say \"no\"; $HOME").await?;
    page.fill("field-seed", "7").await?;
    page.fill("field-suffixes.min_steerability", "0.05").await?;
    page.unfold("fold-walk").await?;
    page.fill("field-stages[0].rounds", "3").await?;
    let line = page.see_text("cli-line", "--set walk.rounds=3", SOON).await?;
    ensure!(line.contains("--min-steerability 0.05") && line.contains("--seed 7"), "{line}");
    same_run(page, folder).await
}

async fn same_run(page: &Page, folder: &Path) -> Result<()> {
    let text = async |test_id: &str| page.text(test_id).await?.with_context(|| format!("no {test_id}"));
    let (line, toml) = (text("cli-line").await?, text("toml").await?);
    std::fs::write(folder.join("steerage-run.toml"), toml)?;
    let folder_of_programs = program()?.parent().context("a folder")?.to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(folder_of_programs).chain(std::env::split_paths(&path)))?;
    let spec_of = |line: &str| -> Result<String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{line} --print-spec")]).current_dir(folder).env("PATH", &path);
        let output = shell.output()?;
        ensure!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let (from_line, from_file) = (spec_of(line.trim())?, spec_of("steerage run steerage-run.toml")?);
    ensure!(from_line == from_file, "{line} means\n{from_line}\nand the file\n{from_file}");
    ensure!(from_line.contains("[[stages]]"), "{from_line}");
    Ok(())
}

/// A run that was cancelled at once: its spec is what matters.
async fn duplicates(page: &Page) -> Result<()> {
    page.click("reset-draft").await?;
    page.fill("field-prefix_tokens", "5").await?;
    page.see_text("time-outlook", "no run with these settings has finished", SOON).await?;
    page.click("start-run").await?;
    page.click("cancel").await?;
    page.see_text("run-state", "cancelled", 3 * SOON).await?;
    let prefix_tokens = "return all('field-prefix_tokens')[0]?.value === '5'";
    for (from, button) in [("Sessions", "session-duplicate"), ("the run", "vary")] {
        if from == "the run" {
            page.follow("Sessions").await?;
            page.click("session-link").await?;
        } else {
            // So that not the draft that is kept anyway shows up again.
            page.follow("New run").await?;
            page.click("reset-draft").await?;
            page.follow("Sessions").await?;
        }
        page.click(button).await?;
        page.see("start-run").await?;
        page.until(&format!("the form of {from} has the run's prefix length"), SOON, prefix_tokens).await?;
        page.click("reset-draft").await?;
        page.until("the draft is another", SOON, "return all('field-prefix_tokens')[0].value !== '5'").await?;
    }
    Ok(())
}

async fn pick(page: &Page, file: &Path, content: &str) -> Result<()> {
    std::fs::write(file, content)?;
    let path = file.to_str().context("a path that can be typed")?.to_owned();
    page.element("suffix-file").await?.send_keys(path).await.context("the file cannot be picked")
}

async fn drop_file(page: &Page, name: &str, content: &str) -> Result<()> {
    let name = quoted(name);
    let script = format!(
        r#"const data = new DataTransfer();
        data.items.add(new File([{content}], {name}));
        const options = {{ dataTransfer: data, bubbles: true, cancelable: true }};
        all("suffix-drop")[0].dispatchEvent(new DragEvent("drop", options));"#
    );
    page.evaluate(&script).await?;
    Ok(())
}

async fn may_start(page: &Page) -> Result<()> {
    page.until("the run may start", SOON, "return all('start-run').some((button) => !button.disabled)").await?;
    Ok(())
}
