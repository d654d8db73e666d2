//! Token buckets as arithmetic: time in, a decision out (the generic cell rate algorithm, ITU-T I.371 appendix I).
//!
//! A bucket is one number, the time at which it is full again. An event moves it forward by one interval; it may run
//! ahead of the present by a burst of intervals and no more. A bucket that is not there is a full one, so what is
//! full need not be kept, and no timer ever fills anything.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How many events are allowed: evenly in the long run, and how many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds in which one event's worth comes back, rounded up: never more than was set.
    interval: u64,
    burst: u32,
}

/// The longest period of a rate.
const MOST_PERIOD_SECONDS: u64 = 24 * 3600;
/// The most events a second that nanoseconds can tell apart.
const MOST_PER_SECOND: u64 = 1_000_000_000;

impl Rate {
    /// `count` events in each `period`, and `burst` at once. `None` when one of them is zero, the period is longer than
    /// a day, or there are more than 10⁹ events a second.
    #[must_use]
    pub const fn new(count: u32, period: Duration, burst: u32) -> Option<Self> {
        let seconds = period.as_secs();
        if count == 0 || burst == 0 || seconds == 0 || seconds > MOST_PERIOD_SECONDS {
            return None;
        }
        if count as u64 > seconds * MOST_PER_SECOND {
            return None;
        }
        Some(Self { interval: (seconds * 1_000_000_000).div_ceil(count as u64), burst })
    }

    /// Events allowed at once after a pause.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// How long an empty bucket takes to be full.
    const fn tolerance(self) -> u64 {
        // At most a day of nanoseconds (below 2⁴⁷) times 2³²; saturated it still means "for centuries".
        self.interval.saturating_mul(self.burst as u64)
    }
}

/// A token bucket: the time at which it is full again, in nanoseconds of any clock that never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    full_at: u64,
}

impl Bucket {
    /// A full one.
    pub const FULL: Self = Self { full_at: 0 };

    /// Takes one event's worth out.
    ///
    /// # Errors
    /// The time until there is enough; then nothing was taken.
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

    /// Whether it is as good as one that is not there.
    #[must_use]
    pub const fn is_full(self, now: u64) -> bool {
        self.full_at <= now
    }

    /// How long it takes until then.
    #[must_use]
    pub const fn until_full(self, now: u64) -> Duration {
        Duration::from_nanos(self.full_at.saturating_sub(now))
    }
}

/// A rate that may be switched off. Written as `1000/s:10000` (rate, then burst; s, m, h or d) or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// No limit.
    Off,
    /// At most this.
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

/// A text is not a rate limit. The fault of the operator who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseRateLimitError(String);

impl fmt::Display for ParseRateLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is not a rate limit: a number per s, m, h or d, a colon and how many at once, as in \
             1000/s:10000, none of them 0; or off",
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
    fn a_burst_then_one_for_each_interval() {
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
    fn limits_are_written_plainly_and_nothing_else_passes() {
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
            let said = wrong.parse::<RateLimit>().unwrap_err().to_string();
            assert!(said.contains("1000/s:10000"), "{said}");
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
                        prop_assert_eq!(later.take(rate, due), Ok(()), "the wait is what it says");
                    }
                }
                let elapsed = u128::from(now - start);
                let back = elapsed * u128::from(count) / (u128::from(period) * u128::from(SECOND));
                prop_assert!(taken <= u128::from(burst) + back, "{taken} in {elapsed} ns");
            }
        }

        #[test]
        fn any_numbers_and_a_clock_that_jumps_are_no_trouble(
            count in 1..=1_000_000_000_u32,
            period in 1..=MOST_PERIOD_SECONDS,
            burst in 1..=u32::MAX,
            times in prop::collection::vec(any::<u64>(), 1..50),
        ) {
            let rate = Rate::new(count, Duration::from_secs(period), burst).unwrap();
            let mut bucket = Bucket::FULL;
            for now in times {
                let before = bucket;
                if bucket.take(rate, now).is_err() {
                    prop_assert_eq!(before, bucket, "a refusal takes nothing");
                }
                prop_assert!(bucket.is_full(u64::MAX));
            }
        }

        #[test]
        fn a_long_pause_allows_a_burst_and_not_one_more(burst in 1..500_u32, pause in SECOND * 600..u64::MAX / 2) {
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
