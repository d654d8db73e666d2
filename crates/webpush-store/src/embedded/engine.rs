//! The one place that speaks to fjall: keyspaces, reads, atomic writes, and what its errors mean.

use super::Options;
use super::key::Key;
use super::rows::Table;
use super::view::{Row, View};
use crate::StoreError;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable, Slice};
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
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
    /// Of each table that ever had a row. One takes 18 syncs to make, which an empty store need not wait for.
    keyspaces: [OnceLock<Keyspace>; Table::ALL.len()],
    damage: Arc<Damage>,
}

/// Damaged records that were met.
pub(super) struct Damage {
    folder: PathBuf,
    count: AtomicU64,
}

impl Damage {
    /// Counts a damaged record, and says so the 1st, 2nd, 4th, 8th … time.
    pub(super) fn report(&self, table: Table) -> StoreError {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
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

    fn read_error(&self, table: Table, error: &fjall::Error) -> StoreError {
        if is_damage(error) {
            return self.report(table);
        }
        tracing::error!(
            folder = %self.folder.display(),
            keyspace = table.name(),
            error = cause(error),
            "stored records can't be read"
        );
        StoreError::Unavailable
    }

    fn row(&self, table: Table, row: fjall::Guard) -> Result<Row, StoreError> {
        let (key, value) = row.into_inner().map_err(|error| self.read_error(table, &error))?;
        let key = Key::read(&key).ok_or_else(|| self.report(table))?;
        Ok((key, value))
    }
}

impl Engine {
    pub(super) fn open(folder: &Path, options: &Options) -> Result<Self, fjall::Error> {
        let db = Database::builder(folder)
            .cache_size(options.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(2)
            .open()?;
        let keyspaces = [const { OnceLock::new() }; Table::ALL.len()];
        for table in Table::ALL.into_iter().filter(|table| db.keyspace_exists(table.name())) {
            let keyspace = db.keyspace(table.name(), || options_of(table))?;
            keyspaces[table as usize].get_or_init(|| keyspace);
        }
        let damage = Damage { folder: folder.to_owned(), count: AtomicU64::new(0) };
        Ok(Self { db, keyspaces, damage: Arc::new(damage) })
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
            match (value, self.keyspace(table)) {
                (Some(value), Some(keyspace)) => batch.insert(keyspace, &key[..], value.clone()),
                (Some(value), None) => batch.insert(self.make_keyspace(table)?, &key[..], value.clone()),
                (None, Some(keyspace)) => batch.remove(keyspace, &key[..]),
                (None, None) => {}
            }
        }
        batch.commit()
    }

    /// Makes the keyspace of a table, and returns when the disk has it.
    fn make_keyspace(&self, table: Table) -> Result<&Keyspace, fjall::Error> {
        let keyspace = self.db.keyspace(table.name(), || options_of(table))?;
        // fjall syncs what is in the new folder, but not the one that it is in.
        let folder = keyspace.path().parent().map(File::open).transpose()?;
        folder.map_or(Ok(()), |folder| folder.sync_all())?;
        Ok(self.keyspaces[table as usize].get_or_init(|| keyspace))
    }

    fn wait_for_room(&self) -> Result<(), fjall::Error> {
        let is_full = |keyspace: &Keyspace| {
            keyspace.sealed_memtable_count() >= SEALED_MEMTABLES
                || keyspace.l0_table_count() >= FIRST_LEVEL_TABLES
        };
        while self.keyspaces.iter().filter_map(OnceLock::get).any(is_full) {
            // Says whether a background task has failed.
            self.db.persist(PersistMode::Buffer)?;
            thread::sleep(ROOM_POLL);
        }
        Ok(())
    }

    /// [`Damage::report`].
    pub(super) fn report_damage(&self, table: Table) -> StoreError {
        self.damage.report(table)
    }

    /// For whoever reads rows for longer than there is this.
    pub(super) fn damage(&self) -> Arc<Damage> {
        Arc::clone(&self.damage)
    }

    pub(super) fn damaged(&self) -> u64 {
        self.damage.count.load(Ordering::Relaxed)
    }

    /// All rows of a table as they are now, for whoever reads them while the engine is used, or longer. The engine is not
    /// closed before this is dropped.
    pub(super) fn all(&self, table: Table) -> impl Iterator<Item = Option<(Key, Slice)>> + Send + 'static {
        let rows = self.keyspace(table).map(|keyspace| self.db.snapshot().iter(keyspace));
        let rows = rows.into_iter().flatten();
        rows.map(|row| row.into_inner().ok().and_then(|(key, value)| Some((Key::read(&key)?, value))))
    }

