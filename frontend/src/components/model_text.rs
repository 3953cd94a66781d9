//! Text that is data: a model's, or a user's that came over the wire.

use crate::glyphs::{Glyph, Whitespace, visible};
use leptos::prelude::*;

/// Shows text as text nodes only, with hidden and reordering characters as marks.
#[component]
pub fn ModelText(
    /// The text.
    #[prop(into)]
    text: String,
    /// Marks spaces and line breaks too.
    #[prop(optional)]
    marked: bool,
) -> impl IntoView {
    let whitespace = if marked { Whitespace::Marked } else { Whitespace::Kept };
    view! { <span class="model-text">{glyphs(&text, whitespace)}</span> }
}

/// The glyphs of a text, for components that bring their own element.
pub fn glyphs(text: &str, whitespace: Whitespace) -> Vec<AnyView> {
    visible(text, whitespace)
        .into_iter()
        .map(|glyph| match glyph {
            Glyph::Plain(text) => text.into_any(),
            Glyph::Mark { symbol, name, breaks_line } => view! {
                <span class="glyph" title=name>{symbol}</span>
                {breaks_line.then_some("\n")}
            }
            .into_any(),
        })
        .collect()
}
