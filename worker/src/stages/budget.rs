//! What a stage may spend: the spec's budget, shared out among the stages.

use super::params::real;
use shared::catalogue::ParamDeclaration;
use shared::spec::Budget;
use std::time::Duration;

/// Name of the parameter by which a stage leaves something for those after it.
pub const SHARE: &str = "budget_share";

/// Declares the share of what is left of the budget that the stage may spend.
pub fn share(default: f64) -> ParamDeclaration {
    let help =
        "Share of what is left of the run's budget that this stage may spend; without a budget it has no effect.";
    real(SHARE, "", (0.0, 1.0), default, help)
}

/// Says when the current stage has spent what it may. It has no clock of its own: it is told how long the run has
/// worked, in which a pause does not count.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Evaluations of the run at which the budget is spent.
    end_evaluations: Option<u64>,
    /// After how much work the budget is spent.
    end: Option<Duration>,
    /// The same two for the current stage.
    stage_end_evaluations: Option<u64>,
    stage_end: Option<Duration>,
}

impl Meter {
    /// No limit at all.
    pub fn unlimited() -> Self {
        Meter { end_evaluations: None, end: None, stage_end_evaluations: None, stage_end: None }
    }

    /// Starts to count, at so many evaluations of the run and after so much work.
    pub fn start(budget: Budget, evaluations: u64, worked: Duration) -> Self {
        let end_evaluations = budget.evaluations.map(|most| evaluations.saturating_add(most));
        // More seconds than a clock can count are no limit.
        let duration = budget.seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let end = duration.and_then(|duration| worked.checked_add(duration));
        Meter { end_evaluations, end, stage_end_evaluations: end_evaluations, stage_end: end }
    }

    /// A stage begins: it may spend `share` of what is left, or all of it.
    pub fn begin_stage(&mut self, share: Option<f64>, evaluations: u64, worked: Duration) {
        let share = share.unwrap_or(1.0);
        self.stage_end_evaluations = self.end_evaluations.map(|end| {
            let left = end.saturating_sub(evaluations);
            evaluations + if share < 1.0 { (left as f64 * share) as u64 } else { left }
        });
        self.stage_end = self.end.map(|end| {
            let left = end.saturating_sub(worked);
            worked + if share < 1.0 { left.mul_f64(share) } else { left }
        });
    }

    /// Whether the stage has spent what it may, at so many evaluations of the run and after so much work.
    pub fn is_spent(&self, evaluations: u64, worked: Duration) -> bool {
        self.stage_end_evaluations.is_some_and(|end| evaluations >= end)
            || self.stage_end.is_some_and(|end| worked >= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TIME: Duration = Duration::ZERO;

    fn evaluations(most: u64) -> Budget {
        Budget { evaluations: Some(most), seconds: None }
    }

    #[test]
    fn a_stage_leaves_its_share_to_those_after_it() {
        // 40 were spent before: the reference is not counted.
        let mut meter = Meter::start(evaluations(100), 40, NO_TIME);
        let is_spent = |meter: &Meter, evaluations| meter.is_spent(evaluations, Duration::MAX);
        meter.begin_stage(Some(0.5), 40, NO_TIME);
        assert!(!is_spent(&meter, 89) && is_spent(&meter, 90));
        // It finished its step at 96: 44 are left to the next, which takes a quarter.
        meter.begin_stage(Some(0.25), 96, NO_TIME);
        assert!(!is_spent(&meter, 106) && is_spent(&meter, 107));
        meter.begin_stage(None, 107, NO_TIME);
        assert!(!is_spent(&meter, 139) && is_spent(&meter, 140));
        meter.begin_stage(None, 150, NO_TIME);
        assert!(is_spent(&meter, 150), "nothing is left");
    }

    #[test]
    fn seconds_end_a_stage_too() {
        let budget = |seconds| Budget { evaluations: None, seconds: Some(seconds) };
        let millis = Duration::from_millis;
        // 20 s were worked before: the reference is not counted.
        let mut meter = Meter::start(budget(10.0), 0, millis(20_000));
        meter.begin_stage(Some(0.5), 0, millis(20_000));
        assert!(!meter.is_spent(u64::MAX, millis(24_999)) && meter.is_spent(0, millis(25_000)));
        meter.begin_stage(None, 0, millis(26_000));
        assert!(!meter.is_spent(u64::MAX, millis(29_999)) && meter.is_spent(0, millis(30_000)));
        meter.begin_stage(None, 0, millis(31_000));
        assert!(meter.is_spent(0, millis(31_000)), "nothing is left");
        for long in [3600.0, 1e300] {
            let mut meter = Meter::start(budget(long), 0, NO_TIME);
            meter.begin_stage(Some(0.5), 0, NO_TIME);
            assert!(!meter.is_spent(u64::MAX, millis(1000)), "{long} seconds are over");
        }
    }

    #[test]
    fn without_a_budget_nothing_is_ever_spent() {
        let mut meter = Meter::start(Budget::default(), 7, NO_TIME);
        meter.begin_stage(Some(0.0), 7, NO_TIME);
        for meter in [meter, Meter::unlimited()] {
            assert!(!meter.is_spent(u64::MAX, Duration::MAX));
        }
    }
}
