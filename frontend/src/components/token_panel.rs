//! One suffix token by token: how likely each token of the reference's completion is, and how another completion
//! differs from it.

use super::roving::Roving;
use super::token_row::token_text;
use crate::glyphs::{Glyph, Whitespace, visible};
use crate::graphemes::{Shown, shown};
use crate::run_address::RunAddress;
use crate::run_view::{Against, Heat, Named};
use crate::token_diff::{Column, Relation, align};
use leptos::prelude::*;
use shared::event::{Completion, SuffixBaseline, SuffixEvaluation};
use std::sync::Arc;

/// Nats from which on a token is coloured one step stronger.
const HEAT_STEPS: [f64; 4] = [0.1, 0.5, 1.5, 3.0];

/// What is known of a suffix.
#[derive(Clone, Debug, PartialEq)]
pub struct Suffix {
    /// Under no prefix and under the reference.
    pub baseline: SuffixBaseline,
    /// Under the found prefix.
    pub evaluation: Option<SuffixEvaluation>,
    /// The k of exact@k: the first tokens, which count most.
    pub k: usize,
}

impl Suffix {
    /// Likelihoods of the reference's tokens under a prefix; none where they are not known.
    fn nll(&self, heat: Heat) -> &[f64] {
        match (heat, &self.evaluation) {
            (Heat::Found, Some(found)) => &found.nll,
            (Heat::None | Heat::Found, _) => &self.baseline.nll_none,
            (Heat::Reference, _) => &self.baseline.nll_reference,
        }
    }

    fn other(&self, against: Against) -> Option<&Completion> {
        self.evaluation.as_ref().map(|found| match against {
            Against::Found => &found.completion,
            Against::None => &found.completion_none,
        })
    }
}

/// A column as it is drawn and read out.
#[derive(Clone, Debug, PartialEq)]
struct Cell {
    column: Column,
    reference: Option<(u32, Shown)>,
    other: Option<(u32, Shown)>,
    /// The k-th token of the reference's completion is the one before.
    after_k: bool,
}

fn cells(suffix: &Suffix, against: Against) -> Vec<Cell> {
    let reference = &suffix.baseline.reference;
    let other = suffix.other(against);
    let columns = match other {
        Some(other) => align(&reference.ids, &other.ids),
        None => (0..reference.ids.len())
            .map(|at| Column { reference: Some(at), other: None, relation: Relation::Same })
            .collect(),
    };
    let tokens = |completion: &Completion| -> Vec<(u32, Shown)> {
        completion.ids.iter().copied().zip(shown(&completion.pieces)).collect()
    };
    let (reference, other) = (tokens(reference), other.map(tokens).unwrap_or_default());
    let cell = |column: Column| Cell {
        column,
        reference: column.reference.and_then(|at| reference.get(at).cloned()),
        other: column.other.and_then(|at| other.get(at).cloned()),
        after_k: column.reference == Some(suffix.k),
    };
    columns.into_iter().map(cell).collect()
}

fn heat_step(nll: f64) -> usize {
    HEAT_STEPS.iter().filter(|step| nll >= **step).count()
}

/// A text as its glyphs show it, in quotation marks.
fn quoted(text: &str) -> String {
    let glyphs = visible(text, Whitespace::Marked).into_iter().map(|glyph| match glyph {
        Glyph::Plain(text) => text,
        Glyph::Mark { symbol, .. } => symbol,
    });
    format!("“{}”", glyphs.collect::<String>())
}

/// A token in words.
fn named((id, shown): &(u32, Shown)) -> String {
    match shown {
        Shown::Text(text) => format!("{} (id {id})", quoted(text)),
        Shown::Part => format!("part of a character (id {id})"),
        Shown::Stop => format!("end of the text (id {id})"),
    }
}

/// A column in words: what hovering and focusing tell.
fn told(suffix: &Suffix, cell: &Cell, against: Against) -> String {
    let mut parts = Vec::new();
    match (&cell.reference, cell.column.reference) {
        (Some(token), Some(at)) => {
            parts.push(format!("Token {}: reference {}", at + 1, named(token)));
            let nll = |heat| suffix.nll(heat).get(at).map(|nll| format!("{nll:.2}"));
            let mut under = vec![("no prefix", nll(Heat::None)), ("reference", nll(Heat::Reference))];
            if suffix.evaluation.is_some() {
                under.insert(1, ("found", nll(Heat::Found)));
            }
            let under: Vec<String> =
                under.into_iter().filter_map(|(name, nll)| Some(format!("{} under {name}", nll?))).collect();
            if !under.is_empty() {
                parts.push(format!("nats: {}", under.join(", ")));
            }
        }
        _ => parts.push("The reference has no token here".to_owned()),
    }
    if suffix.evaluation.is_some() {
        let whose = if against == Against::Found { "found prefix" } else { "no prefix" };
        parts.push(match (&cell.other, cell.column.relation) {
            (None, _) => format!("{whose}: no token here"),
            (Some(_), Relation::Same) => format!("{whose}: the same"),
            (Some(_), Relation::Moved) => {
                format!("{whose}: the same, as its token {}", cell.column.other.unwrap_or_default() + 1)
            }
            (Some(token), Relation::Different) => format!("{whose}: {}", named(token)),
        });
    }
    parts.join(" · ")
}

