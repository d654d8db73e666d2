//! The rows that the engine does not have yet.
//!
//! They are those of the active memtable, and of the one that is being flushed.
//!
//! ```text
//!   a group ──▶ active memtable ──▶ flushing memtable ──▶ engine
//!               changes with each group   changes no more
//! ```
//! A memtable leaves memory only after the engine has all of it, so in between both have its rows, and they are the
//! same. A reader that looks here and then into the engine misses nothing.

use super::damage::DamageReporter;
use super::engine::Engine;
use super::id_hash::IdHash;
use super::key::Key;
use super::memtable::{Memtable, Tables};
use super::packed_rows::PackedUsage;
use super::row_cache::RowCache;
use super::rows::Table;
use super::value::Value;
use super::view::{Row, View, merge_changes, merge_overlay};
use crate::StoreError;
use crate::threads::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::collections::BTreeMap;
use std::iter::from_fn;
use std::ops::RangeInclusive;
use webpush_core::session::FETCH_SCAN_ROWS;

/// Rows that a reader copies at once: one more than a fetch scans, so that a fetch sees one moment.
const CHUNK_ROWS: usize = FETCH_SCAN_ROWS + 1;

/// A changed row; `None` as the value removes it.
type Change = (Key, Option<Value>);

/// Shared by the writer, which adds rows, and readers, which hold its lock only to copy rows.
pub(super) struct MemtableSet(RwLock<Memtables>);

pub(super) struct Memtables {
    active: Memtable,
    flushing: Option<Arc<Memtable>>,
}

impl MemtableSet {
    pub(super) fn new(hasher: IdHash) -> Self {
        Self(RwLock::new(Memtables { active: Memtable::new(hasher), flushing: None }))
    }

    /// Returns the hasher of all memtables.
    pub(super) fn hasher(&self) -> IdHash {
        self.read().active.hasher()
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Memtables> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Memtables> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the changes of a group, and returns the size of the memtable.
    ///
    /// `restores` and `usages` are those of [`Memtable::add`].
    pub(super) fn add(&self, changes: Tables, restores: bool, usages: &RowCache<PackedUsage>) -> usize {
        let mut memtables = self.write();
        memtables.active.add(changes, restores, usages);
        memtables.active.bytes()
    }

    /// Starts a new memtable, and returns the one that was active, to be flushed.
    pub(super) fn rotate(&self) -> Arc<Memtable> {
        let mut memtables = self.write();
        let next = Memtable::new(memtables.active.hasher());
        let flushing = Arc::new(std::mem::replace(&mut memtables.active, next));
        memtables.flushing = Some(Arc::clone(&flushing));
        flushing
    }

    /// Drops all memtables, and starts with one that is to be flushed, if any.
    pub(super) fn reset(&self, flushing: Option<Arc<Memtable>>) {
        let mut memtables = self.write();
        *memtables = Memtables { active: Memtable::new(memtables.active.hasher()), flushing };
    }

    /// Drops the memtable that was flushed to the engine.
    pub(super) fn end_flush(&self) {
        let flushed = self.write().flushing.take();
        // Its memory is freed without holding the lock.
        drop(flushed);
    }
}

impl Memtables {
    /// Returns the changed value of a row; `None` if only the engine can tell.
    fn get(&self, table: Table, key: &[u8]) -> Option<&Option<Value>> {
        let key = Key::from(key);
        let flushing = || self.flushing.as_ref().and_then(|flushing| flushing.get(table, &key));
        self.active.get(table, &key).or_else(flushing)
    }

    /// Copies the changes of a table from a key on. Values are shared.
    ///
    /// They are put in order by the returned function, which needs no lock.
    pub(super) fn from(&self, table: Table, from: Key) -> impl FnOnce() -> Vec<Change> + Send + use<> {
        let newer_first = [Some(&self.active), self.flushing.as_deref()].into_iter().flatten();
        let rows = newer_first.flat_map(|memtable| memtable.in_any_order(table, from));
        let mut changed: Vec<Change> = rows.map(|(key, value)| (key, value.clone())).collect();
        move || {
            // Stable, so the newer one of two changes stays.
            changed.sort_by_key(|(key, _)| *key);
            changed.dedup_by_key(|(key, _)| *key);
            changed
        }
    }

    pub(super) fn range(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
    ) -> impl Iterator<Item = (&Key, &Option<Value>)> {
        let active = self.active.range(table, keys.clone());
        let flushing = self.flushing.iter().flat_map(move |flushing| flushing.range(table, keys.clone()));
        merge_changes(flushing, active)
    }
}

/// The view of the writer.
///
/// While it exists no memtable is dropped, so rows that a flush has already written are still found in one.
pub(super) struct MemtableLayers<'a> {
    pub(super) memtables: RwLockReadGuard<'a, Memtables>,
    pub(super) engine: &'a Engine,
}

