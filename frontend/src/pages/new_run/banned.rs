//! What the constraints rule out of the model's vocabulary: how much, which tokens, and what is too broad.

use super::DraftForm;
use crate::components::{ModelText, TokenRow};
use crate::debounce::debounced;
use crate::format;
use crate::tokenizer::{Loaded, Tokenizers};
use leptos::prelude::*;
use programs::messages::{Against, Answer, Banned, BannedConcept, Question};
use shared::event::{ErrorBody, TokenPiece};
use shared::nontriviality::Rule;

/// Pause before the banned tokens are counted again, in milliseconds.
const COUNT_PAUSE_MS: u64 = 350;
/// Banned tokens that are shown at first.
const FIRST_TOKENS: usize = 40;
/// Banned tokens that are shown in addition at a click.
const MORE_TOKENS: usize = 400;
/// Tokens of the reference that are shown.
const REFERENCE_TOKENS: usize = 64;
/// A concept that bans a larger share of the vocabulary by itself is likely not what was meant.
const BROAD_SHARE: f64 = 0.005;
/// A concept with fewer letters is found in texts that have nothing to do with it.
const SHORT_LETTERS: usize = 3;

/// The count, the warnings and the tokens.
#[component]
pub fn BannedTokens() -> impl IntoView {
    let DraftForm { draft, .. } = DraftForm::get();
    let tokenizers = Tokenizers::get();
    let model = Memo::new(move |_| draft.with(|draft| draft.model.clone()));
    Effect::new(move |_| tokenizers.load(&model.get()));
    let against = Memo::new(move |_| {
        // Errors stand beside the fields; a count is made with what is readable.
        draft
            .with(|draft| Against { reference: draft.teacher.clone(), constraints: draft.constraints(&mut Vec::new()) })
    });
    let against = debounced(against, COUNT_PAUSE_MS);
    let max_named = RwSignal::new(FIRST_TOKENS);
    let counted = tokenizers.follow(move || {
        let model = model.get();
        let is_ready = tokenizers.is_ready(&model);
        is_ready.then(|| Question::CountBanned { model, against: against.get(), max_named: max_named.get() })
    });
    let answer = Memo::new(move |_| -> Option<Result<Banned, ErrorBody>> {
        match (counted.get().map(|counted| counted.outcome), tokenizers.of(&model.get())) {
            (Some(Ok(Answer::Banned(banned))), _) => Some(Ok(banned)),
            (Some(Err(error)), _) | (None, Some(Loaded::Failed(error))) => Some(Err(error)),
            _ => None,
        }
    });
    let banned = Memo::new(move |_| answer.get().and_then(Result::ok));
    let sentence = move || match answer.get() {
        None => "Counting the banned tokens…".to_owned(),
        Some(Err(error)) => format!("The banned tokens cannot be counted: {error}"),
        Some(Ok(banned)) => sentence(&banned),
    };
    let warned = Memo::new(move |_| part(banned, warnings));
    let warnings = move || {
        let line = |text| view! { <li class="field-error" data-testid="banned-warning">{text}</li> };
        warned.get().into_iter().map(line).collect_view()
    };
    // Parts change by themselves, so that what is unfolded or focused stays so while the count is made anew.
    let reference = Memo::new(move |_| part(banned, |banned| banned.reference.clone()));
    let concepts = Memo::new(move |_| part(banned, |banned| banned.concepts.clone()));
    let named = Memo::new(move |_| part(banned, |banned| banned.named.clone()));
    let total = Memo::new(move |_| part(banned, |banned| banned.for_words));
    view! {
        <div class="banned">
            <p data-testid="banned-count">{sentence}</p>
            <ul aria-live="polite">{warnings}</ul>
            <Reference reference/>
            <ConceptTokens concepts/>
            <Named named total max_named/>
        </div>
    }
}

