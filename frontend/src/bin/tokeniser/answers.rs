//! What the tokeniser knows and answers; nothing here knows the browser.

use programs::messages::{Against, Answer, Banned, BannedConcept, Question};
use shared::event::{ErrorBody, TokenPiece};
use shared::nontriviality::{Rule, Rules};
use shared::suffixes::import;
use shared::tokens::{PromptTokenizer, TokenizerBundle, TokensError};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The tokenizers that were loaded, and the rules that were asked for last.
#[derive(Default)]
pub struct Tokeniser {
    /// By model.
    tokenizers: BTreeMap<String, Rc<PromptTokenizer>>,
    /// Rules take a hundred times as long to compile as to apply, and stay the same while a prefix is typed.
    compiled: Option<Compiled>,
}

struct Compiled {
    model: String,
    against: Against,
    rules: Rules,
}

impl Tokeniser {
    /// Takes a model's tokenizer.
    pub fn load(&mut self, model: String, bundle: &TokenizerBundle) -> Result<Answer, ErrorBody> {
        let tokenizer =
            PromptTokenizer::new(bundle).map_err(|error| ErrorBody::new("tokenizer_unreadable", error.to_string()))?;
        self.compiled = self.compiled.take().filter(|compiled| compiled.model != model);
        self.tokenizers.insert(model, Rc::new(tokenizer));
        Ok(Answer::Loaded {})
    }

    /// Answers a question about a model whose tokenizer is loaded.
    pub fn answer(&mut self, question: &Question) -> Result<Answer, ErrorBody> {
        match question {
            Question::Load { model, .. } => self.tokenizer(model).map(|_| Answer::Loaded {}),
            Question::Tokenise { model, text } => {
                let tokenizer = self.tokenizer(model)?;
                let ids = tokenizer.encode(text).map_err(not_tokenised)?;
                Ok(Answer::Tokens { tokens: tokenizer.prefix(&ids).tokens })
            }
            Question::Judge { model, prefix, against, separator, suffixes } => {
                let (tokenizer, rules) = self.rules(model, against)?;
                let ids = tokenizer.encode(prefix).map_err(not_tokenised)?;
                let suffixes = suffixes.iter().map(String::as_str);
                let round_trip = tokenizer.round_trip(&ids, separator, suffixes).map_err(not_tokenised)?;
                Ok(Answer::Judged { verdict: rules.verdict(tokenizer.vocabulary(), &ids, Some(&round_trip)) })
            }
            Question::Import { name, content } => {
                let imported = import(name, content).map_err(|error| {
                    ErrorBody::new("bad_suffix_file", format!("{name}: {error}")).with_field("suffixes.texts")
                })?;
                Ok(Answer::Imported { texts: imported.texts, splits: imported.splits })
            }
            Question::CountBanned { model, against, max_named } => {
                let (tokenizer, rules) = self.rules(model, against)?;
                banned(&tokenizer, rules, against, *max_named).map(Answer::Banned).map_err(not_tokenised)
            }
        }
    }

    fn tokenizer(&self, model: &str) -> Result<Rc<PromptTokenizer>, ErrorBody> {
        let missing = || ErrorBody::new("tokenizer_missing", format!("the tokenizer of {model} is not loaded"));
        self.tokenizers.get(model).cloned().ok_or_else(missing)
    }

    /// The rules, compiled unless they are those of the last question.
    fn rules(&mut self, model: &str, against: &Against) -> Result<(Rc<PromptTokenizer>, &Rules), ErrorBody> {
        let tokenizer = self.tokenizer(model)?;
        let compiled = match self.compiled.take() {
            Some(compiled) if compiled.model == model && compiled.against == *against => compiled,
            _ => {
                let reference = tokenizer.encode(&against.reference).map_err(not_tokenised)?;
                let rules = Rules::new(&against.constraints, &against.reference, &reference, tokenizer.vocabulary());
                Compiled { model: model.to_owned(), against: against.clone(), rules }
            }
        };
        Ok((tokenizer, &self.compiled.insert(compiled).rules))
    }
}

