//! Walk: from the reference out of what the constraints forbid, then on from there by small edits.
//!
//! A search that starts elsewhere has to find the reference's behaviour; this one starts there and has to
//! lose as little of it as possible. Replacements are the tokens nearest to the one that must go, which mean
//! something like it; the gradient's are hardly ever better, because first-order changes say little about
//! tokens that lie far apart. Three parts, each of which spends little on a candidate until it is promising:
//!
//! 1. each replacement alone, everything else as in the reference: what harm does it do? (Of a reference that is longer
//!    than a prefix may be, the tokens go first whose loss alone does least harm.)
//! 2. whole prefixes, those with the least harm in sum: a contest of all that break no rule;
//! 3. rounds of edits: tokens replaced, inserted, swapped and deleted. Edits are made of several prefixes, the
//!    best most often, because the way to a better one may lead through one that is a little worse.

use super::moves::{Replacement, start};
use super::params::integer;
use super::projection::NearTokens;
use super::{Best, Params, Search, Stage, StageError};
use crate::backend::Precision;
use crate::contest::{Halving, Outcome, Screening, most_telling_first};
use crate::objective::{PrefixInput, mean};
use rand::RngExt;
use rand::seq::SliceRandom;
use shared::catalogue::StageDeclaration;
use shared::spec::Split;

pub struct Walk;

impl Stage for Walk {
    fn declaration(&self) -> StageDeclaration {
        StageDeclaration {
            kind: "walk".to_owned(),
            title: "Walk".to_owned(),
            help: "Starts at the reference, replaces its forbidden tokens by those that hurt least, and edits on."
                .to_owned(),
            params: vec![
                integer(
                    "near",
                    "tokens",
                    (1, 4096),
                    16,
                    "Nearest allowed tokens tried in place of a forbidden one; half as many in an edit, in place of any.",
                ),
                integer("harm_suffixes", "suffixes", (1, 1000), 4, "Train suffixes that these are screened on."),
                integer("crossed", "prefixes", (1, 4096), 32, "Prefixes made of the least harmful replacements."),
                integer(
                    "finalists",
                    "prefixes",
                    (1, 4096),
                    4,
                    "Best of them, and of each round of edits, scored on train and validation.",
                ),
                integer(
                    "parents",
                    "prefixes",
                    (1, 256),
                    4,
                    "Best prefixes that are edited: half of a round's edits are of the best, a quarter of the next, and so on.",
                ),
                integer("rounds", "rounds", (0, 1000), 12, "Rounds of edits afterwards, at most."),
                integer("edits", "prefixes", (1, 4096), 160, "Edits tried in a round."),
                integer(
                    "screening_suffixes",
                    "suffixes",
                    (1, 1000),
                    1,
                    "Train suffixes that whole prefixes are screened on first, other ones in every round.",
                ),
                integer("patience", "rounds", (1, 1000), 4, "Ends after so many rounds without a better prefix."),
            ],
        }
    }

    fn total_steps(&self, params: &Params) -> usize {
        2 + params.usize("rounds")
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let reference = shortened(search, params)?;
        // 1. What may stand at each position, the least harmful first.
        let mut near = NearTokens::new(search, params.usize("near"))?;
        let options = options(search, &reference, &mut near, params)?;
        search.progress(1);
        // 2. Whole prefixes of these. Where none breaks no rule, the nearest allowed tokens must do.
        let crossed = crossed(search, &options, params)?;
        let mut parents = contest(search, 2, &crossed, params)?;
        if parents.is_empty() {
            let nearest = start(search, "reference", "walk")?;
            parents.push(Scored { ce: pooled(search, &nearest), best: nearest });
        }
        let walked = parents[0].best.clone();
        search.objective_event(2, walked.ce_train, walked.ce_validation);
        take(search, 2, walked.clone());
        search.progress(2);
        // 3. On from there.
        let (edited, taken) = edit(search, parents, &options, &mut near, params)?;
        let (before, after) = (walked.ce_train, edited.ce_train);
        let cut = match search.reference.len() - reference.len() {
            0 => String::new(),
            cut => format!("; {cut} tokens of the reference were left out, which are more than a prefix may have"),
        };
        Ok(format!("cross-entropy {before:.3} out of the reference, {after:.3} after {taken} edits{cut}"))
    }
}

