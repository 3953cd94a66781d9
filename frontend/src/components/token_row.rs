//! Tokens side by side, each in a colour of its own.

use super::model_text::glyphs;
use crate::glyphs::Whitespace;
use leptos::prelude::*;
use shared::event::TokenPiece;
use shared::nontriviality::Span;

/// Colours that repeat along a row; neighbours differ.
const COLOURS: usize = 6;

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
    let tokens = tokens.into_iter().enumerate().map(|(position, token)| {
        let end_byte = start_byte + token.text.len();
        let is_flagged = flagged.iter().any(|span| span.start_byte < end_byte && start_byte < span.end_byte);
        start_byte = end_byte;
        let class = format!("token token-{}{}", position % COLOURS, if is_flagged { " token-flagged" } else { "" });
        let text = if token.text.is_empty() {
            view! { <span class="glyph" title="nothing">"∅"</span> }.into_any()
        } else {
            glyphs(&token.text, Whitespace::Marked).into_any()
        };
        view! {
            <li class=class title=format!("token {}, id {}", position + 1, token.id) data-token-id=token.id>
                <span class="token-text">{text}</span>
                {(!compact).then(|| view! { <span class="token-id">{token.id}</span> })}
            </li>
        }
    });
    view! { <ol class="token-row" class:compact=compact>{tokens.collect_view()}</ol> }
}
