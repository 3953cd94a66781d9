//! Copying, byte for byte.

use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen_futures::JsFuture;

/// How long the button says what came of it.
const ANSWER_FOR: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    None,
    Copied,
    Refused,
}

/// Copies a text as it is, not as it is shown.
#[component]
pub fn CopyButton(
    /// What the button copies, as in "text".
    label: &'static str,
    /// The text.
    #[prop(into)]
    text: Signal<String>,
    /// Handle for tests.
    test_id: &'static str,
) -> impl IntoView {
    let answer = RwSignal::new(Answer::None);
    let copy = move |_| {
        let text = text.get_untracked();
        leptos::task::spawn_local(async move {
            // Outside a secure context there is no clipboard, and calling it throws.
            let is_secure = window().is_secure_context();
            let copied = is_secure && JsFuture::from(window().navigator().clipboard().write_text(&text)).await.is_ok();
            answer.try_set(if copied { Answer::Copied } else { Answer::Refused });
            let fade = move || {
                answer.try_set(Answer::None);
            };
            set_timeout(fade, ANSWER_FOR);
        });
    };
    view! {
        <button type="button" class="small" data-testid=test_id on:click=copy>
            {move || match answer.get() {
                Answer::None => format!("Copy {label}"),
                Answer::Copied => "Copied".to_owned(),
                Answer::Refused => "The browser refused".to_owned(),
            }}
        </button>
    }
}
