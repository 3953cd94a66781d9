//! The tokeniser on the start page: everything in it is computed in the browser, in a web worker.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use shared::nontriviality::Rules;
use shared::spec::Constraints;
use shared::tokens::PromptTokenizer;
use std::time::Duration;
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::program::Worker;
use worker::checkpoint::Checkpoint;
use worker::models::{DEFAULT_MODEL, ModelStore};

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

/// Prefixes that are hard to judge: disguises, other scripts, marks that turn the text or do not show, blanks at the
/// ends, and some that keep or break one rule each.
const HARD: [&str; 20] = [
    "c-a-t",
    "\u{FF43}\u{FF41}\u{FF54}s",
    "The C A T S of old",
    "a fe line thing",
    "c\u{E1}t",
    "cat\u{301} nap",
    "concatenate the magic attic",
    "\u{202E}tac",
    "ca\u{200B}t",
    "\u{FEFF}hello",
    "кот и кошка",
    "\u{732B}の話",
    "\u{1F408} purr",
    "Talk only about cats.",
    "TALK Only",
    "lk only abou",
    "  blanks at both ends ",
    "tab\there",
    "line\nbreak",
    " Speak just regarding pets.",
];

/// Asks a tokeniser of its own, the questions after the first once that is answered.
const ASK: &str = r#"
window.answers = [];
const thread = new Worker("/start-tokeniser.js", { type: "module" });
thread.onmessage = ({ data }) => {
    const said = JSON.parse(data);
    if (said.ready) return thread.postMessage(questions[0]);
    window.answers.push(data);
    if (said.answered?.id === 0) questions.slice(1).forEach((question) => thread.postMessage(question));
};
"#;

#[tokio::test]
async fn the_browser_judges_as_the_worker_does_byte_for_byte() -> Result<()> {
    const REFERENCE: &str = "Talk only about cats.";
    const SUFFIXES: [&str; 3] = ["Tell me a joke.", "\u{BF}Qu\u{E9}?", "s and more"];
    let constraints = Constraints { ban_concepts: vec!["cat".to_owned(), "feline".to_owned()], ..Default::default() };
    let data = tempfile::tempdir()?;
    let worker = Worker::start(data.path())?;
    with_browser("tokeniser-verdicts", async |browser| {
        let page = browser.open(worker.address(), Viewport::DESKTOP).await?;
        let token = std::fs::read_to_string(data.path().join("token"))?;
        let load = json!({ "load": { "model": DEFAULT_MODEL, "origin": "", "token": token.trim() } });
        let judge = |prefix: &str| {
            let against = json!({ "reference": REFERENCE, "constraints": constraints });
            json!({ "judge": {
                "model": DEFAULT_MODEL, "prefix": prefix, "against": against, "separator": "\n", "suffixes": SUFFIXES
            } })
        };
        let questions = std::iter::once(load).chain(HARD.map(judge)).enumerate();
        let asked: Vec<String> =
            questions.map(|(id, question)| json!({ "id": id, "question": question }).to_string()).collect();
        page.evaluate(&format!("const questions = {};\n{ASK}", json!(asked))).await?;
        let all = format!("return window.answers.length > {} && window.answers", HARD.len());
        let answers = page.until("everything is answered", Duration::from_secs(60), &all).await?;
        let answers: Vec<String> = serde_json::from_value(answers)?;

        let bundle = Checkpoint::find(DEFAULT_MODEL, &ModelStore::from_env())?.tokenizer()?.context("no tokenizer")?;
        let tokenizer = PromptTokenizer::new(&bundle)?;
        let rules = Rules::new(&constraints, REFERENCE, &tokenizer.encode(REFERENCE)?, tokenizer.vocabulary());
        let mut passed = 0;
        for (prefix, (id, answer)) in HARD.iter().zip((1..).zip(&answers[1..])) {
            let ids = tokenizer.encode(prefix)?;
            let round_trip = tokenizer.round_trip(&ids, "\n", SUFFIXES)?;
            let verdict = rules.verdict(tokenizer.vocabulary(), &ids, Some(&round_trip));
            passed += usize::from(verdict.passed);
            let verdict = serde_json::to_string(&verdict)?;
            let expected =
                format!(r#"{{"answered":{{"id":{id},"outcome":{{"Ok":{{"judged":{{"verdict":{verdict}}}}}}}}}}}"#);
            ensure!(*answer == expected, "{prefix:?}: the browser says\n{answer}\nand the worker\n{expected}");
        }
        ensure!((2..HARD.len() / 2).contains(&passed), "{passed} prefixes pass: choose others");
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
