//! From values to pixels, and ticks at round numbers.

/// A linear or logarithmic scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Whether equal ratios are equal distances; the domain is then above 0.
    pub log: bool,
    /// Values at the two ends.
    pub domain: (f64, f64),
    /// Pixels at the two ends.
    pub range_px: (f64, f64),
}

impl Scale {
    /// A linear scale.
    pub fn linear(domain: (f64, f64), range_px: (f64, f64)) -> Self {
        Scale { log: false, domain, range_px }
    }

    /// The pixel of a value; a domain without extent maps to the first end.
    pub fn px(&self, value: f64) -> f64 {
        let (low, high) = (self.along(self.domain.0), self.along(self.domain.1));
        let share = if high == low { 0.0 } else { (self.along(value) - low) / (high - low) };
        self.range_px.0 + share * (self.range_px.1 - self.range_px.0)
    }

    /// The value at a pixel: the inverse of [`Scale::px`].
    pub fn value(&self, px: f64) -> f64 {
        let extent_px = self.range_px.1 - self.range_px.0;
        let share = if extent_px == 0.0 { 0.0 } else { (px - self.range_px.0) / extent_px };
        let (low, high) = (self.along(self.domain.0), self.along(self.domain.1));
        let along = low + share * (high - low);
        if self.log { along.exp() } else { along }
    }

    fn along(&self, value: f64) -> f64 {
        if self.log { value.max(f64::MIN_POSITIVE).ln() } else { value }
    }
}

/// About `wanted` round numbers inside the domain, two at least, and how many decimals show them.
pub fn ticks(domain: (f64, f64), wanted: usize) -> (Vec<f64>, usize) {
    let extent = domain.1 - domain.0;
    if extent.is_nan() || extent <= 0.0 || wanted == 0 {
        return (vec![domain.0], 2);
    }
    let raw = extent / wanted as f64;
    let magnitude = 10f64.powf(raw.log10().floor());
    let ends = |step: f64| ((domain.0 / step).ceil() as i64, (domain.1 / step + 1e-9).floor() as i64);
    // From coarse to fine: the finest that is no finer than wanted, unless it leaves a single tick or none.
    let steps = [10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1].map(|n| n * magnitude);
    let coarsest = steps.iter().rposition(|step| *step >= raw).unwrap_or(0);
    let step = steps[coarsest..].iter().copied().find(|&step| ends(step).1 > ends(step).0).unwrap_or(raw);
    let (first, last) = ends(step);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    ((first..=last).map(|n| n as f64 * step).collect(), decimals)
}

/// A domain that holds all values with a little air; none where there are no finite values.
pub fn padded_domain(values: impl Iterator<Item = f64>, pad_share: f64) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return None;
    }
    let pad = if low == high { low.abs().max(1.0) * 0.1 } else { (high - low) * pad_share };
    Some((low - pad, high + pad))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks((0.0, 1000.0), 5), (vec![0.0, 200.0, 400.0, 600.0, 800.0, 1000.0], 0));
        let (values, decimals) = ticks((1.03, 1.74), 4);
        assert_eq!(values.iter().map(|tick| format!("{tick:.decimals$}")).collect::<Vec<_>>(), ["1.2", "1.4", "1.6"]);
        assert_eq!(ticks((471.0, 797.0), 2).0, [500.0, 600.0, 700.0], "one tick says nothing of a scale");
        assert_eq!(ticks((2.0, 2.0), 4).0, [2.0]);
        assert_eq!(ticks((f64::NAN, 1.0), 4).0.len(), 1);
    }

    #[test]
    fn scale_maps_ends_to_ends() {
        let scale = Scale::linear((1.0, 3.0), (100.0, 0.0));
        assert_eq!((scale.px(1.0), scale.px(2.0), scale.px(3.0)), (100.0, 50.0, 0.0));
        assert_eq!(Scale { domain: (1.0, 1.0), ..scale }.px(1.0), 100.0);
    }

    #[test]
    fn pixels_lead_back_to_values() {
        for log in [false, true] {
            let scale = Scale { log, ..Scale::linear((0.5, 8.0), (300.0, 20.0)) };
            for value in [0.5, 1.0, 3.7, 8.0] {
                assert!((scale.value(scale.px(value)) - value).abs() < 1e-9, "{value} {log}");
            }
        }
        let log = Scale { log: true, ..Scale::linear((1.0, 100.0), (0.0, 200.0)) };
        assert!((log.px(10.0) - 100.0).abs() < 1e-9, "equal ratios are equal distances");
    }

    #[test]
    fn domains_ignore_what_is_not_finite() {
        assert_eq!(padded_domain([1.0, f64::NAN, 2.0, f64::INFINITY].into_iter(), 0.5), Some((0.5, 2.5)));
        assert_eq!(padded_domain([3.0].into_iter(), 0.1), Some((2.7, 3.3)));
        assert_eq!(padded_domain(std::iter::empty(), 0.1), None);
    }
}
