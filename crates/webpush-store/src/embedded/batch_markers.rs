//! Batch markers: one numbered row in every batch of the engine.
//!
//! They show the loss of a batch that the engine does not report.
//!
//! When fjall opens a journal with damage in its middle, it silently drops the rest (its issue #311). Such a loss leaves a
//! gap in the numbers, or the frames of the [`super::log`] continue after a frame that the last marker does not
//! reach.

use super::fields::{RowWriter, unseal};
use super::key::Key;
use super::memtable::Rows;
use super::rows::Table;
use super::value::Value;
use super::view::{Row, View};
use super::watermark::Watermark;
use crate::StoreError;
use webpush_core::id::Position;

/// Number of markers to keep: more than there are batches in journals that wait to be replayed.
const WINDOW: u64 = 1 << 17;
/// Number of markers to remove together.
const TRIM: u64 = 1 << 10;

/// The last batch and the last frame that the engine contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BatchMarkers {
    /// The number of the last batch.
    batch: u64,
    /// Every batch from this one on must have a marker.
    first: u64,
    /// The last frame of the log that the engine contains.
    pub(super) frame: u64,
    /// The last position that was assigned by then.
    pub(super) position: Position,
}

impl BatchMarkers {
    /// Reads the markers, and counts missing batches.
    ///
    /// After a loss the markers must start anew.
    pub(super) fn read(engine: &impl View) -> Result<(Self, u64), StoreError> {
        let mut found = Self { batch: 0, first: 1, frame: 0, position: Position::START };
        let mut present = Vec::new();
        for row in engine.scan(Table::Batches, key(0).into()..=key(u64::MAX).into()) {
            let row = match row {
                Err(StoreError::Corrupt) => continue,
                row => row?,
            };
            present.extend(number(&row));
            found = Self::decode(&row).unwrap_or(found);
        }
        let last = present.last().copied().unwrap_or(0);
        let counted = present.len() - present.partition_point(|batch| *batch < found.first);
        let missing = (last + 1).saturating_sub(found.first).saturating_sub(counted as u64);
        // The content of a damaged last marker is lost.
        let lost = missing.max(last - found.batch);
        Ok((Self { batch: last, ..found }, lost))
    }

    /// Returns true if no batch was ever written.
    pub(super) const fn are_none(self) -> bool {
        self.batch == 0
    }

    /// Numbers the next batch, which contains the log up to this frame, and adds its marker.
    pub(super) fn mark(self, last: Watermark, rows: &mut Rows) -> Self {
        let batch = self.batch + 1;
        let mut next = Self { batch, frame: last.frame, position: last.position, ..self };
        if batch.is_multiple_of(TRIM) && batch > self.first + WINDOW {
            next.forget_before(batch - WINDOW, rows);
        }
        let key = key(batch);
        let mut value = RowWriter::new(24);
        value.u64(next.position.get()).u64(next.first).u64(next.frame);
        rows.insert(Key::from(key), Some(value.seal(&key)));
        next
    }

    /// Adds a marker that replaces all others.
    ///
    /// It is the last one of a store that is closed cleanly, or the first one after a loss.
    pub(super) fn mark_anew(mut self, last: Watermark, rows: &mut Rows) -> Self {
        self.forget_before(self.batch + 1, rows);
        self.mark(last, rows)
    }

    fn forget_before(&mut self, batch: u64, rows: &mut Rows) {
        for old in self.first.max(batch.saturating_sub(WINDOW + TRIM))..batch {
            rows.insert(Key::from(key(old)), None);
        }
        self.first = batch;
    }

    fn decode(row: &Row) -> Option<Self> {
        let (key, value) = row;
        let batch = number(row)?;
        let mut fields = unseal(key, value)?;
        let (position, first) = (Position::new(fields.u64()?), fields.u64()?);
        // Before there was a log, frames would have been batches.
        let frame = if fields.0.is_empty() { batch } else { fields.u64()? };
        Some(Self { batch, first, frame, position })
    }
}

/// Returns true if an intact row is a marker.
pub(super) fn is_marker(key: &Key, value: &[u8]) -> bool {
    BatchMarkers::decode(&(*key, Value::from(value))).is_some()
}

/// Returns the last frame and position of an intact marker.
pub(super) fn frame_and_position(key: &Key, value: &Value) -> Option<(u64, Position)> {
    BatchMarkers::decode(&(*key, value.clone())).map(|marker| (marker.frame, marker.position))
}

fn number((key, _): &Row) -> Option<u64> {
    key.as_ref().try_into().map(u64::from_be_bytes).ok()
}

const fn key(batch: u64) -> [u8; 8] {
    batch.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::embedded::engine::Engine;
    use crate::embedded::open_engine::open_engine;

    fn write(engine: &Engine, rows: &Rows) {
        engine.write(rows.iter().map(|(key, value)| (Table::Batches, *key, value))).unwrap();
    }

    fn mark(engine: &Engine, marks: BatchMarkers, frame: u64, end: bool) -> BatchMarkers {
        let last = Watermark { frame, position: Position::new(frame * 100) };
        let mut rows = Rows::new();
        let next = if end { marks.mark_anew(last, &mut rows) } else { marks.mark(last, &mut rows) };
        write(engine, &rows);
        next
    }

    #[test]
    fn holes_are_counted_once() {
        let directory = tempfile::tempdir().unwrap();
        let engine = open_engine(&Disk::System, directory.path(), 1024 * 1024).unwrap();
        let (mut marks, lost) = BatchMarkers::read(&engine).unwrap();
        assert_eq!((marks.batch, marks.frame, marks.position, lost), (0, 0, Position::START, 0));
        for number in 1..=10 {
            marks = mark(&engine, marks, number * 7, false);
        }
        assert_eq!(BatchMarkers::read(&engine).unwrap(), (marks, 0));

        let forget = |batch: u64| (Key::from(key(batch)), None);
        write(&engine, &Rows::from([1, 4, 5].map(forget)));
        assert_eq!(BatchMarkers::read(&engine).unwrap(), (marks, 3));
        let marks = mark(&engine, marks, 80, true);
        assert_eq!(BatchMarkers::read(&engine).unwrap(), (marks, 0));

        let before = marks;
        let marks = mark(&engine, marks, 90, false);
        assert_eq!(BatchMarkers::read(&engine).unwrap(), (marks, 0));
        let damaged = engine.get(Table::Batches, &key(marks.batch)).unwrap().unwrap();
        write(&engine, &Rows::from([(Key::from(key(marks.batch)), Some(Value::from(&damaged[1..])))]));
        assert_eq!(BatchMarkers::read(&engine).unwrap(), (BatchMarkers { batch: marks.batch, ..before }, 1));
    }

    #[test]
    fn a_mark_from_before_there_was_a_log_is_understood() {
        let key = key(5);
        let mut value = RowWriter::new(16);
        value.u64(77).u64(3);
        let marks = BatchMarkers { batch: 5, first: 3, frame: 5, position: Position::new(77) };
        assert_eq!(BatchMarkers::decode(&(Key::from(key), value.seal(&key))), Some(marks));
    }

    #[test]
    fn old_marks_go() {
        let start = BatchMarkers { batch: WINDOW + TRIM - 1, first: 1, frame: 0, position: Position::START };
        let mut rows = Rows::new();
        let next = start.mark(Watermark::default(), &mut rows);
        assert_eq!(next.first, TRIM);
        assert_eq!(rows.values().filter(|value| value.is_none()).count() as u64, TRIM - 1);
    }
}
