//! Queries over event logs: every candidate that a search evaluated, the ε-ball of the reference, and the
//! contrast set.

use serde::Serialize;
use shared::event::Event;
use shared::metrics::mean_ce;
use shared::spec::{RunSpec, Split};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// A candidate with where it came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluated {
    /// Model that scored it.
    pub model: String,
    /// Reference prefix that it is meant to act like.
    pub teacher: String,
    /// Method: the `preset` of its spec.
    pub method: String,
    /// Seed of its run.
    pub seed: u64,
    /// Stage kind.
    pub stage: String,
    /// Step within the stage.
    pub step: usize,
    /// The token ids.
    pub ids: Vec<u32>,
    /// The text; nothing where the model's tokenizer is not at hand.
    pub text: Option<String>,
    /// Weighted cross-entropy on the train suffixes, in nats a token.
    pub ce_train: f64,
    /// It was dropped early: the cross-entropy is at least `ce_train`.
    pub dropped: bool,
    /// A screening on a few suffixes dropped it: `ce_train` is no bound then, but what these let expect.
    pub estimated: bool,
    /// Weighted cross-entropy of the same suffixes under the reference, in nats a token.
    pub ce_reference_train: f64,
    /// Which suffixes it was scored on: candidates of different suffixes do not compare.
    #[serde(skip)]
    pub task: usize,
}

/// Two candidates that differ in at most one token, and how far apart they act.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contrast {
    /// The one with the lower cross-entropy.
    pub better: Evaluated,
    /// The other.
    pub worse: Evaluated,
    /// Difference of their cross-entropies on train, in nats a token; where `worse` was dropped, at least
    /// that much.
    pub ce_difference: f64,
}

/// All candidates of some logs, in the order of the logs.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// The candidates.
    pub candidates: Vec<Evaluated>,
    tasks: BTreeMap<String, usize>,
}

impl Archive {
    /// Takes one log in.
    pub fn add(&mut self, events: &[Event]) {
        let mut spec: Option<&RunSpec> = None;
        let mut stages = Vec::new();
        let mut train = Vec::new();
        let mut known = None;
        for event in events {
            match event {
                Event::Queued { spec: queued } => {
                    (spec, known) = (Some(&**queued), None);
                    train.clear();
                }
                Event::Started { stages: plan, .. } => stages.clone_from(plan),
                // Dominated ones were left out of the search: no candidate was scored on them.
                Event::SuffixMeasured { suffix } if suffix.split == Split::Train && !suffix.dominated => {
                    train.push(suffix)
                }
                Event::Candidates { stage, step, candidates } => {
                    let Some(spec) = spec else { continue };
                    let (task, ce_reference_train) = *known.get_or_insert_with(|| {
                        // Another seed deals the same suffixes in another order.
                        let texts: BTreeSet<(&str, &[u32])> =
                            train.iter().map(|suffix| (&*suffix.text, &*suffix.reference.ids)).collect();
                        let task = format!(
                            "{:?}",
                            (&spec.model, &spec.teacher, &spec.separator, spec.early_k, spec.early_weight, texts)
                        );
                        let next = self.tasks.len();
                        let ces = train.iter().map(|suffix| (suffix.ce_reference, suffix.weight));
                        (*self.tasks.entry(task).or_insert(next), mean_ce(ces).unwrap_or(f64::NAN))
                    });
                    let kind = stages.get(*stage).map_or("?", |plan| plan.kind.as_str());
                    self.candidates.extend(candidates.iter().map(|candidate| Evaluated {
                        model: spec.model.clone(),
                        teacher: spec.teacher.clone(),
                        method: spec.preset.clone(),
                        seed: spec.seed,
                        stage: kind.to_owned(),
                        step: *step,
                        ids: candidate.ids.clone(),
                        text: None,
                        ce_train: candidate.ce_train,
                        dropped: candidate.dropped,
                        estimated: candidate.estimated,
                        ce_reference_train,
                        task,
                    }));
                }
                _ => {}
            }
        }
    }

