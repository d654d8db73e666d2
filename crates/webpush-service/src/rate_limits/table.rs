//! Token buckets by key, in bounded memory: full buckets are those that may be forgotten, so nothing fills them by timer.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use webpush_core::rate::{Bucket, Rate};

/// Locks of one table; requests for different keys seldom meet.
const SHARDS: usize = 16;

/// What happens to a new key when every bucket of a table is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenCrowded {
    /// The fullest buckets are forgotten, and their keys get a new burst: senders must not suffer from each other.
    Forget,
    /// The key is refused: what is limited leaves something behind, so there must be a bound to it all.
    Refuse,
}

/// The buckets of one rate limit. Hashing is keyed by the process, so nobody can aim keys at one shard.
pub(super) struct Table<K> {
    shards: [Mutex<HashMap<K, Bucket>>; SHARDS],
    hasher: RandomState,
    rate: Rate,
    most_in_shard: usize,
    when_crowded: WhenCrowded,
}

impl<K: Copy + Eq + Hash> Table<K> {
    pub(super) fn new(rate: Rate, most: usize, when_crowded: WhenCrowded) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            rate,
            most_in_shard: most.div_ceil(SHARDS),
            when_crowded,
        }
    }

    pub(super) const fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one event's worth out of the bucket of a key, or says how long until it could.
    pub(super) fn take(&self, key: K, now: u64) -> Result<(), Duration> {
        let shard = usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % SHARDS;
        // A holder of this lock can't panic half-way through anything that matters.
        let mut buckets = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&key) {
            return bucket.take(self.rate, now);
        }
        if buckets.len() >= self.most_in_shard {
            self.make_room(&mut buckets, now)?;
        }
        let mut bucket = Bucket::FULL;
        let taken = bucket.take(self.rate, now);
        buckets.insert(key, bucket);
        taken
    }

    /// Forgets all full buckets. If that leaves less than an eighth free, the next ones go too or the key is refused:
    /// an eighth at a time, so that a crowd costs each of its members a constant.
    fn make_room(&self, buckets: &mut HashMap<K, Bucket>, now: u64) -> Result<(), Duration> {
        buckets.retain(|_, bucket| !bucket.is_full(now));
        let least_free = (self.most_in_shard / 8).max(1);
        let most_kept = self.most_in_shard - least_free;
        if buckets.len() <= most_kept {
            return Ok(());
        }
        match self.when_crowded {
            WhenCrowded::Forget => {
                let mut fullness: Vec<Bucket> = buckets.values().copied().collect();
                let (_, limit, _) = fullness.select_nth_unstable(least_free - 1);
                let limit = *limit;
                buckets.retain(|_, bucket| *bucket > limit);
                Ok(())
            }
            WhenCrowded::Refuse if buckets.len() < self.most_in_shard => Ok(()),
            WhenCrowded::Refuse => {
                let next = buckets.values().min().map(|bucket| bucket.until_full(now));
                Err(next.unwrap_or_default())
            }
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MOST: usize = SHARDS * 32;

    fn table(when_crowded: WhenCrowded) -> Table<u32> {
        Table::new(Rate::new(1, Duration::from_secs(1), 2).unwrap(), MOST, when_crowded)
    }

    #[test]
    fn keys_have_buckets_of_their_own() {
        let table = table(WhenCrowded::Forget);
        for key in [1, 2] {
            assert!(table.take(key, 0).is_ok() && table.take(key, 0).is_ok());
            assert_eq!(table.take(key, 0), Err(Duration::from_secs(1)));
        }
        assert!(table.take(1, SECOND).is_ok());
    }

    #[test]
    fn a_crowd_is_let_through_within_the_bound() {
        let table = table(WhenCrowded::Forget);
        for key in 0..100_000 {
            assert!(table.take(key, u64::from(key)).is_ok());
        }
        assert!(table.len() <= MOST, "{}", table.len());
    }

    #[test]
    fn who_used_most_is_remembered_longest() {
        let table = table(WhenCrowded::Forget);
        assert!(table.take(0, 0).is_ok() && table.take(0, 0).is_ok());
        for key in 1..100_000 {
            assert!(table.take(key, 0).is_ok());
        }
        assert!(table.take(0, 0).is_err());
    }

    #[test]
    fn a_crowd_that_leaves_something_behind_is_refused_until_there_is_room() {
        let table = table(WhenCrowded::Refuse);
        let let_in = (0..100_000).filter(|key| table.take(*key, 0).is_ok()).count();
        assert_eq!((let_in, table.len()), (MOST, MOST));
        assert_eq!(table.take(200_000, SECOND / 2), Err(Duration::from_millis(500)));
        assert!(table.take(200_000, SECOND).is_ok());
    }
}
