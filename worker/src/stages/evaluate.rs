//! Evaluate: the verdict on the best prefix, with the test suffixes that nothing touched before
//! (the note, section 2.3).

use super::params::integer;
use super::reference::completion;
use super::{Params, Search, Stage, StageError};
use crate::objective::{PrefixInput, SuffixCe};
use shared::catalogue::StageDeclaration;
use shared::event::{Adherence, CrossEntropies, Event, PerSplit, RunResult, SuffixEvaluation, TestIntervals};
use shared::metrics::{SuffixGap, agreement, bootstrap_gap_closed, clopper_pearson, gap_closed, mean_ce};
use shared::spec::Split;

pub struct Evaluate;

impl Stage for Evaluate {
    fn declaration(&self) -> StageDeclaration {
        StageDeclaration {
            kind: "evaluate".to_owned(),
            title: "Evaluate".to_owned(),
            help: "Judges the best prefix on every split, with its own completions.".to_owned(),
            params: vec![integer("k", "tokens", (1, 512), 32, "The k of exact@k and overlap@k.")],
        }
    }

    fn total_steps(&self, _: &Params) -> usize {
        // Cross-entropies, completions without a prefix, completions under the prefix, their likelihoods.
        4
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let Some(best) = search.best.clone() else {
            return Err(StageError::Missing { stage: "evaluate", needs: "a prefix: put a search before it" });
        };
        let all: Vec<usize> = (0..search.baselines.len()).collect();
        let prefix = PrefixInput::Ids(best.ids.clone());
        let ces = search.objective.score(std::slice::from_ref(&prefix), &all)?.remove(0);
        let ce = cross_entropies(search, &ces)?;
        search.progress(1);

        let max_tokens = search.spec.max_completion_tokens;
        let without = search.objective.complete(&PrefixInput::None, &all, max_tokens, |_| {})?;
        search.progress(2);
        let with = search.objective.complete(&prefix, &all, max_tokens, |_| {})?;
        search.progress(3);
        let ratios_none = log_likelihood_ratios(search, &without)?;
        let ratios = log_likelihood_ratios(search, &with)?;
        let mut evaluations = Vec::with_capacity(all.len());
        for (index, (with, without)) in with.into_iter().zip(without).enumerate() {
            let suffix = SuffixEvaluation {
                index,
                ce: ces[index].ce,
                agreement: agreement(&with, &search.baselines[index].reference.ids, params.usize("k")),
                completion: completion(search, with),
                completion_none: completion(search, without),
                log_likelihood_ratio: ratios[index],
                log_likelihood_ratio_none: ratios_none[index],
            };
            search.sink.push(Event::SuffixEvaluated { suffix: suffix.clone() });
            evaluations.push(suffix);
        }
        search.progress(4);

        let over_split = |value: &dyn Fn(&SuffixEvaluation) -> f64| {
            PerSplit::from_fn(|split| {
                let of_split = evaluations.iter().filter(|suffix| search.baselines[suffix.index].split == split);
                let values: Vec<f64> = of_split.map(value).collect();
                (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
            })
        };
        let suffixes = search.baselines.iter().map(|suffix| suffix.text.as_str());
        let round_trip = search.tokenizer.round_trip(&best.ids, &search.spec.separator, suffixes)?;
        let result = RunResult {
            prefix: search.tokenizer.prefix(&best.ids),
            gap_closed: PerSplit::from_fn(|split| {
                gap_closed(ce.none.get(split)?, ce.reference.get(split)?, ce.final_.get(split)?)
            }),
            exact: over_split(&|suffix| share(suffix.agreement.exact)),
            exact_at_k: over_split(&|suffix| share(suffix.agreement.exact_at_k)),
            overlap_at_k: over_split(&|suffix| suffix.agreement.overlap_at_k),
            adherence: Adherence {
                none: over_split(&|suffix| share(suffix.log_likelihood_ratio_none > 0.0)),
                reference: over_split(&|suffix| share(search.baselines[suffix.index].steerability() > 0.0)),
                found: over_split(&|suffix| share(suffix.log_likelihood_ratio > 0.0)),
            },
            test_intervals: test_intervals(search, &evaluations),
            nontriviality: search.rules.verdict(search.tokenizer.vocabulary(), &best.ids, Some(&round_trip)),
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

fn share(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// How much likelier completions of all suffixes are under the reference than without a prefix, in nats a
/// token.
fn log_likelihood_ratios(search: &mut Search<'_>, completions: &[Vec<u32>]) -> Result<Vec<f64>, StageError> {
    let all: Vec<usize> = (0..completions.len()).collect();
    let reference: Vec<Vec<u32>> = search.baselines.iter().map(|suffix| suffix.reference.ids.clone()).collect();
    search.objective.set_completions(completions.to_vec());
    let scores = search.objective.score(&[PrefixInput::None, PrefixInput::Ids(search.reference.clone())], &all);
    search.objective.set_completions(reference);
    let scores = scores?;
    Ok(scores[0].iter().zip(&scores[1]).map(|(none, reference)| none.ce - reference.ce).collect())
}

fn test_intervals(search: &Search<'_>, evaluations: &[SuffixEvaluation]) -> TestIntervals {
    let test: Vec<&SuffixEvaluation> =
        evaluations.iter().filter(|suffix| search.baselines[suffix.index].split == Split::Test).collect();
    let gaps = test.iter().map(|suffix| {
        let baseline = &search.baselines[suffix.index];
        let (ce_none, ce_reference, weight) = (baseline.ce_none, baseline.ce_reference, baseline.weight);
        SuffixGap { ce_none, ce_reference, ce: suffix.ce, weight }
    });
    let rate = |holds: fn(&SuffixEvaluation) -> bool| {
        clopper_pearson(test.iter().filter(|suffix| holds(suffix)).count(), test.len())
    };
    TestIntervals {
        suffixes: test.len(),
        gap_closed: bootstrap_gap_closed(&gaps.collect::<Vec<_>>()),
        exact: rate(|suffix| suffix.agreement.exact),
        exact_at_k: rate(|suffix| suffix.agreement.exact_at_k),
        adherence: rate(|suffix| suffix.log_likelihood_ratio > 0.0),
    }
}

fn cross_entropies(search: &Search<'_>, final_: &[SuffixCe]) -> Result<CrossEntropies, StageError> {
    let all: Vec<usize> = (0..search.baselines.len()).collect();
    let per_split = |ces: &[SuffixCe]| {
        PerSplit::from_fn(|split: Split| {
            mean_ce(all.iter().filter(|&&i| search.baselines[i].split == split).map(|&i| (ces[i].ce, ces[i].weight)))
        })
    };
    let baseline = |ce: &dyn Fn(usize) -> f64| {
        let ces: Vec<SuffixCe> =
            all.iter().map(|&i| SuffixCe { ce: ce(i), weight: search.baselines[i].weight }).collect();
        per_split(&ces)
    };
    let scored = |prefix: Option<PrefixInput>| -> Result<PerSplit, StageError> {
        match prefix {
            None => Ok(PerSplit::default()),
            Some(prefix) => Ok(per_split(&search.objective.score(&[prefix], &all)?[0])),
        }
    };
    Ok(CrossEntropies {
        none: baseline(&|i| search.baselines[i].ce_none),
        reference: baseline(&|i| search.baselines[i].ce_reference),
        soft: scored(search.soft.as_ref().map(|soft| PrefixInput::Soft(soft.embeds.clone())))?,
        projected: scored(search.projected.clone().map(PrefixInput::Ids))?,
        final_: per_split(final_),
    })
}
