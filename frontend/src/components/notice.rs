//! Errors that belong to no field and no run.

use crate::connection::Connection;
use leptos::prelude::*;

/// Shows the last such error until it is dismissed.
#[component]
pub fn NoticeBar() -> impl IntoView {
    let notice = Connection::get().notice;
    move || {
        notice.get().map(|error| {
            view! {
                <div class="notice-bar" role="alert" data-testid="notice">
                    <p>
                        <strong>{error.message}</strong>
                        {error.hint.map(|hint| format!(" {hint}"))}
                        <span class="muted">{format!(" ({})", error.code)}</span>
                    </p>
                    <button type="button" class="small" on:click=move |_| notice.set(None)>"Dismiss"</button>
                </div>
            }
        })
    }
}
