//! A bounded cache of the rows of one table, packed.
//!
//! Each shard has its rows side by side, and a [`RowIndex`] of them. A full shard evicts a row that was not used since the
//! clock hand passed it last.
//!
//! A row is replaced or removed after its change can be read, and before anyone is told of it. A reader that reads the
//! row from the engine at that time must not bring the old one back: each shard counts its changes, and accepts a row
//! that was read only if that count is the same as before the read.

use super::id_hash::IdHash;
use super::row_index::{INDEX_BYTES, INDEX_ROWS, RowIndex};
use crate::threads::sync::{Mutex, MutexGuard, PoisonError};
use std::hash::{BuildHasher, Hash};

/// Many, so that growing an index delays nobody for long.
const SHARDS: usize = 128;

/// Rows that a shard grows by, in addition to an eighth.
const GROWTH_ROWS: usize = 8;

/// A row as the cache holds it. It should be small and without padding: there may be millions.
pub(super) trait PackedRow: Sized {
    type Key: Copy + Eq + Hash;
    /// The row as it is used.
    type Row;
    /// Values that rows share.
    type Pool;

    /// Packs a row; `None` if it does not fit, which is rare.
    fn pack(row: &Self::Row, pool: &Self::Pool) -> Option<Self>;

    fn unpack(&self, key: &Self::Key) -> Self::Row;
}

/// A bounded cache of rows.
pub(super) struct RowCache<P: PackedRow> {
    shards: [Mutex<Shard<P>>; SHARDS],
    pool: P::Pool,
    hasher: IdHash,
    /// Rows in each shard at most.
    shard_rows: usize,
}

struct Shard<P: PackedRow> {
    /// Counts replaced and removed rows.
    changes: u64,
    index: RowIndex,
    rows: Vec<(P::Key, P)>,
}

/// Returned when a row is not cached. [`RowCache::fill`] takes it back with the row once that was read.
pub(super) struct Miss {
    changes: u64,
}

impl<P: PackedRow> RowCache<P> {
    /// Creates an empty cache that takes at most `bytes` of memory once it is full.
    pub(super) fn new(hasher: IdHash, bytes: u64, pool: P::Pool) -> Self {
        let rows = usize::try_from(bytes).unwrap_or(usize::MAX) / (size_of::<(P::Key, P)>() + INDEX_BYTES);
        let shard_rows = (rows / SHARDS).clamp(1, INDEX_ROWS);
        Self { shards: std::array::from_fn(|_| Mutex::default()), pool, hasher, shard_rows }
    }

    pub(super) fn get(&self, key: &P::Key) -> Result<P::Row, Miss> {
        self.find(key, |packed| packed.unpack(key))
    }

    /// Returns a row as it is cached.
    pub(super) fn packed(&self, key: &P::Key) -> Result<P, Miss>
    where
        P: Copy,
    {
        self.find(key, |packed| *packed)
    }

    /// Returns an error if the row is not cached, whether or not it exists.
    pub(super) fn contains(&self, key: &P::Key) -> Result<(), Miss> {
        self.find(key, |_| ())
    }

    fn find<T>(&self, key: &P::Key, read: impl FnOnce(&P) -> T) -> Result<T, Miss> {
        let (hash, mut shard) = self.shard(key);
        let Some(place) = shard.find(hash, key) else { return Err(Miss { changes: shard.changes }) };
        shard.index.mark_used(place);
        Ok(read(&shard.rows[shard.index.row(place)].1))
    }

    /// Adds a row that was read, unless a row of its shard has changed since the miss.
    pub(super) fn fill(&self, key: P::Key, row: &P::Row, miss: &Miss) {
        let Some(packed) = P::pack(row, &self.pool) else { return };
        let (hash, mut shard) = self.shard(&key);
        if shard.changes == miss.changes {
            shard.insert(hash, key, packed, self.shard_rows);
        }
    }

    /// Takes over a row that was written; `None` if it was removed from its table.
    pub(super) fn set(&self, key: P::Key, row: Option<&P::Row>) {
        let packed = row.and_then(|row| P::pack(row, &self.pool));
        let (hash, mut shard) = self.shard(&key);
        shard.changes += 1;
        match packed {
            Some(packed) => shard.insert(hash, key, packed, self.shard_rows),
            None => shard.remove(hash, &key, &self.hasher),
        }
    }

    /// Removes all rows.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            *shard = Shard { changes: shard.changes + 1, ..Shard::default() };
        }
    }

    fn shard(&self, key: &P::Key) -> (u64, MutexGuard<'_, Shard<P>>) {
        let hash = self.hasher.hash_one(key);
        // Other bits than those that the index uses.
        #[allow(clippy::cast_possible_truncation, reason = "any bits will do")]
        let shard = (hash >> 32) as usize % SHARDS;
        (hash, lock(&self.shards[shard]))
    }
}

impl<P: PackedRow> Default for Shard<P> {
    fn default() -> Self {
        Self { changes: 0, index: RowIndex::default(), rows: Vec::new() }
    }
}

impl<P: PackedRow> Shard<P> {
    /// Returns the place of a row in the index.
    fn find(&self, hash: u64, key: &P::Key) -> Option<usize> {
        self.index.find(hash, |row| self.rows[row].0 == *key)
    }

