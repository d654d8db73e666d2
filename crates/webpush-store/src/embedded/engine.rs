//! The one place that speaks to fjall: keyspaces, reads, atomic writes, and what its errors mean.

use super::Options;
use super::key::Key;
use super::rows::Table;
use super::view::{Row, View};
use crate::StoreError;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable, Slice};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const MEBIBYTE: u64 = 1024 * 1024;

/// The least that fjall allows. What is in journals is replayed at open, so this bounds how long that takes.
const JOURNAL_BYTES: u64 = 64 * MEBIBYTE;

/// fjall waits without end for its own background work when this much is waiting (4 and 30), even when that work has
/// failed and stopped. So the store waits earlier, and looks whether it has.
const SEALED_MEMTABLES: usize = 3;
const FIRST_LEVEL_TABLES: usize = 24;
const ROOM_POLL: Duration = Duration::from_millis(2);

/// An open database.
pub(super) struct Engine {
    db: Database,
    keyspaces: [Keyspace; Table::ALL.len()],
    folder: PathBuf,
    damaged: AtomicU64,
}

impl Engine {
    pub(super) fn open(folder: &Path, options: &Options) -> Result<Self, fjall::Error> {
        let db = Database::builder(folder)
            .cache_size(options.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(2)
            .open()?;
        let keyspace = |table: Table| {
            let mebibytes = match table {
                Table::Entries => 16,
                // Written to tables last, so that a mark outlives in the journal what it marks.
                Table::Batches => 64,
                Table::Inboxes
                | Table::Subscriptions
                | Table::Channels
                | Table::Topics
                | Table::Deadlines
                | Table::Ledgers
                | Table::Idle
                | Table::Ranks => 8,
            };
            let create = || KeyspaceCreateOptions::default().max_memtable_size(mebibytes * MEBIBYTE);
            db.keyspace(table.name(), create)
        };
        let [a, b, c, d, e, f, g, h, i, j] = Table::ALL.map(keyspace);
        let keyspaces = [a?, b?, c?, d?, e?, f?, g?, h?, i?, j?];
        Ok(Self { db, keyspaces, folder: folder.to_owned(), damaged: AtomicU64::new(0) })
    }

    /// Writes rows as one batch, and syncs it with all that was written before.
    pub(super) fn write<'a>(
        &self,
        rows: impl Iterator<Item = (Table, &'a Key, &'a Option<Slice>)>,
    ) -> Result<(), fjall::Error> {
        self.wait_for_room()?;
        let mut batch =
            OwnedWriteBatch::with_capacity(self.db.clone(), 0).durability(Some(PersistMode::SyncData));
        for (table, key, value) in rows {
            match value {
                Some(value) => batch.insert(self.keyspace(table), &key[..], value.clone()),
                None => batch.remove(self.keyspace(table), &key[..]),
            }
        }
        batch.commit()
    }

    fn wait_for_room(&self) -> Result<(), fjall::Error> {
        let is_full = |keyspace: &Keyspace| {
            keyspace.sealed_memtable_count() >= SEALED_MEMTABLES
                || keyspace.l0_table_count() >= FIRST_LEVEL_TABLES
        };
        while self.keyspaces.iter().any(is_full) {
            // Says whether a background task has failed.
            self.db.persist(PersistMode::Buffer)?;
            thread::sleep(ROOM_POLL);
        }
        Ok(())
    }

    /// Counts a damaged record, and says so the 1st, 2nd, 4th, 8th … time.
    pub(super) fn report_damage(&self, table: Table) -> StoreError {
        let count = self.damaged.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            tracing::error!(
                folder = %self.folder.display(),
                keyspace = table.name(),
                count,
                "a stored record is damaged and was left out"
            );
        }
        StoreError::Corrupt
    }

    pub(super) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    fn read_error(&self, table: Table, error: &fjall::Error) -> StoreError {
        if is_damage(error) {
            return self.report_damage(table);
        }
        tracing::error!(
            folder = %self.folder.display(),
            keyspace = table.name(),
            error = cause(error),
            "stored records can't be read"
        );
        StoreError::Unavailable
    }

    /// All rows of a table as they are now, for whoever reads them while the engine is used, or longer. The engine is not
    /// closed before this is dropped.
    pub(super) fn all(&self, table: Table) -> impl Iterator<Item = Option<(Key, Slice)>> + Send + 'static {
        let rows = self.db.snapshot().iter(self.keyspace(table));
        rows.map(|row| row.into_inner().ok().and_then(|(key, value)| Some((Key::read(&key)?, value))))
    }

    const fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table as usize]
    }
}

impl Engine {
    /// Rows as they are now, the last one first.
    pub(super) fn scan_back(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> {
        let rows = self.db.snapshot().range(self.keyspace(table), keys).rev();
        rows.map(move |row| self.row(table, row))
    }

    fn row(&self, table: Table, row: fjall::Guard) -> Result<Row, StoreError> {
        let (key, value) = row.into_inner().map_err(|error| self.read_error(table, &error))?;
        let key = Key::read(&key).ok_or_else(|| self.report_damage(table))?;
        Ok((key, value))
    }
}

impl View for Engine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        self.keyspace(table).get(key).map_err(|error| self.read_error(table, &error))
    }

    /// As they are now, whole batches only, whatever is written while they are read.
    fn scan(&self, table: Table, keys: RangeInclusive<Key>) -> impl Iterator<Item = Result<Row, StoreError>> {
        let rows = self.db.snapshot().range(self.keyspace(table), keys);
        rows.map(move |row| self.row(table, row))
    }

    fn engine(&self) -> &Self {
        self
    }
}

/// Whether an error means that the disk gave back other bytes than it was given.
pub(super) fn is_damage(error: &fjall::Error) -> bool {
    match error {
        fjall::Error::Io(_) | fjall::Error::Poisoned | fjall::Error::Locked => false,
        fjall::Error::Storage(error) => !matches!(error, fjall::LsmError::Io(_)),
        _ => true,
    }
}

/// An error in the words of the operating system, where it has some.
pub(super) fn cause(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => error.to_string(),
        fjall::Error::Poisoned => "a write in the background failed; is the disk full?".to_owned(),
        error => error.to_string(),
    }
}
