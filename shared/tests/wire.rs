//! Every event and every message survives JSON, and a client is held to what the protocol knows.

#[allow(dead_code, reason = "each test file uses its part of the generators")]
mod arbitrary;

use arbitrary::{count, error, event, events, log, param_value, spec, text, variant};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::{Union, ValueTree};
use proptest::test_runner::TestRunner;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::adherence::{AdherenceRule, Language};
use shared::catalogue::{
    Catalogue, ModelEntry, ParamDeclaration, ParamDomain, Preset, StageDeclaration, Suffix, SuffixSet, Teacher,
};
use shared::recording::Part;
use shared::spec::Split;
use shared::wire::{ClientMessage, Command, Credential, DeviceCard, Outcome, RunPhase, RunSummary, ServerMessage};
use std::fmt::Debug;

fn survives_json<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let json = serde_json::to_string(value).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(!json.contains('\n'), "one line a message: {json}");
    let back: T = serde_json::from_str(&json).map_err(|error| TestCaseError::fail(format!("{error} in {json}")))?;
    prop_assert_eq!(&back, value);
    Ok(())
}

proptest! {
    #[test]
    fn events_survive_json(event in event(), log in log()) {
        survives_json(&event)?;
        log.first().map_or(Ok(()), survives_json)?;
    }

    #[test]
    fn client_messages_survive_json(message in Union::new(client_messages())) {
        survives_json(&message)?;
    }

    #[test]
    fn server_messages_survive_json(message in Union::new(server_messages())) {
        survives_json(&message)?;
    }

    #[test]
    fn a_client_message_with_one_field_too_many_is_refused(message in Union::new(client_messages()), name in "x[a-z]{0,5}") {
        let mut json = serde_json::to_value(&message).unwrap();
        json.as_object_mut().unwrap().insert(name, serde_json::Value::Null);
        prop_assert!(serde_json::from_value::<ClientMessage>(json).is_err());
    }
}

/// The generators above leave no variant out: each list is as long as its exhaustive match is.
#[test]
fn every_variant_is_tried() {
    fn check<T: Debug>(strategies: Vec<BoxedStrategy<T>>, variant: impl Fn(&T) -> usize) {
        for (place, strategy) in strategies.into_iter().enumerate() {
            let value = strategy.new_tree(&mut TestRunner::deterministic()).unwrap().current();
            assert_eq!(variant(&value), place, "{value:?}");
        }
    }
    assert_eq!(events().len(), 19);
    check(events(), variant);
    assert_eq!(client_messages().len(), 16);
    check(client_messages(), client_variant);
    assert_eq!(server_messages().len(), 10);
    check(server_messages(), server_variant);
}

/// Place of a message's variant in [`client_messages`]; a new variant fails to compile here.
fn client_variant(message: &ClientMessage) -> usize {
    match message {
        ClientMessage::Hello { credential: Credential::Token(_), .. } => 0,
        ClientMessage::Hello { credential: Credential::Code(_), .. } => 1,
        ClientMessage::Command { command: Command::StartRun { .. }, .. } => 2,
        ClientMessage::Command { command: Command::CancelRun { .. }, .. } => 3,
        ClientMessage::Command { command: Command::RestartRun { .. }, .. } => 4,
        ClientMessage::Subscribe { .. } => 5,
        ClientMessage::Unsubscribe { .. } => 6,
        ClientMessage::Command { command: Command::PauseRun { .. }, .. } => 7,
        ClientMessage::Command { command: Command::ResumeRun { .. }, .. } => 8,
        ClientMessage::Command { command: Command::FinishRun { .. }, .. } => 9,
        ClientMessage::Command { command: Command::LabelRun { .. }, .. } => 10,
        ClientMessage::Command { command: Command::DeleteRun { .. }, .. } => 11,
        ClientMessage::Command { command: Command::RestoreRun { .. }, .. } => 12,
        ClientMessage::Hello { credential: Credential::Share(_), .. } => 13,
        ClientMessage::Command { command: Command::CreateShare { .. }, .. } => 14,
        ClientMessage::Command { command: Command::RevokeShare { .. }, .. } => 15,
    }
}

