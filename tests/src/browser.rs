//! A real Chromium, driven over WebDriver.
//!
//! Each test starts a chromedriver of its own on a free port. A page is found by its `data-testid`s,
//! and waited for: nothing sleeps for a fixed time. Any error on the console fails the test, and a
//! failed test leaves a picture, the text and the console of every open page behind.

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::FutureExt as _;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use thirtyfour::LoggingPrefsLogLevel;
use thirtyfour::prelude::*;

/// How long the page may take for what needs no search.
pub const SOON: Duration = Duration::from_secs(20);

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A chromedriver and the pages that it opened.
pub struct Browser {
    driver: Child,
    port: u16,
    pages: Vec<Page>,
}

/// One page in a browser profile of its own: no other page shares its storage.
#[derive(Clone)]
pub struct Page {
    /// The session, for what the methods here do not cover.
    pub driver: WebDriver,
}

/// Size of a page, in CSS pixels.
#[derive(Clone, Copy, Debug)]
pub struct Viewport {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Viewport {
    /// An ordinary desktop window.
    pub const DESKTOP: Viewport = Viewport { width: 1280, height: 900 };
    /// The narrowest phone that the page is made for.
    pub const PHONE: Viewport = Viewport { width: 360, height: 740 };
}

/// Runs a test with a browser and closes all of it whatever happens.
pub async fn with_browser(name: &str, test: impl AsyncFnOnce(&mut Browser) -> Result<()>) -> Result<()> {
    let mut browser = Browser::start()?;
    let mut outcome = AssertUnwindSafe(test(&mut browser)).catch_unwind().await;
    if let Ok(Ok(())) = outcome {
        outcome = Ok(browser.check_consoles().await);
    }
    if !matches!(outcome, Ok(Ok(()))) {
        browser.keep_evidence(name).await;
    }
    for page in std::mem::take(&mut browser.pages) {
        // A page that does not close any more is no news beside the outcome.
        let _ = page.driver.quit().await;
    }
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

impl Browser {
    fn start() -> Result<Browser> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver does not start; `cargo xtask test chromium` installs it")?;
        let stdout = driver.stdout.take().context("chromedriver has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let port = loop {
            let line = lines.next().context("chromedriver ended before it listened")??;
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().with_context(|| format!("no port in: {line}"))?;
            }
        };
        // Nobody reads on; the pipe stays open all the same, so that chromedriver can write.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Browser { driver, port, pages: Vec::new() })
    }

    /// Opens an address in a new, empty profile.
    pub async fn open(&mut self, address: &str, viewport: Viewport) -> Result<Page> {
        let page = self.new_page(viewport).await?;
        page.driver.goto(address).await.with_context(|| "the page does not load")?;
        Ok(page)
    }

