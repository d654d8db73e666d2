//! A bounded memory in two token_cache: when the young one is full it becomes the old one, and the old one is
//! forgotten. What is used meanwhile moves on, so no order of use needs to be kept.

use std::collections::HashMap;
use std::mem;
use webpush_core::sender::VerifiedSender;

/// Verified tokens remembered in one generation; there are two, so at most twice as many, in 15 MB.
const VAPID_CACHE_ENTRIES: usize = 32_768;

/// Parts with a lock of their own, so that requests on several cores seldom meet.
pub(super) const SHARDS: usize = 16;

/// The entries of one generation in one shard.
const GENERATION_ENTRIES: usize = VAPID_CACHE_ENTRIES / SHARDS;
const _: () = assert!(GENERATION_ENTRIES > 0, "a token must be remembered at least until the next one");

/// What a token is remembered by: a SHA-256 digest.
pub(super) type TokenName = [u8; 32];

#[derive(Default)]
pub(super) struct TokenCache {
    young: HashMap<TokenName, VerifiedSender>,
    old: HashMap<TokenName, VerifiedSender>,
}

impl TokenCache {
    pub(super) fn get(&mut self, name: &TokenName) -> Option<VerifiedSender> {
        if let Some(sender) = self.young.get(name) {
            return Some(*sender);
        }
        let sender = self.old.remove(name)?;
        self.insert(*name, sender);
        Some(sender)
    }

    pub(super) fn insert(&mut self, name: TokenName, sender: VerifiedSender) {
        if self.young.len() == GENERATION_ENTRIES {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(name, sender);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vapid::tests::verified_sender;

    fn name(number: usize) -> TokenName {
        let mut name = TokenName::default();
        name[..8].copy_from_slice(&number.to_be_bytes());
        name
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_used() {
        let sender = verified_sender();
        let mut token_cache = TokenCache::default();
        for number in 0..GENERATION_ENTRIES * 5 {
            token_cache.insert(name(number), sender);
            assert_eq!(token_cache.get(&name(0)), Some(sender), "used all the time");
            assert!(token_cache.young.len() <= GENERATION_ENTRIES);
            assert!(token_cache.old.len() <= GENERATION_ENTRIES);
        }
        assert_eq!(token_cache.get(&name(1)), None, "not used for two token_cache");
    }
}
