//! The form of a new run as the user left it: texts, valid or not, and the spec that they mean.

use serde::{Deserialize, Serialize};
use shared::catalogue::{Catalogue, FieldError, ParamDeclaration, ParamDomain, Preset, StageDeclaration, Teacher};
use shared::event::ErrorBody;
use shared::spec::{Budget, Constraints, ParamValue, RunSpec, Split, StageSpec, SuffixSpec};
use shared::suffixes::Imported;
use shared::wire::{ClientMessage, Command, MAX_CLIENT_MESSAGE_BYTES};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The form. Numbers are the texts in their fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Name of the preset it began as.
    pub preset: String,
    /// Name of the model.
    pub model: String,
    /// The reference prefix.
    pub teacher: String,
    /// Text between prefix and suffix.
    pub separator: String,
    /// Seed.
    pub seed: String,
    /// Length of the prefix, in tokens.
    pub prefix_tokens: String,
    /// Longest reference completion, in tokens.
    pub max_completion_tokens: String,
    /// Completion tokens that weigh more.
    pub early_k: String,
    /// Their weight.
    pub early_weight: String,
    /// Built-in suffix set.
    pub suffix_set: String,
    /// Whether the user's own suffixes are used instead.
    pub own_suffixes: bool,
    /// The user's own suffixes, one a line.
    pub suffix_lines: String,
    /// The user's own suffixes where lines cannot hold them: one of them has several lines.
    #[serde(default)]
    pub suffix_list: Vec<String>,
    /// Number of train suffixes.
    pub train: String,
    /// Number of validation suffixes.
    pub validation: String,
    /// Number of test suffixes.
    pub test: String,
    /// The split of each of the user's own suffixes, where the spec gave them; no field of the form.
    #[serde(default)]
    pub suffix_splits: Vec<Split>,
    /// Least steerability of a suffix, in nats a token; empty for no bound.
    #[serde(default)]
    pub least_steerability: String,
    /// Bans the reference's own word tokens.
    pub ban_reference_tokens: bool,
    /// Banned concepts.
    pub ban_concepts: Vec<String>,
    /// Allows the reference's scripts only.
    pub reference_script_only: bool,
    /// Largest share of common tokens.
    pub max_token_overlap: String,
    /// Smallest edit distance.
    pub min_edit_distance: String,
    /// Longest common run of characters.
    pub max_common_substring_chars: String,
    /// Most evaluations of the search; empty for no limit.
    #[serde(default)]
    pub budget_evaluations: String,
    /// Longest wall time of the search, in seconds; empty for no limit.
    #[serde(default)]
    pub budget_seconds: String,
    /// The pipeline.
    pub stages: Vec<DraftStage>,
}

/// A stage in the form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DraftStage {
    /// Its kind.
    pub kind: String,
    /// Parameters that differ from their defaults, as texts.
    pub params: BTreeMap<String, String>,
}

impl Draft {
    /// The form that means a spec.
    pub fn from_spec(spec: &RunSpec) -> Self {
        let are_lines = spec.suffixes.texts.iter().all(|text| is_line(text));
        Draft {
            preset: spec.preset.clone(),
            model: spec.model.clone(),
            teacher: spec.teacher.clone(),
            separator: spec.separator.clone(),
            seed: spec.seed.to_string(),
            prefix_tokens: spec.prefix_tokens.to_string(),
            max_completion_tokens: spec.max_completion_tokens.to_string(),
            early_k: spec.early_k.to_string(),
            early_weight: spec.early_weight.to_string(),
            suffix_set: spec.suffixes.set.clone(),
            own_suffixes: !spec.suffixes.texts.is_empty(),
            suffix_lines: if are_lines { spec.suffixes.texts.join("\n") } else { String::new() },
            suffix_list: if are_lines { Vec::new() } else { spec.suffixes.texts.clone() },
            train: spec.suffixes.train.to_string(),
            validation: spec.suffixes.validation.to_string(),
            test: spec.suffixes.test.to_string(),
            suffix_splits: spec.suffixes.splits.clone(),
            least_steerability: optional_text(spec.suffixes.min_steerability),
            ban_reference_tokens: spec.constraints.ban_reference_tokens,
            ban_concepts: spec.constraints.ban_concepts.clone(),
            reference_script_only: spec.constraints.reference_script_only,
            max_token_overlap: spec.constraints.max_token_overlap.to_string(),
            min_edit_distance: spec.constraints.min_edit_distance.to_string(),
            max_common_substring_chars: spec.constraints.max_common_substring_chars.to_string(),
            budget_evaluations: optional_text(spec.budget.evaluations),
            budget_seconds: optional_text(spec.budget.seconds),
            stages: spec.stages.iter().map(DraftStage::from_spec).collect(),
        }
    }

