//! The start of the search for the next deadline.
//!
//! It skips the removed deadlines of earlier scans.

use crate::threads::sync::{Mutex, PoisonError};
use webpush_core::time::Timestamp;

/// No deadline before [`Cursor::from`] is left.
#[derive(Default)]
pub(super) struct DeadlineCursor {
    scan: Mutex<()>,
    cursor: Mutex<Cursor>,
}

#[derive(Default)]
struct Cursor {
    from: Timestamp,
    /// The earliest deadline that was added during the current scan.
    added: Option<Timestamp>,
}

impl DeadlineCursor {
    /// Scans from the first deadline that may be left.
    ///
    /// The scan returns its result and the first deadline that it found.
    pub(super) fn scan<T, E>(
        &self,
        scan: impl FnOnce(Timestamp) -> Result<(T, Option<Timestamp>), E>,
    ) -> Result<T, E> {
        let one_at_a_time = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
        let from = {
            let mut cursor = self.lock();
            cursor.added = None;
            cursor.from
        };
        let (result, first) = scan(from)?;
        let mut cursor = self.lock();
        let first = first.unwrap_or(Timestamp::NEVER);
        cursor.from = cursor.added.map_or(first, |added| first.min(added));
        drop(one_at_a_time);
        Ok(result)
    }

    /// Records a new deadline.
    ///
    /// Call it once the deadline can be read, so that a scan which misses it has not ended.
    pub(super) fn added(&self, deadline: Timestamp) {
        let mut cursor = self.lock();
        cursor.from = cursor.from.min(deadline);
        cursor.added = Some(cursor.added.map_or(deadline, |added| added.min(deadline)));
    }

    /// Starts again, after the store was reopened with other rows.
    pub(super) fn reset(&self) {
        self.added(Timestamp::default());
    }

    fn lock(&self) -> crate::threads::sync::MutexGuard<'_, Cursor> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn scan(cursor: &DeadlineCursor, first: Option<u64>, during: impl FnOnce()) -> Timestamp {
        let scan = |from| {
            during();
            Ok::<_, ()>((from, first.map(at)))
        };
        cursor.scan(scan).unwrap()
    }

    #[test]
    fn a_scan_begins_at_the_first_deadline_that_is_left() {
        let cursor = DeadlineCursor::default();
        assert_eq!(scan(&cursor, Some(50), || ()), at(0));
        assert_eq!(scan(&cursor, Some(70), || ()), at(50));
        cursor.added(at(60));
        assert_eq!(scan(&cursor, Some(60), || ()), at(60));
        assert_eq!(scan(&cursor, Some(90), || cursor.added(at(65))), at(60));
        assert_eq!(scan(&cursor, Some(95), || cursor.added(at(99))), at(65));
        assert_eq!(scan(&cursor, None, || ()), at(95));
        assert_eq!(scan(&cursor, None, || ()), Timestamp::NEVER);
        cursor.reset();
        assert_eq!(scan(&cursor, None, || ()), at(0));
    }
}
