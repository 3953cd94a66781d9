//! The figures of a result, one click away each: training loss, cross-entropy after projection, before and after
//! HotFlip, and methods beside each other.

use crate::charts::{CeChart, Level, Levels, Slope, Slopes, View};
use crate::compare::{Grid, grid};
use crate::connection::Connection;
use crate::format;
use crate::query_string;
use crate::run::RunFeed;
use crate::run_address::RunAddress;
use crate::run_view::{Figure, Named};
use leptos::prelude::*;
use leptos_router::components::A;
use shared::spec::Split;
use shared::state::RunState;

fn title(figure: Figure) -> &'static str {
    match figure {
        Figure::Training => "Training loss",
        Figure::Projection => "After projection",
        Figure::Hotflip => "Before and after HotFlip",
        Figure::Methods => "Methods",
    }
}

/// Links to the figures, and the one that is open.
#[component]
pub fn Figures(
    /// The run.
    feed: RunFeed,
) -> impl IntoView {
    let address = RunAddress::get();
    let open = address.part(|view| view.figure);
    let links = Figure::ALL.iter().map(|(figure, name)| {
        let figure = *figure;
        let is_open = move || open.get() == Some(figure);
        view! {
            <button
                type="button"
                class="small"
                data-testid=format!("figure-{name}")
                aria-pressed=move || is_open().to_string()
                on:click=move |_| {
                    let next = (!is_open()).then_some(figure);
                    address.go(|view| view.figure = next);
                }
            >
                {title(figure)}
            </button>
        }
    });
    let shown = move || {
        open.get().map(|figure| {
            let content = match figure {
                Figure::Training => view! { <Training feed/> }.into_any(),
                Figure::Projection => view! { <Projection feed/> }.into_any(),
                Figure::Hotflip => view! { <Hotflip feed/> }.into_any(),
                Figure::Methods => view! { <Methods feed/> }.into_any(),
            };
            view! { <div data-testid="figure" data-figure=figure.name()><h3>{title(figure)}</h3> {content}</div> }
        })
    };
    view! {
        <div class="toolbar" role="group" aria-label="Figures">{links.collect_view()}</div>
        {shown}
    }
}

fn missing(why: &'static str) -> AnyView {
    view! { <p class="muted" data-testid="figure-missing">{why}</p> }.into_any()
}

/// The objective of the soft stage.
#[component]
fn Training(feed: RunFeed) -> impl IntoView {
    let stage = feed.part(soft_stage);
    let as_table = RwSignal::new(false);
    move || match stage.get() {
        None => missing(
            "This run trained no soft prompt: only methods with the stage soft_prompt, pez or pgd have a training loss.",
        ),
        Some(stage) => {
            let view = RwSignal::new(View { stage: Some(stage), ..View::default() });
            view! {
                <CeChart
                    feed
                    view
                    as_table
                    set_as_table=move |shown| as_table.set(shown)
                    test_id="figure-chart"
                />
            }
            .into_any()
        }
    }
}

/// The first stage that follows a gradient through free vectors, if its points are there.
fn soft_stage(state: &RunState) -> Option<usize> {
    let is_soft = |kind: &str| matches!(kind, "soft_prompt" | "pez" | "pgd");
    let stage = state.stages.iter().position(|stage| is_soft(&stage.plan.kind))?;
    state.curve.iter().any(|point| point.stage == stage).then_some(stage)
}

/// What is lost on the way from free vectors to tokens.
#[component]
fn Projection(feed: RunFeed) -> impl IntoView {
    let ce = feed.part(|state| state.result.as_ref().map(|result| result.ce));
    move || match ce.get() {
        None => missing("There is no verdict, which measures this."),
        Some(ce) => {
            let projected = Split::ALL.iter().any(|split| ce.projected.get(*split).is_some());
            let levels = [
                ("No prefix", ce.none),
                ("Random prefixes", ce.random),
                ("Soft prompt", ce.soft),
                ("Projected", ce.projected),
                ("Found prefix", ce.final_),
                ("Reference", ce.reference),
            ];
            let levels: Vec<Level> = levels.into_iter().map(|(title, ce)| Level { title, ce }).collect();
            view! {
                {(!projected).then(|| view! {
                    <p class="muted" data-testid="figure-missing">
                        "This run projected nothing: only methods with the stage projection do. What it measured:"
                    </p>
                })}
                <Levels levels/>
            }
            .into_any()
        }
    }
}

/// The suffixes before and after the search over tokens.
#[component]
fn Hotflip(feed: RunFeed) -> impl IntoView {
    let slopes = feed.part(hotflip_slopes);
    move || {
        match slopes.get() {
        Drawn::Suffixes(slopes) => {
            view! { <Slopes slopes what="Suffix (prompt)" before="projected" after="found"/> }.into_any()
        }
        Drawn::Splits(slopes) => view! {
            <p class="muted">
                "Nothing was projected before HotFlip, so that there are no suffixes one by one: its first step, and its last."
            </p>
            <Slopes slopes what="Mean over the suffixes" before="first step" after="last step"/>
        }
        .into_any(),
        Drawn::None => missing("HotFlip was no stage of this run."),
    }
    }
}

/// What there is to draw.
#[derive(Clone, Debug, PartialEq)]
enum Drawn {
    Suffixes(Vec<Slope>),
    Splits(Vec<Slope>),
    None,
}