    /// The spec that the form means, or what is wrong with it, field by field.
    pub fn to_spec(&self, catalogue: &Catalogue) -> Result<RunSpec, Vec<FieldError>> {
        let mut errors = Vec::new();
        let suffixes = self.suffixes(&mut errors);
        let spec = RunSpec {
            preset: self.preset.clone(),
            model: self.model.clone(),
            teacher: self.teacher.clone(),
            separator: self.separator.clone(),
            seed: whole(&mut errors, "seed", &self.seed),
            prefix_tokens: whole(&mut errors, "prefix_tokens", &self.prefix_tokens),
            max_completion_tokens: whole(&mut errors, "max_completion_tokens", &self.max_completion_tokens),
            early_k: whole(&mut errors, "early_k", &self.early_k),
            early_weight: real(&mut errors, "early_weight", &self.early_weight),
            suffixes,
            constraints: self.constraints(&mut errors),
            budget: self.budget(&mut errors),
            stages: self.stages.iter().map(|stage| stage.to_spec(catalogue)).collect(),
        };
        // A text that is no number stands as 0 in the spec: its own message is the one to read.
        let unreadable: Vec<String> = errors.iter().map(|error| error.field.clone()).collect();
        if let Err(found) = catalogue.validate(&spec) {
            let found = found.into_iter().filter(|error| !unreadable.contains(&error.field));
            errors.extend(found.map(|error| self.with_place(error)));
        }
        if errors.is_empty() {
            errors.extend(too_large(&spec));
        }
        if errors.is_empty() { Ok(spec) } else { Err(errors) }
    }

    /// Takes a preset's method over and keeps the goal: teacher, model, seed, the user's own prompts and
    /// the banned concepts.
    pub fn adopt(&mut self, preset: &Preset) {
        let goal = std::mem::replace(self, Draft::from_spec(&preset.spec));
        self.teacher = goal.teacher;
        self.model = goal.model;
        self.seed = goal.seed;
        self.own_suffixes = goal.own_suffixes;
        self.suffix_lines = goal.suffix_lines;
        self.suffix_list = goal.suffix_list;
        self.suffix_splits = goal.suffix_splits;
        self.least_steerability = goal.least_steerability;
        if self.own_suffixes {
            (self.train, self.validation, self.test) = (goal.train, goal.validation, goal.test);
        }
        self.ban_concepts = goal.ban_concepts;
    }

    /// The suffixes alone, for the table of those that a run would use.
    pub fn suffixes(&self, errors: &mut Vec<FieldError>) -> SuffixSpec {
        let texts = self.own_texts(errors);
        // Once a prompt was added or taken out, nobody knows whose split is whose.
        let splits = if self.suffix_splits.len() == texts.len() { self.suffix_splits.clone() } else { Vec::new() };
        let least = self.least_steerability.trim();
        SuffixSpec {
            set: self.suffix_set.clone(),
            train: whole(errors, "suffixes.train", &self.train),
            validation: whole(errors, "suffixes.validation", &self.validation),
            test: whole(errors, "suffixes.test", &self.test),
            texts,
            splits,
            min_steerability: (!least.is_empty()).then(|| real(errors, "suffixes.min_steerability", least)),
        }
    }

    /// Takes over the suffixes of a file, all of them, dealt to the splits as the file or else the rule for
    /// files says.
    pub fn take_suffixes(&mut self, imported: Imported) {
        let mut suffixes = SuffixSpec::default();
        imported.put_into(&mut suffixes);
        self.own_suffixes = true;
        if suffixes.texts.iter().all(|text| is_line(text)) {
            self.suffix_lines = suffixes.texts.join("\n");
            self.suffix_list.clear();
        } else {
            self.suffix_list = suffixes.texts;
        }
        self.suffix_splits = suffixes.splits;
        self.train = suffixes.train.to_string();
        self.validation = suffixes.validation.to_string();
        self.test = suffixes.test.to_string();
    }

