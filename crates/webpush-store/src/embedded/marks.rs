//! Marks: one numbered row in every batch, so that a batch which the engine lost without a word is missed.
//!
//! When fjall opens a journal with damage in its middle it drops what follows and says nothing (its issue #311). A
//! hole in the numbers, or an end before the number in the [`super::watermark`] file, is what such a loss leaves.

use super::engine::{Engine, Row, Rows, View};
use super::fields::{RowWriter, unseal};
use super::rows::Table;
use super::watermark::Watermark;
use crate::StoreError;
use fjall::Slice;
use webpush_core::id::Position;

/// Marks that are kept: more than there are batches in journals that wait to be replayed.
const WINDOW: u64 = 1 << 17;
/// Marks that are removed at once.
const TRIM: u64 = 1 << 10;
/// How far positions leap after a loss, so that none that an agent has seen is assigned again.
const LEAP: u64 = 1 << 32;

/// Where the numbering is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// The number of the last batch.
    batch: u64,
    /// The last position that was assigned.
    pub(super) position: Position,
    /// From here on there must be a mark of every batch.
    first: u64,
}

impl Marks {
    /// Reads where the numbering is, and how many batches are missing. After a loss the marks must begin anew.
    pub(super) fn read(engine: &Engine, synced: Option<Watermark>) -> Result<(Self, u64), StoreError> {
        let synced = synced.unwrap_or_default();
        let mut found = Self { batch: 0, position: Position::START, first: 1 };
        let mut present = Vec::new();
        for row in engine.snapshot().scan(Table::Batches, key(0).into()..=key(u64::MAX).into()) {
            let Ok(row) = row else { continue };
            present.extend(number(&row));
            found = Self::decode(&row).unwrap_or(found);
        }
        let last = present.last().copied().unwrap_or(0);
        let expected = last.max(synced.batch);
        let counted = present.len() - present.partition_point(|batch| *batch < found.first);
        let missing = (expected + 1).saturating_sub(found.first).saturating_sub(counted as u64);
        // A last mark that is damaged has lost the position it held.
        let lost = missing.max(last - found.batch);
        if lost == 0 {
            return Ok((found, 0));
        }
        let position = found.position.max(synced.position).get().saturating_add(LEAP);
        Ok((Self { batch: expected, position: Position::new(position), ..found }, lost))
    }

    /// What to write down once this is synced.
    pub(super) const fn watermark(&self) -> Watermark {
        Watermark { batch: self.batch, position: self.position }
    }

    /// Positions up to this one were handed out, whatever the engine has kept of them.
    pub(super) fn not_before(self, position: Position) -> Self {
        Self { position: self.position.max(position), ..self }
    }

    /// Numbers the next batch, whose last position this is, and adds its mark.
    pub(super) fn mark(self, position: Position, rows: &mut Rows) -> Self {
        let batch = self.batch + 1;
        let mut next = Self { batch, position, ..self };
        if batch.is_multiple_of(TRIM) && batch > self.first + WINDOW {
            next.forget_before(batch - WINDOW, rows);
        }
        let key = key(batch);
        let mut value = RowWriter::new(16);
        value.u64(position.get()).u64(next.first);
        rows.insert(Slice::from(key), Some(value.seal(&key)));
        next
    }

    /// A mark that all others go for: the last one of a store that is closed in good order, or the first after a loss.
    pub(super) fn mark_anew(mut self, rows: &mut Rows) -> Self {
        self.forget_before(self.batch + 1, rows);
        self.mark(self.position, rows)
    }

    fn forget_before(&mut self, batch: u64, rows: &mut Rows) {
        for old in self.first.max(batch.saturating_sub(WINDOW + TRIM))..batch {
            rows.insert(Slice::from(key(old)), None);
        }
        self.first = batch;
    }

    fn decode(row: &Row) -> Option<Self> {
        let (key, value) = row;
        let batch = number(row)?;
        let mut fields = unseal(key, value)?;
        Some(Self { batch, position: Position::new(fields.u64()?), first: fields.u64()? })
    }
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
    use crate::embedded::Options;
    use fjall::PersistMode;

    fn write(engine: &Engine, marks: Marks, position: u64, end: bool) -> Marks {
        let mut rows: [Rows; Table::ALL.len()] = Default::default();
        let batches = &mut rows[Table::Batches as usize];
        let position = Position::new(position);
        let next = if end { marks.mark_anew(batches) } else { marks.mark(position, batches) };
        engine.write(rows, PersistMode::Buffer).unwrap();
        next
    }

    #[test]
    fn holes_and_lost_tails_are_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(folder.path(), &Options::default()).unwrap();
        let (mut marks, lost) = Marks::read(&engine, None).unwrap();
        assert_eq!((marks.batch, marks.position, lost), (0, Position::START, 0));
        for number in 1..=10 {
            marks = write(&engine, marks, number * 100, false);
        }
        assert_eq!(Marks::read(&engine, None).unwrap(), (marks, 0));

        let synced = Watermark { batch: 12, position: Position::new(1200) };
        let (after_tail, lost) = Marks::read(&engine, Some(synced)).unwrap();
        assert_eq!((after_tail.batch, lost), (12, 2));
        assert!(after_tail.position > synced.position);

        let mut rows: [Rows; Table::ALL.len()] = Default::default();
        for batch in [1, 4, 5] {
            rows[Table::Batches as usize].insert(Slice::from(key(batch)), None);
        }
        engine.write(rows, PersistMode::Buffer).unwrap();
        let (after_hole, lost) = Marks::read(&engine, None).unwrap();
        assert_eq!(lost, 3);
        assert!(after_hole.position > marks.position);

        let marks = write(&engine, after_hole, 0, true);
        assert_eq!(Marks::read(&engine, None).unwrap(), (marks, 0));
        let marks = write(&engine, marks, marks.position.get() + 1, false);
        assert_eq!(Marks::read(&engine, None).unwrap(), (marks, 0));
    }

    #[test]
    fn old_marks_go() {
        let start = Marks { batch: WINDOW + TRIM - 1, position: Position::START, first: 1 };
        let mut rows = Rows::new();
        let next = start.mark(Position::new(5), &mut rows);
        assert_eq!(next.first, TRIM);
        assert_eq!(rows.values().filter(|value| value.is_none()).count() as u64, TRIM - 1);
    }
}
