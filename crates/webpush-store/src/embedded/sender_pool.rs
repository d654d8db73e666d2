//! Keys of application servers, shared by the cached subscriptions that are restricted to them.

use super::id_hash::IdHash;
use crate::threads::sync::{Arc, Mutex, PoisonError};
use hashbrown::HashTable;
use std::hash::BuildHasher;
use webpush_core::subscription::SenderKey;

/// Memory of a key: an allocation with its counters, and its share of the hash table.
pub(super) const SENDER_BYTES: u64 = 96 + 24;

/// A bounded set of shared keys.
pub(super) struct SenderPool {
    hasher: IdHash,
    limit: usize,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    table: HashTable<Arc<SenderKey>>,
    /// Keys that were refused since unused ones were last removed.
    refused: usize,
}

impl SenderPool {
    /// Creates an empty pool of at most `limit` keys.
    pub(super) fn new(hasher: IdHash, limit: usize) -> Self {
        Self { hasher, limit, keys: Mutex::default() }
    }

    /// Returns the shared copy of a key; `None` if the pool is full.
    pub(super) fn intern(&self, key: &SenderKey) -> Option<Arc<SenderKey>> {
        let hash = self.hasher.hash_one(key.0);
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = keys.table.find(hash, |shared| **shared == *key) {
            return Some(Arc::clone(shared));
        }
        if keys.table.len() >= self.limit {
            // Searches all keys, but not for each refused one.
            if keys.refused == 0 {
                keys.table.retain(|shared| Arc::strong_count(shared) > 1);
            }
            if keys.table.len() >= self.limit {
                keys.refused = (keys.refused + 1) % (self.limit / 4).max(1);
                return None;
            }
        }
        let shared = Arc::new(*key);
        let hash_of = |shared: &Arc<SenderKey>| self.hasher.hash_one(shared.0);
        keys.table.insert_unique(hash, Arc::clone(&shared), hash_of);
        Some(shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system;

    #[test]
    fn equal_keys_are_shared_and_unused_ones_make_room() {
        let pool = SenderPool::new(IdHash::new(&system::env()).unwrap(), 2);
        let [first, same] = [1, 1].map(|byte| pool.intern(&SenderKey([byte; 65])).unwrap());
        assert!(Arc::ptr_eq(&first, &same));
        let second = pool.intern(&SenderKey([2; 65])).unwrap();
        assert!(pool.intern(&SenderKey([3; 65])).is_none());
        assert_eq!(second.0, [2; 65]);
        drop(second);
        assert!(pool.intern(&SenderKey([3; 65])).is_some());
        assert!(Arc::ptr_eq(&first, &pool.intern(&SenderKey([1; 65])).unwrap()));
    }
}
