//! A bounded cache of verified VAPID tokens, in two generations.
//!
//! When the young generation is full it replaces the old one. Tokens in use move back to the young generation, so no
//! order of use needs to be kept.

use std::collections::HashMap;
use std::mem;
use webpush_core::sender::VerifiedSender;

/// Maximum number of tokens in one generation of all shards. Both generations take up to 15 MB.
const VAPID_CACHE_ENTRIES: usize = 32_768;

/// Number of shards, each with its own lock.
pub(super) const SHARDS: usize = 16;

/// Maximum number of tokens in one generation of one shard.
const GENERATION_ENTRIES: usize = VAPID_CACHE_ENTRIES / SHARDS;
const _: () = assert!(GENERATION_ENTRIES > 0, "a generation holds at least one token");

/// SHA-256 digest of a token and its key.
pub(super) type TokenDigest = [u8; 32];

#[derive(Default)]
pub(super) struct TokenCache {
    young: HashMap<TokenDigest, VerifiedSender>,
    old: HashMap<TokenDigest, VerifiedSender>,
}

impl TokenCache {
    pub(super) fn get(&mut self, digest: &TokenDigest) -> Option<VerifiedSender> {
        if let Some(sender) = self.young.get(digest) {
            return Some(*sender);
        }
        let sender = self.old.remove(digest)?;
        self.insert(*digest, sender);
        Some(sender)
    }

    pub(super) fn insert(&mut self, digest: TokenDigest, sender: VerifiedSender) {
        if self.young.len() == GENERATION_ENTRIES {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(digest, sender);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vapid_cache::tests::verified_sender;

    fn digest(number: usize) -> TokenDigest {
        let mut digest = TokenDigest::default();
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_tokens_in_use() {
        let sender = verified_sender();
        let mut cache = TokenCache::default();
        for number in 0..GENERATION_ENTRIES * 5 {
            cache.insert(digest(number), sender);
            assert_eq!(cache.get(&digest(0)), Some(sender), "in use");
            assert!(cache.young.len() <= GENERATION_ENTRIES);
            assert!(cache.old.len() <= GENERATION_ENTRIES);
        }
        assert_eq!(cache.get(&digest(1)), None, "not used for two generations");
    }
}
