//! Rate limits by the generic cell rate algorithm (GCRA, ITU-T I.371 appendix I).
//!
//! GCRA is equivalent to a token bucket.
//!
//! A bucket is one number, the time at which it is full again. Each event moves that time forward by one interval, and it
//! may be at most a burst of intervals ahead of the present. Full buckets need not be stored, and no timer refills any.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A sustained rate of events, and the burst allowed after a pause.
///
/// ```
/// use std::time::Duration;
/// use webpush_core::rate::{Bucket, Rate};
///
/// let rate = Rate::new(2, Duration::from_secs(1), 1).expect("it is in range");
/// let mut bucket = Bucket::FULL;
/// assert_eq!(bucket.take(rate, 0), Ok(()));
/// assert_eq!(bucket.take(rate, 0), Err(Duration::from_millis(500)));
/// assert_eq!(bucket.take(rate, 500_000_000), Ok(()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds per event, rounded up so that the rate is not exceeded.
    interval: u64,
    burst: u32,
}

/// Maximum period of a rate.
const MAX_PERIOD_SECONDS: u64 = 24 * 3600;
/// Maximum rate: one event per nanosecond.
const MAX_PER_SECOND: u64 = 1_000_000_000;

impl Rate {
    /// Creates a rate of `count` events per `period`, with `burst` events at once.
    ///
    /// Returns `None` if one of them is zero, the period is longer than a day, or the rate exceeds 10⁹ per second.
    #[must_use]
    pub const fn new(count: u32, period: Duration, burst: u32) -> Option<Self> {
        let seconds = period.as_secs();
        if count == 0 || burst == 0 || seconds == 0 || seconds > MAX_PERIOD_SECONDS {
            return None;
        }
        if count as u64 > seconds * MAX_PER_SECOND {
            return None;
        }
        Some(Self { interval: (seconds * 1_000_000_000).div_ceil(count as u64), burst })
    }

    /// Returns the number of events allowed at once after a pause.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// Returns the nanoseconds in which an empty bucket becomes full.
    const fn tolerance(self) -> u64 {
        // Up to 2⁷⁹; it saturates at centuries.
        self.interval.saturating_mul(self.burst as u64)
    }
}

/// A token bucket: the time at which it is full again, in nanoseconds of a monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// A full bucket.
    pub const FULL: Self = Self { full_at: 0 };

    /// Takes a token for one event.
    ///
    /// # Errors
    /// The time until a token is available. The bucket is unchanged then.
    pub const fn take(&mut self, rate: Rate, now: u64) -> Result<(), Duration> {
        let start = if self.full_at > now { self.full_at } else { now };
        let full_at = start.saturating_add(rate.interval);
        let latest = now.saturating_add(rate.tolerance());
        if full_at > latest {
            return Err(Duration::from_nanos(full_at - latest));
        }
        self.full_at = full_at;
        Ok(())
    }

    /// Returns true if the bucket is full, so that it need not be stored.
    #[must_use]
    pub const fn is_full(self, now: u64) -> bool {
        self.full_at <= now
    }

    /// Returns the time until the bucket is full.
    #[must_use]
    pub const fn until_full(self, now: u64) -> Duration {
        Duration::from_nanos(self.full_at.saturating_sub(now))
    }
}

/// An optional rate, in text `1000/s:10000` (rate and burst; per s, m, h or d) or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// No limit.
    Off,
    /// At most this rate.
    At(Rate),
}

impl RateLimit {
    /// Creates a limit from constants; [`RateLimit::Off`] if they are not a [`Rate`].
    #[must_use]
    pub const fn at(count: u32, period_seconds: u64, burst: u32) -> Self {
        match Rate::new(count, Duration::from_secs(period_seconds), burst) {
            Some(rate) => Self::At(rate),
            None => Self::Off,
        }
    }
}

/// The text is not a rate limit. The operator who wrote it can fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseRateLimitError(String);

impl fmt::Display for ParseRateLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is not a rate limit: expected a number per s, m, h or d, a colon and a burst, such as \
             1000/s:10000, both above 0; or off",
            self.0
        )
    }
}

impl std::error::Error for ParseRateLimitError {}

impl FromStr for RateLimit {
    type Err = ParseRateLimitError;

