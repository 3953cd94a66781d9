//! Letters of the reference's scripts only.

use super::candidate::Candidate;
use super::check::{Broken, Check, Context};
use super::{Rule, Span};
use unicode_script::{Script, UnicodeScript};

/// Checks [`Rule::Script`]; without scripts nothing is demanded.
#[derive(Debug)]
pub(super) struct OneScript {
    /// Those of the reference, each once.
    scripts: Option<Vec<Script>>,
}

impl OneScript {
    pub fn new(context: &Context<'_>) -> Self {
        let scripts = context.constraints.reference_script_only.then(|| {
            let mut scripts: Vec<Script> = context.reference_text.chars().filter_map(own_script).collect();
            scripts.sort_unstable_by_key(|script| script.full_name());
            scripts.dedup();
            scripts
        });
        // A reference of digits and punctuation has no script that could be kept to.
        OneScript { scripts: scripts.filter(|scripts| !scripts.is_empty()) }
    }
}

impl Check for OneScript {
    fn rule(&self) -> Rule {
        Rule::Script
    }

    fn bound(&self) -> String {
        match &self.scripts {
            None => "not demanded".to_owned(),
            Some(scripts) => {
                let names: Vec<&str> = scripts.iter().map(|script| script.full_name()).collect();
                format!("letters of the reference's script only: {}", names.join(", "))
            }
        }
    }

    fn judges_single_tokens(&self) -> bool {
        true
    }

    fn broken_by(&self, candidate: &Candidate<'_>) -> Option<Broken> {
        let scripts = self.scripts.as_ref()?;
        let (start_byte, c, script) = candidate.text.char_indices().find_map(|(at, c)| {
            let script = own_script(c)?;
            (!scripts.contains(&script)).then_some((at, c, script))
        })?;
        let evidence = format!("{c:?} (U+{:04X}) is {}", u32::from(c), script.full_name());
        Some(Broken { evidence, span: Some(Span { start_byte, end_byte: start_byte + c.len_utf8() }) })
    }

    fn kept_by(&self, _: &Candidate<'_>) -> String {
        match &self.scripts {
            None => "not checked".to_owned(),
            Some(_) => "no letter of another script".to_owned(),
        }
    }
}

/// The script of a character; none where all scripts use it, as digits, marks and punctuation, and
/// where it has none, which is for the token classes to judge.
fn own_script(c: char) -> Option<Script> {
    if c.is_ascii() {
        return c.is_ascii_alphabetic().then_some(Script::Latin);
    }
    match c.script() {
        Script::Common | Script::Inherited | Script::Unknown => None,
        script => Some(script),
    }
}
