//! One run, live and afterwards, on one address. Everything on it comes from the run's log.

use crate::charts::CeChart;
use crate::components::{
    Completions, Controls, Figures, Findings, FlipLog, ModelText, PhaseBadge, PrefixCard, QueuePlace, RunParts,
    ShareRun, Stepper, SuffixTable, Verdict, VerifyLink,
};
use crate::connection::Connection;
use crate::format;
use crate::link::Standing;
use crate::run::RunFeed;
use crate::run_address::RunAddress;
use crate::run_view::Part;
use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::{use_navigate, use_params_map};
use shared::event::ErrorBody;
use shared::spec::Split;
use shared::state::RunState;
use shared::wire::{Command, Outcome, RunPhase, RunSummary};

/// The run page; another id in the address is another run.
#[component]
pub fn Run() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    move || view! { <OneRun id=id.get()/> }
}

#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Loading,
    Unknown,
    Run,
}

#[component]
fn OneRun(id: String) -> impl IntoView {
    let connection = Connection::get();
    RunAddress::provide();
    let feed = RunFeed::new();
    let id = StoredValue::new(id);
    let known = Memo::new(move |_| {
        let is_it = |run: &RunSummary| id.with_value(|id| run.run == *id);
        connection.runs.with(|runs| runs.as_ref().is_some_and(|runs| runs.iter().any(is_it)))
    });
    Effect::new(move |_| {
        if known.get() {
            feed.follow(connection, id.get_value());
        }
    });
    let has_events = feed.part(|state| state.seq > 0);
    let shown = Memo::new(move |_| match (has_events.get(), known.get(), connection.standing.get()) {
        // The welcome lists all runs, so one that is not there does not exist, or does no more.
        (_, false, Standing::Live | Standing::CatchingUp) => Shown::Unknown,
        (true, _, _) => Shown::Run,
        _ => Shown::Loading,
    });
    super::title("Run");
    let teacher = feed.part(|state| state.spec.as_ref().map(|spec| spec.teacher.clone()));
    Effect::new(move |_| {
        if let Some(teacher) = teacher.get() {
            super::title(&teacher);
        }
    });
    move || match shown.get() {
        Shown::Loading => view! {
            <section class="panel notice-page"><h1>"Loading the run"</h1><progress></progress></section>
        }
        .into_any(),
        Shown::Unknown => view! {
            <section class="panel notice-page" data-testid="unknown-run">
                <h1>"This worker has no such run"</h1>
                <p>
                    "Its id is " <code>{id.get_value()}</code>
                    ". It may belong to another worker or data folder, or have been deleted."
                </p>
                <p><A href="/" attr:class="button">"See the runs that there are"</A></p>
            </section>
        }
        .into_any(),
        Shown::Run => view! { <Body id=id.get_value() feed/> }.into_any(),
    }
}

/// The sections in the order in which they matter: the search while it goes on, the outcome afterwards. The
/// address says whether all of them are shown, or one part.
#[component]
pub(super) fn Body(
    /// The run.
    id: String,
    /// Its log.
    feed: RunFeed,
) -> impl IntoView {
    let finished = feed.part(|state| state.phase == RunPhase::Finished);
    let run = StoredValue::new(id.clone());
    view! {
        <article class="run" data-testid="run" data-run=id.clone()>
            <Head id=id.clone() feed/>
            <Failure feed/>
            <RunParts/>
            <Show
                when=move || finished.get()
                fallback=move || {
                    view! {
                        <Search id=run.get_value() feed/>
                        <Best feed/>
                        <Flips feed/>
                        <Suffixes feed/>
                    }
                }
            >
                <VerifyLink id=run.get_value() feed/>
                <Result feed/>
                <Suffixes feed/>
                <Search id=run.get_value() feed/>
                <Flips feed/>
            </Show>
        </article>
    }
}

/// Whether a part of the page is shown.
fn shows(part: Part) -> Memo<bool> {
    RunAddress::get().part(move |view| view.shows(part))
}

/// Says that a part that was asked for alone is not there yet.
#[component]
fn NotYet(part: Part, is_empty: Memo<bool>, text: &'static str) -> impl IntoView {
    let alone = RunAddress::get().part(move |view| view.part == part);
    view! {
        <Show when=move || alone.get() && is_empty.get()>
            <section class="panel" data-testid="part-empty"><p class="muted">{text}</p></section>
        </Show>
    }
}

