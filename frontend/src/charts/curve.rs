//! The curves of a run as a chart draws them: by stage, with few enough points.

use super::downsample::downsample;
use super::scale::padded_domain;
use shared::event::PerSplit;
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

/// How the curves are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// What the horizontal axis counts.
    pub axis: Axis,
    /// Whether the vertical axis is logarithmic.
    pub log: bool,
    /// The part of the horizontal axis that is shown; all of it where there is none.
    pub zoom: Option<(f64, f64)>,
    /// Lines that are shown.
    pub shown: Shown,
    /// The one stage whose points are shown; all of them where there is none.
    pub stage: Option<usize>,
}

/// Which lines are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// Of the train suffixes.
    pub train: bool,
    /// Of the validation suffixes.
    pub validation: bool,
    /// Without prefix, under random ones and under the reference, of those two that are shown.
    pub baselines: bool,
}

impl Default for View {
    fn default() -> Self {
        let shown = Shown { train: true, validation: true, baselines: true };
        View { axis: Axis::Evaluations, log: false, zoom: None, shown, stage: None }
    }
}

/// A stage's part of the curves.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Index of the stage.
    pub stage: usize,
    /// What places are counted in.
    pub axis: Axis,
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
    /// Under random prefixes, where these were measured.
    pub random: PerSplit,
    /// Extent of the horizontal axis.
    pub x: (f64, f64),
    /// Extent of the vertical axis.
    pub y: (f64, f64),
    /// Train points that are drawn.
    pub drawn_points: usize,
    /// Train points that there are.
    pub total_points: usize,
}

impl Curves {
    /// Train points inside the horizontal axis.
    pub fn visible_train(&self) -> impl Iterator<Item = &CurvePoint> {
        let (low, high) = self.x;
        let inside = move |segment: &Segment, point: &CurvePoint| (low..=high).contains(&segment.axis.of(point));
        self.segments.iter().flat_map(move |segment| segment.train.iter().filter(move |point| inside(segment, point)))
    }
}

/// Prepares a run's curves; none before the first point, or where nothing is shown.
pub fn curves(state: &RunState, view: View, max_points: usize) -> Option<Curves> {
    let View { axis, zoom, shown, .. } = view;
    let curve = of_stage(&state.curve, view.stage);
    let ends = [curve.first()?, curve.last()?].map(|point| axis.of(point));
    // One point alone has no extent; it stands at the left end.
    let whole = (ends[0], if ends[1] > ends[0] { ends[1] } else { ends[0] + 1.0 });
    let x = zoom.map(|(low, high)| (low.max(whole.0), high.min(whole.1))).filter(|(low, high)| low < high);
    let x = x.unwrap_or(whole);
    let points = within(curve, axis, x);
    let total_points = points.len();
    let segments: Vec<Segment> = points
        .chunk_by(|a, b| a.stage == b.stage)
        .map(|points| {
            let budget = max_points * points.len() / total_points;
            let measured: Vec<CurvePoint> =
                points.iter().filter(|point| point.ce_validation.is_some()).copied().collect();
            let stage = points[0].stage;
            Segment {
                stage,
                axis,
                title: state.stages.get(stage).map(|stage| stage.plan.title.clone()).unwrap_or_default(),
                start: axis.of(&points[0]),
                train: downsample(points, budget, |point| point.ce_train),
                validation: downsample(&measured, budget, |point| point.ce_validation.unwrap_or_default()),
            }
        })
        .collect();
    let (train, validation) = (state.baseline(Split::Train), state.baseline(Split::Validation));
    let random = state.result.as_ref().map(|result| result.ce.random).unwrap_or_default();
    let lines = [
        (train.filter(|_| shown.train), random.train.filter(|_| shown.train)),
        (validation.filter(|_| shown.validation), random.validation.filter(|_| shown.validation)),
    ];
    let lines = lines.into_iter().filter(|_| shown.baselines);
    let lines = lines.flat_map(|(line, random)| {
        line.map(|line| [line.ce_none, line.ce_reference]).into_iter().flatten().chain(random)
    });
    let values = segments.iter().flat_map(|segment| {
        let train = segment.train.iter().filter(|_| shown.train).map(|point| point.ce_train);
        let validation = segment.validation.iter().filter(|_| shown.validation);
        train.chain(validation.filter_map(|point| point.ce_validation))
    });
    let y = extent(values.chain(lines), view.log)?;
    let drawn_points = segments.iter().map(|segment| segment.train.len()).sum();
    Some(Curves { segments, train, validation, random, x, y, drawn_points, total_points })
}