    fn insert(&mut self, hash: u64, key: P::Key, packed: P, limit: usize) {
        if let Some(place) = self.find(hash, &key) {
            self.index.mark_used(place);
            self.rows[self.index.row(place)].1 = packed;
            return;
        }
        let evicted = if self.rows.len() < limit { None } else { self.index.evict() };
        let row = match evicted {
            Some(row) => {
                self.rows[row] = (key, packed);
                row
            }
            None => {
                if self.rows.len() == self.rows.capacity() {
                    // Grows by an eighth instead of doubling: rows are most of the memory.
                    let growth = self.rows.len() / 8 + GROWTH_ROWS;
                    self.rows.reserve_exact(growth.min(limit.saturating_sub(self.rows.len())));
                }
                self.rows.push((key, packed));
                self.rows.len() - 1
            }
        };
        self.index.insert(hash, row);
    }

    fn remove(&mut self, hash: u64, key: &P::Key, hasher: &IdHash) {
        let Some(place) = self.find(hash, key) else { return };
        let row = self.index.row(place);
        self.index.remove(place);
        let last = self.rows.len() - 1;
        if row != last {
            let hash = hasher.hash_one(self.rows[last].0);
            if let Some(moved) = self.index.find(hash, |found| found == last) {
                self.index.renumber(moved, row);
            }
        }
        self.rows.swap_remove(row);
    }
}

/// Ignores poisoning: after a panic a shard may lack a row, or hold one that is never found.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// A row that does not fit if it is odd.
    impl PackedRow for u32 {
        type Key = u16;
        type Row = Self;
        type Pool = ();

        fn pack(row: &Self, (): &()) -> Option<Self> {
            row.is_multiple_of(2).then_some(*row)
        }

        fn unpack(&self, _: &u16) -> Self {
            *self
        }
    }

    const ROW_BYTES: usize = size_of::<(u16, u32)>() + INDEX_BYTES;

    fn cache(shard_rows: usize) -> RowCache<u32> {
        RowCache::new(IdHash::new(&system::env()).unwrap(), (SHARDS * shard_rows * ROW_BYTES) as u64, ())
    }

    fn miss(cache: &RowCache<u32>, key: u16) -> Miss {
        cache.get(&key).unwrap_err()
    }

    /// Memory of a shard.
    fn bytes(shard: &Mutex<Shard<u32>>) -> usize {
        let shard = lock(shard);
        assert_eq!(shard.rows.len(), shard.index.len());
        shard.rows.capacity() * size_of::<(u16, u32)>() + shard.index.bytes()
    }

    #[test]
    fn a_row_that_changed_while_it_was_read_is_not_cached() {
        let cache = cache(1);
        for change in [|cache: &RowCache<u32>| cache.set(1, None), RowCache::clear] {
            let before = miss(&cache, 1);
            change(&cache);
            cache.fill(1, &10, &before);
            let before = miss(&cache, 1);
            cache.fill(1, &12, &before);
            assert_eq!(cache.get(&1).ok(), Some(12));
            change(&cache);
        }
        let before = miss(&cache, 1);
        cache.set(1, Some(&14));
        cache.fill(1, &10, &before);
        assert_eq!(cache.get(&1).ok(), Some(14));
        cache.set(1, Some(&15));
        assert!(cache.contains(&1).is_err());
    }

    /// B8: the cache that grows under load has an end.
    #[test]
    fn a_full_cache_keeps_within_its_bound_and_what_is_used() {
        let cache = cache(100);
        for key in 1..=u16::MAX {
            let before = miss(&cache, key);
            cache.fill(key, &u32::from(key & !1), &before);
            assert!(key < 8 || cache.contains(&7).is_ok(), "{key}");
        }
        let bytes: Vec<usize> = cache.shards.iter().map(bytes).collect();
        assert!(bytes.iter().all(|bytes| *bytes <= 100 * ROW_BYTES + 64), "{bytes:?}");
        assert!(cache.shards.iter().all(|shard| lock(shard).rows.len() == 100));
        cache.clear();
        assert!(cache.shards.iter().all(|shard| lock(shard).rows.is_empty()));
    }

    #[test]
    fn an_empty_cache_has_no_memory_on_the_heap() {
        assert!(cache(1 << 20).shards.iter().all(|shard| bytes(shard) == 0));
    }

    proptest! {
        #[test]
        fn it_has_rows_of_the_table_and_no_others(
            shard_rows in 1..4_usize,
            steps in vec((0..600_u16, 0..6_u8, any::<u32>()), 0..2000),
        ) {
            let cache = cache(shard_rows);
            let mut table = HashMap::new();
            for (key, step, row) in steps {
                match step {
                    0 => {
                        table.remove(&key);
                        cache.set(key, None);
                    }
                    1 => {
                        table.insert(key, row);
                        cache.set(key, Some(&row));
                        prop_assert_eq!(cache.get(&key).ok(), row.is_multiple_of(2).then_some(row));
                    }
                    _ => match (cache.get(&key), table.get(&key)) {
                        (Ok(cached), row) => prop_assert_eq!(Some(&cached), row),
                        (Err(miss), Some(row)) => cache.fill(key, row, &miss),
                        (Err(_), None) => {}
                    },
                }
            }
            for key in 0..600 {
                prop_assert!(cache.get(&key).ok().is_none_or(|row| table.get(&key) == Some(&row)));
            }
            prop_assert!(cache.shards.iter().all(|shard| lock(shard).rows.len() <= shard_rows));
        }
    }
}