impl View for MemtableLayers<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        match self.memtables.get(table, key) {
            Some(changed) => Ok(changed.clone()),
            None => self.engine.get(table, key),
        }
    }

    fn scan(&self, table: Table, keys: RangeInclusive<Key>) -> impl Iterator<Item = Result<Row, StoreError>> {
        let changed = self.memtables.range(table, keys.clone()).map(to_owned);
        merge_overlay(self.engine.scan(table, keys), changed)
    }

    fn damage(&self) -> &DamageReporter {
        self.engine.damage()
    }
}

/// The view of readers.
pub(super) struct Reader<'a> {
    pub(super) memtables: &'a MemtableSet,
    pub(super) engine: &'a Engine,
}

impl<'a> Reader<'a> {
    /// Returns the rows of one moment from the first key on, and the last key that they cover.
    fn chunk(
        &self,
        table: Table,
        keys: &RangeInclusive<Key>,
    ) -> (impl Iterator<Item = Result<Row, StoreError>> + use<'a>, Key) {
        let Self { memtables, engine } = *self;
        let memtables = memtables.read();
        let (mut changed, mut rows) = (Vec::new(), 0);
        let mut reach = *keys.end();
        for change in memtables.range(table, keys.clone()).map(to_owned) {
            // Removed entries do not count as rows of a fetch.
            rows += usize::from(change.1.is_some() || table != Table::Entries);
            changed.push(change);
            if rows == CHUNK_ROWS {
                reach = changed[changed.len() - 1].0;
                break;
            }
        }
        // The engine as it is while the lock is held.
        let old = engine.scan(table, *keys.start()..=reach);
        drop(memtables);
        (merge_overlay(old, changed.into_iter()), reach)
    }
}

impl Reader<'_> {
    /// Returns at most `most` rows of one moment from the end, the last one first.
    ///
    /// Also returns the first key that was read. It is `None` if there are no rows before it.
    pub(super) fn last_rows(
        &self,
        table: Table,
        keys: &RangeInclusive<Key>,
        most: usize,
    ) -> Result<(Vec<Row>, Option<Key>), StoreError> {
        let memtables = self.memtables.read();
        let mut rows: BTreeMap<Key, Option<Value>> = BTreeMap::new();
        // Rows before this were not read in every layer.
        let mut reach = *keys.start();
        for memtable in [Some(&memtables.active), memtables.flushing.as_deref()].into_iter().flatten() {
            for (number, (key, value)) in memtable.range(table, keys.clone()).rev().enumerate() {
                if number == most {
                    reach = reach.max(key.next());
                    break;
                }
                rows.entry(*key).or_insert_with(|| value.clone());
            }
        }
        let old = self.engine.scan_back(table, keys.clone());
        drop(memtables);
        let mut seen = 0;
        for row in old {
            let (key, value) = match row {
                Err(StoreError::Corrupt) => continue,
                row => row?,
            };
            if seen == most || key < reach {
                reach = reach.max(key.next());
                break;
            }
            seen += usize::from(rows.get(&key) != Some(&None));
            rows.entry(key).or_insert(Some(value));
        }
        let there = rows.into_iter().rev().take_while(|(key, _)| *key >= reach);
        let mut there = there.filter_map(|(key, value)| Some((key, value?)));
        let last_rows: Vec<Row> = there.by_ref().take(most).collect();
        let first = match last_rows.last() {
            Some((first, _)) if there.next().is_some() => Some(*first),
            _ => (reach > *keys.start()).then_some(reach),
        };
        Ok((last_rows, first))
    }
}

impl View for Reader<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        if let Some(changed) = self.memtables.read().get(table, key) {
            return Ok(changed.clone());
        }
        self.engine.get(table, key)
    }

    /// Each chunk of at most [`CHUNK_ROWS`] rows is of one moment; later chunks may be of later ones.
    fn scan(&self, table: Table, keys: RangeInclusive<Key>) -> impl Iterator<Item = Result<Row, StoreError>> {
        let mut rest = Some(keys);
        let chunks = from_fn(move || {
            let keys = rest.take()?;
            let (rows, reach) = self.chunk(table, &keys);
            if reach < *keys.end() {
                rest = Some(reach.next()..=*keys.end());
            }
            Some(rows)
        });
        chunks.flatten()
    }

    fn damage(&self) -> &DamageReporter {
        self.engine.damage()
    }
}

fn to_owned((key, value): (&Key, &Option<Value>)) -> Change {
    (*key, value.clone())
}
