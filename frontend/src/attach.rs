//! Whether this page can attach to another worker: what is checked, what was found, and what mends it.
//!
//! No sockets here: [`crate::probe`] asks, and the answers are judged by these functions.

use serde::Deserialize;
use shared::catalogue::Catalogue;
use shared::event::ErrorBody;
use shared::wire::{Credential, DeviceCard, PROTOCOL};

/// Host names of this machine that the page's policy lets it connect to.
const LOOPBACK_NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// What is checked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The address can be one of a worker.
    Address,
    /// A worker answers there.
    Reachable,
    /// It lets pages of this origin in.
    Origin,
    /// It speaks the page's version of the protocol.
    Protocol,
    /// It accepts the token.
    Token,
    /// It has a model on its disk.
    Models,
    /// The device that its runs compute on answers.
    Device,
}

impl Check {
    /// All of them, in order.
    pub const ALL: [Check; 7] =
        [Check::Address, Check::Reachable, Check::Origin, Check::Protocol, Check::Token, Check::Models, Check::Device];

    /// Name on screen.
    pub fn title(self) -> &'static str {
        match self {
            Check::Address => "Address well formed",
            Check::Reachable => "Worker reachable",
            Check::Origin => "This page's origin allowed",
            Check::Protocol => "Protocol version",
            Check::Token => "Token accepted",
            Check::Models => "Models",
            Check::Device => "Device",
        }
    }

    /// Name for tests.
    pub fn name(self) -> &'static str {
        match self {
            Check::Address => "address",
            Check::Reachable => "reachable",
            Check::Origin => "origin",
            Check::Protocol => "protocol",
            Check::Token => "token",
            Check::Models => "models",
            Check::Device => "device",
        }
    }

    /// Whether there is no attaching without it.
    pub fn is_needed(self) -> bool {
        !matches!(self, Check::Models | Check::Device)
    }
}

/// What is wrong, and what mends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
    /// A command to copy, where one mends it.
    pub command: Option<String>,
}

