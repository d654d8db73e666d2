//! Damage of stored records: how much was found, and what may be lost.

use super::engine_error::EngineError;
use super::holes::{Hole, Holes};
use super::rows::Table;
use crate::StoreError;
use crate::disk::Disk;
use crate::threads::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::threads::sync::{PoisonError, RwLock};
use std::io;
use std::path::{Path, PathBuf};

/// Damaged records found since the engine was opened, and the holes of the store.
pub(super) struct DamageReporter {
    /// The directory of the store.
    directory: PathBuf,
    count: AtomicU64,
    holes: RwLock<Holes>,
    /// True if a file of the engine cannot be read.
    is_unreadable: AtomicBool,
}

impl DamageReporter {
    /// Creates a reporter that names the store's directory in the log.
    pub(super) fn new(directory: &Path, holes: Holes) -> Self {
        Self {
            directory: directory.to_owned(),
            count: AtomicU64::new(0),
            holes: RwLock::new(holes),
            is_unreadable: AtomicBool::new(false),
        }
    }

    /// Counts a damaged record, and logs the 1st, 2nd, 4th, 8th and so on.
    pub(super) fn report(&self, table: Table) -> StoreError {
        if let Some(count) = self.counted() {
            tracing::error!(
                directory = %self.directory.display(),
                keyspace = table.name(),
                count,
                "a stored record is damaged and was skipped"
            );
        }
        StoreError::Corrupt
    }

    /// Reports a failed read as damage or as an outage.
    pub(super) fn read_error(&self, table: Table, error: &EngineError) -> StoreError {
        let is_damage = error.is_damage();
        if is_damage {
            self.is_unreadable.store(true, Ordering::Relaxed);
        }
        if !is_damage || self.counted().is_some() {
            tracing::error!(
                directory = %self.directory.display(),
                keyspace = table.name(),
                %error,
                "cannot read stored records"
            );
        }
        if is_damage { StoreError::Unreadable } else { StoreError::Unavailable }
    }

    /// Counts, and returns the count if it is to be logged.
    fn counted(&self) -> Option<u64> {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        count.is_power_of_two().then_some(count)
    }

    /// Returns the number of damaged records.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns true once a file of the engine could not be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.is_unreadable.load(Ordering::Relaxed)
    }

    /// Fails if a row that was not found may have been lost.
    pub(super) fn check_absent(&self, table: Table, key: &[u8]) -> Result<(), StoreError> {
        let holes = self.holes.read().unwrap_or_else(PoisonError::into_inner);
        if holes.has(table, key) { Err(StoreError::Unreadable) } else { Ok(()) }
    }

    /// Adds holes, and records them.
    pub(super) fn add_holes(&self, disk: &Disk, holes: impl IntoIterator<Item = Hole>) -> io::Result<()> {
        self.holes.write().unwrap_or_else(PoisonError::into_inner).add(disk, &self.directory, holes)
    }

    /// Returns the number of holes.
    pub(super) fn holes(&self) -> usize {
        self.holes.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}
