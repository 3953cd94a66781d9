//! Text of a model as something a person can trust with their eyes.
//!
//! Models write control characters, bidirectional overrides and invisible letters. They are shown as
//! marks and never reach the page as they are; copies are made from the text itself.

/// A stretch of text as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Glyph {
    /// Shown as it is.
    Plain(String),
    /// A character that is shown as something else.
    Mark {
        /// What is shown.
        symbol: String,
        /// What it stands for, for a tooltip.
        name: String,
        /// A line break follows the mark.
        breaks_line: bool,
    },
}

/// Whether spaces and line breaks are marked too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whitespace {
    /// Every space, tab and line break is a mark: for tokens.
    Marked,
    /// Spaces, tabs and line breaks stay: for prose.
    Kept,
}

/// Splits text into what is shown as it is and what is marked.
pub fn visible(text: &str, whitespace: Whitespace) -> Vec<Glyph> {
    let mut glyphs = Vec::new();
    let mut plain = String::new();
    for c in text.chars() {
        match mark(c, whitespace) {
            None => plain.push(c),
            Some(glyph) => {
                if !plain.is_empty() {
                    glyphs.push(Glyph::Plain(std::mem::take(&mut plain)));
                }
                glyphs.push(glyph);
            }
        }
    }
    if !plain.is_empty() {
        glyphs.push(Glyph::Plain(plain));
    }
    glyphs
}

/// A text as a source literal: everything that is not printable ASCII is written as an escape.
pub fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            // Four digits where they suffice: valid in JSON, JavaScript, Python and TOML alike.
            c if u32::from(c) <= 0xFFFF => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => {
                let mut pair = [0; 2];
                for unit in c.encode_utf16(&mut pair) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
    out
}

fn mark(c: char, whitespace: Whitespace) -> Option<Glyph> {
    let code = u32::from(c);
    let marked = whitespace == Whitespace::Marked;
    let (symbol, name) = match c {
        ' ' if marked => ("·".to_owned(), "space".to_owned()),
        '\n' if marked => ("↵".to_owned(), "line feed".to_owned()),
        '\t' if marked => ("⇥".to_owned(), "tab".to_owned()),
        ' ' | '\n' | '\t' => return None,
        // The joiner and the emoji selector build one picture out of several characters.
        '\u{200D}' | '\u{FE0F}' if !marked => return None,
        '\u{FFFD}' => ("�".to_owned(), "bytes that are no UTF-8".to_owned()),
        '\0'..='\u{1F}' => (char::from_u32(0x2400 + code).map(String::from)?, format!("control U+{code:04X}")),
        '\u{7F}' => ("␡".to_owned(), "control U+007F".to_owned()),
        _ if is_hidden(c) => (format!("U+{code:04X}"), format!("{} U+{code:04X}", kind(c))),
        _ => return None,
    };
    Some(Glyph::Mark { symbol, name, breaks_line: c == '\n' })
}

/// Characters that show nothing, look like a plain space, or change how their neighbours show.
fn is_hidden(c: char) -> bool {
    is_bidi(c)
        || matches!(c,
            '\u{80}'..='\u{A0}' | '\u{AD}' | '\u{34F}' | '\u{115F}' | '\u{1160}' | '\u{1680}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{2000}'..='\u{200D}' | '\u{2028}' | '\u{2029}' | '\u{202F}'
            | '\u{205F}'..='\u{2065}' | '\u{206A}'..='\u{206F}' | '\u{2800}' | '\u{3000}' | '\u{3164}'
            | '\u{E000}'..='\u{F8FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFC}'
            | '\u{E0000}'..='\u{10FFFF}')
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn kind(c: char) -> &'static str {
    match c {
        _ if is_bidi(c) => "bidirectional control",
        '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' => "private use",
        _ if c.is_whitespace() => "space",
        _ if c.is_control() => "control",
        _ => "invisible",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn shown(text: &str, whitespace: Whitespace) -> String {
        let shown = |glyph| match glyph {
            Glyph::Plain(text) => text,
            Glyph::Mark { symbol, .. } => format!("[{symbol}]"),
        };
        visible(text, whitespace).into_iter().map(shown).collect()
    }

    #[test]
    fn what_a_person_sees() {
        let rows = [
            (" cat", "[·]cat", " cat"),
            ("a\n\tb", "a[↵][⇥]b", "a\n\tb"),
            ("\0\u{1B}[31m\u{7F}", "[␀][␛][31m[␡]", "[␀][␛][31m[␡]"),
            ("a\u{202E}b\u{2066}", "a[U+202E]b[U+2066]", "a[U+202E]b[U+2066]"),
            ("x\u{200B}\u{AD}\u{A0}y", "x[U+200B][U+00AD][U+00A0]y", "x[U+200B][U+00AD][U+00A0]y"),
            ("\u{FFFD}", "[�]", "[�]"),
            ("\u{E0041}", "[U+E0041]", "[U+E0041]"),
            ("👩\u{200D}🔬", "👩[U+200D]🔬", "👩\u{200D}🔬"),
            ("Katze, 猫, قط", "Katze,[·]猫,[·]قط", "Katze, 猫, قط"),
            ("", "", ""),
        ];
        for (text, marked, kept) in rows {
            assert_eq!(shown(text, Whitespace::Marked), marked, "{text:?}");
            assert_eq!(shown(text, Whitespace::Kept), kept, "{text:?}");
        }
    }

    #[test]
    fn nothing_that_hides_or_reorders_is_shown_as_it_is() {
        for c in ('\0'..=char::MAX).filter(|&c| c.is_control() || is_bidi(c)) {
            for glyph in visible(&c.to_string(), Whitespace::Marked) {
                assert!(matches!(glyph, Glyph::Mark { .. }), "U+{:04X}", u32::from(c));
            }
        }
    }

    #[test]
    fn a_line_feed_breaks_the_line_after_its_mark() {
        assert!(matches!(visible("\n", Whitespace::Marked)[..], [Glyph::Mark { breaks_line: true, .. }]));
    }

    #[test]
    fn an_escaped_text_reads_back_as_json() {
        for text in ["plain", "a\"b\\c", "tab\tnl\n", "é 猫 😀", "\u{202E}\0"] {
            let escaped = escaped(text);
            assert!(escaped.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{escaped}");
            assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
        }
    }
}