    /// [`Engine::all`] from a key on, with what can't be read.
    pub(super) fn rows_from(
        &self,
        table: Table,
        from: Key,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + Send + 'static {
        let rows = self.keyspace(table).map(|keyspace| self.db.snapshot().range(keyspace, from..));
        let damage = self.damage();
        rows.into_iter().flatten().map(move |row| damage.row(table, row))
    }

    fn keyspace(&self, table: Table) -> Option<&Keyspace> {
        self.keyspaces[table as usize].get()
    }
}

impl Engine {
    /// Rows as they are now, the last one first.
    pub(super) fn scan_back(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> {
        self.range(table, keys).rev().map(move |row| self.damage.row(table, row))
    }

    /// Rows as they are now, whole batches only, whatever is written while they are read.
    fn range(
        &self,
        table: Table,
        keys: RangeInclusive<Key>,
    ) -> impl DoubleEndedIterator<Item = fjall::Guard> {
        self.keyspace(table).map(|keyspace| self.db.snapshot().range(keyspace, keys)).into_iter().flatten()
    }
}

impl View for Engine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        let Some(keyspace) = self.keyspace(table) else { return Ok(None) };
        keyspace.get(key).map_err(|error| self.damage.read_error(table, &error))
    }

    fn scan(&self, table: Table, keys: RangeInclusive<Key>) -> impl Iterator<Item = Result<Row, StoreError>> {
        self.range(table, keys).map(move |row| self.damage.row(table, row))
    }

    fn engine(&self) -> &Self {
        self
    }
}

fn options_of(table: Table) -> KeyspaceCreateOptions {
    let mebibytes = match table {
        Table::Entries => 16,
        // Written to tables last, so that a mark outlives in the journal what it marks.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn open(folder: &Path) -> Engine {
        Engine::open(folder, &Options::default()).unwrap()
    }

    fn write(engine: &Engine, table: Table, value: Option<&[u8]>) -> Result<(), fjall::Error> {
        engine.write([(table, &Key::from(*b"key"), &value.map(Slice::from))].into_iter())
    }

    /// How many rows a table has, read in both directions.
    fn count(engine: &Engine, table: Table) -> usize {
        let all = || Key::from([0; 1])..=Key::from([u8::MAX; 33]);
        let count = engine.scan(table, all()).count();
        assert_eq!(engine.scan_back(table, all()).count(), count);
        assert_eq!(usize::from(engine.get(table, b"key").unwrap().is_some()), count);
        count
    }

    fn keyspaces(folder: &Path) -> usize {
        // That of fjall itself is not counted.
        fs::read_dir(folder.join("keyspaces")).unwrap().count() - 1
    }

    #[test]
    fn a_table_takes_files_when_it_has_its_first_row() {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(folder.path());
        write(&engine, Table::Topics, None).unwrap();
        assert_eq!(Table::ALL.map(|table| count(&engine, table)), [0; Table::ALL.len()]);
        assert_eq!(keyspaces(folder.path()), 0);
        for (made, table) in (1..).zip(Table::ALL) {
            write(&engine, table, Some(b"value")).unwrap();
            assert_eq!((count(&engine, table), keyspaces(folder.path())), (1, made));
        }
        drop(engine);
        let engine = open(folder.path());
        assert_eq!(Table::ALL.map(|table| count(&engine, table)), [1; Table::ALL.len()]);
        write(&engine, Table::Topics, None).unwrap();
        assert_eq!(count(&engine, Table::Topics), 0);
    }

    #[test]
    fn a_table_that_was_being_made_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()));
        let half_made = folder.path().join("keyspaces").join("1");
        fs::create_dir(&half_made).unwrap();
        let engine = open(folder.path());
        assert!(!half_made.exists());
        // Without it the name of a keyspace cannot be noted, after its files were made.
        fs::remove_dir(folder.path().join("keyspaces").join("0").join("tables")).unwrap();
        assert!(write(&engine, Table::Entries, Some(b"value")).is_err());
        drop(engine);
        fs::create_dir(folder.path().join("keyspaces").join("0").join("tables")).unwrap();
        let engine = open(folder.path());
        assert_eq!(count(&engine, Table::Entries), 0);
        write(&engine, Table::Entries, Some(b"value")).unwrap();
        assert_eq!((count(&engine, Table::Entries), keyspaces(folder.path())), (1, 1));
    }
}
