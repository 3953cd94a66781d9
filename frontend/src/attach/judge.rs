//! What a worker's answers mean for attaching to it.

use super::{Check, Found, Problem, Target, serve_command};
use serde::Deserialize;
use shared::catalogue::Catalogue;
use shared::event::ErrorBody;
use shared::wire::{DeviceCard, PROTOCOL};

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
            vec![(
                Check::Token,
                Found::Failed(Problem { what: "The worker refused the token.".to_owned(), ..no_token() }),
            )]
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

/// There is no token, and where it is to be found.
pub fn no_token() -> Problem {
    let fix = "It lies in the file \"token\" of the worker's data folder. With the default folder, this prints it on the \
               worker's machine:";
    Problem::new("There is no token yet.", fix).with_command("cat ~/.local/share/steerage/token")
}

#[cfg(test)]
mod tests {
    use super::super::{Report, may_attach, note, parse_address};
    use super::*;
    use shared::catalogue::ModelEntry;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const OWN: &str = "http://127.0.0.1:7468";

    fn target() -> Target {
        parse_address("http://127.0.0.1:7469", OWN).unwrap()
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
