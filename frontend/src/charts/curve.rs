//! The curves of a run as a chart draws them: by stage, with few enough points.

use super::downsample::downsample;
use super::scale::padded_domain;
use shared::spec::Split;
use shared::state::{Baseline, CurvePoint, RunState};

/// What the horizontal axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Forwards of one candidate with one suffix.
    Evaluations,
    /// Seconds since a job took the run up.
    Seconds,
}

impl Axis {
    /// The place of a point.
    pub fn of(self, point: &CurvePoint) -> f64 {
        match self {
            Axis::Evaluations => point.evaluations as f64,
            Axis::Seconds => point.elapsed_secs,
        }
    }

    /// The axis' title with its unit.
    pub fn title(self) -> &'static str {
        match self {
            Axis::Evaluations => "Evaluations (candidate × suffix)",
            Axis::Seconds => "Time since the start (seconds)",
        }
    }
}

/// A stage's part of the curves.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Index of the stage.
    pub stage: usize,
    /// Name of the stage on screen.
    pub title: String,
    /// Where the stage's first point is.
    pub start: f64,
    /// Points of the train curve.
    pub train: Vec<CurvePoint>,
    /// Points of the validation curve.
    pub validation: Vec<CurvePoint>,
}

/// Everything that the chart draws.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// By stage, in order.
    pub segments: Vec<Segment>,
    /// Baselines of the train suffixes.
    pub train: Option<Baseline>,
    /// Baselines of the validation suffixes.
    pub validation: Option<Baseline>,
    /// Extent of the horizontal axis.
    pub x: (f64, f64),
    /// Extent of the vertical axis.
    pub y: (f64, f64),
    /// Train points that are drawn.
    pub drawn_points: usize,
    /// Train points that there are.
    pub total_points: usize,
}

/// Prepares a run's curves; none before the first point.
pub fn curves(state: &RunState, axis: Axis, max_points: usize) -> Option<Curves> {
    let total_points = state.curve.len();
    let segments: Vec<Segment> = state
        .curve
        .chunk_by(|a, b| a.stage == b.stage)
        .map(|points| {
            let budget = max_points * points.len() / total_points;
            let measured: Vec<CurvePoint> =
                points.iter().filter(|point| point.ce_validation.is_some()).copied().collect();
            let stage = points[0].stage;
            Segment {
                stage,
                title: state.stages.get(stage).map(|stage| stage.plan.title.clone()).unwrap_or_default(),
                start: axis.of(&points[0]),
                train: downsample(points, budget, |point| point.ce_train),
                validation: downsample(&measured, budget, |point| point.ce_validation.unwrap_or_default()),
            }
        })
        .collect();
    let (train, validation) = (state.baseline(Split::Train), state.baseline(Split::Validation));
    let lines = [train, validation].into_iter().flatten().flat_map(|line| [line.ce_none, line.ce_reference]);
    let values = segments.iter().flat_map(|segment| {
        let validation = segment.validation.iter().filter_map(|point| point.ce_validation);
        segment.train.iter().map(|point| point.ce_train).chain(validation)
    });
    let y = padded_domain(values.chain(lines), 0.06)?;
    let ends = [state.curve.first()?, state.curve.last()?].map(|point| axis.of(point));
    // One point alone has no extent; it stands at the left end.
    let x = (ends[0], if ends[1] > ends[0] { ends[1] } else { ends[0] + 1.0 });
    let drawn_points = segments.iter().map(|segment| segment.train.len()).sum();
    Some(Curves { segments, train, validation, x, y, drawn_points, total_points })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::StagePlan;
    use shared::event::{Event, ModelCard, Stamped};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn state(stages: &[usize]) -> RunState {
        let mut events = vec![Event::Started {
            model: ModelCard {
                name: "m".to_owned(),
                architecture: "llama".to_owned(),
                sha256: None,
                vocab_size: 1,
                context_length: 1,
            },
            stages: (0..stages.len())
                .map(|stage| StagePlan { kind: String::new(), title: format!("stage {stage}"), total_steps: 1 })
                .collect(),
            reference: Vec::new(),
        }];
        let mut evaluations = 0;
        for (stage, &points) in stages.iter().enumerate() {
            for step in 0..points {
                evaluations += 10;
                events.push(Event::Objective {
                    stage,
                    step,
                    evaluations,
                    ce_train: 2.0 - evaluations as f64 * 1e-5,
                    ce_validation: step.is_multiple_of(10).then_some(2.5),
                });
            }
        }
        let mut state = RunState::default();
        for (seq, event) in (1..).zip(events) {
            state.apply(&Stamped { run: "r".to_owned(), epoch: 1, seq, at_unix_ms: seq * 1000, event });
        }
        state
    }

    #[test]
    fn stages_stay_apart() {
        let curves = curves(&state(&[20, 1, 30]), Axis::Evaluations, 400).unwrap();
        let parts: Vec<_> =
            curves.segments.iter().map(|part| (part.title.as_str(), part.train.len(), part.start)).collect();
        assert_eq!(parts, [("stage 0", 20, 10.0), ("stage 1", 1, 210.0), ("stage 2", 30, 220.0)]);
        assert_eq!((curves.drawn_points, curves.total_points), (51, 51));
        assert_eq!(curves.segments[2].validation.len(), 3);
        assert_eq!(curves.x, (10.0, 510.0));
    }

    #[test]
    fn ten_thousand_points_are_thinned() {
        let curves = curves(&state(&[5_000, 5_000]), Axis::Seconds, 400).unwrap();
        assert!(curves.drawn_points <= 400, "{}", curves.drawn_points);
        assert_eq!(curves.total_points, 10_000);
        assert!(curves.y.0 < 1.9 && curves.y.1 > 2.5, "validation is inside: {:?}", curves.y);
    }

    #[test]
    fn one_point_has_an_axis() {
        let curves = curves(&state(&[1]), Axis::Evaluations, 400).unwrap();
        assert_eq!((curves.x, curves.drawn_points), ((10.0, 11.0), 1));
        assert!(curves.y.0 < curves.y.1);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(curves(&RunState::default(), Axis::Seconds, 400), None);
    }
}