fn client_messages() -> Vec<BoxedStrategy<ClientMessage>> {
    let command = |id, command| ClientMessage::Command { id, command };
    vec![
        (any::<u32>(), text())
            .prop_map(|(protocol, token)| ClientMessage::Hello { protocol, credential: Credential::Token(token) })
            .boxed(),
        (any::<u32>(), text())
            .prop_map(|(protocol, code)| ClientMessage::Hello { protocol, credential: Credential::Code(code) })
            .boxed(),
        (text(), spec()).prop_map(move |(id, spec)| command(id, Command::StartRun { spec: Box::new(spec) })).boxed(),
        (text(), text()).prop_map(move |(id, run)| command(id, Command::CancelRun { run })).boxed(),
        (text(), text()).prop_map(move |(id, run)| command(id, Command::RestartRun { run })).boxed(),
        (text(), any::<u32>(), any::<u64>(), any::<bool>())
            .prop_map(|(run, epoch, after_seq, batches)| ClientMessage::Subscribe { run, epoch, after_seq, batches })
            .boxed(),
        text().prop_map(|run| ClientMessage::Unsubscribe { run }).boxed(),
        (text(), text()).prop_map(move |(id, run)| command(id, Command::PauseRun { run })).boxed(),
        (text(), text()).prop_map(move |(id, run)| command(id, Command::ResumeRun { run })).boxed(),
        (text(), text()).prop_map(move |(id, run)| command(id, Command::FinishRun { run })).boxed(),
        (text(), text(), option::of(text()), vec(text(), 0..3))
            .prop_map(move |(id, run, title, tags)| command(id, Command::LabelRun { run, title, tags }))
            .boxed(),
        (text(), text()).prop_map(move |(id, run)| command(id, Command::DeleteRun { run })).boxed(),
        (text(), text()).prop_map(move |(id, run)| command(id, Command::RestoreRun { run })).boxed(),
        (any::<u32>(), text())
            .prop_map(|(protocol, secret)| ClientMessage::Hello { protocol, credential: Credential::Share(secret) })
            .boxed(),
        ((text(), text(), text()), any::<u64>(), vec(select(Part::ALL.to_vec()), 0..3), option::of(text()))
            .prop_map(move |((id, run, share), lifetime_secs, left_out, view)| {
                command(id, Command::CreateShare { run, share, lifetime_secs, left_out, view })
            })
            .boxed(),
        (text(), text()).prop_map(move |(id, share)| command(id, Command::RevokeShare { share })).boxed(),
    ]
}

/// Place of a message's variant in [`server_messages`]; a new variant fails to compile here.
fn server_variant(message: &ServerMessage) -> usize {
    match message {
        ServerMessage::Welcome { .. } => 0,
        ServerMessage::Reply { outcome: Outcome::Done { .. }, .. } => 1,
        ServerMessage::Reply { outcome: Outcome::Refused { .. }, .. } => 2,
        ServerMessage::RunChanged { .. } => 3,
        ServerMessage::Event { .. } => 4,
        ServerMessage::CaughtUp { .. } => 5,
        ServerMessage::Error { .. } => 6,
        ServerMessage::RunDeleted { .. } => 7,
        ServerMessage::Shared { .. } => 8,
        ServerMessage::Batch { .. } => 9,
    }
}

fn server_messages() -> Vec<BoxedStrategy<ServerMessage>> {
    let stamped = log().prop_filter_map("empty", |log| log.into_iter().next());
    vec![
        (any::<u32>(), text(), option::of(text()), option::of(device()), catalogue(), vec(run_summary(), 0..3))
            .prop_map(|(protocol, version, token, device, catalogue, runs)| ServerMessage::Welcome {
                protocol,
                version,
                token,
                device,
                catalogue: Box::new(catalogue),
                runs,
            })
            .boxed(),
        (text(), text()).prop_map(|(id, run)| ServerMessage::Reply { id, outcome: Outcome::Done { run } }).boxed(),
        (text(), vec(error(), 0..3))
            .prop_map(|(id, errors)| ServerMessage::Reply { id, outcome: Outcome::Refused { errors } })
            .boxed(),
        run_summary().prop_map(|run| ServerMessage::RunChanged { run }).boxed(),
        stamped.prop_map(|stamped| ServerMessage::Event { stamped: Box::new(stamped) }).boxed(),
        (text(), any::<u32>(), any::<u64>())
            .prop_map(|(run, epoch, seq)| ServerMessage::CaughtUp { run, epoch, seq })
            .boxed(),
        (proptest::option::of(".{0,8}"), error()).prop_map(|(run, error)| ServerMessage::Error { run, error }).boxed(),
        text().prop_map(|run| ServerMessage::RunDeleted { run }).boxed(),
        any::<u64>().prop_map(|expires_unix_ms| ServerMessage::Shared { expires_unix_ms }).boxed(),
        log().prop_map(|events| ServerMessage::Batch { events }).boxed(),
    ]
}