/// A token at its position, and the cross-entropy that it alone adds to the reference's.
#[derive(Clone, Copy)]
struct Choice {
    id: u32,
    /// In nats a token, on the suffixes of the screening.
    harm: f64,
}

/// The reference, cut to what a prefix may have: the tokens go whose loss alone does least harm.
fn shortened(search: &mut Search<'_>, params: &Params) -> Result<Vec<u32>, StageError> {
    let (reference, most) = (search.reference.clone(), search.spec.prefix_tokens);
    if reference.len() <= most {
        return Ok(reference);
    }
    let without = |at: usize| [&reference[..at], &reference[at + 1..]].concat();
    let candidates: Vec<Vec<u32>> = (0..reference.len()).map(without).collect();
    let harms = screened(search, &candidates, params)?;
    let mut kept: Vec<usize> = (0..reference.len()).collect();
    kept.sort_by(|&a, &b| harms[b].total_cmp(&harms[a]).then(a.cmp(&b)));
    kept.truncate(most);
    kept.sort_unstable();
    Ok(kept.into_iter().map(|at| reference[at]).collect())
}

/// Cross-entropies on the few train suffixes that the reference steers most, logged as estimates.
fn screened(search: &mut Search<'_>, candidates: &[Vec<u32>], params: &Params) -> Result<Vec<f64>, StageError> {
    let train = search.objective.indices(Split::Train);
    let telling = most_telling_first(&search.steerability(&train)).into_iter();
    let few: Vec<usize> = telling.take(params.usize("harm_suffixes")).map(|at| train[at]).collect();
    let prefixes: Vec<PrefixInput> = candidates.iter().cloned().map(PrefixInput::Ids).collect();
    let scores = search.objective.score_in(&prefixes, &few, Precision::Bf16)?;
    let ces: Vec<f64> = scores.iter().map(|terms| mean(terms).unwrap_or(f64::INFINITY)).collect();
    let outcomes: Vec<Outcome> = ces.iter().copied().map(Outcome::Expected).collect();
    search.log(1, candidates, &outcomes);
    Ok(ces)
}

/// What may stand at each position of the reference: allowed tokens as they are, and in place of forbidden
/// ones those near them, the least harmful first.
fn options(
    search: &mut Search<'_>,
    reference: &[u32],
    near: &mut NearTokens,
    params: &Params,
) -> Result<Vec<Vec<Choice>>, StageError> {
    let mut singles = Vec::new();
    for (position, &id) in reference.iter().enumerate() {
        if search.rules.banned_by(id).is_some() {
            singles.extend(near.of(search, id)?.into_iter().map(|id| Replacement { position, id, predicted: 0.0 }));
        }
    }
    let candidates: Vec<Vec<u32>> = singles.iter().map(|single| single.applied(reference)).collect();
    let screened = screened(search, &candidates, params)?;
    let mut options: Vec<Vec<Choice>> = reference
        .iter()
        .map(|&id| match search.rules.banned_by(id) {
            None => vec![Choice { id, harm: 0.0 }],
            Some(_) => Vec::new(),
        })
        .collect();
    // What all share does not matter: only sums over the same positions are compared.
    for (single, ce) in singles.iter().zip(screened) {
        options[single.position].push(Choice { id: single.id, harm: ce });
    }
    for here in &mut options {
        here.sort_by(|a, b| a.harm.total_cmp(&b.harm).then(a.id.cmp(&b.id)));
    }
    Ok(options)
}

