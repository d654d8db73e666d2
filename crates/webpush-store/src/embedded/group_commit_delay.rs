//! How long the writer waits for more before it syncs.
//!
//! A sync has its price in processor time, however much it makes durable, and where many send at once most of a small
//! group's price is the sync. So if the last group was small, but not of one or two senders, the writer rests for about as
//! long as two syncs take before it takes what has come. A message that comes alone never waits.

use std::time::Duration;

/// Sizes of groups that are followed by a pause.
///
/// Smaller groups may be all there is; larger ones have shared the sync.
const SMALL: std::ops::RangeInclusive<usize> = 4..=32;
/// The longest rest; a disk on which a sync takes longer gathers enough meanwhile.
const LONGEST: Duration = Duration::from_micros(250);

/// Decides how long to pause before the next group, from the last one.
#[derive(Default)]
pub(super) struct GroupCommitDelay {
    requests: usize,
    sync: Duration,
}

impl GroupCommitDelay {
    /// Notes a group, and how long its sync took.
    pub(super) const fn note(&mut self, requests: usize, sync: Duration) {
        (self.requests, self.sync) = (requests, sync);
    }

    /// How long to rest before the next group is taken.
    pub(super) fn rest(&self) -> Option<Duration> {
        SMALL.contains(&self.requests).then(|| (self.sync * 2).min(LONGEST)).filter(|rest| !rest.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(requests: usize, micros: u64) -> Option<u64> {
        let mut group_commit_delay = GroupCommitDelay::default();
        group_commit_delay.note(requests, Duration::from_micros(micros));
        group_commit_delay.rest().map(|rest| u64::try_from(rest.as_micros()).unwrap())
    }

    #[test]
    fn only_small_groups_of_several_senders_are_followed_by_a_rest() {
        assert_eq!(GroupCommitDelay::default().rest(), None);
        for (requests, expected) in [(1, None), (3, None), (4, Some(60)), (32, Some(60)), (33, None)] {
            assert_eq!(rest(requests, 30), expected, "{requests}");
        }
    }

    #[test]
    fn the_rest_follows_the_disk_and_is_bounded() {
        assert_eq!((rest(8, 0), rest(8, 10), rest(8, 9_000)), (None, Some(20), Some(250)));
    }
}