/// Tokens of both completions in columns.
#[component]
pub fn TokenPanel(
    /// What is known of the suffix.
    suffix: Suffix,
) -> impl IntoView {
    let address = RunAddress::get();
    if suffix.baseline.reference.pieces.len() != suffix.baseline.reference.ids.len() {
        return view! {
            <p class="muted" data-testid="token-panel-old">
                "This log was written by an older version, which kept no tokens. Run it again to see them."
            </p>
        }
        .into_any();
    }
    let judged = suffix.evaluation.is_some();
    let suffix = Arc::new(suffix);
    let (against, heat) = (address.part(|view| view.against), address.part(|view| view.heat));
    let grid = {
        let suffix = Arc::clone(&suffix);
        move || view! { <Grid suffix=Arc::clone(&suffix) against=against.get() heat=heat.get()/> }
    };
    let option = |value: &'static str, title: &'static str, selected: Signal<&'static str>| {
        view! { <option value=value prop:selected=move || selected.get() == value>{title}</option> }
    };
    let heat_name = Signal::derive(move || match heat.get() {
        Heat::Found if !judged => Heat::None.name(),
        heat => heat.name(),
    });
    let against_name = Signal::derive(move || against.get().name());
    view! {
        <div class="token-panel" data-testid="token-panel">
            <div class="toolbar">
                <label class="inline">
                    "Colours: nats of each reference token under "
                    <select
                        data-testid="token-heat"
                        on:change:target=move |event| {
                            let heat = Heat::named(&event.target().value()).unwrap_or_default();
                            address.go(|view| view.heat = heat);
                        }
                    >
                        {judged.then(|| option("found", "the found prefix", heat_name))}
                        {option("none", "no prefix", heat_name)}
                        {option("reference", "the reference", heat_name)}
                    </select>
                </label>
                {judged.then(|| view! {
                    <label class="inline">
                        "Beside it: what is written under "
                        <select
                            data-testid="token-against"
                            on:change:target=move |event| {
                                let against = Against::named(&event.target().value()).unwrap_or_default();
                                address.go(|view| (view.against, view.token) = (against, None));
                            }
                        >
                            {option("found", "the found prefix", against_name)}
                            {option("none", "no prefix", against_name)}
                        </select>
                    </label>
                })}
            </div>
            {grid}
        </div>
    }
    .into_any()
}