fn banned(
    tokenizer: &PromptTokenizer,
    rules: &Rules,
    against: &Against,
    max_named: usize,
) -> Result<Banned, TokensError> {
    let vocabulary = rules.allowed().len();
    let mut by_rule: BTreeMap<Rule, usize> = BTreeMap::new();
    let mut by_concept = vec![0; against.constraints.ban_concepts.len()];
    let (mut for_words, mut named) = (0, Vec::new());
    for id in 0..vocabulary as u32 {
        let Some(rule) = rules.banned_by(id) else { continue };
        *by_rule.entry(rule).or_default() += 1;
        if !matches!(rule, Rule::ReferenceTokens | Rule::Concepts) {
            continue;
        }
        for_words += 1;
        if named.len() < max_named {
            named.push(tokenizer.piece(id));
        }
        let concept = if rule == Rule::Concepts { rules.concept_of(tokenizer.vocabulary(), id) } else { None };
        if let Some(tokens) = concept.and_then(|concept| by_concept.get_mut(concept)) {
            *tokens += 1;
        }
    }
    let reference = tokenizer.encode(&against.reference)?.into_iter();
    let concepts =
        against.constraints.ban_concepts.iter().zip(by_concept).map(|(text, tokens)| {
            Ok(BannedConcept { text: text.clone(), tokens, spellings: spellings(tokenizer, text)? })
        });
    Ok(Banned {
        count: by_rule.values().sum(),
        vocabulary,
        by_rule: by_rule.into_iter().collect(),
        for_words,
        named,
        concepts: concepts.collect::<Result<_, TokensError>>()?,
        reference: reference.map(|id| (tokenizer.piece(id), rules.banned_by(id).is_some())).collect(),
    })
}

/// The tokens of a word as it stands, behind a space, and with a capital behind a space; each once.
fn spellings(tokenizer: &PromptTokenizer, word: &str) -> Result<Vec<Vec<TokenPiece>>, TokensError> {
    let word = word.trim();
    let mut letters = word.chars();
    let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    let mut spellings: Vec<Vec<TokenPiece>> = Vec::new();
    for text in [word.to_owned(), format!(" {word}"), format!(" {capital}")] {
        let tokens = tokenizer.prefix(&tokenizer.encode(&text)?).tokens;
        if !spellings.contains(&tokens) {
            spellings.push(tokens);
        }
    }
    Ok(spellings)
}

