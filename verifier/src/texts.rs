//! What a recording says of its texts, which the tokenizer alone can tell.

use shared::event::{Completion, Prefix};
use shared::tokens::{PromptTokenizer, TokensError};
use shared::verification::{Check, Claims, Outcome, Under};

/// Texts beside ids, and the round trip of both prefixes inside the chat of every suffix.
///
/// # Errors
/// A text that the tokenizer or the chat template refuses.
pub fn check_texts(tokenizer: &PromptTokenizer, claims: &Claims) -> Result<Outcome, TokensError> {
    let mut checks = vec![Check::Text {
        what: "the reference prefix".to_owned(),
        recorded: claims.teacher.clone(),
        computed: tokenizer.decode(&claims.reference.ids()),
    }];
    let prefixes = [(Under::Reference, Some(&claims.reference)), (Under::Found, claims.found.as_ref())];
    for (under, prefix) in prefixes {
        let Some(prefix) = prefix else { continue };
        checks.extend(prefix_texts(tokenizer, prefix, under));
        let suffixes = claims.suffixes.iter().map(|suffix| suffix.text.as_str());
        let mut outcome = tokenizer.round_trip(&prefix.ids(), &claims.separator, suffixes)?;
        for failure in &mut outcome.failures {
            // Suffixes are named as the run numbers them.
            failure.suffix = claims.suffixes[failure.suffix].index;
        }
        checks.push(Check::RoundTrip { under, outcome });
    }
    for suffix in &claims.suffixes {
        let mut completion = |kind: Under, completion: &Completion| {
            let what = format!("the completion {} of suffix {}", kind.phrase(), suffix.index + 1);
            checks.push(Check::Text {
                what,
                recorded: completion.text.clone(),
                computed: shown(tokenizer, completion),
            });
        };
        completion(Under::Reference, &suffix.reference);
        if let Some(found) = &suffix.found {
            completion(Under::None, &found.completion_none);
            completion(Under::Found, &found.completion);
        }
    }
    Ok(Outcome { checks })
}

/// The whole text, then token by token: two edits may cancel out in the whole.
fn prefix_texts(tokenizer: &PromptTokenizer, prefix: &Prefix, under: Under) -> Vec<Check> {
    let name = match under {
        Under::Found => "the found prefix",
        _ => "the reference prefix",
    };
    let whole = tokenizer.decode(&prefix.ids());
    let mut checks = vec![Check::Text { what: name.to_owned(), recorded: prefix.text.clone(), computed: whole }];
    for (at, token) in prefix.tokens.iter().enumerate() {
        let what = format!("token {} of {name}", at + 1);
        let computed = tokenizer.piece(token.id).text;
        checks.push(Check::Text { what, recorded: token.text.clone(), computed });
    }
    checks
}

/// A completion as it is shown: without the stop token.
fn shown(tokenizer: &PromptTokenizer, completion: &Completion) -> String {
    match completion.ids.split_last() {
        Some((last, rest)) if tokenizer.stop_ids().contains(last) => tokenizer.decode(rest),
        _ => tokenizer.decode(&completion.ids),
    }
}
