//! The usage rows of a memtable.
//!
//! Each message changes the usage row of its inbox. So most rows of a memtable are usage rows, each of another inbox if
//! there are many, and few of them need to be flushed. They are found by hash, with one access to memory where a tree
//! takes several. Snapshots and flushes need them in order, and sort them.

use super::id_hash::IdHash;
use super::key::Key;
use super::packed_rows::PackedUsage;
use super::row_cache::{PackedRow, RowCache};
use super::rows::read_inbox_key;
use super::usage_row::UsageRow;
use super::value::Value;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::BuildHasher;
use webpush_core::id::InboxId;

/// Many, so that growing a table delays nobody for long.
const SHARDS: usize = 64;

/// Changed usage rows.
pub(super) struct UsageChanges {
    hasher: IdHash,
    shards: Box<[HashTable<UsageChange>]>,
}

struct UsageChange {
    inbox: InboxId,
    /// The row before its first change here, if it was cached.
    old: Option<PackedUsage>,
    /// `None` for a row to be removed.
    new: Option<Value>,
}

impl UsageChanges {
    pub(super) fn new(hasher: IdHash) -> Self {
        Self { hasher, shards: (0..SHARDS).map(|_| HashTable::new()).collect() }
    }

    pub(super) const fn hasher(&self) -> IdHash {
        self.hasher
    }

    /// Returns the new value of a row, `Some(None)` if it is to be removed.
    pub(super) fn get(&self, key: &Key) -> Option<&Option<Value>> {
        self.find(read_inbox_key(key)?).map(|change| &change.new)
    }

    /// Adds a change, and returns the value that it replaces, if the row has changed before.
    ///
    /// `usages` still has the row from before the change.
    pub(super) fn add(
        &mut self,
        inbox: InboxId,
        new: Option<Value>,
        usages: &RowCache<PackedUsage>,
    ) -> Option<Option<Value>> {
        let hash = self.hasher.hash_one(inbox);
        let hasher = self.hasher;
        let shard = &mut self.shards[shard_of(hash)];
        match shard.entry(hash, |change| change.inbox == inbox, |change| hasher.hash_one(change.inbox)) {
            Entry::Occupied(mut place) => Some(std::mem::replace(&mut place.get_mut().new, new)),
            Entry::Vacant(place) => {
                place.insert(UsageChange { inbox, old: usages.packed(&inbox).ok(), new });
                None
            }
        }
    }

    /// Adds a row that was read from the log.
    pub(super) fn replay(&mut self, inbox: InboxId, new: Option<Value>) {
        let hash = self.hasher.hash_one(inbox);
        let hasher = self.hasher;
        let shard = &mut self.shards[shard_of(hash)];
        shard.insert_unique(hash, UsageChange { inbox, old: None, new }, |change| {
            hasher.hash_one(change.inbox)
        });
    }

    /// Returns the rows from a key on, in any order.
    pub(super) fn in_any_order(&self, from: Key) -> impl Iterator<Item = (Key, &Option<Value>)> {
        self.changes().map(|change| (change.key(), &change.new)).filter(move |(key, _)| *key >= from)
    }

    /// Returns in key order the rows that need to be flushed.
    pub(super) fn to_flush(&self) -> impl Iterator<Item = (Key, &Option<Value>)> {
        let mut changes: Vec<_> = self.changes().filter(|change| !change.is_unchanged()).collect();
        changes.sort_unstable_by_key(|change| change.inbox);
        changes.into_iter().map(|change| (change.key(), &change.new))
    }

    /// Returns true if the row of an inbox need not be flushed.
    ///
    /// It differs from the row before these changes by its last position at most. The floor covers that position: it
    /// rises when the memtable is rotated.
    pub(super) fn is_unchanged(&self, inbox: InboxId) -> bool {
        self.find(inbox).is_some_and(UsageChange::is_unchanged)
    }

    fn find(&self, inbox: InboxId) -> Option<&UsageChange> {
        let hash = self.hasher.hash_one(inbox);
        self.shards[shard_of(hash)].find(hash, |change| change.inbox == inbox)
    }

