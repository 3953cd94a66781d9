//! A session file in this browser.

use super::recorded::Recorded;
use crate::components::OpenSessionFile;
use crate::opened::OpenedSession;
use leptos::prelude::*;

/// The page: what is open, and a place for another file.
#[component]
pub fn Open() -> impl IntoView {
    super::title("Session file");
    let opened = OpenedSession::get().opened;
    // Shown once a file: showing it also notes it as what is open.
    let shown = Memo::new(move |_| opened.get());
    view! {
        {move || match shown.get() {
            Some(opened) => {
                let origin = format!("This is the session in the file {}.", opened.name);
                view! { <div data-testid="opened"><Recorded opened origin/></div> }.into_any()
            }
            None => view! { <h1 class="page-title">"Open a session"</h1> }.into_any(),
        }}
        <section class="panel"><OpenSessionFile/></section>
    }
}
