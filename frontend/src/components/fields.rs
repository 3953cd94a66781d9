//! Form fields: a label, a unit, one line of help, and the reason beside it when it is wrong.

use leptos::prelude::*;
use shared::catalogue::FieldError;

/// What every field of a form needs to know.
#[derive(Clone, Copy)]
pub struct Form {
    /// What is wrong, by field.
    pub errors: Memo<Vec<FieldError>>,
}

impl Form {
    /// The form that the page provides.
    pub fn get() -> Self {
        expect_context()
    }

    /// What is wrong with a field or, for a list, with one of its items.
    pub fn error(&self, field: &str) -> Option<String> {
        let concerns = |error: &FieldError| {
            let rest = error.field.strip_prefix(field);
            rest.is_some_and(|rest| rest.is_empty() || (rest.starts_with('[') && rest.ends_with(']')))
        };
        self.errors.with(|errors| errors.iter().find(|error| concerns(error)).map(|error| error.message.clone()))
    }
}

/// An id for a field's element, made of the field's path.
fn element_id(field: &str) -> String {
    format!("field-{}", field.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
}

/// The reason why a field is wrong, if it is.
#[component]
pub fn FieldErrorText(
    /// Path of the field.
    #[prop(into)]
    field: String,
) -> impl IntoView {
    let form = Form::get();
    let test_id = format!("error-{field}");
    let id = format!("{}-error", element_id(&field));
    move || {
        form.error(&field).map(|message| {
            view! { <p class="field-error" id=id.clone() data-testid=test_id.clone()>{message}</p> }
        })
    }
}

#[component]
fn Frame(field: String, label: String, unit: String, help: String, children: Children) -> impl IntoView {
    let id = element_id(&field);
    view! {
        <div class="field">
            <label for=id>{label} {(!unit.is_empty()).then(|| view! { <span class="unit">" " {unit}</span> })}</label>
            {children()}
            {(!help.is_empty()).then(|| view! { <p class="help">{help}</p> })}
            <FieldErrorText field/>
        </div>
    }
}

/// Attributes that tie an element to its error.
fn describe(field: &str) -> (Signal<Option<&'static str>>, String) {
    let (form, path) = (Form::get(), field.to_owned());
    let invalid = Signal::derive(move || form.error(&path).map(|_| "true"));
    (invalid, format!("{}-error", element_id(field)))
}

/// One line of text, or a number.
#[component]
pub fn TextField(
    /// Path of the field in the spec.
    #[prop(into)]
    field: String,
    /// Name on screen.
    #[prop(into)]
    label: String,
    /// Unit.
    #[prop(into, optional)]
    unit: String,
    /// One sentence.
    #[prop(into, optional)]
    help: String,
    /// The text.
    #[prop(into)]
    value: Signal<String>,
    /// Takes the text over.
    #[prop(into)]
    set: Callback<String>,
    /// Brings up the keyboard for numbers.
    #[prop(optional)]
    numeric: bool,
) -> impl IntoView {
    let (invalid, described_by) = describe(&field);
    let (id, test_id) = (element_id(&field), format!("field-{field}"));
    view! {
        <Frame field label unit help>
            <input
                id=id
                type="text"
                class:numeric=numeric
                inputmode=numeric.then_some("decimal")
                autocomplete="off"
                spellcheck="false"
                data-testid=test_id
                aria-invalid=move || invalid.get()
                aria-describedby=described_by
                prop:value=value
                on:input:target=move |event| set.run(event.target().value())
            />
        </Frame>
    }
}

/// Several lines of text.
#[component]
pub fn AreaField(
    /// Path of the field in the spec.
    #[prop(into)]
    field: String,
    /// Name on screen.
    #[prop(into)]
    label: String,
    /// One sentence.
    #[prop(into, optional)]
    help: String,
    /// The text.
    #[prop(into)]
    value: Signal<String>,
    /// Takes the text over.
    #[prop(into)]
    set: Callback<String>,
    /// Lines that are shown at once.
    rows: u32,
) -> impl IntoView {
    let (invalid, described_by) = describe(&field);
    let (id, test_id) = (element_id(&field), format!("field-{field}"));
    view! {
        <Frame field label unit=String::new() help>
            <textarea
                id=id
                rows=rows
                spellcheck="false"
                data-testid=test_id
                aria-invalid=move || invalid.get()
                aria-describedby=described_by
                prop:value=value
                on:input:target=move |event| set.run(event.target().value())
            ></textarea>
        </Frame>
    }
}

/// One of a few values.
#[component]
pub fn SelectField(
    /// Path of the field in the spec.
    #[prop(into)]
    field: String,
    /// Name on screen.
    #[prop(into)]
    label: String,
    /// One sentence.
    #[prop(into, optional)]
    help: String,
    /// Values and their names on screen.
    options: Vec<(String, String)>,
    /// The value.
    #[prop(into)]
    value: Signal<String>,
    /// Takes the value over.
    #[prop(into)]
    set: Callback<String>,
) -> impl IntoView {
    let (invalid, described_by) = describe(&field);
    let (id, test_id) = (element_id(&field), format!("field-{field}"));
    let known: Vec<String> = options.iter().map(|(value, _)| value.clone()).collect();
    let options = options.into_iter().map(move |(option, title)| {
        let this = option.clone();
        view! { <option value=option prop:selected=move || value.get() == this>{title}</option> }
    });
    // A draft may name what this worker does not have; the error beside it says so.
    let unknown = move || {
        let value = value.get();
        (!known.contains(&value)).then(|| view! { <option value=value.clone() selected=true>{value.clone()}</option> })
    };
    view! {
        <Frame field label unit=String::new() help>
            <select
                id=id
                data-testid=test_id
                aria-invalid=move || invalid.get()
                aria-describedby=described_by
                on:change:target=move |event| set.run(event.target().value())
            >
                {unknown}
                {options.collect_view()}
            </select>
        </Frame>
    }
}

/// Yes or no.
#[component]
pub fn CheckField(
    /// Path of the field in the spec.
    #[prop(into)]
    field: String,
    /// Name on screen.
    #[prop(into)]
    label: String,
    /// One sentence.
    #[prop(into, optional)]
    help: String,
    /// Whether it is on.
    #[prop(into)]
    value: Signal<bool>,
    /// Takes it over.
    #[prop(into)]
    set: Callback<bool>,
) -> impl IntoView {
    let (id, test_id) = (element_id(&field), format!("field-{field}"));
    view! {
        <div class="field check">
            <input
                id=id.clone()
                type="checkbox"
                data-testid=test_id
                prop:checked=value
                on:change:target=move |event| set.run(event.target().checked())
            />
            <label for=id>{label}</label>
            {(!help.is_empty()).then(|| view! { <p class="help">{help}</p> })}
            <FieldErrorText field/>
        </div>
    }
}
