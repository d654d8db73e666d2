//! Memtables: rows that the engine does not have yet, each as its last change left it.

use super::key::Key;
use super::packed_rows::PackedUsage;
use super::row_cache::{PackedRow, RowCache};
use super::rows::{Table, read_inbox_key};
use super::usage_row::UsageRow;
use super::value::Value;
use std::collections::BTreeMap;
use std::collections::HashSet;
use std::collections::btree_map::Entry;
use std::ops::RangeInclusive;
use webpush_core::id::InboxId;

/// Changes of one table: a value, or `None` for a row to be removed.
pub(super) type Rows = BTreeMap<Key, Option<Value>>;

/// Changes of all tables.
pub(super) type Tables = [Rows; Table::ALL.len()];

/// Memory of a row in addition to its value: a slot in a tree that is not full, and an allocation.
const ROW_BYTES: usize = 160;

/// Changes that belong together until the engine has them.
#[derive(Default)]
pub(super) struct Memtable {
    tables: Tables,
    bytes: usize,
    /// True if a record was restored, so that a key may have been put before.
    restores: bool,
    /// Usage rows as they were before their first change here, as far as they were cached.
    old_usages: Vec<(InboxId, PackedUsage)>,
}

impl Memtable {
    /// Adds the changes of a group. `restores` is true if the group restored a record.
    ///
    /// `usages` still has the usage rows from before the group.
    pub(super) fn add(&mut self, changes: Tables, restores: bool, usages: &RowCache<PackedUsage>) {
        self.restores |= restores;
        for (table, rows) in Table::ALL.into_iter().zip(changes) {
            for (key, value) in rows {
                let is_first = self.change(table, key, value);
                if is_first && matches!(table, Table::Usages) {
                    self.keep_old_usage(&key, usages);
                }
            }
        }
    }

    fn keep_old_usage(&mut self, key: &Key, usages: &RowCache<PackedUsage>) {
        let Some(inbox) = read_inbox_key(key) else { return };
        if let Ok(old) = usages.packed(&inbox) {
            self.old_usages.push((inbox, old));
            self.bytes += size_of::<(InboxId, PackedUsage)>();
        }
    }

    /// Returns the inboxes whose usage rows need not be written.
    ///
    /// They differ from the rows before this memtable by their last position at most. It is covered by the floor, which
    /// rises when the memtable is rotated.
    pub(super) fn unchanged_usages(&self) -> HashSet<InboxId> {
        let rows = self.rows(Table::Usages);
        let is_unchanged = |(inbox, old): &&(InboxId, PackedUsage)| {
            let new = rows.get(&Key::from(*inbox.as_bytes())).and_then(Option::as_ref);
            let new = new.and_then(|value| UsageRow::read(*inbox, value));
            let old = old.unpack(inbox);
            new.is_some_and(|new| UsageRow { last: old.last, ..new } == old)
        };
        self.old_usages.iter().filter(is_unchanged).map(|(inbox, _)| *inbox).collect()
    }

    /// Returns true if the memtable had no change of this row before.
    fn change(&mut self, table: Table, key: Key, value: Option<Value>) -> bool {
        match self.tables[table as usize].entry(key) {
            Entry::Vacant(place) => {
                self.bytes += size(value.as_ref());
                place.insert(value);
                true
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
                false
            }
        }
    }

    /// Adds rows that were read from the log.
    ///
    /// The engine may have them already, so a removed row leaves a tombstone.
    pub(super) fn replay(&mut self, table: Table, key: Key, value: Option<&[u8]>) {
        self.tables[table as usize].insert(key, value.map(Value::from));
    }

    pub(super) const fn rows(&self, table: Table) -> &Rows {
        &self.tables[table as usize]
    }

    pub(super) fn range(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
    ) -> impl Iterator<Item = (&Key, &Option<Value>)> {
        self.rows(table).range(keys)
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

    fn change(memtable: &mut Memtable, table: Table, value: Option<&[u8]>) {
        let _ = memtable.change(table, Key::from(*b"key"), value.map(Value::from));
    }

    #[test]
    fn an_entry_that_is_removed_young_leaves_no_trace() {
        let mut memtable = Memtable::default();
        for table in [Table::Entries, Table::Deadlines] {
            change(&mut memtable, table, Some(b"value"));
            assert_eq!(memtable.bytes(), ROW_BYTES + 5);
            change(&mut memtable, table, None);
            assert_eq!((memtable.rows(table).len(), memtable.bytes()), (0, 0));
        }
    }

    #[test]
    fn what_the_engine_may_have_leaves_a_trace() {
        let mut memtable = Memtable::default();
        change(&mut memtable, Table::Entries, None);
        change(&mut memtable, Table::Ranks, Some(b"value"));
        change(&mut memtable, Table::Ranks, None);
        assert_eq!(memtable.bytes(), 2 * ROW_BYTES);
        memtable.replay(Table::Deadlines, Key::from(*b"key"), Some(b"value"));
        memtable.replay(Table::Deadlines, Key::from(*b"key"), None);
        for table in [Table::Entries, Table::Ranks, Table::Deadlines] {
            assert_eq!(memtable.rows(table).get(&Key::from(*b"key")), Some(&None));
        }
    }
}
