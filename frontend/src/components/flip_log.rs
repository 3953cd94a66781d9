//! Replacements that a search proposed, newest first.

use super::TokenRow;
use crate::format;
use crate::run::RunFeed;
use crate::run_address::RunAddress;
use leptos::prelude::*;
use shared::event::Flip;
use shared::state::RunState;

/// Rows that are drawn unless the user asks for all that are kept.
const SHOWN_FLIPS: usize = 50;

/// A flip and its number in the run, which no other has.
type Numbered = (u64, Flip);

/// The newest flips that are wanted, newest first.
fn newest(state: &RunState, accepted_only: bool, limit: usize) -> Vec<Numbered> {
    let first = state.flip_count - state.flips.len() as u64;
    let numbered = state.flips.iter().enumerate().map(|(at, flip)| (first + at as u64, flip));
    numbered
        .rev()
        .filter(|(_, flip)| flip.accepted || !accepted_only)
        .take(limit)
        .map(|(number, flip)| (number, flip.clone()))
        .collect()
}

/// The flip log.
#[component]
pub fn FlipLog(
    /// The run.
    feed: RunFeed,
) -> impl IntoView {
    let address = RunAddress::get();
    let accepted_only = address.part(|view| view.accepted_only);
    let all = RwSignal::new(false);
    let rows = Memo::new(move |_| {
        let limit = if all.get() { usize::MAX } else { SHOWN_FLIPS };
        let accepted_only = accepted_only.get();
        feed.with(|state| newest(state, accepted_only, limit))
    });
    let counts = feed.part(|state| (state.flip_count, state.flips.len(), state.candidate_count));
    let caption = move || {
        let (total, _, candidates) = counts.get();
        let shown = rows.with(Vec::len);
        format!(
            "{} of {} flips shown, newest first; {} candidates were scored in all.",
            format::count(shown as u64),
            format::count(total),
            format::count(candidates)
        )
    };
    let more = move || counts.get().1 > SHOWN_FLIPS;
    view! {
        <div class="toolbar">
            <p class="muted" data-testid="flip-count">{caption}</p>
            <label class="inline">
                <input
                    type="checkbox"
                    data-testid="flips-accepted"
                    prop:checked=accepted_only
                    on:change:target=move |event| {
                        let accepted_only = event.target().checked();
                        address.go(|view| view.accepted_only = accepted_only);
                    }
                />
                "Accepted only"
            </label>
            <Show when=more>
                <button type="button" class="small" on:click=move |_| all.update(|all| *all = !*all)>
                    {move || if all.get() { "Show fewer" } else { "Show all that are kept" }}
                </button>
            </Show>
        </div>
        <div class="table-box" role="region" tabindex="0" aria-label="Flip log">
            <table class="flips" data-testid="flip-log">
                <thead>
                    <tr>
                        <th scope="col" class="num">"Step"</th>
                        <th scope="col" class="num">"Position"</th>
                        <th scope="col">"Old → new"</th>
                        <th scope="col" class="num">"ΔCE " <span class="unit">"nats a token"</span></th>
                        <th scope="col">"Outcome"</th>
                    </tr>
                </thead>
                <tbody>
                    <For each=move || rows.get() key=|(number, _)| *number let((_number, flip))>
                        <Row flip/>
                    </For>
                </tbody>
            </table>
        </div>
    }
}

#[component]
fn Row(flip: Flip) -> impl IntoView {
    let outcome = match (flip.accepted, flip.reason) {
        (true, _) => "accepted".to_owned(),
        (false, Some(reason)) => reason,
        (false, None) => "not better".to_owned(),
    };
    view! {
        <tr class:accepted=flip.accepted data-testid="flip" data-accepted=flip.accepted.to_string()>
            <td class="num">{flip.step}</td>
            <td class="num">{flip.position + 1}</td>
            <td>
                <span class="swap">
                    <TokenRow tokens=vec![flip.old] compact=true/>
                    <span aria-label="becomes">"→"</span>
                    <TokenRow tokens=vec![flip.new] compact=true/>
                </span>
            </td>
            <td class="num">{format::signed_nats(flip.ce_after - flip.ce_before)}</td>
            <td>{outcome}</td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::TokenPiece;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn flip(step: usize) -> Flip {
        let token = TokenPiece { id: 1, text: "a".to_owned() };
        Flip {
            stage: 0,
            step,
            position: 0,
            old: token.clone(),
            new: token,
            ce_before: 1.0,
            ce_after: 0.9,
            accepted: step.is_multiple_of(2),
            reason: None,
        }
    }

    #[test]
    fn a_window_keeps_the_numbers_of_its_rows() {
        let state = RunState { flips: (90..100).map(flip).collect(), flip_count: 100, ..RunState::default() };
        let numbers = |accepted_only, limit| -> Vec<u64> {
            newest(&state, accepted_only, limit).iter().map(|(number, _)| *number).collect()
        };
        assert_eq!(numbers(false, 3), [99, 98, 97]);
        assert_eq!(numbers(true, 3), [98, 96, 94]);
        assert_eq!(numbers(false, usize::MAX).len(), 10);
    }
}
