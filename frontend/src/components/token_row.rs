//! Tokens side by side, each in a colour of its own.

use super::model_text::glyphs;
use super::roving::Roving;
use crate::glyphs::Whitespace;
use crate::graphemes::{Shown, shown};
use leptos::prelude::*;
use shared::event::TokenPiece;
use shared::nontriviality::Span;

/// Colours that repeat along a row; neighbours differ.
const COLOURS: usize = 6;

/// What a token shows, with whitespace and control characters as marks.
pub fn token_text(shown: &Shown) -> AnyView {
    match shown {
        Shown::Text(text) => glyphs(text, Whitespace::Marked).into_any(),
        Shown::Part => {
            view! { <span class="glyph" title="part of a character that another token shows">"⋯"</span> }.into_any()
        }
        Shown::Stop => view! { <span class="glyph" title="end of the text">"∎"</span> }.into_any(),
    }
}

/// Shows tokens with their ids.
#[component]
pub fn TokenRow(
    /// The tokens.
    tokens: Vec<TokenPiece>,
    /// Ranges of the text that break a rule.
    #[prop(optional)]
    flagged: Vec<Span>,
    /// Leaves the ids out.
    #[prop(optional)]
    compact: bool,
) -> impl IntoView {
    let mut start_byte = 0;
    let roving = Roving::new(0, tokens.len());
    let texts: Vec<String> = tokens.iter().map(|token| token.text.clone()).collect();
    let shown = shown(&texts);
    let tokens = tokens.into_iter().zip(shown).enumerate().map(|(position, (token, shown))| {
        let end_byte = start_byte + token.text.len();
        let is_flagged = flagged.iter().any(|span| span.start_byte < end_byte && start_byte < span.end_byte);
        start_byte = end_byte;
        let class = format!("token token-{}{}", position % COLOURS, if is_flagged { " token-flagged" } else { "" });
        let text = if token.text.is_empty() {
            view! { <span class="glyph" title="nothing">"∅"</span> }.into_any()
        } else {
            token_text(&shown)
        };
        view! {
            <li
                class=class
                title=format!("token {}, id {}", position + 1, token.id)
                data-token-id=token.id
                data-item=position
                // A compact row stands inside of a table, where a stop a row would be in the way.
                tabindex=move || (!compact).then(|| roving.tabindex(position))
                on:focus=move |_| roving.set(position)
            >
                <span class="token-text">{text}</span>
                {(!compact).then(|| view! { <span class="token-id">{token.id}</span> })}
            </li>
        }
    });
    view! {
        <ol
            class="token-row"
            class:compact=compact
            on:keydown=move |event| {
                roving.key(&event);
            }
        >
            {tokens.collect_view()}
        </ol>
    }
}
