//! One run of the list, and what can be done to it there.

use super::address::ListAddress;
use super::duplicate::duplicate;
use super::editor::LineEditor;
use super::filters::TagButton;
use super::undo::DeletedRuns;
use crate::clock::Clock;
use crate::components::{ModelText, PhaseBadge};
use crate::connection::Connection;
use crate::format;
use crate::run_query::name_of;
use leptos::html::Button;
use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_navigate;
use shared::catalogue::FieldError;
use shared::labels::Labels;
use shared::wire::{Command, Outcome, RunSummary};

/// What is being edited.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Title,
    Tags,
}

/// A row; it stays while its run changes, so that nothing that is being typed is lost.
#[component]
pub fn SessionRow(
    /// The run as it was when the row was made.
    initial: RunSummary,
    /// What the list shows.
    address: ListAddress,
) -> impl IntoView {
    let connection = Connection::get();
    let id = initial.run.clone();
    let run = Memo::new(move |before: Option<&RunSummary>| {
        let is_it = |run: &&RunSummary| run.run == initial.run;
        let now = connection.runs.with(|runs| runs.iter().flatten().find(is_it).cloned());
        now.or_else(|| before.cloned()).unwrap_or_else(|| initial.clone())
    });
    let titled = Memo::new(move |_| run.with(|run| run.title.is_some()));
    let name = Memo::new(move |_| run.with(|run| name_of(run).to_owned()));
    let teacher = Memo::new(move |_| run.with(|run| run.teacher.clone()));
    let prefix = Memo::new(move |_| run.with(|run| run.prefix_text.clone()));
    let tags = Memo::new(move |_| run.with(|run| run.tags.clone()));
    let phase = Memo::new(move |_| run.with(|run| run.state));
    let tag = move |tag: String| view! { <li><TagButton tag address test_id="session-tag"/></li> };
    view! {
        <li class="session" data-testid="session" data-run=id.clone()>
            <div class="session-head">
                <A href=format!("/run/{id}") attr:class="session-name" attr:data-testid="session-link">
                    {move || view! { <ModelText text=name.get()/> }}
                </A>
                <PhaseBadge phase=phase test_id="session-phase"/>
            </div>
            <Show when=move || titled.get()>
                <p class="run-facts">"Reference: " <q>{move || view! { <ModelText text=teacher.get()/> }}</q></p>
            </Show>
            <Facts run/>
            {move || prefix.get().map(|text| view! { <p class="run-prefix"><ModelText text marked=true/></p> })}
            <Show when=move || tags.with(|tags| !tags.is_empty())>
                <ul class="chips" aria-label="Tags of this run">
                    {move || tags.get().into_iter().map(tag).collect_view()}
                </ul>
            </Show>
            <Actions run/>
        </li>
    }
}

#[component]
fn Facts(run: Memo<RunSummary>) -> impl IntoView {
    let clock = Clock::get();
    let facts = move || {
        run.with(|run| {
            let queue = run.queue_position.map(|place| format!("place {place} in the queue"));
            let gap = run.gap_closed_test.map(|gap| format!("{} of the gap closed on test", format::percent(gap)));
            let attempt = (run.epoch > 1).then(|| format!("attempt {}", run.epoch));
            let fixed = [run.model.clone(), run.preset.clone(), format!("seed {}", run.seed)];
            fixed.into_iter().chain(attempt).chain(queue).chain(gap).collect::<Vec<_>>().join(" · ")
        })
    };
    let age = move || {
        let created_unix_ms = run.with(|run| run.created_unix_ms) as f64;
        format::ago((clock.now_unix_ms() - created_unix_ms) / 1e3)
    };
    view! { <p class="run-facts" data-testid="session-facts">{facts} " · " {age}</p> }
}

