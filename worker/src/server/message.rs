//! From the text of a client's message to a value, or to what is wrong with it.

use super::limits::MAX_DEPTH;
use serde_json::Value;
use shared::event::ErrorBody;
use shared::spec::RunSpec;
use shared::wire::{ClientMessage, MAX_CLIENT_MESSAGE_BYTES};
use uuid::Uuid;

/// A message that says nothing we understand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The command's id, where the message is a command and has one: its sender waits for a reply.
    pub(super) command_id: Option<String>,
    /// What is wrong.
    pub(super) error: ErrorBody,
}

/// Reads a message within the bounds.
pub(super) fn parse(text: &str) -> Result<ClientMessage, Malformed> {
    let no_command = |error| Malformed { command_id: None, error };
    check_bounds(text).map_err(no_command)?;
    let message = match serde_json::from_str(text) {
        Ok(message) => message,
        Err(error) => return Err(diagnose(text, &error)),
    };
    if let ClientMessage::Command { id, .. } = &message
        && Uuid::parse_str(id).is_err()
    {
        let error = bad_message("the id of a command must be a UUID").with_field("id");
        return Err(no_command(error));
    }
    Ok(message)
}

/// Refuses a message that is too long or too deep to be read.
pub(super) fn check_bounds(text: &str) -> Result<(), ErrorBody> {
    if text.len() > MAX_CLIENT_MESSAGE_BYTES {
        let (found, max) = (text.len(), MAX_CLIENT_MESSAGE_BYTES);
        return Err(ErrorBody::new(
            "message_too_big",
            format!("The message has {found} bytes; at most {max} are read."),
        )
        .with_hint("A run takes fewer or shorter suffixes."));
    }
    if depth(text) > MAX_DEPTH {
        return Err(bad_message(format!("it is nested deeper than {MAX_DEPTH}")));
    }
    Ok(())
}

/// The error for a frame that is not text.
pub(super) fn not_text() -> ErrorBody {
    bad_message("messages are text, this one is binary")
}

fn bad_message(what: impl std::fmt::Display) -> ErrorBody {
    ErrorBody::new("bad_message", format!("The message cannot be understood: {what}."))
        .with_hint("docs/protocol.md shows every message.")
}

/// How deeply arrays and objects are nested, without building any.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        if in_string {
            (in_string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Says what is wrong with a message that could not be read. Tagged values hide the path of an error
/// from serde, so the part that people write by hand, the spec, is read once more by itself.
fn diagnose(text: &str, error: &serde_json::Error) -> Malformed {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Malformed { command_id: None, error: bad_message(error) };
    };
    let command_id = match (&value["type"], &value["id"]) {
        (Value::String(r#type), Value::String(id)) if r#type == "command" && Uuid::parse_str(id).is_ok() => {
            Some(id.clone())
        }
        _ => None,
    };
    let error = spec_error(&value["command"]["spec"]).unwrap_or_else(|| bad_message(error));
    Malformed { command_id, error }
}

fn spec_error(spec: &Value) -> Option<ErrorBody> {
    if spec.is_null() {
        return None;
    }
    let error = serde_path_to_error::deserialize::<_, RunSpec>(spec).err()?;
    let mut field = error.path().to_string();
    let mut message = error.into_inner().to_string();
    if let Some((param, wrong)) = odd_param(spec) {
        (field, message) = (param, wrong);
    }
    let text = if field == "." { message } else { format!("{field}: {message}") };
    Some(ErrorBody::new("bad_spec", text).with_field(field))
}

/// The first stage parameter that is no value at all, which serde cannot name.
fn odd_param(spec: &Value) -> Option<(String, String)> {
    let stages = spec["stages"].as_array()?;
    stages.iter().enumerate().find_map(|(index, stage)| {
        let is_odd = |value: &Value| value.is_null() || value.is_array() || value.is_object();
        let (name, value) = stage.as_object()?.iter().find(|(_, value)| is_odd(value))?;
        Some((format!("stages[{index}].{name}"), format!("expected true, false, a number or a text, found {value}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8f0e2b1c-6a53-4b60-9d5c-1f2e3d4c5b6a";

    fn start_run(spec: &str) -> Malformed {
        let text = format!(r#"{{"type":"command","id":"{ID}","command":{{"kind":"start_run","spec":{spec}}}}}"#);
        parse(&text).unwrap_err()
    }

    #[test]
    fn an_error_in_a_spec_names_the_field_and_answers_the_command() {
        for (spec, field) in [
            (r#"{"model":"m","teacher":"t","stages":[],"colour":1}"#, "colour"),
            (
                r#"{"model":"m","teacher":"t","stages":[],"suffixes":{"train":-1,"validation":1,"test":1}}"#,
                "suffixes.train",
            ),
            (
                r#"{"model":"m","teacher":"t","stages":[],"constraints":{"ban_concepts":[1]}}"#,
                "constraints.ban_concepts[0]",
            ),
            (r#"{"model":"m","teacher":"t","stages":[{"kind":"k"},{"kind":"k","steps":null}]}"#, "stages[1].steps"),
            (r#"{"model":"m","teacher":"t","stages":[{"steps":1}]}"#, "stages[0]"),
        ] {
            let Malformed { command_id, error } = start_run(spec);
            assert_eq!((error.code.as_str(), error.field.as_deref()), ("bad_spec", Some(field)), "{error:?}");
            assert_eq!(command_id.as_deref(), Some(ID));
        }
    }

    #[test]
    fn other_errors_say_what_is_wrong() {
        for (text, part) in [
            ("", "EOF"),
            ("nonsense", "expected"),
            ("{}", "type"),
            (r#"{"type":"dance"}"#, "dance"),
            (r#"{"type":"subscribe","run":"r","epoch":1}"#, "after_seq"),
            (r#"{"type":"subscribe","run":"r","epoch":1,"after_seq":0,"extra":1}"#, "extra"),
            (r#"{"type":"subscribe","run":"r","epoch":-1,"after_seq":0}"#, "-1"),
            (r#"{"type":"command","id":"1","command":{"kind":"cancel_run","run":"r"}}"#, "UUID"),
        ] {
            let Malformed { command_id, error } = parse(text).unwrap_err();
            assert_eq!(error.code, "bad_message");
            assert!(error.message.contains(part) && command_id.is_none(), "{text}: {error:?}");
        }
    }

    #[test]
    fn the_bounds_are_exact() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        check_bounds(&nested(MAX_DEPTH)).unwrap();
        assert!(check_bounds(&nested(MAX_DEPTH + 1)).unwrap_err().message.contains("nested"));
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        check_bounds(&text(MAX_CLIENT_MESSAGE_BYTES)).unwrap();
        assert_eq!(check_bounds(&text(MAX_CLIENT_MESSAGE_BYTES + 1)).unwrap_err().code, "message_too_big");
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(depth(r#"{"a":["[[[{{{", "\"[[", "\\"], "b":[[1]]}"#), 3);
    }
}
