//! Evaluate: the verdict on the best prefix, with the test suffixes that nothing touched before
//! (the note, section 2.3).

mod distributions;
mod numbers;
mod random;
mod sampled;
mod transfer;

use super::params::{choice, integer, real};
use super::reference::{completion, logged_nll};
use super::{Need, Params, Product, Search, Stage, StageError};
use crate::objective::PrefixInput;
use numbers::{cross_entropies, lexical_adherence, over_splits, share, test_intervals};
use shared::catalogue::StageDeclaration;
use shared::event::{Adherence, CrossEntropies, Event, PerSplit, RunResult, SuffixEvaluation};
use shared::metrics::{agreement, gap_closed};
use shared::spec::Split;

pub struct Evaluate;

/// Cross-entropies, completions without a prefix, completions under the prefix, their likelihoods, and the
/// distributions.
const OWN_STEPS: usize = 5;

impl Stage for Evaluate {
    fn declaration(&self) -> StageDeclaration {
        StageDeclaration {
            kind: "evaluate".to_owned(),
            title: "Evaluate".to_owned(),
            help: "Judges the best prefix on every split, with its own completions.".to_owned(),
            params: vec![
                integer("k", "tokens", (1, 512), 32, "The k of exact@k and overlap@k."),
                integer("samples", "completions", (0, 64), 1, "Completions drawn for each test suffix; 0 draws none."),
                real("temperature", "", (0.0, 10.0), 0.7, "What logits are divided by when a token is drawn."),
                integer("top_k", "tokens", (0, 1_000_000), 0, "Only the most likely ones are drawn; 0 is no bound."),
                real("top_p", "", (0.0, 1.0), 0.95, "Only the likeliest tokens up to this probability are drawn."),
                integer(
                    "random",
                    "prefixes",
                    (0, 64),
                    2,
                    "Prefixes of random allowed tokens that are measured for comparison; 0 draws none.",
                ),
                choice(
                    "transfer",
                    transfer::CHOICES,
                    "Other settings in which the closed gap is measured: bf16, other layouts of the prompt.",
                ),
            ],
        }
    }

    fn total_steps(&self, params: &Params) -> usize {
        OWN_STEPS + params.usize("samples") + transfer::count(params) + params.usize("random")
    }

    fn needs(&self, _: &Params) -> Option<Need> {
        Some(Need::PREFIX)
    }

    fn makes(&self) -> Product {
        Product::Verdict
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let Some(best) = search.best.clone() else {
            return Err(StageError::Missing { stage: "evaluate", needs: Need::PREFIX.advice });
        };
        let prefix = PrefixInput::Ids(best.ids.clone());
        let evaluations = evaluate_suffixes(search, params, &prefix)?;
        let test = search.objective.indices(Split::Test);
        let (forward_kl, argmax_agreement) = distributions::along_reference(search, &prefix, &test)?;
        let mut step = OWN_STEPS;
        search.progress(step);
        let mut tick = |search: &mut Search<'_>| {
            step += 1;
            search.progress(step);
        };
        let sampled = sampled::sampled(search, params, &prefix, &test, &mut tick)?;
        let transfer = transfer::transfer(search, params, &best.ids, &test, &mut tick)?;
        // After everything else that draws numbers: what was there before this baseline stays as it was.
        let random = random::random(search, params, &mut tick)?;
        search.progress(search.total_steps);

