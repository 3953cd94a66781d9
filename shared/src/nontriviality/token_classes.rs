//! No token that is not text, and no character that does not show.

use super::candidate::Candidate;
use super::check::{Broken, Check};
use super::{Rule, Span};
use unicode_script::{Script, UnicodeScript};

/// Checks [`Rule::TokenClasses`].
#[derive(Debug)]
pub(super) struct TokenClasses;

impl Check for TokenClasses {
    fn rule(&self) -> Rule {
        Rule::TokenClasses
    }

    fn bound(&self) -> String {
        "text tokens only, UTF-8 together, every character visible".to_owned()
    }

    fn judges_single_tokens(&self) -> bool {
        true
    }

    fn broken_by(&self, candidate: &Candidate<'_>) -> Option<Broken> {
        not_text(candidate).or_else(|| {
            let at =
                |start_byte: usize, length_bytes: usize| Some(Span { start_byte, end_byte: start_byte + length_bytes });
            if let Some(start_byte) = candidate.not_utf8_at {
                let evidence = format!("byte {start_byte} is not UTF-8");
                return Some(Broken { evidence, span: at(start_byte, char::REPLACEMENT_CHARACTER.len_utf8()) });
            }
            let (start_byte, c, class) =
                candidate.text.char_indices().find_map(|(at, c)| Some((at, c, hidden_class(c)?)))?;
            let evidence = format!("U+{:04X} at byte {start_byte} is {class}", u32::from(c));
            Some(Broken { evidence, span: at(start_byte, c.len_utf8()) })
        })
    }

    fn kept_by(&self, candidate: &Candidate<'_>) -> String {
        format!("{} text tokens", candidate.ids.len())
    }
}

fn not_text(candidate: &Candidate<'_>) -> Option<Broken> {
    candidate.ids.iter().enumerate().find_map(|(position, id)| match candidate.piece(position) {
        None => {
            let size = candidate.vocabulary_size();
            Some(Broken { evidence: format!("id {id} is outside the vocabulary of {size} tokens"), span: None })
        }
        Some(piece) if piece.special => {
            let text = candidate.token_text(position);
            let evidence = format!("token {text:?} ({id}) is a control token or an unused slot");
            Some(Broken { evidence, span: candidate.token_span(position) })
        }
        Some(_) => None,
    })
}

/// Why a character may not stand in a prefix, if so.
fn hidden_class(c: char) -> Option<&'static str> {
    match c {
        ' '..='~' => None,
        '\u{00}'..='\u{1F}' | '\u{7F}'..='\u{9F}' => Some("a control character"),
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            Some("a bidirectional control")
        }
        char::REPLACEMENT_CHARACTER => Some("the replacement character"),
        _ if is_invisible(c) => Some("an invisible character"),
        _ if c.is_whitespace() || c == '\u{2800}' => Some("a blank other than the space"),
        '\u{E000}'..='\u{F8FF}' | '\u{F0000}'.. => Some("a private-use character"),
        _ if c.script() == Script::Unknown => Some("not assigned"),
        _ => None,
    }
}

/// Characters that show nothing and take no room: formats (general category Cf) and those that
/// Unicode calls default-ignorable, variation selectors among them.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{0600}'..='\u{0605}' | '\u{061C}' | '\u{06DD}' | '\u{070F}'
        | '\u{0890}'..='\u{0891}' | '\u{08E2}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}