    /// The constraints alone, for the live count of banned tokens.
    pub fn constraints(&self, errors: &mut Vec<FieldError>) -> Constraints {
        Constraints {
            ban_reference_tokens: self.ban_reference_tokens,
            ban_concepts: self.ban_concepts.clone(),
            reference_script_only: self.reference_script_only,
            max_token_overlap: real(errors, "constraints.max_token_overlap", &self.max_token_overlap),
            min_edit_distance: real(errors, "constraints.min_edit_distance", &self.min_edit_distance),
            max_common_substring_chars: whole(
                errors,
                "constraints.max_common_substring_chars",
                &self.max_common_substring_chars,
            ),
        }
    }

    /// An empty field is no limit.
    fn budget(&self, errors: &mut Vec<FieldError>) -> Budget {
        let given = |text: &str| !text.trim().is_empty();
        Budget {
            evaluations: given(&self.budget_evaluations)
                .then(|| whole(errors, "budget.evaluations", &self.budget_evaluations)),
            seconds: given(&self.budget_seconds).then(|| real(errors, "budget.seconds", &self.budget_seconds)),
        }
    }

    /// The user's own suffixes: the list if there is one, else one a line, empty lines left out.
    fn own(&self) -> Vec<String> {
        if !self.suffix_list.is_empty() {
            return self.suffix_list.clone();
        }
        self.suffix_lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Says which line or which prompt an error about one of the user's own suffixes means.
    fn with_place(&self, error: FieldError) -> FieldError {
        let index = error.field.strip_prefix("suffixes.texts[").and_then(|rest| rest.strip_suffix(']'));
        let Some(index) = index.and_then(|index| index.parse::<usize>().ok()) else { return error };
        let place = if self.suffix_list.is_empty() {
            let lines = self.suffix_lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            format!("line {}", lines.map(|(line, _)| line + 1).nth(index).unwrap_or(index + 1))
        } else {
            format!("prompt {}", index + 1)
        };
        FieldError { message: format!("{place}: {}", error.message), ..error }
    }

    /// How many suffixes of the user's own there are.
    pub fn own_count(&self) -> usize {
        self.own().len()
    }

    fn own_texts(&self, errors: &mut Vec<FieldError>) -> Vec<String> {
        if !self.own_suffixes {
            return Vec::new();
        }
        let texts = self.own();
        if texts.is_empty() {
            errors.push(FieldError::new("suffixes.texts", "paste at least one prompt, or use a built-in set"));
        }
        texts
    }
}

impl DraftStage {
    fn from_spec(stage: &StageSpec) -> Self {
        let params = stage.params.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
        DraftStage { kind: stage.kind.clone(), params }
    }

    fn to_spec(&self, catalogue: &Catalogue) -> StageSpec {
        let declaration = catalogue.stage(&self.kind);
        let value = |name: &str, text: &str| match find(declaration, name) {
            Some(param) => read_param(&param.domain, text),
            None => ParamValue::Text(text.to_owned()),
        };
        StageSpec {
            kind: self.kind.clone(),
            params: self.params.iter().map(|(name, text)| (name.clone(), value(name, text))).collect(),
        }
    }

    /// The text in a parameter's field.
    pub fn text(&self, param: &ParamDeclaration) -> String {
        self.params.get(&param.name).cloned().unwrap_or_else(|| param.default.to_string())
    }

    /// Takes over what the user wrote; the default is not kept.
    pub fn set_text(&mut self, param: &ParamDeclaration, text: String) {
        if text == param.default.to_string() {
            self.params.remove(&param.name);
        } else {
            self.params.insert(param.name.clone(), text);
        }
    }
}

/// The spec that a preset makes of a teacher, with the teacher's concepts banned: a text that acts
/// like the reference by naming its topic would surprise nobody.
pub fn with_teacher(preset: &Preset, teacher: &Teacher) -> RunSpec {
    let mut spec = preset.spec.clone();
    spec.teacher.clone_from(&teacher.text);
    spec.constraints.ban_concepts.clone_from(&teacher.concepts);
    spec
}

/// Whether a field with one suffix a line gives this one back.
fn is_line(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.contains(['\n', '\r'])
}

fn optional_text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Where an error of the worker belongs in the form.
pub fn field_errors(errors: Vec<ErrorBody>) -> Vec<FieldError> {
    errors
        .into_iter()
        .map(|error| {
            let message = match error.hint {
                Some(hint) => format!("{} {hint}", error.message),
                None => error.message,
            };
            FieldError { field: error.field.unwrap_or_default(), message }
        })
        .collect()
}

fn find<'a>(declaration: Option<&'a StageDeclaration>, name: &str) -> Option<&'a ParamDeclaration> {
    declaration?.params.iter().find(|param| param.name == name)
}

