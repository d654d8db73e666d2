//! Hashes of IDs.
//!
//! A push looks up ten of them. A hash of the standard library costs 300 instructions, one of these 40.

use std::hash::{BuildHasher, Hasher};
use webpush_core::env::{EntropyError, Env};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Builds hashers for IDs.
///
/// Each map has its own secret, because agents can choose some IDs.
#[derive(Clone, Copy)]
pub(super) struct IdHash(u64);

/// A hasher for an ID.
pub(super) struct IdHasher(u64);

impl IdHash {
    /// Creates a builder with its own secret.
    pub(super) fn new(env: &Env) -> Result<Self, EntropyError> {
        env.random().map(u64::from_le_bytes).map(Self)
    }
}

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher(self.0)
    }
}

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The length prefix of an array carries no information.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system;
    use webpush_core::id::{InboxId, SubscriptionId};

    #[test]
    fn every_part_of_a_key_counts_and_each_map_has_its_own() {
        let ids = |agent, subscription| {
            (InboxId::from_bytes([agent; 16]), SubscriptionId::from_bytes([subscription; 16]))
        };
        let hash = IdHash::new(&system::env()).unwrap();
        assert_eq!(hash.hash_one(ids(1, 2)), hash.hash_one(ids(1, 2)));
        for other in [ids(1, 3), ids(3, 2), ids(2, 1)] {
            assert_ne!(hash.hash_one(ids(1, 2)), hash.hash_one(other));
        }
        assert_ne!(hash.hash_one(ids(1, 2)), IdHash::new(&system::env()).unwrap().hash_one(ids(1, 2)));
    }
}
