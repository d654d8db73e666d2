//! A histogram of latencies; the width of a bucket is at most a 32nd of its value.

use std::time::Duration;

/// Buckets of one power of two.
const STEPS: usize = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Values below `2 * STEPS` have a bucket each; then come the powers up to 2^64.
const BUCKETS: usize = (64 - STEP_BITS as usize + 1) * STEPS;

/// A histogram of latencies.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    largest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, largest: Duration::ZERO }
    }
}

impl Histogram {
    /// Records a latency.
    pub fn record(&mut self, latency: Duration) {
        self.counts[bucket(nanos(latency))] += 1;
        self.total += 1;
        self.largest = self.largest.max(latency);
    }

    /// Adds all counts of another histogram.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
        self.largest = self.largest.max(other.largest);
    }

    /// Returns the number of recorded latencies.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Returns the largest latency, exactly.
    #[must_use]
    pub const fn largest(&self) -> Duration {
        self.largest
    }

    /// Returns the latency of a quantile in per mille, as the upper end of its bucket.
    ///
    /// Zero if nothing was recorded.
    #[must_use]
    pub fn per_mille(&self, share: u64) -> Duration {
        let wanted = (self.total * share).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper_end(index)).min(self.largest);
            }
        }
        Duration::ZERO
    }
}

fn nanos(latency: Duration) -> u64 {
    u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX)
}

fn bucket(value: u64) -> usize {
    let power = value.max(1).ilog2();
    if power <= STEP_BITS {
        return usize::try_from(value).unwrap_or_default();
    }
    let shift = power - STEP_BITS;
    let step = usize::try_from(value >> shift).unwrap_or_default();
    shift as usize * STEPS + step
}

/// Returns the largest value of a bucket.
fn upper_end(index: usize) -> u64 {
    if index < 2 * STEPS {
        return index as u64;
    }
    let (shift, step) = (index / STEPS - 1, index % STEPS + STEPS);
    (((step as u64) + 1) << shift).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_bucket_that_is_hardly_wider_than_it() {
        for value in (0..500).chain([1_000, 65_535, 65_536, 1_000_000, 123_456_789, u64::MAX]) {
            let end = upper_end(bucket(value));
            assert!(end >= value, "{value} in a bucket that ends at {end}");
            assert!(end - value <= value / 32, "{value} in a bucket that ends at {end}");
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.per_mille(500), Duration::ZERO);
        (1..=1000).for_each(|micros| histogram.record(Duration::from_micros(micros)));
        for (share, micros) in [(500, 500.0), (990, 990.0), (999, 999.0), (1000, 1000.0)] {
            let found = histogram.per_mille(share).as_secs_f64() * 1e6;
            assert!(found >= micros && found <= micros * 1.04, "{share}: {found}");
        }
        assert_eq!(histogram.largest(), Duration::from_millis(1));
    }

    #[test]
    fn two_become_one() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record(Duration::from_micros(10));
        other.record(Duration::from_micros(30));
        one.add(&other);
        assert_eq!((one.total(), one.largest()), (2, Duration::from_micros(30)));
        assert!(one.per_mille(500) < Duration::from_micros(11));
    }
}
