//! The way from a result to its verification.

use crate::run::RunFeed;
use leptos::prelude::*;
use leptos_router::components::A;

/// A link to the page that computes a finished run's claims again.
#[component]
pub fn VerifyLink(
    /// The run.
    id: String,
    /// Its log.
    feed: RunFeed,
) -> impl IntoView {
    let address = if feed.is_recorded() { "/verify".to_owned() } else { format!("/verify?run={id}") };
    view! {
        <p class="actions">
            <A href=address attr:class="button" attr:data-testid="verify-link">"Verify in this browser"</A>
        </p>
    }
}