    fn changes(&self) -> impl Iterator<Item = &UsageChange> {
        self.shards.iter().flatten()
    }
}

impl UsageChange {
    fn key(&self) -> Key {
        Key::from(*self.inbox.as_bytes())
    }

    fn is_unchanged(&self) -> bool {
        let Some((old, new)) = self.old.as_ref().zip(self.new.as_ref()) else { return false };
        let old = old.unpack(&self.inbox);
        UsageRow::read(self.inbox, new).is_some_and(|new| UsageRow { last: old.last, ..new } == old)
    }
}

/// Returns the shard of a hash. It does not depend on the bits that the tables use.
#[allow(clippy::cast_possible_truncation, reason = "any bits will do")]
const fn shard_of(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system;
    use webpush_core::id::Position;
    use webpush_core::inbox::{Inbox, Owner};

    fn inbox(number: u8) -> InboxId {
        InboxId::from_bytes([number; 16])
    }

    fn usage(entries: u64, last: u64) -> UsageRow {
        let (id, key) = (inbox(0), webpush_core::capability::KeyId(0));
        let created = webpush_core::time::Timestamp::from_millis(0);
        let new = UsageRow::new(&Inbox { id, owner: Owner::Agent, created, key }, Position::new(last));
        UsageRow { entries, ..new }
    }

    fn rows() -> (UsageChanges, RowCache<PackedUsage>) {
        let hasher = IdHash::new(&system::env()).unwrap();
        (UsageChanges::new(hasher), RowCache::new(hasher, 1 << 20, ()))
    }

    fn inboxes<'a>(rows: impl Iterator<Item = (Key, &'a Option<Value>)>) -> Vec<u8> {
        rows.map(|(key, _)| key[0]).collect()
    }

    #[test]
    fn rows_come_back_in_order() {
        let (mut changes, usages) = rows();
        let mut value = |number, entries| {
            let new = Some(usage(entries, 1).value(inbox(number)));
            (changes.add(inbox(number), new.clone(), &usages), new)
        };
        for number in [200, 3, 250, 1, 2] {
            assert_eq!(value(number, 1).0, None);
        }
        let (replaced, new) = value(3, 2);
        assert_eq!(replaced, Some(Some(usage(1, 1).value(inbox(3)))));
        assert_eq!(changes.add(inbox(2), None, &usages).map(|replaced| replaced.is_some()), Some(true));

        let key = |number| Key::from(*inbox(number).as_bytes());
        assert_eq!(changes.get(&key(3)), Some(&new));
        assert_eq!((changes.get(&key(2)), changes.get(&key(4))), (Some(&None), None));
        assert_eq!(inboxes(changes.to_flush()), [1, 2, 3, 200, 250]);
        let mut from_3 = inboxes(changes.in_any_order(key(3)));
        from_3.sort_unstable();
        assert_eq!(from_3, [3, 200, 250]);
    }

    #[test]
    fn a_row_whose_last_position_alone_has_changed_is_not_flushed() {
        let (mut changes, usages) = rows();
        let cases = [
            (1, Some(usage(1, 5)), Some(usage(1, 9)), false),
            (2, Some(usage(1, 5)), Some(usage(2, 5)), true),
            (3, Some(usage(1, 5)), None, true),
            (4, None, Some(usage(1, 9)), true),
        ];
        for (number, old, new, _) in cases {
            usages.set(inbox(number), old.as_ref());
            // Only the row before the first change counts.
            changes.add(inbox(number), Some(usage(7, 7).value(inbox(number))), &usages);
            usages.set(inbox(number), Some(&usage(7, 7)));
            changes.add(inbox(number), new.map(|new| new.value(inbox(number))), &usages);
        }
        changes.replay(inbox(5), Some(usage(1, 1).value(inbox(5))));
        assert_eq!(inboxes(changes.to_flush()), [2, 3, 4, 5]);
        for (number, _, _, is_flushed) in cases {
            assert_eq!(changes.is_unchanged(inbox(number)), !is_flushed, "{number}");
        }
    }
}