/// Reads a parameter; what cannot be read stays a text, which the domain then refuses by name.
fn read_param(domain: &ParamDomain, text: &str) -> ParamValue {
    let text = text.trim();
    let number = || text.parse().map(ParamValue::Integer).ok();
    let read = match domain {
        ParamDomain::Switch => text.parse().map(ParamValue::Switch).ok(),
        ParamDomain::Integer { .. } => number(),
        // "NaN" and "inf" read as numbers, and no domain holds them.
        ParamDomain::Real { .. } => number().or_else(|| text.parse().map(ParamValue::Real).ok()),
        ParamDomain::Choice { .. } | ParamDomain::Name { .. } => None,
    };
    read.unwrap_or_else(|| ParamValue::Text(text.to_owned()))
}

fn whole<T: FromStr + Default>(errors: &mut Vec<FieldError>, field: &str, text: &str) -> T {
    text.trim().parse().unwrap_or_else(|_| {
        errors.push(FieldError::new(field, format!("expected a whole number, found \"{}\"", text.trim())));
        T::default()
    })
}

fn real(errors: &mut Vec<FieldError>, field: &str, text: &str) -> f64 {
    text.trim().parse().unwrap_or_else(|_| {
        errors.push(FieldError::new(field, format!("expected a number, found \"{}\"", text.trim())));
        0.0
    })
}