/// Prefixes of one option a position that break no rule, by the sum of their harms. The lowest sums over all
/// positions are made of the lowest sums over the first ones, so that as many of these are enough.
fn crossed(search: &Search<'_>, options: &[Vec<Choice>], params: &Params) -> Result<Vec<Vec<u32>>, StageError> {
    /// Sums kept for each prefix wanted: many break a rule.
    const ROOM: usize = 16;
    let wanted = if search.spent() { 1 } else { params.usize("crossed") };
    let mut sums: Vec<(f64, Vec<u32>)> = vec![(0.0, Vec::new())];
    for here in options {
        let longer = |(sum, ids): &(f64, Vec<u32>)| {
            let (sum, ids) = (*sum, ids.clone());
            here.iter().map(move |choice| (sum + choice.harm, [ids.as_slice(), &[choice.id]].concat()))
        };
        sums = sums.iter().flat_map(longer).collect();
        sums.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        sums.truncate(ROOM * params.usize("crossed"));
    }
    let mut feasible = Vec::new();
    for (_, ids) in sums {
        if feasible.len() == wanted {
            break;
        }
        if !ids.is_empty() && search.objection(&ids)?.is_none() {
            feasible.push(ids);
        }
    }
    Ok(feasible)
}

/// Edits until the rounds, the budget or the ideas are spent; returns the best, and how many edits led to it.
fn edit(
    search: &mut Search<'_>,
    mut parents: Vec<Scored>,
    options: &[Vec<Choice>],
    near: &mut NearTokens,
    params: &Params,
) -> Result<(Best, usize), StageError> {
    parents.truncate(params.usize("parents"));
    let (mut taken, mut without_better) = (0, 0);
    for step in 3..3 + params.usize("rounds") {
        if search.spent() {
            break;
        }
        let candidates = draw(search, &parents, options, near, params)?;
        if candidates.is_empty() {
            break;
        }
        let standing = parents[0].ce;
        parents.extend(contest(search, step, &candidates, params)?);
        // Stable: of equals, the one that was there first.
        parents.sort_by(|a, b| a.ce.total_cmp(&b.ce));
        parents.truncate(params.usize("parents"));
        let leader = parents[0].best.clone();
        search.objective_event(step, leader.ce_train, leader.ce_validation);
        if parents[0].ce < standing {
            take(search, step, leader);
            (taken, without_better) = (taken + 1, 0);
        } else {
            without_better += 1;
        }
        search.progress(step);
        // Each round screens on other suffixes, so that one without success does not mean that there is nothing.
        if without_better == params.usize("patience") {
            break;
        }
    }
    Ok((parents.swap_remove(0).best, taken))
}

/// A round's candidates: edits that were not tried and break no rule, half of them of the first parent, a
/// quarter of the next, and so on.
fn draw(
    search: &mut Search<'_>,
    parents: &[Scored],
    options: &[Vec<Choice>],
    near: &mut NearTokens,
    params: &Params,
) -> Result<Vec<Vec<u32>>, StageError> {
    let mut decks = Vec::with_capacity(parents.len());
    for parent in parents {
        let mut deck = edits(search, &parent.best.ids, options, near, params)?;
        deck.shuffle(&mut search.rng);
        decks.push(deck);
    }
    let mut drawn = Vec::new();
    while drawn.len() < params.usize("edits") {
        decks.retain(|deck| !deck.is_empty());
        let Some(last) = decks.len().checked_sub(1) else { break };
        let at = (0..last).find(|_| search.rng.random_bool(0.5)).unwrap_or(last);
        let Some(ids) = decks[at].pop() else { continue };
        if !search.tried.contains(&ids) && !drawn.contains(&ids) && search.objection(&ids)?.is_none() {
            drawn.push(ids);
        }
    }
    Ok(drawn)
}