/// Stages and curve.
#[component]
fn Search(id: String, feed: RunFeed) -> impl IntoView {
    let id = StoredValue::new(id);
    let address = RunAddress::get();
    let (log, chart) = (shows(Part::Log), shows(Part::Chart));
    let view = address.chart();
    let as_table = address.part(|view| view.as_table);
    let set_as_table = Callback::new(move |shown| address.go(|view| view.as_table = shown));
    let has_stages = feed.part(|state| !state.stages.is_empty());
    view! {
        <Show when=move || has_stages.get() fallback=move || view! { <Queued id=id.get_value() feed/> }>
            <Show when=move || log.get()>
                <section class="panel" aria-labelledby="stages-title">
                    <h2 id="stages-title">"Stages"</h2>
                    <Stepper feed/>
                </section>
            </Show>
            <Show when=move || chart.get()>
                <section class="panel" aria-labelledby="chart-title">
                    <h2 id="chart-title">"Cross-entropy"</h2>
                    <CeChart feed view as_table set_as_table test_id="ce-chart"/>
                </section>
            </Show>
        </Show>
    }
}

/// The suffixes in numbers and in words.
#[component]
fn Suffixes(feed: RunFeed) -> impl IntoView {
    let none = feed.part(|state| state.suffixes.is_empty());
    let (table, completions) = (shows(Part::Suffixes), shows(Part::Completions));
    const NOT_YET: &str = "No suffix is measured yet: the first stage does that.";
    view! {
        <NotYet part=Part::Suffixes is_empty=none text=NOT_YET/>
        <NotYet part=Part::Completions is_empty=none text=NOT_YET/>
        <Show when=move || !none.get() && table.get()>
            <section class="panel" aria-labelledby="suffixes-title">
                <h2 id="suffixes-title">"Suffixes"</h2>
                <SuffixTable feed/>
            </section>
        </Show>
        <Show when=move || !none.get() && completions.get()>
            <section class="panel" aria-labelledby="completions-title">
                <h2 id="completions-title">"Completions"</h2>
                <p class="muted">
                    "What the model writes, token by token the likeliest. A mark shows where it parts from the \
                     reference's completion."
                </p>
                <Completions feed/>
            </section>
        </Show>
    }
}

/// What was tried, token by token.
#[component]
fn Flips(feed: RunFeed) -> impl IntoView {
    let has_flips = feed.part(|state| state.flip_count > 0);
    let log = shows(Part::Log);
    view! {
        <Show when=move || has_flips.get() && log.get()>
            <section class="panel" aria-labelledby="flips-title">
                <h2 id="flips-title">"Flips"</h2>
                <FlipLog feed/>
            </section>
        </Show>
    }
}

/// What the run is about, where it stands, and what can be done to it.
#[component]
fn Head(id: String, feed: RunFeed) -> impl IntoView {
    let phase = feed.part(|state| state.phase);
    let spec = feed.part(|state| state.spec.clone());
    let epoch = feed.part(|state| state.epoch);
    let watch = feed.part(|state| (state.started_unix_ms > 0).then_some(state.clock));
    let facts = move || {
        let mut facts = Vec::new();
        if let Some(spec) = spec.get() {
            facts.extend([
                spec.preset,
                spec.model,
                format!("seed {}", spec.seed),
                format!("{} tokens", spec.prefix_tokens),
            ]);
        }
        if epoch.get() > 1 {
            facts.push(format!("attempt {}", epoch.get()));
        }
        if let Some(watch) = watch.get() {
            facts.push(format::duration(watch.elapsed_secs(feed.now_unix_ms() as u64)));
        }
        facts.join(" · ")
    };
    view! {
        <header class="run-head">
            <div>
                <p class="eyebrow">"Reference prefix"</p>
                <h1 data-testid="run-teacher">
                    {move || spec.get().map(|spec| view! { <q><ModelText text=spec.teacher/></q> })}
                </h1>
                <p class="run-facts">
                    <PhaseBadge phase=phase test_id="run-state"/>
                    " "
                    <span>{facts}</span>
                </p>
            </div>
            {(!feed.is_recorded()).then(|| view! { <Actions id feed/> })}
        </header>
        {(!feed.is_recorded()).then(|| view! { <Stale feed/> })}
    }
}

