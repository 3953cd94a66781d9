//! A spec as a flat list of settings, for telling runs apart: each key with its value, and only what differs
//! from the defaults of a spec. Model, reference prefix, seed and preset have places of their own.

use crate::json;
use crate::spec::RunSpec;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Values by key, as in `suffixes.train` or `hotflip.steps`; the second stage of a kind is `hotflip 2`. The
/// value of a stage's parameter is there only where the spec gives it.
pub type Settings = BTreeMap<String, String>;

/// Most characters of a value; a longer one is cut, and ends with its hash.
const MAX_VALUE_CHARS: usize = 64;

/// What stands between two kinds in [`STAGES`].
pub const BETWEEN_STAGES: &str = " → ";

/// The key of the kinds of stages, in order; its value is never cut.
pub const STAGES: &str = "stages";

/// What a spec says that a spec need not say.
pub fn settings(spec: &RunSpec) -> Settings {
    let defaults = all(&RunSpec::new("", ""));
    let mut own = all(spec);
    own.retain(|key, value| defaults.get(key) != Some(value));
    own
}

/// The value that a key has where a run's settings have none: a spec's own default, or nothing.
pub fn default_of(key: &str) -> Option<String> {
    all(&RunSpec::new("", "")).remove(key)
}

/// Keys whose values are not the same in all of some settings.
pub fn differing<'a>(all: impl IntoIterator<Item = &'a Settings> + Clone) -> BTreeSet<String> {
    let keys: BTreeSet<&String> = all.clone().into_iter().flat_map(BTreeMap::keys).collect();
    let differs = |key: &&String| {
        let mut values = all.clone().into_iter().map(|settings| settings.get(*key));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    keys.into_iter().filter(differs).cloned().collect()
}

fn all(spec: &RunSpec) -> Settings {
    let mut settings = Settings::new();
    // A spec is made of what JSON has, so that this cannot fail.
    let Value::Object(fields) = json::tree(spec) else { return settings };
    for (name, value) in fields {
        match name.as_str() {
            "model" | "teacher" | "seed" | "preset" | "stages" => {}
            _ => flatten(&name, &value, &mut settings),
        }
    }
    let kinds: Vec<&str> = spec.stages.iter().map(|stage| stage.kind.as_str()).collect();
    settings.insert(STAGES.to_owned(), kinds.join(BETWEEN_STAGES));
    for (at, stage) in spec.stages.iter().enumerate() {
        let before = spec.stages[..at].iter().filter(|other| other.kind == stage.kind).count();
        let number = if before == 0 { String::new() } else { format!(" {}", before + 1) };
        for (name, value) in &stage.params {
            settings.insert(format!("{}{number}.{name}", stage.kind), shortened(&value.to_string()));
        }
    }
    settings
}

fn flatten(key: &str, value: &Value, into: &mut Settings) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&format!("{key}.{name}"), value, into)),
        Value::String(text) if !text.is_empty() && !text.chars().any(char::is_control) => {
            into.insert(key.to_owned(), shortened(text));
        }
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            into.insert(key.to_owned(), shortened(&texts.join(", ")));
        }
        _ => drop(into.insert(key.to_owned(), shortened(&value.to_string()))),
    }
}

/// The value, or its beginning and what tells it from others with the same beginning.
fn shortened(value: &str) -> String {
    let kept = value.char_indices().nth(MAX_VALUE_CHARS).map(|_| MAX_VALUE_CHARS - 12);
    match kept.and_then(|kept| value.char_indices().nth(kept)) {
        Some((end, _)) => format!("{}… #{:08x}", &value[..end], hash(value)),
        None => value.to_owned(),
    }
}

/// FNV-1a: the same on every machine and in every version.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::StageSpec;

    #[test]
    fn only_what_differs_from_the_defaults_is_there() {
        let mut spec = RunSpec::new("m", "cats");
        (spec.seed, spec.preset) = (7, "best".to_owned());
        assert_eq!(settings(&spec), Settings::new());
        spec.prefix_tokens = 8;
        spec.suffixes.min_steerability = Some(0.1);
        spec.suffixes.texts = (0..40).map(|n| format!("prompt {n}")).collect();
        spec.constraints.ban_concepts = vec!["cat".to_owned(), "feline".to_owned()];
        spec.budget.evaluations = Some(100);
        spec.stages =
            ["hotflip", "hotflip", "evaluate"].into_iter().map(|kind| StageSpec::new(kind).with("steps", 3)).collect();
        let mut found: Vec<(String, String)> = settings(&spec).into_iter().collect();
        let texts = found.iter().position(|(key, _)| key == "suffixes.texts").unwrap();
        let (_, texts) = found.remove(texts);
        assert!(texts.starts_with("prompt 0, prompt 1") && texts.chars().count() <= MAX_VALUE_CHARS, "{texts}");
        let expected = [
            ("budget.evaluations", "100"),
            ("constraints.ban_concepts", "cat, feline"),
            ("evaluate.steps", "3"),
            ("hotflip 2.steps", "3"),
            ("hotflip.steps", "3"),
            ("prefix_tokens", "8"),
            ("stages", "hotflip → hotflip → evaluate"),
            ("suffixes.min_steerability", "0.1"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn long_values_that_begin_alike_stay_apart() {
        let of = |last: &str| {
            let mut spec = RunSpec::new("m", "t");
            spec.suffixes.texts = (0..40).map(|n| format!("prompt {n}")).chain([last.to_owned()]).collect();
            settings(&spec)
        };
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        assert_eq!(differing([&of("a"), &of("b"), &of("a")]), BTreeSet::from(["suffixes.texts".to_owned()]));
        assert_eq!(differing([&of("a"), &of("a")]), BTreeSet::new());
    }

    #[test]
    fn defaults_are_known_by_key() {
        assert_eq!(default_of("prefix_tokens").as_deref(), Some("6"));
        assert_eq!(default_of("separator").as_deref(), Some("\"\\n\""));
        assert_eq!(default_of("hotflip.steps"), None);
    }
}
