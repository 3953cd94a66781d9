//! Fewer points that draw the same curve.

/// Keeps at most about `max_points` of `points`, in order: the first and the last, and of each bucket
/// in between the lowest and the highest by `value`, so that no peak disappears.
pub fn downsample<T: Copy>(points: &[T], max_points: usize, value: impl Fn(&T) -> f64) -> Vec<T> {
    if points.len() <= max_points.max(4) {
        return points.to_vec();
    }
    let inner = &points[1..points.len() - 1];
    let buckets = (max_points.max(4) - 2) / 2;
    let mut kept = vec![points[0]];
    for bucket in 0..buckets {
        let range = bucket * inner.len() / buckets..(bucket + 1) * inner.len() / buckets;
        let (mut low, mut high) = (range.start, range.start);
        for at in range {
            if value(&inner[at]) < value(&inner[low]) {
                low = at;
            }
            if value(&inner[at]) > value(&inner[high]) {
                high = at;
            }
        }
        kept.push(inner[low.min(high)]);
        if low != high {
            kept.push(inner[low.max(high)]);
        }
    }
    kept.push(points[points.len() - 1]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn few_points_stay_as_they_are() {
        let points: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(downsample(&points, 100, |y| *y), points);
        assert_eq!(downsample(&[] as &[f64], 10, |y| *y), [0.0; 0]);
    }

    #[test]
    fn many_points_keep_ends_order_and_peaks() {
        let mut points: Vec<(usize, f64)> = (0..10_000).map(|x| (x, (x as f64 / 700.0).sin())).collect();
        points[4_321].1 = 9.0;
        points[7_777].1 = -9.0;
        let kept = downsample(&points, 400, |point| point.1);
        assert!(kept.len() <= 400, "{}", kept.len());
        assert_eq!((kept[0].0, kept[kept.len() - 1].0), (0, 9_999));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order, none twice");
        assert!(kept.contains(&(4_321, 9.0)) && kept.contains(&(7_777, -9.0)), "peaks stay");
    }

    #[test]
    fn a_tiny_budget_still_draws_a_line() {
        let points: Vec<f64> = (0..1000).map(f64::from).collect();
        let kept = downsample(&points, 0, |y| *y);
        assert!((2..=4).contains(&kept.len()));
        assert_eq!((kept[0], kept[kept.len() - 1]), (0.0, 999.0));
    }
}
