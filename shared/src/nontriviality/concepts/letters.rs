//! A text as its normalised letters, and how each is joined to the one before.

use crate::nontriviality::text::fold_char;
use crate::nontriviality::token_classes::is_invisible;
use unicode_normalization::char::decompose_compatible;
use unicode_script::{Script, UnicodeScript};

/// What a reader sees between two letters, from nothing to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Joint {
    /// They stand in one word.
    Seamless,
    /// Nothing stands between them, but a word ends here all the same: the case or the script
    /// changes, or the script puts no spaces between words.
    Edge,
    /// Punctuation or symbols.
    Punctuation,
    /// A blank, whatever else; also before the first letter and after the last.
    Space,
}

/// The letters and digits of a text: compatibility decomposed, case folded, without diacritics.
#[derive(Debug, Default)]
pub(super) struct Letters {
    text: String,
    letters: Vec<Letter>,
}

#[derive(Clone, Copy, Debug)]
struct Letter {
    /// Where it begins in the normalised text.
    byte: usize,
    /// The character of the original text that it came from.
    source: (usize, usize),
    /// What stands before it.
    joint: Joint,
    script: Script,
    case: Case,
    /// It came from a symbol, as the "tm" of "™".
    of_symbol: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Small,
    Capital,
    Neither,
}

impl Letters {
    /// Normalises a text.
    pub fn of(text: &str) -> Self {
        let mut this = Letters { text: String::with_capacity(text.len()), letters: Vec::with_capacity(text.len()) };
        let mut joint = Joint::Space;
        for (start, original) in text.char_indices() {
            let source = (start, start + original.len_utf8());
            let of_symbol = !original.is_alphanumeric() && !is_mark(original);
            decompose(original, |c| match part(original, c) {
                Part::Letter => {
                    this.push(c, source, of_symbol, joint);
                    joint = Joint::Seamless;
                }
                Part::Nothing => {}
                Part::Gap(gap) => joint = joint.max(gap),
            });
        }
        this
    }

    /// The letters, one after another.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// What stands before a letter; the end of the text counts as one more.
    pub fn joint_before(&self, at: usize) -> Joint {
        self.letters.get(at).map_or(Joint::Space, |letter| letter.joint)
    }

    /// Whether a letter is a word by itself, as those of "c a t" and "c-a-t" are.
    pub fn stands_alone(&self, at: usize) -> bool {
        self.joint_before(at) > Joint::Seamless && self.joint_before(at + 1) > Joint::Seamless
    }

    /// Where a letter begins in [`Letters::text`]; the end of the text counts as one more.
    pub fn byte_of(&self, at: usize) -> usize {
        self.letters.get(at).map_or(self.text.len(), |letter| letter.byte)
    }

    /// The letter that begins at a byte of [`Letters::text`]; the inverse of [`Letters::byte_of`].
    pub fn at_byte(&self, byte: usize) -> usize {
        self.letters.partition_point(|letter| letter.byte < byte)
    }

    /// The bytes of the original text from one letter to another, both included.
    pub fn source(&self, first: usize, last: usize) -> (usize, usize) {
        (self.letters[first].source.0, self.letters[last].source.1)
    }

    fn push(&mut self, c: char, source: (usize, usize), of_symbol: bool, joint: Joint) {
        let mut letter = Letter {
            byte: self.text.len(),
            source,
            joint,
            script: if c.is_ascii_alphabetic() { Script::Latin } else { c.script() },
            case: if c.is_lowercase() {
                Case::Small
            } else if c.is_uppercase() {
                Case::Capital
            } else {
                Case::Neither
            },
            of_symbol,
        };
        if joint == Joint::Seamless && !is_mark(c) {
            letter.joint = self.edge(&letter, c);
        }
        fold_char(c, |folded| {
            letter.byte = self.text.len();
            self.text.push(folded);
            self.letters.push(letter);
            // "ß" is two letters with nothing between them.
            letter.joint = Joint::Seamless;
        });
    }