fn device() -> impl Strategy<Value = DeviceCard> {
    (text(), option::of(text())).prop_map(|(name, problem)| DeviceCard { name, problem })
}

fn run_summary() -> impl Strategy<Value = RunSummary> {
    let phases = [
        RunPhase::Queued,
        RunPhase::Running,
        RunPhase::Paused,
        RunPhase::Finished,
        RunPhase::Cancelled,
        RunPhase::Failed,
        RunPhase::Interrupted,
    ];
    let place = (any::<u32>(), select(phases.to_vec()), option::of(count()));
    let numbers = (any::<u64>(), any::<u64>(), option::of(arbitrary::real()));
    let settings = proptest::collection::btree_map(text(), text(), 0..3);
    let labels = (option::of(text()), vec(text(), 0..3), settings);
    (text(), place, text(), text(), text(), numbers, option::of(text()), labels).prop_map(
        |(
            run,
            (epoch, state, queue_position),
            preset,
            model,
            teacher,
            numbers,
            prefix_text,
            (title, tags, settings),
        )| {
            RunSummary {
                run,
                epoch,
                state,
                queue_position,
                preset,
                model,
                teacher,
                seed: numbers.0,
                created_unix_ms: numbers.1,
                gap_closed_test: numbers.2,
                prefix_text,
                title,
                tags,
                settings,
            }
        },
    )
}

fn catalogue() -> impl Strategy<Value = Catalogue> {
    let sizes = (any::<u64>(), count(), any::<bool>());
    let model = (text(), text(), text(), text(), text(), sizes).prop_map(
        |(name, title, architecture, licence, sha256, (size_bytes, context_length, available))| ModelEntry {
            name,
            title,
            architecture,
            licence,
            size_bytes,
            context_length,
            sha256,
            available,
        },
    );
    let stage = (text(), text(), text(), vec(param_declaration(), 0..4))
        .prop_map(|(kind, title, help, params)| StageDeclaration { kind, title, help, params });
    let preset =
        (text(), text(), text(), spec()).prop_map(|(name, title, help, spec)| Preset { name, title, help, spec });
    let suffix = (select(Split::ALL.to_vec()), text()).prop_map(|(split, text)| Suffix { split, text });
    let set =
        (text(), text(), vec(suffix, 0..3)).prop_map(|(name, title, suffixes)| SuffixSet { name, title, suffixes });
    let teacher = (text(), text(), vec(text(), 0..3), option::of(adherence_rule()))
        .prop_map(|(text, title, concepts, adherence)| Teacher { text, title, concepts, adherence });
    (vec(model, 0..2), vec(stage, 0..2), vec(preset, 0..2), vec(set, 0..2), vec(teacher, 0..2)).prop_map(
        |(models, stages, presets, suffix_sets, teachers)| Catalogue { models, stages, presets, suffix_sets, teachers },
    )
}

fn adherence_rule() -> impl Strategy<Value = AdherenceRule> {
    prop_oneof![
        vec(text(), 0..3).prop_map(|words| AdherenceRule::Words { words }),
        vec(text(), 0..3).prop_map(|phrases| AdherenceRule::Phrases { phrases }),
        select(vec![Language::French, Language::Spanish]).prop_map(|language| AdherenceRule::Language { language }),
        Just(AdherenceRule::NumberedList),
        Just(AdherenceRule::Capitals),
        (0..100usize).prop_map(|max_words| AdherenceRule::OneSentence { max_words }),
        Just(AdherenceRule::Rhyme),
        arbitrary::real().prop_map(|max_grade| AdherenceRule::ReadingGrade { max_grade }),
    ]
}

fn param_declaration() -> impl Strategy<Value = ParamDeclaration> {
    let real = arbitrary::real;
    let domain = prop_oneof![
        Just(ParamDomain::Switch),
        any::<(i64, i64)>().prop_map(|(min, max)| ParamDomain::Integer { min, max }),
        (real(), real()).prop_map(|(min, max)| ParamDomain::Real { min, max }),
        vec(text(), 0..3).prop_map(|options| ParamDomain::Choice { options }),
        (0usize..100).prop_map(|max_chars| ParamDomain::Name { max_chars }),
    ];
    (text(), text(), text(), domain, param_value()).prop_map(|(name, unit, help, domain, default)| ParamDeclaration {
        name,
        unit,
        help,
        domain,
        default,
    })
}
