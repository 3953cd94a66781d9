//! The losses of soft prompts: each one's gradient is the slope of its value, on every backend's own numbers.

// Helpers of tests may panic as tests do; clippy only knows functions marked as tests.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../../shared/tests/conformance/goldens.rs"]
mod goldens;

use candle_core::{Device, Tensor};
use goldens::named;
use shared::spec::Split;
use std::sync::Arc;
use worker::backend::{Backend, CandleBackend, CpuBackend};
use worker::control::Control;
use worker::objective::{Cosine, Feature, Loss, Objective, PrefixInput, SuffixTarget};
use worker::planner::Plan;

const GOLDENS: [&str; 2] = ["mha-tied", "gemma2-window"];
const REFERENCE: [u32; 4] = [5, 17, 40, 61];

fn objective(backend: Box<dyn Backend>) -> Objective {
    let targets = (0..5u32).map(|index| SuffixTarget {
        split: Split::Train,
        text: index.to_string(),
        tail: (0..4 + index % 3).map(|at| (index * 7 + at * 3) % 90).collect(),
        tail_none: vec![3],
        completion: (0..2 + index % 4).map(|at| (index * 11 + at * 5) % 90).collect(),
    });
    let plan = Plan::unbounded();
    let control = Arc::new(Control::new());
    Objective::new(backend, plan, &[1, 2], targets.collect(), (2, 3.0), Vec::new(), control).unwrap()
}

/// All losses, with what they need to know of the reference.
fn losses(objective: &Objective) -> Vec<(&'static str, Loss)> {
    let all: Vec<usize> = (0..5).collect();
    let reference = PrefixInput::Ids(REFERENCE.to_vec());
    let hidden = objective.backend().config().hidden_size;
    let encoder: Vec<f32> = (0..hidden).map(|at| (at as f32 * 0.7).sin()).collect();
    vec![
        ("cross-entropy", Loss::CrossEntropy),
        ("all of the teacher", Loss::Distributions(objective.distributions(&reference, &all, 10_000).unwrap())),
        ("the teacher's top 5", Loss::Distributions(objective.distributions(&reference, &all, 5).unwrap())),
        (
            "cosine",
            // One layer alone may not look back as far as the prefix: Gemma 2 has a window.
            Loss::Residual {
                layer: 2,
                of: Box::new(Cosine { reference: objective.residual_streams(&reference, &all, 2).unwrap() }),
            },
        ),
        (
            "feature",
            Loss::Residual {
                layer: 2,
                of: Box::new(Feature { encoder: Tensor::new(encoder, &Device::Cpu).unwrap(), bias: 0.25 }),
            },
        ),
    ]
}

#[test]
fn gradients_are_the_slopes_of_their_losses() {
    let all: Vec<usize> = (0..5).collect();
    for golden in GOLDENS {
        let objective = objective(Box::new(CpuBackend::new(named(golden).load().model).unwrap()));
        for (name, loss) in losses(&objective) {
            let at = (objective.backend().embed(&[9, 33, 70]).unwrap() * 1.3).unwrap();
            let slope = objective.slope(&loss, &at, &all).unwrap();
            let value = |embeds: &Tensor| objective.loss(&loss, embeds, &all).unwrap();
            assert!((slope.loss - value(&at)).abs() < 1e-5, "{name} of {golden}: {} and {}", slope.loss, value(&at));
            let size = slope.gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
            assert!(size > 1e-4, "{name} of {golden}: the gradient vanishes");
            // Along the gradient the slope is its length; a step is small beside the embeddings.
            let direction = (&slope.gradient / f64::from(size)).unwrap();
            let scale = at.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
            let h = 0.03 * f64::from(scale);
            let moved = |h: f64| value(&(&at + (&direction * h).unwrap()).unwrap());
            let measured = (moved(h) - moved(-h)) / (2.0 * h);
            let error = (measured / f64::from(size) - 1.0).abs();
            assert!(error < 0.03, "{name} of {golden}: slope {measured}, gradient {size}");
        }
    }
}

/// Under the reference itself nothing is left to gain: the divergence and the distance are 0.
#[test]
fn the_reference_is_the_best_that_there_is() {
    let all: Vec<usize> = (0..5).collect();
    let objective = objective(Box::new(CpuBackend::new(named("mha-tied").load().model).unwrap()));
    let reference = objective.backend().embed(&REFERENCE).unwrap();
    let other = objective.backend().embed(&[9, 33, 70, 2]).unwrap();
    for (name, loss) in losses(&objective) {
        let (best, worse) =
            (objective.loss(&loss, &reference, &all).unwrap(), objective.loss(&loss, &other, &all).unwrap());
        if matches!(name, "cosine" | "all of the teacher" | "the teacher's top 5") {
            assert!(best < worse, "{name}: {best} under the reference, {worse} under another prefix");
            let slope = objective.slope(&loss, &reference, &all).unwrap();
            let size = slope.gradient.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
            assert!(size < 1e-2, "{name}: a slope of {size} at the reference");
        }
        if name == "cosine" {
            assert!(best.abs() < 1e-5, "{best}");
        }
    }
}

#[test]
fn every_backend_has_the_same_losses() {
    let all: Vec<usize> = (0..5).collect();
    for golden in GOLDENS {
        let cpu = objective(Box::new(CpuBackend::new(named(golden).load().model).unwrap()));
        let candle = objective(Box::new(CandleBackend::new(named(golden).load().model)));
        let at = cpu.backend().embed(&[9, 33, 70]).unwrap();
        for ((name, ours), (_, theirs)) in losses(&cpu).into_iter().zip(losses(&candle)) {
            let (ours, theirs) = (cpu.slope(&ours, &at, &all).unwrap(), candle.slope(&theirs, &at, &all).unwrap());
            assert!((ours.loss - theirs.loss).abs() < 1e-3, "{name} of {golden}: {} and {}", ours.loss, theirs.loss);
            let error = goldens::relative_error(&ours.gradient, &theirs.gradient);
            assert!(error < 2e-3, "{name} of {golden}: relative error {error}");
        }
    }
}