fn not_tokenised(error: TokensError) -> ErrorBody {
    ErrorBody::new("not_tokenised", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::spec::{Constraints, Split};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Words of a small vocabulary, split at blanks.
    fn bundle(words: &[&str]) -> TokenizerBundle {
        let vocabulary: BTreeMap<&str, usize> = words.iter().enumerate().map(|(id, &word)| (word, id)).collect();
        let tokenizer = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null,
            "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": words[0] },
        });
        TokenizerBundle {
            tokenizer_json: tokenizer.to_string(),
            chat_template: Some("<{{ messages[0].content }}>".to_owned()),
            bos_token: String::new(),
            eos_token: String::new(),
            stop_ids: Vec::new(),
        }
    }

    fn tokeniser() -> Tokeniser {
        let mut tokeniser = Tokeniser::default();
        let loaded = tokeniser.load("m".to_owned(), &bundle(&["?", "cat", "sofa", "moon"]));
        assert_eq!(loaded, Ok(Answer::Loaded {}));
        tokeniser
    }

    fn against(reference: &str, banned: &str) -> Against {
        let constraints = Constraints { ban_concepts: vec![banned.to_owned()], ..Constraints::default() };
        Against { reference: reference.to_owned(), constraints }
    }

    /// The rules that a prefix breaks.
    fn broken(tokeniser: &mut Tokeniser, prefix: &str, against: Against) -> Vec<Rule> {
        let (model, prefix) = ("m".to_owned(), prefix.to_owned());
        let question =
            Question::Judge { model, prefix, against, separator: " ".to_owned(), suffixes: vec!["moon".to_owned()] };
        match tokeniser.answer(&question) {
            Ok(Answer::Judged { verdict }) => {
                verdict.findings.iter().filter(|finding| !finding.passed).map(|finding| finding.rule).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn texts_become_tokens() {
        let question = Question::Tokenise { model: "m".to_owned(), text: "sofa cat".to_owned() };
        let Ok(Answer::Tokens { tokens }) = tokeniser().answer(&question) else { panic!("no tokens") };
        let tokens: Vec<(u32, &str)> = tokens.iter().map(|token| (token.id, token.text.as_str())).collect();
        assert_eq!(tokens, [(2, "sofa"), (1, "cat")]);
    }

    #[test]
    fn a_verdict_follows_the_question_and_not_the_rules_of_the_last_one() {
        let mut tokeniser = tokeniser();
        let has = |found: Vec<Rule>, rule| found.contains(&rule);
        assert!(!has(broken(&mut tokeniser, "sofa", against("moon", "cat")), Rule::Concepts));
        assert!(has(broken(&mut tokeniser, "cat", against("moon", "cat")), Rule::Concepts));
        assert!(!has(broken(&mut tokeniser, "cat", against("moon", "dog")), Rule::Concepts));
        assert!(has(broken(&mut tokeniser, "sofa", against("sofa", "dog")), Rule::ReferenceTokens));
        // Another vocabulary under the same name: the rules go with it.
        tokeniser.load("m".to_owned(), &bundle(&["?", "sofa", "cat", "moon"])).unwrap();
        assert!(has(broken(&mut tokeniser, "sofa", against("sofa", "dog")), Rule::ReferenceTokens));
        assert!(!has(broken(&mut tokeniser, "cat", against("sofa", "dog")), Rule::ReferenceTokens));
    }

    #[test]
    fn banned_tokens_are_counted_and_the_first_ones_named() {
        let (mut tokeniser, model) = (tokeniser(), "m".to_owned());
        let count =
            |max_named| Question::CountBanned { model: model.clone(), against: against("moon", "cat"), max_named };
        let piece = |id, text: &str| TokenPiece { id, text: text.to_owned() };
        let cat = BannedConcept {
            text: "cat".to_owned(),
            tokens: 1,
            // Split at blanks, a space before a word makes no difference; the vocabulary has no capitals.
            spellings: vec![vec![piece(1, "cat")], vec![piece(0, "?")]],
        };
        let both = Banned {
            count: 2,
            vocabulary: 4,
            by_rule: vec![(Rule::ReferenceTokens, 1), (Rule::Concepts, 1)],
            for_words: 2,
            named: vec![piece(1, "cat"), piece(3, "moon")],
            concepts: vec![cat],
            reference: vec![(piece(3, "moon"), true)],
        };
        assert_eq!(tokeniser.answer(&count(9)), Ok(Answer::Banned(both.clone())));
        let one = Banned { named: vec![piece(1, "cat")], ..both };
        assert_eq!(tokeniser.answer(&count(1)), Ok(Answer::Banned(one)));
    }

    #[test]
    fn files_of_suffixes_are_read_without_a_tokenizer() {
        let ask = |name: &str, content: &str| {
            Tokeniser::default().answer(&Question::Import { name: name.to_owned(), content: content.to_owned() })
        };
        let texts = vec!["One".to_owned(), "Two\nlines".to_owned()];
        let imported = Answer::Imported { texts, splits: vec![Split::Train, Split::Test] };
        assert_eq!(ask("a.csv", "text,split\nOne,train\n\"Two\nlines\",test\n"), Ok(imported));
        let error = ask("a.jsonl", "\"One\"\n{\"text\": 3}\n").unwrap_err();
        assert!(error.message.starts_with("a.jsonl: line 2, column 1: "), "{error:?}");
    }

    #[test]
    fn what_is_not_loaded_or_not_readable_is_an_error() {
        let question = Question::Tokenise { model: "other".to_owned(), text: String::new() };
        let error = tokeniser().answer(&question).unwrap_err();
        assert!(error.code == "tokenizer_missing" && error.message.contains("other"), "{error:?}");
        let damaged = TokenizerBundle { tokenizer_json: "{".to_owned(), ..bundle(&["?"]) };
        let error = Tokeniser::default().load("m".to_owned(), &damaged).unwrap_err();
        assert_eq!(error.code, "tokenizer_unreadable");
    }
}