    /// A blank page in a new, empty profile.
    pub async fn new_page(&mut self, viewport: Viewport) -> Result<Page> {
        let mut capabilities = DesiredCapabilities::chrome();
        // Chromedriver makes an empty profile for each session and removes it afterwards.
        for arg in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--force-prefers-reduced-motion",
        ] {
            capabilities.add_arg(arg)?;
        }
        capabilities.add_arg(&format!("--window-size={},{}", viewport.width, viewport.height))?;
        capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
        let driver = WebDriver::new(format!("http://127.0.0.1:{}", self.port), capabilities)
            .await
            .context("chromedriver opens no browser")?;
        let page = Page { driver };
        // Windows are never narrower than 500 px, not even without a head: emulate what a device shows.
        let metrics = serde_json::json!({
            "width": viewport.width, "height": viewport.height, "deviceScaleFactor": 1, "mobile": false,
        });
        page.driver.cdp().send_raw("Emulation.setDeviceMetricsOverride", metrics).await?;
        self.pages.push(page.clone());
        Ok(page)
    }

    async fn check_consoles(&self) -> Result<()> {
        for page in &self.pages {
            let errors: Vec<String> =
                page.console().await?.into_iter().filter(|line| line.starts_with("SEVERE")).collect();
            ensure!(errors.is_empty(), "errors on the console:\n{}", errors.join("\n"));
        }
        Ok(())
    }

    async fn keep_evidence(&self, name: &str) {
        for (index, page) in self.pages.iter().enumerate() {
            let path = target_folder().join("browser-failures").join(format!("{name}-{index}"));
            match page.keep_evidence(&path).await {
                Ok(()) => eprintln!("picture, text and console of page {index}: {}.*", path.display()),
                Err(error) => eprintln!("page {index} cannot be kept: {error:#}"),
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Cargo's target folder, wherever it is.
pub fn target_folder() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    let target = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.unwrap_or(Path::new("target")).to_owned()
}

impl Page {
    /// Waits until an element is shown.
    pub async fn see(&self, test_id: &str) -> Result<()> {
        self.until(&format!("{test_id} is shown"), SOON, &format!("return shown({})", quoted(test_id))).await?;
        Ok(())
    }

    /// Waits until the text of an element contains something, and returns the text.
    pub async fn see_text(&self, test_id: &str, part: &str, within: Duration) -> Result<String> {
        let (id, part_js) = (quoted(test_id), quoted(part));
        let script = format!("const text = textOf({id}); return text !== null && text.includes({part_js}) && text");
        let text = self.until(&format!("{test_id} says \"{part}\""), within, &script).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// The text of an element as it is shown; nothing where there is none.
    pub async fn text(&self, test_id: &str) -> Result<Option<String>> {
        let text = self.evaluate(&format!("return textOf({})", quoted(test_id))).await?;
        Ok(text.as_str().map(str::to_owned))
    }

    /// The prefix on the page, without the marks that make its characters visible.
    pub async fn exact_prefix(&self) -> Result<String> {
        let text = self.until("a prefix is shown", SOON, "return all('prefix-text')[0]?.dataset.text ?? null").await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// The number of elements that are shown.
    pub async fn count(&self, test_id: &str) -> Result<u64> {
        let count = self.evaluate(&format!("return all({}).filter(isShown).length", quoted(test_id))).await?;
        count.as_u64().context("a count is a number")
    }

    /// Clicks an element as a person would: scrolls to it, and fails where something covers it.
    pub async fn click(&self, test_id: &str) -> Result<()> {
        self.see(test_id).await?;
        self.element(test_id).await?.click().await.with_context(|| format!("{test_id} cannot be clicked"))
    }

    /// Clicks a link by its text.
    pub async fn follow(&self, text: &str) -> Result<()> {
        let query = self.driver.query(By::LinkText(text)).wait(SOON, POLL_INTERVAL).and_displayed();
        let link = query.first().await.with_context(|| format!("no link says \"{text}\""))?;
        link.click().await.with_context(|| format!("the link \"{text}\" cannot be clicked"))
    }

    /// Replaces what a field holds, key by key.
    pub async fn fill(&self, test_id: &str, text: &str) -> Result<()> {
        self.see(test_id).await?;
        let field = self.element(test_id).await?;
        field.click().await?;
        field.send_keys(Key::Control + "a").await?;
        let keys = if text.is_empty() { Key::Delete.value().to_string() } else { text.to_owned() };
        field.send_keys(keys).await.with_context(|| format!("{test_id} takes no keys"))
    }

    /// Chooses an option of a list by its value.
    pub async fn choose(&self, test_id: &str, value: &str) -> Result<()> {
        let option = self.element(test_id).await?.find(By::Css(format!("option[value={}]", quoted(value)))).await;
        let option = option.with_context(|| format!("{test_id} has no option {value}"))?;
        option.click().await.with_context(|| format!("{value} cannot be chosen"))
    }

    /// Opens a `details` element.
    pub async fn unfold(&self, test_id: &str) -> Result<()> {
        self.see(test_id).await?;
        let summary = self.element(test_id).await?.find(By::Css("summary")).await?;
        summary.click().await.with_context(|| format!("{test_id} cannot be unfolded"))
    }

    /// Drops what the console said so far, where errors are the right thing to say.
    pub async fn forgive_console(&self) -> Result<()> {
        self.console().await.map(drop)
    }

    /// Loads the page again.
    pub async fn reload(&self) -> Result<()> {
        self.driver.refresh().await.context("the page does not load again")
    }

    /// The first element that is shown.
    pub async fn element(&self, test_id: &str) -> Result<WebElement> {
        let query = self.driver.query(By::Testid(test_id)).wait(SOON, POLL_INTERVAL).and_displayed();
        query.first().await.with_context(|| format!("no {test_id} on the page"))
    }

    /// Runs a script in the page until it returns something true, and returns that.
    ///
    /// The script may use what [`SCRIPT_HELPERS`] defines.
    pub async fn until(&self, what: &str, within: Duration, script: &str) -> Result<Value> {
        let start = Instant::now();
        loop {
            let value = self.evaluate(script).await?;
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return Ok(value);
            }
            if start.elapsed() > within {
                bail!("waited {} s until {what}; now the page says:\n{}", within.as_secs(), self.whole_text().await?);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Runs a script in the page once.
    pub async fn evaluate(&self, script: &str) -> Result<Value> {
        let script = format!("{SCRIPT_HELPERS}\n{script}");
        let returned = self.driver.execute(script, Vec::new()).await.context("a script failed in the page")?;
        Ok(returned.json().clone())
    }

    /// Everything that the page says.
    pub async fn whole_text(&self) -> Result<String> {
        Ok(self.evaluate("return document.body.innerText").await?.as_str().unwrap_or_default().to_owned())
    }

    /// What the console said since the last call, as `LEVEL message`.
    pub async fn console(&self) -> Result<Vec<String>> {
        let entries = self.driver.browser_log().await?;
        Ok(entries.into_iter().map(|entry| format!("{} {}", entry.level, entry.message)).collect())
    }

    async fn keep_evidence(&self, path: &Path) -> Result<()> {
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        self.driver.screenshot(&path.with_extension("png")).await?;
        let (text, console) = (self.whole_text().await?, self.console().await?.join("\n"));
        let address = self.driver.current_url().await?;
        std::fs::write(path.with_extension("txt"), format!("{address}\n\n{text}\n\nConsole:\n{console}\n"))?;
        Ok(())
    }
}

const SCRIPT_HELPERS: &str = r#"
const all = (id) => [...document.querySelectorAll(`[data-testid="${CSS.escape(id)}"]`)];
const isShown = (element) => element.checkVisibility({ visibilityProperty: true });
const shown = (id) => all(id).some(isShown);
const textOf = (id) => all(id).find(isShown)?.innerText ?? null;
const stages = (state) => all("step").filter((step) => step.dataset.state === state).length;
const chartHasPoints = () => [...document.querySelectorAll("[data-testid=ce-chart] svg path")]
    .some((path) => path.getAttribute("d").length > 0);
"#;

/// A string as a JavaScript literal.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
