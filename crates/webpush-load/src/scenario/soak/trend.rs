//! The growth of a figure: a straight line through its samples.

/// The growth of a figure that a run permits, from the end of the warm-up to the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrowthLimit {
    /// In the unit of the figure.
    pub(super) fixed: f64,
    /// In percent of its mean.
    pub(super) percent: f64,
}

/// The line with the smallest squared error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trend {
    /// Mean of the samples.
    pub(super) mean: f64,
    /// Rise of the line from the first sample to the last.
    pub(super) growth: f64,
}

impl Trend {
    /// Fits a line to pairs of time and value; `None` if they are fewer than two times.
    pub(super) fn fit(samples: &[(f64, f64)]) -> Option<Self> {
        let count = samples.len() as f64;
        let (first, last) = (samples.first()?.0, samples.last()?.0);
        let mean_time = samples.iter().map(|(time, _)| time).sum::<f64>() / count;
        let mean = samples.iter().map(|(_, value)| value).sum::<f64>() / count;
        let spread: f64 = samples.iter().map(|(time, _)| (time - mean_time).powi(2)).sum();
        let joint: f64 = samples.iter().map(|(time, value)| (time - mean_time) * (value - mean)).sum();
        (spread > 0.0).then(|| Self { mean, growth: joint / spread * (last - first) })
    }

    /// Returns true if it grows by more than the limit.
    pub(super) fn exceeds(&self, limit: GrowthLimit) -> bool {
        self.growth > limit.fixed + self.mean * limit.percent / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_is_found_in_a_sawtooth_and_a_sawtooth_is_no_leak() {
        let samples = |leak: f64| -> Vec<_> {
            (0..360_u32).map(|n| (f64::from(n), 100.0 + f64::from(n % 24) + leak * f64::from(n))).collect()
        };
        let limit = GrowthLimit { fixed: 5.0, percent: 5.0 };
        assert!(!Trend::fit(&samples(0.0)).unwrap().exceeds(limit));
        assert!(Trend::fit(&samples(0.1)).unwrap().exceeds(limit));
    }

    #[test]
    fn a_line_is_found_exactly_and_a_point_is_none() {
        let trend = Trend::fit(&[(10.0, 1.0), (20.0, 2.0), (30.0, 3.0)]).unwrap();
        assert!((trend.growth - 2.0).abs() < 1e-9 && (trend.mean - 2.0).abs() < 1e-9);
        assert_eq!(Trend::fit(&[(1.0, 1.0)]), None);
        assert_eq!(Trend::fit(&[]), None);
    }
}
