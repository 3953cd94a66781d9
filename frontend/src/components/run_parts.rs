//! The parts of a run's page, as links: one part alone, or all under each other.

use crate::run_address::RunAddress;
use crate::run_view::{Named, Part};
use leptos::prelude::*;

fn title(part: Part) -> &'static str {
    match part {
        Part::Overview => "Overview",
        Part::Verdict => "Verdict",
        Part::Suffixes => "Suffixes",
        Part::Completions => "Completions",
        Part::Chart => "Chart",
        Part::Log => "Log",
    }
}

/// Links to the parts.
#[component]
pub fn RunParts() -> impl IntoView {
    let address = RunAddress::get();
    let shown = address.part(|view| view.part);
    let links = Part::ALL.iter().map(|(part, name)| {
        let part = *part;
        view! {
            <li>
                <a
                    href=move || address.href(|view| view.part = part)
                    data-noscroll=""
                    data-testid=format!("part-{name}")
                    aria-current=move || (shown.get() == part).then_some("page")
                >
                    {title(part)}
                </a>
            </li>
        }
    });
    view! { <nav class="parts" aria-label="Parts of this run"><ul>{links.collect_view()}</ul></nav> }
}