    /// Whether a word ends between the last letter and the next although nothing stands there.
    fn edge(&mut self, next: &Letter, c: char) -> Joint {
        let [.., last] = self.letters[..] else { return next.joint };
        let symbol_ends = (last.of_symbol || next.of_symbol) && last.source != next.source;
        if symbol_ends || last.script != next.script || lacks_word_spaces(next.script, c) {
            return Joint::Edge;
        }
        match (last.case, next.case) {
            // earthlyExample
            (Case::Small, Case::Capital) => Joint::Edge,
            // URLList and CATlike: the last capital may end the one word or begin the other.
            (Case::Capital, Case::Small) if last.joint == Joint::Seamless => {
                if let Some(last) = self.letters.last_mut() {
                    last.joint = Joint::Edge;
                }
                Joint::Edge
            }
            _ => Joint::Seamless,
        }
    }
}

fn is_mark(c: char) -> bool {
    !c.is_ascii() && unicode_normalization::char::is_combining_mark(c)
}

/// What one character of a compatibility decomposition is to a reader.
enum Part {
    Letter,
    Nothing,
    Gap(Joint),
}

fn part(original: char, c: char) -> Part {
    if c.is_ascii_alphanumeric() {
        return Part::Letter;
    }
    if original.is_whitespace() || original == '\u{2800}' {
        return Part::Gap(Joint::Space);
    }
    if c.is_ascii() {
        return Part::Gap(Joint::Punctuation);
    }
    if is_invisible(c) || is_diacritic(c) {
        return Part::Nothing;
    }
    // Letters of no script are modifiers, as the prime, or lengthen a vowel: no more than punctuation.
    let letter = c.is_numeric() || c.is_alphabetic() && c.script() != Script::Common || is_mark(c);
    if letter { Part::Letter } else { Part::Gap(Joint::Punctuation) }
}

/// Marks that go with any letter, and Hebrew points. Other marks spell: the vowel signs of Indic
/// scripts, the sound marks of kana.
fn is_diacritic(c: char) -> bool {
    match c {
        '\u{3099}' | '\u{309A}' => false,
        '\u{0591}'..='\u{05BD}' | '\u{05BF}' | '\u{05C1}'..='\u{05C2}' | '\u{05C4}'..='\u{05C5}' | '\u{05C7}' => true,
        _ => c.script() == Script::Inherited && is_mark(c),
    }
}

/// Scripts whose words follow each other without a space, or grow endings that no rule here knows.
fn lacks_word_spaces(script: Script, c: char) -> bool {
    match script {
        Script::Han | Script::Hiragana | Script::Katakana | Script::Bopomofo => true,
        Script::Thai | Script::Lao | Script::Khmer | Script::Myanmar | Script::Tibetan => true,
        // Syllables come decomposed; a word does not end before a vowel or final of one.
        Script::Hangul => !matches!(c, '\u{1160}'..='\u{11FF}'),
        _ => false,
    }
}

/// Small capitals, which Unicode does not decompose; a dot where it has none.
const SMALL_CAPITALS: &str = "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡ.ʏᴢ";

/// Takes a character apart by NFKD, and the look-alikes of Latin letters that it leaves.
fn decompose(c: char, push: impl FnMut(char)) {
    /// The letter that is so many places behind "A".
    fn letter(from: char, c: char) -> char {
        char::from(b'A' + (u32::from(c) - u32::from(from)) as u8)
    }
    let mut push = push;
    match c {
        '\0'..='\x7F' => push(c),
        // Negative circled, negative squared, regional indicators (flags).
        '\u{1F150}'..='\u{1F169}' => push(letter('\u{1F150}', c)),
        '\u{1F170}'..='\u{1F189}' => push(letter('\u{1F170}', c)),
        '\u{1F1E6}'..='\u{1F1FF}' => push(letter('\u{1F1E6}', c)),
        _ => match SMALL_CAPITALS.chars().zip('a'..='z').find(|(small_capital, _)| *small_capital == c) {
            Some((_, letter)) => push(letter),
            None => decompose_compatible(c, push),
        },
    }
}
