//! IDs of messages appended recently, so that a commit that is submitted again stores no duplicates.
//!
//! Two generations of [`GENERATION`] messages: when the young one is full, it becomes the old one, and the old one is
//! dropped. A message takes 24 bytes, and all of them at most 3.3 MB.

use super::id_hash::IdHash;
use std::collections::HashMap;
use webpush_core::id::{InboxId, MessageId, Position};

/// Messages in a generation: the capacity of a hash table of 65,536 buckets.
const GENERATION: usize = 57_344;

/// A message ID mixed with the ID of its inbox. Message IDs are random, so no two messages share one.
type Key = u128;

/// An odd number, so that different inboxes stay different.
const MIX: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// The positions of messages by ID.
pub(super) struct RecentAppends {
    young: HashMap<Key, Position, IdHash>,
    old: HashMap<Key, Position, IdHash>,
    /// Messages of the group that is being committed.
    group: Vec<Key>,
    /// The start of those of the current request.
    request: usize,
}

impl RecentAppends {
    pub(super) fn new(hash: IdHash) -> Self {
        let none = || HashMap::with_hasher(hash);
        Self { young: none(), old: none(), group: Vec::new(), request: 0 }
    }

    /// Returns the position of a message that was already appended.
    pub(super) fn position(&self, inbox: InboxId, message: MessageId) -> Option<Position> {
        let key = key(inbox, message);
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    /// Adds a message of the current request.
    pub(super) fn add(&mut self, inbox: InboxId, message: MessageId, position: Position) {
        if self.young.len() >= GENERATION {
            let young = HashMap::with_capacity_and_hasher(GENERATION, *self.young.hasher());
            self.old = std::mem::replace(&mut self.young, young);
        }
        let key = key(inbox, message);
        self.young.insert(key, position);
        self.group.push(key);
    }

    pub(super) const fn accept_request(&mut self) {
        self.request = self.group.len();
    }

    pub(super) fn take_request_back(&mut self) {
        self.forget_from(self.request);
    }

    /// Ends the group, whether it was stored or not. After a failure that is unknown until this is called.
    pub(super) fn end_group(&mut self, is_stored: bool) {
        if !is_stored {
            self.forget_from(0);
        }
        self.group.clear();
        self.request = 0;
    }

    fn forget_from(&mut self, first: usize) {
        for key in self.group.drain(first..) {
            self.young.remove(&key);
            self.old.remove(&key);
        }
    }
}

fn key(inbox: InboxId, message: MessageId) -> Key {
    u128::from_ne_bytes(*inbox.as_bytes()).wrapping_mul(MIX) ^ u128::from_ne_bytes(*message.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INBOX: InboxId = InboxId::from_bytes([1; 16]);

    fn id(number: u64) -> MessageId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        MessageId::from_bytes(id)
    }

    fn recent() -> RecentAppends {
        RecentAppends::new(IdHash::new(&crate::system::env()).unwrap())
    }

    fn is_known(recent: &RecentAppends, number: u64) -> bool {
        let position = recent.position(INBOX, id(number));
        assert!(position.is_none_or(|position| position == Position::new(number)));
        position.is_some()
    }

    fn add(recent: &mut RecentAppends, number: u64) {
        recent.add(INBOX, id(number), Position::new(number));
    }

    #[test]
    fn only_what_may_be_stored_is_known() {
        let mut recent = recent();
        add(&mut recent, 1);
        recent.accept_request();
        add(&mut recent, 2);
        recent.take_request_back();
        assert_eq!([1, 2].map(|number| is_known(&recent, number)), [true, false]);
        assert_eq!(recent.position(InboxId::from_bytes([2; 16]), id(1)), None);
        recent.end_group(true);
        add(&mut recent, 3);
        recent.accept_request();
        assert!(is_known(&recent, 3), "it may be stored");
        recent.end_group(false);
        assert_eq!([1, 3].map(|number| is_known(&recent, number)), [true, false]);
    }

    #[test]
    fn it_is_bounded_and_knows_a_generation_at_least() {
        let mut recent = recent();
        let last = 3 * GENERATION as u64;
        for number in 0..last {
            add(&mut recent, number);
            recent.end_group(true);
        }
        assert!((last - GENERATION as u64..last).all(|number| is_known(&recent, number)));
        assert!(recent.young.len() + recent.old.len() <= 2 * GENERATION);
        assert!(!is_known(&recent, 0));
    }
}