fn hotflip_slopes(state: &RunState) -> Drawn {
    let Some(stage) = state.stages.iter().position(|stage| stage.plan.kind == "hotflip") else {
        return Drawn::None;
    };
    let suffixes = state.evaluations.iter().filter_map(|found| {
        let baseline = state.suffixes.iter().find(|suffix| suffix.index == found.index)?;
        let (title, split) = (baseline.text.clone(), baseline.split);
        Some(Slope { title, split, before: found.ce_projected?, after: found.ce })
    });
    let mut suffixes: Vec<Slope> = suffixes.collect();
    if !suffixes.is_empty() {
        suffixes.sort_by_key(|slope| slope.split);
        return Drawn::Suffixes(suffixes);
    }
    let points = || state.curve.iter().filter(|point| point.stage == stage);
    let ends = |split, of: fn(&shared::state::CurvePoint) -> Option<f64>| {
        let mut values = points().filter_map(of);
        let before = values.next()?;
        Some(Slope { title: Split::name(split).to_owned(), split, before, after: values.next_back().unwrap_or(before) })
    };
    let splits =
        [ends(Split::Train, |point| Some(point.ce_train)), ends(Split::Validation, |point| point.ce_validation)];
    let splits: Vec<Slope> = splits.into_iter().flatten().collect();
    if splits.is_empty() { Drawn::None } else { Drawn::Splits(splits) }
}

/// All methods that were run on this reference.
#[component]
fn Methods(feed: RunFeed) -> impl IntoView {
    let connection = Connection::get();
    let task = feed.part(|state| state.spec.as_ref().map(|spec| (spec.model.clone(), spec.teacher.clone())));
    move || {
        let (model, teacher) = task.get()?;
        if feed.is_recorded() {
            return Some(missing("A recording knows only its own run: a worker has others to compare it with."));
        }
        let here = connection.runs.with(|runs| {
            let same = runs.iter().flatten().filter(|run| run.model == model && run.teacher == teacher);
            let stages = connection.catalogue.with(|catalogue| catalogue.as_ref().map(|all| all.stages.clone()));
            grid(&same.cloned().collect::<Vec<_>>(), &stages.unwrap_or_default())
        });
        let query = query_string::write(&[("model", &model), ("teacher", &teacher)]);
        Some(
            view! {
                {methods_table(&here)}
                <p>
                    <A href=format!("/compare?{query}") attr:class="button" attr:data-testid="figure-compare">
                        "Compare them in full"
                    </A>
                </p>
            }
            .into_any(),
        )
    }
}

fn methods_table(grid: &Grid) -> impl IntoView + use<> {
    let rows = grid.methods.iter().map(|method| {
        let cells: Vec<_> = grid.tasks.values().filter_map(|cells| cells.get(&method.name)).collect();
        let gaps: Vec<f64> = cells.iter().flat_map(|cell| cell.gaps().map(|(_, gap)| gap)).collect();
        let summary = shared::metrics::Summary::of(&gaps);
        let numbers = match summary {
            None => view! { <td colspan="4" class="muted">"none is finished"</td> }.into_any(),
            Some(summary) => view! {
                <td class="num">{summary.n}</td>
                <td class="num">{format::percent(summary.mean)}</td>
                <td class="num">{format::or_dash(summary.sd, format::percent)}</td>
                <td class="num">{format!("{} to {}", format::percent(summary.min), format::percent(summary.max))}</td>
            }
            .into_any(),
        };
        view! { <tr data-testid="figure-method"><th scope="row">{method.name.clone()}</th>{numbers}</tr> }
    });
    let rows = rows.collect_view();
    view! {
        <div class="table-box" role="region" tabindex="0" aria-label="Gap closed on test by method">
            <table>
                <thead>
                    <tr>
                        <th scope="col">"Gap closed on test"</th>
                        <th scope="col" class="num">"n"</th>
                        <th scope="col" class="num">"Mean"</th>
                        <th scope="col" class="num">"sd"</th>
                        <th scope="col" class="num">"Range"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::{Event, ModelCard, StagePlan, Stamped};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn state(kinds: &[&str]) -> RunState {
        let plan = |kind: &&str| StagePlan { kind: (*kind).to_owned(), title: (*kind).to_owned(), total_steps: 2 };
        let model = ModelCard {
            name: "m".to_owned(),
            architecture: "llama".to_owned(),
            sha256: None,
            vocab_size: 1,
            context_length: 1,
        };
        let mut events =
            vec![Event::Started { model, stages: kinds.iter().map(plan).collect(), reference: Vec::new() }];
        for stage in 0..kinds.len() {
            for step in 0..3 {
                let ce_validation = (step > 0).then(|| 5.0 - stage as f64 - step as f64 / 10.0);
                let ce_train = 4.0 - stage as f64 - step as f64 / 10.0;
                events.push(Event::Objective { stage, step, evaluations: step as u64, ce_train, ce_validation });
            }
        }
        let mut state = RunState::default();
        for (seq, event) in (1..).zip(events) {
            state.apply(&Stamped { run: "r".to_owned(), epoch: 1, seq, at_unix_ms: 0, event });
        }
        state
    }

    #[test]
    fn the_training_loss_is_the_soft_stages() {
        assert_eq!(soft_stage(&state(&["reference", "soft_prompt", "hotflip"])), Some(1));
        assert_eq!(soft_stage(&state(&["reference", "gcg"])), None);
    }

    #[test]
    fn without_a_projection_hotflip_begins_at_its_first_step() {
        let Drawn::Splits(slopes) = hotflip_slopes(&state(&["reference", "hotflip"])) else {
            panic!("there is a curve")
        };
        let ends: Vec<_> = slopes.iter().map(|slope| (slope.title.as_str(), slope.before, slope.after)).collect();
        assert_eq!(ends, [("train", 3.0, 2.8), ("validation", 3.9, 3.8)]);
        assert_eq!(hotflip_slopes(&state(&["reference", "gcg"])), Drawn::None);
    }
}
