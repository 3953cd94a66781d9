//! What an address without a page shows.

use leptos::prelude::*;
use leptos_router::components::A;

/// Says that there is no such page.
#[component]
pub fn NotFound() -> impl IntoView {
    super::title("No such page");
    view! {
        <section class="panel notice-page" data-testid="not-found">
            <h1>"There is no page at this address"</h1>
            <p>"It may have been mistyped or cut off when it was copied."</p>
            <p><A href="/" attr:class="button">"Go to the start page"</A></p>
        </section>
    }
}