impl Problem {
    fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Problem { what: what.into(), fix: fix.into(), command: None }
    }

    fn with_command(self, command: impl Into<String>) -> Self {
        Problem { command: Some(command.into()), ..self }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Found {
    /// An earlier one comes first.
    #[default]
    Waiting,
    /// It is being asked.
    Asking,
    /// It is fine, and this is how.
    Passed(String),
    /// It is not.
    Failed(Problem),
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// What all checks found, by their place in [`Check::ALL`].
pub type Report = [Found; Check::ALL.len()];

/// Puts what was found into a report.
pub fn note(report: &mut Report, found: impl IntoIterator<Item = (Check, Found)>) {
    for (check, found) in found {
        report[check as usize] = found;
    }
}

/// Whether nothing that is needed is missing.
pub fn may_attach(report: &Report) -> bool {
    Check::ALL.iter().all(|&check| !check.is_needed() || matches!(report[check as usize], Found::Passed(_)))
}

/// Where a worker is.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// As in `http://127.0.0.1:7469`.
    pub origin: String,
    /// Its port.
    pub port: u16,
    /// The launch code, where a launch address was given.
    pub code: Option<String>,
}

/// Reads an address as a person copies it: with or without scheme, or the whole launch address.
pub fn parse_address(text: &str, own_origin: &str) -> Result<Target, Problem> {
    let example = "Write it as http://127.0.0.1:7469.";
    let (rest, fragment) = text.trim().split_once('#').unwrap_or((text.trim(), ""));
    if rest.is_empty() {
        return Err(Problem::new("There is no address yet.", example));
    }
    if rest.contains('?') {
        let fix = "Leave out what follows the question mark. A token never belongs in an address: give it below.";
        return Err(Problem::new("The address has a query.", fix));
    }
    let authority = match rest.split_once("://") {
        None => rest,
        Some(("http" | "ws", authority)) => authority,
        Some((scheme, _)) => {
            let what = format!("A worker does not speak {scheme}.");
            return Err(Problem::new(what, "It listens on its own machine only, where http is enough; write http://."));
        }
    };
    let authority = authority.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port.map(str::parse::<u16>) {
        Some(Ok(port)) if port > 0 => Some(port),
        None => None,
        Some(_) => return Err(Problem::new("The port is no number from 1 to 65535.", example)),
    };
    let host = host.to_ascii_lowercase();
    if host == "[::1]" {
        let fix = "Browsers cannot be told to trust it; write 127.0.0.1, where a worker listens.";
        return Err(Problem::new("The address is [::1].", fix));
    }
    if !LOOPBACK_NAMES.contains(&&*host) {
        let problem = Problem::new(
            format!("{host} is not this machine."),
            "A worker can be reached on its own machine only. Open a tunnel to it, then give http://127.0.0.1 and \
             its port here.",
        );
        let tunnel = tunnel_command(&host, &port.unwrap_or(DEFAULT_PORT).to_string(), own_origin);
        return Err(Problem { command: tunnel.ok(), ..problem });
    }
    let Some(port) = port else {
        return Err(Problem::new("The address names no port.", example));
    };
    if Some(port) == own_port(own_origin) {
        return Err(Problem::new("That is this page's own worker.", "Give the port of another one."));
    }
    let code = fragment.strip_prefix("code=").filter(|code| !code.is_empty()).map(str::to_owned);
    Ok(Target { origin: format!("http://{host}:{port}"), port, code })
}

/// Where a worker listens unless told otherwise.
pub const DEFAULT_PORT: u16 = 7468;

/// The port of this machine that a page came from.
fn own_port(own_origin: &str) -> Option<u16> {
    let (host, port) = own_origin.strip_prefix("http://")?.rsplit_once(':')?;
    LOOPBACK_NAMES.contains(&host).then(|| port.parse().ok())?
}

/// What proves to a worker who we are: the token, or else the code of a launch address.
pub fn credential(target: &Target, token: &str) -> Option<Credential> {
    match (token.trim(), &target.code) {
        ("", None) => None,
        ("", Some(code)) => Some(Credential::Code(code.clone())),
        (token, _) => Some(Credential::Token(token.to_owned())),
    }
}

/// The command that starts a worker which lets this page in.
pub fn serve_command(port: u16, own_origin: &str) -> String {
    format!("steerage serve --port {port} --allow-origin {own_origin}")
}

/// The command that brings the worker of a lab machine to a port of this one. The port stays the same,
/// because a worker answers under its own port only.
pub fn tunnel_command(host: &str, port: &str, own_origin: &str) -> Result<String, Problem> {
    let host = host.trim();
    // What an SSH client takes as a destination, and no shell or option parser as anything else.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    if host.is_empty() {
        return Err(Problem::new("There is no host yet.", "Write what you write behind ssh, as in me@lab.example."));
    }
    if host.starts_with('-') || !host.chars().all(is_plain) {
        return Err(Problem::new("That is no host.", "Write what you write behind ssh, as in me@lab.example."));
    }
    let port = checked_port(port, own_origin)?;
    Ok(format!("ssh -N -L {port}:127.0.0.1:{port} {host}"))
}

/// A port at which a tunnel can begin here.
pub fn checked_port(port: &str, own_origin: &str) -> Result<u16, Problem> {
    match port.trim().parse::<u16>() {
        Ok(port) if Some(port) == own_port(own_origin) => {
            let fix = format!("Choose another for both ends, as {}.", port.checked_add(1).unwrap_or(DEFAULT_PORT));
            Err(Problem::new(format!("This page's own worker has port {port} here."), fix))
        }
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Problem::new("The port is no number from 1 to 65535.", "A worker prints it when it starts.")),
    }
}

/// What `/api/health` answered.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

#[derive(Deserialize)]
struct Health {
    protocol: u32,
    version: String,
    origin_allowed: Option<bool>,
}