#[component]
fn Grid(suffix: Arc<Suffix>, against: Against, heat: Heat) -> impl IntoView {
    let address = RunAddress::get();
    let cells = Arc::new(cells(&suffix, against));
    let selected = address.part(|view| view.token);
    let roving = Roving::new(selected.get_untracked().unwrap_or_default(), cells.len());
    let pointed = RwSignal::new(None::<usize>);
    let judged = suffix.evaluation.is_some();
    let k = suffix.k;
    let reach = match suffix.baseline.reference.ids.len() {
        tokens if tokens > k => format!("The bar marks k = {k}: the first {k} tokens count for exact@k and overlap@k."),
        tokens => format!("All {tokens} tokens of the reference's completion lie before k = {k}."),
    };
    let marks =
        judged.then_some(" = the same token at the same place, ≈ the same token moved, ≠ another one, or none.");
    let told: Arc<Vec<String>> = Arc::new(cells.iter().map(|cell| told(&suffix, cell, against)).collect());
    let items = cells.iter().enumerate().map(|(at, cell)| {
        let nll = cell.column.reference.and_then(|at| suffix.nll(heat).get(at).copied());
        let reference = cell.reference.as_ref().map(|(id, shown)| {
            let class = nll.map_or("pair-token".to_owned(), |nll| format!("pair-token heat-{}", heat_step(nll)));
            view! {
                <span class=class data-token-id=*id>
                    <span class="token-text">{token_text(shown)}</span>
                    <span class="pair-nll">{nll.map(|nll| format!("{nll:.2}"))}</span>
                </span>
            }
        });
        let reference = reference.map_or_else(|| view! { <span class="pair-token pair-gap"></span> }.into_any(), IntoAny::into_any);
        let other = judged.then(|| {
            let other = cell.other.as_ref().map(|(id, shown)| view! {
                <span class="pair-token pair-other" data-token-id=*id>
                    <span class="token-text">{token_text(shown)}</span>
                </span>
            });
            view! {
                <span class="pair-mark">{cell.column.relation.mark()}</span>
                {other.map_or_else(|| view! { <span class="pair-token pair-gap"></span> }.into_any(), IntoAny::into_any)}
            }
        });
        let is_selected = move || selected.get() == Some(at);
        view! {
            <li
                class=format!("token-pair relation-{}", cell.column.relation.name())
                class:after-k=cell.after_k
                class:selected=is_selected
                role="option"
                aria-label=told[at].clone()
                aria-selected=move || is_selected().to_string()
                title=told[at].clone()
                tabindex=move || roving.tabindex(at)
                data-item=at
                data-testid="token-pair"
                data-relation=cell.column.relation.name()
                data-nll=nll.map(|nll| nll.to_string())
                on:focus=move |_| {
                    roving.set(at);
                    pointed.set(Some(at));
                }
                on:pointerenter=move |_| pointed.set(Some(at))
                on:click=move |_| address.go(|view| view.token = Some(at))
            >
                {cell.after_k.then(|| view! { <span class="k-mark" data-testid="k-mark">{format!("k = {k}")}</span> })}
                {reference}
                {other}
            </li>
        }
    });
    let items = items.collect_view();
    let readout = move || {
        let at = pointed.get().or(selected.get());
        at.and_then(|at| told.get(at).cloned()).unwrap_or_else(|| {
            "Point at a token, or move with the arrow keys, to read its id and its likelihoods.".to_owned()
        })
    };
    view! {
        <ol
            class="token-grid"
            data-testid="token-grid"
            role="listbox"
            aria-orientation="horizontal"
            aria-label="Tokens of the reference's completion, and what stands beside each"
            on:keydown=move |event| {
                if let Some(at) = roving.key(&event) {
                    address.replace(|view| view.token = Some(at));
                }
            }
            on:pointerleave=move |_| pointed.set(None)
        >
            {items}
        </ol>
        <p class="readout" data-testid="token-readout">{readout}</p>
        <p class="muted">
            {reach} {marks}
            " The number under a token of the reference is its negative log-likelihood in nats: 0 is certain."
        </p>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::Agreement;
    use shared::spec::Split;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn completion(pieces: &[&str], ids: &[u32]) -> Completion {
        let pieces: Vec<String> = pieces.iter().map(|&piece| piece.to_owned()).collect();
        Completion { text: pieces.concat(), ids: ids.to_vec(), pieces }
    }

    fn suffix() -> Suffix {
        let baseline = SuffixBaseline {
            index: 3,
            split: Split::Test,
            text: "What is rain?".to_owned(),
            reference: completion(&["Cats", " hate", " it", ""], &[7, 8, 9, 2]),
            ce_none: 2.0,
            ce_reference: 0.5,
            weight: 8.0,
            dominated: false,
            nll_none: vec![6.0, 2.0, 0.3, 0.01],
            nll_reference: vec![0.5, 0.2, 0.1, 0.0],
        };
        let evaluation = SuffixEvaluation {
            index: 3,
            ce: 1.0,
            completion: completion(&["Cats", " love", " it"], &[7, 5, 9]),
            completion_none: completion(&["Rain"], &[4]),
            agreement: Agreement {
                exact: false,
                k: 2,
                exact_at_k: false,
                overlap_at_k: 0.5,
                first_divergence: Some(1),
            },
            log_likelihood_ratio: 0.5,
            log_likelihood_ratio_none: -0.5,
            ce_projected: None,
            nll: vec![1.25, 1.0, 0.2, 0.1],
        };
        Suffix { baseline, evaluation: Some(evaluation), k: 2 }
    }

    #[test]
    fn columns_hold_both_completions_and_the_mark_of_k() {
        let suffix = suffix();
        let cells = cells(&suffix, Against::Found);
        let relations: Vec<_> = cells.iter().map(|cell| cell.column.relation.mark()).collect();
        assert_eq!(relations, ["=", "≠", "=", "≠"]);
        assert_eq!(cells.iter().position(|cell| cell.after_k), Some(2), "two tokens come before");
        assert_eq!(cells[3].reference, Some((2, Shown::Stop)));
        assert_eq!(cells[3].other, None);
        let live = Suffix { evaluation: None, ..suffix };
        assert_eq!(super::cells(&live, Against::Found).len(), 4);
        assert_eq!(live.nll(Heat::Found), live.nll(Heat::None), "there is no found prefix yet");
    }

    #[test]
    fn a_column_is_told_in_words() {
        let suffix = suffix();
        let told = |against, at: usize| told(&suffix, &cells(&suffix, against)[at], against);
        assert_eq!(
            told(Against::Found, 0),
            "Token 1: reference “Cats” (id 7) · nats: 6.00 under no prefix, 1.25 under found, 0.50 under reference · \
             found prefix: the same"
        );
        assert!(told(Against::Found, 1).ends_with("found prefix: “·love” (id 5)"), "{}", told(Against::Found, 1));
        assert!(told(Against::Found, 3).contains("end of the text (id 2)"));
        assert!(told(Against::None, 2).ends_with("no prefix: no token here"));
    }

    #[test]
    fn likelier_is_cooler() {
        assert_eq!([0.0, 0.1, 0.7, 2.0, 12.0].map(heat_step), [0, 1, 2, 3, 4]);
    }
}
