//! What the found prefix shall do, and for which prompts.

use super::DraftForm;
use crate::components::{AreaField, FieldErrorText, SelectField, TextField};
use leptos::prelude::*;
use shared::catalogue::Teacher;
use shared::spec::Split;

/// Teacher, model and suffixes.
#[component]
pub fn Goal() -> impl IntoView {
    let form = DraftForm::get();
    let DraftForm { draft, catalogue } = form;
    let teachers = move || {
        let chip = |teacher: &Teacher| {
            let Teacher { text, title, .. } = teacher.clone();
            let (name, this) = (text.clone(), text.clone());
            view! {
                <button
                    type="button"
                    class="chip"
                    title=name
                    aria-pressed=move || draft.with(|draft| draft.teacher == this).to_string()
                    on:click=move |_| draft.update(|draft| draft.teacher.clone_from(&text))
                >
                    {title}
                </button>
            }
        };
        catalogue.get().teachers.iter().map(chip).collect_view()
    };
    let models: Vec<(String, String)> = catalogue
        .get_untracked()
        .models
        .iter()
        .map(|model| {
            let missing = if model.available { "" } else { " – not on the worker's disk" };
            (model.name.clone(), format!("{}{missing}", model.title))
        })
        .collect();
    view! {
        <section class="panel" aria-labelledby="goal-title">
            <h2 id="goal-title">"Goal"</h2>
            <AreaField
                field="teacher"
                label="Reference prefix"
                help="The instruction whose effect another text shall have."
                value=form.text(|draft| &draft.teacher)
                set=form.set_text(|draft| &mut draft.teacher)
                rows=2
            />
            <div class="chips" role="group" aria-label="Built-in reference prefixes">{teachers}</div>
            <SelectField
                field="model"
                label="Model"
                options=models
                value=form.text(|draft| &draft.model)
                set=form.set_text(|draft| &mut draft.model)
            />
            <Suffixes/>
        </section>
    }
}

#[component]
fn Suffixes() -> impl IntoView {
    let form = DraftForm::get();
    let DraftForm { draft, catalogue } = form;
    let own = Memo::new(move |_| draft.with(|draft| draft.own_suffixes));
    let source = move |value: bool, label: &'static str, test_id: &'static str| {
        view! {
            <label class="choice">
                <input
                    type="radio"
                    name="suffix-source"
                    data-testid=test_id
                    prop:checked=move || own.get() == value
                    on:change=move |_| draft.update(|draft| draft.own_suffixes = value)
                />
                <span>{label}</span>
            </label>
        }
    };
    let sets: Vec<(String, String)> =
        catalogue.get_untracked().suffix_sets.iter().map(|set| (set.name.clone(), set.title.clone())).collect();
    let available = move |split: Split| {
        let catalogue = catalogue.get();
        let name = draft.with(|draft| draft.suffix_set.clone());
        let set = catalogue.suffix_sets.iter().find(|set| set.name == name);
        set.map_or(0, |set| set.suffixes.iter().filter(|suffix| suffix.split == split).count())
    };
    let capacity = move || {
        if own.get() {
            let lines = draft.with(|draft| draft.own_lines().count());
            format!("{lines} prompts pasted; the seed deals them to the splits.")
        } else {
            let [train, validation, test] = Split::ALL.map(available);
            format!("The set has {train} train, {validation} validation and {test} test prompts.")
        }
    };
    let preview = move || {
        let catalogue = catalogue.get();
        let name = draft.with(|draft| draft.suffix_set.clone());
        let set = catalogue.suffix_sets.iter().find(|set| set.name == name)?;
        let row = |suffix: &shared::catalogue::Suffix| {
            view! { <li><span class="muted">{suffix.split.name()}</span> " " {suffix.text.clone()}</li> }
        };
        Some(set.suffixes.iter().map(row).collect_view())
    };
    view! {
        <fieldset class="choices">
            <legend>"Prompts (suffixes)"</legend>
            {source(false, "Built-in set", "suffixes-built-in")}
            {source(true, "My own", "suffixes-own")}
        </fieldset>
        <Show
            when=move || own.get()
            fallback=move || view! {
                <SelectField
                    field="suffixes.set"
                    label="Set"
                    options=sets.clone()
                    value=form.text(|draft| &draft.suffix_set)
                    set=form.set_text(|draft| &mut draft.suffix_set)
                />
                <details class="preview">
                    <summary>"Show the prompts"</summary>
                    <ul class="prompt-list">{preview}</ul>
                </details>
            }
        >
            <AreaField
                field="suffixes.texts"
                label="Own prompts"
                help="One a line; empty lines are left out."
                value=form.text(|draft| &draft.suffix_lines)
                set=form.set_text(|draft| &mut draft.suffix_lines)
                rows=6
            />
        </Show>
        <p class="muted">{capacity}</p>
        <div class="field-grid">
            <TextField
                field="suffixes.train"
                label="Train"
                unit="prompts"
                help="Optimised on."
                numeric=true
                value=form.text(|draft| &draft.train)
                set=form.set_text(|draft| &mut draft.train)
            />
            <TextField
                field="suffixes.validation"
                label="Validation"
                unit="prompts"
                help="Select the iterate."
                numeric=true
                value=form.text(|draft| &draft.validation)
                set=form.set_text(|draft| &mut draft.validation)
            />
            <TextField
                field="suffixes.test"
                label="Test"
                unit="prompts"
                help="Touched once, for the verdict."
                numeric=true
                value=form.text(|draft| &draft.test)
                set=form.set_text(|draft| &mut draft.test)
            />
        </div>
        <FieldErrorText field="suffixes"/>
    }
}
