//! The way from a result to its verification.

use crate::run::RunFeed;
use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_location;

/// A link to the page that computes a finished run's claims again.
#[component]
pub fn VerifyLink(
    /// The run.
    id: String,
    /// Its log.
    feed: RunFeed,
) -> impl IntoView {
    let address = match feed.is_recorded() {
        false => format!("/verify?run={id}"),
        // The recording that ships with the page, also when a session is open beside it.
        true if use_location().pathname.get_untracked().starts_with("/demo") => "/verify?demo".to_owned(),
        true => "/verify".to_owned(),
    };
    view! {
        <p class="actions">
            <A href=address attr:class="button" attr:data-testid="verify-link">"Verify in this browser"</A>
        </p>
    }
}