    /// The ε-ball of the reference: candidates that were scored in full with a cross-entropy of at most the
    /// reference's plus `epsilon`, each once for each set of suffixes, best first.
    pub fn within(&self, epsilon: f64) -> Vec<&Evaluated> {
        let mut ball = self.scored_once();
        ball.retain(|candidate| candidate.ce_train <= candidate.ce_reference_train + epsilon);
        ball.sort_by(|a, b| {
            (a.ce_train - a.ce_reference_train).total_cmp(&(b.ce_train - b.ce_reference_train)).then(a.ids.cmp(&b.ids))
        });
        ball
    }

    /// The contrast set: pairs on the same suffixes that differ in one token (one replaced, inserted or
    /// removed), those whose cross-entropies differ most first.
    ///
    /// A dropped candidate stands for at least its bound, so it is only ever the worse one. One that a screening
    /// dropped stands for nothing: what a few suffixes let expect of it is no evidence of how it acts.
    pub fn contrasts(&self) -> Vec<Contrast> {
        let mut all = self.once();
        all.retain(|candidate| !candidate.estimated);
        let whole: BTreeMap<(usize, &[u32]), usize> =
            all.iter().enumerate().map(|(at, candidate)| ((candidate.task, &*candidate.ids), at)).collect();
        // Two prefixes that differ in one place are equal once the token there is left out.
        let mut holed: BTreeMap<(usize, usize, Vec<u32>), Vec<usize>> = BTreeMap::new();
        let mut pairs = BTreeSet::new();
        for (at, candidate) in all.iter().enumerate() {
            for hole in 0..candidate.ids.len() {
                let rest = [&candidate.ids[..hole], &candidate.ids[hole + 1..]].concat();
                pairs.extend(whole.get(&(candidate.task, &*rest)).map(|&shorter| (shorter, at)));
                let alike = holed.entry((candidate.task, hole, rest)).or_default();
                pairs.extend(alike.iter().map(|&other| (other, at)));
                alike.push(at);
            }
        }
        let mut contrasts: Vec<Contrast> = pairs.into_iter().filter_map(|(a, b)| contrast(all[a], all[b])).collect();
        contrasts.sort_by(|a, b| {
            b.ce_difference
                .total_cmp(&a.ce_difference)
                .then_with(|| a.better.ids.cmp(&b.better.ids))
                .then_with(|| a.worse.ids.cmp(&b.worse.ids))
        });
        contrasts
    }

    /// Each candidate once for each set of suffixes, as that which says most of it: a score, else a bound, the higher
    /// the better, else the latest estimate.
    fn once(&self) -> Vec<&Evaluated> {
        let mut once: BTreeMap<(usize, &[u32]), &Evaluated> = BTreeMap::new();
        for candidate in &self.candidates {
            let place = once.entry((candidate.task, &candidate.ids)).or_insert(candidate);
            let weak = |it: &Evaluated| (it.dropped, it.estimated);
            let says_more = match weak(candidate).cmp(&weak(place)) {
                Ordering::Equal if candidate.estimated => true,
                Ordering::Equal => candidate.dropped && candidate.ce_train > place.ce_train,
                weaker => weaker.is_lt(),
            };
            if says_more {
                *place = candidate;
            }
        }
        once.into_values().collect()
    }

    fn scored_once(&self) -> Vec<&Evaluated> {
        let mut scored = self.once();
        scored.retain(|candidate| !candidate.dropped);
        scored
    }
}

fn contrast(a: &Evaluated, b: &Evaluated) -> Option<Contrast> {
    let (better, worse) = if a.ce_train <= b.ce_train { (a, b) } else { (b, a) };
    // Of a bound below, nothing is known but that the other may be the better one.
    let known = !better.dropped;
    let ce_difference = worse.ce_train - better.ce_train;
    known.then(|| Contrast { better: better.clone(), worse: worse.clone(), ce_difference })
}
