//! The newest row of each key, from several tables and other sources.

use super::LostRows;
use crate::disk::Disk;
use crate::embedded::key::Key;
use crate::embedded::salvage::{RowVersion, TableFile};
use crate::embedded::value::Value;
use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::vec;
use webpush_core::id::InboxId;

/// Where the rows of a table of the store can be.
#[derive(Default)]
pub(super) struct Sources {
    files: Vec<(PathBuf, TableFile)>,
    /// Rows that are not in a table of the engine, with their sequence numbers.
    others: BTreeMap<Key, (u64, Option<Value>)>,
}

impl Sources {
    pub(super) fn add_table(&mut self, disk: &Disk, path: &Path) -> io::Result<()> {
        self.files.push((path.to_owned(), TableFile::open(disk, path)?));
        Ok(())
    }

    pub(super) fn add(&mut self, key: &[u8], sequence: u64, value: Option<Value>) {
        let Some(key) = Key::read(key) else { return };
        match self.others.entry(key) {
            Entry::Vacant(place) => drop(place.insert((sequence, value))),
            Entry::Occupied(mut place) => {
                if place.get().0 <= sequence {
                    place.insert((sequence, value));
                }
            }
        }
    }

    /// Returns the newest rows in key order, without those that were removed.
    pub(super) fn newest(self) -> NewestRows {
        let others: Vec<_> = self.others.into_iter().collect();
        let others = others.into_iter().map(|(key, (sequence, value))| RowVersion { key, sequence, value });
        let mut rows = NewestRows {
            files: self.files,
            buffers: Vec::new(),
            heap: BinaryHeap::new(),
            last: None,
            next: None,
            damaged: 0,
        };
        rows.buffers.push(others.collect::<Vec<_>>().into_iter().peekable());
        rows.buffers.extend(rows.files.iter().map(|_| Vec::new().into_iter().peekable()));
        for source in 0..rows.buffers.len() {
            rows.refill(source);
        }
        rows
    }
}

/// A merge of sources.
#[derive(Default)]
pub(super) struct NewestRows {
    files: Vec<(PathBuf, TableFile)>,
    /// The rows that were read of each source, of which the first one is no file.
    buffers: Vec<Peekable<vec::IntoIter<RowVersion>>>,
    /// The next row of each source: the lowest key, and of it the highest sequence number.
    heap: BinaryHeap<Reverse<(Key, Reverse<u64>, usize)>>,
    last: Option<Key>,
    next: Option<(Key, Value)>,
    /// Rows whose checksum is wrong.
    damaged: u64,
}

impl NewestRows {
    /// Puts the next row of a source on the heap.
    fn refill(&mut self, source: usize) {
        while self.buffers[source].peek().is_none() {
            let Some(file) = source.checked_sub(1) else { return };
            let Some(rows) = self.files[file].1.next_block() else { return };
            self.buffers[source] = rows.into_iter().peekable();
        }
        if let Some(row) = self.buffers[source].peek() {
            self.heap.push(Reverse((row.key, Reverse(row.sequence), source)));
        }
    }

    fn peek(&mut self) -> Option<&(Key, Value)> {
        if self.next.is_none() {
            self.next = self.next();
        }
        self.next.as_ref()
    }

    /// Returns the inbox of the next row.
    pub(super) fn next_inbox(&mut self) -> Option<InboxId> {
        loop {
            let (key, _) = self.peek()?;
            if let Some(inbox) = key.first_chunk() {
                return Some(InboxId::from_bytes(*inbox));
            }
            self.next = None;
        }
    }

    /// Takes the next row of an inbox that can be read.
    pub(super) fn take<T>(&mut self, inbox: InboxId, read: impl Fn(&[u8], &Value) -> Option<T>) -> Option<T> {
        while self.next_inbox() == Some(inbox) {
            let (key, value) = self.next.take()?;
            match read(&key, &value) {
                Some(row) => return Some(row),
                None => self.damaged += 1,
            }
        }
        None
    }

    /// Returns what is lost of each file, after all rows were taken.
    pub(super) fn lost(self, table: &'static str) -> Vec<LostRows> {
        let damaged = LostRows { file: PathBuf::from(table), table, rows: self.damaged };
        let files = self.files.into_iter().map(|(file, of)| LostRows { file, table, rows: of.rows_lost() });
        files.chain([damaged]).filter(|lost| lost.rows > 0).collect()
    }
}

impl Iterator for NewestRows {
    type Item = (Key, Value);

    fn next(&mut self) -> Option<(Key, Value)> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        loop {
            let Reverse((key, _, source)) = self.heap.pop()?;
            let row = self.buffers[source].next();
            self.refill(source);
            if self.last == Some(key) {
                continue;
            }
            self.last = Some(key);
            if let Some(value) = row.and_then(|row| row.value) {
                return Some((key, value));
            }
        }
    }
}
