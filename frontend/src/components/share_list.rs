//! The links of a run: when they were made and opened, until when they are good, and how to take them back.

use crate::clock::Clock;
use crate::connection::Connection;
use crate::{fetch, format, share};
use leptos::prelude::*;
use shared::share::ShareSummary;
use shared::wire::{Command, Outcome};

/// All links of a run.
#[component]
pub fn ShareList(
    /// The run.
    id: String,
    /// Changes when there may be others.
    again: RwSignal<u32>,
) -> impl IntoView {
    let shares = RwSignal::new(None::<Result<Vec<ShareSummary>, String>>);
    let id = StoredValue::new(id);
    Effect::new(move |_| {
        again.track();
        let address = format!("/api/runs/{}/shares", id.get_value());
        leptos::task::spawn_local(async move {
            let listed = fetch::of_worker(&address).await;
            let listed = listed.map_err(|refused| refused.message);
            shares.try_set(Some(listed.and_then(|bytes| {
                serde_json::from_str(&String::from_utf8_lossy(&bytes))
                    .map_err(|error| format!("the list cannot be read: {error}"))
            })));
        });
    });
    view! {
        <h3>"Links to this run"</h3>
        {move || match shares.get() {
            None => view! { <progress aria-label="Loading the links"></progress> }.into_any(),
            Some(Err(reason)) => view! { <p class="field-error" role="alert">{reason}</p> }.into_any(),
            Some(Ok(shares)) if shares.is_empty() => {
                view! { <p class="muted" data-testid="no-shares">"None yet."</p> }.into_any()
            }
            Some(Ok(shares)) => {
                let rows = shares.into_iter().map(|share| view! { <Row share again/> }).collect_view();
                view! { <ul class="share-list" data-testid="share-list">{rows}</ul> }.into_any()
            }
        }}
    }
}

#[component]
fn Row(share: ShareSummary, again: RwSignal<u32>) -> impl IntoView {
    let connection = Connection::get();
    let now_unix_ms = Clock::get().now_unix_ms() as u64;
    let refused = RwSignal::new(None::<String>);
    let state = match share.revoked_unix_ms {
        Some(at) => format!("revoked {}", share::date_time(at)),
        None if share.expires_unix_ms <= now_unix_ms => format!("ended {}", share::date_time(share.expires_unix_ms)),
        None => format!("good until {}", share::date_time(share.expires_unix_ms)),
    };
    let is_open = share.revoked_unix_ms.is_none() && share.expires_unix_ms > now_unix_ms;
    let opened = share
        .opened_unix_ms
        .map_or_else(|| "never opened".to_owned(), |at| format!("last opened {}", share::date_time(at)));
    let left_out: Vec<&str> = share.left_out.iter().map(|part| part.name()).collect();
    let mut facts = vec![format!("made {}", share::date_time(share.created_unix_ms)), opened, state];
    if !left_out.is_empty() {
        facts.push(format!("without {}", left_out.join(", ").replace('_', " ")));
    }
    if share.bytes > 0 {
        facts.push(format!("{} bytes", format::count(share.bytes)));
    }
    let name = share.share.clone();
    let label = format!("Revoke the link {}", &name[..name.len().min(8)]);
    let revoke = move |_| {
        let command = Command::RevokeShare { share: name.clone() };
        connection.command(command, move |outcome| {
            if let Outcome::Refused { errors } = outcome {
                let reasons: Vec<String> = errors.iter().map(ToString::to_string).collect();
                refused.try_set(Some(reasons.join(" ")));
            }
            again.try_update(|again| *again += 1);
        });
    };
    view! {
        <li data-testid="share-row" data-open=is_open.to_string()>
            <span>
                <code>{share.share.chars().take(8).collect::<String>()}</code>
                " · "
                {facts.join(" · ")}
            </span>
            {is_open.then(|| view! {
                <button
                    type="button"
                    class="small danger"
                    data-testid="share-revoke"
                    aria-label=label
                    disabled=move || !connection.is_up()
                    on:click=revoke
                >
                    "Revoke"
                </button>
            })}
            {move || refused.get().map(|reason| view! { <p class="field-error">{reason}</p> })}
        </li>
    }
}
