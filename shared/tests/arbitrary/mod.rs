//! Any value of the types that go over the wire and into the log.
//!
//! Every struct is written out, so that a new field fails to compile here until it is generated too.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use shared::event::{
    Adherence, Agreement, Candidate, Completion, CrossEntropies, ErrorBody, Event, Flip, Interval, ModelCard, PerSplit,
    Prefix, RunResult, StagePlan, Stamped, SuffixBaseline, SuffixEvaluation, TestIntervals, TokenPiece,
};
use shared::nontriviality::{Finding, Rule, Span, Verdict};
use shared::spec::{Budget, Constraints, ParamValue, RunSpec, Split, StageSpec, SuffixSpec};
use shared::verdict::{LexicalAdherence, PerPrefix, Rate, Sampled, Transfer};

/// Place of an event's variant in [`event`]'s list; a new variant fails to compile here.
pub fn variant(event: &Event) -> usize {
    match event {
        Event::Queued { .. } => 0,
        Event::Started { .. } => 1,
        Event::StageStarted { .. } => 2,
        Event::Progress { .. } => 3,
        Event::SuffixMeasured { .. } => 4,
        Event::Objective { .. } => 5,
        Event::Candidates { .. } => 6,
        Event::Flip { .. } => 7,
        Event::Prefix { .. } => 8,
        Event::StageFinished { .. } => 9,
        Event::SuffixEvaluated { .. } => 10,
        Event::Finished { .. } => 11,
        Event::Cancelled {} => 12,
        Event::Failed { .. } => 13,
        Event::Interrupted {} => 14,
        Event::Paused {} => 15,
        Event::Resumed {} => 16,
        Event::Finishing {} => 17,
        Event::Pausing {} => 18,
    }
}

/// Strategies of all variants, in the order of [`variant`].
pub fn events() -> Vec<BoxedStrategy<Event>> {
    let stage = 0..4usize;
    vec![
        spec().prop_map(|spec| Event::Queued { spec: Box::new(spec) }).boxed(),
        (model_card(), vec(stage_plan(), 0..4), tokens())
            .prop_map(|(model, stages, reference)| Event::Started { model, stages, reference })
            .boxed(),
        stage.clone().prop_map(|stage| Event::StageStarted { stage }).boxed(),
        (stage.clone(), count(), count())
            .prop_map(|(stage, step, total_steps)| Event::Progress { stage, step, total_steps })
            .boxed(),
        suffix_baseline().prop_map(|suffix| Event::SuffixMeasured { suffix }).boxed(),
        (stage.clone(), count(), any::<u64>(), real(), option::of(real()))
            .prop_map(|(stage, step, evaluations, ce_train, ce_validation)| Event::Objective {
                stage,
                step,
                evaluations,
                ce_train,
                ce_validation,
            })
            .boxed(),
        (stage.clone(), count(), vec(candidate(), 0..3))
            .prop_map(|(stage, step, candidates)| Event::Candidates { stage, step, candidates })
            .boxed(),
        flip().prop_map(|flip| Event::Flip { flip }).boxed(),
        (stage.clone(), count(), prefix(), real(), option::of(real()))
            .prop_map(|(stage, step, prefix, ce_train, ce_validation)| Event::Prefix {
                stage,
                step,
                prefix,
                ce_train,
                ce_validation,
            })
            .boxed(),
        (stage, text()).prop_map(|(stage, summary)| Event::StageFinished { stage, summary }).boxed(),
        suffix_evaluation().prop_map(|suffix| Event::SuffixEvaluated { suffix }).boxed(),
        result().prop_map(|result| Event::Finished { result: Box::new(result) }).boxed(),
        Just(Event::Cancelled {}).boxed(),
        error().prop_map(|error| Event::Failed { error }).boxed(),
        Just(Event::Interrupted {}).boxed(),
        Just(Event::Paused {}).boxed(),
        Just(Event::Resumed {}).boxed(),
        Just(Event::Finishing {}).boxed(),
        Just(Event::Pausing {}).boxed(),
    ]
}

