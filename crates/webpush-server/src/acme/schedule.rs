//! When the next order is due. All of it is arithmetic; the clock and chance are handed in.

use std::time::Duration;
use webpush_core::time::Timestamp;
use webpush_http::transport::certificate::Validity;

/// The pause after the first failure. Let's Encrypt takes five failures an hour for an account and a name; with pauses that double there
/// are four.
const FIRST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// A part of something, by chance, so that services that began together don't ask together: of 256 equal parts.
#[derive(Clone, Copy, Debug)]
pub struct Chance(pub u8);

impl Chance {
    fn of(self, whole: Duration) -> Duration {
        whole / 256 * u32::from(self.0)
    }
}

/// When a certificate is to be renewed: when a third of its life is left, or up to a thirtieth of it earlier.
#[must_use]
pub fn renewal(validity: Validity, chance: Chance) -> Timestamp {
    let life = validity.from.until(validity.until);
    validity.until.before(life / 3).before(chance.of(life / 30))
}

/// How long to wait after so many failures, one after the other.
#[must_use]
pub fn pause(failures: u32, chance: Chance) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    doubled + chance.of(doubled / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_third_of_its_life_is_left_or_a_little_more() {
        let from = Timestamp::from_millis(1_800_000_000_000);
        let validity = Validity { from, until: from.after(90 * DAY) };
        assert_eq!(renewal(validity, Chance(0)), from.after(60 * DAY));
        let earliest = renewal(validity, Chance(255));
        assert!(earliest < from.after(58 * DAY) && earliest > from.after(57 * DAY), "{earliest:?}");
        let short = Validity { from, until: from.after(Duration::from_secs(12)) };
        assert_eq!(renewal(short, Chance(0)), from.after(Duration::from_secs(8)));
    }

    #[test]
    fn a_certificate_that_ends_before_it_begins_is_due_at_once() {
        let from = Timestamp::from_millis(1_800_000_000_000);
        assert!(renewal(Validity { from, until: from.before(DAY) }, Chance(9)) < from);
    }

    #[test]
    fn pauses_double_up_to_hours_and_no_authority_counts_five_failures_an_hour() {
        let minutes: Vec<_> = (1..=9).map(|n| pause(n, Chance(0)).as_secs() / 60).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 80, 160, 320, 360, 360]);
        assert!(minutes[..4].iter().sum::<u64>() > 60);
        assert_eq!(pause(u32::MAX, Chance(0)), LONGEST_PAUSE);
        assert!(pause(1, Chance(255)) > FIRST_PAUSE && pause(1, Chance(255)) < FIRST_PAUSE * 9 / 8);
    }
}
