//! Rows that were read a short while ago, decoded.
//!
//! The look-ups of a push are answered without the engine.
//!
//! Only rows that are there are kept. A row is forgotten after its change can be read and before anybody is told of it.
//! A reader that reads a row at that time must not bring the old one back: each shard counts how often it has forgotten
//! something, and takes a row only if that count is the same as before it was read.

use super::id_hash::IdHash;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;
/// Rows in each of the two halves of a shard: 65,536 in all.
const HALF_ROWS: usize = 512;

/// A bounded cache of rows of one table.
pub(super) struct Recent<K, V> {
    shards: [Mutex<Shard<K, V>>; SHARDS],
    hasher: IdHash,
}

struct Shard<K, V> {
    forgotten: u64,
    young: HashMap<K, V, IdHash>,
    /// The previous young generation. Rows that are used become young again; the others are dropped.
    old: HashMap<K, V, IdHash>,
}

/// How often something was forgotten before a row was read.
pub(super) struct Before(u64);

impl<K, V> Recent<K, V> {
    pub(super) fn new(hasher: IdHash) -> Self {
        let shard = |_| Mutex::new(Shard::empty(hasher, 0));
        Self { shards: std::array::from_fn(shard), hasher }
    }
}

impl<K: Copy + Eq + Hash, V: Clone> Recent<K, V> {
    /// The row; or what must be handed back with it once it was read.
    pub(super) fn get(&self, key: &K) -> Result<V, Before> {
        self.look(key, V::clone)
    }

    /// Looks at the row where it is.
    pub(super) fn look<T>(&self, key: &K, look: impl FnOnce(&V) -> T) -> Result<T, Before> {
        let mut shard = self.shard(key);
        if let Some(value) = shard.young.get(key) {
            return Ok(look(value));
        }
        match shard.old.remove(key) {
            Some(value) => {
                let seen = look(&value);
                shard.add(*key, value);
                Ok(seen)
            }
            None => Err(Before(shard.forgotten)),
        }
    }

    /// Keeps a row, unless something may have changed since before it was read.
    pub(super) fn keep(&self, key: K, value: V, Before(forgotten): Before) {
        let mut shard = self.shard(&key);
        if shard.forgotten == forgotten {
            shard.add(key, value);
        }
    }

    /// Keeps a row that has changed; only for a table that nobody reads but who writes it.
    pub(super) fn put(&self, key: K, value: V) {
        // One that is old as well is not seen any more, and goes first.
        self.shard(&key).add(key, value);
    }

    /// Forgets a row that has changed.
    pub(super) fn forget(&self, key: &K) {
        let mut shard = self.shard(key);
        shard.forgotten += 1;
        shard.young.remove(key);
        shard.old.remove(key);
    }

    /// Forgets everything.
    pub(super) fn forget_all(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            *shard = Shard::empty(self.hasher, shard.forgotten + 1);
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, V>> {
        // Other bits than those that the maps of a shard begin with.
        #[allow(clippy::cast_possible_truncation, reason = "any bits will do")]
        let hash = (self.hasher.hash_one(key) >> 32) as usize;
        lock(&self.shards[hash % SHARDS])
    }
}

impl<K, V> Shard<K, V> {
    fn empty(hasher: IdHash, forgotten: u64) -> Self {
        Self { forgotten, young: HashMap::with_hasher(hasher), old: HashMap::with_hasher(hasher) }
    }
}

impl<K: Eq + Hash, V> Shard<K, V> {
    fn add(&mut self, key: K, value: V) {
        if self.young.len() >= HALF_ROWS {
            let young = HashMap::with_hasher(*self.young.hasher());
            self.old = std::mem::replace(&mut self.young, young);
        }
        self.young.insert(key, value);
    }
}

/// A panic while the lock was held can't leave more than a row too few.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system;

    fn keep(recent: &Recent<u32, u32>, key: u32) {
        let Err(before) = recent.get(&key) else { return };
        recent.keep(key, key, before);
    }

    #[test]
    fn a_row_that_changed_while_it_was_read_is_not_kept() {
        let recent = Recent::<u32, u32>::new(IdHash::new(&system::env()).unwrap());
        let before = recent.get(&1).unwrap_err();
        recent.forget(&1);
        recent.keep(1, 10, before);
        assert!(recent.get(&1).is_err());
        let before = recent.get(&1).unwrap_err();
        recent.forget_all();
        recent.keep(1, 10, before);
        let before = recent.get(&1).unwrap_err();
        recent.keep(1, 11, before);
        assert_eq!(recent.get(&1).ok(), Some(11));
        recent.forget(&1);
        assert!(recent.get(&1).is_err());
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let recent = Recent::<u32, u32>::new(IdHash::new(&system::env()).unwrap());
        let rows = u32::try_from(4 * SHARDS * HALF_ROWS).unwrap();
        for key in 0..rows {
            keep(&recent, key);
            assert!(recent.get(&0).is_ok());
        }
        let count = |shard: &Mutex<Shard<u32, u32>>| {
            let shard = lock(shard);
            shard.young.len() + shard.old.len()
        };
        assert!(recent.shards.iter().map(count).all(|rows| rows <= 2 * HALF_ROWS));
        assert!(recent.get(&(rows - 1)).is_ok());
        recent.forget_all();
        assert!(recent.shards.iter().all(|shard| count(shard) == 0));
    }
}