/// Any event.
pub fn event() -> impl Strategy<Value = Event> {
    proptest::strategy::Union::new(events())
}

/// The log of one run: any events in any order, stamped without gaps in one epoch after another.
pub fn log() -> impl Strategy<Value = Vec<Stamped>> {
    (text(), vec(vec((event(), 0..10_000u64), 0..24), 1..4)).prop_map(|(run, epochs)| {
        let mut at_unix_ms = 1_700_000_000_000;
        let mut log = Vec::new();
        for (epoch, events) in (1..).zip(epochs) {
            for (seq, (event, passed_ms)) in (1..).zip(events) {
                at_unix_ms += passed_ms;
                log.push(Stamped { run: run.clone(), epoch, seq, at_unix_ms, event });
            }
        }
        log
    })
}

/// Any spec, valid or not.
pub fn spec() -> impl Strategy<Value = RunSpec> {
    let lengths = (count(), count(), count(), real());
    let parts = (suffix_spec(), constraints(), budget(), vec(stage_spec(), 0..3));
    (text(), text(), text(), text(), any::<u64>(), lengths, parts).prop_map(
        |(preset, model, teacher, separator, seed, lengths, (suffixes, constraints, budget, stages))| RunSpec {
            preset,
            model,
            teacher,
            separator,
            seed,
            prefix_tokens: lengths.0,
            max_completion_tokens: lengths.1,
            early_k: lengths.2,
            early_weight: lengths.3,
            suffixes,
            constraints,
            budget,
            stages,
        },
    )
}

/// An error with or without its optional parts.
pub fn error() -> impl Strategy<Value = ErrorBody> {
    (text(), text(), option::of(text()), option::of(text())).prop_map(|(code, message, hint, field)| ErrorBody {
        code,
        message,
        hint,
        field,
    })
}

/// Any value of a stage parameter.
pub fn param_value() -> impl Strategy<Value = ParamValue> {
    prop_oneof![
        any::<bool>().prop_map(ParamValue::Switch),
        any::<i64>().prop_map(ParamValue::Integer),
        real().prop_map(ParamValue::Real),
        text().prop_map(ParamValue::Text),
    ]
}

/// A few characters, with those among them that JSON must escape.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z ]{0,6}", 1 => any::<String>()]
}

/// A finite number: JSON has no other.
pub fn real() -> impl Strategy<Value = f64> {
    prop_oneof![
        2 => -100.0..100.0f64,
        1 => (-5..5i32).prop_map(f64::from),
        1 => prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
    ]
}

/// A length or a number of steps.
pub fn count() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..100usize, 1 => any::<u32>().prop_map(|n| n as usize)]
}

fn split() -> impl Strategy<Value = Split> {
    select(Split::ALL.to_vec())
}

fn suffix_spec() -> impl Strategy<Value = SuffixSpec> {
    (text(), count(), count(), count(), vec(text(), 0..3), vec(split(), 0..3), option::of(real())).prop_map(
        |(set, train, validation, test, texts, splits, min_steerability)| SuffixSpec {
            set,
            train,
            validation,
            test,
            texts,
            splits,
            min_steerability,
        },
    )
}

fn constraints() -> impl Strategy<Value = Constraints> {
    (any::<bool>(), vec(text(), 0..3), any::<bool>(), real(), real(), count()).prop_map(
        |(
            ban_reference_tokens,
            ban_concepts,
            reference_script_only,
            max_token_overlap,
            min_edit_distance,
            max_common_substring_chars,
        )| Constraints {
            ban_reference_tokens,
            ban_concepts,
            reference_script_only,
            max_token_overlap,
            min_edit_distance,
            max_common_substring_chars,
        },
    )
}

fn budget() -> impl Strategy<Value = Budget> {
    (option::of(any::<u64>()), option::of(real())).prop_map(|(evaluations, seconds)| Budget { evaluations, seconds })
}

