//! Means, shares and intervals over the suffixes of a split.

use super::super::{Search, StageError};
use crate::objective::{PrefixInput, SuffixCe};
use shared::event::{CrossEntropies, PerSplit, SuffixEvaluation, TestIntervals};
use shared::metrics::{SuffixGap, bootstrap_gap_closed, clopper_pearson, mean_ce};
use shared::spec::Split;
use shared::verdict::{LexicalAdherence, Rate};

/// Mean over the suffixes of each split.
pub fn over_splits(
    search: &Search<'_>,
    evaluations: &[SuffixEvaluation],
    value: impl Fn(&SuffixEvaluation) -> f64,
) -> PerSplit {
    PerSplit::from_fn(|split| {
        let values: Vec<f64> = of_split(search, evaluations, split).map(&value).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    })
}

pub fn share(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn of_split<'a>(
    search: &Search<'_>,
    evaluations: &'a [SuffixEvaluation],
    split: Split,
) -> impl Iterator<Item = &'a SuffixEvaluation> {
    evaluations.iter().filter(move |suffix| search.baselines[suffix.index].split == split)
}

pub fn test_intervals(search: &Search<'_>, evaluations: &[SuffixEvaluation]) -> TestIntervals {
    let test: Vec<&SuffixEvaluation> = of_split(search, evaluations, Split::Test).collect();
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

/// Greedy completions of the test suffixes by the teacher's rule; nothing where there is none.
pub fn lexical_adherence(search: &Search<'_>, evaluations: &[SuffixEvaluation]) -> Option<LexicalAdherence> {
    let rule = search.adherence.as_ref()?;
    let test: Vec<&SuffixEvaluation> = of_split(search, evaluations, Split::Test).collect();
    let rate = |text: &dyn Fn(&SuffixEvaluation) -> String| {
        let holding = test.iter().filter(|suffix| rule.holds(&text(suffix))).count();
        Rate { share: holding as f64 / test.len() as f64, interval: clopper_pearson(holding, test.len()) }
    };
    Some(LexicalAdherence {
        rule: rule.describe(),
        none: rate(&|suffix| suffix.completion_none.text.clone()),
        reference: rate(&|suffix| search.baselines[suffix.index].reference.text.clone()),
        found: rate(&|suffix| suffix.completion.text.clone()),
    })
}

/// Everything that was compared but random prefixes, per split.
pub fn cross_entropies(search: &Search<'_>, final_: &[SuffixEvaluation]) -> Result<CrossEntropies, StageError> {
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
    let soft = match &search.soft {
        Some(soft) => per_split(&search.objective.score(&[PrefixInput::Soft(soft.embeds.clone())], &all)?[0]),
        None => PerSplit::default(),
    };
    let projected: Option<Vec<f64>> = final_.iter().map(|suffix| suffix.ce_projected).collect();
    Ok(CrossEntropies {
        none: baseline(&|i| search.baselines[i].ce_none),
        reference: baseline(&|i| search.baselines[i].ce_reference),
        random: PerSplit::default(),
        soft,
        projected: projected.map(|ces| baseline(&|i| ces[i])).unwrap_or_default(),
        final_: baseline(&|i| final_[i].ce),
    })
}