/// Says that nothing is heard of a run that is not over.
#[component]
fn Stale(feed: RunFeed) -> impl IntoView {
    let connection = Connection::get();
    let over = feed.part(|state| state.phase.is_over());
    let place = feed.part(place);
    view! {
        <Show when=move || !over.get() && !connection.is_up()>
            <p class="offline-note" data-testid="stale">
                {move || format!("The worker does not answer. When it was last heard, this run stood {}.", place.get())}
            </p>
        </Show>
    }
}

#[component]
fn Actions(id: String, feed: RunFeed) -> impl IntoView {
    let connection = Connection::get();
    let phase = feed.part(|state| state.phase);
    let spec = feed.part(|state| state.spec.clone());
    let waiting = RwSignal::new(false);
    let refused = RwSignal::new(Vec::<ErrorBody>::new());
    let id = StoredValue::new(id);
    let send = move |command: fn(String) -> Command| {
        waiting.set(true);
        refused.set(Vec::new());
        connection.command(command(id.get_value()), move |outcome| {
            waiting.try_set(false);
            if let Outcome::Refused { errors } = outcome {
                refused.try_set(errors);
            }
        });
    };
    let navigate = StoredValue::new(use_navigate());
    let vary = move |_| {
        if let Some(spec) = spec.get_untracked() {
            super::new_run::keep_as_draft(&spec);
            navigate.with_value(|navigate| navigate("/new", Default::default()));
        }
    };
    let disabled = move || waiting.get() || !connection.is_up();
    let may_cancel = move || !phase.get().is_over();
    let may_restart = move || matches!(phase.get(), RunPhase::Interrupted | RunPhase::Failed | RunPhase::Cancelled);
    let resumes_from = feed.part(|state| {
        let stage = state.current_stage.and_then(|stage| state.stages.get(stage));
        (state.phase == RunPhase::Interrupted).then(|| stage.map_or(0, |stage| stage.step))
    });
    let reasons = move || refused.get().into_iter().map(|error| view! { <p class="field-error">{error.message}</p> });
    view! {
        <div class="actions">
            <Controls id=id.get_value() feed/>
            <Show when=may_cancel>
                <button
                    type="button"
                    class="danger"
                    data-testid="cancel"
                    title="Stops the run; the best prefix so far stands"
                    disabled=disabled
                    on:click=move |_| send(|run| Command::CancelRun { run })
                >
                    "Cancel"
                </button>
            </Show>
            <Show when=may_restart>
                <button
                    type="button"
                    class="primary"
                    data-testid="restart"
                    title=move || match resumes_from.get() {
                        Some(_) => "Lets the run go on with what was computed before",
                        None => "Starts the run again from the beginning",
                    }
                    disabled=disabled
                    on:click=move |_| send(|run| Command::RestartRun { run })
                >
                    {move || match resumes_from.get() {
                        Some(0) => "Resume".to_owned(),
                        Some(step) => format!("Resume from step {step}"),
                        None => "Start again".to_owned(),
                    }}
                </button>
            </Show>
            <button type="button" data-testid="vary" title="Opens the form with this run's settings" on:click=vary>
                "Duplicate and edit"
            </button>
            <ShareRun id=id.get_value() feed/>
            {move || reasons().collect_view()}
        </div>
    }
}

/// Before a job took the run up.
#[component]
fn Queued(id: String, feed: RunFeed) -> impl IntoView {
    let id = StoredValue::new(id);
    let over = feed.part(|state| state.phase.is_over());
    view! {
        <Show when=move || !over.get()>
            <QueuePlace id=id.get_value()/>
        </Show>
    }
}