fn stage_spec() -> impl Strategy<Value = StageSpec> {
    // A parameter cannot be called as the field beside it.
    let name = "[a-z_]{1,6}".prop_filter("taken", |name| name != "kind");
    (text(), btree_map(name, param_value(), 0..3)).prop_map(|(kind, params)| StageSpec { kind, params })
}

fn model_card() -> impl Strategy<Value = ModelCard> {
    (text(), text(), option::of(text()), count(), count()).prop_map(
        |(name, architecture, sha256, vocab_size, context_length)| ModelCard {
            name,
            architecture,
            sha256,
            vocab_size,
            context_length,
        },
    )
}

fn stage_plan() -> impl Strategy<Value = StagePlan> {
    (text(), text(), count()).prop_map(|(kind, title, total_steps)| StagePlan { kind, title, total_steps })
}

fn token() -> impl Strategy<Value = TokenPiece> {
    (any::<u32>(), text()).prop_map(|(id, text)| TokenPiece { id, text })
}

fn tokens() -> impl Strategy<Value = Vec<TokenPiece>> {
    vec(token(), 0..4)
}

fn prefix() -> impl Strategy<Value = Prefix> {
    (text(), tokens()).prop_map(|(text, tokens)| Prefix { text, tokens })
}

fn candidate() -> impl Strategy<Value = Candidate> {
    (vec(any::<u32>(), 0..4), real(), any::<bool>(), any::<bool>())
        .prop_map(|(ids, ce_train, dropped, estimated)| Candidate { ids, ce_train, dropped, estimated })
}

fn flip() -> impl Strategy<Value = Flip> {
    let place = (count(), count(), count());
    (place, token(), token(), real(), real(), any::<bool>(), option::of(text())).prop_map(
        |((stage, step, position), old, new, ce_before, ce_after, accepted, reason)| Flip {
            stage,
            step,
            position,
            old,
            new,
            ce_before,
            ce_after,
            accepted,
            reason,
        },
    )
}

fn completion() -> impl Strategy<Value = Completion> {
    (text(), vec(any::<u32>(), 0..4), vec(text(), 0..4)).prop_map(|(text, ids, pieces)| Completion {
        text,
        ids,
        pieces,
    })
}

fn suffix_baseline() -> impl Strategy<Value = SuffixBaseline> {
    let nll = || vec(real(), 0..4);
    (count(), split(), text(), completion(), real(), real(), (real(), any::<bool>()), (nll(), nll())).prop_map(
        |(index, split, text, reference, ce_none, ce_reference, (weight, dominated), (nll_none, nll_reference))| {
            SuffixBaseline {
                index,
                split,
                text,
                reference,
                ce_none,
                ce_reference,
                weight,
                dominated,
                nll_none,
                nll_reference,
            }
        },
    )
}

fn agreement() -> impl Strategy<Value = Agreement> {
    (any::<bool>(), count(), any::<bool>(), real(), option::of(count())).prop_map(
        |(exact, k, exact_at_k, overlap_at_k, first_divergence)| Agreement {
            exact,
            k,
            exact_at_k,
            overlap_at_k,
            first_divergence,
        },
    )
}

fn suffix_evaluation() -> impl Strategy<Value = SuffixEvaluation> {
    let tokens = (option::of(real()), vec(real(), 0..4));
    (count(), real(), completion(), completion(), agreement(), (real(), real()), tokens).prop_map(
        |(index, ce, completion, completion_none, agreement, ratios, (ce_projected, nll))| {
            let (log_likelihood_ratio, log_likelihood_ratio_none) = ratios;
            SuffixEvaluation {
                index,
                ce,
                completion,
                completion_none,
                agreement,
                log_likelihood_ratio,
                log_likelihood_ratio_none,
                ce_projected,
                nll,
            }
        },
    )
}

fn per_split() -> impl Strategy<Value = PerSplit> {
    let number = || option::of(real());
    (number(), number(), number()).prop_map(|(train, validation, test)| PerSplit { train, validation, test })
}

fn cross_entropies() -> impl Strategy<Value = CrossEntropies> {
    (per_split(), per_split(), per_split(), per_split(), per_split(), per_split()).prop_map(
        |(none, reference, random, soft, projected, final_)| CrossEntropies {
            none,
            reference,
            random,
            soft,
            projected,
            final_,
        },
    )
}