#[component]
fn Actions(run: Memo<RunSummary>) -> impl IntoView {
    let connection = Connection::get();
    let deleted = DeletedRuns::get();
    let editing = RwSignal::new(None::<Part>);
    let waiting = RwSignal::new(false);
    let refused = RwSignal::new(Vec::<String>::new());
    let (rename_button, tags_button) = (NodeRef::<Button>::new(), NodeRef::<Button>::new());
    let open = move |part: Part| {
        refused.set(Vec::new());
        editing.update(|editing| *editing = (*editing != Some(part)).then_some(part));
    };
    // The row may be gone when the worker answers. Where it is not, the focus goes back to where it was.
    let close = move |part: Part| {
        refused.try_set(Vec::new());
        if editing.try_set(None).is_none() {
            let button = if part == Part::Title { rename_button } else { tags_button };
            button.get_untracked().map(|button| button.focus().ok());
        }
    };
    let save = move |part: Part, text: String| {
        let Ok(labels) = run.with_untracked(|run| edited(run, part, &text)) else { return };
        if run.with_untracked(|run| run.title == labels.title && run.tags == labels.tags) {
            return close(part);
        }
        waiting.set(true);
        let run = run.with_untracked(|run| run.run.clone());
        connection.command(Command::LabelRun { run, title: labels.title, tags: labels.tags }, move |outcome| {
            waiting.try_set(false);
            match outcome {
                Outcome::Done { .. } => close(part),
                Outcome::Refused { errors } => {
                    refused.try_set(errors.into_iter().map(|error| error.to_string()).collect());
                }
            }
        });
    };
    let delete = move |_| {
        waiting.set(true);
        refused.set(Vec::new());
        let (run, name) = run.with_untracked(|run| (run.run.clone(), name_of(run).to_owned()));
        connection.command(Command::DeleteRun { run }, move |outcome| {
            waiting.try_set(false);
            match outcome {
                Outcome::Done { run } => deleted.push(run, name),
                Outcome::Refused { errors } => {
                    refused.try_set(errors.into_iter().map(|error| error.to_string()).collect());
                }
            }
        });
    };
    let navigate = StoredValue::new(use_navigate());
    let duplicate = move |_| {
        duplicate(connection, run.with_untracked(|run| run.run.clone()), move || {
            navigate.try_with_value(|navigate| navigate("/new", Default::default()));
        });
    };
    let editor = move |part: Part| {
        let (label, help, value) = run.with_untracked(|run| match part {
            Part::Title => {
                ("Title", "Empty: the run is called by its reference.", run.title.clone().unwrap_or_default())
            }
            Part::Tags => ("Tags", "Commas stand between tags.", run.tags.join(", ")),
        });
        let check = move |text: String| {
            let wrong = run.with(|run| edited(run, part, &text)).err()?;
            wrong.first().map(reason)
        };
        let id = run.with_untracked(|run| run.run.clone());
        view! {
            <LineEditor
                label
                help
                id
                value
                check
                refused
                waiting
                save=move |text: String| save(part, text)
                cancel=move |()| close(part)
            />
        }
    };
    let named = move |action: &str| format!("{action}: {}", run.with(|run| name_of(run).to_owned()));
    let may_delete = move || run.with(|run| run.state.is_over());
    let delete_help =
        move || if may_delete() { "Takes the run out of the list; can be undone" } else { "Cancel the run first" };
    let expanded = move |part: Part| (editing.get() == Some(part)).to_string();
    let unsaved = move || editing.get().is_none();
    view! {
        <div class="session-actions">
            <button
                type="button"
                class="small"
                node_ref=rename_button
                data-testid="session-rename"
                aria-label=move || named("Rename")
                aria-expanded=move || expanded(Part::Title)
                on:click=move |_| open(Part::Title)
            >
                "Rename"
            </button>
            <button
                type="button"
                class="small"
                node_ref=tags_button
                data-testid="session-edit-tags"
                aria-label=move || named("Edit tags")
                aria-expanded=move || expanded(Part::Tags)
                on:click=move |_| open(Part::Tags)
            >
                "Edit tags"
            </button>
            <button
                type="button"
                class="small"
                data-testid="session-duplicate"
                aria-label=move || named("Duplicate and edit")
                title="Opens the form with this run's settings"
                disabled=move || !connection.is_up()
                on:click=duplicate
            >
                "Duplicate"
            </button>
            <button
                type="button"
                class="small danger"
                data-testid="session-delete"
                aria-label=move || named("Delete")
                title=delete_help
                disabled=move || waiting.get() || !connection.is_up() || !may_delete()
                on:click=delete
            >
                "Delete"
            </button>
        </div>
        {move || (editing.get() == Some(Part::Title)).then(|| editor(Part::Title))}
        {move || (editing.get() == Some(Part::Tags)).then(|| editor(Part::Tags))}
        <Show when=unsaved>
            {move || {
                let line = |reason| view! { <p class="field-error" role="alert">{reason}</p> };
                refused.get().into_iter().map(line).collect_view()
            }}
        </Show>
    }
}

/// The labels of a run once one part is another text.
fn edited(run: &RunSummary, part: Part, text: &str) -> Result<Labels, Vec<FieldError>> {
    match part {
        Part::Title => Labels::new(Some(text), &run.tags),
        Part::Tags => Labels::new(run.title.as_deref(), &text.split(',').collect::<Vec<_>>()),
    }
}

/// What is wrong, for whoever typed it.
fn reason(error: &FieldError) -> String {
    let index = error.field.strip_prefix("tags[").and_then(|rest| rest.strip_suffix(']')?.parse::<usize>().ok());
    match index {
        Some(index) => format!("Tag {}: {}.", index + 1, error.message),
        None => format!("{}.", error.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::wire::RunPhase;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn run() -> RunSummary {
        RunSummary {
            run: "r".to_owned(),
            epoch: 1,
            state: RunPhase::Finished,
            queue_position: None,
            preset: String::new(),
            model: String::new(),
            teacher: "Talk only about cats.".to_owned(),
            seed: 0,
            created_unix_ms: 0,
            gap_closed_test: None,
            prefix_text: None,
            title: Some("Cats".to_owned()),
            tags: vec!["a".to_owned()],
            settings: Default::default(),
        }
    }

    #[test]
    fn editing_one_label_keeps_the_other() {
        let renamed = edited(&run(), Part::Title, " Dogs ").unwrap();
        assert_eq!((renamed.title.as_deref(), &renamed.tags[..]), (Some("Dogs"), &["a".to_owned()][..]));
        let unnamed = edited(&run(), Part::Title, " ").unwrap();
        assert_eq!(unnamed.title, None);
        let tagged = edited(&run(), Part::Tags, "b c,, d ,b c").unwrap();
        assert_eq!(
            (tagged.title.as_deref(), &tagged.tags[..]),
            (Some("Cats"), &["b c".to_owned(), "d".to_owned()][..])
        );
    }

    #[test]
    fn a_reason_says_which_tag() {
        let wrong = edited(&run(), Part::Tags, &format!("fine, {}", "x".repeat(41))).unwrap_err();
        assert_eq!(reason(&wrong[0]), "Tag 2: expected at most 40 characters, found 41.");
        let wrong = edited(&run(), Part::Title, &"x".repeat(201)).unwrap_err();
        assert_eq!(reason(&wrong[0]), "expected at most 200 characters, found 201.");
    }
}