        let ce = CrossEntropies { random, ..cross_entropies(search, &evaluations)? };
        let round_trip = search.round_trip(&best.ids)?;
        let mean = |value: fn(&SuffixEvaluation) -> f64| over_splits(search, &evaluations, value);
        let result = RunResult {
            prefix: search.tokenizer.prefix(&best.ids),
            gap_closed: PerSplit::from_fn(|split| {
                gap_closed(ce.none.get(split)?, ce.reference.get(split)?, ce.final_.get(split)?)
            }),
            exact: mean(|suffix| share(suffix.agreement.exact)),
            exact_at_k: mean(|suffix| share(suffix.agreement.exact_at_k)),
            overlap_at_k: mean(|suffix| suffix.agreement.overlap_at_k),
            adherence: Adherence {
                none: mean(|suffix| share(suffix.log_likelihood_ratio_none > 0.0)),
                reference: over_splits(search, &evaluations, |suffix| {
                    share(search.baselines[suffix.index].steerability() > 0.0)
                }),
                found: mean(|suffix| share(suffix.log_likelihood_ratio > 0.0)),
            },
            test_intervals: test_intervals(search, &evaluations),
            forward_kl,
            argmax_agreement,
            lexical_adherence: lexical_adherence(search, &evaluations),
            sampled,
            transfer,
            nontriviality: search.rules.verdict(search.tokenizer.vocabulary(), &best.ids, Some(&round_trip)),
            candidates_scored: search.tried.len() as u64,
            evaluations: search.objective.evaluations(),
            evaluations_saved: search.objective.evaluations_saved(),
            ce,
        };
        let test = result.gap_closed.test.map_or("–".to_owned(), |gap| format!("{gap:.3}"));
        let interval = result.test_intervals.gap_closed;
        let interval = interval.map_or(String::new(), |it| format!(", 95 % interval {:.3} to {:.3}", it.low, it.high));
        search.result = Some(result);
        Ok(format!("gap closed on test {test}{interval}"))
    }
}

/// Every suffix under the prefix, with its greedy completions.
fn evaluate_suffixes(
    search: &mut Search<'_>,
    params: &Params,
    prefix: &PrefixInput,
) -> Result<Vec<SuffixEvaluation>, StageError> {
    let all: Vec<usize> = (0..search.baselines.len()).collect();
    let nll = search.objective.token_nll(std::slice::from_ref(prefix), &all)?.remove(0);
    let projected = match search.projected.clone() {
        Some(ids) => Some(search.objective.score(&[PrefixInput::Ids(ids)], &all)?.remove(0)),
        None => None,
    };
    search.progress(1);
    let max_tokens = search.spec.max_completion_tokens;
    let without = search.objective.complete(&PrefixInput::None, &all, max_tokens, |_| {})?;
    search.progress(2);
    let with = search.objective.complete(prefix, &all, max_tokens, |_| {})?;
    search.progress(3);
    let ratios_none = log_likelihood_ratios(search, &all, &without)?;
    let ratios = log_likelihood_ratios(search, &all, &with)?;
    let mut evaluations = Vec::with_capacity(all.len());
    for (index, (with, without)) in with.into_iter().zip(without).enumerate() {
        let suffix = SuffixEvaluation {
            index,
            ce: search.objective.weighted(&nll[index]).ce,
            agreement: agreement(&with, &search.baselines[index].reference.ids, params.usize("k")),
            completion: completion(search, with),
            completion_none: completion(search, without),
            log_likelihood_ratio: ratios[index],
            log_likelihood_ratio_none: ratios_none[index],
            ce_projected: projected.as_ref().map(|ces| ces[index].ce),
            nll: logged_nll(&nll[index]),
        };
        search.sink.push(Event::SuffixEvaluated { suffix: suffix.clone() });
        evaluations.push(suffix);
    }
    search.progress(4);
    Ok(evaluations)
}

/// How much likelier completions of some suffixes are under the reference than without a prefix, in nats a
/// token.
fn log_likelihood_ratios(
    search: &mut Search<'_>,
    indices: &[usize],
    completions: &[Vec<u32>],
) -> Result<Vec<f64>, StageError> {
    let ends = [PrefixInput::None, PrefixInput::Ids(search.reference.clone())];
    let scores =
        search.objective.with_completions(indices, completions, |objective| objective.score(&ends, indices))?;
    Ok(scores[0].iter().zip(&scores[1]).map(|(none, reference)| none.ce - reference.ce).collect())
}
