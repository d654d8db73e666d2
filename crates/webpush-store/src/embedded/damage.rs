//! Counts and logs stored records that differ from what was written.

use super::engine_error::EngineError;
use super::rows::Table;
use crate::StoreError;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Damaged records found since the engine was opened.
pub(super) struct DamageReporter {
    directory: PathBuf,
    count: AtomicU64,
}

impl DamageReporter {
    /// Creates a reporter that names the engine's directory in the log.
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), count: AtomicU64::new(0) }
    }

    /// Counts a damaged record, and logs the 1st, 2nd, 4th, 8th and so on.
    pub(super) fn report(&self, table: Table) -> StoreError {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
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
        if error.is_damage() {
            return self.report(table);
        }
        tracing::error!(
            directory = %self.directory.display(),
            keyspace = table.name(),
            %error,
            "cannot read stored records"
        );
        StoreError::Unavailable
    }

    /// Logs that a table cannot be read on.
    pub(super) fn report_unreadable(&self, table: Table) {
        tracing::error!(
            directory = %self.directory.display(),
            keyspace = table.name(),
            "a table is damaged and cannot be read on: restore a backup, and check the disk"
        );
    }

    /// Returns the number of damaged records.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}