/// Every edit that is worth a try: near tokens in place of each, the options of each position of the
/// reference, what carries the meaning or is there already once more at any place, neighbours swapped, and each
/// token left out.
fn edits(
    search: &Search<'_>,
    ids: &[u32],
    options: &[Vec<Choice>],
    near: &mut NearTokens,
    params: &Params,
) -> Result<Vec<Vec<u32>>, StageError> {
    let few = params.usize("near").div_ceil(2);
    let mut edits = Vec::new();
    for (position, &id) in ids.iter().enumerate() {
        let near = near.of(search, id)?.into_iter().take(few);
        let before = options.get(position).into_iter().flatten().take(few).map(|choice| choice.id);
        for id in near.chain(before) {
            edits.push(Replacement { position, id, predicted: 0.0 }.applied(ids));
        }
        if ids.len() > 1 {
            edits.push([&ids[..position], &ids[position + 1..]].concat());
        }
        if position > 0 {
            let mut swapped = ids.to_vec();
            swapped.swap(position - 1, position);
            edits.push(swapped);
        }
    }
    if ids.len() < search.spec.prefix_tokens {
        let carriers = carriers(options).iter().take(few).map(|choice| choice.id);
        for id in carriers.chain(ids.iter().copied()) {
            edits.extend((0..=ids.len()).map(|gap| [&ids[..gap], &[id], &ids[gap..]].concat()));
        }
    }
    edits.sort_unstable();
    edits.dedup();
    Ok(edits)
}

/// The options of the position that carries most of the meaning: where even the least harmful does most harm.
fn carriers(options: &[Vec<Choice>]) -> &[Choice] {
    let least = |here: &[Choice]| here.first().map_or(f64::NEG_INFINITY, |choice| choice.harm);
    let most = options.iter().max_by(|a, b| least(a).total_cmp(&least(b)));
    most.map_or(&[], Vec::as_slice)
}

/// A prefix with what a walk goes by.
struct Scored {
    best: Best,
    /// See [`pooled`].
    ce: f64,
}

/// Takes a prefix as the run's best, unless a search before this one found a better one.
fn take(search: &mut Search<'_>, step: usize, best: Best) {
    if search.best.as_ref().is_none_or(|standing| pooled(search, standing) > pooled(search, &best)) {
        search.replace_best(step, best);
    }
}

/// The best among candidates, the best first: few by few suffixes less of them, the last ones on all of train and
/// validation, which count the same.
fn contest(
    search: &mut Search<'_>,
    step: usize,
    candidates: &[Vec<u32>],
    params: &Params,
) -> Result<Vec<Scored>, StageError> {
    let (suffixes, finalists) = (params.usize("screening_suffixes"), params.usize("finalists"));
    let screening = Screening::Halving(Halving { suffixes, offset: step * suffixes });
    // No bound by what stands: that is good on train and validation together, and a better one need not beat it
    // on train alone.
    let outcomes = search.contest(step, candidates, f64::INFINITY, finalists, Some(screening))?;
    let mut exact: Vec<(&Vec<u32>, f64)> =
        candidates.iter().zip(outcomes).filter_map(|(ids, outcome)| Some((ids, outcome.score()?))).collect();
    exact.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut scored = Vec::with_capacity(finalists);
    for (ids, ce_train) in exact.into_iter().take(finalists) {
        let ce_validation = search.validate(&PrefixInput::Ids(ids.clone()))?;
        let best = Best { ids: ids.clone(), ce_train, ce_validation };
        scored.push(Scored { ce: pooled(search, &best), best });
    }
    scored.sort_by(|a, b| a.ce.total_cmp(&b.ce));
    Ok(scored)
}

/// What a walk goes by: the mean over train and validation together, in nats a token. It takes few steps, so that
/// validation has little to guard against, and is worth more as further suffixes to go by. Each split counts by its
/// suffixes: the mean of a few of them says little.
fn pooled(search: &Search<'_>, best: &Best) -> f64 {
    let count = |split| search.objective.indices(split).len() as f64;
    let (train, validation) = (count(Split::Train), count(Split::Validation));
    match best.ce_validation {
        Some(ce_validation) => (train * best.ce_train + validation * ce_validation) / (train + validation),
        None => best.ce_train,
    }
}
