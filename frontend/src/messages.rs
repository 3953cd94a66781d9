//! What the page and its tokeniser say to each other.
//!
//! The tokeniser is a WebAssembly program of its own in a web worker. It holds the tokenizers, the
//! chat templates and the compiled rules of nontriviality, so the page loads without them and stays
//! smooth while they work. A message is one JSON text: [`Asked`] to the tokeniser, [`Said`] from it.

use serde::{Deserialize, Serialize};
use shared::event::{ErrorBody, TokenPiece};
use shared::nontriviality::{Rule, Verdict};
use shared::spec::{Constraints, Split};

/// A question, with the number that its answer will carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Unique among the questions to one tokeniser.
    pub id: u64,
    /// The question.
    pub question: Question,
}

/// What the page asks. Unless it says otherwise, a question needs the model's tokenizer to be loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Fetch a model's tokenizer and keep it; answered by [`Answer::Loaded`].
    Load {
        /// Name of the model.
        model: String,
        /// Where the worker is: its origin, empty for the one that served the page.
        origin: String,
        /// What lets the page in: web workers see none of the page's storage.
        token: String,
    },
    /// Cut a text into tokens; answered by [`Answer::Tokens`].
    Tokenise {
        /// Name of the model.
        model: String,
        /// The text.
        text: String,
    },
    /// Judge a text as a prefix, by all rules; answered by [`Answer::Judged`].
    Judge {
        /// Name of the model.
        model: String,
        /// The text.
        prefix: String,
        /// What it must be unlike.
        against: Against,
        /// Text between prefix and suffix.
        separator: String,
        /// The suffixes of the round trip.
        suffixes: Vec<String>,
    },
    /// Read the suffixes of a file; answered by [`Answer::Imported`]. Needs no tokenizer.
    Import {
        /// Name of the file.
        name: String,
        /// What it holds.
        content: String,
    },
    /// Count the tokens that the rules ban; answered by [`Answer::Banned`].
    CountBanned {
        /// Name of the model.
        model: String,
        /// What the rules are made of.
        against: Against,
        /// How many tokens shall be named.
        max_named: usize,
    },
}

/// What the rules of nontriviality are compiled from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// The reference prefix.
    pub reference: String,
    /// The constraints.
    pub constraints: Constraints,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The tokenizer is there.
    Loaded {},
    /// The tokens of the text.
    Tokens {
        /// In order; together they are the text.
        tokens: Vec<TokenPiece>,
    },
    /// The verdict on the prefix.
    Judged {
        /// The verdict.
        verdict: Verdict,
    },
    /// The suffixes of the file.
    Imported {
        /// At least two different prompts.
        texts: Vec<String>,
        /// The split of each; empty where the file gives none.
        splits: Vec<Split>,
    },
    /// What the rules ban.
    Banned(Banned),
}

/// What the rules rule out of a vocabulary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Banned {
    /// Tokens that are banned.
    pub count: usize,
    /// Tokens in all.
    pub vocabulary: usize,
    /// How many of them each rule bans; a token counts for the first rule that it breaks.
    pub by_rule: Vec<(Rule, usize)>,
    /// Tokens that are banned for what they say, not for what they are.
    pub for_words: usize,
    /// The first of those.
    pub named: Vec<TokenPiece>,
    /// The banned concepts, in the order of the constraints.
    pub concepts: Vec<BannedConcept>,
    /// The tokens of the reference, in order, and whether a prefix may not have them.
    pub reference: Vec<(TokenPiece, bool)>,
}

/// A banned concept as the model reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BannedConcept {
    /// As the user wrote it.
    pub text: String,
    /// Tokens that spell it on their own and are banned for that.
    pub tokens: usize,
    /// The tokens of its common spellings: as it stands, behind a space, with a capital.
    pub spellings: Vec<Vec<TokenPiece>>,
}

/// What the tokeniser says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It has started and listens; nothing that is sent before this is heard.
    Ready {},
    /// The answer to a question, or why there is none.
    Answered {
        /// The question's number.
        id: u64,
        /// The answer.
        outcome: Result<Answer, ErrorBody>,
    },
    /// It could not start, or it stopped for good.
    Stopped {
        /// Why, for a person.
        reason: String,
    },
}
