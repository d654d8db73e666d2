//! Changes that a session is told of.

use webpush_core::id::{EntryRef, Position};
use webpush_core::inbox::{Entry, OutboundEntry};
use webpush_core::session::{InboxUpdate, UPDATE_BYTES, UPDATE_ENTRIES};

/// Changes to a session's inbox since the last [`take_if`](super::SessionHandle::take_if).
#[derive(Debug, Default)]
pub struct Wakeup {
    /// New entries. Boxed, because most of the time there are none.
    pub update: Option<Box<InboxUpdate>>,
    /// True if there were more entries than a wakeup carries; then `update` has none.
    overflowed: bool,
    /// True if the inbox or subscription was removed.
    pub removed: bool,
    /// True if the agent has reconnected on another connection.
    pub superseded: bool,
}

impl Wakeup {
    /// Returns true if the session must end.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        self.removed || self.superseded
    }

    pub(super) fn add(&mut self, previous: Position, entry: &Entry, replaced: Option<EntryRef>) {
        let overflowed = self.overflowed;
        let update = self.update_mut();
        // A replaced message must no longer be sent (RFC 8030 §5.4).
        if let Some(replaced) = replaced {
            update.entries.retain(|waiting| waiting.entry_ref() != replaced);
        }
        if update.last == Position::START {
            update.previous = previous;
        } else {
            // Another node has stored an entry in between, or the store announced two commits in another order.
            update.missed |= previous != update.last;
        }
        update.last = entry.position().max(update.last);
        let bytes: usize = update.entries.iter().map(Entry::body_bytes).sum();
        let overflowed = overflowed || update.entries.len() == UPDATE_ENTRIES || bytes > UPDATE_BYTES;
        if overflowed {
            update.entries.clear();
        } else {
            update.entries.push(entry.clone());
        }
        self.overflowed = overflowed;
    }

    /// Adds a message with TTL 0, and returns false if there are too many.
    pub(super) fn add_live(&mut self, entry: &OutboundEntry) -> bool {
        let live = &mut self.update_mut().live;
        let bytes: usize = live.iter().map(body_bytes).sum();
        let has_room = live.len() < UPDATE_ENTRIES && bytes <= UPDATE_BYTES;
        if has_room {
            live.push(entry.clone());
        }
        has_room
    }

    pub(super) fn update_mut(&mut self) -> &mut InboxUpdate {
        self.update.get_or_insert_default()
    }
}

fn body_bytes(entry: &OutboundEntry) -> usize {
    entry.message().map_or(0, |message| message.body.len())
}
