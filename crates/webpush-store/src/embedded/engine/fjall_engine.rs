//! The adapter of fjall: keyspaces, reads, atomic writes, and the meaning of its errors.

use crate::StoreError;
use crate::disk::Disk;
use crate::embedded::damage::DamageReporter;
use crate::embedded::end_at_error::end_at_error;
use crate::embedded::engine_error::EngineError;
use crate::embedded::key::Key;
use crate::embedded::rows::Table;
use crate::embedded::value::Value;
use crate::embedded::view::{Row, View};
use crate::system;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable};
use rustix::io::Errno;
use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const MEBIBYTE: u64 = 1024 * 1024;

/// The smallest size that fjall allows.
///
/// Journals are replayed at open, so this bounds the time to open.
const JOURNAL_BYTES: u64 = 64 * MEBIBYTE;

/// Limits of the backlog of fjall's background work, below its own (4 and 30).
///
/// At its own limits fjall waits forever, even if that work has failed. The store waits earlier, and notices a failure.
const SEALED_MEMTABLES: usize = 3;
const FIRST_LEVEL_TABLES: usize = 24;
const ROOM_POLL: Duration = Duration::from_millis(2);

/// An open database.
pub(in crate::embedded) struct FjallEngine {
    db: Database,
    /// Keyspaces of the tables that ever had a row. Creating one takes 18 syncs.
    keyspaces: [OnceLock<Keyspace>; Table::ALL.len()],
    damage: Arc<DamageReporter>,
}

/// Reads a row that fjall has found.
fn row(damage: &DamageReporter, table: Table, row: fjall::Guard) -> Result<Row, StoreError> {
    let (key, value) = row.into_inner().map_err(|error| damage.read_error(table, &error.into()))?;
    let key = Key::read(&key).ok_or_else(|| damage.report(table))?;
    Ok((key, value))
}

impl FjallEngine {
    pub(in crate::embedded) fn open(
        directory: &Path,
        cache_bytes: u64,
        damage: Arc<DamageReporter>,
    ) -> Result<Self, EngineError> {
        let db = Database::builder(directory)
            .cache_size(cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(2)
            .open()?;
        let keyspaces = [const { OnceLock::new() }; Table::ALL.len()];
        for table in Table::ALL.into_iter().filter(|table| db.keyspace_exists(table.name())) {
            let keyspace = db.keyspace(table.name(), || options_of(table))?;
            keyspaces[table as usize].get_or_init(|| keyspace);
        }
        Ok(Self { db, keyspaces, damage })
    }

    /// Writes rows as one batch, and syncs it with everything written before.
    pub(in crate::embedded) fn write<'a>(
        &self,
        rows: impl Iterator<Item = (Table, Key, &'a Option<Value>)>,
    ) -> Result<(), EngineError> {
        self.wait_for_room()?;
        let mut batch =
            OwnedWriteBatch::with_capacity(self.db.clone(), 0).durability(Some(PersistMode::SyncData));
        for (table, key, value) in rows {
            match (value, self.keyspace(table)) {
                (Some(value), Some(keyspace)) => batch.insert(keyspace, &key[..], value.clone()),
                (Some(value), None) => batch.insert(self.make_keyspace(table)?, &key[..], value.clone()),
                (None, Some(keyspace)) => batch.remove(keyspace, &key[..]),
                (None, None) => {}
            }
        }
        Ok(batch.commit()?)
    }

    /// Creates the keyspace of a table durably.
    fn make_keyspace(&self, table: Table) -> Result<&Keyspace, EngineError> {
        let keyspace = self.db.keyspace(table.name(), || options_of(table))?;
        // fjall syncs the content of the new directory, but not its parent.
        keyspace.path().parent().map_or(Ok(()), |directory| Disk::System.sync_directory(directory))?;
        Ok(self.keyspaces[table as usize].get_or_init(|| keyspace))
    }

    fn wait_for_room(&self) -> Result<(), EngineError> {
        let is_full = |keyspace: &Keyspace| {
            keyspace.sealed_memtable_count() >= SEALED_MEMTABLES
                || keyspace.l0_table_count() >= FIRST_LEVEL_TABLES
        };
        while self.keyspaces.iter().filter_map(OnceLock::get).any(is_full) {
            // Reports whether a background task has failed.
            self.db.persist(PersistMode::Buffer)?;
            system::sleep(ROOM_POLL);
        }
        Ok(())
    }

    /// Returns the current rows of a table.
    ///
    /// The iterator may outlive this handle: the engine is not closed before it is dropped.
    pub(in crate::embedded) fn all(
        &self,
        table: Table,
    ) -> impl Iterator<Item = Option<(Key, Value)>> + Send + 'static {
        self.rows_from(table, Key::default()).map(Result::ok)
    }

    /// [`FjallEngine::all`] from a key on, with errors.
    pub(in crate::embedded) fn rows_from(
        &self,
        table: Table,
        from: Key,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + Send + 'static {
        let rows = self.keyspace(table).map(|keyspace| self.db.snapshot().range(keyspace, from..));
        let damage = Arc::clone(&self.damage);
        end_at_error(rows.into_iter().flatten().map(move |found| row(&damage, table, found)))
    }

