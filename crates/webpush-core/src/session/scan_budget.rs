//! The bound of one read of a store.

use super::{FETCH_SCAN_BYTES, FETCH_SCAN_ROWS};
use crate::inbox::Entry;

/// How much of an inbox one read has looked at.
///
/// A read that looks through many rows for few entries ends early and is continued by its caller, so that it does not
/// occupy its thread.
#[derive(Debug, Default)]
pub struct ScanBudget {
    rows: usize,
    body_bytes: usize,
}

impl ScanBudget {
    /// Returns true if the read must end before the next row.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.rows >= FETCH_SCAN_ROWS || self.body_bytes >= FETCH_SCAN_BYTES
    }

    /// Counts a row; `None` if it is damaged.
    pub fn count(&mut self, entry: Option<&Entry>) {
        self.rows += 1;
        self.body_bytes += entry.map_or(0, Entry::body_bytes);
    }
}
