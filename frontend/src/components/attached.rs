//! Says that the page talks to a worker that is not its own, and offers the way back.

use crate::attachment;
use leptos::prelude::*;
use leptos_router::components::A;

/// A bar above the page while it is attached; nothing otherwise.
#[component]
pub fn AttachedBar() -> impl IntoView {
    attachment::origin().map(|origin| {
        view! {
            <aside class="attached-bar" aria-label="Attached worker" data-testid="attached" data-origin=origin.clone()>
                <p>"Attached to the worker at " <strong>{origin.clone()}</strong> "."</p>
                <A href="/attach">"Checks"</A>
                <button type="button" class="small" data-testid="detach" on:click=|_| attachment::detach()>
                    "Back to this page's own worker"
                </button>
            </aside>
        }
    })
}