/// A part of the answer; its default before there is one.
fn part<T: Default>(banned: Memo<Option<Banned>>, of: impl Fn(&Banned) -> T) -> T {
    banned.with(|banned| banned.as_ref().map(of).unwrap_or_default())
}

/// How much is banned, and by what.
fn sentence(banned: &Banned) -> String {
    let rule = |rule: Rule| match rule {
        Rule::TokenClasses => "are no readable text of their own",
        Rule::ReferenceTokens => "are the reference's own words",
        Rule::Concepts => "spell a banned word",
        Rule::Script => "are of another script",
        // These judge whole prefixes.
        Rule::TokenOverlap | Rule::EditDistance | Rule::CommonSubstring | Rule::RoundTrip => "break another rule",
    };
    let count = |n: usize| format::count(n as u64);
    let parts: Vec<String> = banned.by_rule.iter().map(|&(by, n)| format!("{} {}", count(n), rule(by))).collect();
    let total = format!("Bans {} of {} tokens", count(banned.count), count(banned.vocabulary));
    if parts.is_empty() { format!("{total}.") } else { format!("{total}: {}.", parts.join(", ")) }
}

/// What rules out more than somebody is likely to want.
fn warnings(banned: &Banned) -> Vec<String> {
    let mut found = Vec::new();
    if banned.count * 2 > banned.vocabulary {
        found.push("That is more than half of the vocabulary: little is left to search.".to_owned());
    }
    for BannedConcept { text, tokens, .. } in &banned.concepts {
        let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
        if *tokens as f64 > BROAD_SHARE * banned.vocabulary as f64 {
            found.push(format!(
                "\"{text}\" alone bans {} tokens. If that is more than you mean, ban longer words.",
                format::count(*tokens as u64)
            ));
        } else if (1..SHORT_LETTERS).contains(&letters) {
            found.push(format!(
                "\"{text}\" is short: it stands in many texts that have nothing to do with it, as a word or as letters \
                 that stand alone."
            ));
        }
    }
    found
}

/// The reference as the model reads it.
#[component]
fn Reference(reference: Memo<Vec<(TokenPiece, bool)>>) -> impl IntoView {
    let chip = |(piece, is_banned): (TokenPiece, bool)| {
        let mark = if is_banned { "✗" } else { "" };
        let state = if is_banned { "banned: " } else { "allowed: " };
        view! {
            <li class="chip" class:chip-banned=is_banned title=format!("id {}", piece.id) data-token-id=piece.id>
                <span class="visually-hidden">{state}</span>
                <ModelText text=piece.text marked=true/>
                <span aria-hidden="true">{mark}</span>
            </li>
        }
    };
    let chips = move || reference.get().into_iter().take(REFERENCE_TOKENS).map(chip).collect_view();
    let help = move || {
        reference.with(|reference| {
            let (total, banned) = (reference.len(), reference.iter().filter(|(_, is_banned)| *is_banned).count());
            let cut = (total > REFERENCE_TOKENS).then(|| format!(" Showing {REFERENCE_TOKENS} of {total}."));
            format!("{banned} of {total} are banned on their own, marked ✗.{}", cut.unwrap_or_default())
        })
    };
    view! {
        <Show when=move || !reference.with(Vec::is_empty)>
            <p class="label">"The reference's tokens"</p>
            <ul class="chips chips-tokens" data-testid="reference-tokens" aria-label="The reference's tokens">{chips}</ul>
            <p class="help">{help}</p>
        </Show>
    }
}

