//! Attaching to another worker: each thing that is needed is checked by itself, and what is missing is named
//! together with what mends it.

use crate::attach::{
    Check, DEFAULT_PORT, Found, Hello, Problem, Report, checked_port, credential, judge_health, judge_hello,
    may_attach, no_token, note, parse_address, serve_command, tunnel_command,
};
use crate::components::{CopyButton, Form, TextField};
use crate::{attachment, probe};
use leptos::context::Provider;
use leptos::prelude::*;
use shared::catalogue::FieldError;

/// The page.
#[component]
pub fn Attach() -> impl IntoView {
    super::title("Attach");
    let own_origin = window().location().origin().unwrap_or_default();
    view! {
        <h1>"Attach to another worker"</h1>
        <p class="lead">
            "This page can work with a worker other than the one that served it: one with a GPU in the lab, say. "
            "Address and token are kept in this browser, and the token is sent to that address only."
        </p>
        <Worker own_origin=own_origin.clone()/>
        <Tunnel own_origin/>
    }
}

/// Address, token, and what each check found.
#[component]
fn Worker(own_origin: String) -> impl IntoView {
    let (address, token) = (RwSignal::new(attachment::origin().unwrap_or_default()), RwSignal::new(String::new()));
    let report = RwSignal::new(Report::default());
    // The token that a launch code brought.
    let brought = RwSignal::new(None::<String>);
    // Answers to an earlier question are of no use.
    let round = StoredValue::new(0u32);
    let own_origin = StoredValue::new(own_origin);
    let parsed = Memo::new(move |_| own_origin.with_value(|own| parse_address(&address.get(), own)));
    let errors = Memo::new(move |_| match parsed.get() {
        Err(problem) if !address.with(|text| text.trim().is_empty()) => {
            vec![FieldError::new("address", format!("{} {}", problem.what, problem.fix))]
        }
        _ => Vec::new(),
    });
    // Another address or token was not checked yet.
    Effect::new(move |_| {
        address.track();
        token.track();
        round.update_value(|round| *round += 1);
        brought.set(None);
        report.set(Report::default());
    });
    let ask_hello = move |this_round: u32, credential| {
        let Ok(target) = parsed.get_untracked() else { return };
        report.update(|report| note(report, [(Check::Token, Found::Asking)]));
        probe::hello(&target.origin, credential, move |hello| {
            if round.try_get_value() != Some(this_round) {
                return;
            }
            if let Hello::Welcome { token: Some(token), .. } = &hello {
                brought.set(Some(token.clone()));
            }
            report.update(|report| {
                note(report, [(Check::Token, Found::Waiting)]);
                note(report, judge_hello(&hello));
            });
        });
    };
    let check = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        round.update_value(|round| *round += 1);
        let this_round = round.get_value();
        brought.set(None);
        let mut first = Report::default();
        let target = match parsed.get_untracked() {
            Ok(target) => target,
            Err(problem) => {
                note(&mut first, [(Check::Address, Found::Failed(problem))]);
                return report.set(first);
            }
        };
        note(&mut first, [(Check::Address, Found::Passed(target.origin.clone())), (Check::Reachable, Found::Asking)]);
        report.set(first);
        leptos::task::spawn_local(async move {
            let answer = probe::health(&target.origin).await;
            if round.try_get_value() != Some(this_round) {
                return;
            }
            let found = own_origin.with_value(|own| judge_health(&target, own, answer));
            let goes_on = found.len() > 1 && found.iter().all(|(_, found)| matches!(found, Found::Passed(_)));
            report.update(|report| note(report, found));
            if !goes_on {
                return;
            }
            match credential(&target, &token.get_untracked()) {
                Some(credential) => ask_hello(this_round, credential),
                None => {
                    report.update(|report| note(report, [(Check::Token, Found::Failed(no_token()))]));
                }
            }
        });
    };
    let ready = move || report.with(may_attach);
    let attach = move |_| {
        if let (Ok(target), true) = (parsed.get_untracked(), report.with_untracked(may_attach)) {
            let typed = token.get_untracked().trim().to_owned();
            attachment::attach(target.origin, brought.get_untracked().unwrap_or(typed));
        }
    };
    view! {
        <section class="panel" aria-labelledby="attach-title">
            <h2 id="attach-title">"Worker"</h2>
            <form on:submit=check>
                <Provider value=Form { errors }>
                    <TextField
                        field="address"
                        label="Address"
                        help="As in http://127.0.0.1:7469, or the whole launch address that the worker printed."
                        value=address
                        set=Callback::new(move |text| address.set(text))
                    />
                </Provider>
                <div class="field">
                    <label for="attach-token">"Token"</label>
                    <input
                        id="attach-token"
                        type="password"
                        autocomplete="off"
                        spellcheck="false"
                        aria-describedby="attach-token-help"
                        data-testid="attach-token"
                        prop:value=token
                        on:input:target=move |event| token.set(event.target().value())
                    />
                    <p class="help" id="attach-token-help">
                        "64 characters in the file \"token\" of the worker's data folder. Not needed with a launch address."
                    </p>
                </div>
                <div class="toolbar">
                    <button type="submit" data-testid="attach-check">"Check"</button>
                    <button
                        type="button"
                        class="primary"
                        data-testid="attach"
                        disabled=move || !ready()
                        on:click=attach
                    >
                        "Attach"
                    </button>
                </div>
            </form>
            <ol class="checks" aria-live="polite">
                {Check::ALL.map(|check| view! { <CheckRow check report/> }).collect_view()}
            </ol>
        </section>
    }
}