/// The worker takes messages up to a limit, and only the user's own suffixes can reach it.
fn too_large(spec: &RunSpec) -> Option<FieldError> {
    let command = Command::StartRun { spec: Box::new(spec.clone()) };
    let message = ClientMessage::Command { id: crate::uuid::NIL.to_owned(), command };
    let bytes = serde_json::to_string(&message).map_or(0, |text| text.len());
    (bytes > MAX_CLIENT_MESSAGE_BYTES).then(|| {
        FieldError::new(
            "suffixes.texts",
            format!(
                "the run has {} KiB and the page can send {} KiB; use fewer prompts, or export it as TOML and start \
                 it with steerage run",
                bytes.div_ceil(1024),
                MAX_CLIENT_MESSAGE_BYTES / 1024
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::catalogue::ModelEntry;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn param(name: &str, domain: ParamDomain, default: impl Into<ParamValue>) -> ParamDeclaration {
        ParamDeclaration {
            name: name.to_owned(),
            unit: String::new(),
            help: String::new(),
            domain,
            default: default.into(),
        }
    }

    fn catalogue() -> Catalogue {
        let model = ModelEntry {
            name: "m".to_owned(),
            title: String::new(),
            architecture: String::new(),
            licence: String::new(),
            size_bytes: 0,
            context_length: 128,
            sha256: String::new(),
            available: true,
        };
        let stage = StageDeclaration {
            kind: "soft_prompt".to_owned(),
            title: String::new(),
            help: String::new(),
            params: vec![
                param("steps", ParamDomain::Integer { min: 1, max: 500 }, 40i64),
                param("learning_rate", ParamDomain::Real { min: 1e-6, max: 10.0 }, 0.01),
                param("early_stop", ParamDomain::Switch, true),
                param("init", ParamDomain::Choice { options: vec!["random".into(), "text".into()] }, "random"),
            ],
        };
        let evaluate = StageDeclaration { kind: "evaluate".to_owned(), params: Vec::new(), ..stage.clone() };
        let suffix_sets = shared::suffixes::built_in();
        Catalogue { models: vec![model], stages: vec![stage, evaluate], suffix_sets, ..Catalogue::default() }
    }

    fn spec() -> RunSpec {
        RunSpec {
            preset: "p".to_owned(),
            model: "m".to_owned(),
            teacher: "Talk only about cats.".to_owned(),
            separator: "\n".to_owned(),
            seed: 3,
            prefix_tokens: 6,
            max_completion_tokens: 48,
            early_k: 32,
            early_weight: 2.5,
            suffixes: SuffixSpec::default(),
            constraints: Constraints { ban_concepts: vec!["cat".to_owned()], ..Constraints::default() },
            budget: Budget { evaluations: Some(4000), seconds: Some(12.5) },
            stages: vec![
                StageSpec::new("soft_prompt")
                    .with("steps", 12i64)
                    .with("learning_rate", 0.05)
                    .with("early_stop", false)
                    .with("init", "text"),
                StageSpec::new("evaluate"),
            ],
        }
    }

    fn errors(change: impl Fn(&mut Draft)) -> Vec<(String, String)> {
        let mut draft = Draft::from_spec(&spec());
        change(&mut draft);
        let errors = draft.to_spec(&catalogue()).expect_err("the draft is wrong");
        errors.into_iter().map(|error| (error.field, error.message)).collect()
    }

    #[test]
    fn a_spec_survives_the_form() {
        assert_eq!(Draft::from_spec(&spec()).to_spec(&catalogue()), Ok(spec()));
        let texts: Vec<String> = (0..20).map(|n| format!("prompt {n}")).collect();
        let own = RunSpec { suffixes: SuffixSpec { texts: texts.clone(), ..SuffixSpec::default() }, ..spec() };
        assert_eq!(Draft::from_spec(&own).to_spec(&catalogue()), Ok(own));
        let splits = [Split::Train, Split::Test, Split::Validation, Split::Test, Split::Train];
        let splits = splits.into_iter().cycle().take(20).collect();
        let suffixes = SuffixSpec { texts, splits, min_steerability: Some(0.1), ..SuffixSpec::default() };
        let split = RunSpec { suffixes: SuffixSpec { validation: 4, ..suffixes }, ..spec() };
        assert_eq!(Draft::from_spec(&split).to_spec(&catalogue()), Ok(split));
        // Prompts that a field of lines would take apart.
        let texts = (0..20).map(|n| format!("prompt {n}\nof two lines")).collect();
        let long = RunSpec { suffixes: SuffixSpec { texts, ..SuffixSpec::default() }, ..spec() };
        assert_eq!(Draft::from_spec(&long).to_spec(&catalogue()), Ok(long));
    }

    #[test]
    fn the_suffixes_of_a_file_fill_the_form() {
        let mut draft = Draft::from_spec(&spec());
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        draft.take_suffixes(Imported { texts: texts(&["a", "b", "c"]), splits: Vec::new() });
        assert!(draft.own_suffixes && draft.suffix_list.is_empty());
        assert_eq!((draft.suffix_lines.as_str(), draft.train.as_str(), draft.test.as_str()), ("a\nb\nc", "1", "1"));
        let splits = vec![Split::Test, Split::Train, Split::Test];
        draft.take_suffixes(Imported { texts: texts(&["a\nb", "c", "d"]), splits: splits.clone() });
        let suffixes = draft.to_spec(&catalogue()).unwrap().suffixes;
        assert_eq!((suffixes.texts, suffixes.splits), (texts(&["a\nb", "c", "d"]), splits));
        assert_eq!((suffixes.train, suffixes.validation, suffixes.test), (1, 0, 2));
        assert_eq!(draft.suffix_lines, "a\nb\nc", "what was typed is still there");
        // Another method leaves the prompts and their numbers alone.
        let preset = Preset { name: "p".to_owned(), title: String::new(), help: String::new(), spec: spec() };
        draft.adopt(&preset);
        assert_eq!((draft.own_count(), draft.test.as_str()), (3, "2"));
    }

    #[test]
    fn a_draft_of_an_earlier_version_is_read() {
        let mut kept = serde_json::to_value(Draft::from_spec(&spec())).unwrap();
        let fields = kept.as_object_mut().unwrap();
        fields.remove("suffix_list");
        fields.remove("least_steerability");
        fields.insert("min_steerability".to_owned(), serde_json::Value::Null);
        assert_eq!(serde_json::from_value::<Draft>(kept).unwrap(), Draft::from_spec(&spec()));
    }

    #[test]
    fn each_wrong_field_is_named_once() {
        type Row = (fn(&mut Draft), &'static str, &'static str);
        let rows: [Row; 13] = [
            (|d| d.seed = "-1".into(), "seed", "whole number"),
            (|d| d.prefix_tokens = "six".into(), "prefix_tokens", "found \"six\""),
            (|d| d.prefix_tokens = "0".into(), "prefix_tokens", "1 to 64"),
            (|d| d.early_weight = "NaN".into(), "early_weight", "found NaN"),
            (|d| d.budget_evaluations = "0".into(), "budget.evaluations", "1 or more"),
            (|d| d.budget_seconds = "soon".into(), "budget.seconds", "found \"soon\""),
            (|d| d.least_steerability = "much".into(), "suffixes.min_steerability", "found \"much\""),
            (|d| d.least_steerability = "-1".into(), "suffixes.min_steerability", "0 to 100"),
            (|d| d.teacher = " ".into(), "teacher", "empty"),
            (|d| d.model = "gpt".into(), "model", "gpt"),
            (|d| d.train = "900".into(), "suffixes.train", "20 suffixes"),
            (|d| drop(d.stages[0].params.insert("steps".into(), "many".into())), "stages[0].steps", "found many"),
            (
                |d| drop(d.stages[0].params.insert("learning_rate".into(), "NaN".into())),
                "stages[0].learning_rate",
                "NaN",
            ),
        ];
        for (change, field, part) in rows {
            let errors = errors(change);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].0, field);
            assert!(errors[0].1.contains(part), "{errors:?}");
        }
    }

    #[test]
    fn own_suffixes_are_lines() {
        let mut draft = Draft::from_spec(&spec());
        draft.own_suffixes = true;
        draft.suffix_lines = " one \n\n two\r\nthree\n".to_owned();
        (draft.train, draft.validation, draft.test) = ("1".into(), "1".into(), "1".into());
        assert_eq!(draft.to_spec(&catalogue()).unwrap().suffixes.texts, ["one", "two", "three"]);
        let empty = errors(|draft| draft.own_suffixes = true);
        assert_eq!(empty[0].0, "suffixes.texts");
        let twice = errors(|draft| {
            draft.own_suffixes = true;
            draft.suffix_lines = "one\n\ntwo\n one".to_owned();
        });
        assert!(twice[0].1.starts_with("line 4: the suffix stands there twice"), "{twice:?}");
    }

    #[test]
    fn a_run_too_large_for_a_message_is_refused_here() {
        let found = errors(|draft| {
            draft.own_suffixes = true;
            draft.suffix_lines = (0..30).map(|n| format!("{n} {}\n", "x".repeat(3000))).collect();
        });
        assert_eq!(found[0].0, "suffixes.texts");
        assert!(found[0].1.contains("64 KiB"), "{found:?}");
    }

    #[test]
    fn a_default_is_not_kept() {
        let steps = &catalogue().stages[0].params[0];
        let mut stage = DraftStage { kind: "soft_prompt".to_owned(), params: BTreeMap::new() };
        assert_eq!(stage.text(steps), "40");
        stage.set_text(steps, "41".to_owned());
        assert_eq!(stage.text(steps), "41");
        stage.set_text(steps, "40".to_owned());
        assert!(stage.params.is_empty());
    }

    #[test]
    fn a_preset_changes_the_method_and_keeps_the_goal() {
        let mut draft = Draft::from_spec(&spec());
        draft.suffix_lines = "mine".to_owned();
        draft.own_suffixes = true;
        let mut other = spec();
        (other.preset, other.teacher, other.prefix_tokens, other.seed) = ("q".into(), "Talk about dogs.".into(), 9, 0);
        other.stages = vec![StageSpec::new("soft_prompt")];
        let help = String::new();
        draft.adopt(&Preset { name: "q".to_owned(), title: String::new(), help, spec: other });
        assert_eq!((draft.preset.as_str(), draft.prefix_tokens.as_str()), ("q", "9"));
        assert_eq!((draft.teacher.as_str(), draft.seed.as_str()), ("Talk only about cats.", "3"));
        assert!(draft.own_suffixes && draft.suffix_lines == "mine" && draft.stages[0].params.is_empty());
    }

    #[test]
    fn a_teacher_brings_its_concepts() {
        let preset = Preset { name: "p".to_owned(), title: String::new(), help: String::new(), spec: spec() };
        let dogs = Teacher {
            text: "Talk only about dogs.".into(),
            title: String::new(),
            concepts: vec!["dog".into()],
            adherence: None,
        };
        let made = with_teacher(&preset, &dogs);
        assert_eq!((made.teacher.as_str(), &made.constraints.ban_concepts), ("Talk only about dogs.", &dogs.concepts));
        assert_eq!(made.stages, preset.spec.stages);
    }
}
