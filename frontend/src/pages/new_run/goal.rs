//! What the found prefix shall do, and for which prompts.

use super::DraftForm;
use super::suffixes::Suffixes;
use crate::components::{AreaField, SelectField};
use leptos::prelude::*;
use shared::catalogue::Teacher;

/// Teacher, model and suffixes.
#[component]
pub fn Goal() -> impl IntoView {
    let form = DraftForm::get();
    let DraftForm { draft, catalogue, .. } = form;
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