    fn keyspace(&self, table: Table) -> Option<&Keyspace> {
        self.keyspaces[table as usize].get()
    }
}

impl FjallEngine {
    /// Returns the current rows, the last one first.
    pub(in crate::embedded) fn scan_back(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> {
        end_at_error(self.range(table, keys).rev().map(move |found| row(&self.damage, table, found)))
    }

    /// Returns the rows of whole batches at this time, regardless of later writes.
    fn range(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
    ) -> impl DoubleEndedIterator<Item = fjall::Guard> {
        self.keyspace(table).map(|keyspace| self.db.snapshot().range(keyspace, keys)).into_iter().flatten()
    }
}

impl View for FjallEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        let Some(keyspace) = self.keyspace(table) else { return Ok(None) };
        keyspace.get(key).map_err(|error| self.damage.read_error(table, &error.into()))
    }

    fn scan(&self, table: Table, keys: RangeInclusive<Key>) -> impl Iterator<Item = Result<Row, StoreError>> {
        end_at_error(self.range(table, keys).map(move |found| row(&self.damage, table, found)))
    }

    fn damage(&self) -> &DamageReporter {
        &self.damage
    }
}

fn options_of(table: Table) -> KeyspaceCreateOptions {
    let mebibytes = match table {
        Table::Entries => 16,
        // The last table to be written, so that a marker in the journal outlives what it marks.
        Table::Batches => 64,
        Table::Inboxes
        | Table::Subscriptions
        | Table::Channels
        | Table::Topics
        | Table::Deadlines
        | Table::Usages
        | Table::Idle
        | Table::Ranks => 8,
    };
    KeyspaceCreateOptions::default().max_memtable_size(mebibytes * MEBIBYTE)
}

/// Returns true if a file is shorter than it was written, is missing, or is on a bad part of the disk.
fn is_damage(error: &io::Error) -> bool {
    // A damaged offset can be an invalid argument.
    let is_odd = matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput);
    is_odd
        || matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::NotFound)
        || error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

impl From<fjall::Error> for EngineError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))
                if is_damage(&error) =>
            {
                Self::Damaged(Box::new(error))
            }
            fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => Self::Io(error),
            fjall::Error::Poisoned => Self::Poisoned,
            fjall::Error::Locked => Self::Locked,
            error => Self::Damaged(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::holes::Holes;
    use std::fs;

    fn open(directory: &Path) -> FjallEngine {
        FjallEngine::open(directory, MEBIBYTE, Arc::new(DamageReporter::new(directory, Holes::default())))
            .unwrap()
    }

    fn write(engine: &FjallEngine, table: Table, value: Option<&[u8]>) -> Result<(), EngineError> {
        engine.write([(table, Key::from(*b"key"), &value.map(Value::from))].into_iter())
    }

    /// Returns the number of rows of a table, reading in both directions.
    fn count(engine: &FjallEngine, table: Table) -> usize {
        let all = || Key::from([0; 1])..=Key::from([u8::MAX; 33]);
        let count = engine.scan(table, all()).count();
        assert_eq!(engine.scan_back(table, all()).count(), count);
        assert_eq!(usize::from(engine.get(table, b"key").unwrap().is_some()), count);
        count
    }

    fn keyspaces(directory: &Path) -> usize {
        // fjall's own keyspace is not counted.
        fs::read_dir(directory.join("keyspaces")).unwrap().count() - 1
    }

    #[test]
    fn a_table_takes_files_when_it_has_its_first_row() {
        let directory = tempfile::tempdir().unwrap();
        let engine = open(directory.path());
        write(&engine, Table::Topics, None).unwrap();
        assert_eq!(Table::ALL.map(|table| count(&engine, table)), [0; Table::ALL.len()]);
        assert_eq!(keyspaces(directory.path()), 0);
        for (made, table) in (1..).zip(Table::ALL) {
            write(&engine, table, Some(b"value")).unwrap();
            assert_eq!((count(&engine, table), keyspaces(directory.path())), (1, made));
        }
        drop(engine);
        let engine = open(directory.path());
        assert_eq!(Table::ALL.map(|table| count(&engine, table)), [1; Table::ALL.len()]);
        write(&engine, Table::Topics, None).unwrap();
        assert_eq!(count(&engine, Table::Topics), 0);
    }

    #[test]
    fn a_table_that_was_being_made_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        drop(open(directory.path()));
        let half_made = directory.path().join("keyspaces").join("1");
        fs::create_dir(&half_made).unwrap();
        let engine = open(directory.path());
        assert!(!half_made.exists());
        // Without it the name of a keyspace cannot be recorded after its files were created.
        fs::remove_dir(directory.path().join("keyspaces").join("0").join("tables")).unwrap();
        assert!(write(&engine, Table::Entries, Some(b"value")).is_err());
        drop(engine);
        fs::create_dir(directory.path().join("keyspaces").join("0").join("tables")).unwrap();
        let engine = open(directory.path());
        assert_eq!(count(&engine, Table::Entries), 0);
        write(&engine, Table::Entries, Some(b"value")).unwrap();
        assert_eq!((count(&engine, Table::Entries), keyspaces(directory.path())), (1, 1));
    }
}