/// One check: a mark and a word for how it stands, then what was found and what mends it.
#[component]
fn CheckRow(check: Check, report: RwSignal<Report>) -> impl IntoView {
    let found = Memo::new(move |_| report.with(|report| report[check as usize].clone()));
    let state = move || match found.get() {
        Found::Waiting => ("·", "not checked", "waiting"),
        Found::Asking => ("…", "checking", "asking"),
        Found::Passed(_) => ("✓", "fine", "passed"),
        Found::Failed(_) => ("✗", "not so", "failed"),
        Found::Unknown(_) => ("?", "unknown", "unknown"),
    };
    let detail = move || match found.get() {
        Found::Waiting | Found::Asking => ().into_any(),
        Found::Passed(text) | Found::Unknown(text) => view! { <p class="muted">{text}</p> }.into_any(),
        Found::Failed(Problem { what, fix, command }) => view! {
            <p>{what} " " {fix}</p>
            {command.map(|command| view! { <CommandLine command test_id="check-command"/> })}
        }
        .into_any(),
    };
    view! {
        <li
            class=move || format!("check-row check-{}", state().2)
            data-testid=format!("check-{}", check.name())
            data-state=move || state().2
        >
            <p class="check-title">
                <span class="check-mark" aria-hidden="true">{move || state().0}</span>
                {check.title()} ": " <span class="check-word">{move || state().1}</span>
            </p>
            {detail}
        </li>
    }
}

/// A line for a shell, to be copied.
#[component]
fn CommandLine(command: String, test_id: &'static str) -> impl IntoView {
    let text = command.clone();
    view! {
        <div class="command-line">
            <pre data-testid=test_id>{command}</pre>
            <CopyButton label="command" text=Signal::derive(move || text.clone()) test_id="copy-command"/>
        </div>
    }
}

/// The commands for a worker on another machine.
#[component]
fn Tunnel(own_origin: String) -> impl IntoView {
    let is_own_default = checked_port(&DEFAULT_PORT.to_string(), &own_origin).is_err();
    let first_port = if is_own_default { DEFAULT_PORT + 1 } else { DEFAULT_PORT };
    let (host, port) = (RwSignal::new(String::new()), RwSignal::new(first_port.to_string()));
    let own_origin = StoredValue::new(own_origin);
    let checked = Memo::new(move |_| own_origin.with_value(|own| checked_port(&port.get(), own)));
    let tunnel = Memo::new(move |_| own_origin.with_value(|own| tunnel_command(&host.get(), &port.get(), own)));
    let errors = Memo::new(move |_| {
        let said = |problem: Problem| format!("{} {}", problem.what, problem.fix);
        match (checked.get(), tunnel.get()) {
            (Err(problem), _) => vec![FieldError::new("port", said(problem))],
            (_, Err(problem)) if !host.with(|host| host.trim().is_empty()) => {
                vec![FieldError::new("host", said(problem))]
            }
            _ => Vec::new(),
        }
    });
    let serve = move || checked.get().ok().map(|port| own_origin.with_value(|own| serve_command(port, own)));
    view! {
        <section class="panel" aria-labelledby="tunnel-title">
            <h2 id="tunnel-title">"A worker on another machine"</h2>
            <p>
                "A worker listens on its own machine only. An SSH tunnel brings it to a port of this one; the port is "
                "the same at both ends."
            </p>
            <Provider value=Form { errors }>
                <div class="field-grid">
                    <TextField
                        field="host"
                        label="Host"
                        help="What you write behind ssh, as in me@lab.example."
                        value=host
                        set=Callback::new(move |text| host.set(text))
                    />
                    <TextField
                        field="port"
                        label="Port"
                        numeric=true
                        value=port
                        set=Callback::new(move |text| port.set(text))
                    />
                </div>
            </Provider>
            <ol class="steps">
                <li>
                    <p>"On that machine, start the worker so that it lets this page in:"</p>
                    {move || serve().map(|command| view! { <CommandLine command test_id="serve-command"/> })}
                </li>
                <li>
                    <p>"Here, open the tunnel and leave it open:"</p>
                    {move || match tunnel.get() {
                        Ok(command) => view! { <CommandLine command test_id="ssh-command"/> }.into_any(),
                        Err(_) => view! { <p class="muted">"The line stands here once host and port are given."</p> }
                            .into_any(),
                    }}
                </li>
                <li>
                    <p>
                        "Above, check and attach to "
                        {move || checked.get().ok().map(|port| view! {
                            <code>{format!("http://127.0.0.1:{port}")}</code>
                        })}
                        " with the token of that machine's data folder."
                    </p>
                </li>
            </ol>
        </section>
    }
}
