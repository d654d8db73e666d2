//! The rows that the engine does not have yet, over it: of the present generation, and of the one that is leaving.
//!
//! ```text
//!   a group ──▶ active generation ──▶ leaving generation ──▶ engine
//!               changes with each group   changes no more
//! ```
//! A generation leaves memory only after the engine has all of it, so in between both have its rows, and they are the
//! same. Whoever looks here and then into the engine misses nothing.

use super::engine::Engine;
use super::generation::{Generation, Tables};
use super::key::Key;
use super::rows::Table;
use super::view::{Row, View, cover, cover_changes};
use crate::StoreError;
use fjall::Slice;
use std::collections::BTreeMap;
use std::iter::from_fn;
use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use webpush_core::limits::FETCH_SCAN_ROWS;

/// Rows that a reader copies at once. One more than a fetch looks at, so that it sees one moment.
const CHUNK_ROWS: usize = FETCH_SCAN_ROWS + 1;

/// Shared by the writer, who adds, and readers, who hold its lock only to copy what they look for.
#[derive(Default)]
pub(super) struct Overlay(RwLock<Generations>);

#[derive(Default)]
pub(super) struct Generations {
    active: Generation,
    leaving: Option<Arc<Generation>>,
}

impl Overlay {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Generations> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Generations> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the changes of a group over; gives the size of the generation. `restores` as of [`Generation::add`].
    pub(super) fn add(&self, changes: Tables, restores: bool) -> usize {
        let mut generations = self.write();
        generations.active.add(changes, restores);
        generations.active.bytes()
    }

    /// Begins a new generation; the present one leaves.
    pub(super) fn turn(&self) -> Arc<Generation> {
        let mut generations = self.write();
        let leaving = Arc::new(std::mem::take(&mut generations.active));
        generations.leaving = Some(Arc::clone(&leaving));
        leaving
    }

    /// Takes a generation in that is to leave before anything else.
    pub(super) fn begin_with(&self, leaving: Option<Arc<Generation>>) {
        *self.write() = Generations { active: Generation::default(), leaving };
    }

    /// The engine has the leaving generation.
    pub(super) fn has_left(&self) {
        let left = self.write().leaving.take();
        // Its memory is given back without the lock.
        drop(left);
    }
}

impl Generations {
    /// What a row was changed to; nothing when only the engine can tell.
    fn get(&self, table: Table, key: &[u8]) -> Option<&Option<Slice>> {
        let key = Key::from(key);
        let leaving = || self.leaving.as_ref().and_then(|leaving| leaving.of(table).get(&key));
        self.active.of(table).get(&key).or_else(leaving)
    }

    /// A copy of the changes of a table from a key on. Values are shared.
    pub(super) fn from(&self, table: Table, from: Key) -> Vec<(Key, Option<Slice>)> {
        let leaving = self.leaving.iter().flat_map(|leaving| leaving.of(table).range(from..));
        cover_changes(leaving, self.active.of(table).range(from..)).map(to_owned).collect()
    }

    pub(super) fn range(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
    ) -> impl Iterator<Item = (&Key, &Option<Slice>)> {
        let active = self.active.range(table, keys.clone());
        let leaving = self.leaving.iter().flat_map(move |leaving| leaving.range(table, keys.clone()));
        cover_changes(leaving, active)
    }
}

/// What the writer reads. While it has this nothing leaves the overlay, so that whatever a flush has already written
/// is covered by the same.
pub(super) struct Layers<'a> {
    pub(super) generations: RwLockReadGuard<'a, Generations>,
    pub(super) engine: &'a Engine,
}

impl View for Layers<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        match self.generations.get(table, key) {
            Some(changed) => Ok(changed.clone()),
            None => self.engine.get(table, key),
        }
    }

    fn scan(&self, table: Table, keys: RangeInclusive<Key>) -> impl Iterator<Item = Result<Row, StoreError>> {
        let changed = self.generations.range(table, keys.clone()).map(to_owned);
        cover(self.engine.scan(table, keys), changed)
    }

    fn engine(&self) -> &Engine {
        self.engine
    }
}

/// What everybody else reads.
pub(super) struct Reader<'a> {
    pub(super) overlay: &'a Overlay,
    pub(super) engine: &'a Engine,
}

impl<'a> Reader<'a> {
    /// The rows of one moment from the first key on, and the last key that they reach to.
    fn chunk(
        &self,
        table: Table,
        keys: &RangeInclusive<Key>,
    ) -> (impl Iterator<Item = Result<Row, StoreError>> + use<'a>, Key) {
        let Self { overlay, engine } = *self;
        let generations = overlay.read();
        let (mut changed, mut rows) = (Vec::new(), 0);
        let mut reach = *keys.end();
        for change in generations.range(table, keys.clone()).map(to_owned) {
            // Entries that are gone are no rows to a fetch.
            rows += usize::from(change.1.is_some() || table != Table::Entries);
            changed.push(change);
            if rows == CHUNK_ROWS {
                reach = changed[changed.len() - 1].0;
                break;
            }
        }
        // The engine as it is while the lock is held.
        let old = engine.scan(table, *keys.start()..=reach);
        drop(generations);
        (cover(old, changed.into_iter()), reach)
    }
}

impl Reader<'_> {
    /// The last rows of one moment, the very last one first, and at most so many.
    pub(super) fn last_rows(
        &self,
        table: Table,
        keys: &RangeInclusive<Key>,
        most: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let generations = self.overlay.read();
        let mut rows: BTreeMap<Key, Option<Slice>> = BTreeMap::new();
        // What lies before this was not looked at in every layer.
        let mut reach = *keys.start();
        for generation in [Some(&generations.active), generations.leaving.as_deref()].into_iter().flatten() {
            for (number, (key, value)) in generation.of(table).range(keys.clone()).rev().enumerate() {
                if number == most {
                    reach = reach.max(key.next());
                    break;
                }
                rows.entry(*key).or_insert_with(|| value.clone());
            }
        }
        let old = self.engine.scan_back(table, keys.clone());
        drop(generations);
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
        Ok(there.filter_map(|(key, value)| Some((key, value?))).take(most).collect())
    }
}

impl View for Reader<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        if let Some(changed) = self.overlay.read().get(table, key) {
            return Ok(changed.clone());
        }
        self.engine.get(table, key)
    }

    /// Of one moment as far as [`CHUNK_ROWS`] reach, and then of a later one.
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

    fn engine(&self) -> &Engine {
        self.engine
    }
}

fn to_owned((key, value): (&Key, &Option<Slice>)) -> (Key, Option<Slice>) {
    (*key, value.clone())
}