/// Why a run has no result.
#[component]
fn Failure(feed: RunFeed) -> impl IntoView {
    let failure = feed.part(|state| match state.phase {
        RunPhase::Failed => state.error.clone(),
        RunPhase::Interrupted => Some(interruption(state)),
        _ => None,
    });
    move || {
        failure.get().map(|error| {
            view! {
                <section class="panel failure" role="alert" data-testid="failure">
                    <h2>{if error.code == "interrupted" { "Interrupted" } else { "No result" }}</h2>
                    <p><ModelText text=error.message/></p>
                    {error.hint.map(|hint| view! { <p><strong>"What to do: "</strong> <ModelText text=hint/></p> })}
                    {error.field.map(|field| view! { <p>"Field: " <code>{field}</code></p> })}
                    <p class="muted">"Code: " <code>{error.code}</code></p>
                </section>
            }
        })
    }
}

/// Where a run stands, in words.
fn place(state: &RunState) -> String {
    state.current_stage.and_then(|stage| state.stages.get(stage)).map_or_else(
        || "before its first stage".to_owned(),
        |stage| format!("in {}, at step {} of {}", stage.plan.title, stage.step, stage.plan.total_steps),
    )
}

/// Where a run was when its worker stopped, and what can be done.
fn interruption(state: &RunState) -> ErrorBody {
    ErrorBody::new("interrupted", format!("The worker stopped while this run was going on, {}.", place(state)))
        .with_hint(
            "“Resume” lets it go on from there: what the model answered was kept, so that the log fills up to this step \
             within seconds; where this worker does not have it, as of a run that came in a file, the run begins anew. \
             What it had found until then stays below.",
        )
}

/// The best prefix so far, while there is no result or where there will be none.
#[component]
fn Best(feed: RunFeed) -> impl IntoView {
    let best = feed.part(|state| state.best.clone());
    let over = feed.part(|state| state.phase.is_over());
    let verdict = shows(Part::Verdict);
    let none = feed.part(|state| state.best.is_none());
    let baseline = feed.part(|state| state.baseline(Split::Train));
    let numbers = move |train: f64, validation: Option<f64>| {
        let beside = baseline.get().map(|baseline| {
            format!(
                " (no prefix {}, reference {})",
                format::nats(baseline.ce_none),
                format::nats(baseline.ce_reference)
            )
        });
        format!(
            "Cross-entropy: train {}{}, validation {} nats a token.",
            format::nats(train),
            beside.unwrap_or_default(),
            format::or_dash(validation, format::nats)
        )
    };
    let card = move || {
        best.get().filter(|_| verdict.get()).map(|best| {
            let title = if over.get() { "Best prefix that was found" } else { "Best prefix so far" };
            view! {
                <section class="panel" data-testid="best-prefix">
                    <h2>{title}</h2>
                    <PrefixCard prefix=best.prefix/>
                    <p class="muted">{numbers(best.ce_train, best.ce_validation)}</p>
                </section>
            }
        })
    };
    view! {
        <NotYet part=Part::Verdict is_empty=none text="There is no verdict yet, and no prefix."/>
        {card}
    }
}

/// What came out: the verdict, then the prefix and why it is nontrivial.
#[component]
fn Result(feed: RunFeed) -> impl IntoView {
    let result = feed.part(|state| state.result.clone());
    let counts = feed.part(|state: &RunState| {
        Split::ALL.map(|split| state.suffixes.iter().filter(|suffix| suffix.split == split).count())
    });
    let (verdict, figures) = (shows(Part::Verdict), shows(Part::Chart));
    let outcome = move || {
        result.get().filter(|_| verdict.get()).map(|result| {
            let flagged = result.nontriviality.findings.iter().filter_map(|finding| finding.span).collect();
            let (prefix, nontriviality) = (result.prefix.clone(), result.nontriviality.clone());
            view! {
                <section class="panel panel-verdict" aria-labelledby="verdict-title">
                    <h2 id="verdict-title">"Verdict"</h2>
                    <Verdict result counts=counts.get()/>
                </section>
                <section class="panel" aria-labelledby="prefix-title">
                    <h2 id="prefix-title">"Found prefix"</h2>
                    <PrefixCard prefix flagged/>
                    <Findings verdict=nontriviality/>
                </section>
            }
        })
    };
    view! {
        {outcome}
        <Show when=move || figures.get()>
            <section class="panel" aria-labelledby="figures-title">
                <h2 id="figures-title">"Figures"</h2>
                <Figures feed/>
            </section>
        </Show>
    }
}
