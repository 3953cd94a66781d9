//! Beam: readable prefixes grown from the model's own next-token distribution, without a gradient (BEAST:
//! Sadasivan et al. 2024, "Fast Adversarial Attacks on Language Models In One GPU Minute", algorithm 1).
//!
//! Every prefix of the beam is continued by a few tokens drawn from what the model itself would write next;
//! the continuations with the lowest true loss are the next beam. All lengths up to the one that is searched
//! for are candidates for the best.

use super::moves::{scoring, screening};
use super::next_token::Context;
use super::params::{choice, integer, real};
use super::{Best, Params, Search, Stage, StageError};
use crate::objective::PrefixInput;
use rand::RngExt;
use rand_pcg::Pcg64;
use shared::catalogue::StageDeclaration;

pub struct Beam;

impl Stage for Beam {
    fn declaration(&self) -> StageDeclaration {
        let own = vec![
            choice(
                "prompt",
                &["paraphrase", "instruction", "chat"],
                "What the model is asked to write: the reference in other words, an instruction for an assistant, or what a user would say.",
            ),
            integer("width", "prefixes", (1, 1024), 8, "Prefixes kept at each length."),
            integer("samples", "tokens", (1, 1024), 8, "Next tokens drawn for each of them."),
            real("temperature", "", (0.01, 100.0), 1.0, "Divides the logits: higher draws less likely tokens."),
            real(
                "top_p",
                "",
                (0.01, 1.0),
                0.98,
                "Draws among the likeliest allowed tokens that together have this probability.",
            ),
            integer("patience", "tokens", (1, 64), 3, "Stops after so many lengths without a better prefix."),
        ];
        StageDeclaration {
            kind: "beam".to_owned(),
            title: "Beam".to_owned(),
            help: "Grows readable prefixes from what the model itself would write, by the true loss.".to_owned(),
            params: [own, scoring()].concat(),
        }
    }

    fn total_steps(&self, _: &Params) -> usize {
        // A step for each length; the spec's is not known here.
        1
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let context = context(search, params.text("prompt"))?;
        let width = params.usize("width");
        search.total_steps = search.spec.prefix_tokens;
        let mut beams: Vec<Vec<u32>> = vec![Vec::new()];
        let mut best: Option<Best> = None;
        let mut without_better = 0;
        for step in 1..=search.spec.prefix_tokens {
            // 1. Draw continuations; the empty prefix gets those of a whole beam.
            let samples = params.usize("samples") * if beams[0].is_empty() { width } else { 1 };
            let mut candidates = Vec::new();
            for (beam, next) in beams.iter().zip(next_tokens(search, &context, &beams)?) {
                candidates.extend(draw(search, beam, &next, samples, params)?);
            }
            // 2. Score them with the true loss, the best exactly.
            let outcomes = search.contest(step, &candidates, f64::INFINITY, width, screening(params, step))?;
            // 3. Keep the best.
            let scored = |at: &usize| outcomes[*at].score().is_some();
            let mut order: Vec<usize> = (0..candidates.len()).filter(scored).collect();
            order.sort_by(|&a, &b| outcomes[a].value().total_cmp(&outcomes[b].value()).then(a.cmp(&b)));
            order.truncate(width);
            let Some(&leader) = order.first() else { break };
            let ids = candidates[leader].clone();
            let ce_validation = search.validate(&PrefixInput::Ids(ids.clone()))?;
            let leader = Best { ids, ce_train: outcomes[leader].value(), ce_validation };
            search.offer(step, leader.clone());
            search.objective_event(step, leader.ce_train, leader.ce_validation);
            search.progress(step);
            if best.as_ref().is_none_or(|best| leader.key() < best.key()) {
                best = Some(leader);
                without_better = 0;
            } else {
                without_better += 1;
            }
            // The first step found something to go on with.
            if without_better >= params.usize("patience") || search.spent() {
                break;
            }
            beams = order.into_iter().map(|at| std::mem::take(&mut candidates[at])).collect();
        }
        match best {
            Some(best) => Ok(format!("cross-entropy {:.3} with {} tokens", best.ce_train, best.ids.len())),
            None => Err(StageError::Constraints(
                "the constraints allow nothing that the model would begin with; raise top_p or loosen them".to_owned(),
            )),
        }
    }
}

/// What stands before the prefix while it is grown.
fn context(search: &Search<'_>, prompt: &str) -> Result<Context, StageError> {
    let request = match prompt {
        "paraphrase" => format!("Say this in other words, in one short sentence: {}", search.spec.teacher),
        "instruction" => "Write a short instruction for an assistant.".to_owned(),
        _ => return Ok(Context::default()),
    };
    let ids = search.tokenizer.encode(&format!("{request}{}", search.tokenizer.chat_between()))?;
    let length = search.tokenizer.encode(search.tokenizer.chat_pre())?.len() + ids.len() + search.spec.prefix_tokens;
    let context_length = search.objective.backend().config().context_length;
    if length > context_length {
        return Err(StageError::Constraints(format!(
            "beam.prompt: asking for a {prompt} takes {length} of the model's {context_length} tokens; set it to chat"
        )));
    }
    Ok(Context { ids })
}

