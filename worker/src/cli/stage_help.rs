//! What the long help of `run` says of presets and stages: all from their declarations.

use crate::stages::STAGES;
use shared::catalogue::{ParamDeclaration, ParamDomain, Preset};

/// The presets by name, then every stage with its parameters: default, bounds and unit.
pub fn presets_and_stages(presets: &[Preset]) -> String {
    let mut help = "Presets:\n".to_owned();
    for preset in presets {
        help.push_str(&format!("  {:<19} {}\n", preset.name, preset.help));
    }
    help.push_str("\nStages of a spec, and their parameters for --set STAGE.PARAMETER=VALUE:\n");
    for stage in STAGES {
        let declaration = stage.declaration();
        help.push_str(&format!("\n  {}: {}\n", declaration.kind, declaration.help));
        declaration.params.iter().for_each(|param| help.push_str(&line(param)));
    }
    help
}

fn line(param: &ParamDeclaration) -> String {
    let bounds = match &param.domain {
        ParamDomain::Switch => "true or false".to_owned(),
        ParamDomain::Integer { min, max } => format!("{min} to {max}"),
        ParamDomain::Real { min, max } => format!("{min} to {max}"),
        ParamDomain::Name { max_chars } => format!("a name of at most {max_chars} characters"),
        ParamDomain::Choice { options } => options.join(", "),
    };
    let unit = if param.unit.is_empty() { String::new() } else { format!(" {}", param.unit) };
    let default = match param.default.to_string() {
        none if none.is_empty() => "none".to_owned(),
        default => default,
    };
    format!("    {} = {default} ({bounds}{unit}): {}\n", param.name, param.help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::presets;

    #[test]
    fn the_help_names_every_preset_and_parameter() {
        let presets = presets();
        let help = presets_and_stages(&presets);
        for preset in &presets {
            assert!(help.contains(&format!("  {} ", preset.name)), "{} is missing", preset.name);
        }
        for stage in STAGES {
            for param in stage.declaration().params {
                assert!(help.contains(&format!("    {} = ", param.name)), "{} is missing", param.name);
            }
        }
        assert!(help.contains("    edits = 160 (1 to 4096 prefixes): "), "{help}");
    }
}
