//! Sorted tables on disk: the interface of an engine, and its two implementations.
//!
//! A closed enum, so that reads are neither boxed nor dispatched dynamically.

mod fjall_engine;
mod map_engine;

use super::damage::DamageReporter;
use super::engine_error::EngineError;
use super::key::Key;
use super::rows::Table;
use super::value::Value;
use super::view::{Row, View};
use crate::StoreError;
use crate::disk::Disk;
use fjall_engine::FjallEngine;
use map_engine::MapEngine;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

/// An open engine.
pub(super) struct Engine {
    tables: Tables,
    damage: Arc<DamageReporter>,
}

enum Tables {
    /// An LSM tree in files.
    Fjall(FjallEngine),
    /// Maps in memory with a journal on a simulated disk.
    Map(MapEngine),
}

/// Rows of one of the engines.
enum Rows<F, M> {
    Fjall(F),
    Map(M),
}

impl Engine {
    /// Opens the engine in a directory, or creates it.
    ///
    /// All of its content is durable from then on.
    pub(super) fn open(
        disk: &Disk,
        directory: &Path,
        cache_bytes: u64,
        damage: DamageReporter,
    ) -> Result<Self, EngineError> {
        let damage = Arc::new(damage);
        let tables = match disk {
            Disk::System => Tables::Fjall(FjallEngine::open(directory, cache_bytes, Arc::clone(&damage))?),
            Disk::Simulated(_) => Tables::Map(MapEngine::open(disk, directory)?),
        };
        Ok(Self { tables, damage })
    }

    /// Writes rows as one batch, and syncs it with everything written before.
    pub(super) fn write<'a>(
        &self,
        rows: impl Iterator<Item = (Table, Key, &'a Option<Value>)>,
    ) -> Result<(), EngineError> {
        match &self.tables {
            Tables::Fjall(engine) => engine.write(rows),
            Tables::Map(engine) => engine.write(rows),
        }
    }

    /// Returns a handle for readers that may outlive the engine.
    pub(super) fn share_damage(&self) -> Arc<DamageReporter> {
        Arc::clone(&self.damage)
    }

    /// Returns the current rows of a table; `None` for one that cannot be read.
    ///
    /// The iterator may outlive this handle: the engine is not closed before it is dropped.
    pub(super) fn all(&self, table: Table) -> impl Iterator<Item = Option<(Key, Value)>> + Send + 'static {
        match &self.tables {
            Tables::Fjall(engine) => Rows::Fjall(engine.all(table)),
            Tables::Map(engine) => Rows::Map(engine.from(table, Key::default()).map(Some)),
        }
    }

    /// Returns the rows of a table from a key on, like [`Engine::all`], but with errors.
    pub(super) fn rows_from(
        &self,
        table: Table,
        from: Key,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + Send + 'static {
        match &self.tables {
            Tables::Fjall(engine) => Rows::Fjall(engine.rows_from(table, from)),
            Tables::Map(engine) => Rows::Map(engine.from(table, from).map(Ok)),
        }
    }

    /// Returns the current rows, the last one first.
    pub(super) fn scan_back(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> {
        match &self.tables {
            Tables::Fjall(engine) => Rows::Fjall(engine.scan_back(table, keys)),
            Tables::Map(engine) => Rows::Map(engine.scan(table, keys).rev().map(Ok)),
        }
    }
}

impl View for Engine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        match &self.tables {
            Tables::Fjall(engine) => engine.get(table, key),
            Tables::Map(engine) => Ok(engine.get(table, key)),
        }
    }

    fn scan(&self, table: Table, keys: RangeInclusive<Key>) -> impl Iterator<Item = Result<Row, StoreError>> {
        match &self.tables {
            Tables::Fjall(engine) => Rows::Fjall(engine.scan(table, keys)),
            Tables::Map(engine) => Rows::Map(engine.scan(table, keys).map(Ok)),
        }
    }

    fn damage(&self) -> &DamageReporter {
        &self.damage
    }
}

impl<T, F: Iterator<Item = T>, M: Iterator<Item = T>> Iterator for Rows<F, M> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::Fjall(rows) => rows.next(),
            Self::Map(rows) => rows.next(),
        }
    }
}
