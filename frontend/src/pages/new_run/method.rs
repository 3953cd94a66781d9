//! How the prefix is searched for: preset, sizes, and the parameters of each stage as it declares them.

use super::DraftForm;
use crate::components::{CheckField, FieldErrorText, SelectField, TextField};
use crate::draft::Draft;
use leptos::prelude::*;
use shared::catalogue::{ParamDeclaration, ParamDomain, StageDeclaration};

/// Preset, numbers and stages.
#[component]
pub fn Method() -> impl IntoView {
    let form = DraftForm::get();
    let DraftForm { draft, catalogue, .. } = form;
    let presets: Vec<(String, String)> =
        catalogue.get_untracked().presets.iter().map(|preset| (preset.name.clone(), preset.title.clone())).collect();
    let set_preset = Callback::new(move |name: String| {
        if let Some(preset) = catalogue.get_untracked().preset(&name) {
            draft.update(|draft| draft.adopt(preset));
        }
    });
    let help = move || {
        let name = draft.with(|draft| draft.preset.clone());
        catalogue.get().preset(&name).map(|preset| preset.help.clone())
    };
    let kinds = Memo::new(move |_| {
        draft.with(|draft| draft.stages.iter().map(|stage| stage.kind.clone()).enumerate().collect::<Vec<_>>())
    });
    view! {
        <section class="panel" aria-labelledby="method-title">
            <h2 id="method-title">"Method"</h2>
            <SelectField
                field="preset"
                label="Preset"
                options=presets
                value=form.text(|draft| &draft.preset)
                set=set_preset
            />
            <p class="muted">{help}</p>
            <div class="field-grid">
                <TextField
                    field="prefix_tokens"
                    label="Prefix length"
                    unit="tokens"
                    numeric=true
                    value=form.text(|draft| &draft.prefix_tokens)
                    set=form.set_text(|draft| &mut draft.prefix_tokens)
                />
                <TextField
                    field="seed"
                    label="Seed"
                    numeric=true
                    value=form.text(|draft| &draft.seed)
                    set=form.set_text(|draft| &mut draft.seed)
                />
            </div>
            <details class="fold" data-testid="fold-objective">
                <summary>"Objective"</summary>
                <Objective/>
            </details>
            <p class="label">"Pipeline"</p>
            <FieldErrorText field="stages"/>
            <ol class="stages">
                <For each=move || kinds.get() key=|row| row.clone() let((index, kind))>
                    <Stage index kind/>
                </For>
            </ol>
        </section>
    }
}

#[component]
fn Objective() -> impl IntoView {
    let form = DraftForm::get();
    view! {
        <div class="field-grid">
            <TextField
                field="max_completion_tokens"
                label="Longest completion"
                unit="tokens"
                numeric=true
                value=form.text(|draft| &draft.max_completion_tokens)
                set=form.set_text(|draft| &mut draft.max_completion_tokens)
            />
            <TextField
                field="early_k"
                label="Early tokens"
                unit="tokens"
                help="How many tokens at the start of a completion weigh more."
                numeric=true
                value=form.text(|draft| &draft.early_k)
                set=form.set_text(|draft| &mut draft.early_k)
            />
            <TextField
                field="early_weight"
                label="Weight of an early token"
                help="Later tokens weigh 1."
                numeric=true
                value=form.text(|draft| &draft.early_weight)
                set=form.set_text(|draft| &mut draft.early_weight)
            />
            <TextField
                field="budget.evaluations"
                label="Budget"
                unit="evaluations"
                help="The search ends when it has spent so many; empty for no limit."
                numeric=true
                value=form.text(|draft| &draft.budget_evaluations)
                set=form.set_text(|draft| &mut draft.budget_evaluations)
            />
            <TextField
                field="budget.seconds"
                label="Budget of time"
                unit="seconds"
                help="The search ends after so long; empty for no limit. Such a run is not reproducible byte for byte."
                numeric=true
                value=form.text(|draft| &draft.budget_seconds)
                set=form.set_text(|draft| &mut draft.budget_seconds)
            />
        </div>
    }
}

#[component]
fn Stage(index: usize, kind: String) -> impl IntoView {
    let DraftForm { draft, catalogue, .. } = DraftForm::get();
    let declaration = catalogue.get_untracked().stage(&kind).cloned();
    let changed = move || {
        let count = draft.with(|draft| draft.stages.get(index).map_or(0, |stage| stage.params.len()));
        match count {
            0 => String::new(),
            1 => "1 parameter set".to_owned(),
            n => format!("{n} parameters set"),
        }
    };
    let body = match declaration.clone() {
        None => view! { <FieldErrorText field=format!("stages[{index}].kind")/> }.into_any(),
        Some(StageDeclaration { help, params, .. }) => {
            let params = params.into_iter().map(|param| view! { <Param index param/> });
            view! {
                <p class="muted">{help}</p>
                <div class="field-grid">{params.collect_view()}</div>
            }
            .into_any()
        }
    };
    let test_id = format!("fold-{kind}");
    view! {
        <li>
            <details class="fold" data-testid=test_id>
                <summary>
                    {declaration.map_or(kind, |declaration| declaration.title)}
                    " "
                    <span class="muted">{changed}</span>
                </summary>
                {body}
            </details>
        </li>
    }
}

/// A field for one parameter, made from its declaration.
#[component]
fn Param(index: usize, param: ParamDeclaration) -> impl IntoView {
    let DraftForm { draft, .. } = DraftForm::get();
    let field = format!("stages[{index}].{}", param.name);
    let ParamDeclaration { name, unit, help, domain, .. } = param.clone();
    let label = sentence_case(&name);
    let stored = StoredValue::new(param);
    let text = Memo::new(move |_| {
        let read = |draft: &Draft| draft.stages.get(index).map(|stage| stored.with_value(|param| stage.text(param)));
        draft.with(read).unwrap_or_default()
    });
    let set = Callback::new(move |text: String| {
        draft.update(|draft| {
            if let Some(stage) = draft.stages.get_mut(index) {
                stored.with_value(|param| stage.set_text(param, text));
            }
        });
    });
    match domain {
        ParamDomain::Switch => {
            let on = Signal::derive(move || text.get() == "true");
            let set = Callback::new(move |on: bool| set.run(on.to_string()));
            view! { <CheckField field label help value=on set/> }.into_any()
        }
        ParamDomain::Choice { options } => {
            let options = options.into_iter().map(|option| (option.clone(), option)).collect();
            view! { <SelectField field label help options value=text set/> }.into_any()
        }
        ParamDomain::Name { .. } => {
            view! { <TextField field label unit help numeric=false value=text set/> }.into_any()
        }
        ParamDomain::Integer { .. } | ParamDomain::Real { .. } => {
            view! { <TextField field label unit help=bounded(help, &domain) numeric=true value=text set/> }.into_any()
        }
    }
}

/// A parameter's name as a label.
fn sentence_case(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The help of a number with its bounds.
fn bounded(help: String, domain: &ParamDomain) -> String {
    match domain {
        ParamDomain::Integer { min, max } => format!("{help} {min} to {max}."),
        ParamDomain::Real { min, max } => format!("{help} {min} to {max}."),
        ParamDomain::Switch | ParamDomain::Choice { .. } | ParamDomain::Name { .. } => help,
    }
}
