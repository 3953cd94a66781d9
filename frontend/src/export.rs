//! A spec as the command line takes it.

use shared::catalogue::Preset;
use shared::spec::{ParamValue, RunSpec};

/// The spec as a TOML file.
pub fn to_toml(spec: &RunSpec) -> Result<String, toml::ser::Error> {
    toml::to_string(spec)
}

/// The command that starts the same run.
///
/// Where the spec differs from its preset only in what `steerage run` has options for, it is one
/// self-contained line; otherwise it names the file that [`to_toml`] is to be saved as.
pub fn command_line(spec: &RunSpec, preset: Option<&Preset>) -> String {
    match preset.and_then(|preset| options(spec, preset)) {
        Some(options) => format!("steerage run --preset {}{options}", shell_quoted(&spec.preset)),
        None => format!("steerage run {FILE_NAME}"),
    }
}

/// Name under which the command line expects the exported file.
pub const FILE_NAME: &str = "steerage-run.toml";

fn options(spec: &RunSpec, preset: &Preset) -> Option<String> {
    let mut same = preset.spec.clone();
    let mut line = String::new();
    let mut option = |name: &str, value: &str| {
        // Behind a blank, a value that begins with a dash would be read as an option.
        let joint = if value.starts_with('-') { '=' } else { ' ' };
        line.push_str(&format!(" --{name}{joint}{}", shell_quoted(value)));
    };
    if spec.model != same.model {
        option("model", &spec.model);
        same.model.clone_from(&spec.model);
    }
    if spec.teacher != same.teacher {
        option("teacher", &spec.teacher);
        same.teacher.clone_from(&spec.teacher);
    }
    if spec.seed != same.seed {
        option("seed", &spec.seed.to_string());
        same.seed = spec.seed;
    }
    if spec.prefix_tokens != same.prefix_tokens {
        option("prefix-tokens", &spec.prefix_tokens.to_string());
        same.prefix_tokens = spec.prefix_tokens;
    }
    let concepts = &spec.constraints.ban_concepts;
    if *concepts != same.constraints.ban_concepts {
        // The option is a comma-separated list and cannot empty it or carry a comma.
        let survives = |concept: &String| !concept.contains(',') && concept.trim() == concept;
        if concepts.is_empty() || !concepts.iter().all(survives) {
            return None;
        }
        option("ban-concepts", &concepts.join(","));
        same.constraints.ban_concepts.clone_from(concepts);
    }
    if let Some(nats) = spec.suffixes.min_steerability.filter(|_| spec.suffixes != same.suffixes) {
        option("min-steerability", &nats.to_string());
        same.suffixes.min_steerability = Some(nats);
    }
    if let Some(evaluations) = spec.budget.evaluations.filter(|_| spec.budget != same.budget) {
        option("budget-evaluations", &evaluations.to_string());
        same.budget.evaluations = Some(evaluations);
    }
    if let Some(seconds) = spec.budget.seconds.filter(|_| spec.budget != same.budget) {
        option("budget-seconds", &seconds.to_string());
        same.budget.seconds = Some(seconds);
    }
    for at in 0..same.stages.len().min(spec.stages.len()) {
        let (wanted, kind) = (&spec.stages[at], same.stages[at].kind.clone());
        // The option means the first stage of that kind.
        let is_first = same.stages[..at].iter().all(|stage| stage.kind != kind);
        for (name, value) in wanted.params.iter().filter(|_| is_first && wanted.kind == kind) {
            let text = value.to_string();
            if same.stages[at].params.get(name) != Some(value) && read_setting(&text) == *value {
                option("set", &format!("{kind}.{name}={text}"));
                same.stages[at].params.insert(name.clone(), value.clone());
            }
        }
    }
    (same == *spec).then_some(line)
}

/// The value that the command line makes of the text behind `--set STAGE.PARAMETER=`.
fn read_setting(text: &str) -> ParamValue {
    let whole = text.parse().map(ParamValue::Integer);
    let real = whole.or_else(|_| text.parse().map(ParamValue::Real));
    let switch = real.or_else(|_| text.parse().map(ParamValue::Switch));
    switch.unwrap_or_else(|_| ParamValue::Text(text.to_owned()))
}

