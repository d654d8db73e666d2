//! The position up to which an inbox was processed, per urgency.
//!
//! When an agent lowers its minimum urgency, the session delivers what it had excluded before. It must not deliver other
//! entries again: they may have been acknowledged, and still be in a page that was read before.

use super::{Entry, Position};
use crate::urgency::Urgency;

/// The position up to which the entries of each urgency were processed.
#[derive(Debug)]
pub(super) struct Progress([Position; Urgency::ALL.len()]);

impl Progress {
    /// Creates a progress at which everything up to `position` is processed.
    pub(super) const fn at(position: Position) -> Self {
        Self([position; Urgency::ALL.len()])
    }

    /// Returns the position after which to continue with this minimum urgency.
    pub(super) fn cursor(&self, min_urgency: Urgency) -> Position {
        self.0[min_urgency as usize..].iter().copied().min().unwrap_or(Position::START)
    }

    /// Marks everything up to `end` with at least this urgency as processed.
    pub(super) fn advance(&mut self, min_urgency: Urgency, end: Position) {
        for position in &mut self.0[min_urgency as usize..] {
            *position = end.max(*position);
        }
    }

    /// Returns true if the entry is not processed yet.
    pub(super) fn is_new(&self, entry: &Entry) -> bool {
        // Receipts are never excluded.
        let urgency = match entry {
            Entry::Message(message) => message.urgency,
            Entry::Receipt(_) => Urgency::High,
        };
        entry.position() > self.0[urgency as usize]
    }
}
