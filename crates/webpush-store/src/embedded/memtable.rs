//! Memtables: rows that the engine does not have yet, each as its last change left it.

use super::id_hash::IdHash;
use super::key::Key;
use super::packed_rows::PackedUsage;
use super::row_cache::RowCache;
use super::rows::{Table, read_inbox_key};
use super::usage_changes::UsageChanges;
use super::value::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::RangeInclusive;
use webpush_core::id::InboxId;

/// Changes of one table: a value, or `None` for a row to be removed.
pub(super) type Rows = BTreeMap<Key, Option<Value>>;

/// Changes of all tables.
pub(super) type Tables = [Rows; Table::ALL.len()];

/// Memory of a row in addition to its value: a slot in a tree or table, and an allocation.
const ROW_BYTES: usize = 160;

/// Changes that belong together until the engine has them.
pub(super) struct Memtable {
    /// Without usage rows.
    tables: Tables,
    usages: UsageChanges,
    bytes: usize,
    /// True if a record was restored, so that a key may have been put before.
    restores: bool,
}

impl Memtable {
    pub(super) fn new(hasher: IdHash) -> Self {
        Self { tables: Tables::default(), usages: UsageChanges::new(hasher), bytes: 0, restores: false }
    }

    pub(super) const fn hasher(&self) -> IdHash {
        self.usages.hasher()
    }

    /// Creates a memtable with rows that were read from the log.
    pub(super) fn replay(mut tables: Tables, hasher: IdHash) -> Self {
        let mut usages = UsageChanges::new(hasher);
        for (key, value) in std::mem::take(&mut tables[Table::Usages as usize]) {
            if let Some(inbox) = read_inbox_key(&key) {
                usages.replay(inbox, value);
            }
        }
        Self { tables, usages, bytes: 0, restores: false }
    }

    /// Adds the changes of a group. `restores` is true if the group restored a record.
    ///
    /// `usages` still has the usage rows from before the group.
    pub(super) fn add(&mut self, changes: Tables, restores: bool, usages: &RowCache<PackedUsage>) {
        self.restores |= restores;
        for (table, rows) in Table::ALL.into_iter().zip(changes) {
            for (key, value) in rows {
                match table {
                    Table::Usages => self.change_usage(&key, value, usages),
                    _ => self.change(table, key, value),
                }
            }
        }
    }

    fn change_usage(&mut self, key: &Key, value: Option<Value>, usages: &RowCache<PackedUsage>) {
        let Some(inbox) = read_inbox_key(key) else { return };
        self.bytes += size(value.as_ref());
        if let Some(replaced) = self.usages.add(inbox, value, usages) {
            self.bytes -= size(replaced.as_ref());
        }
    }

    fn change(&mut self, table: Table, key: Key, value: Option<Value>) {
        match self.tables[table as usize].entry(key) {
            Entry::Vacant(place) => {
                self.bytes += size(value.as_ref());
                place.insert(value);
            }
            Entry::Occupied(mut place) => {
                self.bytes -= size(place.get().as_ref());
                let is_young = place.get().is_some() && table.puts_each_key_once() && !self.restores;
                if value.is_none() && is_young {
                    // Only this memtable has the row, so its removal needs no tombstone.
                    place.remove();
                } else {
                    self.bytes += size(value.as_ref());
                    place.insert(value);
                }
            }
        }
    }

    /// Returns the changed value of a row; `Some(None)` if it is to be removed.
    pub(super) fn get(&self, table: Table, key: &Key) -> Option<&Option<Value>> {
        match table {
            Table::Usages => self.usages.get(key),
            _ => self.tables[table as usize].get(key),
        }
    }

    /// Returns changes in key order, of any table but that of the usage rows.
    pub(super) fn range(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
    ) -> impl DoubleEndedIterator<Item = (&Key, &Option<Value>)> {
        debug_assert!(!matches!(table, Table::Usages), "usage rows are looked up one by one");
        self.tables[table as usize].range(keys)
    }

    /// Returns the changes from a key on, in any order.
    pub(super) fn in_any_order(
        &self,
        table: Table,
        from: Key,
    ) -> impl Iterator<Item = (Key, &Option<Value>)> {
        let usages = matches!(table, Table::Usages).then(|| self.usages.in_any_order(from));
        let rows = self.tables[table as usize].range(from..);
        rows.map(|(key, value)| (*key, value)).chain(usages.into_iter().flatten())
    }

    /// Returns in key order the changes that the engine needs.
    pub(super) fn to_flush(&self, table: Table) -> impl Iterator<Item = (Key, &Option<Value>)> {
        let usages = matches!(table, Table::Usages).then(|| self.usages.to_flush());
        let rows = self.tables[table as usize].iter();
        rows.map(|(key, value)| (*key, value)).chain(usages.into_iter().flatten())
    }

    /// Returns true if the engine needs no usage row of an inbox.
    pub(super) fn is_usage_unchanged(&self, inbox: InboxId) -> bool {
        self.usages.is_unchanged(inbox)
    }

    /// Returns its approximate memory in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

fn size(value: Option<&Value>) -> usize {
    ROW_BYTES + value.map_or(0, |value| value.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system;

    fn memtable(replayed: Tables) -> Memtable {
        Memtable::replay(replayed, IdHash::new(&system::env()).unwrap())
    }

    fn change(memtable: &mut Memtable, table: Table, value: Option<&[u8]>) {
        memtable.change(table, Key::from(*b"key"), value.map(Value::from));
    }

    #[test]
    fn an_entry_that_is_removed_young_leaves_no_trace() {
        let mut memtable = memtable(Tables::default());
        for table in [Table::Entries, Table::Deadlines] {
            change(&mut memtable, table, Some(b"value"));
            assert_eq!(memtable.bytes(), ROW_BYTES + 5);
            change(&mut memtable, table, None);
            assert_eq!((memtable.to_flush(table).count(), memtable.bytes()), (0, 0));
        }
    }

    #[test]
    fn what_the_engine_may_have_leaves_a_trace() {
        let mut replayed = Tables::default();
        replayed[Table::Deadlines as usize].insert(Key::from(*b"key"), None);
        let mut memtable = memtable(replayed);
        change(&mut memtable, Table::Entries, None);
        change(&mut memtable, Table::Ranks, Some(b"value"));
        change(&mut memtable, Table::Ranks, None);
        assert_eq!(memtable.bytes(), 2 * ROW_BYTES);
        for table in [Table::Entries, Table::Ranks, Table::Deadlines] {
            assert_eq!(memtable.get(table, &Key::from(*b"key")), Some(&None));
        }
    }

    #[test]
    fn the_memory_of_a_usage_row_is_counted_once() {
        let mut memtable = memtable(Tables::default());
        let usages = RowCache::new(memtable.hasher(), 1 << 20, ());
        for value in [&b"value"[..], b"longer value"] {
            let mut changes = Tables::default();
            changes[Table::Usages as usize].insert(Key::from([1; 16]), Some(Value::from(value)));
            memtable.add(changes, false, &usages);
            assert_eq!(memtable.bytes(), ROW_BYTES + value.len());
        }
        assert_eq!(memtable.in_any_order(Table::Usages, Key::default()).count(), 1);
    }
}