/// Judges the answer to whether a worker is there; none where nothing answered that this page may read.
pub fn judge_health(target: &Target, own_origin: &str, answer: Option<Answer>) -> Vec<(Check, Found)> {
    let failed = |check, problem: Problem| vec![(check, Found::Failed(problem))];
    let Target { origin, port, .. } = target;
    let serve = serve_command(*port, own_origin);
    let Some(Answer { status, body }) = answer else {
        let problem = Problem::new(
            format!("Nothing that this page may read answers at {origin}."),
            format!(
                "Start the worker there as below and, where it is on another machine, open the tunnel to port {port}; \
                 see the other panel for it."
            ),
        );
        return failed(Check::Reachable, problem.with_command(serve));
    };
    if status == 421 {
        let problem = Problem::new(
            format!("A worker answers, but it does not listen on port {port} itself."),
            "A worker answers under its own port only, so the tunnel must have the same port at both ends. Start the \
             worker on this port, or open the tunnel from its own:",
        );
        return failed(Check::Reachable, problem.with_command(serve));
    }
    let health = serde_json::from_str::<Health>(&body).ok().filter(|_| status == 200);
    let Some(Health { protocol, version, origin_allowed }) = health else {
        let problem = Problem::new(
            format!("Something answers at {origin}, but it is no worker."),
            "Check the port: a worker prints its address when it starts.",
        );
        return failed(Check::Reachable, problem);
    };
    let reachable = Found::Passed(format!("Steerage {version} answers at {origin}."));
    let allowed = if origin_allowed == Some(true) {
        Found::Passed(format!("It lets pages of {own_origin} in."))
    } else {
        Found::Failed(
            Problem::new(
                format!("It does not let pages of {own_origin} in."),
                "Start it with this option, and check again:",
            )
            .with_command(serve),
        )
    };
    let same_protocol = if protocol == PROTOCOL {
        Found::Passed(format!("Both speak version {PROTOCOL}."))
    } else {
        Found::Failed(wrong_version(Some(protocol)))
    };
    vec![(Check::Reachable, reachable), (Check::Origin, allowed), (Check::Protocol, same_protocol)]
}

fn wrong_version(protocol: Option<u32>) -> Problem {
    let theirs = protocol.map_or("another version".to_owned(), |protocol| format!("version {protocol}"));
    Problem::new(
        format!("It speaks {theirs} of the protocol, this page version {PROTOCOL}."),
        "Build both from the same source, or open the page that the other worker serves.",
    )
}

/// What came of saying hello.
pub enum Hello {
    /// The worker let us in.
    Welcome {
        /// The token, where we came with a launch code.
        token: Option<String>,
        /// Where its runs compute.
        device: Option<DeviceCard>,
        /// What it can do.
        catalogue: Box<Catalogue>,
    },
    /// It refused.
    Refused(ErrorBody),
    /// The connection ended without an answer.
    Closed,
}

/// Judges what came of saying hello.
pub fn judge_hello(hello: &Hello) -> Vec<(Check, Found)> {
    match hello {
        Hello::Welcome { device, catalogue, .. } => vec![
            (Check::Token, Found::Passed("The worker let this page in.".to_owned())),
            (Check::Models, judge_models(catalogue)),
            (Check::Device, judge_device(device.as_ref())),
        ],
        Hello::Refused(error) if error.code == "version_mismatch" => {
            vec![(Check::Protocol, Found::Failed(wrong_version(None)))]
        }
        Hello::Refused(error) if error.code == "unauthorised" => {
            let problem = Problem::new(
                "The worker refused the token.",
                "It lies in the file \"token\" of the worker's data folder. With the default folder, this prints it on \
                 the worker's machine:",
            );
            vec![(Check::Token, Found::Failed(problem.with_command("cat ~/.local/share/steerage/token")))]
        }
        Hello::Refused(error) => {
            let fix = error.hint.clone().unwrap_or_else(|| "The worker's log tells more.".to_owned());
            vec![(Check::Token, Found::Failed(Problem::new(error.message.clone(), fix)))]
        }
        Hello::Closed => {
            let problem = Problem::new("The connection ended before the worker answered.", "Check again.");
            vec![(Check::Token, Found::Failed(problem))]
        }
    }
}

