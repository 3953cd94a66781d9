//! The chart: other axes, a zoom, hidden lines, and files of it.

use anyhow::{Context as _, Result, ensure};
use steerage_tests::browser::{Page, SOON, Viewport, with_browser};
use steerage_tests::static_site::StaticSite;

#[tokio::test]
async fn a_chart_zooms_hides_lines_and_is_saved() -> Result<()> {
    let site = StaticSite::start()?;
    with_browser("chart", async |browser| {
        let page = browser.open(&site.address("/demo"), Viewport::DESKTOP).await?;
        page.see("ce-chart").await?;
        let whole = ticks(&page).await?;

        // 1. Plus zooms in, the button shows the whole run again.
        page.evaluate(&key("+")).await?;
        page.see("chart-whole").await?;
        let zoomed = format!("return {TICKS} !== {whole:?}");
        page.until("other ticks are shown", SOON, &zoomed).await?;
        page.click("chart-whole").await?;
        page.until("the whole run is back", SOON, &format!("return {TICKS} === {whole:?}")).await?;

        // 2. A dragged band zooms too.
        let drag = "const svg = document.querySelector('.chart-svg'), box = svg.getBoundingClientRect(); \
            const at = (type, share) => svg.dispatchEvent(new PointerEvent(type, { bubbles: true, isPrimary: true, \
            button: 0, clientX: box.left + share * box.width, clientY: box.top + 80 })); \
            at('pointerdown', 0.3); at('pointermove', 0.6); at('pointerup', 0.6);";
        page.evaluate(drag).await?;
        page.see("chart-whole").await?;
        page.click("chart-whole").await?;

        // 3. Lines come and go.
        let curves = "document.querySelectorAll('.chart-svg path.series-validation').length";
        page.click("chart-show-validation").await?;
        page.until("the validation curve is gone", SOON, &format!("return {curves} === 0")).await?;
        page.click("chart-show-validation").await?;
        page.until("the validation curve is back", SOON, &format!("return {curves} > 0")).await?;
        page.click("chart-log").await?;
        page.until(
            "the axis says so",
            SOON,
            "return document.querySelector('.chart-svg').textContent.includes('log scale')",
        )
        .await?;

        // 4. Files: caught where the browser would keep them.
        page.evaluate(
            "window.saved = {}; HTMLAnchorElement.prototype.click = function () { saved[this.download] = this.href; }",
        )
        .await?;
        for format in ["csv", "svg", "png"] {
            page.click(&format!("chart-save-{format}")).await?;
        }
        let csv = saved(&page, "cross-entropy.csv").await?;
        let lines: Vec<&str> = csv.split("%0D%0A").filter(|line| !line.is_empty()).collect();
        ensure!(lines.len() > 2 && lines[0].contains("ce_validation"), "{csv}");
        let svg = saved(&page, "cross-entropy.svg").await?;
        ensure!(svg.starts_with("data:image/svg+xml") && svg.contains("path") && !svg.contains("var("), "{svg}");
        let png = saved(&page, "cross-entropy.png").await?;
        ensure!(png.starts_with("data:image/png;base64,") && png.len() > 5_000, "{} bytes", png.len());
        page.forgive_console().await
    })
    .await
}

/// What the ticks of both axes say.
const TICKS: &str = "[...document.querySelectorAll('.chart-svg .tick')].map(tick => tick.textContent).join(' ')";

async fn ticks(page: &Page) -> Result<String> {
    let ticks = page.until("the chart has ticks", SOON, &format!("return {TICKS}")).await?;
    Ok(ticks.as_str().unwrap_or_default().to_owned())
}

fn key(key: &str) -> String {
    format!(
        "document.querySelector('.chart-svg').dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}))"
    )
}

/// The address of a file that was saved.
async fn saved(page: &Page, name: &str) -> Result<String> {
    let address = page.until(&format!("{name} is saved"), SOON, &format!("return saved['{name}']")).await?;
    address.as_str().map(str::to_owned).context("no address")
}
