//! The rules of nontriviality and what each found.

use super::ModelText;
use leptos::prelude::*;
use shared::nontriviality::{Rule, Verdict};

/// Name of a rule on screen.
fn name(rule: Rule) -> &'static str {
    match rule {
        Rule::TokenClasses => "Printable tokens",
        Rule::ReferenceTokens => "No reference tokens",
        Rule::Concepts => "No banned concepts",
        Rule::Script => "One script",
        Rule::TokenOverlap => "Little token overlap",
        Rule::EditDistance => "Far in edits",
        Rule::CommonSubstring => "No long common run",
        Rule::RoundTrip => "Round trip",
    }
}

/// Name of a rule on the wire, for tests.
fn test_id(rule: Rule) -> String {
    let name = serde_json::to_string(&rule).unwrap_or_default();
    format!("finding-{}", name.trim_matches('"'))
}

/// A verdict: first the answer, then one badge a rule with its evidence.
#[component]
pub fn Findings(
    /// The verdict.
    verdict: Verdict,
) -> impl IntoView {
    let broken = verdict.findings.iter().filter(|finding| !finding.passed).count();
    let answer = match (verdict.passed, broken) {
        (true, _) => format!("Nontrivial: all {} rules hold", verdict.findings.len()),
        (false, 1) => "Not nontrivial: 1 rule is broken".to_owned(),
        (false, broken) => format!("Not nontrivial: {broken} rules are broken"),
    };
    let findings = verdict.findings.into_iter().map(|finding| {
        let class = if finding.passed { "finding finding-held" } else { "finding finding-broken" };
        let mark = if finding.passed { "✓" } else { "✗" };
        let state = if finding.passed { "held: " } else { "broken: " };
        view! {
            <li>
                <details class=class open=!finding.passed data-testid=test_id(finding.rule) data-passed=finding.passed.to_string()>
                    <summary>
                        <span aria-hidden="true">{mark}</span>
                        <span class="visually-hidden">{state}</span>
                        {name(finding.rule)}
                    </summary>
                    <p><ModelText text=finding.evidence/></p>
                    <p class="muted"><ModelText text=finding.bound/></p>
                </details>
            </li>
        }
    });
    view! {
        <div class="findings">
            <p
                class=if verdict.passed { "answer answer-good" } else { "answer answer-bad" }
                data-testid="nontriviality-verdict"
                data-passed=verdict.passed.to_string()
            >
                {answer}
            </p>
            <ul>{findings.collect_view()}</ul>
        </div>
    }
}