fn rule() -> impl Strategy<Value = Rule> {
    select(vec![
        Rule::TokenClasses,
        Rule::ReferenceTokens,
        Rule::Concepts,
        Rule::Script,
        Rule::TokenOverlap,
        Rule::EditDistance,
        Rule::CommonSubstring,
        Rule::RoundTrip,
    ])
}

fn finding() -> impl Strategy<Value = Finding> {
    let span = (count(), count()).prop_map(|(start_byte, end_byte)| Span { start_byte, end_byte });
    (rule(), any::<bool>(), text(), text(), option::of(span))
        .prop_map(|(rule, passed, evidence, bound, span)| Finding { rule, passed, evidence, bound, span })
}

fn per_prefix() -> impl Strategy<Value = PerPrefix> {
    let number = || option::of(real());
    (number(), number(), number()).prop_map(|(none, reference, found)| PerPrefix { none, reference, found })
}

fn lexical_adherence() -> impl Strategy<Value = LexicalAdherence> {
    let interval = || option::of((real(), real()).prop_map(|(low, high)| Interval { low, high }));
    let rate = || (real(), interval()).prop_map(|(share, interval)| Rate { share, interval });
    (text(), rate(), rate(), rate()).prop_map(|(rule, none, reference, found)| LexicalAdherence {
        rule,
        none,
        reference,
        found,
    })
}

fn sampled() -> impl Strategy<Value = Sampled> {
    let settings = (count(), real(), count(), real());
    (settings, per_prefix(), per_prefix(), per_prefix()).prop_map(
        |((samples, temperature, top_k, top_p), adherence, lexical_adherence, reverse_kl)| Sampled {
            samples,
            temperature,
            top_k,
            top_p,
            adherence,
            lexical_adherence,
            reverse_kl,
        },
    )
}

fn transfer() -> impl Strategy<Value = Transfer> {
    (text(), option::of(real()), real(), real(), real()).prop_map(
        |(name, gap_closed, ce_none, ce_reference, ce_final)| Transfer {
            name,
            gap_closed,
            ce_none,
            ce_reference,
            ce_final,
        },
    )
}

fn result() -> impl Strategy<Value = RunResult> {
    let shares = (per_split(), per_split(), per_split(), per_split());
    let interval = || option::of((real(), real()).prop_map(|(low, high)| Interval { low, high }));
    let intervals = (count(), interval(), interval(), interval(), interval()).prop_map(
        |(suffixes, gap_closed, exact, exact_at_k, adherence)| TestIntervals {
            suffixes,
            gap_closed,
            exact,
            exact_at_k,
            adherence,
        },
    );
    let adherence = (per_split(), per_split(), per_split()).prop_map(|(none, reference, found)| Adherence {
        none,
        reference,
        found,
    });
    let verdict = (any::<bool>(), vec(finding(), 0..3)).prop_map(|(passed, findings)| Verdict { passed, findings });
    let judged = (per_prefix(), per_prefix(), option::of(lexical_adherence()), option::of(sampled()));
    let more = (judged, vec(transfer(), 0..3), any::<u64>());
    (prefix(), cross_entropies(), shares, (adherence, intervals), verdict, any::<u64>(), more).prop_map(
        |(
            prefix,
            ce,
            (gap_closed, exact, exact_at_k, overlap_at_k),
            (adherence, test_intervals),
            nontriviality,
            evaluations,
            ((forward_kl, argmax_agreement, lexical_adherence, sampled), transfer, candidates_scored),
        )| {
            RunResult {
                prefix,
                ce,
                gap_closed,
                exact,
                exact_at_k,
                overlap_at_k,
                adherence,
                test_intervals,
                forward_kl,
                argmax_agreement,
                lexical_adherence,
                sampled,
                transfer,
                nontriviality,
                candidates_scored,
                evaluations,
                evaluations_saved: evaluations / 3,
            }
        },
    )
}
