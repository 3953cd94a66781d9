//! Runs of the fake worker: their only stage says what the fake job does, so that a test can ask for
//! any log and any end.

use shared::catalogue::{Catalogue, ModelEntry, ParamDeclaration, ParamDomain, StageDeclaration};
use shared::spec::{ParamValue, RunSpec, StageSpec, SuffixSpec};

/// What a fake job does after its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Finishes with a result.
    Finish,
    /// Finishes, but does not exit until it is killed.
    Linger,
    /// Reports that it failed.
    Fail,
    /// Reports that the model's file is damaged, with its full path.
    FailAtFile,
    /// Exits with status 3 and no last event.
    Exit,
    /// Dies by a signal.
    Abort,
    /// Writes a line that is no event, with a path in it.
    Garbage,
    /// Reports an event that only the worker may.
    Foreign,
    /// Writes a line without an end.
    Endless,
    /// Writes bytes that are no text.
    Binary,
    /// Waits until it is cancelled or to finish.
    Wait,
    /// Waits whatever it is told.
    Stubborn,
    /// Reports, in place of its events, everything that a run may have.
    Whole,
}

/// Every ending and its name in a spec.
const ENDINGS: [(Ending, &str); 13] = [
    (Ending::Finish, "finish"),
    (Ending::Linger, "linger"),
    (Ending::Fail, "fail"),
    (Ending::FailAtFile, "fail_at_file"),
    (Ending::Exit, "exit"),
    (Ending::Abort, "abort"),
    (Ending::Garbage, "garbage"),
    (Ending::Foreign, "foreign"),
    (Ending::Endless, "endless"),
    (Ending::Binary, "binary"),
    (Ending::Wait, "wait"),
    (Ending::Stubborn, "stubborn"),
    (Ending::Whole, "whole"),
];

/// What a fake job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// Events before the ending.
    pub events: i64,
    /// Of which every so many-th is no progress report but a score; 1: none is a progress report.
    pub score_every: i64,
    /// Token ids in each score, to make it large.
    pub ids: i64,
    /// Pause after each event, in milliseconds.
    pub pause_ms: i64,
    /// What comes then.
    pub ending: Ending,
}

impl Script {
    /// A few events, then the ending.
    pub fn new(ending: Ending) -> Script {
        Script { events: 3, score_every: 1, ids: 2, pause_ms: 0, ending }
    }

    /// A run that does this.
    pub fn spec(self) -> RunSpec {
        let ending = ENDINGS.iter().find(|(ending, _)| *ending == self.ending).map_or("", |(_, name)| name);
        let stage = StageSpec::new("scripted")
            .with("events", self.events)
            .with("score_every", self.score_every)
            .with("ids", self.ids)
            .with("pause_ms", self.pause_ms)
            .with("ending", ending);
        RunSpec {
            preset: "scripted".to_owned(),
            model: "fake".to_owned(),
            teacher: "Talk only about cats.".to_owned(),
            separator: "\n".to_owned(),
            seed: 0,
            prefix_tokens: 2,
            max_completion_tokens: 4,
            early_k: 4,
            early_weight: 3.0,
            suffixes: SuffixSpec {
                train: 1,
                validation: 0,
                test: 1,
                texts: vec!["What is rain?".to_owned(), "Name a river.".to_owned()],
                ..SuffixSpec::default()
            },
            constraints: Default::default(),
            budget: Default::default(),
            stages: vec![stage, StageSpec::new("evaluate")],
        }
    }

    /// What a spec asks for; nothing where it is not one of ours.
    pub fn read(spec: &RunSpec) -> Option<Script> {
        let stage = spec.stages.first().filter(|stage| stage.kind == "scripted")?;
        let number = |name: &str| match stage.params.get(name)? {
            ParamValue::Integer(value) => Some(*value),
            _ => None,
        };
        let ParamValue::Text(ending) = stage.params.get("ending")? else { return None };
        Some(Script {
            events: number("events")?,
            score_every: number("score_every")?.max(1),
            ids: number("ids")?,
            pause_ms: number("pause_ms")?,
            ending: ENDINGS.iter().find(|(_, name)| name == ending)?.0,
        })
    }
}

/// What the fake worker can do.
pub fn catalogue() -> Catalogue {
    let number = |name: &str, max: i64| ParamDeclaration {
        name: name.to_owned(),
        unit: String::new(),
        help: String::new(),
        domain: ParamDomain::Integer { min: 0, max },
        default: ParamValue::Integer(1),
    };
    let ending = ParamDeclaration {
        domain: ParamDomain::Choice { options: ENDINGS.map(|(_, name)| name.to_owned()).to_vec() },
        default: ParamValue::Text("finish".to_owned()),
        ..number("ending", 0)
    };
    let params = vec![
        number("events", 1_000_000),
        number("score_every", 1_000_000),
        number("ids", 100_000),
        number("pause_ms", 60_000),
        ending,
    ];
    let stage = |kind: &str, params| StageDeclaration {
        kind: kind.to_owned(),
        title: kind.to_owned(),
        help: String::new(),
        params,
    };
    Catalogue {
        models: vec![ModelEntry {
            name: "fake".to_owned(),
            title: "Fake".to_owned(),
            architecture: "none".to_owned(),
            licence: "MIT".to_owned(),
            size_bytes: 0,
            context_length: 128,
            sha256: "00".repeat(32),
            available: true,
        }],
        stages: vec![stage("scripted", params), stage("evaluate", Vec::new())],
        ..Catalogue::default()
    }
}
