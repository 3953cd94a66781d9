//! What axe-core has to say about a page.

use crate::browser::{Page, target_folder};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fmt::Write as _;

/// The two themes of the page.
pub const THEMES: [&str; 2] = ["light", "dark"];

/// Shows the page as one whose system prefers that theme sees it.
pub async fn show_theme(page: &Page, theme: &str) -> Result<()> {
    let media = serde_json::json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
    page.driver.cdp().send_raw("Emulation.setEmulatedMedia", media).await?;
    Ok(())
}

/// Fails where axe-core finds anything of serious or critical impact, in either theme.
pub async fn check(page: &Page, what: &str) -> Result<()> {
    let path = target_folder().join("axe.min.js");
    let axe = std::fs::read_to_string(&path)
        .with_context(|| format!("no {}; `cargo xtask test axe` fetches it", path.display()))?;
    for theme in THEMES {
        show_theme(page, theme).await?;
        page.driver.execute(axe.as_str(), Vec::new()).await.context("axe-core does not load")?;
        let script = "const done = arguments[arguments.length - 1]; \
            axe.run(document, { resultTypes: ['violations'] }).then(found => done(found.violations), \
            error => done([{ id: 'axe', impact: 'critical', help: String(error), nodes: [] }]));";
        let found = page.driver.execute_async(script, Vec::new()).await.context("axe-core does not run")?;
        let violations = found.json().as_array().context("axe-core returned no list")?;
        let is_grave = |violation: &&Value| matches!(violation["impact"].as_str(), Some("serious" | "critical"));
        let grave: Vec<&Value> = violations.iter().filter(is_grave).collect();
        ensure!(grave.is_empty(), "{what}, {theme}:\n{}", report(&grave));
    }
    Ok(())
}

/// What is wrong, and where.
fn report(violations: &[&Value]) -> String {
    let mut text = String::new();
    for violation in violations {
        let _ = writeln!(text, "{}: {}", violation["id"], violation["help"]);
        for node in violation["nodes"].as_array().into_iter().flatten().take(5) {
            let _ = writeln!(text, "  {}\n  {}", node["html"], node["failureSummary"]);
        }
    }
    text
}
