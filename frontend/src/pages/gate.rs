//! What stands in front of every page until the worker has welcomed us.

use crate::attachment;
use crate::components::OpenSessionFile;
use crate::connection::Connection;
use crate::link::Standing;
use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_location;
use shared::wire::PROTOCOL;

#[derive(Clone, Copy, PartialEq)]
enum Door {
    Open,
    Waiting,
    SignIn { refused: bool },
    WrongVersion { worker: Option<u32> },
}

/// Shows its children once there is something to show, or else says what is missing.
#[component]
pub fn Gate(children: ChildrenFn) -> impl IntoView {
    let connection = Connection::get();
    let pathname = use_location().pathname;
    let door = Memo::new(move |_| match connection.standing.get() {
        _ if super::needs_no_worker(&pathname.get()) => Door::Open,
        Standing::SignedOut => Door::SignIn { refused: false },
        Standing::Unauthorised => Door::SignIn { refused: true },
        Standing::VersionMismatch { worker } => Door::WrongVersion { worker },
        // Once welcomed, pages stay up through a reconnect with what they have.
        _ if connection.catalogue.with(Option::is_some) => Door::Open,
        _ => Door::Waiting,
    });
    move || match door.get() {
        Door::Open => children().into_any(),
        Door::Waiting => view! { <Waiting/> }.into_any(),
        Door::SignIn { refused } => view! { <SignIn refused/> }.into_any(),
        Door::WrongVersion { worker } => view! { <WrongVersion worker/> }.into_any(),
    }
}

#[component]
fn Waiting() -> impl IntoView {
    let connection = Connection::get();
    let offline = move || matches!(connection.standing.get(), Standing::Reconnecting { .. } | Standing::Offline { .. });
    view! {
        <section class="panel notice-page" data-testid="waiting">
            <Show when=offline fallback=|| view! { <h1>"Connecting to the worker"</h1> <progress></progress> }>
                <h1>"The worker does not answer"</h1>
                <p>
                    "The page loaded, but no connection to the worker at "
                    {attachment::origin().unwrap_or("this address".to_owned())} " comes about. "
                    "Check that " <code>"steerage serve"</code> " still runs; the page keeps trying."
                </p>
                <p class="actions">
                    <button type="button" on:click=move |_| connection.retry_now()>"Try now"</button>
                    <A href="/demo" attr:class="button">"Watch a recorded run"</A>
                    <A href="/attach" attr:class="button">"Attach to another worker"</A>
                </p>
            </Show>
        </section>
    }
}

#[component]
fn SignIn(refused: bool) -> impl IntoView {
    super::title("Sign in");
    let connection = Connection::get();
    let token = RwSignal::new(String::new());
    // A folder on a static host has the page, but no worker to sign in to.
    let is_attached = attachment::origin().is_some();
    let has_worker = move || is_attached || connection.has_worker.get() != Some(false);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let token = token.get_untracked().trim().to_owned();
        if !token.is_empty() {
            connection.sign_in(token);
        }
    };
    view! {
        <section class="panel notice-page">
            <h2>"See what it does"</h2>
            <p>
                "A search for a text that works like " <q>"Talk only about cats."</q>
                ", recorded on a real model, from the first suffix to the verdict. It needs no worker."
            </p>
            <p><A href="/demo" attr:class="button" attr:data-testid="open-demo">"Watch a recorded run"</A></p>
        </section>
        <section class="panel notice-page"><OpenSessionFile/></section>
        <Show when=move || !has_worker()>
            <section class="panel notice-page" data-testid="no-worker">
                <h1>"This copy of the page has no worker"</h1>
                <p>
                    "Searches run in a worker on your own machine: " <code>"cargo xtask run"</code>
                    " in Steerage's source builds and starts one, and prints the address to open."
                </p>
                <p><A href="/attach" attr:class="button" attr:data-testid="open-attach">"Attach to a worker"</A></p>
            </section>
        </Show>
        <section class="panel notice-page" data-testid="sign-in" hidden=move || !has_worker()>
            <h1>"This worker wants to know who you are"</h1>
            <Show when=move || refused>
                <p class="field-error" role="alert" data-testid="sign-in-refused">
                    "The worker refused the token or launch code. A launch code is valid while the server that "
                    "printed it runs; a token belongs to one data folder."
                </p>
            </Show>
            <p>
                "Open the address that " <code>"steerage serve"</code> " printed when it started. It looks like "
                <code>"http://127.0.0.1:7468/#code=…"</code> " and signs this browser in."
            </p>
            <p>
                "Or paste the worker's token. It is kept in this browser and sent to "
                {attachment::origin().unwrap_or("this address".to_owned())} " only."
            </p>
            <form on:submit=submit>
                <label for="token">"Token"</label>
                <div class="input-row">
                    <input
                        id="token"
                        type="password"
                        autocomplete="off"
                        spellcheck="false"
                        data-testid="token-input"
                        prop:value=token
                        on:input:target=move |event| token.set(event.target().value())
                    />
                    <button type="submit" class="primary" data-testid="token-submit">"Connect"</button>
                </div>
            </form>
            <p class="muted">
                "Does the search run on another machine? " <A href="/attach">"Attach to its worker"</A> "."
            </p>
        </section>
    }
}

#[component]
fn WrongVersion(worker: Option<u32>) -> impl IntoView {
    let worker = worker.map_or("another version".to_owned(), |version| format!("version {version}"));
    view! {
        <section class="panel notice-page" data-testid="version-mismatch">
            <h1>"Page and worker do not match"</h1>
            <p>{format!("The worker speaks {worker} of the protocol, this page version {PROTOCOL}.")}</p>
            <p>
                "Reload to get the page that belongs to the worker. If that does not help, build page and worker "
                "from the same source and start the worker again."
            </p>
            <p>
                <button type="button" class="primary" on:click=|_| drop(window().location().reload())>"Reload"</button>
            </p>
        </section>
    }
}
