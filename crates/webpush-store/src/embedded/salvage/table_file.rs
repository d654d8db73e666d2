//! A table of fjall, read past damage.
//!
//! The index says where the data blocks are. If it is damaged, they are found from the start on, as each has its length.

use super::archive::Sections;
use super::block::{self, HEADER_BYTES, Handle, Kind, RowVersion};
use crate::disk::{Disk, DiskFile};
use crate::embedded::key::Key;
use crate::open_mode::OpenMode;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::{Range, RangeInclusive};
use std::path::Path;

/// A property in the meta block: the number of rows.
const ITEM_COUNT: &[u8] = b"item_count";
const FIRST_KEY: &[u8] = b"key#min";

/// An open table.
pub(in crate::embedded) struct TableFile {
    file: DiskFile,
    blocks: Vec<Handle>,
    /// The next block to read.
    next: usize,
    /// The number of rows, if the meta block is intact.
    items: Option<u64>,
    first_key: Option<Key>,
    /// The last key that was read or skipped.
    last_key: Option<Key>,
    /// The keys that damaged blocks may have had.
    pub(in crate::embedded) holes: Vec<RangeInclusive<Key>>,
    /// True if something other than a data block is damaged.
    pub(in crate::embedded) is_frame_damaged: bool,
    /// Rows that were read.
    pub(in crate::embedded) rows_read: u64,
}

impl TableFile {
    /// Opens a table. Damage is no error.
    pub(in crate::embedded) fn open(disk: &Disk, path: &Path) -> io::Result<Self> {
        let mut file = disk.open(path, OpenMode::Read)?;
        let length = file.seek(SeekFrom::End(0))?;
        let mut table = Self {
            file,
            blocks: Vec::new(),
            next: 0,
            items: None,
            first_key: None,
            last_key: None,
            holes: Vec::new(),
            is_frame_damaged: false,
            rows_read: 0,
        };
        let tail = table.bytes(Sections::tail(length)).unwrap_or_default();
        let sections = Sections::read(&tail, length).unwrap_or_default();
        let blocks = table.index(&sections);
        table.read_meta(&sections);
        let is_whole = blocks.is_some() && table.items.is_some() && table.is_filter_whole(&sections);
        table.is_frame_damaged = !is_whole;
        table.blocks = match blocks {
            Some(blocks) => blocks,
            None => table.chain(0..sections.get("data").map_or(length, |data| data.end), Kind::Data).0,
        };
        Ok(table)
    }

    /// Returns the rows of the next data block; `None` at the end.
    ///
    /// A damaged block has none, and leaves a hole.
    pub(in crate::embedded) fn next_block(&mut self) -> Option<Vec<RowVersion>> {
        let handle = *self.blocks.get(self.next)?;
        self.next += 1;
        let bytes = self.bytes(handle.offset..handle.offset.saturating_add(handle.bytes as u64));
        let rows = bytes.as_deref().and_then(|bytes| block::content(bytes, Kind::Data)).and_then(block::rows);
        match rows {
            Some(rows) => {
                self.rows_read += rows.len() as u64;
                self.last_key = rows.last().map(|row| row.key);
                Some(rows)
            }
            None => {
                let first = self.last_key.or(self.first_key).unwrap_or_default();
                let last = handle.last_key.unwrap_or(Key::LAST);
                self.holes.push(first..=last);
                self.last_key = handle.last_key;
                Some(Vec::new())
            }
        }
    }

    /// Returns the number of rows that were not read, after all blocks were.
    pub(in crate::embedded) fn rows_lost(&self) -> u64 {
        match self.items {
            Some(items) => items.saturating_sub(self.rows_read),
            // At least one a block, whatever it was.
            None => self.holes.len() as u64,
        }
    }

    /// Returns a key that the table has or had, if one is known.
    pub(in crate::embedded) fn some_key(&self) -> Option<Key> {
        self.first_key.or_else(|| self.blocks.iter().find_map(|block| block.last_key))
    }

    fn bytes(&mut self, range: Range<u64>) -> Option<Vec<u8>> {
        let length = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(range.start)).ok()?;
        // A damaged length reads no more than the file has.
        self.file.by_ref().take(length as u64).read_to_end(&mut bytes).ok()?;
        (bytes.len() == length).then_some(bytes)
    }

    /// Returns the data blocks from the index; `None` if it is damaged.
    fn index(&mut self, sections: &Sections) -> Option<Vec<Handle>> {
        let top = self.bytes(sections.get("tli")?)?;
        let top = block::handles(block::content(&top, Kind::Index)?)?;
        if sections.get("index").is_none() {
            return Some(top);
        }
        let mut blocks = Vec::new();
        for part in top {
            let part = self.bytes(part.offset..part.offset.checked_add(part.bytes as u64)?)?;
            blocks.extend(block::handles(block::content(&part, Kind::Index)?)?);
        }
        Some(blocks)
    }

    fn read_meta(&mut self, sections: &Sections) {
        let Some(meta) = sections.get("meta").and_then(|meta| self.bytes(meta)) else { return };
        let Some(rows) = block::content(&meta, Kind::Meta).and_then(block::rows) else { return };
        let value =
            |name: &[u8]| rows.iter().find(|row| &row.key[..] == name).and_then(|row| row.value.clone());
        self.items = value(ITEM_COUNT).and_then(|count| count[..].try_into().ok()).map(u64::from_le_bytes);
        self.first_key = value(FIRST_KEY).and_then(|key| Key::read(&key));
    }

    fn is_filter_whole(&mut self, sections: &Sections) -> bool {
        let filter = sections.get("filter").is_none_or(|range| self.chain(range, Kind::Filter).1);
        let index = sections.get("filter_tli").is_none_or(|range| self.chain(range, Kind::Index).1);
        filter && index
    }

    /// Returns the blocks that follow each other in a range.
    ///
    /// Also returns true if all of them are intact, up to its end.
    fn chain(&mut self, range: Range<u64>, kind: Kind) -> (Vec<Handle>, bool) {
        let (mut blocks, mut offset, mut is_whole) = (Vec::new(), range.start, true);
        while offset < range.end {
            let header = self.bytes(offset..offset + HEADER_BYTES as u64);
            let Some(length) = header.and_then(|header| block::content_bytes(&header, kind)) else { break };
            let bytes = HEADER_BYTES + length;
            let end = offset.saturating_add(bytes as u64);
            let content = self.bytes(offset..end);
            is_whole &= content.is_some_and(|bytes| block::content(&bytes, kind).is_some());
            blocks.push(Handle { offset, bytes, last_key: None });
            offset = end;
        }
        (blocks, is_whole && offset == range.end)
    }
}
