//! Token buckets by key, in bounded memory.
//!
//! A full bucket is the same as a missing one, so no timer refills them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use webpush_core::rate::{Bucket, Rate};

/// Number of shards, each with its own lock.
const SHARDS: usize = 16;

/// How a full table treats a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// Evicts the fullest buckets, whose keys get a new burst: clients must not suffer from each other.
    Evict,
    /// Refuses the key: requests of this kind leave rows in the store, so their total rate is bounded.
    Refuse,
}

/// The buckets of one rate limit.
pub(super) struct BucketTable<K> {
    shards: [Mutex<HashMap<K, Bucket>>; SHARDS],
    /// Keeps clients from choosing keys that fall into one shard.
    seed: [u8; 16],
    rate: Rate,
    max_in_shard: usize,
    when_full: WhenFull,
}

impl<K: Copy + Eq + Hash> BucketTable<K> {
    pub(super) fn new(rate: Rate, max: usize, when_full: WhenFull, seed: [u8; 16]) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            seed,
            rate,
            max_in_shard: max.div_ceil(SHARDS),
            when_full,
        }
    }

    pub(super) const fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes one token out of the bucket of a key.
    ///
    /// # Errors
    /// Returns the time until a token is available.
    pub(super) fn take(&self, key: K, now: u64) -> Result<(), Duration> {
        // Poisoning is harmless: each bucket is valid on its own.
        let mut buckets = self.shards[self.shard(&key)].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&key) {
            return bucket.take(self.rate, now);
        }
        if buckets.len() >= self.max_in_shard {
            self.make_room(&mut buckets, now)?;
        }
        let mut bucket = Bucket::FULL;
        let taken = bucket.take(self.rate, now);
        buckets.insert(key, bucket);
        taken
    }

    fn shard(&self, key: &K) -> usize {
        let mut hasher = DefaultHasher::new();
        self.seed.hash(&mut hasher);
        key.hash(&mut hasher);
        usize::try_from(hasher.finish()).unwrap_or_default() % SHARDS
    }

    /// Removes full buckets.
    ///
    /// If less than an eighth of the table is free afterwards, it also evicts the fullest others, or refuses the key.
    /// Freeing an eighth at a time makes the cost per key constant on average.
    fn make_room(&self, buckets: &mut HashMap<K, Bucket>, now: u64) -> Result<(), Duration> {
        buckets.retain(|_, bucket| !bucket.is_full(now));
        let min_free = (self.max_in_shard / 8).max(1);
        let max_kept = self.max_in_shard - min_free;
        if buckets.len() <= max_kept {
            return Ok(());
        }
        match self.when_full {
            WhenFull::Evict => {
                let mut fullness: Vec<Bucket> = buckets.values().copied().collect();
                let (_, limit, _) = fullness.select_nth_unstable(min_free - 1);
                let limit = *limit;
                buckets.retain(|_, bucket| *bucket > limit);
                Ok(())
            }
            WhenFull::Refuse if buckets.len() < self.max_in_shard => Ok(()),
            WhenFull::Refuse => {
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
    const MAX: usize = SHARDS * 32;

    fn table(when_full: WhenFull) -> BucketTable<u32> {
        BucketTable::new(Rate::new(1, Duration::from_secs(1), 2).unwrap(), MAX, when_full, [7; 16])
    }

    #[test]
    fn keys_have_buckets_of_their_own() {
        let table = table(WhenFull::Evict);
        for key in [1, 2] {
            assert!(table.take(key, 0).is_ok() && table.take(key, 0).is_ok());
            assert_eq!(table.take(key, 0), Err(Duration::from_secs(1)));
        }
        assert!(table.take(1, SECOND).is_ok());
    }

    #[test]
    fn eviction_keeps_the_table_bounded() {
        let table = table(WhenFull::Evict);
        for key in 0..100_000 {
            assert!(table.take(key, u64::from(key)).is_ok());
        }
        assert!(table.len() <= MAX, "{}", table.len());
    }

    #[test]
    fn the_emptiest_buckets_are_kept_longest() {
        let table = table(WhenFull::Evict);
        assert!(table.take(0, 0).is_ok() && table.take(0, 0).is_ok());
        for key in 1..100_000 {
            assert!(table.take(key, 0).is_ok());
        }
        assert!(table.take(0, 0).is_err());
    }

    #[test]
    fn a_full_table_refuses_new_keys_until_a_bucket_is_full() {
        let table = table(WhenFull::Refuse);
        let accepted = (0..100_000).filter(|key| table.take(*key, 0).is_ok()).count();
        assert_eq!((accepted, table.len()), (MAX, MAX));
        assert_eq!(table.take(200_000, SECOND / 2), Err(Duration::from_millis(500)));
        assert!(table.take(200_000, SECOND).is_ok());
    }
}
