//! Walk: from the reference out of what the constraints forbid, then on from there by small edits.
//!
//! A search that starts elsewhere has to find the reference's behaviour; this one starts there and has to
//! lose as little of it as possible. Replacements are the tokens nearest to the one that must go, which mean
//! something like it; the gradient's are hardly ever better, because first-order changes say little about
//! tokens that lie far apart. Three parts, each of which spends little on a candidate until it is promising:
//!
//! 1. each replacement alone, everything else as in the reference: what harm does it do?
//! 2. whole prefixes, those with the least harm in sum: a contest of all that break no rule;
//! 3. rounds of edits: tokens replaced, inserted, swapped and deleted. Edits are made of several prefixes, the
//!    best most often, because the way to a better one may lead through one that is a little worse; and what two
//!    of these found apart is tried together.

mod edits;

use self::edits::{Moves, mixed};
use super::moves::{Replacement, start};
use super::params::integer;
use super::projection::NearTokens;
use super::{Best, Params, Search, Stage, StageError};
use crate::backend::Precision;
use crate::contest::{Contest, Halving, Outcome, Screening, most_telling_first};
use crate::objective::{PrefixInput, mean};
use rand::RngExt;
use rand::seq::SliceRandom;
use shared::catalogue::StageDeclaration;
use shared::event::{Candidate, Event};
use shared::spec::Split;
use std::collections::{BTreeMap, BTreeSet};

pub struct Walk;

