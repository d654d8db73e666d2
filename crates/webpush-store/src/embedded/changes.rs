//! The changes of a group of requests before they are written.
//!
//! Later operations see the changes of earlier ones.

use super::damage::DamageReporter;
use super::key::Key;
use super::memtable::Tables;
use super::memtables::MemtableLayers;
use super::rows::Table;
use super::value::Value;
use super::view::{Row, View, merge_overlay};
use crate::StoreError;
use std::ops::RangeInclusive;

/// Changes on top of the existing rows. One request can be undone without those before it.
pub(super) struct Changes<'a> {
    base: MemtableLayers<'a>,
    rows: Tables,
    /// Undo log: values overwritten by the current request.
    undo: Vec<(Table, Key, Option<Option<Value>>)>,
}

impl<'a> Changes<'a> {
    /// Only the writer creates changes, and nothing else may be written before they are.
    pub(super) fn new(base: MemtableLayers<'a>) -> Self {
        Self { base, rows: Tables::default(), undo: Vec::new() }
    }

    pub(super) fn put(&mut self, table: Table, key: &[u8], value: Value) {
        self.change(table, key, Some(value));
    }

    pub(super) fn remove(&mut self, table: Table, key: &[u8]) {
        self.change(table, key, None);
    }

    fn change(&mut self, table: Table, key: &[u8], value: Option<Value>) {
        let key = Key::from(key);
        let covered = self.rows[table as usize].insert(key, value);
        self.undo.push((table, key, covered));
    }

    pub(super) fn accept_request(&mut self) {
        self.undo.clear();
    }

    pub(super) fn take_request_back(&mut self) {
        for (table, key, covered) in self.undo.drain(..).rev() {
            let rows = &mut self.rows[table as usize];
            match covered {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
    }

    /// Returns true if a row exists after the changes; `None` if they do not touch it.
    pub(super) fn changed(&self, table: Table, key: &[u8]) -> Option<bool> {
        self.rows[table as usize].get(&Key::from(key)).map(Option::is_some)
    }

    /// Returns the changed rows of a table, with their new and their old value.
    pub(super) fn changed_rows(
        &self,
        table: Table,
    ) -> impl Iterator<Item = (&Key, Option<&Value>, Option<Value>)> {
        self.rows[table as usize].iter().map(move |(key, after)| {
            let before = self.base.get(table, key).ok().flatten();
            (key, after.as_ref(), before)
        })
    }

    pub(super) fn into_tables(self) -> Tables {
        self.rows
    }
}

impl View for Changes<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        match self.rows[table as usize].get(&Key::from(key)) {
            Some(changed) => Ok(changed.clone()),
            None => self.base.get(table, key),
        }
    }

    fn scan(&self, table: Table, keys: RangeInclusive<Key>) -> impl Iterator<Item = Result<Row, StoreError>> {
        let changed = self.rows[table as usize].range(keys.clone());
        let changed = changed.map(|(key, value)| (*key, value.clone()));
        merge_overlay(self.base.scan(table, keys), changed)
    }

    fn damage(&self) -> &DamageReporter {
        self.base.damage()
    }
}
