//! When to renew, and how long to wait after a failure. Time and randomness are passed in.

use std::time::Duration;
use webpush_core::time::Timestamp;
use webpush_http::transport::certificate::Validity;

/// Delay after the first failure; it doubles with each further one.
///
/// Let's Encrypt allows five failures per hour for an account and a domain. This makes four.
const MIN_DELAY: Duration = Duration::from_secs(5 * 60);
/// Maximum delay after a failure.
const MAX_DELAY: Duration = Duration::from_secs(6 * 3600);

/// A random fraction, in 256ths, that spreads the orders of servers that started together.
#[derive(Clone, Copy, Debug)]
pub struct Jitter(pub u8);

impl Jitter {
    fn part(self, whole: Duration) -> Duration {
        whole / 256 * u32::from(self.0)
    }
}

/// Returns when to renew: when a third of the lifetime is left, or up to a thirtieth earlier.
#[must_use]
pub fn renewal(validity: Validity, jitter: Jitter) -> Timestamp {
    let lifetime = validity.from.until(validity.until);
    validity.until.before(lifetime / 3).before(jitter.part(lifetime / 30))
}

/// Returns the delay after this number of consecutive failures.
#[must_use]
pub fn retry_delay(failures: u32, jitter: Jitter) -> Duration {
    let doubled = MIN_DELAY.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(MAX_DELAY);
    doubled + jitter.part(doubled / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_third_of_the_lifetime_is_left_or_a_little_more() {
        let from = Timestamp::from_millis(1_800_000_000_000);
        let validity = Validity { from, until: from.after(90 * DAY) };
        assert_eq!(renewal(validity, Jitter(0)), from.after(60 * DAY));
        let earliest = renewal(validity, Jitter(255));
        assert!(earliest < from.after(58 * DAY) && earliest > from.after(57 * DAY), "{earliest:?}");
        let short = Validity { from, until: from.after(Duration::from_secs(12)) };
        assert_eq!(renewal(short, Jitter(0)), from.after(Duration::from_secs(8)));
    }

    #[test]
    fn a_certificate_that_expires_before_it_starts_is_due_immediately() {
        let from = Timestamp::from_millis(1_800_000_000_000);
        assert!(renewal(Validity { from, until: from.before(DAY) }, Jitter(9)) < from);
    }

    #[test]
    fn delays_double_up_to_hours_and_stay_below_five_failures_an_hour() {
        let minutes: Vec<_> = (1..=9).map(|n| retry_delay(n, Jitter(0)).as_secs() / 60).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 320, 360, 360]);
        assert!(minutes[..4].iter().sum::<u64>() > 60);
        assert_eq!(retry_delay(u32::MAX, Jitter(0)), MAX_DELAY);
        assert!(retry_delay(1, Jitter(255)) > MIN_DELAY && retry_delay(1, Jitter(255)) < MIN_DELAY * 9 / 8);
    }
}
