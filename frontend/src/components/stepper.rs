//! The stages of a run, one step each.

use super::ModelText;
use crate::format;
use crate::run::RunFeed;
use leptos::prelude::*;
use shared::state::{RunState, StageProgress, StageState};
use shared::wire::RunPhase;

/// The stage stepper.
#[component]
pub fn Stepper(
    /// The run.
    feed: RunFeed,
) -> impl IntoView {
    let count = feed.part(|state| state.stages.len());
    view! {
        <ol class="stepper" data-testid="stepper">
            <For each=move || 0..count.get() key=|index| *index let:index>
                <Step feed index/>
            </For>
        </ol>
    }
}

/// How a step stands, also when the run ended in it.
fn standing(state: &RunState, stage: &StageState) -> &'static str {
    match stage.progress {
        StageProgress::Waiting => "waiting",
        StageProgress::Finished => "finished",
        StageProgress::Running if state.phase.is_over() => "stopped",
        StageProgress::Running if state.phase == RunPhase::Paused => "paused",
        StageProgress::Running => "running",
    }
}

#[component]
fn Step(feed: RunFeed, index: usize) -> impl IntoView {
    let stage = feed.part(move |state| state.stages.get(index).map(|stage| (stage.clone(), standing(state, stage))));
    let live = feed.part(|state| state.phase == RunPhase::Running);
    let standing = move || stage.get().map_or("waiting", |(_, standing)| standing);
    let detail = move || {
        let (stage, standing) = stage.get()?;
        let steps = format!("{} of {}", stage.step, stage.plan.total_steps);
        Some(match standing {
            "waiting" => "waiting".to_owned(),
            "finished" => {
                format!("done in {}", format::duration(stage.clock.elapsed_secs(stage.finished_unix_ms)))
            }
            "stopped" | "paused" => format!("{standing} at {steps}"),
            _ => {
                let eta = live.get().then(|| stage.eta_secs(feed.now_unix_ms() as u64)).flatten();
                match eta {
                    Some(secs) => format!("{steps} · {} left", format::duration(secs)),
                    None => steps,
                }
            }
        })
    };
    let plan = stage.get_untracked().map(|(stage, _)| stage.plan);
    let (kind, title) = plan.map(|plan| (plan.kind, plan.title)).unwrap_or_default();
    let fraction = move || stage.get().map_or(0.0, |(stage, _)| stage.fraction_done());
    let summary = move || stage.get().map(|(stage, _)| stage.summary).filter(|summary| !summary.is_empty());
    view! {
        <li
            class=move || format!("step step-{}", standing())
            data-testid="step"
            data-stage=kind
            data-state=standing
            aria-current=move || matches!(standing(), "running" | "paused").then_some("step")
        >
            <p class="step-title">{title.clone()}</p>
            <progress max="1" prop:value=fraction aria-label=format!("Progress of {title}")></progress>
            <p class="step-detail">{detail}</p>
            {move || summary().map(|text| view! { <p class="step-summary"><ModelText text/></p> })}
        </li>
    }
}
