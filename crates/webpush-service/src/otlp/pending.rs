//! Messages whose delivery span has not ended.

use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;
use webpush_core::id::MessageId;

/// Maximum number of messages. When exceeded, the oldest one gets no delivery span.
const MAX_PENDING: usize = 8192;

/// Traced messages that have not ended.
pub(super) struct Pending<Span> {
    deliveries: HashMap<MessageId, Delivery<Span>>,
    /// Insertion order, including messages that have ended.
    order: VecDeque<MessageId>,
}

/// The delivery of one message.
pub(super) struct Delivery<Span> {
    /// The span of the push request.
    pub(super) span: Span,
    pub(super) started: SystemTime,
    /// Time of the last write to the agent's connection.
    pub(super) written: Option<SystemTime>,
}

impl<Span> Default for Pending<Span> {
    fn default() -> Self {
        Self { deliveries: HashMap::default(), order: VecDeque::default() }
    }
}

impl<Span> Pending<Span> {
    pub(super) fn insert(&mut self, message: MessageId, span: Span, now: SystemTime) {
        if self.order.len() >= MAX_PENDING
            && let Some(oldest) = self.order.pop_front()
        {
            self.deliveries.remove(&oldest);
        }
        self.order.push_back(message);
        self.deliveries.insert(message, Delivery { span, started: now, written: None });
    }

    pub(super) fn set_written(&mut self, message: MessageId, now: SystemTime) {
        if let Some(delivery) = self.deliveries.get_mut(&message) {
            delivery.written = Some(now);
        }
    }

    pub(super) fn remove(&mut self, message: MessageId) -> Option<Delivery<Span>> {
        self.deliveries.remove(&message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn the_oldest_are_evicted_and_others_are_removed_once() {
        let id = |number: usize| MessageId::from_bytes((number as u128).to_be_bytes());
        let later = UNIX_EPOCH + Duration::from_secs(1);
        let mut pending = Pending::default();
        (0..=MAX_PENDING).for_each(|number| pending.insert(id(number), number, UNIX_EPOCH));
        assert!(pending.remove(id(0)).is_none());
        (0..2).for_each(|number| pending.set_written(id(number), later));
        let delivery = pending.remove(id(1)).unwrap();
        assert_eq!((delivery.span, delivery.started, delivery.written), (1, UNIX_EPOCH, Some(later)));
        assert!(pending.remove(id(1)).is_none());
        (0..3 * MAX_PENDING).for_each(|number| pending.insert(id(MAX_PENDING + number), number, UNIX_EPOCH));
        assert!(pending.deliveries.len() == MAX_PENDING && pending.order.len() == MAX_PENDING);
    }
}