/// Log-probabilities of the next token of every prefix, `(beams, vocab)`. Where the model would begin
/// without any context, all tokens are equally likely.
fn next_tokens(search: &Search<'_>, context: &Context, beams: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, StageError> {
    if context.ids.is_empty() && beams.iter().any(Vec::is_empty) {
        let vocab = search.rules.allowed().len();
        return Ok(vec![vec![0.0; vocab]; beams.len()]);
    }
    let texts: Vec<&[u32]> = beams.iter().map(Vec::as_slice).collect();
    context.log_probabilities(search, &texts)
}

/// `prefix` with each of at most `count` tokens drawn without replacement, where the constraints allow it.
fn draw(
    search: &mut Search<'_>,
    prefix: &[u32],
    log_probabilities: &[f32],
    count: usize,
    params: &Params,
) -> Result<Vec<Vec<u32>>, StageError> {
    let allowed = search.rules.allowed();
    let likely = nucleus(log_probabilities, allowed, params.f64("temperature"), params.f64("top_p"));
    let mut drawn = Vec::with_capacity(count);
    for id in shuffle(&likely, &mut search.rng) {
        if drawn.len() == count {
            break;
        }
        let candidate = [prefix, &[id]].concat();
        if search.objection(&candidate)?.is_none() {
            drawn.push(candidate);
        }
    }
    Ok(drawn)
}

/// The likeliest allowed tokens that together have `top_p` of the probability of all allowed ones, with
/// their log-probabilities over the temperature (Holtzman et al. 2020).
fn nucleus(log_probabilities: &[f32], allowed: &[bool], temperature: f64, top_p: f64) -> Vec<(u32, f64)> {
    let mut tokens: Vec<(u32, f64)> = log_probabilities
        .iter()
        .zip(allowed)
        .enumerate()
        .filter(|(_, (log_probability, allowed))| **allowed && log_probability.is_finite())
        .map(|(id, (log_probability, _))| (id as u32, f64::from(*log_probability) / temperature))
        .collect();
    tokens.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let highest = tokens.first().map_or(0.0, |token| token.1);
    let probability = |token: &(u32, f64)| (token.1 - highest).exp();
    let total: f64 = tokens.iter().map(probability).sum();
    let mut sum = 0.0;
    let inside = tokens.iter().take_while(|token| {
        let before = sum;
        sum += probability(token);
        before < top_p * total
    });
    let count = inside.count();
    tokens.truncate(count);
    tokens
}

/// The order in which tokens come when they are drawn one after the other without replacement, each by
/// its probability: by log-probability plus Gumbel noise (Kool et al. 2019).
fn shuffle(tokens: &[(u32, f64)], rng: &mut Pcg64) -> Vec<u32> {
    let mut keyed: Vec<(u32, f64)> = tokens
        .iter()
        .map(|&(id, log_probability)| {
            // Never 0, whose logarithm is not finite.
            let uniform = 1.0 - rng.random_range(0.0..1.0f64);
            (id, log_probability - (-uniform.ln()).max(f64::MIN_POSITIVE).ln())
        })
        .collect();
    keyed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    keyed.into_iter().map(|(id, _)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_nucleus_has_the_likeliest_allowed_tokens() {
        let log_probabilities = [0.1f32, 0.4, 0.2, 0.3].map(f32::ln);
        let ids = |allowed: [bool; 4], top_p: f64| {
            nucleus(&log_probabilities, &allowed, 1.0, top_p).into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!(ids([true; 4], 1.0), [1, 3, 2, 0]);
        assert_eq!(ids([true; 4], 0.65), [1, 3]);
        assert_eq!(ids([true; 4], 0.01), [1], "at least one");
        assert_eq!(ids([true, false, true, true], 0.65), [3, 2], "0.3 + 0.2 of 0.6");
        assert!(ids([false; 4], 1.0).is_empty());
        // A low temperature moves all probability to the likeliest.
        assert_eq!(nucleus(&log_probabilities, &[true; 4], 0.05, 0.9).len(), 1);
    }

    #[test]
    fn tokens_are_drawn_by_their_probability_and_never_twice() {
        let tokens: Vec<(u32, f64)> = [0.6f64, 0.3, 0.1].iter().zip(0..).map(|(p, id)| (id, p.ln())).collect();
        let mut rng = Pcg64::seed_from_u64(9);
        let mut first = [0u32; 3];
        for _ in 0..20_000 {
            let mut order = shuffle(&tokens, &mut rng);
            first[order[0] as usize] += 1;
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2]);
        }
        // Standard errors are below 0.0035.
        for (count, expected) in first.iter().zip([0.6, 0.3, 0.1]) {
            let share = f64::from(*count) / 20_000.0;
            assert!((share - expected).abs() < 0.015, "{share} is not {expected}");
        }
    }
}