/// The points of one stage, which follow each other, or all.
fn of_stage(points: &[CurvePoint], stage: Option<usize>) -> &[CurvePoint] {
    let Some(stage) = stage else { return points };
    let first = points.iter().position(|point| point.stage == stage).unwrap_or(points.len());
    let count = points[first..].iter().take_while(|point| point.stage == stage).count();
    &points[first..first + count]
}

/// The points inside a part of the axis, and one more on either side, so that lines lead out of it.
fn within(points: &[CurvePoint], axis: Axis, (low, high): (f64, f64)) -> &[CurvePoint] {
    let first = points.partition_point(|point| axis.of(point) < low);
    let end = points.partition_point(|point| axis.of(point) <= high);
    &points[first.saturating_sub(1)..(end + 1).min(points.len())]
}

/// The vertical extent, with air above and below: on a log scale equal ratios.
fn extent(values: impl Iterator<Item = f64>, log: bool) -> Option<(f64, f64)> {
    const AIR: f64 = 0.06;
    if !log {
        return padded_domain(values, AIR);
    }
    let (low, high) = padded_domain(values.filter(|value| *value > 0.0).map(f64::ln), AIR)?;
    Some((low.exp(), high.exp()))
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

    fn seconds() -> View {
        View { axis: Axis::Seconds, ..View::default() }
    }

    #[test]
    fn a_zoom_shows_its_part_and_fits_it() {
        let state = state(&[20, 30]);
        let whole = curves(&state, View::default(), 400).unwrap();
        let zoom = |from, to| curves(&state, View { zoom: Some((from, to)), ..View::default() }, 400).unwrap();
        let part = zoom(100.0, 250.0);
        assert_eq!(part.x, (100.0, 250.0));
        assert_eq!(part.visible_train().count(), 16);
        assert_eq!(part.total_points, 18, "one more on either side");
        // What lies outside of the run is not shown, and nothing is no zoom.
        assert_eq!(zoom(-50.0, 1e9).x, whole.x);
        assert_eq!(zoom(9e8, 1e9).x, whole.x);
    }

    #[test]
    fn what_is_hidden_takes_no_room() {
        let state = state(&[20]);
        let shown = |train, validation| Shown { train, validation, baselines: true };
        let of = |shown| curves(&state, View { shown, ..View::default() }, 400);
        assert!(of(shown(true, false)).unwrap().y.1 < 2.1, "the validation curve is at 2.5");
        assert!(of(shown(false, true)).unwrap().y.0 > 2.0);
        assert!(of(shown(false, false)).is_none());
        let log = curves(&state, View { log: true, ..View::default() }, 400).unwrap();
        assert!(log.y.0 > 0.0 && log.y.0 < 2.0 && log.y.1 > 2.5, "{:?}", log.y);
    }

    #[test]
    fn stages_stay_apart() {
        let curves = curves(&state(&[20, 1, 30]), View::default(), 400).unwrap();
        let parts: Vec<_> =
            curves.segments.iter().map(|part| (part.title.as_str(), part.train.len(), part.start)).collect();
        assert_eq!(parts, [("stage 0", 20, 10.0), ("stage 1", 1, 210.0), ("stage 2", 30, 220.0)]);
        assert_eq!((curves.drawn_points, curves.total_points), (51, 51));
        assert_eq!(curves.segments[2].validation.len(), 3);
        assert_eq!(curves.x, (10.0, 510.0));
    }

    #[test]
    fn one_stage_alone_fits_its_own_axes() {
        let state = state(&[20, 5, 30]);
        let of = |stage| curves(&state, View { stage: Some(stage), ..View::default() }, 400);
        let second = of(1).unwrap();
        assert_eq!((second.x, second.total_points, second.segments.len()), ((210.0, 250.0), 5, 1));
        assert!(of(3).is_none(), "there is no such stage");
    }

    #[test]
    fn ten_thousand_points_are_thinned() {
        let curves = curves(&state(&[5_000, 5_000]), seconds(), 400).unwrap();
        assert!(curves.drawn_points <= 400, "{}", curves.drawn_points);
        assert_eq!(curves.total_points, 10_000);
        assert!(curves.y.0 < 1.9 && curves.y.1 > 2.5, "validation is inside: {:?}", curves.y);
    }

    #[test]
    fn one_point_has_an_axis() {
        let curves = curves(&state(&[1]), View::default(), 400).unwrap();
        assert_eq!((curves.x, curves.drawn_points), ((10.0, 11.0), 1));
        assert!(curves.y.0 < curves.y.1);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(curves(&RunState::default(), seconds(), 400), None);
    }
}
