//! How much may be under way to an agent that acknowledges on its own connection: delivered, and not acknowledged.
//!
//! The bound is what protects both sides from an agent that reads but never acknowledges. A message that stays
//! unacknowledged for too long stops counting, so that a few that are never acknowledged can't hold up all others; it
//! stays in the inbox, and comes again with the next session.

use super::{Entry, EntryRef, OutboundEntry, Position, Timestamp};
use crate::session::Queue;
use crate::session::{FETCH_ENTRIES, SESSION_WINDOW};
use crate::time::Span;
use std::time::Duration;

/// What was delivered and not acknowledged, oldest first.
#[derive(Debug)]
pub(super) struct Window {
    timeout: Span,
    in_flight: Queue<InFlight>,
}

#[derive(Debug)]
struct InFlight {
    position: Position,
    owes_receipt: bool,
    since: Timestamp,
}

impl Window {
    /// Waits so long for each acknowledgement.
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout: timeout.into(), in_flight: Queue::default() }
    }

    /// Notes that an entry is delivered. A message with TTL 0 never comes again, so it is not waited for: it may be stored,
    /// for a receipt that it owes, but must not take the place of others.
    pub(super) fn deliver(&mut self, entry: &OutboundEntry, now: Timestamp) {
        let OutboundEntry::Stored(Entry::Message(message)) = entry else { return };
        if !message.is_now_or_never() {
            let (position, owes_receipt) = (message.position, message.receipt.is_some());
            // In order, also when the clock was set back.
            let since = self.in_flight.back().map_or(now, |last| last.since.max(now));
            self.in_flight.push_back(InFlight { position, owes_receipt, since });
        }
    }

    /// Notes that an entry was not delivered after all.
    pub(super) fn take_back(&mut self, position: Position) {
        self.in_flight.retain(|entry| entry.position != position);
    }

    /// Notes an acknowledgement; whether a receipt may be owed. Of what is not here any more that is not known.
    pub(super) fn acknowledge(&mut self, entry: &EntryRef) -> bool {
        let at = self.in_flight.iter().position(|other| other.position == entry.position);
        let found = at.and_then(|at| self.in_flight.remove(at));
        found.is_none_or(|entry| entry.owes_receipt)
    }

    /// Whether so many more entries may be delivered now.
    pub(super) fn has_room(&mut self, entries: usize, now: Timestamp) -> bool {
        let given_up = |entry: &InFlight| entry.since.after(self.timeout) <= now;
        while self.in_flight.front().is_some_and(given_up) {
            self.in_flight.pop_front();
        }
        self.in_flight.len() + entries <= SESSION_WINDOW
    }

    /// When there will be room for a page, whatever the agent does.
    pub(super) fn room_at(&self) -> Option<Timestamp> {
        let over = (self.in_flight.len() + FETCH_ENTRIES).checked_sub(SESSION_WINDOW + 1)?;
        self.in_flight.get(over).map(|entry| entry.since.after(self.timeout))
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
    fn it_is_full_until_something_is_acknowledged_or_given_up() {
        let mut window = Window::new(TIMEOUT);
        for position in 1..=SESSION_WINDOW as u64 {
            assert!(window.has_room(1, NOW));
            window.deliver(&entry(position).into(), NOW.after(Duration::from_millis(position)));
        }
        assert!(!window.has_room(1, NOW));
        assert!(!window.acknowledge(&entry(9).entry_ref()), "no receipt is owed");
        assert!(window.acknowledge(&entry(9).entry_ref()), "what is not known may owe one");
        assert!(window.has_room(1, NOW) && !window.has_room(2, NOW));
        let at = window.room_at().unwrap();
        assert!(!window.has_room(FETCH_ENTRIES, Timestamp::from_millis(at.as_millis() - 1)));
        assert!(window.has_room(FETCH_ENTRIES, at));
        assert_eq!(window.room_at(), None);
    }

    #[test]
    fn messages_with_ttl_zero_do_not_fill_it() {
        let mut window = Window::new(TIMEOUT);
        for position in 1..=2 * SESSION_WINDOW as u64 {
            let now_or_never = Draft { expires: Timestamp::from_millis(0), ..draft(position) };
            window.deliver(&stored(position, now_or_never).into(), NOW);
        }
        assert!(window.has_room(SESSION_WINDOW, NOW));
        assert!(window.acknowledge(&entry(1).entry_ref()), "it may owe a receipt");
    }
}
