//! The legend, which also hides and shows what it names.

use super::super::curve::{Curves, Shown, View};
use crate::format;
use leptos::prelude::*;
use shared::state::Baseline;

/// One toggle a kind of line, with the values of those that are level.
#[component]
pub fn Legend(
    /// What is drawn.
    drawn: Memo<Option<Curves>>,
    /// How it is looked at.
    view: RwSignal<View>,
) -> impl IntoView {
    let toggle = move |name: &'static str, part: fn(&mut Shown) -> &mut bool| {
        let is_shown = move || *part(&mut view.get().shown);
        view! {
            <button
                type="button"
                class="small legend-toggle"
                aria-pressed=move || is_shown().to_string()
                data-testid=format!("chart-show-{name}")
                on:click=move |_| view.update(|view| {
                    let shown = part(&mut view.shown);
                    *shown = !*shown;
                })
            >
                {(name != "baselines").then(|| view! {
                    <svg class="key" viewBox="0 0 28 10" aria-hidden="true">
                        <line class=format!("curve series-{name}") x1="0" x2="28" y1="5" y2="5"/>
                    </svg>
                })}
                {name}
            </button>
        }
    };
    let levels = move || {
        let shown = view.get().shown;
        drawn.with(|curves| {
            let curves = curves.as_ref()?;
            let of = |name: &'static str, baseline: Option<Baseline>, random: Option<f64>, is_shown: bool| {
                baseline.filter(|_| is_shown && shown.baselines).map(|baseline| {
                    (
                        level(name, "none", "no prefix", baseline.ce_none),
                        random.map(|random| level(name, "random", "random prefixes", random)),
                        level(name, "reference", "reference", baseline.ce_reference),
                    )
                })
            };
            let train = of("train", curves.train, curves.random.train, shown.train);
            Some((train, of("validation", curves.validation, curves.random.validation, shown.validation)))
        })
    };
    view! {
        <div class="legend" role="group" aria-label="Lines shown">
            {toggle("train", |shown| &mut shown.train)}
            {toggle("validation", |shown| &mut shown.validation)}
            {toggle("baselines", |shown| &mut shown.baselines)}
        </div>
        <ul class="legend">{levels}</ul>
    }
}

fn level(series: &'static str, kind: &'static str, label: &'static str, value: f64) -> impl IntoView + use<> {
    view! {
        <li>
            <svg class="key" viewBox="0 0 28 10" aria-hidden="true">
                <line class=format!("baseline baseline-{kind} series-{series}") x1="0" x2="28" y1="5" y2="5"/>
            </svg>
            {format!("{series}, {label} {}", format::nats(value))}
        </li>
    }
}
