//! The window of unacknowledged messages in flight to an agent that acknowledges on its own connection.
//!
//! It limits what an agent receives that reads but never acknowledges. After a timeout a message stops counting, so that a
//! few unacknowledged ones do not block all others. It stays in the inbox and is sent again in the next session.

use super::{Entry, EntryRef, OutboundEntry, Position, Timestamp};
use crate::session::Queue;
use crate::session::{FETCH_ENTRIES, SESSION_WINDOW};
use crate::time::CompactDuration;
use std::time::Duration;

/// The messages in flight, oldest first.
#[derive(Debug)]
pub(super) struct Window {
    timeout: CompactDuration,
    in_flight: Queue<InFlight>,
}

#[derive(Debug)]
struct InFlight {
    position: Position,
    owes_receipt: bool,
    since: Timestamp,
}

impl Window {
    /// Creates an empty window. A message stops counting after `timeout`.
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout: timeout.into(), in_flight: Queue::default() }
    }

    /// Adds a delivered entry. TTL 0 messages do not count: they are never sent again.
    pub(super) fn deliver(&mut self, entry: &OutboundEntry, now: Timestamp) {
        let OutboundEntry::Stored(Entry::Message(message)) = entry else { return };
        if !message.is_now_or_never() {
            let (position, owes_receipt) = (message.position, message.receipt.is_some());
            // In order even if the clock was set back.
            let since = self.in_flight.back().map_or(now, |last| last.since.max(now));
            self.in_flight.push_back(InFlight { position, owes_receipt, since });
        }
    }

    /// Removes an entry that was not delivered.
    pub(super) fn remove(&mut self, position: Position) {
        self.in_flight.retain(|entry| entry.position != position);
    }

    /// Removes an acknowledged entry. Returns true if it may owe a receipt, as unknown entries may.
    pub(super) fn acknowledge(&mut self, entry: &EntryRef) -> bool {
        let at = self.in_flight.iter().position(|other| other.position == entry.position);
        let removed = at.and_then(|at| self.in_flight.remove(at));
        removed.is_none_or(|entry| entry.owes_receipt)
    }

    /// Returns true if `entries` more fit in the window at `now`.
    pub(super) fn has_room(&mut self, entries: usize, now: Timestamp) -> bool {
        let has_timed_out = |entry: &InFlight| entry.since.after(self.timeout) <= now;
        while self.in_flight.front().is_some_and(has_timed_out) {
            self.in_flight.pop_front();
        }
        self.in_flight.len() + entries <= SESSION_WINDOW
    }

    /// Returns the time at which timeouts make room for a page; `None` if there is room.
    pub(super) fn room_at(&self) -> Option<Timestamp> {
        let last_excess = (self.in_flight.len() + FETCH_ENTRIES).checked_sub(SESSION_WINDOW + 1)?;
        self.in_flight.get(last_excess).map(|entry| entry.since.after(self.timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Draft;
    use crate::session::tests::{draft, entry, stored};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const TIMEOUT: Duration = Duration::from_secs(60);

    #[test]
    fn acknowledgements_and_timeouts_make_room() {
        let mut window = Window::new(TIMEOUT);
        for position in 1..=SESSION_WINDOW as u64 {
            assert!(window.has_room(1, NOW));
            window.deliver(&entry(position).into(), NOW.after(Duration::from_millis(position)));
        }
        assert!(!window.has_room(1, NOW));
        assert!(!window.acknowledge(&entry(9).entry_ref()), "no receipt is owed");
        assert!(window.acknowledge(&entry(9).entry_ref()), "an unknown entry may owe one");
        assert!(window.has_room(1, NOW) && !window.has_room(2, NOW));
        let at = window.room_at().unwrap();
        assert!(!window.has_room(FETCH_ENTRIES, Timestamp::from_millis(at.as_millis() - 1)));
        assert!(window.has_room(FETCH_ENTRIES, at));
        assert_eq!(window.room_at(), None);
    }

    #[test]
    fn ttl_0_messages_do_not_count() {
        let mut window = Window::new(TIMEOUT);
        for position in 1..=2 * SESSION_WINDOW as u64 {
            let now_or_never = Draft { expires: Timestamp::from_millis(0), ..draft(position) };
            window.deliver(&stored(position, now_or_never).into(), NOW);
        }
        assert!(window.has_room(SESSION_WINDOW, NOW));
        assert!(window.acknowledge(&entry(1).entry_ref()), "it may owe a receipt");
    }
}