/// A word for a POSIX shell.
fn shell_quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:@%+=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::spec::{Budget, Constraints, StageSpec, SuffixSpec};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn preset() -> Preset {
        let spec = RunSpec {
            preset: "hybrid".to_owned(),
            model: "smollm2-135m".to_owned(),
            teacher: "Talk only about cats.".to_owned(),
            separator: "\n".to_owned(),
            seed: 0,
            prefix_tokens: 6,
            max_completion_tokens: 48,
            early_k: 32,
            early_weight: 3.0,
            suffixes: SuffixSpec::default(),
            constraints: Constraints::default(),
            budget: Budget::default(),
            stages: vec![
                StageSpec::new("soft_prompt").with("steps", 40i64).with("learning_rate", 0.01),
                StageSpec::new("projection").with("method", "cosine"),
            ],
        };
        Preset { name: "hybrid".to_owned(), title: String::new(), help: String::new(), spec }
    }

    #[test]
    fn toml_reads_back_as_the_same_spec() {
        let mut spec = preset().spec;
        spec.teacher = "Say \"no\"\n\\ and \u{202E} – 猫".to_owned();
        spec.suffixes.texts = vec!["one".to_owned(), "'two'".to_owned()];
        spec.constraints.ban_concepts = vec!["cat".to_owned()];
        let toml = to_toml(&spec).unwrap();
        assert_eq!(toml::from_str::<RunSpec>(&toml).unwrap(), spec, "{toml}");
    }

    #[test]
    fn the_line_names_what_differs_from_the_preset() {
        let preset = preset();
        let line = |change: &dyn Fn(&mut RunSpec)| {
            let mut spec = preset.spec.clone();
            change(&mut spec);
            command_line(&spec, Some(&preset))
        };
        assert_eq!(line(&|_| ()), "steerage run --preset hybrid");
        assert_eq!(
            line(&|spec| {
                spec.teacher = "Don't rhyme; $HOME".to_owned();
                spec.seed = 7;
                spec.prefix_tokens = 8;
                spec.constraints.ban_concepts = vec!["cat".to_owned(), "big dog".to_owned()];
            }),
            r"steerage run --preset hybrid --teacher 'Don'\''t rhyme; $HOME' --seed 7 --prefix-tokens 8 --ban-concepts 'cat,big dog'"
        );
    }

    #[test]
    fn whatever_has_an_option_stays_in_the_line() {
        let preset = preset();
        let mut spec = preset.spec.clone();
        spec.teacher = "-v, or else".to_owned();
        spec.suffixes.min_steerability = Some(0.1);
        spec.budget = Budget { evaluations: Some(500), seconds: Some(2.5) };
        spec.stages[0].params.insert("steps".to_owned(), 60i64.into());
        spec.stages[1].params.insert("method".to_owned(), "beam".into());
        assert_eq!(
            command_line(&spec, Some(&preset)),
            "steerage run --preset hybrid --teacher='-v, or else' --min-steerability 0.1 --budget-evaluations 500 \
             --budget-seconds 2.5 --set soft_prompt.steps=60 --set projection.method=beam"
        );
        // A text that the option would read as a number.
        spec.stages[1].params.insert("method".to_owned(), "7".into());
        assert_eq!(command_line(&spec, Some(&preset)), "steerage run steerage-run.toml");
        // A parameter of the preset that was taken out, and a second stage of a kind.
        let mut fewer = preset.spec.clone();
        fewer.stages[0].params.remove("steps");
        let mut twice = preset.clone();
        twice.spec.stages.push(StageSpec::new("projection"));
        let mut second = twice.spec.clone();
        second.stages[2].params.insert("method".to_owned(), "beam".into());
        assert_eq!(command_line(&fewer, Some(&preset)), "steerage run steerage-run.toml");
        assert_eq!(command_line(&second, Some(&twice)), "steerage run steerage-run.toml");
    }

    #[test]
    fn what_has_no_option_goes_into_a_file() {
        let preset = preset();
        let mut spec = preset.spec.clone();
        spec.early_k = 16;
        assert_eq!(command_line(&spec, Some(&preset)), "steerage run steerage-run.toml");
        assert_eq!(command_line(&preset.spec, None), "steerage run steerage-run.toml");
    }
}
