//! Where one recording is verified: the model, the suffixes to compute again, what came out, the playground.

use super::model::{ModelPanel, ModelState};
use super::outcome::{Results, Verified, VerifiedSuffix};
use super::playground::{Playground, Tried};
use crate::components::ModelText;
use crate::verifier::Verifier;
use crate::{attachment, fetch, format, share};
use leptos::prelude::*;
use shared::event::ErrorBody;
use shared::spec::Split;
use shared::verification::messages::{Asked, Said, WorkerAccess};
use shared::verification::{Claims, Outcome};
use web_sys::File;

/// What the verifier works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    Loading,
    Verifying,
    Trying,
}

/// Which suffixes are computed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Few,
    Test,
    All,
}

/// How many suffixes are a few.
const FEW: usize = 2;

impl Choice {
    const ALL: [(Choice, &'static str); 3] = [(Choice::Few, "few"), (Choice::Test, "test"), (Choice::All, "all")];

    /// Indices in the run.
    fn of(self, claims: &Claims) -> Vec<usize> {
        let judged_test = claims.suffixes.iter().filter(|claim| claim.split == Split::Test && claim.found.is_some());
        let chosen: Vec<usize> = judged_test.map(|claim| claim.index).collect();
        match self {
            Choice::All => claims.suffixes.iter().map(|claim| claim.index).collect(),
            // A recording that ends early has none.
            _ if chosen.is_empty() => claims.suffixes.iter().take(FEW).map(|claim| claim.index).collect(),
            Choice::Few => chosen.into_iter().take(FEW).collect(),
            Choice::Test => chosen,
        }
    }

    fn label(self, claims: &Claims) -> String {
        let count = self.of(claims).len();
        match self {
            Choice::Few => format!("{count} test suffixes: a sample"),
            Choice::Test => format!("all {count} test suffixes: the verdict"),
            Choice::All => format!("all {count} suffixes"),
        }
    }
}

/// What the page knows of the verifier's work.
#[derive(Clone, Copy)]
pub(super) struct Desk {
    verifier: Verifier,
    work: StoredValue<u64>,
    /// What to ask once the model is there.
    then: StoredValue<Option<Vec<usize>>>,
    claims: StoredValue<Claims>,
    link: StoredValue<Option<String>>,
    pub(super) busy: RwSignal<Option<Busy>>,
    pub(super) model: RwSignal<ModelState>,
    verified: RwSignal<Verified>,
    pub(super) tried: RwSignal<Option<Tried>>,
}

impl Desk {
    fn new(claims: Claims, sums: Outcome, link: Option<String>) -> Desk {
        let (busy, model) = (RwSignal::new(None), RwSignal::new(ModelState::Absent));
        let verified = RwSignal::new(Verified { sums, ..Verified::default() });
        let tried = RwSignal::new(None);
        let (work, then) = (StoredValue::new(0), StoredValue::new(None));
        let (claims, link) = (StoredValue::new(claims), StoredValue::new(link));
        let itself = StoredValue::new(None::<Desk>);
        let verifier = Verifier::new(move |said| {
            if let Some(Some(desk)) = itself.try_get_value() {
                desk.hear(said);
            }
        });
        let desk = Desk { verifier, work, then, claims, link, busy, model, verified, tried };
        itself.set_value(Some(desk));
        desk
    }

    /// Begins a piece of work; what came before it does not count any more.
    fn begin(self, busy: Busy, asked: impl FnOnce(u64) -> Asked) {
        self.work.update_value(|work| *work += 1);
        self.busy.set(Some(busy));
        self.verifier.ask(&asked(self.work.get_value()));
    }

    fn load(self, picked: bool) {
        self.model.set(ModelState::Loading(None));
        let model = self.claims.with_value(|claims| claims.model.clone());
        // A link opens the model at the worker that served the page, whatever the page is attached to.
        let worker = match self.link.get_value() {
            Some(secret) => Some(WorkerAccess { origin: String::new(), authorization: share::authorization(&secret) }),
            None => fetch::bearer().map(|authorization| {
                let origin = attachment::origin().unwrap_or_default();
                WorkerAccess { origin, authorization }
            }),
        };
        self.begin(Busy::Loading, |work| Asked::Load { work, model, worker, picked });
    }

    fn pick(self, file: &File) {
        self.verifier.hand_over(file);
        self.load(true);
    }

    fn verify(self, indices: Vec<usize>) {
        self.verified.update(|verified| verified.begin(indices.clone()));
        if !matches!(self.model.get_untracked(), ModelState::Ready { .. }) {
            self.then.set_value(Some(indices));
            return self.load(false);
        }
        let claims = Box::new(self.claims.get_value());
        self.begin(Busy::Verifying, |work| Asked::Verify { work, claims, indices });
    }

    pub(super) fn try_prefix(self, prefix: String, index: usize) {
        let claims = Box::new(self.claims.with_value(|claims| claims.only(&[index])));
        self.begin(Busy::Trying, |work| Asked::Try { work, prefix, claims });
    }

    fn cancel(self) {
        self.verifier.ask(&Asked::Cancel {});
        self.work.update_value(|work| *work += 1);
        let was = self.busy.get_untracked();
        self.busy.set(None);
        if was == Some(Busy::Verifying) {
            self.verified.update(|verified| verified.error = Some("it was cancelled.".to_owned()));
        }
        self.forget_what_waits();
        if !matches!(self.model.get_untracked(), ModelState::Ready { .. }) {
            self.model.set(ModelState::Absent);
        }
    }

    /// Without the model there is no verification.
    fn forget_what_waits(self) {
        if self.then.try_update_value(Option::take).flatten().is_some() {
            self.verified.update(|verified| verified.begin(Vec::new()));
        }
    }

    fn hear(self, said: Said) {
        let is_current = |work: u64| work == self.work.get_value();
        match said {
            Said::Loading { work, source, bytes, total_bytes } if is_current(work) => {
                self.model.set(ModelState::Loading(Some((source, bytes, total_bytes))));
            }
            Said::Unpacking { work } if is_current(work) => self.model.set(ModelState::Unpacking),
            Said::Loaded { source, kept, seconds, memory_bytes, .. } => {
                self.model.set(ModelState::Ready { source, kept, seconds, memory_bytes });
            }
            Said::CheckedTexts { work, outcome } if is_current(work) => {
                self.verified.update(|verified| verified.texts = Some(outcome));
            }
            Said::Checked { work, index, outcome, seconds } if is_current(work) => {
                let suffix = VerifiedSuffix { index, outcome, seconds };
                self.verified.update(|verified| verified.suffixes.push(suffix));
            }
            Said::Tried { work, tokens, ce, seconds } if is_current(work) => {
                self.tried.set(Some(Tried { tokens, ce, seconds, ..Tried::default() }));
            }
            Said::Written { work, text, tokens, tokens_per_second } if is_current(work) => {
                self.tried.update(|tried| {
                    if let Some(tried) = tried {
                        (tried.text, tried.written, tried.tokens_per_second) = (text, tokens, tokens_per_second);
                    }
                });
            }
            Said::Done { work } if is_current(work) => {
                let was = self.busy.get_untracked();
                self.busy.set(None);
                if was == Some(Busy::Verifying) {
                    self.verified.update(|verified| verified.is_done = true);
                }
                if let Some(indices) = self.then.try_update_value(Option::take).flatten() {
                    self.verify(indices);
                }
            }
            Said::Failed { work, error } if is_current(work) => self.failed(error),
            Said::Stopped { reason } => {
                self.failed(ErrorBody::new("verifier_stopped", format!("The verifier stopped: {reason}.")).with_hint(
                    "It may have run out of memory. Close other tabs and try again, or use `steerage score`.",
                ))
            }
            _ => {}
        }
    }

    /// A failure while the model is loaded, or of all that follows, belongs to the model.
    fn failed(self, error: ErrorBody) {
        let was = self.busy.get_untracked();
        self.busy.set(None);
        self.forget_what_waits();
        if was == Some(Busy::Loading) || error.code == "verifier_stopped" {
            self.model.set(ModelState::Failed(error));
        } else if was == Some(Busy::Trying) {
            self.tried.set(Some(Tried { error: Some(error.message), ..Tried::default() }));
        } else {
            self.verified.update(|verified| verified.error = Some(error.message));
        }
    }
}

/// The whole desk.
#[component]
pub fn Desk(
    /// What the recording is called.
    name: String,
    /// What it claims.
    claims: Claims,
    /// Whether it adds up.
    sums: Outcome,
    /// The secret of the link that showed it, where one did.
    link: Option<String>,
) -> impl IntoView {
    let desk = Desk::new(claims.clone(), sums, link);
    let choice = RwSignal::new(Choice::Few);
    let chosen = StoredValue::new(claims.clone());
    let busy = Signal::derive(move || desk.busy.get().is_some());
    let cannot_start = move || matches!(desk.busy.get(), Some(Busy::Loading | Busy::Verifying));
    let options = Choice::ALL.map(|(choice, value)| view! { <option value=value>{choice.label(&claims)}</option> });
    let choose = move |value: String| {
        if let Some((picked, _)) = Choice::ALL.iter().find(|(_, name)| *name == value) {
            choice.set(*picked);
        }
    };
    let found = claims.found.as_ref().map(|found| {
        view! { ", found prefix " <q><ModelText text=found.text.clone()/></q> }
    });
    let counts = format!("{} suffixes", format::count(claims.suffixes.len() as u64));
    view! {
        <section class="panel" aria-labelledby="subject-title" data-testid="verify-subject">
            <h2 id="subject-title">{name}</h2>
            <p>
                "Reference " <q><ModelText text=claims.teacher.clone()/></q> {found} ", " {counts} "."
            </p>
            <div class="field">
                <label for="verify-choice">"Compute again"</label>
                <select
                    id="verify-choice"
                    data-testid="verify-choice"
                    on:change:target=move |event| choose(event.target().value())
                >
                    {options.into_iter().collect_view()}
                </select>
            </div>
            <div class="actions">
                <button
                    type="button"
                    class="primary"
                    data-testid="verify-start"
                    disabled=cannot_start
                    on:click=move |_| desk.verify(chosen.with_value(|claims| choice.get_untracked().of(claims)))
                >
                    "Verify"
                </button>
                <Show when=move || busy.get()>
                    <button type="button" data-testid="verify-cancel" on:click=move |_| desk.cancel()>"Cancel"</button>
                </Show>
            </div>
        </section>
        <ModelPanel
            name=claims.model.name.clone()
            state=desk.model
            busy=busy
            on_load=move || desk.load(false)
            on_pick=move |file| desk.pick(&file)
        />
        <Results verified=desk.verified claims=claims.clone()/>
        <Playground desk claims/>
    }
}
