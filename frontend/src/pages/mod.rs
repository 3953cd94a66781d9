//! The pages and their addresses. A page is one file and one line here.

mod attach;
mod compare;
mod demo;
mod gate;
mod new_run;
mod not_found;
mod open;
mod recorded;
mod recorded_compare;
mod run;
mod sessions;
mod shared;
mod site;
mod start;
mod verify;

use crate::clock::Clock;
use crate::components::{AttachedBar, Keyboard, NoticeBar, Pill};
use crate::connection::Connection;
use crate::opened::OpenedSession;
use crate::tokenizer::Tokenizers;
use leptos::prelude::*;
use leptos_router::components::{A, Route, Router, Routes};
use leptos_router::path;

/// The whole page.
#[component]
pub fn App() -> impl IntoView {
    // Before the router looks at the address: this takes the launch code out of it.
    let connection = Connection::open();
    crate::fork::take_from_address();
    provide_context(OpenedSession::new());
    provide_context(connection);
    provide_context(Tokenizers::new());
    provide_context(Clock::start());
    provide_context(sessions::DeletedRuns::new());
    view! {
        <Router>
            <a class="skip-link" href="#main">"Skip to the content"</a>
            <header class="site-header">
                <A href="/" attr:class="brand">"Steerage"</A>
                <nav aria-label="Pages">
                    <A href="/" exact=true>"Start"</A>
                    <A href="/new">"New run"</A>
                    <A href="/sessions">"Sessions"</A>
                    <A href="/compare">"Compare"</A>
                </nav>
                <Pill/>
            </header>
            <AttachedBar/>
            <NoticeBar/>
            <Keyboard/>
            <main id="main" tabindex="-1">
                <gate::Gate>
                    <Routes fallback=not_found::NotFound>
                        <Route path=path!("/") view=site::Front/>
                        <Route path=path!("/new") view=new_run::NewRun/>
                        <Route path=path!("/run/:id") view=run::Run/>
                        <Route path=path!("/sessions") view=sessions::Sessions/>
                        <Route path=path!("/compare") view=compare::Compare/>
                        <Route path=path!("/demo") view=demo::Demo/>
                        <Route path=path!("/attach") view=attach::Attach/>
                        <Route path=path!("/open") view=open::Open/>
                        <Route path=path!("/s") view=shared::SharedRun/>
                        <Route path=path!("/verify") view=verify::Verify/>
                    </Routes>
                </gate::Gate>
            </main>
            <footer class="site-footer">
                <p>
                    "Steerage " {env!("CARGO_PKG_VERSION")}
                    {move || connection.worker_version.get().map(|version| format!(" · worker {version}"))}
                    " · press " <kbd>"?"</kbd> " for the keyboard · "
                    <A href="/attach">"attach to another worker"</A>
                </p>
            </footer>
        </Router>
    }
}

/// Whether the page at a path shows something without a worker.
pub fn needs_no_worker(pathname: &str) -> bool {
    replays(pathname) || matches!(pathname.trim_end_matches('/'), "/attach" | "/verify")
}

/// Whether the page at a path replays a recording.
pub fn replays(pathname: &str) -> bool {
    match pathname.trim_end_matches('/') {
        "/demo" | "/open" | "/s" => true,
        // A folder with a session of its own shows that first.
        "" => site::session_address().is_some(),
        _ => false,
    }
}

/// Names the page in the browser's tab.
fn title(text: &str) {
    document().set_title(&format!("{text} · Steerage"));
}
