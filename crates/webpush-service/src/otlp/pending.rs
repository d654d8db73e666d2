//! Messages that are on their way, and the spans of the requests that sent them.

#![allow(clippy::disallowed_methods, reason = "the SDK stamps other spans of a trace with this clock")]

use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;
use webpush_core::id::MessageId;

/// So many are remembered. A message that waits longer for its agent than it takes for so many more to come has only the
/// span of its request.
const MOST: usize = 8192;

/// Traced messages, the oldest of which are forgotten.
pub(super) struct Pending<Span> {
    taken: HashMap<MessageId, Taken<Span>>,
    /// Also of messages that have ended.
    order: VecDeque<MessageId>,
}

/// What is remembered of a message.
pub(super) struct Taken<Span> {
    /// The span of its request.
    pub(super) span: Span,
    pub(super) at: SystemTime,
    /// When it was written to the connection of its agent, for the last time.
    pub(super) written: Option<SystemTime>,
}

impl<Span> Default for Pending<Span> {
    fn default() -> Self {
        Self { taken: HashMap::default(), order: VecDeque::default() }
    }
}

impl<Span> Pending<Span> {
    pub(super) fn insert(&mut self, message: MessageId, span: Span) {
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.taken.remove(&oldest);
        }
        self.order.push_back(message);
        self.taken.insert(message, Taken { span, at: SystemTime::now(), written: None });
    }

    pub(super) fn written(&mut self, message: MessageId) {
        if let Some(taken) = self.taken.get_mut(&message) {
            taken.written = Some(SystemTime::now());
        }
    }

    pub(super) fn remove(&mut self, message: MessageId) -> Option<Taken<Span>> {
        self.taken.remove(&message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_others_are_found_once() {
        let id = |number: usize| MessageId::from_bytes((number as u128).to_be_bytes());
        let mut pending = Pending::default();
        (0..=MOST).for_each(|number| pending.insert(id(number), number));
        assert!(pending.remove(id(0)).is_none());
        (0..2).for_each(|number| pending.written(id(number)));
        let taken = pending.remove(id(1)).unwrap();
        assert!(taken.span == 1 && taken.written.is_some_and(|written| taken.at <= written));
        assert!(pending.remove(id(1)).is_none());
        (0..3 * MOST).for_each(|number| pending.insert(id(MOST + number), number));
        assert!(pending.taken.len() == MOST && pending.order.len() == MOST);
    }
}
