//! How far an inbox was read, urgency by urgency.
//!
//! A min_urgency that is lowered brings what was passed over, and nothing that was handed out before: that may have been
//! acknowledged since, and still be in a page that was read before its acknowledgement was applied.

use super::{Entry, Position};
use crate::urgency::Urgency;

/// Up to where everything of an urgency was considered for an agent.
#[derive(Debug)]
pub(super) struct Progress([Position; Urgency::ALL.len()]);

impl Progress {
    /// Everything up to here was considered.
    pub(super) const fn at(position: Position) -> Self {
        Self([position; Urgency::ALL.len()])
    }

    /// Where to go on reading with this min_urgency.
    pub(super) fn cursor(&self, min_urgency: Urgency) -> Position {
        self.0[min_urgency as usize..].iter().copied().min().unwrap_or(Position::START)
    }

    /// Everything up to `seen` was considered that is not below this min_urgency.
    pub(super) fn advance(&mut self, min_urgency: Urgency, seen: Position) {
        for position in &mut self.0[min_urgency as usize..] {
            *position = seen.max(*position);
        }
    }

    /// Whether an entry was not considered yet.
    pub(super) fn is_new(&self, entry: &Entry) -> bool {
        // No min_urgency holds a receipt back.
        let urgency = match entry {
            Entry::Message(message) => message.urgency,
            Entry::Receipt(_) => Urgency::High,
        };
        entry.position() > self.0[urgency as usize]
    }
}
