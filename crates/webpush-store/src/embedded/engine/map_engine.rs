//! The engine of simulations: maps in memory behind a journal.
//!
//! Its journal is on the given disk, so this engine suffers whatever that disk loses, tears or refuses.
//! Batches are atomic, and durable when [`MapEngine::write`] returns. After a failed write none is accepted.

use crate::disk::{Disk, DiskFile};
use crate::embedded::engine_error::EngineError;
use crate::embedded::frame;
use crate::embedded::key::Key;
use crate::embedded::memtable::Tables;
use crate::embedded::rows::Table;
use crate::embedded::value::Value;
use crate::embedded::view::Row;
use crate::open_mode::OpenMode;
use crate::threads::sync::{Arc, Mutex, PoisonError, RwLock};
use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::ops::{Bound, RangeInclusive};
use std::path::Path;
use webpush_core::id::Position;

const JOURNAL: &str = "0.jnl";
/// Written when an engine is complete; see [`crate::embedded::directory`].
const MARKER: &str = "version";
/// Unused: a journal is never written over an older one.
const SALT: u64 = 0;
/// The end of each batch, as a journal must not end in zeros.
const END: u8 = 0xff;

type Maps = [BTreeMap<Key, Value>; Table::ALL.len()];

/// Sorted maps behind a journal.
pub(super) struct MapEngine {
    /// Replaced when a reader still has the old maps.
    maps: RwLock<Arc<Maps>>,
    journal: Mutex<Journal>,
}

struct Journal {
    file: DiskFile,
    batch: u64,
    is_poisoned: bool,
}

impl MapEngine {
    /// Opens the engine in a directory, or creates it.
    pub(super) fn open(disk: &Disk, directory: &Path) -> Result<Self, EngineError> {
        disk.create_directory(directory)?;
        let path = directory.join(JOURNAL);
        let mut maps = Maps::default();
        if disk.exists(&path) {
            read_journal(&disk.read(&path)?, &mut maps);
        }
        // Rewritten without the torn end that a power cut may have left.
        disk.replace(&path, &encode(1, &changes_to(&maps)))?;
        if !disk.exists(&directory.join(MARKER)) {
            disk.replace(&directory.join(MARKER), b"1\n")?;
        }
        let mut file = disk.open(&path, OpenMode::Write)?;
        file.seek(SeekFrom::End(0))?;
        let journal = Mutex::new(Journal { file, batch: 1, is_poisoned: false });
        Ok(Self { maps: RwLock::new(Arc::new(maps)), journal })
    }

    /// Writes rows as one batch.
    pub(super) fn write<'a>(
        &self,
        rows: impl Iterator<Item = (Table, Key, &'a Option<Value>)>,
    ) -> Result<(), EngineError> {
        let mut changes = Tables::default();
        for (table, key, value) in rows {
            changes[table as usize].insert(key, value.clone());
        }
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).append(&changes)?;
        let mut maps = self.maps.write().unwrap_or_else(PoisonError::into_inner);
        apply(changes, Arc::make_mut(&mut maps));
        Ok(())
    }

    /// Looks up a row.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<Value> {
        self.now()[table as usize].get(&Key::read(key)?).cloned()
    }

    /// Returns the current rows in a range of keys.
    pub(super) fn scan(&self, table: Table, keys: RangeInclusive<Key>) -> Scan {
        let is_over = keys.is_empty();
        let (first, last) = keys.into_inner();
        Scan { maps: self.now(), table, from: Bound::Included(first), to: Bound::Included(last), is_over }
    }

    /// Returns the current rows from a key on.
    pub(super) fn from(&self, table: Table, from: Key) -> Scan {
        Scan { maps: self.now(), table, from: Bound::Included(from), to: Bound::Unbounded, is_over: false }
    }

    fn now(&self) -> Arc<Maps> {
        Arc::clone(&self.maps.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Journal {
    fn append(&mut self, changes: &Tables) -> Result<(), EngineError> {
        if self.is_poisoned {
            return Err(EngineError::Poisoned);
        }
        let batch = encode(self.batch + 1, changes);
        let written = self.file.write_all(&batch).and_then(|()| self.file.sync_data());
        self.is_poisoned = written.is_err();
        self.batch += 1;
        Ok(written?)
    }
}

fn encode(batch: u64, changes: &Tables) -> Vec<u8> {
    let mut buffer = Vec::new();
    frame::encode(&mut buffer, SALT, (batch, Position::START), true, changes);
    buffer.push(END);
    buffer
}

fn read_journal(mut journal: &[u8], maps: &mut Maps) {
    let mut batch = 1;
    while let Some(frame) = frame::take(&mut journal, SALT, batch) {
        for (table, key, value) in frame.rows {
            match value {
                Some(value) => drop(maps[table as usize].insert(key, Value::from(value))),
                None => drop(maps[table as usize].remove(&key)),
            }
        }
        journal = journal.get(1..).unwrap_or_default();
        batch += 1;
    }
}

fn changes_to(maps: &Maps) -> Tables {
    let mut changes = Tables::default();
    for (rows, map) in changes.iter_mut().zip(maps) {
        rows.extend(map.iter().map(|(key, value)| (*key, Some(value.clone()))));
    }
    changes
}

fn apply(changes: Tables, maps: &mut Maps) {
    for (map, rows) in maps.iter_mut().zip(changes) {
        for (key, value) in rows {
            match value {
                Some(value) => drop(map.insert(key, value)),
                None => drop(map.remove(&key)),
            }
        }
    }
}

/// The rows of one moment. Read from one end only, because bounds that meet are not a valid range.
pub(super) struct Scan {
    maps: Arc<Maps>,
    table: Table,
    from: Bound<Key>,
    to: Bound<Key>,
    is_over: bool,
}

impl Scan {
    fn rest(&self) -> impl DoubleEndedIterator<Item = (&Key, &Value)> {
        let rest = (!self.is_over).then(|| self.maps[self.table as usize].range((self.from, self.to)));
        rest.into_iter().flatten()
    }
}

impl Iterator for Scan {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let found = self.rest().next().map(|(key, value)| (*key, value.clone()));
        match &found {
            Some((key, _)) => self.from = Bound::Excluded(*key),
            None => self.is_over = true,
        }
        found
    }
}

impl DoubleEndedIterator for Scan {
    fn next_back(&mut self) -> Option<Row> {
        let found = self.rest().next_back().map(|(key, value)| (*key, value.clone()));
        match &found {
            Some((key, _)) => self.to = Bound::Excluded(*key),
            None => self.is_over = true,
        }
        found
    }
}