/// The banned words as the model reads them, folded.
#[component]
fn ConceptTokens(concepts: Memo<Vec<BannedConcept>>) -> impl IntoView {
    let group = |concept: BannedConcept| {
        let spelling = |tokens: Vec<TokenPiece>| {
            let ids = tokens.iter().map(|token| token.id.to_string()).collect::<Vec<_>>().join(" ");
            view! { <li class="spelling" data-ids=ids><TokenRow tokens/></li> }
        };
        let count = match concept.tokens {
            1 => "1 token spells it alone".to_owned(),
            n => format!("{} tokens spell it alone", format::count(n as u64)),
        };
        view! {
            <li data-testid="concept-tokens">
                <p>
                    <strong><ModelText text=concept.text/></strong>
                    " " <span class="muted">{count}</span>
                </p>
                <ul class="spellings">{concept.spellings.into_iter().map(spelling).collect_view()}</ul>
            </li>
        }
    };
    let groups = move || concepts.get().into_iter().map(group).collect_view();
    view! {
        <Show when=move || !concepts.with(Vec::is_empty)>
            <details class="preview" data-testid="fold-concept-tokens">
                <summary>"The banned words in tokens"</summary>
                <p class="help">
                    "As they stand, behind a space and with a capital. A word of several tokens is banned as a whole: \
                     its pieces stay allowed where they spell something else."
                </p>
                <ul class="concept-groups">{groups}</ul>
            </details>
        </Show>
    }
}

/// The tokens that are banned for their words, as many as asked for.
#[component]
fn Named(named: Memo<Vec<TokenPiece>>, total: Memo<usize>, max_named: RwSignal<usize>) -> impl IntoView {
    let shown = Memo::new(move |_| named.with(Vec::len));
    let chip = |piece: TokenPiece| {
        view! {
            <li class="chip" title=format!("id {}", piece.id) data-testid="banned-token" data-token-id=piece.id>
                <ModelText text=piece.text marked=true/>
                " " <span class="chip-id">{piece.id}</span>
            </li>
        }
    };
    let count = |n: usize| format::count(n as u64);
    view! {
        <Show when=move || { total.get() > 0 }>
            <p class="label">"Tokens banned for their words, with their ids"</p>
            <ul class="chips chips-tokens" aria-label="Tokens banned for their words">
                {move || named.get().into_iter().map(chip).collect_view()}
            </ul>
            <div class="toolbar">
                <p class="muted" data-testid="banned-shown">
                    {move || format!("Showing {} of {}.", count(shown.get()), count(total.get()))}
                </p>
                <Show when=move || { shown.get() < total.get() }>
                    <button
                        type="button"
                        class="small"
                        data-testid="banned-more"
                        on:click=move |_| max_named.update(|max| *max += MORE_TOKENS)
                    >
                        {move || format!("Show {} more", count(MORE_TOKENS.min(total.get().saturating_sub(shown.get()))))}
                    </button>
                </Show>
                <Show when=move || { shown.get() > FIRST_TOKENS }>
                    <button
                        type="button"
                        class="small"
                        data-testid="banned-fewer"
                        on:click=move |_| max_named.set(FIRST_TOKENS)
                    >
                        "Show fewer"
                    </button>
                </Show>
            </div>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn banned(count: usize, concepts: &[(&str, usize)]) -> Banned {
        let concept =
            |&(text, tokens): &(&str, usize)| BannedConcept { text: text.to_owned(), tokens, spellings: Vec::new() };
        let by_rule = vec![(Rule::TokenClasses, count - 12), (Rule::Concepts, 12)];
        let concepts = concepts.iter().map(concept).collect();
        Banned { count, vocabulary: 49_152, by_rule, concepts, ..Banned::default() }
    }

    #[test]
    fn the_count_says_of_how_many_and_why() {
        assert_eq!(
            sentence(&banned(1412, &[])),
            "Bans 1,412 of 49,152 tokens: 1,400 are no readable text of their own, 12 spell a banned word."
        );
    }

    #[test]
    fn what_is_too_broad_is_warned_of() {
        assert!(warnings(&banned(1412, &[("cat", 12), ("feline", 2), ("猫咪の", 1)])).is_empty());
        let all = warnings(&banned(30_000, &[("of", 9), ("cat", 246), ("cats", 245)]));
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[0].contains("half of the vocabulary") && all[1].contains("\"of\" is short"));
        assert!(all[2].contains("\"cat\" alone bans 246 tokens"), "{all:?}");
    }
}
