//! The delay before the writer takes the next group.
//!
//! A sync costs processor time, however much it makes durable, and under load most of the cost of a small group is its
//! sync. So after a small group, unless it came from one or two senders, the writer pauses for about the time of two
//! syncs before it takes the next group. A single message is never delayed.

use std::time::Duration;

/// Sizes of groups after which the writer pauses.
///
/// Smaller groups may be the whole load, and larger ones have shared the sync.
const SMALL: std::ops::RangeInclusive<usize> = 4..=32;
/// The longest pause. On a slower disk, requests gather during the sync itself.
const LONGEST: Duration = Duration::from_micros(250);
/// One part in this many of the longest recent sync is forgotten with each sync.
const SYNC_DECAY: u32 = 16;

/// Decides how long to pause before the next group, from the last one.
#[derive(Default)]
pub(super) struct GroupCommitDelay {
    requests: usize,
    sync: Duration,
    /// The longest of the recent syncs. It decays with each.
    recent_sync: Option<Duration>,
}

impl GroupCommitDelay {
    /// Records the size of a group, and the time of its sync if it had one.
    pub(super) fn note(&mut self, requests: usize, sync: Option<Duration>) {
        (self.requests, self.sync) = (requests, sync.unwrap_or_default());
        if let Some(sync) = sync {
            let before = self.recent_sync.unwrap_or_default();
            self.recent_sync = Some(sync.max(before - before / SYNC_DECAY));
        }
    }

    /// Returns true if the last group was a single request, and recent syncs took less than a limit.
    pub(super) fn is_quick(&self, limit: Duration) -> bool {
        self.requests == 1 && self.recent_sync.is_some_and(|sync| sync < limit)
    }

    /// Returns the pause before the next group.
    pub(super) fn pause(&self) -> Option<Duration> {
        SMALL.contains(&self.requests).then(|| (self.sync * 2).min(LONGEST)).filter(|pause| !pause.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(requests: usize, micros: u64) -> Option<u64> {
        let mut group_commit_delay = GroupCommitDelay::default();
        group_commit_delay.note(requests, Some(Duration::from_micros(micros)));
        group_commit_delay.pause().map(|pause| u64::try_from(pause.as_micros()).unwrap())
    }

    #[test]
    fn only_small_groups_of_several_senders_are_followed_by_a_pause() {
        assert_eq!(GroupCommitDelay::default().pause(), None);
        for (requests, expected) in [(1, None), (3, None), (4, Some(60)), (32, Some(60)), (33, None)] {
            assert_eq!(pause(requests, 30), expected, "{requests}");
        }
    }

    #[test]
    fn a_submitter_commits_if_it_is_alone_and_the_disk_is_fast() {
        let mut group_commit_delay = GroupCommitDelay::default();
        let mut is_quick_after = |requests, micros: Option<u64>| {
            group_commit_delay.note(requests, micros.map(Duration::from_micros));
            group_commit_delay.is_quick(Duration::from_micros(500))
        };
        assert!(!is_quick_after(1, None), "the disk is unknown");
        assert!(is_quick_after(1, Some(499)));
        assert!(is_quick_after(1, None), "a lazy commit says nothing of the disk");
        assert!(!is_quick_after(2, Some(100)));
        assert!(!is_quick_after(1, Some(500)));
        assert!(is_quick_after(1, Some(100)), "15 parts in 16 of it are left");
        assert!(!is_quick_after(1, Some(50_000)));
        assert_eq!((0..1000).position(|_| is_quick_after(1, Some(100))), Some(71), "after a hiccup");
        assert!(!GroupCommitDelay::default().is_quick(Duration::MAX));
    }

    #[test]
    fn the_pause_follows_the_disk_and_is_bounded() {
        assert_eq!((pause(8, 0), pause(8, 10), pause(8, 9_000)), (None, Some(20), Some(250)));
    }
}