impl Stage for Walk {
    fn declaration(&self) -> StageDeclaration {
        StageDeclaration {
            kind: "walk".to_owned(),
            title: "Walk".to_owned(),
            help: "Starts at the reference, replaces its forbidden tokens by those that hurt least, and edits on."
                .to_owned(),
            params: vec![
                integer("near", "tokens", (1, 4096), 16, "Nearest allowed tokens tried in place of a forbidden one."),
                integer("harm_suffixes", "suffixes", (1, 1000), 4, "Train suffixes that these are screened on."),
                integer("crossed", "prefixes", (1, 4096), 32, "Prefixes made of the least harmful replacements."),
                integer("finalists", "prefixes", (1, 4096), 4, "Best of them, scored on train and validation."),
                integer(
                    "parents",
                    "prefixes",
                    (1, 256),
                    4,
                    "Best prefixes that are edited: half of a round's edits are of the best, a quarter of the next, and so on; each is also given what the others have.",
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
                integer(
                    "written",
                    "tokens",
                    (0, 4096),
                    2,
                    "Tokens tried at each place that the model would likeliest write there, saying the reference in other words; 0 for none.",
                ),
                integer("patience", "rounds", (1, 1000), 4, "Ends after so many rounds without a better prefix."),
            ],
        }
    }

    fn total_steps(&self, params: &Params) -> usize {
        2 + params.usize("rounds")
    }

    fn run(&self, search: &mut Search<'_>, params: &Params) -> Result<String, StageError> {
        let mut reference = search.reference.clone();
        reference.truncate(search.spec.prefix_tokens);
        // 1. What may stand at each position, the least harmful first.
        let mut near = NearTokens::new(search, params.usize("near"))?;
        let options = options(search, &reference, &mut near, params)?;
        search.progress(1);
        // 2. Whole prefixes of these. Where none breaks no rule, the nearest allowed tokens must do.
        let crossed = crossed(search, &options, params)?;
        let mut parents = contest(search, 2, &crossed, None, params)?;
        if parents.is_empty() {
            let nearest = start(search, "reference", "walk")?;
            parents.push(Scored { ce: pooled(search, &nearest), best: nearest });
        }
        let walked = parents[0].best.clone();
        search.objective_event(2, walked.ce_train, walked.ce_validation);
        search.offer(2, walked.clone());
        search.progress(2);
        // 3. On from there.
        let mut moves = Moves::new(search, options, near, params)?;
        let (edited, taken) = edit(search, parents, &mut moves, params)?;
        let (before, after) = (walked.ce_train, edited.ce_train);
        Ok(format!("cross-entropy {before:.3} out of the reference, {after:.3} after {taken} edits"))
    }
}

/// A token at its position, and the cross-entropy that it alone adds to the reference's.
#[derive(Clone, Copy)]
struct Choice {
    id: u32,
    /// In nats a token, on the suffixes of the screening.
    harm: f64,
}

/// What may stand at each position of the reference: allowed tokens as they are, and in place of forbidden
/// ones those near them, the least harmful first. All are logged as dropped, since none was scored on all suffixes.
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
    let train = search.objective.indices(Split::Train);
    let telling = most_telling_first(&search.steerability(&train)).into_iter();
    let few: Vec<usize> = telling.take(params.usize("harm_suffixes")).map(|at| train[at]).collect();
    let candidates: Vec<Vec<u32>> = singles.iter().map(|single| single.applied(reference)).collect();
    let prefixes: Vec<PrefixInput> = candidates.iter().cloned().map(PrefixInput::Ids).collect();
    let scores = search.objective.score_in(&prefixes, &few, Precision::Bf16)?;
    let screened: Vec<f64> = scores.iter().map(|terms| mean(terms).unwrap_or(f64::INFINITY)).collect();
    let logged =
        candidates.into_iter().zip(&screened).map(|(ids, &ce_train)| Candidate { ids, ce_train, dropped: true });
    search.sink.push(Event::Candidates { stage: search.stage, step: 1, candidates: logged.collect() });
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
    moves: &mut Moves,
    params: &Params,
) -> Result<(Best, usize), StageError> {
    parents.truncate(params.usize("parents"));
    let (mut taken, mut without_better) = (0, 0);
    let mut refused = BTreeSet::new();
    for step in 3..3 + params.usize("rounds") {
        if search.spent() {
            break;
        }
        let edited = draw(search, &parents, moves, &mut refused, params)?;
        if edited.is_empty() {
            break;
        }
        let standing = parents[0].ce;
        let candidates: Vec<Vec<u32>> = edited.keys().cloned().collect();
        parents.extend(contest(search, step, &candidates, Some(&edited), params)?);
        // Stable: of equals, the one that was there first.
        parents.sort_by(|a, b| a.ce.total_cmp(&b.ce));
        parents.truncate(params.usize("parents"));
        let leader = parents[0].best.clone();
        search.objective_event(step, leader.ce_train, leader.ce_validation);
        if parents[0].ce < standing {
            search.replace_best(step, leader);
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

/// A round's candidates, none of which breaks a rule, with what each is an edit of: half of them of the first parent,
/// a quarter of the next, and so on. `refused` are those that were found to break a rule.
fn draw(
    search: &mut Search<'_>,
    parents: &[Scored],
    moves: &mut Moves,
    refused: &mut BTreeSet<Vec<u32>>,
    params: &Params,
) -> Result<BTreeMap<Vec<u32>, Vec<u32>>, StageError> {
    let parents: Vec<&Vec<u32>> = parents.iter().map(|parent| &parent.best.ids).collect();
    let mut decks = Vec::with_capacity(parents.len());
    for ids in &parents {
        let mut mixed: Vec<Vec<u32>> = parents.iter().flat_map(|other| mixed(ids, other)).collect();
        mixed.retain(|ids| ids.len() <= search.spec.prefix_tokens);
        decks.push(Deck::new(search, moves.edits(search, ids)?, mixed));
    }
    let mut drawn = BTreeMap::new();
    while drawn.len() < params.usize("edits") {
        let open: Vec<usize> = (0..decks.len()).filter(|&at| !decks[at].is_empty()).collect();
        let Some((&last, others)) = open.split_last() else { break };
        let at = others.iter().copied().find(|_| search.rng.random_bool(0.5)).unwrap_or(last);
        let Some(ids) = decks[at].pop(&mut search.rng) else { continue };
        if drawn.contains_key(&ids) || refused.contains(&ids) {
            continue;
        }
        if search.objection(&ids)?.is_some() {
            refused.insert(ids);
        } else {
            drawn.insert(ids, parents[at].clone());
        }
    }
    Ok(drawn)
}

/// The edits of one prefix that are drawn from, from the end on; those scored on all train suffixes are not among
/// them.
struct Deck {
    /// No screening has seen these: single moves in any order, and then what other parents lend.
    fresh: Vec<Vec<u32>>,
    /// A screening has dropped these: few suffixes err, and other ones may not. Those that came furthest are last.
    dropped: Vec<Vec<u32>>,
}

impl Deck {
    /// Of four edits one was dropped before, while there are any.
    const DROPPED: f64 = 0.25;

    fn new(search: &mut Search<'_>, mut moved: Vec<Vec<u32>>, mixed: Vec<Vec<u32>>) -> Self {
        moved.shuffle(&mut search.rng);
        let all = moved.into_iter().chain(mixed).filter(|ids| !search.known.contains(ids));
        let (mut dropped, fresh): (Vec<_>, Vec<_>) = all.partition(|ids| search.tried.contains_key(ids));
        let share_before = |ids: &Vec<u32>| search.tried.get(ids).copied().unwrap_or(1.0);
        dropped.sort_by(|a, b| share_before(b).total_cmp(&share_before(a)));
        Deck { fresh, dropped }
    }

    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.dropped.is_empty()
    }

    fn pop(&mut self, rng: &mut impl RngExt) -> Option<Vec<u32>> {
        let again = self.fresh.is_empty() || (!self.dropped.is_empty() && rng.random_bool(Self::DROPPED));
        if again { self.dropped.pop() } else { self.fresh.pop() }
    }
}

/// A prefix with what a walk goes by.
struct Scored {
    best: Best,
    /// See [`pooled`].
    ce: f64,
}

/// The best among candidates, the best first: few by few suffixes less of them, the last ones on all of train and
/// validation, which count the same. `edited` is what each is an edit of, nothing where they are not edits.
fn contest(
    search: &mut Search<'_>,
    step: usize,
    candidates: &[Vec<u32>],
    edited: Option<&BTreeMap<Vec<u32>, Vec<u32>>>,
    params: &Params,
) -> Result<Vec<Scored>, StageError> {
    let (suffixes, finalists) = (params.usize("screening_suffixes"), params.usize("finalists"));
    let screening = Screening::Halving(Halving { suffixes, offset: step * suffixes });
    // No bound by what stands: that is good on train and validation together, and a better one need not beat it
    // on train alone.
    let contest = Contest { keep: finalists, parents: edited, screening: Some(screening), ..Contest::new(&[]) };
    let outcomes = search.hold(step, candidates, contest)?;
    let mut exact: Vec<(&Vec<u32>, f64)> = candidates
        .iter()
        .zip(outcomes)
        .filter_map(|(ids, outcome)| match outcome {
            Outcome::Scored(ce) => Some((ids, ce)),
            Outcome::AtLeast(_) => None,
        })
        .collect();
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

/// What a walk goes by: the mean over train and validation together, in nats a token. Small edits of a sentence fit
/// single suffixes less than free tokens do, so that validation has little to guard against, and is worth more as
/// further suffixes to go by. Each split counts by its suffixes: the mean of a few of them says little.
fn pooled(search: &Search<'_>, best: &Best) -> f64 {
    let count = |split| search.objective.indices(split).len() as f64;
    let (train, validation) = (count(Split::Train), count(Split::Validation));
    match best.ce_validation {
        Some(ce_validation) => (train * best.ce_train + validation * ce_validation) / (train + validation),
        None => best.ce_train,
    }
}
