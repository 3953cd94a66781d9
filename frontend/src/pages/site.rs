//! The front of a folder that `steerage export --site` wrote: its session. Elsewhere, the start page.

use super::recorded::Recorded;
use super::start::Start;
use crate::fetch;
use crate::opened::{Opened, open};
use leptos::prelude::*;
use std::sync::Arc;

/// Where the folder's session is, as its index says; nothing in a page that a worker serves.
pub fn session_address() -> Option<String> {
    let meta = document().query_selector("meta[name='steerage-session']").ok()??;
    meta.get_attribute("content").filter(|address| address.starts_with('/'))
}

/// What is at the root of the address.
#[component]
pub fn Front() -> impl IntoView {
    match session_address() {
        Some(address) => view! { <SiteSession address/> }.into_any(),
        None => view! { <Start/> }.into_any(),
    }
}

#[component]
fn SiteSession(address: String) -> impl IntoView {
    super::title("Shared run");
    let loaded = RwSignal::new(None::<Result<Arc<Opened>, String>>);
    leptos::task::spawn_local(async move {
        let name = address.trim_start_matches('/').to_owned();
        let file = fetch::bytes(&address, None).await.map_err(|refused| format!("{name}: {}.", refused.message));
        loaded.try_set(Some(file.and_then(|file| open(&name, file))));
    });
    move || match loaded.get() {
        None => view! {
            <section class="panel notice-page"><h1>"Loading the session"</h1><progress></progress></section>
        }
        .into_any(),
        Some(Err(reason)) => view! {
            <section class="panel notice-page" role="alert" data-testid="site-failed">
                <h1>"The session cannot be shown"</h1>
                <p>{reason}</p>
                <p>"The folder may be incomplete: write it again with " <code>"steerage export --site"</code> "."</p>
            </section>
        }
        .into_any(),
        Some(Ok(opened)) => {
            view! { <Recorded opened origin="This folder shows one run, and needs no worker."/> }.into_any()
        }
    }
}