    fn from_str(text: &str) -> Result<Self, ParseRateLimitError> {
        if text == "off" {
            return Ok(Self::Off);
        }
        parse(text).map(Self::At).ok_or_else(|| ParseRateLimitError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Rate> {
    let (rate, burst) = text.split_once(':')?;
    let (count, unit) = rate.split_once('/')?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return None,
    };
    Rate::new(count.parse().ok()?, Duration::from_secs(seconds), burst.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(text: &str) -> Rate {
        match text.parse().unwrap() {
            RateLimit::At(rate) => rate,
            RateLimit::Off => panic!("off"),
        }
    }

    #[test]
    fn a_burst_then_one_event_per_interval() {
        let (rate, mut bucket) = (rate("2/s:3"), Bucket::FULL);
        let now = 5 * SECOND;
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, now), Ok(()));
        }
        assert_eq!(bucket.take(rate, now), Err(Duration::from_millis(500)));
        assert_eq!(bucket.take(rate, now + SECOND / 2 - 1), Err(Duration::from_nanos(1)));
        assert_eq!(bucket.take(rate, now + SECOND / 2), Ok(()));
        assert!(!bucket.is_full(now + SECOND / 2));
        assert!(bucket.is_full(now + 2 * SECOND));
    }

    #[test]
    fn rate_limits_are_parsed_or_refused() {
        assert_eq!("off".parse(), Ok(RateLimit::Off));
        assert_eq!("10/m:100".parse(), Ok(RateLimit::at(10, 60, 100)));
        assert_eq!(Rate::new(3, Duration::from_secs(1), 1).unwrap().interval, 333_333_334);
        for wrong in [
            "",
            "10",
            "10/s",
            "10/s:",
            "0/s:1",
            "1/s:0",
            "-1/s:1",
            "1/w:1",
            "1.5/s:1",
            "Off",
            "1/s:1:1",
            " 1/s:1",
            "4294967296/s:1",
            "2000000000/s:1",
        ] {
            let error = wrong.parse::<RateLimit>().unwrap_err().to_string();
            assert!(error.contains("1000/s:10000"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate_over_time(
            count in 1..2_000_u32,
            period in 1..100_u64,
            burst in 1..200_u32,
            start in prop::sample::select(vec![0, 1, SECOND, u64::MAX / 2]),
            gaps in prop::collection::vec(0..SECOND, 1..400),
        ) {
            let rate = Rate::new(count, Duration::from_secs(period), burst).unwrap();
            let (mut bucket, mut now, mut taken) = (Bucket::FULL, start, 0_u128);
            for gap in gaps {
                now += gap;
                match bucket.take(rate, now) {
                    Ok(()) => taken += 1,
                    Err(wait) => {
                        prop_assert!(!wait.is_zero());
                        let mut later = bucket;
                        let due = now + u64::try_from(wait.as_nanos()).unwrap();
                        prop_assert!(later.take(rate, due - 1).is_err());
                        prop_assert_eq!(later.take(rate, due), Ok(()), "the wait is exact");
                    }
                }
                let elapsed = u128::from(now - start);
                let back = elapsed * u128::from(count) / (u128::from(period) * u128::from(SECOND));
                prop_assert!(taken <= u128::from(burst) + back, "{taken} in {elapsed} ns");
            }
        }

        #[test]
        fn any_rate_and_any_times_are_handled(
            count in 1..=1_000_000_000_u32,
            period in 1..=MAX_PERIOD_SECONDS,
            burst in 1..=u32::MAX,
            times in prop::collection::vec(any::<u64>(), 1..50),
        ) {
            let rate = Rate::new(count, Duration::from_secs(period), burst).unwrap();
            let mut bucket = Bucket::FULL;
            for now in times {
                let before = bucket;
                if bucket.take(rate, now).is_err() {
                    prop_assert_eq!(before, bucket, "unchanged on error");
                }
                prop_assert!(bucket.is_full(u64::MAX));
            }
        }

        #[test]
        fn a_long_pause_allows_exactly_one_burst(burst in 1..500_u32, pause in SECOND * 600..u64::MAX / 2) {
            let rate = Rate::new(1, Duration::from_secs(1), burst).unwrap();
            let mut bucket = Bucket::FULL;
            for now in [0, pause] {
                for _ in 0..burst {
                    prop_assert_eq!(bucket.take(rate, now), Ok(()));
                }
                prop_assert!(bucket.take(rate, now).is_err());
            }
        }
    }
}
