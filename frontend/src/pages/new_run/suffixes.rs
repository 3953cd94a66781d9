//! For which prompts the prefix shall work: a built-in set, typed lines or a file, and how they are split.

use super::DraftForm;
use super::suffix_file::SuffixFile;
use super::suffix_list::SuffixList;
use crate::components::{AreaField, FieldErrorText, SelectField, TextField};
use leptos::prelude::*;
use shared::spec::Split;

/// The suffixes.
#[component]
pub fn Suffixes() -> impl IntoView {
    let form = DraftForm::get();
    let DraftForm { draft, catalogue, .. } = form;
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
            }
        >
            <Own/>
        </Show>
        <Splits/>
        <TextField
            field="suffixes.min_steerability"
            label="Least steerability"
            unit="nats a token"
            help="Once the reference is measured, prompts that it changes by less than this are left out of all splits: \
                  they decide their answer by themselves. Empty: none is left out. 0.1 is a start."
            numeric=true
            value=form.text(|draft| &draft.least_steerability)
            set=form.set_text(|draft| &mut draft.least_steerability)
        />
        <SuffixList/>
    }
}

/// Prompts of the user's own: typed, or from a file.
#[component]
fn Own() -> impl IntoView {
    let form = DraftForm::get();
    let draft = form.draft;
    let listed = Memo::new(move |_| draft.with(|draft| draft.suffix_list.len()));
    view! {
        <SuffixFile/>
        <Show
            when=move || { listed.get() > 0 }
            fallback=move || view! {
                <AreaField
                    field="suffixes.texts"
                    label="Own prompts"
                    help="One a line; empty lines are left out."
                    value=form.text(|draft| &draft.suffix_lines)
                    set=form.set_text(|draft| &mut draft.suffix_lines)
                    rows=6
                />
            }
        >
            <div class="field" data-testid="suffixes-listed">
                <p>
                    {move || format!(
                        "{} prompts are used as they came, because some have several lines; the table shows them.",
                        listed.get()
                    )}
                </p>
                <button
                    type="button"
                    class="small"
                    data-testid="suffixes-type"
                    on:click=move |_| draft.update(|draft| draft.suffix_list.clear())
                >
                    "Type prompts instead"
                </button>
                <FieldErrorText field="suffixes.texts"/>
            </div>
        </Show>
    }
}

/// How many prompts each split gets, and how many there are.
#[component]
fn Splits() -> impl IntoView {
    let form = DraftForm::get();
    let DraftForm { draft, catalogue, .. } = form;
    let available = move |split: Split| {
        let catalogue = catalogue.get();
        let name = draft.with(|draft| draft.suffix_set.clone());
        let set = catalogue.suffix_sets.iter().find(|set| set.name == name);
        set.map_or(0, |set| set.suffixes.iter().filter(|suffix| suffix.split == split).count())
    };
    let capacity = move || {
        let (is_own, count, splits) =
            draft.with(|draft| (draft.own_suffixes, draft.own_count(), draft.suffix_splits.clone()));
        if !is_own {
            let [train, validation, test] = Split::ALL.map(available);
            return format!("The set has {train} train, {validation} validation and {test} test prompts.");
        }
        if splits.len() == count && count > 0 {
            let [train, validation, test] =
                Split::ALL.map(|wanted| splits.iter().filter(|&&split| split == wanted).count());
            return format!(
                "{count} prompts of your own, {train} train, {validation} validation and {test} test, as they came."
            );
        }
        format!("{count} prompts of your own; the seed deals them to the splits.")
    };
    view! {
        <p class="muted" data-testid="suffixes-capacity">{capacity}</p>
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
        <FieldErrorText field="suffixes.splits"/>
    }
}
