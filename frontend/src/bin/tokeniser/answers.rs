//! What the tokeniser knows and answers; nothing here knows the browser.

use messages::{Against, Answer, Banned, Question};
use shared::event::ErrorBody;
use shared::nontriviality::{Rule, Rules};
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
            Question::CountBanned { model, against, max_named } => {
                let (tokenizer, rules) = self.rules(model, against)?;
                Ok(Answer::Banned(banned(&tokenizer, rules, *max_named)))
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

fn banned(tokenizer: &PromptTokenizer, rules: &Rules, max_named: usize) -> Banned {
    let allowed = rules.allowed();
    let is_for_words = |id: &u32| matches!(rules.banned_by(*id), Some(Rule::ReferenceTokens | Rule::Concepts));
    let for_words: Vec<u32> = (0..allowed.len() as u32).filter(is_for_words).collect();
    Banned {
        count: allowed.iter().filter(|allowed| !**allowed).count(),
        vocabulary: allowed.len(),
        for_words: for_words.len(),
        named: for_words.iter().take(max_named).map(|id| tokenizer.decode(&[*id])).collect(),
    }
}

fn not_tokenised(error: TokensError) -> ErrorBody {
    ErrorBody::new("not_tokenised", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::spec::Constraints;
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
        let both = Banned { count: 2, vocabulary: 4, for_words: 2, named: vec!["cat".to_owned(), "moon".to_owned()] };
        assert_eq!(tokeniser.answer(&count(9)), Ok(Answer::Banned(both.clone())));
        let one = Banned { named: vec!["cat".to_owned()], ..both };
        assert_eq!(tokeniser.answer(&count(1)), Ok(Answer::Banned(one)));
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