fn judge_models(catalogue: &Catalogue) -> Found {
    let there: Vec<&str> =
        catalogue.models.iter().filter(|model| model.available).map(|model| model.title.as_str()).collect();
    match (there.is_empty(), catalogue.models.first()) {
        (false, _) => Found::Passed(format!("On its disk: {}.", there.join(", "))),
        (true, Some(model)) => Found::Failed(
            Problem::new("It has no model on its disk.", "Fetch one on its machine:")
                .with_command(format!("steerage models fetch {}", model.name)),
        ),
        (true, None) => Found::Failed(Problem::new("It knows no model.", "See docs/models.md.")),
    }
}

fn judge_device(device: Option<&DeviceCard>) -> Found {
    match device {
        None => Found::Unknown("The worker does not say where its runs compute.".to_owned()),
        Some(DeviceCard { name, problem: None }) => Found::Passed(format!("Runs compute on {name}.")),
        Some(DeviceCard { name, problem: Some(problem) }) => Found::Failed(
            Problem::new(format!("Runs would compute on {name}: {problem}."), "Start it on another device:")
                .with_command("steerage serve --device cpu"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::catalogue::ModelEntry;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const OWN: &str = "http://127.0.0.1:7468";

    fn target() -> Target {
        parse_address("http://127.0.0.1:7469", OWN).unwrap()
    }

    #[test]
    fn addresses_are_read_as_people_copy_them() {
        for text in [
            "http://127.0.0.1:7469",
            " 127.0.0.1:7469 ",
            "http://127.0.0.1:7469/",
            "ws://127.0.0.1:7469/ws",
            "http://127.0.0.1:7469/sessions",
        ] {
            assert_eq!(parse_address(text, OWN), Ok(target()), "{text}");
        }
        let launch = parse_address("http://LOCALHOST:7469/#code=3b9a", OWN).unwrap();
        assert_eq!((launch.origin.as_str(), launch.code.as_deref()), ("http://localhost:7469", Some("3b9a")));
        assert_eq!(credential(&launch, ""), Some(Credential::Code("3b9a".to_owned())));
        assert_eq!(credential(&launch, " 8c5f "), Some(Credential::Token("8c5f".to_owned())));
        assert_eq!(credential(&target(), " "), None);
    }

    #[test]
    fn an_address_that_cannot_be_is_refused_with_what_would_be_right() {
        for (text, part) in [
            ("", "no address"),
            ("http://127.0.0.1", "no port"),
            ("http://127.0.0.1:0", "1 to 65535"),
            ("http://127.0.0.1:70000", "1 to 65535"),
            ("127.0.0.1:port", "1 to 65535"),
            ("https://127.0.0.1:7469", "does not speak https"),
            ("http://[::1]:7469", "[::1]"),
            ("http://127.0.0.1:7469/?token=8c5f", "query"),
            ("http://127.0.0.1:7468", "own worker"),
            ("http://localhost:7468", "own worker"),
            ("http://127.0.0.1.evil.example:7469", "not this machine"),
        ] {
            let problem = parse_address(text, OWN).unwrap_err();
            assert!(problem.what.contains(part), "{text}: {problem:?}");
            assert!(!problem.fix.is_empty(), "{text}");
        }
        let elsewhere = parse_address("http://lab.example:7469", OWN).unwrap_err();
        assert_eq!(elsewhere.command.as_deref(), Some("ssh -N -L 7469:127.0.0.1:7469 lab.example"));
        // A static copy of the page has no worker of its own.
        assert!(parse_address("http://127.0.0.1:7468", "https://demo.example").is_ok());
    }

    #[test]
    fn a_tunnel_keeps_the_port_and_carries_nothing_but_a_host() {
        let line = tunnel_command(" me@lab.example ", "7469", OWN);
        assert_eq!(line.as_deref(), Ok("ssh -N -L 7469:127.0.0.1:7469 me@lab.example"));
        for host in ["", "-oProxyCommand=x", "lab; rm x", "lab$(x)", "a b", "lab\nx"] {
            assert!(tunnel_command(host, "7469", OWN).is_err(), "{host}");
        }
        for (port, part) in [("7468", "own worker"), ("0", "65535"), ("x", "65535")] {
            assert!(tunnel_command("lab", port, OWN).unwrap_err().what.contains(part), "{port}");
        }
    }

    /// What a health answer comes to, check by check.
    fn health(status: u16, body: &str) -> Report {
        let mut report = Report::default();
        let answer = Answer { status, body: body.to_owned() };
        note(&mut report, judge_health(&target(), OWN, Some(answer)));
        report
    }

    fn problem(report: &Report, check: Check) -> &Problem {
        match &report[check as usize] {
            Found::Failed(problem) => problem,
            other => panic!("{check:?}: {other:?}"),
        }
    }

    #[test]
    fn a_failing_check_names_the_option_that_mends_it() {
        let fix = Some("steerage serve --port 7469 --allow-origin http://127.0.0.1:7468");
        let refused = health(200, r#"{"status":"ok","protocol":1,"version":"0.1.0","origin_allowed":false}"#);
        assert_eq!(problem(&refused, Check::Origin).command.as_deref(), fix);
        assert!(matches!(&refused[Check::Reachable as usize], Found::Passed(text) if text.contains("0.1.0")));
        let moved = health(421, r#"{"code":"bad_host","message":"no"}"#);
        assert_eq!(problem(&moved, Check::Reachable).command.as_deref(), fix);
        let mut silent = Report::default();
        note(&mut silent, judge_health(&target(), OWN, None));
        assert_eq!(problem(&silent, Check::Reachable).command.as_deref(), fix);
        assert_eq!(silent[Check::Origin as usize], Found::Waiting);
        for (status, body) in [(200, "<html>"), (500, r#"{"protocol":1,"version":"0.1.0"}"#)] {
            assert!(problem(&health(status, body), Check::Reachable).what.contains("no worker"));
        }
        let newer = health(200, r#"{"protocol":2,"version":"0.9.0","origin_allowed":true}"#);
        assert!(problem(&newer, Check::Protocol).what.contains("version 2"));
    }

    #[test]
    fn attaching_needs_the_token_and_can_do_without_a_model() {
        let mut report = health(200, r#"{"protocol":1,"version":"0.1.0","origin_allowed":true}"#);
        note(&mut report, [(Check::Address, Found::Passed(String::new()))]);
        assert!(!may_attach(&report));
        note(&mut report, judge_hello(&Hello::Refused(ErrorBody::new("unauthorised", "no"))));
        assert!(!may_attach(&report));
        assert!(problem(&report, Check::Token).command.as_deref().is_some_and(|command| command.contains("token")));
        let model = ModelEntry {
            name: "m".to_owned(),
            title: "M".to_owned(),
            architecture: String::new(),
            licence: String::new(),
            size_bytes: 0,
            context_length: 0,
            sha256: String::new(),
            available: false,
        };
        let welcome = |available, device| Hello::Welcome {
            token: None,
            device,
            catalogue: Box::new(Catalogue {
                models: vec![ModelEntry { available, ..model.clone() }],
                ..Catalogue::default()
            }),
        };
        let broken = DeviceCard { name: "cuda:0".to_owned(), problem: Some("no driver was found".to_owned()) };
        note(&mut report, judge_hello(&welcome(false, Some(broken))));
        assert!(may_attach(&report));
        assert_eq!(problem(&report, Check::Models).command.as_deref(), Some("steerage models fetch m"));
        assert!(problem(&report, Check::Device).what.contains("no driver was found"));
        note(&mut report, judge_hello(&welcome(true, None)));
        assert_eq!(report[Check::Models as usize], Found::Passed("On its disk: M.".to_owned()));
        assert!(matches!(report[Check::Device as usize], Found::Unknown(_)));
    }
}
