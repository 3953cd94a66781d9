//! The playground: any prefix, scored and completed by the model in this browser while it is typed.

use super::desk::{Busy, Desk};
use super::model::ModelState;
use crate::components::{ModelText, TokenRow};
use crate::debounce::debounced;
use crate::format;
use leptos::prelude::*;
use shared::event::TokenPiece;
use shared::metrics::gap_closed;
use shared::spec::Split;
use shared::verification::{Claims, SuffixClaim};

/// Pause in typing after which a prefix is tried, in milliseconds.
const PAUSE_MS: u64 = 400;
/// Longest prefix, in characters.
const MAX_CHARS: u32 = 400;

/// What came of a prefix so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tried {
    /// Its tokens.
    pub tokens: Vec<TokenPiece>,
    /// Weighted cross-entropy of the reference completion, in nats a token.
    pub ce: f64,
    /// How long that took, in seconds.
    pub seconds: f64,
    /// What the model writes.
    pub text: String,
    /// Its tokens so far.
    pub written: usize,
    /// How fast they came.
    pub tokens_per_second: f64,
    /// Why there is nothing.
    pub error: Option<String>,
}

/// The playground.
#[component]
pub fn Playground(
    /// What knows the verifier.
    desk: Desk,
    /// The recording, whose suffixes and reference it uses.
    claims: Claims,
) -> impl IntoView {
    let begins_with = claims.found.as_ref().map_or(claims.teacher.clone(), |found| found.text.clone());
    let prefix = RwSignal::new(begins_with);
    let is_judged_test = |claim: &SuffixClaim| claim.split == Split::Test && claim.found.is_some();
    let first = claims.suffixes.iter().position(is_judged_test).unwrap_or(0);
    let chosen = RwSignal::new(first);
    let suffixes = StoredValue::new(claims.suffixes.clone());
    let typed = debounced(prefix, PAUSE_MS);
    let is_ready = Memo::new(move |_| matches!(desk.model.get(), ModelState::Ready { .. }));
    let is_verifying = Memo::new(move |_| matches!(desk.busy.get(), Some(Busy::Verifying | Busy::Loading)));
    Effect::new(move |_| {
        let (text, at) = (typed.get(), chosen.get());
        let index = suffixes.with_value(|suffixes| suffixes.get(at).map(|claim| claim.index));
        if let Some(index) = index.filter(|_| is_ready.get() && !is_verifying.get()) {
            desk.try_prefix(text, index);
        }
    });
    let options = claims.suffixes.iter().enumerate().map(|(at, claim)| {
        let text = format!("{} ({})", claim.text, claim.split.name());
        view! { <option value=at.to_string() selected=at == first>{text}</option> }
    });
    let options = options.collect_view();
    let hint = move || match (is_ready.get(), is_verifying.get()) {
        (false, _) => "Load the model to try prefixes.",
        (_, true) => "Waits for the verification.",
        _ => "Every change is scored and completed by the model in this browser.",
    };
    view! {
        <section class="panel playground" aria-labelledby="playground-title" data-testid="playground">
            <h2 id="playground-title">"Playground"</h2>
            <p class="muted">{hint}</p>
            <div class="field">
                <label for="playground-prefix">"Any prefix"</label>
                <textarea
                    id="playground-prefix"
                    rows="2"
                    maxlength=MAX_CHARS
                    spellcheck="false"
                    data-testid="playground-prefix"
                    disabled=move || !is_ready.get()
                    prop:value=prefix
                    on:input:target=move |event| prefix.set(event.target().value())
                ></textarea>
            </div>
            <div class="field">
                <label for="playground-suffix">"Suffix (prompt)"</label>
                <select
                    id="playground-suffix"
                    data-testid="playground-suffix"
                    disabled=move || !is_ready.get()
                    on:change:target=move |event| {
                        if let Ok(at) = event.target().value().parse() {
                            chosen.set(at);
                        }
                    }
                >
                    {options}
                </select>
            </div>
            <div aria-live="polite">
                {move || desk.tried.get().map(|tried| {
                    let claim = suffixes.with_value(|suffixes| suffixes.get(chosen.get()).cloned());
                    claim.map(|claim| view! { <Shown tried claim/> })
                })}
            </div>
        </section>
    }
}

#[component]
fn Shown(tried: Tried, claim: SuffixClaim) -> impl IntoView {
    if let Some(error) = tried.error {
        return view! { <p class="field-error" data-testid="playground-error"><ModelText text=error/></p> }.into_any();
    }
    let gap = gap_closed(claim.ce_none, claim.ce_reference, tried.ce);
    let beside = format!(
        "without a prefix {}, under the reference {}; gap closed on this suffix {}; {:.1} s",
        format::nats(claim.ce_none),
        format::nats(claim.ce_reference),
        format::or_dash(gap, format::percent),
        tried.seconds,
    );
    let speed =
        (tried.written > 1).then(|| format!("{} tokens, {:.1} a second", tried.written, tried.tokens_per_second));
    view! {
        <TokenRow tokens=tried.tokens/>
        <p>
            "Cross-entropy "
            <strong data-testid="playground-ce" data-value=tried.ce.to_string()>{format::nats(tried.ce)}</strong>
            " nats a token (" {beside} ")."
        </p>
        <h3>"What the model writes"</h3>
        <p class="completion-text" data-testid="playground-text"><ModelText text=tried.text/></p>
        <p class="muted" data-testid="playground-speed">{speed}</p>
        <h3>"Under the reference it wrote"</h3>
        <p class="completion-text"><ModelText text=claim.reference.text/></p>
    }
    .into_any()
}
