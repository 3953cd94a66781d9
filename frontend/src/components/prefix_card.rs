//! A prefix as a person may take it away: tokens, text, ids, and copies that are byte-exact.

use super::{CopyButton, ModelText, TokenRow};
use crate::glyphs;
use leptos::prelude::*;
use shared::event::Prefix;
use shared::nontriviality::Span;

/// Ids as a JSON list.
fn ids_text(prefix: &Prefix) -> String {
    serde_json::to_string(&prefix.ids()).unwrap_or_default()
}

/// The card.
#[component]
pub fn PrefixCard(
    /// The prefix.
    prefix: Prefix,
    /// Ranges of the text that break a rule.
    #[prop(optional)]
    flagged: Vec<Span>,
) -> impl IntoView {
    let ids = ids_text(&prefix);
    let escaped = glyphs::escaped(&prefix.text);
    let text = prefix.text.clone();
    view! {
        <div class="prefix-card" data-testid="prefix-card">
            <TokenRow tokens=prefix.tokens flagged/>
            <dl class="facts">
                <dt>"Text"</dt>
                // The attribute holds the exact text, the element what can be seen of it.
                <dd class="prefix-text" data-testid="prefix-text" data-text=text.clone()>
                    <ModelText text=prefix.text marked=true/>
                </dd>
                <dt>"Ids"</dt>
                <dd class="prefix-ids" data-testid="prefix-ids">{ids.clone()}</dd>
            </dl>
            <div class="toolbar">
                <CopyButton label="text" text=Signal::stored(text) test_id="copy-text"/>
                <CopyButton label="ids" text=Signal::stored(ids) test_id="copy-ids"/>
                <CopyButton label="escaped" text=Signal::stored(escaped) test_id="copy-escaped"/>
            </div>
        </div>
    }
}
